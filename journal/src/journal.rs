//! The engine: threads around the writer and the reader, and the contract in front.
//!
//! A caller's thread encodes its batch and leaves it in the queue. The **writer** thread takes everything that has gathered while
//! the last flush ran, and makes one round of it: group commit without a delay. A **reader** thread serves pages, so that a page
//! fault holds up neither the callers nor the flushes.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kahawai_store::batch::{Batch, Durability, DurabilityState, Operation};
use kahawai_store::codec;
use kahawai_store::contract::{
    Bell, Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError, StoredMessage,
};
use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::{BatchName, Term, Xid};
use kahawai_store::replica::{Copied, Replica, Tap};

use crate::compact::cleaner;
use crate::compact::to_end;
pub use crate::compact::to_end::Compacted;
use crate::cut::Cut;
use crate::directory::StoreDirectory;
use crate::options::JournalOptions;
use crate::prepared;
use crate::queue::Queue;
use crate::shared::Shared;
use crate::submission::{EncodedBatch, Submission};
use crate::writer::Writer;
use crate::writer::begin_error::BeginError;

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no room for the journal's first segment.
    #[error("the disk is full: {0}")]
    Full(io::Error),
    /// Someone else has claimed the store meanwhile: wait as slave.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// What would be kept of the log is not all there any more, or damaged: nothing was changed.
    #[error("the journal cannot be cut there: {0}")]
    CannotCut(String),
    /// The store cannot be read or written.
    #[error("{0}")]
    Failed(String),
}

