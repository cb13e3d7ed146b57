//! The command line: commands, options, help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use kahawai_config::StoreAddress;
use kahawai_config::value::{bind_address, broker_name, milliseconds, segment_length};

use crate::bench::options::BenchCommand;
use crate::config::options::ConfigOptions;
use crate::config::options::definition;
use crate::exit;
use crate::manual::options::{CompletionOptions, ManualOptions};
use crate::messages::dead_letters::DeadLetterCommand;
use crate::messages::queue::{BrowseOptions, MoveOptions, PurgeOptions};
use crate::messages::receive::{ReceiveOptions, SubscribeOptions, TailOptions};
use crate::messages::send::SendOptions;
use crate::messages::stats::StatsOptions;
use crate::store::options::StoreOptions;

/// A message broker for ActiveMQ's clients, built around its storage engine.
#[derive(Debug, Parser)]
#[command(name = "kahawai", version, max_term_width = 110, after_help = exit::TABLE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker on a store directory: as its master, or as a slave that takes over when the master goes.
    Serve(ServeOptions),

    /// Look at, check, copy, compact and mend a store: info, verify, dump, why, backup, compact, repair.
    Store(StoreOptions),
    /// Say what becomes of a configuration file: check.
    Config(ConfigOptions),
    /// Measure a broker under load, every message accounted for; or storage engines on a disk (bench store).
    Bench(Box<BenchCommand>),
    /// Send messages.
    Send(Box<SendOptions>),
    /// Receive messages until none come, and acknowledge them.
    Receive(Box<ReceiveOptions>),
    /// Receive messages as they come, without end.
    Tail(Box<TailOptions>),
    /// Receive from a durable subscription, which keeps messages while nobody does; make it or remove it.
    Subscribe(Box<SubscribeOptions>),
    /// Look at a queue's messages and take none.
    Browse(Box<BrowseOptions>),
    /// Move messages from a queue to another destination, in transactions.
    Move(Box<MoveOptions>),
    /// Take a queue's messages away, for good.
    Purge(Box<PurgeOptions>),
    /// Look at dead letters, and send them again.
    Dlq(Box<DeadLetterCommand>),
    /// Tell what destinations there are, and how many messages and consumers they have.
    Stats(Box<StatsOptions>),
    /// Write completions for a shell.
    Completions(CompletionOptions),
    /// Write the manual pages.
    Man(ManualOptions),
}

const EXAMPLES: &str = "\
Examples:
  kahawai serve
      store in ./data, OpenWire on 127.0.0.1:61616

  kahawai serve --store /shared/store --bind 0.0.0.0:61616 --name a
  kahawai serve --store /shared/store --bind 0.0.0.0:61617 --name b
      two brokers on one store: one serves, the other waits and takes over; clients connect with
      failover:(tcp://host-a:61616,tcp://host-b:61617)

  KAHAWAI_STORE_PASSWORD=… kahawai serve --store postgres://mq@db-a:5432,db-b:5432/mq --bind 0.0.0.0:61616 --name a
      the store in a database, which its brokers share; only the primary of its servers is used

  kahawai serve --store sqlite:/var/lib/kahawai/store.db
      one file, brokers on one host

  kill -HUP $(pidof kahawai)
      reads the file of --config again: its policies hold at once, the rest from the next start on";

fn serve_after_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::TABLE)
}

