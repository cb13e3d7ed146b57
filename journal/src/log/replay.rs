//! Reads the chain into an index, from the youngest checkpoint on, and keeps the three outcomes apart.
//!
//! *Durable* is the highest sequence that any record says was on the disk. What is invalid up to it is **damage**: reported
//! with its place, pinned, and read past. What is invalid after it is a **torn tail**: cut. A valid record after that is
//! **doubtful**, and said so: it was in a flush that nobody saw the end of. An **I/O error** stops us.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kahawai_store::batch::Operation;
use kahawai_store::codec::Span;
use kahawai_store::names::{DestinationId, MessageId};

use super::adopt;
use super::apply;
use super::chain::{self, Chain};
use super::found::{self, Found, Survey};
use super::replay_error::ReplayError;
use super::scan::Item;
use super::segment::{Bounds, Segment};
use crate::disk::on_demand::OpenFiles;
use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::body::{self, Held};
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind, RecordHeader};
use crate::format::seal::LogEnd;
use crate::format::{RandomId, segment};
use crate::index::write_run::RunsOf;
use crate::index::{Index, RecordAt};

/// What the log before a new epoch adds up to.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) index: Index,
    /// The segments that are part of the log, by number.
    pub(crate) segments: BTreeMap<u64, Arc<Segment>>,
    /// Where the log is to be sealed: after the last record known to be durable.
    pub(crate) end: Option<LogEnd>,
    /// The sequence of that record.
    pub(crate) sequence_last: u64,
    /// The bodies of the records that were found valid after it and change what lives, in order: to be written anew by the new epoch.
    pub(crate) tail: Vec<(Kind, Vec<u8>)>,
    /// Segments in which damage was found, and that are set aside rather than removed in the end.
    pub(crate) damaged: BTreeSet<u64>,
    /// The highest segment number that the log says was released.
    pub(crate) released: u64,
    /// Released segments that are still there, lowest first.
    pub(crate) given_up: Vec<Arc<Segment>>,
    /// The same by what is known to be on the disk: the records that release more are in the tail, behind the batches as of which they do.
    pub(crate) released_durably: u64,
    /// What was found damaged or doubtful, in words.
    pub(crate) damage: Vec<String>,
    /// What is missing of it though the log does not say that it is released; for who must have all of it.
    pub(crate) incomplete: Option<String>,
    /// The checkpoint from which it was read, if there was one.
    pub(crate) checkpoint: Option<FileName>,
    /// The runs that one names.
    pub(crate) checkpoint_runs: BTreeSet<FileName>,
    /// The number for the new epoch's first segment.
    pub(crate) number_next: u64,
}

impl Replayed {
    /// Of a log that begins anew behind another: only the numbers of segments go on.
    pub(crate) fn of_nothing_after(chain: &Chain) -> Self {
        let last = chain.epochs.iter().flat_map(|log| {
            let numbers = [log.first_number, log.end.map_or(0, |end| end.number)];
            numbers.into_iter().chain(log.present.last().copied())
        });
        let last = last.max().unwrap_or_default();
        Self {
            released: last,
            released_durably: last,
            number_next: last.saturating_add(1),
            ..Self::default()
        }
    }
}

/// Replays a chain: from the youngest checkpoint that may be used, or from its beginning.
pub(crate) fn replay(
    files: &Arc<OpenFiles>,
    store: &RandomId,
    chain: &Chain,
    runs: &mut RunsOf,
) -> Result<Replayed, ReplayError> {
    let replayed = attempt(files, store, chain, runs, true)?;
    let Some(problem) = replayed.index.messages.fault().get() else { return Ok(replayed) };
    tracing::warn!(%problem, "the index is damaged: the whole journal is read instead");
    attempt(files, store, chain, runs, false)
}

