//! The options that say what a broker is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use kahawai_broker::bridge::NetworkConnector;
use kahawai_config::StoreAddress;
use kahawai_config::network_uri;
use kahawai_config::value::{bind_address, broker_name, milliseconds, segment_length};

/// Options of `kahawai serve`, and of what composes as it does.
#[derive(Clone, Debug, Args)]
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

    /// The store; made where there is none. Brokers given the same one are master and slaves. Or the variable
    /// KAHAWAI_STORE. [default: ./data]
    ///
    /// DIR or journal:DIR for a journal in a directory, sqlite:FILE for one host, postgres://USER@HOST:PORT/DATABASE for a server
    /// (several HOST:PORT with commas between; ?tablePrefix=NAME, kahawai_ by default), mysql://USER@HOST:PORT/DATABASE.
    #[arg(long, value_name = "STORE", value_parser = StoreAddress::parse)]
    pub(crate) store: Option<StoreAddress>,

    /// A file whose first line is the database's password. Or the variables KAHAWAI_STORE_PASSWORD_FILE and
    /// KAHAWAI_STORE_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub(crate) store_password_file: Option<PathBuf>,

    /// Where to listen for OpenWire clients while master. Or the variable KAHAWAI_BIND. [default: 127.0.0.1:61616]
    #[arg(long, value_name = "HOST:PORT", value_parser = bind_address)]
    pub(crate) bind: Option<String>,

    /// The broker's name, as clients and slaves see it (ActiveMQ: brokerName). Or the variable KAHAWAI_NAME. [default: localhost]
    #[arg(long, value_name = "NAME", value_parser = broker_name)]
    pub(crate) name: Option<String>,

    /// Whom to bridge to: static:(tcp://HOST:PORT,…), masterslave:(…) or multicast://default, as in ActiveMQ's networkConnector, with all else as by
    /// default; may be given again. In place of those of a file. Or the variable KAHAWAI_NETWORK_CONNECTORS.
    #[arg(long = "network-connector", value_name = "URI", value_parser = network_connector)]
    pub(crate) network_connectors: Vec<NetworkConnector>,

    /// What is bridged to by --network-connector sends its messages here too, over the same connection.
    #[arg(long, requires = "network_connectors")]
    pub(crate) duplex: bool,

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

/// A connector to other brokers, with all else as by default.
fn network_connector(uri: &str) -> Result<NetworkConnector, String> {
    let mut connector = NetworkConnector::default();
    network_uri::set(&mut connector, uri)?;
    Ok(connector)
}

/// As Java has it: without a value it is the empty text.
pub(crate) fn definition(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match name {
        "" => Err("needs NAME=VALUE".to_owned()),
        name => Ok((name.to_owned(), value.to_owned())),
    }
}
