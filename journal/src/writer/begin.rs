//! Begins an epoch's log: replays the log before, writes a first segment of its own, seals.
//!
//! Nothing of an older epoch is written. The order: the claim is durable (the election saw to that) before the first byte of
//! the log is read; the records found valid beyond what is known to be durable are copied into the new segment and synced;
//! then the seal is published, in one atomic step. A master that dies before that has changed nothing.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::election::Hold;
use kahawai_store::names::{BatchName, Epoch, Term};

use super::active::Active;
use super::begin_error::BeginError;
use super::checkpoints::{Checkpoints, Published};
use super::cut;
use super::held::Held;
use super::removal::Removals;
use super::spare::Spares;
use super::sweeping::Sweeping;
use super::waiting::Waiting;
use super::{Full, Writer};
use crate::compact::pace::Pace;
use crate::cut::Cut;
use crate::disk::on_demand::OpenFiles;
use crate::disk::{Disk, SegmentFile, is_full};
use crate::election::random_id;
use crate::format::RandomId;
use crate::format::name::FileName;
use crate::format::record::{self, HEADER_LENGTH, Kind, Trailer};
use crate::format::seal::{self, Seal};
use crate::format::segment::{self, SegmentHeader};
use crate::format::snapshot;
use crate::index::write_run::{RunName, RunsOf};
use crate::log::chain::{self, Chain, EpochLog};
use crate::log::chain_error::ChainError;
use crate::log::replay::{self, Replayed};
use crate::log::segment::Segment;
use crate::log::{self, apply};
use crate::options::JournalOptions;
use crate::shared::Shared;
use crate::steps::Step;
use crate::submission::EncodedBatch;

/// What a first segment must have room for beyond what it begins with, in bytes.
const ROOM_TO_ACKNOWLEDGE: u64 = 16 << 10;

/// What is left for small files beside a first segment on a full disk, in bytes.
const ROOM_FOR_SMALL_FILES: u64 = 8 << 10;

/// How many segments are open, beside the one that is being written and those prepared for later: all files and mappings of a journal
/// together are to stay below 64. In tests of this crate as few as can be, so that all is opened again and again.
const OPEN_MAX: usize = if cfg!(test) { 1 } else { 32 };

fn cannot(doing: &'static str) -> impl Fn(io::Error) -> BeginError {
    move |error| BeginError::Io { doing, error }
}

/// Creates a segment of this length, or of what there is room for: it must take what is needed to begin, and some
/// acknowledgements, which make room. The master before may have used up what was kept for that. Not for a store that holds
/// nothing: no acknowledgement would ever make room in it, and its operator is better told at once.
fn create_what_fits(
    disk: &dyn Disk,
    name: FileName,
    length: u64,
    needed: u64,
) -> io::Result<Arc<dyn SegmentFile>> {
    let least = needed + ROOM_TO_ACKNOWLEDGE;
    let mut length = length;
    // The seal and the beats need room too.
    let FileName::Segment { epoch, .. } = name else { return disk.create_segment(name, length) };
    let kept = FileName::Spare { epoch, count: u64::MAX };
    let is_kept = disk.create_segment(kept, ROOM_FOR_SMALL_FILES).is_ok();
    let mut created = loop {
        match disk.create_segment(name, length) {
            Err(error) if is_full(&error) && length > least => {
                length = (length / 2).next_multiple_of(4096).max(least);
            }
            result => break result,
        }
    };
    if is_kept {
        disk.remove(kept)?;
        if created.as_ref().is_err_and(is_full) {
            created = disk.create_segment(name, least);
        }
    }
    created
}

/// Removes the spares of epochs before this.
fn remove_spares(disk: &dyn Disk, epoch: Epoch) -> io::Result<()> {
    for name in disk.list()? {
        if matches!(name, FileName::Spare { epoch: found, .. } if found < epoch) {
            disk.remove(name)?;
        }
    }
    disk.sync_names()
}

/// The body of an emptied store's first record.
fn first_batch(operations: Vec<Operation>) -> Vec<u8> {
    let mut record = EncodedBatch::of(Batch::new(operations)).record;
    let name = BatchName { term: Term(0), number: 1 };
    let trailer = Trailer { decided: Vec::new(), chunks: Vec::new(), arrival_first: 0, name };
    trailer.encode(&mut record);
    record.split_off(HEADER_LENGTH)
}