/// Replays a chain, from a checkpoint or not.
fn attempt(
    files: &Arc<OpenFiles>,
    store: &RandomId,
    chain: &Chain,
    runs: &mut RunsOf,
    uses_checkpoints: bool,
) -> Result<Replayed, ReplayError> {
    let disk = files.disk().as_ref();
    let mut replayed = Replayed { number_next: 1, ..Replayed::default() };
    let mut logs = Vec::new();
    for log in &chain.epochs {
        logs.push(found::read_headers(files, store, log)?);
    }
    if let Some(youngest) = logs.last_mut() {
        found::leave_out_what_was_being_begun(youngest, &mut replayed.damage)?;
    }
    let mut survey = match logs.iter().flatten().last() {
        // Where it is to be cut, what is behind that says nothing, but that what is before was flushed.
        Some(last) => last.survey(chain.cut_in(last.segment.number))?,
        None => Survey::default(),
    };
    survey.durable_through = survey.durable_through.max(chain.durable);
    // What is released is not read at all: a power failure may have brought back some of those segments and not others.
    let said = logs.iter().flatten().filter_map(|found| found.header.as_ref()).map(|header| header.released);
    let said = said.max().unwrap_or_default();
    replayed.released_durably = said.max(survey.released(survey.durable_through));
    replayed.released = said.max(survey.released(u64::MAX));
    // Damaged segments are set aside when nothing lives in them or before them.
    let mut names = disk.list().map_err(|error| ReplayError::Io { number: 0, error })?;
    names.sort_unstable();
    let numbers = logs.iter().flatten().map(|found| found.segment.number);
    let (released, odd) = chain::released_with_set_aside(replayed.released, &names, numbers);
    if released > replayed.released {
        replayed.incomplete = Some(format!("segment {released} was damaged and is set aside"));
        replayed.released_durably = released;
    }
    replayed.released = released;
    for name in names {
        let FileName::Quarantine { number, .. } = name else { continue };
        replayed.damage.push(match odd.contains(&name) {
            true => format!("{name} was not set aside from this log: it does not count"),
            false => format!(
                "segment {number} was damaged: what could be read of it was kept, and it is set aside as {name}"
            ),
        });
    }
    if let Some(before) = chain.before.filter(|before| before.number > replayed.released) {
        return Err(ReplayError::SealMissing(before));
    }
    report_missing(&mut replayed, chain, &logs);
    let present: BTreeMap<u64, Arc<Segment>> =
        logs.iter().flatten().map(|found| (found.segment.number, Arc::clone(&found.segment))).collect();
    let log =
        adopt::Log { chain, present: &present, durable: survey.durable_through, released: replayed.released };
    let adopted = if uses_checkpoints { adopt::adopt(disk, store, &log)? } else { None };
    let mut through = None;
    if let Some(adopted) = adopted {
        replayed.checkpoint_runs = adopted.index.messages.run_names().into_iter().collect();
        replayed.index = adopted.index;
        replayed.damage.extend(adopted.damage);
        let released = replayed.released;
        replayed.damaged.extend(adopted.damaged.into_iter().filter(|number| *number > released));
        replayed.checkpoint = Some(adopted.name);
        if adopted.through.segment > replayed.released {
            replayed.sequence_last = adopted.through.sequence;
        }
        through = Some(adopted.through);
    }

    let youngest = logs.len().saturating_sub(1);
    for (position, (log, segments)) in chain.epochs.iter().zip(&logs).enumerate() {
        for (index, found) in segments.iter().enumerate() {
            let number = found.segment.number;
            let number_next = replayed.number_next;
            replayed.number_next = number_next.max(number.saturating_add(1));
            if number <= replayed.released {
                replayed.given_up.push(Arc::clone(&found.segment));
                continue;
            }
            let next = segments.get(index + 1);
            let before_next = next.and_then(|next| next.header.as_ref()).and_then(|header| header.before);
            let end = if next.is_some() { before_next } else { log.end };
            let end = end.filter(|end| end.number == number).map(|end| end.offset);
            let is_tail = position == youngest && next.is_none();
            if found.header.is_none() {
                replayed.damage.push(format!("segment {number}: its header is damaged"));
                replayed.damaged.insert(number);
            }
            let durable = if is_tail { survey.durable_through } else { u64::MAX };
            let from = match through {
                Some(through) if number < through.segment => {
                    if let Some(end) = end {
                        found.segment.bound(Bounds { start: segment::HEADER_LENGTH, end });
                    }
                    replayed.segments.insert(number, Arc::clone(&found.segment));
                    continue;
                }
                Some(through) if number == through.segment => through.offset,
                _ => segment::HEADER_LENGTH,
            };
            let before = (replayed.end, number_next);
            SegmentReader { replayed: &mut replayed, found }.read(from, end, durable)?;
            let follows = before.0.is_some_and(|end| end.epoch == log.epoch);
            if is_tail && follows && found.segment.end() == Some(segment::HEADER_LENGTH) {
                // Begun, and nothing of it is known to be on the disk, not even its header: the log ends before it. What was found
                // in it is written anew.
                (replayed.end, replayed.number_next) = before;
                replayed.segments.remove(&number);
            }
            runs.bound(disk, &mut replayed.index.messages)?;
        }
        // Where the youngest is cut in a segment of which nothing is known to be on the disk, it ends before that.
        if let Some(end) = log.end.filter(|_| position < youngest) {
            replayed.number_next = replayed.number_next.max(end.number.saturating_add(1));
        }
        replayed.number_next = replayed.number_next.max(log.first_number.saturating_add(1));
    }
    let mut said = BTreeSet::new();
    replayed.damage.retain(|line| said.insert(line.clone()));
    Ok(replayed)
}

