//! Writing the log: one round takes what has gathered, writes it, flushes it once, proves mastership, and answers.
//!
//! Synchronous and single: one thread calls [`Writer::round`], or a test does. The order within a round is the whole of the
//! durability argument: **write, flush, prove, then answer**; and only after that anything is destroyed.
//!
//! | module | what it does |
//! |---|---|
//! | [`begin`] | begins an epoch's log: replays, seals the log before, sweeps |
//! | [`active`] | the segment being written, and rolling to the next |
//! | [`spare`] | segments prepared beforehand |
//! | [`release`] | gives up segments that nothing live holds |

mod active;
mod begin;
mod release;
mod spare;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kahawai_store::batch::{Batch, Operation, Urgency};
use kahawai_store::catalog::Rejection;
use kahawai_store::codec::{self, Span};
use kahawai_store::contract::{Committed, Completion, Recovered, StoreError};
use kahawai_store::election::{Hold, Lost};

use crate::disk::Disk;
use crate::format::RandomId;
use crate::format::record::{HEADER_LENGTH, Kind, Trailer};
use crate::index::{Index, RecordAt};
use crate::log::segment::Segment;
use crate::options::JournalOptions;
use crate::steps::Step;
use active::Active;
use spare::Spares;

pub(crate) use begin::BeginError;

/// What a caller submitted.
pub(crate) enum Submission {
    /// A batch, encoded.
    Commit(EncodedBatch, Completion<Committed>),
    /// A batch that is over the limits: answered in its turn.
    Reject(Rejection, Completion<Committed>),
    /// A question for what the store holds.
    Recover(Completion<Recovered>),
}

impl Submission {
    /// How many bytes its record takes, about.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Commit(batch, _) => batch.record.len(),
            Self::Reject(..) | Self::Recover(_) => 0,
        }
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_urgent(&self) -> bool {
        match self {
            Self::Commit(batch, _) => batch.urgency == Urgency::Now,
            Self::Reject(..) | Self::Recover(_) => true,
        }
    }
}

/// A batch as it goes into a record, encoded on its caller's thread.
pub(crate) struct EncodedBatch {
    /// Room for the record's header, then the batch.
    pub(crate) record: Vec<u8>,
    /// Whether somebody waits for it.
    pub(crate) urgency: Urgency,
    /// The checksum of the batch.
    pub(crate) crc: u32,
    /// The operations, with their messages as spans of the batch.
    pub(crate) operations: Vec<Operation<Span>>,
}

impl EncodedBatch {
    /// Encodes a batch and makes its checksum, which is most of the work of a commit.
    pub(crate) fn of(batch: Batch) -> Self {
        let mut record = Vec::with_capacity(HEADER_LENGTH + codec::batch_size(&batch.operations));
        record.resize(HEADER_LENGTH, 0);
        let urgency = batch.urgency;
        let operations = codec::encode_batch(batch, &mut record);
        let crc = crc32fast::hash(&record[HEADER_LENGTH..]);
        Self { record, urgency, crc, operations }
    }
}

/// What the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    index: RwLock<Index>,
    segments: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// Arrivals below this number are durable and may be read.
    visible: AtomicU64,
    /// Why nothing works any more, once it does not.
    ended: OnceLock<StoreError>,
}

impl Shared {
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// Why nothing works any more.
    pub(crate) fn ended(&self) -> Option<&StoreError> {
        self.ended.get()
    }

    /// Ends everything for this reason, or the one before it.
    pub(crate) fn end(&self, error: StoreError) -> StoreError {
        self.ended.get_or_init(|| error).clone()
    }
}

/// Why a record could not be written.
enum Refusal {
    /// There is no room; nothing was written.
    Full,
    /// The disk failed.
    Failed(StoreError),
}

/// The one that writes.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    hold: Arc<dyn Hold>,
    options: JournalOptions,
    store: RandomId,
    log: RandomId,
    shared: Arc<Shared>,
    active: Active,
    /// Whether the active segment was the reserve.
    active_is_reserve: bool,
    spares: Spares,
    /// The sequence of the next record.
    sequence_next: u64,
    /// Every record up to this sequence is on the disk.
    durable: u64,
    /// How far the log itself says so.
    durable_said: u64,
    /// Segments up to this number are released, as the log says.
    released: u64,
    /// What recovery found damaged.
    damage: Vec<String>,
}

/// What to answer at the end of a round.
enum Answer {
    Commit(Completion<Committed>, Result<Committed, StoreError>),
    Recover(Completion<Recovered>),
}

impl Writer {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes what was submitted, in its order, and answers all of it, in its order.
    pub(crate) fn round(&mut self, submissions: impl IntoIterator<Item = Submission>) {
        let mut answers = Vec::new();
        for submission in submissions {
            answers.push(match submission {
                Submission::Commit(batch, done) => Answer::Commit(done, self.append_batch(batch)),
                Submission::Reject(rejection, done) => Answer::Commit(done, Err(rejection.into())),
                Submission::Recover(done) => Answer::Recover(done),
            });
        }
        let release = self.append_release();
        if self.reaches_beyond_durable() {
            self.flush_and_prove();
        }
        self.answer(answers);
        if let Some(release) = release {
            self.release(release);
        }
    }

    /// To be called when nothing has been submitted for a while: notes how far the log is durable, without a flush of its
    /// own, so that damage to the last batch can be told from a torn tail.
    pub(crate) fn idle(&mut self) {
        if self.shared.ended().is_none() && self.durable_said < self.durable {
            // Nobody waits for it: where there is no room, it is left out.
            if self.append(Kind::Idle, vec![0; HEADER_LENGTH], 0, true).is_ok()
                && let Err(error) = self.active.write()
            {
                self.shared.end(self.failed("write to", &error));
            }
            self.durable_said = self.durable;
        }
        self.spares.replenish();
    }

