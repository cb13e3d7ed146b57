//! Reads the chain into an index, and keeps the three outcomes apart.
//!
//! *Durable* is the highest sequence that any record says was on the disk. What is invalid up to it is **damage**: reported
//! with its place, pinned, and read past. What is invalid after it is a **torn tail**: cut. A valid record after that is
//! **doubtful**, and said so: it was in a flush that nobody saw the end of. An **I/O error** stops us.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use kahawai_store::batch::Operation;
use kahawai_store::codec::{self, Span};

use super::chain::{Chain, EpochLog};
use super::scan::{Item, Scanner};
use super::segment::Segment;
use crate::disk::Disk;
use crate::format::fields::FormatError;
use crate::format::record::{HEADER_LENGTH, Kind, RecordHeader, Trailer};
use crate::format::seal::LogEnd;
use crate::format::segment::SegmentHeader;
use crate::format::{self, RandomId, segment, snapshot};
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
    /// The bodies of the batches that were found valid after it, in order: to be written anew by the new epoch.
    pub(crate) tail: Vec<Vec<u8>>,
    /// The highest segment number that the log says was released.
    pub(crate) released: u64,
    /// What was found damaged or doubtful, in words.
    pub(crate) damage: Vec<String>,
    /// The number for the new epoch's first segment.
    pub(crate) number_next: u64,
}

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("cannot read segment {number}: {error}")]
    Io { number: u64, error: io::Error },
    #[error("the seal of epoch {epoch} is missing, though segments up to {number} were not released", epoch = .0.epoch, number = .0.number)]
    SealMissing(LogEnd),
    #[error("segment {number}: {error}")]
    Newer { number: u64, error: FormatError },
}

/// Replays a chain.
pub(crate) fn replay(disk: &dyn Disk, store: &RandomId, chain: &Chain) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { number_next: 1, ..Replayed::default() };
    let mut logs = Vec::new();
    for log in &chain.epochs {
        logs.push(read_headers(disk, store, log)?);
    }
    if let Some(youngest) = logs.last_mut() {
        leave_out_what_was_being_begun(youngest, &mut replayed.damage)?;
    }
    let survey = match logs.iter().flatten().last() {
        Some(last) => last.survey(None)?,
        None => Survey::default(),
    };
    // What is released is not read at all: a power failure may have brought back some of those segments and not others.
    let said = logs.iter().flatten().filter_map(|found| found.header.as_ref()).map(|header| header.released);
    replayed.released = said.max().unwrap_or_default().max(survey.released);
    if let Some(before) = chain.before.filter(|before| before.number > replayed.released) {
        return Err(ReplayError::SealMissing(before));
    }
    report_missing(&mut replayed, chain, &logs);

    let youngest = logs.len().saturating_sub(1);
    for (position, (log, segments)) in chain.epochs.iter().zip(&logs).enumerate() {
        for (index, found) in segments.iter().enumerate() {
            let number = found.segment.number;
            replayed.number_next = replayed.number_next.max(number.saturating_add(1));
            if number <= replayed.released {
                continue;
            }
            let next = segments.get(index + 1);
            let before_next = next.and_then(|next| next.header.as_ref()).and_then(|header| header.before);
            let end = if next.is_some() { before_next } else { log.end };
            let end = end.filter(|end| end.number == number).map(|end| end.offset);
            let is_tail = position == youngest && next.is_none();
            if found.header.is_none() {
                replayed.damage.push(format!("segment {number}: its header is damaged"));
                replayed.index.pin(number);
            }
            let durable = if is_tail { survey.durable_through } else { u64::MAX };
            SegmentReader { replayed: &mut replayed, found }.read(end, durable)?;
        }
        if let Some(end) = log.end {
            replayed.number_next = replayed.number_next.max(end.number.saturating_add(1));
        }
        replayed.number_next = replayed.number_next.max(log.first_number.saturating_add(1));
    }
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
        match number.saturating_sub(next) {
            0 => {}
            1 => replayed.damage.push(format!("segment {next} is missing")),
            _ => replayed.damage.push(format!("segments {next} to {} are missing", number - 1)),
        }
        next = number.saturating_add(1);
    }
}

/// A segment that is there, and its header if that is valid.
struct Found {
    segment: Arc<Segment>,
    header: Option<SegmentHeader>,
}

