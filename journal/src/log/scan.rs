//! Walks the records of one segment, over damage too.

use crate::format::RandomId;
use crate::format::body::{self, Held, Verdict};
use crate::format::record::{self, Place, RecordHeader};
use crate::format::segment;
use kahawai_store::names::Epoch;

/// What stands at a place of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A record whose checksums verify.
    Record { header: RecordHeader, offset: u64 },
    /// A record that verifies but for these messages.
    PartlyDamaged { header: RecordHeader, offset: u64, bad: Vec<Held> },
    /// A record whose header verifies and the skeleton of whose body does not.
    BodyDamaged { header: RecordHeader, offset: u64 },
    /// Bytes that are no record; a valid one follows at `to`, or the end that is known.
    Gap { from: u64, to: u64 },
}

/// Walks a segment's bytes from its first record to `end`, or to the last record that verifies.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    log: RandomId,
    epoch: Epoch,
    number: u64,
    offset: u64,
    /// Where records are known to end; without it they end where none verifies any more.
    end: Option<u64>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8], log: RandomId, epoch: Epoch, number: u64, end: Option<u64>) -> Self {
        Self { bytes, log, epoch, number, offset: segment::HEADER_LENGTH, end }
    }

    /// The same walk from a place at which a record is known to begin, or the records to end.
    pub(crate) fn from(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Where the walk stands: after the last item, or before the first.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn limit(&self) -> u64 {
        let length = self.bytes.len() as u64;
        self.end.map_or(length, |end| end.min(length))
    }

    fn header_at(&self, offset: u64) -> Option<RecordHeader> {
        let place = Place { log: self.log, number: self.number, offset };
        let header = record::decode(self.bytes.get(offset as usize..)?, &place)?;
        let fits = offset.checked_add(header.record_length()).is_some_and(|end| end <= self.limit());
        (header.epoch == self.epoch && fits).then_some(header)
    }

    /// Where the next header that verifies stands, from an offset on. Looks at each multiple of 8, and lets the epoch
    /// rule out nearly all of them before a checksum is made.
    fn next_header(&self, from: u64) -> Option<u64> {
        let epoch = self.epoch.0.to_le_bytes();
        let last = self.limit().checked_sub(record::HEADER_LENGTH as u64)?;
        (from..=last).step_by(8).find(|&offset| {
            let at = offset as usize + 16;
            self.bytes.get(at..at + 8) == Some(&epoch) && self.header_at(offset).is_some()
        })
    }
}

impl Iterator for Scanner<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let offset = self.offset;
        if offset >= self.limit() {
            return None;
        }
        let Some(header) = self.header_at(offset) else {
            let to = self.next_header(offset + 8).or(self.end)?;
            self.offset = to;
            return Some(Item::Gap { from: offset, to });
        };
        self.offset += header.record_length();
        let start = offset as usize + record::HEADER_LENGTH;
        let body = &self.bytes[start..start + header.body_length as usize];
        Some(match body::verify(header.kind, body, header.body_crc) {
            Verdict::Whole => Item::Record { header, offset },
            Verdict::Without(bad) => Item::PartlyDamaged { header, offset, bad },
            Verdict::Damaged => Item::BodyDamaged { header, offset },
        })
    }
}
