//! The `kahawai` command.
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | the command line: commands, options, help |
//! | [`exit`] | what each exit code means |
//! | [`serve`] | runs a broker: slave until it is master, then serves, and back |
//! | [`store`] | looks at, checks, copies and mends stores |

mod cli;
mod exit;
mod serve;
mod store;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let result = match cli.command {
        Command::Serve(options) => serve::run(options),
        Command::Store(options) => return store::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where even standard error is gone, the exit code must do.
            let _ = writeln!(std::io::stderr(), "kahawai: {failure}");
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Logs go to standard error; `KAHAWAI_LOG` says how much, in the words of `tracing`'s filters (`info`, `kahawai_broker=debug`).
fn start_logging() {
    let filter = EnvFilter::try_from_env("KAHAWAI_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}