fn read_headers(disk: &dyn Disk, store: &RandomId, log: &EpochLog) -> Result<Vec<Found>, ReplayError> {
    let mut segments = Vec::new();
    for &number in &log.present {
        let io = |error| ReplayError::Io { number, error };
        let name = format::name::FileName::Segment { epoch: log.epoch, number };
        let file = match disk.open_segment(name) {
            // A stale master may still give up what it released; if it did not, the segment is reported as missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(io)?,
        };
        let mut bytes = [0; segment::HEADER_LENGTH as usize];
        let header = match file.read(0, &mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(io(error)),
            Err(_) => None,
            Ok(()) => match segment::decode(&bytes) {
                Ok(header) => Some(header),
                Err(error @ FormatError::Newer { .. }) => return Err(ReplayError::Newer { number, error }),
                Err(_) => None,
            },
        };
        let header = header.filter(|header| {
            header.store == *store
                && header.epoch == log.epoch
                && header.log == log.log
                && header.number == number
        });
        let segment = Arc::new(Segment { epoch: log.epoch, number, log: log.log, file });
        segments.push(Found { segment, header });
    }
    Ok(segments)
}

/// Takes a last segment that has its name but not its header for one that was being begun when its master died, unless a record
/// in it proves that it was flushed: then the header is damaged.
fn leave_out_what_was_being_begun(
    segments: &mut Vec<Found>,
    damage: &mut Vec<String>,
) -> Result<(), ReplayError> {
    let [.., _, last] = segments.as_slice() else { return Ok(()) };
    if last.header.is_some() {
        return Ok(());
    }
    let number = last.segment.number;
    let survey = last.survey(None)?;
    let Some(first) = survey.first_sequence else {
        segments.pop();
        return Ok(());
    };
    if survey.durable_through < first {
        damage.push(format!(
            "doubtful: segment {number}: its records from {first} on stand without a header, in a flush whose end nobody saw; \
             they are left out"
        ));
        segments.pop();
    }
    Ok(())
}

impl Found {
    fn bytes(&self) -> Result<Vec<u8>, ReplayError> {
        let number = self.segment.number;
        let mut bytes = vec![0; self.segment.file.length() as usize];
        self.segment.file.read(0, &mut bytes).map_err(|error| ReplayError::Io { number, error })?;
        Ok(bytes)
    }

    fn scanner<'a>(&self, bytes: &'a [u8], end: Option<u64>) -> Scanner<'a> {
        Scanner::new(bytes, self.segment.log, self.segment.epoch, self.segment.number, end)
    }

    /// Looks over a segment.
    fn survey(&self, end: Option<u64>) -> Result<Survey, ReplayError> {
        let bytes = self.bytes()?;
        let mut survey = Survey::default();
        let mut torn = false;
        let mut released = Vec::new();
        for item in self.scanner(&bytes, end) {
            let (Item::Record { header, offset } | Item::BodyDamaged { header, offset }) = item else {
                torn = true;
                continue;
            };
            torn |= matches!(item, Item::BodyDamaged { .. });
            survey.first_sequence.get_or_insert(header.sequence);
            survey.durable_through = survey.durable_through.max(header.durable_through);
            if header.kind == Kind::Release && matches!(item, Item::Record { .. }) {
                let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                if let Ok(number) = body.try_into().map(u64::from_le_bytes) {
                    released.push((torn, header.sequence, number));
                }
            }
        }
        // A release behind a torn record was in a flush that did not end: nothing was given up for it yet.
        let counts = |&&(torn, sequence, _): &&(bool, u64, u64)| !torn || sequence <= survey.durable_through;
        survey.released = released.iter().filter(counts).map(|found| found.2).max().unwrap_or_default();
        Ok(survey)
    }
}

/// What the records of one segment say together.
#[derive(Debug, Default)]
struct Survey {
    /// The sequence of the first record that verifies.
    first_sequence: Option<u64>,
    /// The highest sequence that any of them says was durable.
    durable_through: u64,
    /// The highest segment number that any of them releases.
    released: u64,
}

struct SegmentReader<'a> {
    replayed: &'a mut Replayed,
    found: &'a Found,
}

