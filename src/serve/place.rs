//! Which engine, and which election: the one place that knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use kahawai_adapters::election::{LeaseOptions, Mastership, hold::RowHold};
#[cfg(feature = "mysql")]
use kahawai_adapters::mysql::{self, Mysql};
#[cfg(feature = "postgres")]
use kahawai_adapters::postgres::{self, Database, Postgres};
#[cfg(feature = "sqlite")]
use kahawai_adapters::sqlite::{self, Sqlite};
use kahawai_journal::FORMAT_VERSION;
use kahawai_journal::directory::{DirectoryError, StoreDirectory};
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::journal::{Journal, OpenError};
use kahawai_journal::options::JournalOptions;
use kahawai_journal::steps::Watch;
use kahawai_store::batch::Durability;
use kahawai_store::contract::{Store, StoreError, StoreWait as _};
use kahawai_store::election::{Cancel, Election as _, ElectionError, Hold, Holder};

use crate::cli::{JournalDiskSyncStrategy, JournalIo, ServeOptions, StoreAddress};
use crate::exit::{Exit, Failure};

/// The variable that can stand for `--store-password-file`.
const PASSWORD_FILE: &str = "KAHAWAI_STORE_PASSWORD_FILE";

/// Where the messages are, opened as far as a slave may.
#[derive(Clone)]
pub(super) enum Place {
    /// A journal, elected on by files.
    Journal(StoreDirectory, JournalOptions),
    /// A file for the database, elected on by files beside it.
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf, StoreDirectory),
    /// A database, elected on by a row in it.
    #[cfg(feature = "postgres")]
    Postgres(Database),
    /// The same.
    #[cfg(feature = "mysql")]
    Mysql(mysql::Database),
}

/// A mastership, as the place's engine wants it shown.
#[derive(Clone)]
pub(super) enum Held {
    /// By files.
    Files(Arc<dyn Hold>),
    /// By a row.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Row(Arc<RowHold>),
}

impl Held {
    /// The mastership.
    pub(super) fn hold(&self) -> Arc<dyn Hold> {
        match self {
            Self::Files(hold) => Arc::clone(hold),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Row(hold) => Arc::clone(hold) as Arc<dyn Hold>,
        }
    }

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    fn mastership(&self) -> Mastership {
        match self {
            Self::Row(hold) => Mastership::Row(Arc::clone(hold)),
            Self::Files(hold) => Mastership::Asked(Arc::clone(hold)),
        }
    }
}

/// Why a store did not open.
pub(super) enum NotOpened {
    /// Another has claimed it.
    Lost(String),
    /// The caller asked to stop.
    Cancelled,
    /// Anything else.
    Failed(Failure),
}

impl Place {
    /// Opens what `--store` names. Blocks.
    pub(super) fn open(options: &ServeOptions, watch: &Watch) -> Result<Self, Failure> {
        check_use(options)?;
        match &options.store {
            StoreAddress::Journal(path) => {
                let journal_options = JournalOptions {
                    journal_max_file_length: options.journal_max_file_length,
                    journal_disk_sync_strategy: match options.journal_disk_sync_strategy {
                        JournalDiskSyncStrategy::Always => Durability::Always,
                        JournalDiskSyncStrategy::Periodic => Durability::Periodic,
                        JournalDiskSyncStrategy::Never => Durability::Never,
                    },
                    journal_disk_sync_interval: options.journal_disk_sync_interval,
                    watch: watch.clone(),
                    ..JournalOptions::default()
                };
                Ok(Self::Journal(directory(path, options.journal_io)?, journal_options))
            }
            #[cfg(feature = "sqlite")]
            StoreAddress::Sqlite(path) => {
                look_at_sqlite(path)?;
                let mut beside = path.clone().into_os_string();
                beside.push(".election");
                Ok(Self::Sqlite(path.clone(), directory(&PathBuf::from(beside), None)?))
            }
            #[cfg(not(feature = "sqlite"))]
            StoreAddress::Sqlite(_) => Err(not_built("sqlite")),
            #[cfg(feature = "postgres")]
            StoreAddress::Postgres(url) => {
                let database = Database::parse(&url.0);
                let database =
                    database.map_err(|problem| Failure::new(Exit::Usage, format!("--store: {problem}")))?;
                Ok(Self::Postgres(match password(options)? {
                    Some(password) => database.with_password(&password),
                    None => database,
                }))
            }
            #[cfg(not(feature = "postgres"))]
            StoreAddress::Postgres(_) => Err(not_built("postgres")),
            #[cfg(feature = "mysql")]
            StoreAddress::Mysql(url) => {
                let database = mysql::Database::parse(&url.0);
                let database =
                    database.map_err(|problem| Failure::new(Exit::Usage, format!("--store: {problem}")))?;
                Ok(Self::Mysql(match password(options)? {
                    Some(password) => database.with_password(&password),
                    None => database,
                }))
            }
            #[cfg(not(feature = "mysql"))]
            StoreAddress::Mysql(_) => Err(not_built("mysql")),
        }
    }

