//! Reads the chain into an index, and keeps the three outcomes apart.
//!
//! *Durable* is the highest sequence that any record says was on the disk. What is invalid up to it is **damage**: reported
//! with its place, pinned, and read past. What is invalid after it is a **torn tail**: cut. A valid record after that is
//! **doubtful**, and said so: it was in a flush that nobody saw the end of. An **I/O error** stops us.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use kahawai_store::batch::Operation;
use kahawai_store::codec::{self, Span};

use super::chain::{Chain, EpochLog};
use super::scan::{Item, Scanner};
use super::segment::Segment;
use crate::disk::Disk;
use crate::format::fields::FormatError;
use crate::format::record::{ARRIVAL_LENGTH, HEADER_LENGTH, Kind, RecordHeader};
use crate::format::seal::LogEnd;
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
    #[error("segment {number}: {error}")]
    Newer { number: u64, error: FormatError },
}

/// Replays a chain.
pub(crate) fn replay(disk: &dyn Disk, store: &RandomId, chain: &Chain) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { number_next: 1, ..Replayed::default() };
    let mut expected = chain.epochs.first().and_then(|log| log.present.first().copied());
    let oldest = expected;
    for (position, log) in chain.epochs.iter().enumerate() {
        let youngest = position + 1 == chain.epochs.len();
        let mut segments = read_headers(disk, store, log)?;
        // A file that has its name but not yet its header was being begun when its master died.
        while youngest && segments.last().is_some_and(|found| found.before.is_none()) && segments.len() > 1 {
            segments.pop();
        }
        for index in 0..segments.len() {
            let number = segments[index].segment.number;
            while let Some(missing) = expected.filter(|&expected| expected < number) {
                replayed.damage.push(format!("segment {missing} is missing"));
                expected = Some(missing + 1);
            }
            expected = Some(number + 1);
            let next = segments.get(index + 1);
            let end = match next {
                Some(next) => {
                    next.before.flatten().filter(|before| before.number == number).map(|end| end.offset)
                }
                None => log.end.filter(|end| end.number == number).map(|end| end.offset),
            };
            let is_tail = youngest && next.is_none();
            if segments[index].before.is_none() {
                replayed.damage.push(format!("segment {number}: its header is damaged"));
            }
            let reader =
                SegmentReader { replayed: &mut replayed, segment: Arc::clone(&segments[index].segment) };
            reader.read(end, is_tail)?;
        }
        if let Some(end) = log.end {
            replayed.number_next = replayed.number_next.max(end.number + 1);
        }
        replayed.number_next = replayed.number_next.max(log.first_number + 1);
    }
    report_missing_head(&mut replayed, oldest, chain);
    Ok(replayed)
}

/// Segments before the oldest that is there are gone rightly only if the log says that they were released.
fn report_missing_head(replayed: &mut Replayed, oldest: Option<u64>, chain: &Chain) {
    let (Some(oldest), Some(first)) = (oldest, chain.epochs.first()) else { return };
    for missing in (replayed.released + 1).max(first.first_number)..oldest {
        replayed.damage.push(format!("segment {missing} is missing"));
    }
}

/// A segment, and what its header says of the one before; `None` where there is no valid header.
struct WithHeader {
    segment: Arc<Segment>,
    before: Option<Option<LogEnd>>,
}

fn read_headers(disk: &dyn Disk, store: &RandomId, log: &EpochLog) -> Result<Vec<WithHeader>, ReplayError> {
    let mut segments = Vec::new();
    for &number in &log.present {
        let io = |error| ReplayError::Io { number, error };
        let name = format::name::FileName::Segment { epoch: log.epoch, number };
        let file = disk.open_segment(name).map_err(io)?;
        let mut bytes = [0; segment::HEADER_LENGTH as usize];
        let before = match file.read(0, &mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(io(error)),
            Err(_) => None,
            Ok(()) => match segment::decode(&bytes) {
                Ok(header) => {
                    let ours = header.store == *store
                        && header.epoch == log.epoch
                        && header.log == log.log
                        && header.number == number;
                    ours.then_some(header.before)
                }
                Err(error @ FormatError::Newer { .. }) => return Err(ReplayError::Newer { number, error }),
                Err(_) => None,
            },
        };
        segments.push(WithHeader {
            segment: Arc::new(Segment { epoch: log.epoch, number, log: log.log, file }),
            before,
        });
    }
    Ok(segments)
}

struct SegmentReader<'a> {
    replayed: &'a mut Replayed,
    segment: Arc<Segment>,
}