impl SegmentReader<'_> {
    /// Reads one segment to its end, or, as the last of the log, to where it is torn: after `durable`.
    fn read(mut self, end: Option<u64>, durable: u64) -> Result<(), ReplayError> {
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
        let mut scanner = self.found.scanner(&bytes, end);
        let mut sealed_at = scanner.offset();
        // The sequence of the record before, also where that one is not durable.
        let mut sequence = self.replayed.sequence_last;
        while let Some(item) = scanner.next() {
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
                    let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                    if header.sequence <= durable {
                        self.apply(&header, offset, body);
                        self.replayed.sequence_last = header.sequence;
                        sealed_at = scanner.offset();
                    } else {
                        match header.kind {
                            Kind::Batch => self.replayed.tail.push(body.to_vec()),
                            // It says nothing new where the log before it is there, and everything where that was released.
                            Kind::Snapshot => self.apply(&header, offset, body),
                            Kind::Idle | Kind::Release | Kind::Close => {}
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
                Item::BodyDamaged { .. } | Item::Gap { .. } => {
                    for item in scanner.by_ref() {
                        if let Item::Record { header, offset } = item {
                            self.doubt(header, offset);
                        }
                    }
                    break;
                }
            }
        }
        self.replayed.end = Some(LogEnd { epoch: self.found.segment.epoch, number, offset: sealed_at });
        Ok(())
    }

    fn number(&self) -> u64 {
        self.found.segment.number
    }

    fn apply(&mut self, header: &RecordHeader, offset: u64, body: &[u8]) {
        let at = RecordAt { segment: self.number(), offset };
        let index = &mut self.replayed.index;
        match header.kind {
            Kind::Batch => match decode_batch_body(body) {
                Some((operations, trailer)) => {
                    let skipped = index.admit_replayed(&operations);
                    index.apply(operations, at, trailer);
                    if skipped > 0 {
                        self.report(
                            offset,
                            &format!("{skipped} operations name what an earlier loss left unknown"),
                        );
                    }
                }
                None => self.report(offset, "a record that verifies holds no batch this program can read"),
            },
            Kind::Snapshot => match snapshot::decode(body) {
                Some((snapshot, operations)) => index.adopt(&snapshot, &operations),
                None => self.report(offset, "a record that verifies holds no snapshot this program can read"),
            },
            // Known before anything was read.
            Kind::Release | Kind::Idle | Kind::Close => {}
        }
    }

    fn damaged_body(&mut self, header: &RecordHeader, offset: u64, body: &[u8]) {
        let lost = match (header.kind, decode_batch_body(body)) {
            (Kind::Batch, Some((operations, _))) => {
                format!("; as far as it can be read, it holds {}", name(&operations))
            }
            (Kind::Batch, None) => "; which messages it holds cannot be read".to_owned(),
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
            decode_batch_body(body)
        });
        let held = decoded.map_or(String::new(), |(operations, _)| {
            format!("; as far as it can be read, it holds {}", name(&operations))
        });
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
        self.replayed.index.pin(self.number());
        self.replayed.damage.push(format!("segment {}, offset {offset}: {what}", self.number()));
    }
}

/// A batch as its record holds it: its operations and its trailer.
type DecodedBatch = (Vec<Operation<Span>>, Trailer<Vec<Operation<Span>>>);

/// Decodes a batch record's body.
pub(crate) fn decode_batch_body(body: &[u8]) -> Option<DecodedBatch> {
    let (batch, trailer) = Trailer::split(body)?;
    let decided = match trailer.decided {
        [] => Vec::new(),
        decided => codec::decode_batch(decided).ok()?,
    };
    Some((codec::decode_batch(batch).ok()?, Trailer { decided, arrival_first: trailer.arrival_first }))
}

/// The messages of a batch, in words, at most a few.
fn name(operations: &[Operation<Span>]) -> String {
    const SHOWN_MAX: usize = 16;
    let mut names = Vec::new();
    for operation in operations {
        match operation {
            Operation::Enqueue { id, destination, .. } => {
                names.push(format!("message {id} to destination {destination}"))
            }
            Operation::Acknowledge { id, destination, .. } => {
                names.push(format!("the acknowledgement of message {id} in destination {destination}"));
            }
            Operation::Prepare { operations, .. } => names.push(name(operations)),
            _ => {}
        }
    }
    let more = names.len().saturating_sub(SHOWN_MAX);
    names.truncate(SHOWN_MAX);
    match (names.is_empty(), more) {
        (true, _) => "no message".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}
