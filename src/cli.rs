//! The command line: commands, options, help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::options::BenchCommand;
use crate::exit;
use crate::manual::options::{CompletionOptions, ManualOptions};
use crate::messages::dead_letters::DeadLetterCommand;
use crate::messages::queue::{BrowseOptions, MoveOptions, PurgeOptions};
use crate::messages::receive::{ReceiveOptions, SubscribeOptions, TailOptions};
use crate::messages::send::SendOptions;
use crate::messages::stats::StatsOptions;
use crate::quantity;
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

    /// Look at, check, copy and mend a store: info, verify, dump, why, backup, repair.
    Store(StoreOptions),
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
      one file, brokers on one host";

fn serve_after_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::TABLE)
}

/// Options of `kahawai serve`.
#[derive(Debug, Args)]
#[command(after_help = serve_after_help())]
pub(crate) struct ServeOptions {
    /// The store; made where there is none. Brokers given the same one are master and slaves.
    ///
    /// DIR or journal:DIR for a journal in a directory, sqlite:FILE for one host, postgres://USER@HOST:PORT/DATABASE for a server
    /// (several HOST:PORT with commas between; ?tablePrefix=NAME, kahawai_ by default), mysql://USER@HOST:PORT/DATABASE where built with it.
    #[arg(long, value_name = "STORE", default_value = "./data", env = "KAHAWAI_STORE", value_parser = StoreAddress::parse)]
    pub(crate) store: StoreAddress,

    /// A file whose first line is the database's password. Or the variable KAHAWAI_STORE_PASSWORD.
    #[arg(long, value_name = "FILE", env = "KAHAWAI_STORE_PASSWORD_FILE")]
    pub(crate) store_password_file: Option<PathBuf>,

    /// Where to listen for OpenWire clients while master.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:61616", env = "KAHAWAI_BIND", value_parser = bind_address)]
    pub(crate) bind: String,

    /// The broker's name, as clients and slaves see it (ActiveMQ: brokerName).
    #[arg(long, value_name = "NAME", default_value = "localhost", env = "KAHAWAI_NAME", value_parser = broker_name)]
    pub(crate) name: String,

    /// How long a master may be silent before a slave takes over, though its lock is still held: milliseconds.
    #[arg(long, value_name = "MS", default_value = "2000", value_parser = milliseconds(100))]
    pub(crate) lease_duration: Duration,

    /// How often a slave looks whether the lock is free: milliseconds (ActiveMQ's option, 10000 there).
    #[arg(long, value_name = "MS", default_value = "25", value_parser = milliseconds(1))]
    pub(crate) lock_acquire_sleep_interval: Duration,

    /// The length of a journal segment: bytes, or with a suffix 64kb, 32mb, 1gb.
    #[arg(long, value_name = "SIZE", default_value = "32mb", value_parser = segment_size)]
    pub(crate) journal_max_file_length: u64,

    /// When what was sent persistently is answered (ActiveMQ: journalDiskSyncStrategy): once it is on the disk, or before, at the
    /// risk of losing the last of it when the machine fails.
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "always")]
    pub(crate) journal_disk_sync_strategy: JournalDiskSyncStrategy,

    /// With `periodic`, how long what was answered may be at risk: milliseconds (ActiveMQ: journalDiskSyncInterval).
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = milliseconds(1))]
    pub(crate) journal_disk_sync_interval: Duration,

    /// How segments are written. By default mapped on a file system known to be local, plain elsewhere.
    #[arg(long, value_name = "WAY", value_enum)]
    pub(crate) journal_io: Option<JournalIo>,
}

fn bind_address(text: &str) -> Result<String, String> {
    kahawai_broker::listen::check(text).map(|()| text.to_owned())
}

/// What clients are told, the claim on a store holds, and one line of the log has room for.
fn broker_name(text: &str) -> Result<String, String> {
    const BYTES_MAX: usize = 255;
    if text.is_empty() || text.len() > BYTES_MAX || text.contains(char::is_control) {
        return Err(format!("needs a name of at most {BYTES_MAX} bytes, without line breaks"));
    }
    Ok(text.to_owned())
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

/// Where a store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreAddress {
    /// A journal in this directory.
    Journal(PathBuf),
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database at this URL.
    Postgres(Secret),
    /// A MySQL or MariaDB database at this URL.
    Mysql(Secret),
}

/// A text that may hold a password, and is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

impl StoreAddress {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("journal:") {
            return Ok(Self::Journal(path.into()));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("sqlite: needs a file".into())
            } else {
                Ok(Self::Sqlite(path.into()))
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret(text.to_owned())));
        }
        if text.starts_with("mysql://") || text.starts_with("mariadb://") {
            return Ok(Self::Mysql(Secret(text.replacen("mariadb://", "mysql://", 1))));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!(
                "this program knows no '{scheme}' stores; there are DIR, sqlite:FILE, postgres://… and mysql://…"
            ));
        }
        Ok(Self::Journal(text.into()))
    }
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

fn milliseconds(least: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    /// A day: what is longer is a slip, and a database's clock cannot count with all of it.
    const MOST: u64 = 86_400_000;
    move |text| match text.parse::<u64>() {
        Ok(number) if (least..=MOST).contains(&number) => Ok(Duration::from_millis(number)),
        _ => Err(format!("needs a whole number of milliseconds, from {least} to {MOST}")),
    }
}

fn segment_size(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 64 << 10;
    const MOST: u64 = 1 << 30;
    match quantity::bytes(text) {
        Ok(size) if (LEAST..=MOST).contains(&size) => Ok(size.next_multiple_of(4096)),
        _ => Err("needs a size from 64kb to 1gb".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn stores_have_addresses() {
        let parse = |text: &str| StoreAddress::parse(text);
        assert_eq!(parse("./data"), Ok(StoreAddress::Journal("./data".into())));
        assert_eq!(parse("journal:/a/b"), Ok(StoreAddress::Journal("/a/b".into())));
        assert_eq!(parse("sqlite:a.db"), Ok(StoreAddress::Sqlite("a.db".into())));
        assert_eq!(parse("sqlite:///a.db"), Ok(StoreAddress::Sqlite("/a.db".into())));
        let url = "postgres://me:secret@one:5432/mine";
        assert_eq!(parse(url), Ok(StoreAddress::Postgres(Secret(url.to_owned()))));
        assert!(!format!("{:?}", parse(url)).contains("secret"));
        let unknown = parse("oracle://me:secret@one/mine").expect_err("is not known");
        assert!(unknown.contains("oracle") && !unknown.contains("secret"), "{unknown}");
    }

    #[test]
    fn names_and_times_have_bounds() {
        assert_eq!(broker_name("broker a"), Ok("broker a".to_owned()));
        for wrong in ["", "a\nrole: master", &"x".repeat(256)] {
            assert!(broker_name(wrong).is_err(), "{wrong:?}");
        }
        let lease = milliseconds(100);
        assert_eq!(lease("100"), Ok(Duration::from_millis(100)));
        for wrong in ["", "99", "86400001", "18446744073709551615", "2s"] {
            assert!(lease(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_suffixes_and_bounds() {
        assert_eq!(segment_size("32mb"), Ok(32 << 20));
        assert_eq!(segment_size("64kb"), Ok(64 << 10));
        assert_eq!(segment_size("1 GB"), Ok(1 << 30));
        assert_eq!(segment_size("1048576"), Ok(1 << 20));
        for wrong in ["", "mb", "1kb", "2gb", "-1", "18446744073709551615gb"] {
            assert!(segment_size(wrong).is_err(), "{wrong}");
        }
    }
}
