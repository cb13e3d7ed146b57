//! `index-N-K.run`: a part of the index, written once: messages in the order of their destinations and cursors, and by id.
//!
//! ```text
//! entries   40 each, by destination, rank, arrival:
//!            0  8  arrival
//!            8  8  message id
//!           16  8  segment
//!           24  8  offset of the record in it
//!           32  4  where the message begins in the record's batch
//!           36  4  its length
//! ids       12 each, by message id:
//!            0  8  message id
//!            8  4  which entry, from 0
//! tail
//!            0  8  magic "KAHARUN\n"
//!            8  2  format version
//!           10 16  store id
//!           26  8  epoch
//!           34  8  number of the run
//!           42  8  count of entries
//!           50  8  lowest message id
//!           58  8  highest message id
//!           66  4  count of ranges
//!            …     for each range, in order: destination (8), rank (1), its first entry (4)
//!            …     for each block of 256 entries (the last may be shorter): the CRC-32 of its entries (4), the CRC-32 of as many ids (4),
//!                  the lowest segment its entries name (8)
//!            …  4  CRC-32 of the tail before
//! end       8  length of the tail
//! ```
//! The tail's checksum covers the blocks' checksums, so that it stands for the whole file; a checkpoint names it. A block is verified when
//! it is first read.

use kahawai_store::codec::Span;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

use super::RandomId;
use super::fields::{Fields, FormatError, Taken};
use crate::index::location::{Found, Location};

const MAGIC: &[u8; 8] = b"KAHARUN\n";

/// The length of an entry.
pub(crate) const ENTRY_LENGTH: usize = 40;
/// The length of an entry of the array by id.
pub(crate) const ID_LENGTH: usize = 12;
/// How many entries are verified together.
pub(crate) const BLOCK: u32 = 256;
/// The length of what ends the file.
pub(crate) const END_LENGTH: usize = 8;

/// Consecutive entries of one destination and rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) destination: DestinationId,
    pub(crate) rank: u8,
    pub(crate) first: u32,
}

/// What verifies a block, and the lowest segment it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) entries_crc: u32,
    pub(crate) ids_crc: u32,
    pub(crate) segment_lowest: u64,
}

/// What a run says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) store: RandomId,
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) count: u32,
    pub(crate) id_lowest: MessageId,
    pub(crate) id_highest: MessageId,
    pub(crate) ranges: Vec<Range>,
    pub(crate) blocks: Vec<Block>,
}

pub(crate) fn encode_entry(found: &Found) -> [u8; ENTRY_LENGTH] {
    let mut bytes = [0; ENTRY_LENGTH];
    bytes[0..8].copy_from_slice(&found.cursor.arrival.to_le_bytes());
    bytes[8..16].copy_from_slice(&found.id.0.to_le_bytes());
    bytes[16..24].copy_from_slice(&found.location.segment.to_le_bytes());
    bytes[24..32].copy_from_slice(&found.location.record.to_le_bytes());
    bytes[32..36].copy_from_slice(&found.location.span.start.to_le_bytes());
    bytes[36..40].copy_from_slice(&found.location.span.length.to_le_bytes());
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(crate) fn decode_entry(bytes: &[u8; ENTRY_LENGTH], rank: u8) -> Found {
    Found {
        id: MessageId(u64_at(bytes, 8)),
        cursor: Cursor { rank, arrival: u64_at(bytes, 0) },
        location: Location {
            segment: u64_at(bytes, 16),
            record: u64_at(bytes, 24),
            span: Span { start: u32_at(bytes, 32), length: u32_at(bytes, 36) },
        },
    }
}

pub(crate) fn encode_id(id: MessageId, entry: u32) -> [u8; ID_LENGTH] {
    let mut bytes = [0; ID_LENGTH];
    bytes[0..8].copy_from_slice(&id.0.to_le_bytes());
    bytes[8..12].copy_from_slice(&entry.to_le_bytes());
    bytes
}

pub(crate) fn decode_id(bytes: &[u8; ID_LENGTH]) -> (MessageId, u32) {
    (MessageId(u64_at(bytes, 0)), u32_at(bytes, 8))
}

pub(crate) fn encode_tail(tail: &Tail) -> Vec<u8> {
    let mut fields = Fields::begin(MAGIC)
        .raw(&tail.store)
        .u64(tail.epoch.0)
        .u64(tail.number)
        .u64(tail.count.into())
        .u64(tail.id_lowest.0)
        .u64(tail.id_highest.0)
        .u32(tail.ranges.len() as u32);
    for range in &tail.ranges {
        fields = fields.u64(range.destination.0).u8(range.rank).u32(range.first);
    }
    for block in &tail.blocks {
        fields = fields.u32(block.entries_crc).u32(block.ids_crc).u64(block.segment_lowest);
    }
    fields.finish()
}

pub(crate) fn decode_tail(bytes: &[u8]) -> Result<Tail, FormatError> {
    let mut taken = Taken::open("run of the index", MAGIC, bytes)?;
    let damaged = |problem: &str| FormatError::Damaged { what: "run of the index", problem: problem.into() };
    let store = taken.array()?;
    let (epoch, number) = (Epoch(taken.u64()?), taken.u64()?);
    let count = u32::try_from(taken.u64()?).map_err(|_| damaged("too many entries"))?;
    let (id_lowest, id_highest) = (MessageId(taken.u64()?), MessageId(taken.u64()?));
    let mut ranges: Vec<Range> = Vec::new();
    for _ in 0..taken.u32()? {
        let range =
            Range { destination: DestinationId(taken.u64()?), rank: taken.u8()?, first: taken.u32()? };
        let ordered = match ranges.last() {
            None => range.first == 0,
            Some(last) => {
                (last.destination, last.rank) < (range.destination, range.rank) && last.first < range.first
            }
        };
        if !ordered || range.first >= count {
            return Err(damaged("ranges out of order"));
        }
        ranges.push(range);
    }
    let mut blocks = Vec::new();
    for _ in 0..count.div_ceil(BLOCK) {
        blocks.push(Block { entries_crc: taken.u32()?, ids_crc: taken.u32()?, segment_lowest: taken.u64()? });
    }
    if ranges.is_empty() != (count == 0) {
        return Err(damaged("entries without a range"));
    }
    Ok(Tail { store, epoch, number, count, id_lowest, id_highest, ranges, blocks })
}
