//! Writing the log: one round takes what has gathered, writes it, flushes it once, proves mastership, and answers.
//!
//! Synchronous and single: one thread calls [`Writer::round`], or a test does. The order within a round is the whole of the
//! durability argument: **write, flush, prove, then answer**; and only after that anything is destroyed.
//!
//! | module | what it does |
//! |---|---|
//! | [`begin`] | begins an epoch's log: replays, seals the log before, sweeps |
//! | [`cut`] | sets aside what is left out of the log before |
//! | [`active`], [`roll`] | the segment being written; rolling to the next |
//! | [`checkpoint`], [`checkpoints`], [`background`] | keeps the index on disk, beside the rounds |
//! | [`sweep`], [`sweeping`] | takes out of the index what is gone, a little with each round |
//! | [`spare`] | segments prepared beforehand |
//! | [`removal`] | takes away the files of segments that are given up, beside the rounds |
//! | [`relocate`], [`moved`], [`waiting`] | writes what lives at the head once more; what waits for the room that this makes |
//! | [`release`], [`held`] | gives up segments that nothing live holds; those that a cut could still need |
//!
//! What the writer and the readers share is [`crate::shared`].

mod active;
mod background;
mod begin;
pub(crate) mod begin_error;
mod checkpoint;
mod checkpoints;
mod cut;
mod held;
mod moved;
mod release;
mod relocate;
mod removal;
mod roll;
mod spare;
mod sweep;
mod sweeping;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kahawai_store::batch::{Batch, Durability, Operation};
use kahawai_store::codec::{self, Span};
use kahawai_store::contract::{Committed, Completion, Recovered, StoreError};
use kahawai_store::election::Hold;
use kahawai_store::replica::{Taken, check_order};

use crate::compact::pace::Pace;
use crate::disk::Disk;
use crate::disk::on_demand::OpenFiles;
use crate::format::RandomId;
use crate::format::record::{self, HEADER_LENGTH, Kind, Trailer};
use crate::index::RecordAt;
use crate::log::segment::Segment;
use crate::options::JournalOptions;
use crate::shared::Shared;
use crate::steps::Step;
use crate::submission::{EncodedBatch, Submission};
use active::Active;
use checkpoints::Checkpoints;
use held::Held;
use moved::Moved;
use removal::Removals;
use spare::Spares;
use sweeping::Sweeping;
use waiting::Waiting;

/// Why a record could not be written.
enum Refusal {
    /// There is no room; nothing was written.
    Full,
    /// There is none but the cleaner's, who makes some; nothing was written.
    Wait,
    /// The disk failed.
    Failed(StoreError),
}

/// Who asks for room, in the order of what they may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    /// What takes room.
    Sender,
    /// What makes room: acknowledgements and such.
    Freeing,
    /// What is written again, so that the head can be given up; and what was given room already.
    Cleaner,
    /// The word that the head is given up.
    Release,
}

/// The one that writes.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    /// The segments that are open.
    files: Arc<OpenFiles>,
    hold: Arc<dyn Hold>,
    options: JournalOptions,
    store: RandomId,
    log: RandomId,
    shared: Arc<Shared>,
    active: Active,
    /// Whether the active segment was a reserve.
    active_is_reserve: bool,
    spares: Spares,
    /// The sequence of the next record.
    sequence_next: u64,
    /// Every record up to this sequence is on the disk.
    durable: u64,
    /// How far the log itself says so, in records that are on the disk.
    said_flushed: u64,
    /// Bytes of records of this epoch.
    appended: u64,
    checkpoints: Checkpoints,
    /// How far the log itself says so.
    durable_said: u64,
    /// Segments up to this number are released, as the log says.
    released: u64,
    /// What recovery found damaged.
    damage: Vec<String>,
    /// Segments in which damage was found.
    damaged: BTreeSet<u64>,
    /// What was written again and is not known to be durable.
    moved: Vec<Moved>,
    pace: Pace,
    /// Every byte of the log that was used up, but for what was only written again.
    used_up: u64,
    /// The segments that are full.
    full: Full,
    /// About how many bytes the small files take.
    small_files: u64,
    /// Whether something was completed that is to be flushed within the interval.
    owes_flush: bool,
    waiting: Waiting,
    removals: Removals,
    sweeping: Sweeping,
    /// Segments that are released and will be recycled when nobody reads them any more.
    leaving: Vec<Arc<Segment>>,
    held: Held,
}