/// Every segment from the first that was not released to the last that is known of must be there.
fn report_missing(replayed: &mut Replayed, chain: &Chain, logs: &[Vec<Found>]) {
    let (Some(first), Some(youngest)) = (chain.epochs.first(), chain.epochs.last()) else { return };
    let present: BTreeSet<u64> = logs.iter().flatten().map(|found| found.segment.number).collect();
    // The youngest log has one segment at least, that which was being written.
    let last = present.last().copied().unwrap_or_default().max(youngest.first_number);
    let from = first.first_number.max(replayed.released.saturating_add(1));
    // By ranges: a file with a wild number in its name must not make a line for each before it.
    let mut next = from;
    for &number in present.range(from.min(last.saturating_add(1))..).chain([&last.saturating_add(1)]) {
        let missing = match number.saturating_sub(next) {
            0 => None,
            1 => Some(format!("segment {next} is missing")),
            _ => Some(format!("segments {next} to {} are missing", number - 1)),
        };
        replayed.damage.extend(missing.clone());
        replayed.incomplete = replayed.incomplete.take().or(missing);
        next = number.saturating_add(1);
    }
}

struct SegmentReader<'a> {
    replayed: &'a mut Replayed,
    found: &'a Found,
}

impl SegmentReader<'_> {
    /// Reads one segment to its end, or, as the last of the log, to where it is torn: after `durable`.
    fn read(mut self, from: u64, end: Option<u64>, durable: u64) -> Result<(), ReplayError> {
        let number = self.number();
        let bytes = self.found.bytes()?;
        self.replayed.segments.insert(number, Arc::clone(&self.found.segment));
        if let Some(header) = &self.found.header {
            let before = header.first_sequence.saturating_sub(1);
            if before > self.replayed.sequence_last {
                // Nothing is lost before the first segment there is.
                if self.replayed.sequence_last > 0 {
                    self.lost(self.replayed.sequence_last + 1, before);
                }
                self.replayed.sequence_last = before;
            }
        }
        // That a segment was begun proves that everything before it was flushed.
        let durable = durable.max(self.replayed.sequence_last);
        let mut scanner = self.found.scanner(&bytes, end).from(from);
        let mut sealed_at = scanner.offset();
        let mut start = segment::HEADER_LENGTH;
        // The sequence of the record before, also where that one is not durable.
        let mut sequence = self.replayed.sequence_last;
        while let Some(item) = scanner.next() {
            // Up to what is durable a bad message costs itself; beyond, a batch is whole or torn.
            let (item, bad) = match item {
                Item::PartlyDamaged { header, offset, bad } if header.sequence <= durable => {
                    (Item::Record { header, offset }, bad)
                }
                item => (item, Vec::new()),
            };
            match item {
                Item::Record { header, offset } => {
                    // What is lost before this record: nothing, where the sequence says so.
                    if header.sequence != sequence.saturating_add(1) && sequence != 0 {
                        if sequence >= durable {
                            self.doubt(header, offset);
                            break;
                        }
                        let before = header.sequence.saturating_sub(1);
                        self.lost(sequence + 1, before);
                        let lost = before.min(durable);
                        self.replayed.sequence_last = self.replayed.sequence_last.max(lost);
                    }
                    sequence = header.sequence;
                    if header.kind == Kind::Snapshot {
                        start = scanner.offset();
                    }
                    let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                    if header.sequence <= durable {
                        self.apply(&header, offset, body);
                        self.damaged_messages(&header, offset, &bad);
                        self.replayed.sequence_last = header.sequence;
                        sealed_at = scanner.offset();
                    } else {
                        match header.kind {
                            Kind::Batch | Kind::Relocation | Kind::Prepared | Kind::Lost | Kind::Release => {
                                self.replayed.tail.push((header.kind, body.to_vec()));
                            }
                            // It says nothing new where the log before it is there, and everything where that was released.
                            Kind::Snapshot => self.apply(&header, offset, body),
                            Kind::Idle | Kind::Close => {}
                        }
                    }
                }
                Item::BodyDamaged { header, offset } if header.sequence <= durable => {
                    let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                    self.damaged_body(&header, offset, body);
                    sequence = header.sequence;
                    self.replayed.sequence_last = header.sequence;
                    sealed_at = scanner.offset();
                }
                Item::Gap { from, to } if sequence < durable => {
                    let gap = bytes.get(from as usize..to as usize).unwrap_or_default();
                    self.damaged_gap(from, to, gap);
                    // Damage is sealed with the log: it is found, reported and kept again by every later master.
                    sealed_at = to;
                }
                // The tail is torn here. What verifies behind it is doubtful.
                Item::PartlyDamaged { .. } | Item::BodyDamaged { .. } | Item::Gap { .. } => {
                    for item in scanner.by_ref() {
                        if let Item::Record { header, offset } = item {
                            self.doubt(header, offset);
                        }
                    }
                    break;
                }
            }
        }
        // Cut short between two records, there is no gap: what stood behind is known by where it is said to have ended.
        let (length, left_at) = (bytes.len() as u64, scanner.offset());
        if let Some(end) = end.filter(|&end| length < end && left_at < end) {
            self.report(left_at, &format!("the file ends at {length}, and its records reached {end}"));
        }
        self.found.segment.bound(Bounds { start, end: sealed_at });
        self.replayed.end = Some(LogEnd { epoch: self.found.segment.epoch, number, offset: sealed_at });
        Ok(())
    }

    fn number(&self) -> u64 {
        self.found.segment.number
    }

    fn apply(&mut self, header: &RecordHeader, offset: u64, body: &[u8]) {
        let at = RecordAt { segment: self.number(), offset };
        let applied = apply::apply(&mut self.replayed.index, header.kind, body, at);
        if applied.skipped > 0 {
            let skipped = applied.skipped;
            self.report(offset, &format!("{skipped} operations name what an earlier loss left unknown"));
        }
        if let Some(what) = applied.unreadable {
            self.report(offset, &format!("a record that verifies holds no {what} this program can read"));
        }
        if let Some((segment, messages)) = applied.lost {
            self.replayed.damage.push(lost_with(segment, &messages));
        }
    }

    fn damaged_messages(&mut self, header: &RecordHeader, offset: u64, bad: &[Held]) {
        if bad.is_empty() {
            return;
        }
        let names = some_of(bad.iter().map(|held| name_message(held.destination, held.id)).collect());
        let what = format!("record {}: not as it was written, and not to be read: {names}", header.sequence);
        self.report(offset, &what);
    }

    fn damaged_body(&mut self, header: &RecordHeader, offset: u64, body: &[u8]) {
        let lost = match (header.kind, held_by(header.kind, body)) {
            (Kind::Batch | Kind::Relocation | Kind::Prepared, Some(held)) => {
                format!("; as far as it can be read, it holds {held}")
            }
            (Kind::Batch | Kind::Relocation | Kind::Prepared, None) => {
                "; which messages it holds cannot be read".to_owned()
            }
            _ => String::new(),
        };
        let what =
            format!("record {} ({} bytes) fails its checksum{lost}", header.sequence, header.body_length);
        self.report(offset, &what);
    }

    fn damaged_gap(&mut self, from: u64, to: u64, bytes: &[u8]) {
        // Where only a record's header is damaged, its body still tells what is lost.
        let body = bytes.get(HEADER_LENGTH..).unwrap_or_default();
        let decoded = (0..8).find_map(|padding| {
            let body = body.get(..body.len().checked_sub(padding)?)?;
            [Kind::Batch, Kind::Relocation, Kind::Prepared].into_iter().find_map(|kind| held_by(kind, body))
        });
        let held =
            decoded.map_or(String::new(), |held| format!("; as far as it can be read, it holds {held}"));
        self.report(from, &format!("{} bytes are no record{held}", to - from));
    }

    fn lost(&mut self, from: u64, to: u64) {
        self.replayed.damage.push(format!("segment {}: records {from} to {to} are lost", self.number()));
    }

    fn doubt(&mut self, header: RecordHeader, offset: u64) {
        let (number, sequence) = (self.number(), header.sequence);
        let what = "stands behind a torn one in the last flush, whose end nobody saw; it is left out";
        self.replayed
            .damage
            .push(format!("doubtful: segment {number}, offset {offset}: record {sequence} {what}"));
    }

    /// Reports damage, and keeps the segment.
    fn report(&mut self, offset: u64, what: &str) {
        self.replayed.damaged.insert(self.number());
        self.replayed.damage.push(format!("segment {}, offset {offset}: {what}", self.number()));
    }
}

