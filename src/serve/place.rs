//! Which engine, and which election: the one place that knows.

use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use kahawai_adapters::activemq::TableNames;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use kahawai_adapters::election::{LeaseOptions, Mastership, hold::RowHold};
#[cfg(feature = "mysql")]
use kahawai_adapters::mysql::{self, Mysql};
#[cfg(feature = "postgres")]
use kahawai_adapters::postgres::{self, Database, Postgres};
#[cfg(feature = "sqlite")]
use kahawai_adapters::sqlite::{self, Sqlite};
use kahawai_config::{Configuration, StoreAddress, StoreConfig};
use kahawai_journal::FORMAT_VERSION;
use kahawai_journal::cut::Cut;
use kahawai_journal::directory::{DirectoryError, StoreDirectory};
use kahawai_journal::disk::directory::SegmentIo;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::journal::{Journal, OpenError};
use kahawai_journal::options::JournalOptions;
use kahawai_journal::steps::Watch;
use kahawai_replication::member::Opening;
use kahawai_store::batch::{Batch, Durability, Operation};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use kahawai_store::contract::StoreError;
use kahawai_store::contract::StoreWait as _;
use kahawai_store::election::{Cancel, Election as _, ElectionError, Hold, Holder};
use kahawai_store::names::{BatchName, Term};
use kahawai_store::replica::{Copied, Replica, ReplicaWait as _};

use crate::exit::{Exit, Failure};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::occupied;

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
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "others wait for nothing while they are opened")
    )]
    Cancelled,
    /// Anything else.
    Failed(Failure),
}

/// A store that was opened.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Replica>,
    /// What names this store among the copies of it: the same for as long as it lives.
    pub(super) identity: [u8; 16],
    /// What recovery found damaged.
    pub(super) damage: Vec<String>,
}