    /// What it is, for people.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Journal(store, options) => {
                // What everybody expects goes without saying.
                let synced = match options.journal_disk_sync_strategy {
                    Durability::Always => String::new(),
                    weaker => format!(", synced {weaker}"),
                };
                format!("{}, format {FORMAT_VERSION}{synced}", store.description())
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path, _) => {
                format!("sqlite in {}, schema {}", path.display(), sqlite::SCHEMA_VERSION)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => format!("{database}, schema {}", postgres::SCHEMA_VERSION),
            #[cfg(feature = "mysql")]
            Self::Mysql(database) => format!("{database}, schema {}", mysql::SCHEMA_VERSION),
        }
    }

    /// Waits to become master. Blocks, until `cancel` says otherwise.
    pub(super) fn acquire(
        &self,
        options: &ServeOptions,
        watch: &Watch,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Held, ElectionError> {
        let address = format!("tcp://{}", options.bind);
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        let lease_options = LeaseOptions {
            lock_acquire_sleep_interval: options.lock_acquire_sleep_interval,
            lease_duration: options.lease_duration,
            broker_name: options.name.clone(),
            address: address.clone(),
        };
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => {
                let mut election = postgres::election(database, lease_options);
                Ok(Held::Row(election.acquire_row(cancel, waiting)?))
            }
            #[cfg(feature = "mysql")]
            Self::Mysql(database) => {
                let mut election = mysql::election(database, lease_options);
                Ok(Held::Row(election.acquire_row(cancel, waiting)?))
            }
            _ => {
                let Some(directory) = self.directory() else {
                    return Err(ElectionError::Failed("no election is known for this store".into()));
                };
                let election_options = ElectionOptions {
                    lock_acquire_sleep_interval: options.lock_acquire_sleep_interval,
                    lease_duration: options.lease_duration,
                    broker_name: options.name.clone(),
                    address,
                    watch: watch.clone(),
                };
                let election = directory.election(election_options);
                let mut election =
                    election.map_err(|error| ElectionError::Failed(error.to_string().into()))?;
                Ok(Held::Files(election.acquire(cancel, waiting)?))
            }
        }
    }

    /// Opens the store as its master; gives what recovery found damaged with it. Blocks.
    pub(super) fn open_store(
        &self,
        options: &ServeOptions,
        held: &Held,
        cancel: &Cancel,
    ) -> Result<(Arc<dyn Store>, Vec<String>), NotOpened> {
        let store: Arc<dyn Store> = match (self, held) {
            (Self::Journal(directory, journal_options), held) => {
                let opened = Journal::open(directory, held.hold(), journal_options.clone());
                Arc::new(opened.map_err(|error| match error {
                    OpenError::Lost(lost) => NotOpened::Lost(lost.reason.to_string()),
                    error => {
                        let exit =
                            if matches!(error, OpenError::Full(_)) { Exit::Unwritable } else { Exit::Store };
                        let path = directory_path(&options.store);
                        NotOpened::Failed(Failure::new(exit, format!("{path}: {error}")))
                    }
                })?)
            }
            #[cfg(feature = "sqlite")]
            (Self::Sqlite(path, _), held) => Arc::new(open_sqlite(path, &held.hold(), cancel)?),
            #[cfg(feature = "postgres")]
            (Self::Postgres(database), held) => {
                let opened = Postgres::open(database, held.mastership(), options.lease_duration);
                Arc::new(opened.map_err(not_opened)?)
            }
            #[cfg(feature = "mysql")]
            (Self::Mysql(database), held) => {
                let opened = Mysql::open(database, held.mastership(), options.lease_duration);
                Arc::new(opened.map_err(not_opened)?)
            }
        };
        let _ = cancel;
        let damage = store.recover_wait().map(|recovered| recovered.damage).unwrap_or_default();
        Ok((store, damage))
    }

    fn directory(&self) -> Option<&StoreDirectory> {
        match self {
            Self::Journal(directory, _) => Some(directory),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_, directory) => Some(directory),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => None,
        }
    }
}

