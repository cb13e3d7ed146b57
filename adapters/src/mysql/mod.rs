//! The storage contract on MySQL and MariaDB (InnoDB).
//!
//! On the plan of PostgreSQL's module, with two differences that the servers make: no pipelining, so a transaction is some
//! round trips more; and no notices, so a slave looks for a release.

mod activemq;
mod connection;
mod error;
mod lock;
mod reader;
mod record_row;
mod schema;
mod set_aside;
mod state;
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
use error::Result;
use reader::Reader;
use state::claim;
use writer::Writer;

pub use activemq::activemq_rows;
pub use connection::Database;
pub use record_row::record_row;
pub use schema::VERSION as SCHEMA_VERSION;
pub use set_aside::set_aside;

/// What a statement takes beside the message that it brings.
const STATEMENT_BYTES: usize = 64 << 10;

/// A store in a MySQL or MariaDB database.
#[derive(Debug)]
pub struct Mysql {
    writer: Worker<CommitCall>,
    reader: Worker<LookCall>,
    copies: Arc<Copies>,
    closing: Arc<AtomicBool>,
    limits: Limits,
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

impl Mysql {
    /// Opens the store in a database, makes it where there is none, and claims it for the mastership's epoch.
    ///
    /// `lease` as the election's: half of it, in whole seconds, is how long the server bears a transaction in which nothing comes.
    /// A message may take what the server's `max_allowed_packet` leaves. Blocks; not to be called from within a runtime.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the database cannot be used or has a newer schema, which is left untouched;
    /// [`StoreError::Lost`] where a later epoch has claimed it or mastership cannot be proven.
    pub fn open(
        database: &Database,
        mastership: Mastership,
        lease: Duration,
    ) -> std::result::Result<Self, StoreError> {
        patiently(&database.to_string(), "mysql://", || Self::try_open(database, mastership.clone(), lease))
    }

    fn try_open(database: &Database, mastership: Mastership, lease: Duration) -> Result<Self> {
        let epoch = mastership.epoch();
        let begun = Instant::now();
        let writing = runtime()?;
        let database = database.clone();
        let mut backend = Writer { database: database.clone(), lease, epoch, session: None };
        let (known, transactions, packet, identity) = writing.block_on(async {
            let mut session = Session::connect(&database, lease).await?;
            schema::check(&mut session, &database).await?;
            schema::make_lock(&mut session).await?;
            claim(&mut session, epoch).await?;
            // Again: only now nobody else changes it.
            let version = schema::check(&mut session, &database).await?;
            if version == 0 {
                set_aside::finish(&mut session, &database, epoch, lease).await?;
            }
            schema::migrate(&mut session, version).await?;
            let identity = schema::identity(&mut session).await?;
            let (known, transactions) = backend.restore().await?;
            Ok::<_, Fault>((known, transactions, session.packet_bytes_max, identity))
        })?;
        mastership.committed(begun)?;
        let message_bytes_max = packet.saturating_sub(STATEMENT_BYTES).min(256 << 20);
        let limits = Limits { batch_bytes_max: message_bytes_max.min(8 << 20), message_bytes_max };
        let (stopped, closing) = (Arc::new(OnceLock::new()), Arc::new(AtomicBool::new(false)));
        let looker = Looker {
            snapshot: Reader { database, lease, session: None },
            epoch,
            stopped: stopped.clone(),
            closing: closing.clone(),
        };
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
            writer: Worker::start("mysql writer", move |calls| committer.run(&writing, &calls))?,
            reader: Worker::start("mysql reader", move |calls| looker.run(&reading, &calls))?,
            copies,
            closing,
            limits,
            identity,
        })
    }

    /// What names this store among the copies of it: random, and the same for as long as it lives, set aside or not.
    pub fn identity(&self) -> [u8; 16] {
        self.identity
    }
}

impl Store for Mysql {
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
        self.limits
    }

    fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.reader.end();
        self.writer.end();
    }
}

impl Replica for Mysql {
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