impl SegmentReader<'_> {
    /// Reads one segment to its end, or, as the last of the log, to where it is torn.
    fn read(mut self, end: Option<u64>, is_tail: bool) -> Result<(), ReplayError> {
        let number = self.segment.number;
        let mut bytes = vec![0; self.segment.file.length() as usize];
        self.segment.file.read(0, &mut bytes).map_err(|error| ReplayError::Io { number, error })?;
        let scanner = || Scanner::new(&bytes, self.segment.log, self.segment.epoch, number, end);
        let first = self.replayed.sequence_last + 1;
        // Every record of a segment that has a successor was flushed before the successor was begun.
        let durable = if is_tail { durable_through(scanner()).max(first - 1) } else { u64::MAX };
        self.replayed.segments.insert(number, Arc::clone(&self.segment));
        self.replayed.number_next = self.replayed.number_next.max(number + 1);

        let mut scanner = scanner();
        let mut sealed_at = scanner.offset();
        // The sequence of the record before, also where that one is not durable.
        let mut sequence = first - 1;
        while let Some(item) = scanner.next() {
            match item {
                Item::Record { header, offset } => {
                    // What is lost before this record: nothing, where the sequence says so.
                    if header.sequence != sequence + 1 && sequence != 0 {
                        if sequence + 1 > durable {
                            self.doubt(header, offset);
                            break;
                        }
                        self.lost(sequence + 1, header.sequence - 1);
                    }
                    sequence = header.sequence;
                    let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                    if header.sequence <= durable {
                        self.apply(&header, offset, body);
                        self.replayed.sequence_last = header.sequence;
                        sealed_at = scanner.offset();
                    } else if header.kind == Kind::Batch {
                        self.replayed.tail.push(body.to_vec());
                    }
                }
                Item::BodyDamaged { header, offset } if header.sequence <= durable => {
                    let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                    self.damaged_body(&header, offset, body);
                    sequence = header.sequence;
                    self.replayed.sequence_last = header.sequence;
                    sealed_at = scanner.offset();
                }
                Item::Gap { from, to } if sequence < durable => self.damaged_gap(from, to),
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
        self.replayed.end = Some(LogEnd { epoch: self.segment.epoch, number, offset: sealed_at });
        Ok(())
    }

    fn apply(&mut self, header: &RecordHeader, offset: u64, body: &[u8]) {
        let at = RecordAt { segment: self.segment.number, offset };
        let index = &mut self.replayed.index;
        match header.kind {
            Kind::Batch => match decode_batch_body(body) {
                Some((operations, arrival_first)) => {
                    let skipped = index.admit_replayed(&operations);
                    index.apply(operations, at, arrival_first);
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
            Kind::Release => match body.try_into().map(u64::from_le_bytes) {
                Ok(number) => {
                    index.release_through(number);
                    self.replayed.released = self.replayed.released.max(number);
                }
                Err(_) => {
                    self.report(offset, "a record that verifies holds no release this program can read")
                }
            },
            Kind::Idle | Kind::Close => {}
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

    fn damaged_gap(&mut self, from: u64, to: u64) {
        self.report(from, &format!("{} bytes are no record", to - from));
    }

    fn lost(&mut self, from: u64, to: u64) {
        self.replayed
            .damage
            .push(format!("segment {}: records {from} to {to} are lost", self.segment.number));
    }

    fn doubt(&mut self, header: RecordHeader, offset: u64) {
        let (number, sequence) = (self.segment.number, header.sequence);
        let what = "stands behind a torn one in the last flush, whose end nobody saw; it is left out";
        self.replayed
            .damage
            .push(format!("doubtful: segment {number}, offset {offset}: record {sequence} {what}"));
    }

    /// Reports damage, and keeps the segment.
    fn report(&mut self, offset: u64, what: &str) {
        self.replayed.index.pin(self.segment.number);
        self.replayed.damage.push(format!("segment {}, offset {offset}: {what}", self.segment.number));
    }
}

/// The highest sequence that any record in a segment says was durable.
fn durable_through(scanner: Scanner<'_>) -> u64 {
    let said = scanner.filter_map(|item| match item {
        Item::Record { header, .. } | Item::BodyDamaged { header, .. } => Some(header.durable_through),
        Item::Gap { .. } => None,
    });
    said.max().unwrap_or_default()
}

/// A batch record's body: its operations and the arrival number of its first message.
pub(crate) fn decode_batch_body(body: &[u8]) -> Option<(Vec<Operation<Span>>, u64)> {
    let (batch, arrival) = body.split_last_chunk::<ARRIVAL_LENGTH>()?;
    Some((codec::decode_batch(batch).ok()?, u64::from_le_bytes(*arrival)))
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