/// How much there is of full segments.
#[derive(Clone, Copy, Debug, Default)]
struct Full {
    bytes: u64,
    /// What of it can hold no message.
    overhead: u64,
}

impl Full {
    fn add(&mut self, segment: &Segment) {
        self.bytes += segment.file.length();
        self.overhead += segment.overhead();
    }

    fn remove(&mut self, segment: &Segment) {
        self.bytes -= segment.file.length();
        self.overhead -= segment.overhead();
    }
}

/// What to answer at the end of a round.
enum Answer {
    Commit(Completion<Committed>, Result<Committed, StoreError>),
    Recover(Completion<Recovered>),
    Relocate(Completion<()>, Result<(), StoreError>),
}

impl Writer {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes what was submitted, in its order, and answers it, in its order: all of it, but for what waits for the cleaner and what
    /// comes behind that.
    pub(crate) fn round(&mut self, submissions: impl IntoIterator<Item = Submission>) {
        let mut changed = self.pass(submissions);
        // What waits is answered as soon as that is possible, or hopeless.
        while changed && self.waiting.is_any() {
            changed = self.pass([]);
        }
    }

    /// One round; whether room was made, or it turned out that there will be none.
    fn pass(&mut self, submissions: impl IntoIterator<Item = Submission>) -> bool {
        let mut answers = Vec::new();
        // The strongest level of all: completions come in order, so the weaker ones would have to wait in any case.
        let mut level: Option<Durability> = None;
        let was_hopeless = self.waiting.hopeless();
        let waited = self.waiting.begin();
        for submission in waited.into_iter().chain(submissions) {
            answers.push(match submission {
                Submission::Relocate(piece, done) => Answer::Relocate(done, self.relocate(*piece)),
                Submission::NothingToClean(head) => {
                    self.waiting.give_up(head, u64::MAX);
                    continue;
                }
                // Only what does not wait overtakes nobody.
                behind if self.waiting.is_any() => {
                    self.waiting.push(behind);
                    continue;
                }
                Submission::Commit(batch, done) => {
                    let asked = batch.durability.unwrap_or(self.options.journal_disk_sync_strategy);
                    match self.append_batch(batch) {
                        Ok(result) => {
                            level = level.max(Some(asked));
                            Answer::Commit(done, result)
                        }
                        Err(batch) => {
                            self.waiting.first(Submission::Commit(batch, done), self.active.number());
                            continue;
                        }
                    }
                }
                Submission::Reject(rejection, done) => Answer::Commit(done, Err(rejection.into())),
                Submission::Recover(done) => Answer::Recover(done),
            });
        }
        self.waiting.end();
        self.sweep_messages();
        let release = self.append_release();
        // What is written again, and what is given up, is never left to chance.
        let is_weak = level.is_some_and(|level| level < Durability::Always);
        if is_weak && release.is_none() && self.moved.is_empty() {
            self.write_and_prove(level == Some(Durability::Periodic));
        } else if self.reaches_beyond_durable() && (level.is_some() || self.active.has_gathered()) {
            self.flush_and_prove();
        }
        self.settle_moved();
        if answers.iter().any(|answer| matches!(answer, Answer::Recover(_))) {
            // Whoever asks what there is, gets exact numbers.
            self.sweep_all();
        }
        self.answer(answers);
        let confirmed = self.give_up_confirmed();
        let made_room = release.is_some() || confirmed;
        if let Some(release) = release {
            self.release(release);
        }
        let recycled = self.recycle_leaving();
        self.notice_room();
        self.set_aside();
        if self.active.left() <= self.options.journal_max_file_length / 2 {
            self.spares.due();
        }
        self.pace();
        self.advance_checkpoints();
        made_room || recycled || self.waiting.hopeless() != was_hopeless || self.shared.ended().is_some()
    }