/// Options of `kahawai serve`.
#[derive(Clone, Debug, Args)]
#[command(after_help = serve_after_help())]
pub(crate) struct ServeOptions {
    /// A file to be configured by: TOML, or ActiveMQ's own activemq.xml (see kahawai config check). What is said here or in the environment
    /// besides counts more.
    #[arg(long, value_name = "FILE", env = "KAHAWAI_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// What a placeholder ${NAME} in activemq.xml stands for; may be given again.
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = definition)]
    pub(crate) definitions: Vec<(String, String)>,

    /// What of activemq.xml is left out though that opens a door, by its name (kahawai config check tells which); may be given again.
    #[arg(long, value_name = "NAME")]
    pub(crate) without: Vec<String>,

    /// The store; made where there is none. Brokers given the same one are master and slaves. [default: ./data]
    ///
    /// DIR or journal:DIR for a journal in a directory, sqlite:FILE for one host, postgres://USER@HOST:PORT/DATABASE for a server
    /// (several HOST:PORT with commas between; ?tablePrefix=NAME, kahawai_ by default), mysql://USER@HOST:PORT/DATABASE.
    #[arg(long, value_name = "STORE", env = "KAHAWAI_STORE", value_parser = StoreAddress::parse)]
    pub(crate) store: Option<StoreAddress>,

    /// A file whose first line is the database's password. Or the variable KAHAWAI_STORE_PASSWORD.
    #[arg(long, value_name = "FILE", env = "KAHAWAI_STORE_PASSWORD_FILE")]
    pub(crate) store_password_file: Option<PathBuf>,

    /// Where to listen for OpenWire clients while master. [default: 127.0.0.1:61616]
    #[arg(long, value_name = "HOST:PORT", env = "KAHAWAI_BIND", value_parser = bind_address)]
    pub(crate) bind: Option<String>,

    /// The broker's name, as clients and slaves see it (ActiveMQ: brokerName). [default: localhost]
    #[arg(long, value_name = "NAME", env = "KAHAWAI_NAME", value_parser = broker_name)]
    pub(crate) name: Option<String>,

    /// How long a master may be silent before a slave takes over, though its lock is still held: milliseconds. [default: 2000]
    #[arg(long, value_name = "MS", value_parser = milliseconds(100))]
    pub(crate) lease_duration: Option<Duration>,

    /// How often a slave looks whether the lock is free: milliseconds (ActiveMQ's option, 10000 there). [default: 25]
    #[arg(long, value_name = "MS", value_parser = milliseconds(1))]
    pub(crate) lock_acquire_sleep_interval: Option<Duration>,

    /// The length of a journal segment: bytes, or with a suffix 64kb, 32mb, 1gb. [default: 32mb]
    #[arg(long, value_name = "SIZE", value_parser = segment_length)]
    pub(crate) journal_max_file_length: Option<u64>,

    /// When what was sent persistently is answered (ActiveMQ: journalDiskSyncStrategy): once it is on the disk, or before, at the
    /// risk of losing the last of it when the machine fails. [default: always]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub(crate) journal_disk_sync_strategy: Option<JournalDiskSyncStrategy>,

    /// With `periodic`, how long what was answered may be at risk: milliseconds (ActiveMQ: journalDiskSyncInterval). [default: 1000]
    #[arg(long, value_name = "MS", value_parser = milliseconds(1))]
    pub(crate) journal_disk_sync_interval: Option<Duration>,

    /// How segments are written. By default mapped on a file system known to be local, plain elsewhere.
    #[arg(long, value_name = "WAY", value_enum)]
    pub(crate) journal_io: Option<JournalIo>,
}

/// When what was sent persistently is answered.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum JournalDiskSyncStrategy {
    /// Once it is on the disk.
    Always,
    /// Once the operating system has it; it is flushed within the interval.
    Periodic,
    /// Once the operating system has it.
    Never,
}

/// How segments are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum JournalIo {
    /// Mapped: many records at once through the mapping, a few beside it; flushed by fdatasync.
    Mapped,
    /// Always through the mapping, flushed by fdatasync.
    MappedOnly,
    /// Always through the mapping, flushed by msync.
    MappedOnlyMsync,
    /// With pwrite, flushed by fdatasync.
    Plain,
}

#[cfg(test)]
mod tests {
    use kahawai_config::Configuration;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_tells_the_defaults_that_hold() {
        use clap::CommandFactory as _;
        let mut command = Cli::command();
        let serve = command.find_subcommand_mut("serve").expect("it is there");
        let help = serve.render_long_help().to_string();
        let usual = Configuration::default();
        let journal = &usual.store.journal;
        for (option, default) in [
            ("store", format!("{:?}", usual.store.address)),
            ("bind", usual.broker.bind[0].clone()),
            ("name", usual.broker.broker_name.clone()),
            ("lease-duration", usual.broker.lease.as_millis().to_string()),
            ("lock-acquire-sleep-interval", usual.lock_acquire_sleep_interval.as_millis().to_string()),
            ("journal-max-file-length", format!("{}mb", journal.journal_max_file_length >> 20)),
            ("journal-disk-sync-strategy", journal.journal_disk_sync_strategy.to_string()),
            ("journal-disk-sync-interval", journal.journal_disk_sync_interval.as_millis().to_string()),
        ] {
            let from = help.find(&format!("--{option} ")).expect("it is told of");
            let told = help[from..].split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
            let told = told.expect("a default");
            assert!(
                default == told || default == format!("Journal({told:?})"),
                "{option}: {told}, {default}"
            );
        }
    }
}