impl From<BeginError> for OpenError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Lost(lost) => Self::Lost(lost),
            BeginError::CannotCut(why) => Self::CannotCut(why),
            BeginError::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull => Self::Full(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A store in a journal, open under an epoch.
pub struct Journal {
    limits: Limits,
    level: Durability,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    bell: Arc<OnceLock<Bell>>,
    reads: Mutex<Option<Sender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What was asked for.
enum Read {
    Page(ReadRequest, Completion<Page>),
    Prepared(Xid, Completion<Vec<Vec<Operation>>>),
}

/// Abandons the queue when its thread ends, by a panic too, so that every caller gets an answer.
struct AbandonOnExit {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
}

impl Drop for AbandonOnExit {
    fn drop(&mut self) {
        if thread::panicking() {
            // What the index holds now nobody knows: reads end too.
            self.shared.end(StoreError::Failed("the thread that writes the journal panicked".into()));
        }
        self.queue.abandon();
        self.shared.cleaning.end();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens a store under a mastership: reads the log before, seals it, and begins one of its own.
    ///
    /// Blocks as long as that takes, which depends on what the journal holds. Once it returns, what is acknowledged is
    /// this epoch's.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing of an older epoch was changed then.
    pub fn open(
        store: &StoreDirectory,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
    ) -> Result<Self, OpenError> {
        Self::open_cut(store, hold, options, None)
    }

    /// The same, leaving out what of the log before is to be cut: that is set aside. See [`Cut`].
    ///
    /// # Errors
    /// As [`Journal::open`]. Nothing was changed then, or, where the disk failed behind the cut, all of it was made: opening the store as it is
    /// sets aside what is left to.
    pub fn open_cut(
        store: &StoreDirectory,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
        cut: Option<Cut>,
    ) -> Result<Self, OpenError> {
        let limits =
            Limits { batch_bytes_max: options.batch_bytes_max, message_bytes_max: options.message_bytes_max };
        let queue = Arc::new(Queue::new(&options));
        let level = options.journal_disk_sync_strategy;
        if level < Durability::Always {
            tracing::warn!(
                "journalDiskSyncStrategy is '{level}': what was answered last may be lost when this machine fails"
            );
        }
        let pauses = Pauses { idle: options.idle_interval, flush: options.journal_disk_sync_interval };
        let mut writer =
            Writer::begin(Arc::clone(store.disk()), Arc::clone(&hold), store.id(), options, cut, true)?;
        let shared = Arc::clone(writer.shared());
        // The hold outlives the store; what was closed has nothing at risk.
        let shown = Arc::downgrade(&shared);
        hold.show_durability(Box::new(move || DurabilityState {
            level,
            bytes_at_risk: shown.upgrade().map_or(0, |shared| shared.at_risk()),
        }));
        let failed = |error: io::Error| OpenError::Failed(format!("cannot start a thread: {error}"));

        let taken = Arc::clone(&queue);
        let bell: Arc<OnceLock<Bell>> = Arc::default();
        let rung = Arc::clone(&bell);
        let writing = thread::Builder::new().name("kahawai-journal".into()).spawn(move || {
            let _abandoning =
                AbandonOnExit { queue: Arc::clone(&taken), shared: Arc::clone(writer.shared()) };
            let ring = || {
                if let Some(bell) = rung.get() {
                    bell();
                }
            };
            write(&mut writer, &taken, pauses, &ring);
            writer.close();
            ring();
        });
        let writing = writing.map_err(failed)?;
        let (reads, requests) = channel();
        let read_from = Arc::clone(&shared);
        let reading = thread::Builder::new()
            .name("kahawai-read".into())
            .spawn(move || serve_reads(&read_from, &requests))
            .map_err(failed)?;
        let (cleaned, submitted) = (Arc::clone(&shared), Arc::clone(&queue));
        let cleaning = thread::Builder::new()
            .name("kahawai-clean".into())
            .spawn(move || cleaner::clean(&cleaned, &submitted))
            .map_err(failed)?;
        Ok(Self {
            limits,
            level,
            queue,
            shared,
            bell,
            reads: Mutex::new(Some(reads)),
            threads: Mutex::new(vec![writing, reading, cleaning]),
        })
    }

    /// Compacts to the end, beside whatever is committed and read meanwhile: all that the log holds now is given up, but for the segment
    /// being written, and what lives in it is written again. The rest of the time the journal compacts by itself, as far as
    /// its bound on the disk asks for. Blocks until that is durable and the files are given up; `told` is told now and then.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is no room for what lives to be written again, or what ended the journal.
    pub fn compact(&self, told: &mut dyn FnMut(Compacted)) -> Result<Compacted, StoreError> {
        // Whatever is submitted makes the writer look.
        to_end::compact(&self.shared, || self.recover(Completion::new(drop)), told)
    }

    /// Leaves something to be read; gives it back where nothing is read any more.
    fn submit_read(&self, read: Read) -> Result<(), Read> {
        match self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(reads) => reads.send(read).map_err(|refused| refused.0),
            None => Err(read),
        }
    }

    fn submit_batch(&self, batch: Batch, copied: Option<(BatchName, u64)>, done: Completion<Committed>) {
        let submission = match self.limits.check(&batch.operations) {
            Err(rejection) => Submission::Reject(rejection, done),
            Ok(()) => Submission::Commit(EncodedBatch { copied, ..EncodedBatch::of(batch) }, done),
        };
        match self.queue.push(submission) {
            Err(Submission::Commit(_, done) | Submission::Reject(_, done)) => {
                done.complete(Err(self.ended()))
            }
            Err(Submission::Recover(_) | Submission::Relocate(..) | Submission::NothingToClean(_))
            | Ok(()) => {}
        }
    }

    fn ended(&self) -> StoreError {
        self.shared.ended().cloned().unwrap_or(StoreError::Closed)
    }
}

impl Store for Journal {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.submit_batch(batch, None, done);
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        if let Err(Read::Page(_, done)) = self.submit_read(Read::Page(request, done)) {
            done.complete(Err(self.ended()));
        }
    }

    fn recover(&self, done: Completion<Recovered>) {
        if let Err(Submission::Recover(done)) = self.queue.push(Submission::Recover(done)) {
            done.complete(Err(self.ended()));
        }
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

    fn close(&self) {
        self.queue.close();
        self.shared.cleaning.end();
        drop(self.reads.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A completion may hold the last handle, and drop it on a thread of ours.
        let own = thread::current().id();
        let (ours, others): (Vec<_>, Vec<_>) =
            threads.into_iter().partition(|thread| thread.thread().id() == own);
        for thread in others {
            // A thread that panicked has answered its callers by dropping their completions.
            let _ = thread.join();
        }
        if ours.is_empty() {
            // Whoever opens the store next may remove segments, and needs their room.
            self.shared.let_go();
        }
    }
}

impl Replica for Journal {
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
        if let Err(Read::Prepared(_, done)) = self.submit_read(Read::Prepared(xid, done)) {
            done.complete(Err(self.ended()));
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

/// How long the writer's thread waits for what.
#[derive(Clone, Copy)]
struct Pauses {
    /// For work, before it does what is to be done without.
    idle: Duration,
    /// At most with the flush of what was completed without one.
    flush: Duration,
}

/// How long the writer's thread waits for work between two steps of sweeping.
const SWEEP_PAUSE: Duration = Duration::from_millis(1);

/// Makes rounds until the queue is closed, ringing after each. A journal without work sleeps for good.
fn write(writer: &mut Writer, queue: &Queue, pauses: Pauses, ring: &impl Fn()) {
    let mut has_idle_work = true;
    let mut unflushed_since: Option<Instant> = None;
    loop {
        let flush_in = unflushed_since.map(|since| pauses.flush.saturating_sub(since.elapsed()));
        let idle = if writer.has_more_to_sweep() { SWEEP_PAUSE } else { pauses.idle };
        let idle_in = has_idle_work.then_some(idle);
        let patience = flush_in.into_iter().chain(idle_in).min();
        let Some(submissions) = queue.take(patience) else { return };
        has_idle_work = if submissions.is_empty() {
            let has_more = writer.idle();
            // What waited for room may have got it.
            ring();
            has_more
        } else {
            writer.round(submissions);
            ring();
            queue.wait_for_cleaner(writer.shared().cleaning.is_behind());
            true
        };
        if !writer.owes_flush() {
            unflushed_since = None;
        } else if unflushed_since.get_or_insert_with(Instant::now).elapsed() >= pauses.flush {
            writer.flush_owed();
            unflushed_since = None;
        }
    }
}

fn serve_reads(shared: &Shared, requests: &Receiver<Read>) {
    while let Ok(read) = requests.recv() {
        match read {
            Read::Page(request, done) => done.complete(read_page(shared, &request)),
            Read::Prepared(xid, done) => done.complete(prepared::read(shared, &xid)),
        }
    }
}

pub(crate) fn read_page(shared: &Shared, request: &ReadRequest) -> Result<Page, StoreError> {
    loop {
        if let Some(page) = try_read_page(shared, request)? {
            return Ok(page);
        }
    }
}

/// `None` where a segment was given up between the look into the index and the reading: then another look tells where everything is.
fn try_read_page(shared: &Shared, request: &ReadRequest) -> Result<Option<Page>, StoreError> {
    if let Some(error) = shared.ended() {
        return Err(error.clone());
    }
    let visible = shared.visible();
    // Segments are looked up while the index is held, so that none of them is given up in between.
    let (found, end) = {
        let index = shared.index();
        let (found, end) = index.read(request, visible)?;
        if let Some(problem) = index.messages.fault().get() {
            return Err(StoreError::Failed(problem.as_str().into()));
        }
        let segments = shared.segments();
        let found: Vec<_> =
            found.into_iter().map(|found| (found, segments.get(&found.location.segment).cloned())).collect();
        (found, end)
    };
    let mut page = Page { end, ..Page::default() };
    let mut bytes = 0;
    for (found, segment) in found {
        let message = match segment {
            Some(segment) => match segment.read_message(&found) {
                Err(error) if shared.is_given_up(segment.number, &error) => return Ok(None),
                read => read.map_err(|error| shared.end(shared.failed("read", segment.number, &error)))?,
            },
            None => None,
        };
        let message = message.and_then(|bytes| codec::decode_message(&bytes).ok());
        let Some(message) = message else {
            page.damaged.push((found.id, found.cursor));
            continue;
        };
        bytes += message.size();
        if bytes > request.bytes_max && !page.messages.is_empty() {
            page.end = false;
            break;
        }
        page.messages.push(StoredMessage { id: found.id, cursor: found.cursor, message: Arc::new(message) });
    }
    Ok(Some(page))
}
