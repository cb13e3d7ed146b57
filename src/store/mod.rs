//! `kahawai store`: looks at, checks, copies and mends stores.
//!
//! | module | what it does |
//! |---|---|
//! | [`options`] | the command line |
//! | [`info`], [`verify`], [`dump`], [`why`], [`backup`], [`compact`], [`repair`], [`diff`] | one command each |
//! | [`opened`] | a store opened as its master, for the commands that write |
//! | [`verdict`] | what a command found, or why it could not |
//! | [`progress`] | how far a command has come, on a terminal |
//! | [`words`] | numbers, times and findings in words and in JSON |
//!
//! Exit codes are the same for all: 0 sound, 1 damage found, 2 could not. Results go to standard output, everything else to
//! standard error.

mod backup;
mod compact;
mod diff;
mod dump;
mod info;
mod opened;
pub(crate) mod options;
mod progress;
mod repair;
mod verdict;
mod verify;
mod why;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use options::{StoreCommand, StoreOptions};
use verdict::{Trouble, Verdict};

/// Runs a command; gives the exit code.
pub(crate) fn run(options: StoreOptions) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match options.command {
        StoreCommand::Info(options) => info::run(&options, &mut out),
        StoreCommand::Verify(options) => verify::run(&options, &mut out),
        StoreCommand::Dump(options) => dump::run(&options, &mut out),
        StoreCommand::Why(options) => why::run(&options, &mut out),
        StoreCommand::Backup(options) => backup::run(&options, &mut out),
        StoreCommand::Compact(options) => compact::run(&options, &mut out),
        StoreCommand::Diff(options) => diff::run(&options, &mut out),
        StoreCommand::Repair(options) => repair::run(&options, &mut out),
    };
    let result = result.and_then(|verdict| out.flush().map(|()| verdict).map_err(Trouble::Output));
    match result {
        Ok(Verdict::Sound) => ExitCode::SUCCESS,
        Ok(Verdict::Damaged) => ExitCode::from(1),
        // Whoever read the output has enough: `kahawai store dump … | head`.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(trouble) => {
            // Where even standard error is gone, the exit code must do.
            let _ = writeln!(io::stderr(), "kahawai: {trouble}");
            ExitCode::from(2)
        }
    }
}
