//! The engine without threads: whoever holds it says when it works, so that every run from one seed is the same.
//!
//! The same writer, cleaner and reader as [`crate::journal`] has, in another shell. What is submitted waits until [`Stepped::step`] makes a
//! round of it; what the journal does when there is nothing else to do, [`Stepped::idle`] does. Nothing in it asks a clock or the
//! kernel for chance. Dropping it is the death of its process: nothing more is written, and callers that wait get
//! [`StoreError::Closed`] by their completions being dropped.
//!
//! Segments are made in place when they are needed, so that **there are no reserves**: on a full disk acknowledgements find room only in the
//! segment being written, and what is given up.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use kahawai_store::batch::{Batch, Durability, DurabilityState, Operation};
use kahawai_store::contract::{
    Bell, Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError,
};
use kahawai_store::election::Hold;
use kahawai_store::names::{BatchName, Term, Xid};
use kahawai_store::replica::{Copied, Replica, Tap};

use crate::compact::head::HeadReader;
use crate::cut::Cut;
use crate::directory::StoreDirectory;
use crate::disk::Disk;
use crate::election::chance;
use crate::in_place;
use crate::journal::{OpenError, read_page};
use crate::options::JournalOptions;
use crate::prepared;
use crate::shared::Shared;
use crate::submission::{EncodedBatch, Submission};
use crate::writer::Writer;

/// A store in a journal that works when it is told to. Calls may come from any thread, and from within completions.
pub struct Stepped {
    limits: Limits,
    level: Durability,
    shared: Arc<Shared>,
    submitted: Mutex<Submitted>,
    engine: Mutex<Engine>,
    bell: OnceLock<Bell>,
}

/// What waits for the next step.
#[derive(Default)]
struct Submitted {
    submissions: VecDeque<Submission>,
    reads: VecDeque<Read>,
    closed: bool,
}

/// What was asked for.
enum Read {
    Page(ReadRequest, Completion<Page>),
    Prepared(Xid, Completion<Vec<Vec<Operation>>>),
}

struct Engine {
    writer: Writer,
    head: HeadReader,
}

impl std::fmt::Debug for Stepped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stepped").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stepped {
    /// Opens a store on a disk under a mastership, making one where there is none, as [`crate::journal::Journal::open`] does.
    ///
    /// What the journal takes from chance follows from `seed`: give each opening another one. Checkpoints are taken by bytes only, never
    /// because time went by.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing of an older epoch was changed then.
    pub fn open(
        disk: &Arc<dyn Disk>,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
        seed: u64,
    ) -> Result<Self, OpenError> {
        Self::open_cut(disk, hold, options, None, seed)
    }

    /// The same, leaving out what of the log before is to be cut, as [`crate::journal::Journal::open_cut`] does.
    ///
    /// # Errors
    /// As there.
    pub fn open_cut(
        disk: &Arc<dyn Disk>,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
        cut: Option<Cut>,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let limits =
            Limits { batch_bytes_max: options.batch_bytes_max, message_bytes_max: options.message_bytes_max };
        let level = options.journal_disk_sync_strategy;
        let options = JournalOptions { checkpoint_interval: Duration::MAX, ..options };
        let writer = chance::settled(seed, || {
            let store = StoreDirectory::on(Arc::clone(disk))
                .map_err(|error| OpenError::Failed(format!("cannot begin the store: {error}")))?;
            Ok::<_, OpenError>(Writer::begin(Arc::clone(disk), hold, store.id(), options, cut, false)?)
        })?;
        let shared = Arc::clone(writer.shared());
        let mut engine = Engine { writer, head: HeadReader::default() };
        engine.clean_up();
        Ok(Self {
            limits,
            level,
            shared,
            submitted: Mutex::default(),
            engine: Mutex::new(engine),
            bell: OnceLock::new(),
        })
    }

    /// One round for all that waits, and the pages that were asked for; all of it is answered, in its order, but for what waits for room
    /// that nothing makes yet. What is submitted from within the answers waits for the next step. Tells whether there was anything to do.
    pub fn step(&self) -> bool {
        let (submissions, reads) = {
            let mut submitted = locked(&self.submitted);
            (std::mem::take(&mut submitted.submissions), std::mem::take(&mut submitted.reads))
        };
        let is_any = !submissions.is_empty() || !reads.is_empty();
        if !submissions.is_empty() {
            let mut engine = locked(&self.engine);
            engine.writer.round(submissions);
            engine.clean_up();
            drop(engine);
            self.rings();
        }
        for read in reads {
            match read {
                Read::Page(request, done) => done.complete(read_page(&self.shared, &request)),
                Read::Prepared(xid, done) => done.complete(prepared::read(&self.shared, &xid)),
            }
        }
        is_any
    }

    /// What the journal does when nothing was submitted for a while: flushes what was completed without, notes how far it is durable, goes on
    /// with checkpoints, and cleans a piece of the head where that is worth while. Tells whether there is more of that to do.
    pub fn idle(&self) -> bool {
        let mut engine = locked(&self.engine);
        engine.writer.flush_owed();
        let has_more = engine.writer.idle();
        let cleaned = engine.writer.wants_cleaning() && engine.clean_one();
        engine.clean_up();
        drop(engine);
        // What waited for room may have got it.
        self.rings();
        self.shared.ended().is_none() && (has_more || cleaned)
    }

    /// Whether anything waits for a step.
    pub fn has_submitted(&self) -> bool {
        let submitted = locked(&self.submitted);
        !submitted.submissions.is_empty() || !submitted.reads.is_empty()
    }

    /// Why nothing works any more, once it does not.
    pub fn ended(&self) -> Option<StoreError> {
        self.shared.ended().cloned()
    }

    /// The same store for whoever waits for each answer on this thread: every call makes a step at once.
    pub fn eager(self: &Arc<Self>) -> Eager {
        Eager(Arc::clone(self))
    }

    fn rings(&self) {
        if let Some(bell) = self.bell.get() {
            bell();
        }
    }

    fn submit_batch(&self, batch: Batch, copied: Option<(BatchName, u64)>, done: Completion<Committed>) {
        self.submit(match self.limits.check(&batch.operations) {
            Err(rejection) => Submission::Reject(rejection, done),
            Ok(()) => Submission::Commit(EncodedBatch { copied, ..EncodedBatch::of(batch) }, done),
        });
    }

    fn submit_read(&self, read: Read) {
        let mut submitted = locked(&self.submitted);
        if !submitted.closed {
            submitted.reads.push_back(read);
            return;
        }
        drop(submitted);
        let error = self.ended().unwrap_or(StoreError::Closed);
        match read {
            Read::Page(_, done) => done.complete(Err(error)),
            Read::Prepared(_, done) => done.complete(Err(error)),
        }
    }

    fn submit(&self, submission: Submission) {
        let mut submitted = locked(&self.submitted);
        if !submitted.closed {
            submitted.submissions.push_back(submission);
            return;
        }
        drop(submitted);
        let error = self.ended().unwrap_or(StoreError::Closed);
        match submission {
            Submission::Commit(_, done) | Submission::Reject(_, done) => done.complete(Err(error)),
            Submission::Recover(done) => done.complete(Err(error)),
            // Dropped, it answers too.
            _ => {}
        }
    }
}