impl Writer {
    /// Begins the log of the hold's epoch, leaving out what is to be cut.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        hold: Arc<dyn Hold>,
        store: RandomId,
        mut options: JournalOptions,
        cut: Option<Cut>,
        threaded: bool,
    ) -> Result<Self, BeginError> {
        let epoch = hold.epoch();
        let (found, knows_seals) = match chain::find(disk.as_ref(), &store, epoch) {
            // What is left out as a whole need not be readable.
            Err(ChainError::Seal { .. }) if cut == Some(Cut::All) => (Chain::default(), false),
            found => (found?, true),
        };
        cut::finish_earlier(disk.as_ref(), &store, hold.as_ref(), &found)?;
        let next = RunName { store, epoch, number: 1 };
        let mut runs = RunsOf { next, table_max: options.index_table_max };
        let open_files = OpenFiles::new(Arc::clone(&disk), OPEN_MAX);
        let place = match cut {
            Some(Cut::Behind(last)) => log::cut::find(&open_files, &store, &found, last)?,
            Some(Cut::All) | None => None,
        };
        // Where nothing is behind the batch, nothing is cut.
        let cut = cut.filter(|cut| *cut == Cut::All || place.is_some());
        let (chain, mut replayed) = match (cut, &place) {
            (Some(Cut::All), _) => (Chain::default(), Replayed::of_nothing_after(&found)),
            (_, Some(place)) => {
                let kept = log::cut::before(&found, place);
                let replayed = log::cut::replay(&open_files, &store, &kept, &mut runs)?;
                (kept, replayed)
            }
            (_, None) => {
                let replayed = replay::replay(&open_files, &store, &found, &mut runs)?;
                (found, replayed)
            }
        };
        let first = std::mem::take(&mut options.first);
        if cut == Some(Cut::All) && !first.is_empty() {
            replayed.tail.push((Kind::Batch, first_batch(first)));
        }
        options.watch.reached(Step::SealRead);

        let id = random_id().map_err(cannot("get random bytes"))?;
        let number = replayed.number_next;
        let snapshot = snapshot::encode(replayed.index.state.snapshot());
        options.fit_snapshot(snapshot.len());
        let copied: u64 = replayed.tail.iter().map(|(_, body)| record::record_length(body.len())).sum();
        let needed = segment::HEADER_LENGTH + record::record_length(snapshot.len()) + copied;
        let length = options.small_segment_length().max(needed);
        let name = FileName::Segment { epoch, number };
        let file = match disk.create_segment(name, length) {
            Err(error) if is_full(&error) => {
                // What masters before had prepared for later holds nothing.
                hold.prove()?;
                remove_spares(disk.as_ref(), epoch).map_err(cannot("remove spares"))?;
                if replayed.segments.is_empty() {
                    disk.create_segment(name, length)
                } else {
                    create_what_fits(disk.as_ref(), name, length, needed)
                }
            }
            result => result,
        };
        let file = file.map_err(cannot("make room for the journal"))?;
        let on_demand = open_files.being_written(name, &file);
        let first = Arc::new(Segment::new(epoch, number, id, on_demand));
        let header = SegmentHeader {
            store,
            epoch,
            log: id,
            number,
            first_sequence: replayed.sequence_last + 1,
            before: replayed.end,
            // What the tail releases it does behind batches that are written anew: a cut may leave those out.
            released: replayed.released_durably,
        };
        let active = Active::begin(Arc::clone(&first), file, &header);
        let Replayed {
            index,
            mut segments,
            end,
            sequence_last,
            tail,
            released,
            damage,
            damaged,
            checkpoint,
            given_up,
            ..
        } = std::mem::take(&mut replayed);
        for (segment, next) in segments.values().zip(segments.values().skip(1).map(Some).chain([None])) {
            if next.is_none_or(|next| next.epoch != segment.epoch) {
                segment.ends_a_log();
            }
        }
        let mut full = Full::default();
        segments.values().for_each(|segment| full.add(segment));
        segments.insert(number, first);
        let used = index.messages.run_names();
        let adopted = checkpoint.map(|name| Published { name, runs: replayed.checkpoint_runs });
        let kept = adopted.iter().flat_map(|adopted| adopted.runs.iter().copied());
        let files: Vec<_> = kept.chain(used).collect();
        let checkpoints = Checkpoints::new(runs, threaded, adopted, files);
        let shared = Arc::new(Shared::new(index, segments, Arc::clone(&hold)));
        let mut held = Held::default();
        if options.holds_back {
            shared.confirm(Some(BatchName::default()));
            held = Held::of(given_up, shared.index().state.batch_last());
        }
        let removals =
            Removals::new(Arc::clone(&disk), &shared, threaded).map_err(cannot("start a thread"))?;
        let spares =
            Spares::new(Arc::clone(&disk), epoch, &options, threaded).map_err(cannot("start a thread"))?;
        let mut writer = Self {
            disk,
            files: open_files,
            hold,
            options,
            store,
            log: id,
            shared,
            active,
            active_is_reserve: false,
            spares,
            sequence_next: sequence_last + 1,
            durable: sequence_last,
            durable_said: sequence_last,
            said_flushed: 0,
            appended: 0,
            checkpoints,
            released,
            damage,
            damaged,
            moved: Vec::new(),
            pace: Pace::default(),
            used_up: 0,
            full,
            small_files: 0,
            owes_flush: false,
            waiting: Waiting::default(),
            removals,
            sweeping: Sweeping::default(),
            leaving: Vec::new(),
            held,
        };
        writer.write_first_records(&snapshot, tail)?;
        if cut.is_some() {
            cut::announce(writer.disk.as_ref(), &store, epoch)?;
            // Whole segments behind it are only renamed.
            let kept = place.filter(|place| {
                end.is_some_and(|end| (end.epoch, end.number) == (place.at.epoch, place.at.number))
            });
            if let Some(place) = kept {
                let log = chain.epochs.last().map(|log| log.log).unwrap_or_default();
                cut::copy_end(writer.disk.as_ref(), epoch, log, place.at)?;
            }
        }
        // Up to here nobody waited.
        writer.shared.index_mut().messages.sweep_later();
        writer.options.watch.reached(Step::SealWritten);

        let sealed = Seal {
            store,
            epoch,
            log: id,
            first_number: number,
            first_sequence: sequence_last + 1,
            sealed: end,
        };
        let published = writer.disk.publish(FileName::Seal(epoch), &seal::encode(&sealed));
        if !published.map_err(cannot("seal the journal"))? {
            return Err(BeginError::Sealed(epoch));
        }
        writer.options.watch.reached(Step::SealPublished);
        writer.durable = writer.sequence_next - 1;
        let visible = writer.shared.index().state.arrival_next();
        writer.shared.visible.store(visible, std::sync::atomic::Ordering::Release);
        // From here on files of older epochs go: only if nobody has claimed the store meanwhile.
        writer.hold.prove()?;
        if cut.is_some() {
            let set_aside = cut::set_aside(writer.disk.as_ref(), &store, epoch, end);
            set_aside.map_err(cannot("set aside what was cut"))?;
        }
        let discarded = cut::discard(writer.disk.as_ref(), epoch, knows_seals);
        discarded.map_err(cannot("sweep the store directory"))?;
        writer.sweep(&chain).map_err(cannot("sweep the store directory"))?;
        writer.spares.replenish();
        writer.pace();
        Ok(writer)
    }

    /// The snapshot, then what was found beyond the end of the log before; all of it on the disk on return.
    fn write_first_records(&mut self, snapshot: &[u8], tail: Vec<(Kind, Vec<u8>)>) -> Result<(), BeginError> {
        self.add_record(Kind::Snapshot, snapshot);
        self.active.starts_here();
        for (kind, body) in tail {
            let at = self.add_record(kind, &body);
            let applied = apply::apply(&mut self.shared.index_mut(), kind, &body, at);
            if let Some(what) = applied.unreadable {
                self.damage.push(format!("a record in the last flush holds no {what} this program can read"));
            }
            if let Some((segment, messages)) = applied.lost {
                self.damage.push(replay::lost_with(segment, &messages));
            }
        }
        self.active.flush().map_err(cannot("flush the journal"))?;
        self.disk.sync_names().map_err(cannot("sync the store directory"))
    }

    /// Removes what no longer counts: beats of older epochs; logs that no seal leads to; seals whose log is released; spares
    /// and left-overs of dead masters.
    ///
    /// Claims stay for ever. Were one deleted, a candidate that was stopped between its look and its claim could make it anew:
    /// it would take itself for master, and so would the one whose claim it was, if that one was stopped too.
    fn sweep(&mut self, chain: &Chain) -> io::Result<()> {
        let epoch = self.hold.epoch();
        let mut kept: BTreeSet<FileName> =
            self.shared.segments().values().map(|segment| segment.name()).collect();
        kept.extend(self.checkpoints.names());
        kept.extend(self.held.segments().map(|segment| segment.name()));
        // Where segments that were not released are missing, their seal is needed as if they were there.
        let counts =
            |log: &&EpochLog| !log.present.is_empty() || log.end.is_none_or(|end| end.number > self.released);
        let sealed: BTreeSet<Epoch> = chain.epochs.iter().filter(counts).map(|log| log.epoch).collect();
        const SMALL_FILE: u64 = 128;
        let mut names = self.disk.list()?;
        names.sort_unstable();
        self.small_files = names.len() as u64 * SMALL_FILE;
        for name in names {
            let goes = match name {
                FileName::Beat(found) | FileName::Spare { epoch: found, .. } => found < epoch,
                FileName::Seal(found) => found < epoch && !sealed.contains(&found),
                FileName::Segment { epoch: found, .. }
                | FileName::Run { epoch: found, .. }
                | FileName::Checkpoint { epoch: found, .. } => found < epoch && !kept.contains(&name),
                FileName::Identity
                | FileName::Lock
                | FileName::Claim(_)
                | FileName::Quarantine { .. }
                | FileName::Cut(_)
                | FileName::Aside { .. } => false,
            };
            if goes {
                self.disk.remove(name)?;
            }
        }
        self.disk.sweep()
    }
}
