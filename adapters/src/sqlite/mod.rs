//! The storage contract on SQLite.
//!
//! One database file with a write-ahead log, synced at each commit. One thread writes, one reads; both may be slow
//! without holding anyone up. For small installations, and as the plainest of the SQL engines: the others follow
//! its plan.
//!
//! Mastership is a row: each transaction updates it where the epoch is still its own, so that a stale master's
//! transactions change nothing. The file must be on a local file system: SQLite's log needs shared memory.

mod apply;
mod error;
mod reader;
mod schema;
mod state;
mod value;
mod writer;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::{Committed, Completion, Limits, Page, ReadRequest, Recovered, Store};
use kahawai_store::election::Hold;
use kahawai_store::names::{Epoch, Term, Xid};
use kahawai_store::replica::{Copied, Replica, Tap};
use rusqlite::{Connection, OpenFlags, params};

use crate::copies::Copies;
use crate::worker::{CommitCall, Worker};
use error::Result;
use reader::Reader;
use value::{signed, unsigned};
use writer::Writer;

pub use error::OpenError;
pub use schema::VERSION as SCHEMA_VERSION;

/// What one batch and one message may take. SQLite itself takes up to 10⁹ bytes a value.
const LIMITS: Limits = Limits { batch_bytes_max: 8 << 20, message_bytes_max: 256 << 20 };

/// Of prepared statements that are kept: more than there are.
const STATEMENTS_MAX: usize = 64;

/// How the database is used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After how many pages of 4 KiB the log is written back into the database.
    pub checkpoint_pages: u32,
    /// The most pages the database may have: beyond them the store is full.
    pub pages_max: Option<u32>,
    /// How long to wait for another process that is writing to the database (a backup, a stale master) before the
    /// store counts as failed.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { checkpoint_pages: 1000, pages_max: None, busy_timeout: Duration::from_secs(10) }
    }
}

/// A store in one SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    writer: Worker<CommitCall>,
    reader: Worker<reader::Call>,
    copies: Arc<Copies>,
}

impl Sqlite {
    /// Opens a database, makes it a store if it is empty, and claims it for the hold's epoch.
    ///
    /// # Errors
    /// [`OpenError::Busy`] where another process does not end its transaction. [`OpenError::Store`]: `Failed` where the
    /// file cannot be used, is no database, is one of somebody else's or has a newer schema, which all leave it
    /// untouched; `Lost` where a later epoch has claimed it or mastership cannot be proven.
    pub fn open(path: &Path, hold: Arc<dyn Hold>, options: Options) -> std::result::Result<Self, OpenError> {
        Self::try_open(path, hold, options).map_err(|error| error.told_of(path))
    }

    fn try_open(path: &Path, hold: Arc<dyn Hold>, options: Options) -> Result<Self> {
        let epoch = hold.epoch();
        let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE, options)?;
        let version = schema::check(&connection, path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
        if let Some(pages_max) = options.pages_max {
            connection.pragma_update(None, "max_page_count", pages_max)?;
        }
        schema::migrate(&connection, version)?;
        claim(&connection, epoch)?;
        hold.prove()?;

        let stopped = Arc::new(OnceLock::new());
        let reading = connect(path, OpenFlags::empty(), options)?;
        reading.pragma_update(None, "query_only", true)?;
        let reader = Reader { connection: reading, epoch, stopped: stopped.clone() };
        let known = state::load(&connection)?;
        let copies = Arc::new(Copies::default());
        let writer = Writer { connection, known, hold, limits: LIMITS, copies: Arc::clone(&copies), stopped };
        Ok(Self {
            writer: Worker::start("sqlite writer", move |calls| writer.run(&calls))?,
            reader: Worker::start("sqlite reader", move |calls| reader.run(&calls))?,
            copies,
        })
    }
}

impl Store for Sqlite {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.writer.submit((batch.into(), done));
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.reader.submit(reader::Call::Read(request, done));
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.reader.submit(reader::Call::Recover(done));
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn close(&self) {
        self.reader.end();
        self.writer.end();
    }
}

impl Replica for Sqlite {
    fn begin_term(&self, term: Term) {
        self.copies.begin_term(term);
    }

    fn tap(&self, tap: Arc<dyn Tap>) {
        self.copies.tap(tap);
    }

    fn append(&self, copied: Copied, done: Completion<Committed>) {
        self.writer.submit((copied.into(), done));
    }

    fn prepared(&self, xid: Xid, done: Completion<Vec<Vec<Operation>>>) {
        self.reader.submit(reader::Call::Prepared(xid, done));
    }
}

fn connect(path: &Path, create: OpenFlags, options: Options) -> Result<Connection> {
    // Each connection has one thread: SQLite need not lock it. A path that looks like a URI is still a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Makes the database this epoch's, unless it is a later one's.
fn claim(connection: &Connection, epoch: Epoch) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let found = connection.query_row("SELECT epoch FROM store", [], |row| unsigned(row, 0))?;
    if found > epoch.0 {
        return Err(state::lost(epoch, found));
    }
    connection.execute("UPDATE store SET epoch = ?1", params![signed(epoch.0)])?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}