impl Store for Stepped {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.submit_batch(batch, None, done);
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.submit_read(Read::Page(request, done));
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.submit(Submission::Recover(done));
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn ring(&self, bell: Bell) -> bool {
        self.bell.set(bell).is_ok()
    }

    fn durability(&self) -> DurabilityState {
        DurabilityState { level: self.level, bytes_at_risk: self.shared.at_risk() }
    }

    /// Makes the last steps. Not to be called from within a completion.
    fn close(&self) {
        locked(&self.submitted).closed = true;
        self.step();
        locked(&self.engine).writer.close();
        self.rings();
        self.shared.let_go();
    }
}

impl Replica for Stepped {
    fn begin_term(&self, term: Term) {
        self.shared.term.store(term.0, Ordering::Release);
    }

    fn confirmed_through(&self, through: Option<BatchName>) {
        self.shared.confirm(through);
    }

    fn tap(&self, tap: Arc<dyn Tap>) {
        let is_first = self.shared.tap.set(tap).is_ok();
        debug_assert!(is_first, "a journal has one tap");
    }

    fn append(&self, copied: Copied, done: Completion<Committed>) {
        let Copied { name, arrival_first, batch } = copied;
        self.submit_batch(batch, Some((name, arrival_first)), done);
    }

    fn prepared(&self, xid: Xid, done: Completion<Vec<Vec<Operation>>>) {
        self.submit_read(Read::Prepared(xid, done));
    }
}

impl Engine {
    /// Cleans as far as the bound on the disk asks for, and for whoever waits for room: as rounds of the journal wait for its cleaner.
    fn clean_up(&mut self) {
        in_place::clean(&mut self.writer, &mut self.head, |writer| writer.owed() > 0);
        in_place::clean_for_waiting(&mut self.writer, &mut self.head);
    }

    /// Cleans a piece; whether there was one.
    fn clean_one(&mut self) -> bool {
        let mut wanted = true;
        in_place::clean(&mut self.writer, &mut self.head, |_| std::mem::take(&mut wanted)).pieces > 0
    }
}

/// See [`Stepped::eager`].
#[derive(Clone, Debug)]
pub struct Eager(Arc<Stepped>);

impl Store for Eager {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.0.commit(batch, done);
        self.0.step();
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.0.read(request, done);
        self.0.step();
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.0.recover(done);
        self.0.step();
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn ring(&self, bell: Bell) -> bool {
        self.0.ring(bell)
    }

    fn durability(&self) -> DurabilityState {
        self.0.durability()
    }

    fn close(&self) {
        self.0.close();
    }
}

impl Replica for Eager {
    fn begin_term(&self, term: Term) {
        self.0.begin_term(term);
    }

    fn confirmed_through(&self, through: Option<BatchName>) {
        self.0.confirmed_through(through);
    }

    fn tap(&self, tap: Arc<dyn Tap>) {
        self.0.tap(tap);
    }

    fn append(&self, copied: Copied, done: Completion<Committed>) {
        self.0.append(copied, done);
        self.0.step();
    }

    fn prepared(&self, xid: Xid, done: Completion<Vec<Vec<Operation>>>) {
        self.0.prepared(xid, done);
        self.0.step();
    }
}
