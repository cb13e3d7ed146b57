//! The `kahawai` command.
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | the command line: commands, options, help |
//! | [`cluster`] | how a pair of brokers stands, and a switch |
//! | [`descriptors`] | how many files may be open |
//! | [`exit`] | what each exit code means |
//! | [`mod@bench`] | measures a broker, or the storage engines |
//! | [`mod@config`] | says what becomes of a configuration file, and what a broker would be told |
//! | [`configure`] | what a broker is told: composed of defaults, file, environment and command line |
//! | [`connect`] | how commands find their broker |
//! | [`figures`], [`quantity`], [`table`], [`output`] | numbers for people, from people; standard output |
//! | [`messages`] | commands that look at messages, send them, move them about |
//! | [`manual`] | shell completions and manual pages |
//! | [`notice`] | what a service says of itself: standard output, systemd |
//! | [`occupied`] | ActiveMQ's messages where a store would begin |
//! | [`serve`] | runs a broker: slave until it is master, then serves, and back |
//! | [`arbiters`] | opens the arbiter of a pair |
//! | [`witness`] | runs an arbiter as a process of its own |
//! | [`store`] | looks at, checks, copies and mends stores |

mod arbiters;
mod bench;
mod cli;
mod cluster;
mod config;
mod configure;
mod connect;
mod descriptors;
mod exit;
mod figures;
mod manual;
mod messages;
mod notice;
mod occupied;
mod output;
mod quantity;
mod serve;
mod store;
mod table;
mod witness;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use exit::Exit;
use messages::{dead_letters, queue, receive, send, stats};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    descriptors::raise();
    let result = match cli.command {
        Command::Serve(options) => serve::run(*options),
        Command::Store(options) => return store::run(options),
        Command::Witness(options) => witness::run(&options),
        Command::Cluster(options) => cluster::run(&options),
        Command::Config(options) => return config::run(*options),
        Command::Bench(command) => bench::run(*command),
        Command::Send(options) => connect::run(send::run(*options)),
        Command::Receive(options) => connect::run(receive::receive(*options)),
        Command::Tail(options) => connect::run(receive::tail(*options)),
        Command::Subscribe(options) => connect::run(receive::subscribe(*options)),
        Command::Browse(options) => connect::run(queue::browse(*options)),
        Command::Move(options) => connect::run(queue::move_messages(*options)),
        Command::Purge(options) => connect::run(queue::purge(*options)),
        Command::Dlq(command) => connect::run(dead_letters::run(*command)),
        Command::Stats(options) => connect::run(stats::run(*options)),
        Command::Completions(options) => manual::completions(&options),
        Command::Man(options) => manual::manual(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.exit != Exit::Silent {
                // Where even standard error is gone, the exit code must do.
                let _ = writeln!(std::io::stderr(), "kahawai: {failure}");
            }
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Logs go to standard error; `KAHAWAI_LOG` says how much, in the words of `tracing`'s filters (`info`, `kahawai_broker=debug`).
fn start_logging() {
    let wanted = std::env::var("KAHAWAI_LOG").ok().map(EnvFilter::try_new);
    let (filter, wrong) = match wanted {
        Some(Ok(filter)) => (filter, None),
        Some(Err(wrong)) => (EnvFilter::new("info"), Some(wrong)),
        None => (EnvFilter::new("info"), None),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    if let Some(wrong) = wrong {
        tracing::warn!("KAHAWAI_LOG is not understood ({wrong}): logging as with KAHAWAI_LOG=info");
    }
}
