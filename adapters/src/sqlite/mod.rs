//! The storage contract on SQLite.
//!
//! One database file with a write-ahead log, synced at each commit. One thread writes, one reads; both may be slow
//! without holding anyone up. For small installations, and as the plainest of the SQL engines: the others follow
//! its plan.
//!
//! Mastership is a row: each transaction updates it where the epoch is still its own, so that a stale master's
//! transactions change nothing. The file must be on a local file system: SQLite's log needs shared memory.

mod apply;
mod connection;
mod error;
mod reader;
mod schema;
mod set_aside;
mod state;
mod value;
mod writer;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::{Committed, Completion, Limits, Page, ReadRequest, Recovered, Store};
use kahawai_store::election::Hold;
use kahawai_store::names::{Term, Xid};
use kahawai_store::replica::{Copied, Replica, Tap};
use rusqlite::OpenFlags;

use crate::copies::Copies;
use crate::worker::{CommitCall, Worker};
use connection::{connect, make};
use error::Result;
use reader::Reader;
use writer::Writer;

pub use connection::Options;
pub use error::OpenError;
pub use schema::VERSION as SCHEMA_VERSION;
pub use set_aside::set_aside;

/// What one batch and one message may take. SQLite itself takes up to 10⁹ bytes a value.
const LIMITS: Limits = Limits { batch_bytes_max: 8 << 20, message_bytes_max: 256 << 20 };

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
        let connection = make(path, epoch, options)?;
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