/// What a damaged body holds, in words, if it can be told.
fn held_by(kind: Kind, body: &[u8]) -> Option<String> {
    match kind {
        Kind::Batch => decode_batch_body(body).map(|(operations, _)| name(&operations)),
        Kind::Prepared => decode_prepared(body).map(|(_, _, operations)| name(&operations)),
        Kind::Relocation => {
            let held = body::held_in(kind, body)?;
            Some(some_of(held.iter().map(|held| name_message(held.destination, held.id)).collect()))
        }
        _ => None,
    }
}

/// Tells of messages that are lost with a damaged segment.
pub(crate) fn lost_with(segment: u64, messages: &[(DestinationId, MessageId)]) -> String {
    let names = messages.iter().map(|(destination, id)| name_message(*destination, *id));
    format!("segment {segment} was damaged and held, where it cannot be read: {}", some_of(names.collect()))
}

fn name_message(destination: DestinationId, id: MessageId) -> String {
    format!("message {id} to destination {destination}")
}

/// The messages of a batch, in words, at most a few.
fn name(operations: &[Operation<Span>]) -> String {
    let mut names = Vec::new();
    for operation in operations {
        match operation {
            Operation::Enqueue { id, destination, .. } => {
                names.push(name_message(*destination, *id));
            }
            Operation::Acknowledge { id, destination, .. } => {
                names.push(format!("the acknowledgement of message {id} in destination {destination}"));
            }
            Operation::Prepare { operations, .. } => names.push(name(operations)),
            _ => {}
        }
    }
    some_of(names)
}

/// A few of many names, and how many more there are.
fn some_of(mut names: Vec<String>) -> String {
    const SHOWN_MAX: usize = 16;
    let more = names.len().saturating_sub(SHOWN_MAX);
    names.truncate(SHOWN_MAX);
    match (names.is_empty(), more) {
        (true, _) => "no message".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}