    /// To be called when nothing has been submitted for a while: notes how far the log is durable, without a flush of its
    /// own, so that damage to the last batch can be told from a torn tail. Tells whether there will be more to do though
    /// nothing is submitted.
    pub(crate) fn idle(&mut self) -> bool {
        let is_confirmed = self.held.first().is_some_and(|as_of| self.shared.is_confirmed(as_of));
        if self.waiting.is_any() || !self.leaving.is_empty() || self.is_sweeping() || is_confirmed {
            self.round([]);
        }
        if self.shared.ended().is_none() && self.durable_said < self.durable {
            // Nobody waits for it: where there is no room, it is left out.
            if self.append(Kind::Idle, vec![0; HEADER_LENGTH], 0, Access::Freeing).is_ok()
                && let Err(error) = self.active.write()
            {
                self.shared.end(self.failed("write to", &error));
            }
            self.durable_said = self.durable;
        }
        // A checkpoint waits until the log says on the disk that it is durable.
        if self.shared.ended().is_none()
            && self.checkpoints.waits_for_more_than(self.said_flushed)
            && self.append(Kind::Idle, vec![0; HEADER_LENGTH], 0, Access::Freeing).is_ok()
        {
            self.flush_and_prove();
        }
        self.advance_checkpoints();
        self.notice_room();
        self.spares.replenish();
        let is_waited_for = self.waiting.is_any() || !self.leaving.is_empty() || self.removals.is_any_left();
        let is_more = is_waited_for || self.is_sweeping() || self.held.first().is_some();
        self.spares.is_being_made() || self.has_checkpoint_work() || is_more
    }

    /// Writes and flushes the log's good end.
    pub(crate) fn close(&mut self) {
        // A courtesy to the next master, who does as well without.
        if self.shared.ended().is_none() {
            self.close_with_checkpoint();
        }
        self.shared.end(StoreError::Closed);
    }

    fn reaches_beyond_durable(&self) -> bool {
        self.active.flushed() < self.active.offset() && self.shared.ended().is_none()
    }

    /// Adds a batch to the log; gives it back where it is to wait for the cleaner.
    fn append_batch(&mut self, batch: EncodedBatch) -> Result<Result<Committed, StoreError>, EncodedBatch> {
        if let Some(error) = self.shared.ended() {
            return Ok(Err(error.clone()));
        }
        let (decided, chunks, arrival_next, last) = {
            let state = &self.shared.index().state;
            let operations = &batch.operations;
            (
                state.decided_by(operations),
                state.chunk_numbers(operations),
                state.arrival_next(),
                state.batch_last(),
            )
        };
        let (name, arrival_first) = match batch.copied {
            None => (self.shared.name_after(last), arrival_next),
            Some((name, arrival_first)) => match check_order(name, arrival_first, last, arrival_next) {
                Ok(()) => (name, arrival_first),
                Err(rejection) => return Ok(Err(rejection.into())),
            },
        };
        let mut encoded = Vec::new();
        let decided = match decided.is_empty() {
            true => Vec::new(),
            false => codec::encode_batch(Batch::new(decided), &mut encoded),
        };
        let trailer = Trailer { decided: encoded, chunks, arrival_first, name };
        // Room first, and only then the catalogue: a batch that finds no room leaves nothing behind.
        let access = if is_freeing(&batch.operations) { Access::Freeing } else { Access::Sender };
        match self.make_room(batch.record.len() + trailer.length(), access) {
            Ok(()) => Ok(self.add_batch(batch, decided, trailer)),
            Err(Refusal::Wait) => Err(batch),
            Err(refusal) => Ok(Err(self.refused(refusal))),
        }
    }