    /// Writes and flushes the log's good end.
    pub(crate) fn close(&mut self) {
        // A courtesy to the next master, who does as well without.
        if self.shared.ended().is_none() && self.append(Kind::Close, vec![0; HEADER_LENGTH], 0, true).is_ok()
        {
            self.flush_and_prove();
        }
        self.shared.end(StoreError::Closed);
    }

    fn reaches_beyond_durable(&self) -> bool {
        self.active.flushed() < self.active.offset() && self.shared.ended().is_none()
    }

    fn append_batch(&mut self, batch: EncodedBatch) -> Result<Committed, StoreError> {
        if let Some(error) = self.shared.ended() {
            return Err(error.clone());
        }
        let EncodedBatch { mut record, crc, operations, urgency: _ } = batch;
        let (decided, arrival_first) = {
            let index = self.shared.index();
            (index.decided_by(&operations), index.arrival_next())
        };
        let mut encoded = Vec::new();
        let decided = match decided.is_empty() {
            true => Vec::new(),
            false => codec::encode_batch(Batch::new(decided), &mut encoded),
        };
        let trailer = Trailer { decided: encoded, arrival_first };
        // Room first, and only then the catalogue: a batch that finds no room leaves nothing behind.
        self.make_room(record.len() + trailer.length(), is_freeing(&operations))
            .map_err(|refusal| self.refused(refusal))?;
        self.shared.index_mut().catalog().admit(&operations)?;
        let batch_end = record.len();
        trailer.encode(&mut record);
        let mut hasher = crc32fast::Hasher::new_with_initial(crc);
        hasher.update(&record[batch_end..]);
        let at = self
            .append(Kind::Batch, record, hasher.finalize(), true)
            .map_err(|refusal| self.refused(refusal))?;
        self.shared.index_mut().apply(operations, at, Trailer { decided, arrival_first });
        Ok(Committed { arrival_first })
    }

    /// Adds a record (with room for its header in front) to the log and gives its place. It is written with the next flush.
    ///
    /// Where the disk fails, the store is ended.
    fn append(
        &mut self,
        kind: Kind,
        record: Vec<u8>,
        body_crc: u32,
        freeing: bool,
    ) -> Result<RecordAt, Refusal> {
        if let Err(refusal) = self.make_room(record.len(), freeing) {
            if let Refusal::Failed(error) = &refusal {
                self.shared.end(error.clone());
            }
            return Err(refusal);
        }
        let at = self.active.add(kind, record, body_crc, self.sequence_next, self.durable);
        self.sequence_next += 1;
        self.durable_said = self.durable;
        Ok(at)
    }

    fn refused(&self, refusal: Refusal) -> StoreError {
        match refusal {
            Refusal::Full => {
                let text = format!(
                    "no room for another segment of {} bytes; free disk space or consume messages",
                    self.options.journal_max_file_length
                );
                StoreError::Full(text.into())
            }
            Refusal::Failed(error) => self.shared.end(error),
        }
    }

    /// What a failed call ends the store with. Files also vanish under a master that was overtaken: then that is why.
    fn failed(&self, doing: &str, error: &io::Error) -> StoreError {
        match self.hold.prove() {
            Err(Lost { epoch, reason }) => StoreError::Lost { epoch, reason },
            Ok(()) => {
                StoreError::Failed(format!("cannot {doing} segment {}: {error}", self.active.number()).into())
            }
        }
    }

    /// Writes and flushes what was added, and asks whether this is still the master: **in this order**.
    fn flush_and_prove(&mut self) {
        let through = self.sequence_next - 1;
        if let Err(error) = self.active.write() {
            self.shared.end(self.failed("write to", &error));
            return;
        }
        self.options.watch.reached(Step::CommitWritten);
        if let Err(error) = self.active.flush() {
            // The bytes may or may not be on the disk, and no later flush would tell: nothing more is written.
            self.shared.end(self.failed("flush", &error));
            return;
        }
        self.options.watch.reached(Step::CommitFlushed);
        self.prove();
        self.options.watch.reached(Step::CommitProven);
        if self.shared.ended().is_none() {
            self.durable = through;
            let arrivals = self.shared.index().arrival_next();
            self.shared.visible.store(arrivals, Ordering::Release);
        }
    }

    fn prove(&self) {
        if let Err(lost) = self.hold.prove() {
            self.shared.end(StoreError::Lost { epoch: lost.epoch, reason: lost.reason });
        }
    }

    fn answer(&self, answers: Vec<Answer>) {
        let ended = self.shared.ended();
        for answer in answers {
            match (answer, ended) {
                // A batch that was written but not proven must not be answered with what it would have got.
                (Answer::Commit(done, Ok(_)), Some(error)) => done.complete(Err(error.clone())),
                (Answer::Commit(done, result), _) => done.complete(result),
                (Answer::Recover(done), Some(error)) => done.complete(Err(error.clone())),
                (Answer::Recover(done), None) => {
                    let recovered = self.shared.index().recovered(self.hold.epoch(), self.damage.clone());
                    done.complete(Ok(recovered));
                }
            }
        }
    }
}

/// Whether a batch makes room rather than taking it, so that it may use the reserve.
fn is_freeing(operations: &[Operation<Span>]) -> bool {
    operations.iter().all(|operation| match operation {
        Operation::Enqueue { .. } => false,
        Operation::Prepare { operations, .. } => is_freeing(operations),
        _ => true,
    })
}
