//! The storage contract on PostgreSQL.
//!
//! For those who run a database with backups and fail-over, and want their messages there. One thread writes, one reads, each with a
//! session of its own; a third session renews the lease. A server that goes away is waited for: whoever sends is held back, nothing is
//! lost, and what became of a transaction whose answer was lost is asked for.

mod activemq;
mod apply;
mod connection;
mod error;
mod lock;
mod reader;
mod record_row;
mod schema;
mod set_aside;
mod state;
mod value;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::{
    Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError,
};
use kahawai_store::names::{Term, Xid};
use kahawai_store::replica::{Copied, Replica, Tap};

use crate::commit::{Backend as _, Committer};
use crate::copies::Copies;
use crate::election::candidate::RowElection;
use crate::election::{LeaseOptions, LockRow, Mastership};
use crate::fault::Fault;
use crate::look::{LookCall, Looker};
use crate::pause::patiently;
use crate::worker::{CommitCall, Worker};
use connection::{Session, runtime};
use reader::Reader;
use state::claim;
use writer::Writer;

pub use activemq::activemq_rows;
pub use connection::Database;
pub use record_row::record_row;
pub use schema::VERSION as SCHEMA_VERSION;
pub use set_aside::set_aside;

/// What one batch and one message may take. PostgreSQL itself takes up to 1 GiB a value.
const LIMITS: Limits = Limits { batch_bytes_max: 8 << 20, message_bytes_max: 256 << 20 };

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    writer: Worker<CommitCall>,
    reader: Worker<LookCall>,
    copies: Arc<Copies>,
    closing: Arc<AtomicBool>,
    identity: [u8; 16],
}

/// A candidate for the mastership of the store in a database.
pub fn election(database: &Database, options: LeaseOptions) -> RowElection {
    let (database, of_row) = (database.clone(), options.clone());
    let make = move || -> std::io::Result<Box<dyn LockRow>> {
        Ok(Box::new(lock::Row::new(database.clone(), of_row.clone())?))
    };
    RowElection::new(make, options)
}

impl Postgres {
    /// Opens the store in a database, makes it where there is none, and claims it for the mastership's epoch.
    ///
    /// `lease` as the election's: half of it is how long the server bears a transaction in which nothing comes. Blocks; not to be
    /// called from within a runtime.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the database cannot be used or has a newer schema, which is left untouched;
    /// [`StoreError::Lost`] where a later epoch has claimed it or mastership cannot be proven.
    pub fn open(database: &Database, mastership: Mastership, lease: Duration) -> Result<Self, StoreError> {
        patiently(&database.to_string(), "postgres://", || {
            Self::try_open(database, mastership.clone(), lease)
        })
    }

    fn try_open(database: &Database, mastership: Mastership, lease: Duration) -> Result<Self, Fault> {
        let epoch = mastership.epoch();
        let begun = Instant::now();
        let writing = runtime()?;
        let database = database.clone();
        let mut backend = Writer { database: database.clone(), lease, epoch, connection: None };
        let (known, transactions, identity) = writing.block_on(async {
            let session = Session::connect(&database, lease, "start").await?;
            schema::check(&session, &database).await?;
            schema::make_lock(&session).await?;
            claim(&session, epoch).await?;
            // Again: only now nobody else changes it.
            let version = schema::check(&session, &database).await?;
            schema::migrate(&session, version).await?;
            let identity = schema::identity(&session).await?;
            let (known, transactions) = backend.restore().await?;
            Ok::<_, Fault>((known, transactions, identity))
        })?;
        mastership.committed(begun)?;
        let (stopped, closing) = (Arc::new(OnceLock::new()), Arc::new(AtomicBool::new(false)));
        let looker = Looker {
            snapshot: Reader { database, lease, connection: None },
            epoch,
            stopped: stopped.clone(),
            closing: closing.clone(),
        };
        let limits = LIMITS;
        let copies = Arc::new(Copies::default());
        let committer = Committer {
            backend,
            mastership,
            limits,
            copies: Arc::clone(&copies),
            stopped,
            closing: closing.clone(),
            known,
            transactions,
        };
        let reading = runtime()?;
        Ok(Self {
            writer: Worker::start("postgres writer", move |calls| committer.run(&writing, &calls))?,
            reader: Worker::start("postgres reader", move |calls| looker.run(&reading, &calls))?,
            copies,
            closing,
            identity,
        })
    }

    /// What names this store among the copies of it: random, and the same for as long as it lives, set aside or not.
    pub fn identity(&self) -> [u8; 16] {
        self.identity
    }
}

impl Store for Postgres {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.writer.submit((batch.into(), done));
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.reader.submit(LookCall::Read(request, done));
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.reader.submit(LookCall::Recover(done));
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.reader.end();
        self.writer.end();
    }
}

impl Replica for Postgres {
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
        self.reader.submit(LookCall::Prepared(xid, done));
    }
}