    /// Adds a batch for which room was made.
    fn add_batch(
        &mut self,
        batch: EncodedBatch,
        decided: Vec<Operation<Span>>,
        trailer: Trailer<Vec<u8>>,
    ) -> Result<Committed, StoreError> {
        let EncodedBatch { mut record, crc, operations, urgency, durability, .. } = batch;
        self.shared.index_mut().state.catalog_mut().admit(&operations)?;
        let batch_end = record.len();
        let tap = self.shared.tap.get().filter(|tap| tap.wants());
        let shown = tap.map(|tap| (Arc::clone(tap), Bytes::copy_from_slice(&record[HEADER_LENGTH..])));
        trailer.encode(&mut record);
        let mut hasher = crc32fast::Hasher::new_with_initial(crc);
        hasher.update(&record[batch_end..]);
        let at = self
            .append(Kind::Batch, record, hasher.finalize(), Access::Cleaner)
            .map_err(|refusal| self.refused(refusal))?;
        let Trailer { chunks, arrival_first, name, .. } = trailer;
        self.shared.index_mut().apply(operations, at, Trailer { decided, chunks, arrival_first, name });
        if let Some((tap, encoded)) = shown {
            tap.taken(Taken { name, arrival_first, encoded, urgency, durability });
        }
        Ok(Committed { arrival_first, name })
    }

    /// Adds a record (with room for its header in front) to the log and gives its place. It is written with the next flush.
    ///
    /// Where the disk fails, the store is ended.
    fn append(
        &mut self,
        kind: Kind,
        record: Vec<u8>,
        body_crc: u32,
        access: Access,
    ) -> Result<RecordAt, Refusal> {
        if let Err(refusal) = self.make_room(record.len(), access) {
            if let Refusal::Failed(error) = &refusal {
                self.shared.end(error.clone());
            }
            return Err(refusal);
        }
        self.used_up += record::record_length(record.len() - HEADER_LENGTH);
        self.appended += record.len() as u64;
        let at = self.active.add(kind, record, body_crc, self.sequence_next, self.durable);
        self.sequence_next += 1;
        self.durable_said = self.durable;
        Ok(at)
    }

    fn refused(&self, refusal: Refusal) -> StoreError {
        match refusal {
            Refusal::Full | Refusal::Wait => {
                let text = format!(
                    "no room for another segment of {} bytes; free disk space or consume messages",
                    self.options.journal_max_file_length
                );
                StoreError::Full(text.into())
            }
            Refusal::Failed(error) => self.shared.end(error),
        }
    }

    /// What a failed call ends the store with: see [`Shared::failed`].
    fn failed(&self, doing: &str, error: &io::Error) -> StoreError {
        self.shared.failed(doing, self.active.number(), error)
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
            self.said_flushed = self.durable_said;
            self.durable = through;
            self.owes_flush = false;
            self.shared.at_risk.store(0, Ordering::Relaxed);
            self.show_all();
        }
    }

    /// Writes what was added, without a flush, and asks whether this is still the master.
    ///
    /// It survives this process: whoever takes over reads it from the operating system, and makes it durable.
    fn write_and_prove(&mut self, owes_flush: bool) {
        if self.shared.ended().is_some() {
            return;
        }
        if let Err(error) = self.active.write() {
            self.shared.end(self.failed("write to", &error));
            return;
        }
        self.options.watch.reached(Step::CommitWritten);
        self.prove();
        self.options.watch.reached(Step::CommitProven);
        if self.shared.ended().is_none() {
            self.owes_flush |= owes_flush;
            self.shared.at_risk.store(self.active.offset() - self.active.flushed(), Ordering::Relaxed);
            self.show_all();
        }
    }

    /// Whether something was completed that is to be flushed within the interval.
    pub(crate) fn owes_flush(&self) -> bool {
        self.owes_flush && self.shared.ended().is_none()
    }

    /// Flushes what was completed and not flushed.
    pub(crate) fn flush_owed(&mut self) {
        if self.reaches_beyond_durable() {
            self.flush_and_prove();
        }
        self.owes_flush = false;
    }

    fn show_all(&self) {
        let arrivals = self.shared.index().state.arrival_next();
        self.shared.visible.store(arrivals, Ordering::Release);
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
                (Answer::Relocate(done, Ok(())), Some(error)) => done.complete(Err(error.clone())),
                (Answer::Relocate(done, result), _) => done.complete(result),
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