impl Place {
    /// Opens the store's place. Blocks.
    pub(super) fn open(store: &StoreConfig, watch: &Watch) -> Result<Self, Failure> {
        match &store.address {
            StoreAddress::Journal(path) => {
                let journal_options = JournalOptions { watch: watch.clone(), ..store.journal.clone() };
                Ok(Self::Journal(directory(path, store.segment_io)?, journal_options))
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
                Ok(Self::Postgres(match &store.password {
                    Some(password) => database.with_password(&password.0),
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
                Ok(Self::Mysql(match &store.password {
                    Some(password) => database.with_password(&password.0),
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

    /// Refuses a database where no store of ours has been served and rows of ActiveMQ's lie, before anything is made there. Blocks. For the
    /// first time only: once a mastership was had, a fail-over may lead through servers that do not know us yet, which are waited for.
    pub(super) fn refuse_occupied(&self, store: &StoreConfig, cancel: &Cancel) -> Result<(), ElectionError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => {
                occupied::refuse_rows(database, postgres::activemq_rows(database, tables(store), cancel)?)
            }
            #[cfg(feature = "mysql")]
            Self::Mysql(database) => {
                occupied::refuse_rows(database, mysql::activemq_rows(database, tables(store), cancel)?)
            }
            _ => {
                let _ = (store, cancel);
                Ok(())
            }
        }
    }

    /// Waits to become master. Blocks, until `cancel` says otherwise.
    pub(super) fn acquire(
        &self,
        config: &Configuration,
        watch: &Watch,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Held, ElectionError> {
        let broker = &config.broker;
        let address = broker.bind.first().map_or(String::new(), |bind| format!("tcp://{bind}"));
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        let lease_options = LeaseOptions {
            lock_acquire_sleep_interval: config.lock_acquire_sleep_interval,
            lease_duration: broker.lease,
            broker_name: broker.broker_name.clone(),
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
                    lock_acquire_sleep_interval: config.lock_acquire_sleep_interval,
                    lease_duration: broker.lease,
                    broker_name: broker.broker_name.clone(),
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

    /// Opens the store as its master. Blocks.
    pub(super) fn open_store(
        &self,
        config: &Configuration,
        held: &Held,
        opening: Opening,
        remembered: Vec<Operation>,
        cancel: &Cancel,
    ) -> Result<Opened, NotOpened> {
        let of_directory = || self.directory().map(StoreDirectory::identity).unwrap_or_default();
        let (store, identity): (Arc<dyn Replica>, _) = match (self, held) {
            (Self::Journal(directory, journal_options), held) => {
                let options = JournalOptions { first: remembered.clone(), ..journal_options.clone() };
                let opened = open_journal(directory, &held.hold(), &options, opening);
                let opened = opened.map_err(|error| match error {
                    OpenError::Lost(lost) => NotOpened::Lost(lost.reason.to_string()),
                    error => {
                        let exit =
                            if matches!(error, OpenError::Full(_)) { Exit::Unwritable } else { Exit::Store };
                        let path = directory_path(&config.store.address);
                        NotOpened::Failed(Failure::new(exit, format!("{path}: {error}")))
                    }
                })?;
                (Arc::new(opened), of_directory())
            }
            #[cfg(feature = "sqlite")]
            (Self::Sqlite(path, _), held) => {
                let hold = held.hold();
                if opening != Opening::AsItIs {
                    told_aside(open_sqlite(&hold, path, cancel, || sqlite::set_aside(path, &hold, SQLITE))?);
                }
                let opened =
                    open_sqlite(&hold, path, cancel, || Sqlite::open(path, Arc::clone(&hold), SQLITE))?;
                (Arc::new(opened), of_directory())
            }
            #[cfg(feature = "postgres")]
            (Self::Postgres(database), held) => {
                let lease = config.broker.lease;
                if opening != Opening::AsItIs {
                    told_aside(postgres::set_aside(database, &held.mastership(), lease).map_err(not_opened)?);
                }
                let opened = Postgres::open(database, held.mastership(), lease).map_err(not_opened)?;
                let identity = opened.identity();
                (Arc::new(opened), identity)
            }
            #[cfg(feature = "mysql")]
            (Self::Mysql(database), held) => {
                let lease = config.broker.lease;
                if opening != Opening::AsItIs {
                    told_aside(mysql::set_aside(database, &held.mastership(), lease).map_err(not_opened)?);
                }
                let opened = Mysql::open(database, held.mastership(), lease).map_err(not_opened)?;
                let identity = opened.identity();
                (Arc::new(opened), identity)
            }
        };
        let _ = cancel;
        let recovered = store.recover_wait();
        if opening != Opening::AsItIs
            && recovered.as_ref().is_ok_and(|recovered| recovered.batch_last == BatchName::default())
            && !remembered.is_empty()
        {
            // A database is emptied in a step of its own: behind that, this is the first thing that is in it.
            let name = BatchName { term: Term(0), number: 1 };
            let first = Copied { name, arrival_first: 0, batch: Batch::new(remembered) };
            if let Err(error) = store.append_wait(first) {
                let problem = format!("the emptied store cannot be begun: {error}");
                return Err(NotOpened::Failed(Failure::new(Exit::Store, problem)));
            }
        }
        let damage = recovered.map(|recovered| recovered.damage).unwrap_or_default();
        Ok(Opened { store, identity, damage })
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

/// How an SQLite database is used.
#[cfg(feature = "sqlite")]
const SQLITE: sqlite::Options = sqlite::Options {
    checkpoint_pages: 1000,
    pages_max: None,
    busy_timeout: std::time::Duration::from_secs(1),
};

/// Says where a store was set aside.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn told_aside(place: Option<String>) {
    if let Some(place) = place {
        tracing::warn!(
            "the store that was here is no copy of the master's: it is set aside as {place}, and a copy is made"
        );
    }
}

fn open_journal(
    directory: &StoreDirectory,
    hold: &Arc<dyn Hold>,
    options: &JournalOptions,
    opening: Opening,
) -> Result<Journal, OpenError> {
    // Until it is known whether another copy has everything, nothing may go that a cut would need.
    let options = JournalOptions { holds_back: true, ..options.clone() };
    let open = |cut| Journal::open_cut(directory, Arc::clone(hold), options.clone(), cut);
    let set_aside = || {
        tracing::warn!(
            "the store in {} is no copy of the master's: what is in it is set aside there, and a copy is made",
            directory.description()
        );
        open(Some(Cut::All))
    };
    match opening {
        Opening::AsItIs => open(None),
        Opening::CutTo(last) => match open(Some(Cut::Behind(last))) {
            Err(OpenError::CannotCut(why)) => {
                tracing::warn!(
                    "what was never answered cannot be cut from this store alone, so all of it is set aside: {why}"
                );
                set_aside()
            }
            opened => {
                tracing::warn!(
                    "what the store in {} held behind batch {last} was never answered: it is cut, and set aside there",
                    directory.description()
                );
                opened
            }
        },
        Opening::SetAside => set_aside(),
    }
}

/// A master that is stopped in the middle of a transaction keeps SQLite's lock for as long as it lives: its end is waited for.
#[cfg(feature = "sqlite")]
fn open_sqlite<T>(
    hold: &Arc<dyn Hold>,
    path: &Path,
    cancel: &Cancel,
    open: impl Fn() -> Result<T, sqlite::OpenError>,
) -> Result<T, NotOpened> {
    let mut said = false;
    loop {
        match open() {
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

/// Where ActiveMQ's rows would be.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn tables(store: &StoreConfig) -> TableNames<'_> {
    TableNames { messages: &store.message_table_name, acks: &store.durable_sub_acks_table_name }
}

fn directory(path: &Path, io: Option<SegmentIo>) -> Result<StoreDirectory, Failure> {
    StoreDirectory::open(path, io).map_err(|error| Failure::new(exit_of(&error), error))
}

fn directory_path(address: &StoreAddress) -> String {
    match address {
        StoreAddress::Journal(path) | StoreAddress::Sqlite(path) => path.display().to_string(),
        StoreAddress::Postgres(_) | StoreAddress::Mysql(_) => String::new(),
    }
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
