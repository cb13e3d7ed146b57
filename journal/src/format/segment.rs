//! The header of a segment.
//!
//! ```text
//! 0    8  magic "KAHASEG\n"
//! 8    2  format version
//! 10  16  store id
//! 26   8  epoch
//! 34  16  log id, random
//! 50   8  number
//! 58   8  sequence of the first record
//! 66   8  epoch of the segment before; 0 where there is none
//! 74   8  number of the segment before
//! 82   8  offset in it where its records end
//! 90   8  released through: segments up to this number hold nothing live and may be gone; 0 where there is none
//! 98   4  CRC-32 of all before
//! 102 26  zeros
//! 128  …  records
//! ```
//! It is written with the segment's first records and becomes durable with them. That it is there proves that the
//! segment before was flushed to its end. What it says of released segments is known before any record is read, so that
//! what a power failure brought back of them is never read again.

use kahawai_store::names::Epoch;

use super::RandomId;
use super::fields::{Fields, FormatError, Taken};
use super::seal::LogEnd;

const MAGIC: &[u8; 8] = b"KAHASEG\n";
const ENCODED_LENGTH: usize = 102;

/// Where the first record begins.
pub(crate) const HEADER_LENGTH: u64 = 128;

/// What a segment says of itself and of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store: RandomId,
    pub(crate) epoch: Epoch,
    pub(crate) log: RandomId,
    pub(crate) number: u64,
    pub(crate) first_sequence: u64,
    pub(crate) before: Option<LogEnd>,
    pub(crate) released: u64,
}

pub(crate) fn encode(header: &SegmentHeader) -> [u8; HEADER_LENGTH as usize] {
    let before = header.before.unwrap_or(LogEnd { epoch: Epoch(0), number: 0, offset: 0 });
    let fields = Fields::begin(MAGIC)
        .raw(&header.store)
        .u64(header.epoch.0)
        .raw(&header.log)
        .u64(header.number)
        .u64(header.first_sequence)
        .u64(before.epoch.0)
        .u64(before.number)
        .u64(before.offset)
        .u64(header.released)
        .finish();
    let mut bytes = [0; HEADER_LENGTH as usize];
    bytes[..fields.len()].copy_from_slice(&fields);
    bytes
}

/// Whether bytes that say they are of a newer version verify where this version has its checksum: if not, the version itself is damaged.
/// A newer program would not lay these first bytes out anew: its seal is what refuses an older one.
pub(crate) fn is_borne_out(bytes: &[u8]) -> bool {
    let crc = bytes.get(..ENCODED_LENGTH).and_then(|encoded| encoded.split_last_chunk::<4>());
    crc.is_some_and(|(content, crc)| crc32fast::hash(content) == u32::from_le_bytes(*crc))
}

pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, FormatError> {
    let encoded = bytes.get(..ENCODED_LENGTH).unwrap_or(bytes);
    let mut taken = Taken::open("segment", MAGIC, encoded)?;
    let store = taken.array()?;
    let epoch = Epoch(taken.u64()?);
    let log = taken.array()?;
    let (number, first_sequence) = (taken.u64()?, taken.u64()?);
    let before = LogEnd { epoch: Epoch(taken.u64()?), number: taken.u64()?, offset: taken.u64()? };
    let before = (before.epoch != Epoch(0)).then_some(before);
    let released = taken.u64()?;
    Ok(SegmentHeader { store, epoch, log, number, first_sequence, before, released })
}