/// A master that is stopped in the middle of a transaction keeps SQLite's lock for as long as it lives: its end is waited for.
#[cfg(feature = "sqlite")]
fn open_sqlite(path: &Path, hold: &Arc<dyn Hold>, cancel: &Cancel) -> Result<Sqlite, NotOpened> {
    let options = sqlite::Options { busy_timeout: std::time::Duration::from_secs(1), ..Default::default() };
    let mut said = false;
    loop {
        match Sqlite::open(path, Arc::clone(hold), options) {
            Ok(store) => return Ok(store),
            Err(sqlite::OpenError::Busy(_)) => {
                if cancel.is_cancelled() {
                    return Err(NotOpened::Cancelled);
                }
                if !said {
                    tracing::warn!(
                        "{}: another process is in the middle of a transaction: perhaps a stopped master, which keeps the \
                         database for as long as it lives; waiting for it to end or go on",
                        path.display()
                    );
                    said = true;
                }
                if let Err(lost) = hold.prove() {
                    return Err(NotOpened::Lost(lost.reason.to_string()));
                }
            }
            Err(sqlite::OpenError::Store(error)) => return Err(not_opened(error)),
        }
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn not_opened(error: StoreError) -> NotOpened {
    match error {
        StoreError::Lost { reason, .. } => NotOpened::Lost(reason.to_string()),
        StoreError::Full(why) => NotOpened::Failed(Failure::new(Exit::Unwritable, why)),
        StoreError::Failed(why) => NotOpened::Failed(Failure::new(Exit::Store, why)),
        error => NotOpened::Failed(Failure::new(Exit::Store, error)),
    }
}

fn directory(path: &Path, io: Option<JournalIo>) -> Result<StoreDirectory, Failure> {
    let segment_io = io.map(|io| match io {
        JournalIo::Mapped => SegmentIo::Mixed,
        JournalIo::MappedOnly => SegmentIo::Mapped(FlushCall::Fdatasync),
        JournalIo::MappedOnlyMsync => SegmentIo::Mapped(FlushCall::Msync),
        JournalIo::Plain => SegmentIo::Plain,
    });
    StoreDirectory::open(path, segment_io).map_err(|error| Failure::new(exit_of(&error), error))
}

fn directory_path(address: &StoreAddress) -> String {
    match address {
        StoreAddress::Journal(path) | StoreAddress::Sqlite(path) => path.display().to_string(),
        StoreAddress::Postgres(_) | StoreAddress::Mysql(_) => String::new(),
    }
}

/// Refuses options that the store has no use for: they were meant to do something. What the environment says may be meant for others.
fn check_use(options: &ServeOptions) -> Result<(), Failure> {
    let wrong = |what: &str| Err(Failure::new(Exit::Usage, what));
    let server = matches!(options.store, StoreAddress::Postgres(_) | StoreAddress::Mysql(_));
    if options.store_password_file.is_some() && !server && std::env::var_os(PASSWORD_FILE).is_none() {
        return wrong("--store-password-file is for stores in a database server: postgres://… or mysql://…");
    }
    if options.journal_io.is_some() && !matches!(options.store, StoreAddress::Journal(_)) {
        return wrong("--journal-io is for stores in a directory: --store DIR");
    }
    Ok(())
}

/// Refuses, before it is this broker's turn, a file that is something else. It is opened only by its master.
#[cfg(feature = "sqlite")]
fn look_at_sqlite(path: &Path) -> Result<(), Failure> {
    use std::io::Read as _;
    const BEGINNING: &[u8] = b"SQLite format 3\0";
    let wrong = |problem: &dyn std::fmt::Display| {
        Err(Failure::new(Exit::Store, format!("{} {problem}", path.display())))
    };
    match std::fs::metadata(path) {
        // It will be made.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return wrong(&format!("cannot be looked at: {error}")),
        Ok(found) if !found.is_file() => return wrong(&"is no file"),
        Ok(_) => {}
    }
    let mut beginning = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(BEGINNING.len() as u64).read_to_end(&mut beginning));
    match read {
        Err(error) => wrong(&format!("cannot be read: {error}")),
        Ok(count) if count > 0 && beginning != BEGINNING => wrong(&"is no SQLite database"),
        Ok(_) => Ok(()),
    }
}

/// The password from the environment or a file, never from the command line's own words.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn password(options: &ServeOptions) -> Result<Option<String>, Failure> {
    if let Some(path) = &options.store_password_file {
        let wrong = |problem: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format!("--store-password-file {}: {problem}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        return match text.lines().next() {
            Some(password) if !password.is_empty() => Ok(Some(password.to_owned())),
            _ => Err(wrong(&"it has no password on its first line")),
        };
    }
    Ok(std::env::var("KAHAWAI_STORE_PASSWORD").ok())
}

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "mysql")))]
fn not_built(feature: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("this program was built without '{feature}' stores (cargo --features {feature})"),
    )
}

fn exit_of(error: &DirectoryError) -> Exit {
    match error {
        DirectoryError::NotAStore { .. }
        | DirectoryError::Torn { .. }
        | DirectoryError::NotADirectory { .. }
        | DirectoryError::Format { .. } => Exit::Store,
        DirectoryError::ReadOnly { .. } | DirectoryError::Full { .. } | DirectoryError::Io { .. } => {
            Exit::Unwritable
        }
    }
}
