//! Records: what a segment holds, one after another.
//!
//! ```text
//! 0   4  CRC-32 of: log id (16), segment number (8), offset in the segment (8), bytes 4 to 40 of this header
//! 4   4  CRC-32 of the body
//! 8   4  length of the body
//! 12  1  kind
//! 13  3  zeros
//! 16  8  epoch
//! 24  8  sequence: one more than the record before, through all segments and epochs
//! 32  8  durable through: every record up to this sequence was on the disk when this one was written
//! 40  …  body, then zeros up to a multiple of 8
//! ```
//! The first checksum covers where the record stands and in whose log, so that what an earlier life of a recycled segment
//! left behind never verifies. The body has one of its own, made where the batch is encoded, away from the thread that writes; and
//! where a body alone is damaged, the header still says how long it was and which sequence is lost.

use kahawai_store::names::{BatchName, Epoch, Term};

use super::RandomId;

/// The length of a record's header.
pub(crate) const HEADER_LENGTH: usize = 40;

/// What a record's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A batch as `kahawai_store::codec` encodes it, then its trailer; see [`Trailer`].
    Batch = 1,
    /// What exists at the start of a segment; see [`super::snapshot`].
    Snapshot = 2,
    /// Nothing: it only carries `durable through`, once the log has been idle.
    Idle = 3,
    /// The number of a segment (8 bytes): it and every segment before it hold nothing live any more and may be gone.
    Release = 4,
    /// Nothing: the log was closed in good order.
    Close = 5,
    /// Live messages of a segment that is to be given up, once more; see [`super::relocation`].
    Relocation = 6,
    /// What is prepared and undecided in a segment that is to be given up, once more: a batch of one `Prepare`, as
    /// `kahawai_store::codec` encodes it, then which chunk of its transaction it is (4 bytes, from 0).
    Prepared = 7,
    /// Messages that lived in a damaged segment and cannot be read; see [`super::relocation`].
    Lost = 8,
}

impl Kind {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Batch,
            2 => Self::Snapshot,
            3 => Self::Idle,
            4 => Self::Release,
            5 => Self::Close,
            6 => Self::Relocation,
            7 => Self::Prepared,
            8 => Self::Lost,
            _ => return None,
        })
    }
}

/// Where a record stands; part of what its checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) log: RandomId,
    pub(crate) number: u64,
    pub(crate) offset: u64,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) body_crc: u32,
    pub(crate) body_length: u32,
    pub(crate) kind: Kind,
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
    pub(crate) durable_through: u64,
}

impl RecordHeader {
    /// How many bytes the record takes with its body and padding.
    pub(crate) fn record_length(&self) -> u64 {
        record_length(self.body_length as usize)
    }
}

/// What follows the batch in its record: what the store knew when it took the batch, and replay may not.
///
/// ```text
/// n   the transactions that the batch decides, as a batch of `kahawai_store::codec`: for each, in order, what was prepared, chunk
///     by chunk, with empty messages, then its decision; nothing where the batch decides none
/// 4p  for each `Prepare` of the batch, in order: which chunk of its transaction it is, from 0
/// 4   p
/// 4   n
/// 8   arrival number of the batch's first message
/// 8   term of the batch
/// 8   number of the batch
/// ```
/// **Term and number** name a batch, whichever record of whichever epoch holds it: copies of one log agree by them. The number rises by one
/// with each batch of the store; the term is the epoch that numbered it, and stays when a later epoch writes the record anew.
///
/// What was prepared may stand in segments that are released by the time the decision is replayed: what was live of its
/// messages then stands in a relocation record, and what else the transaction did still counts. The chunks' numbers tell which of them
/// are there, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trailer<D> {
    pub(crate) decided: D,
    pub(crate) chunks: Vec<u32>,
    pub(crate) arrival_first: u64,
    pub(crate) name: BatchName,
}

const TRAILER_END_LENGTH: usize = 32;

impl<D: AsRef<[u8]>> Trailer<D> {
    pub(crate) fn length(&self) -> usize {
        self.decided.as_ref().len() + 4 * self.chunks.len() + TRAILER_END_LENGTH
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let decided = self.decided.as_ref();
        out.extend_from_slice(decided);
        for chunk in &self.chunks {
            out.extend_from_slice(&chunk.to_le_bytes());
        }
        out.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        out.extend_from_slice(&(decided.len() as u32).to_le_bytes());
        for number in [self.arrival_first, self.name.term.0, self.name.number] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

impl<'a> Trailer<&'a [u8]> {
    /// Takes the trailer off a record's body; gives the batch and the trailer.
    pub(crate) fn split(body: &'a [u8]) -> Option<(&'a [u8], Self)> {
        let (body, numbers) = body.split_last_chunk::<24>()?;
        let ([arrival, term, number], _) = numbers.as_chunks::<8>() else { return None };
        let name = BatchName { term: Term(u64::from_le_bytes(*term)), number: u64::from_le_bytes(*number) };
        let (body, length) = body.split_last_chunk()?;
        let (body, count) = body.split_last_chunk()?;
        let chunks_length = (u32::from_le_bytes(*count) as usize).checked_mul(4)?;
        let (body, chunks) = body.split_at_checked(body.len().checked_sub(chunks_length)?)?;
        let (batch, decided) =
            body.split_at_checked(body.len().checked_sub(u32::from_le_bytes(*length) as usize)?)?;
        let (chunks, _) = chunks.as_chunks();
        let chunks = chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        Some((batch, Self { decided, chunks, arrival_first: u64::from_le_bytes(*arrival), name }))
    }
}

/// How many bytes a record with a body of this length takes.
pub(crate) fn record_length(body_length: usize) -> u64 {
    (HEADER_LENGTH + body_length).next_multiple_of(8) as u64
}

pub(crate) fn encode(header: &RecordHeader, place: &Place) -> [u8; HEADER_LENGTH] {
    let mut bytes = [0; HEADER_LENGTH];
    bytes[4..8].copy_from_slice(&header.body_crc.to_le_bytes());
    bytes[8..12].copy_from_slice(&header.body_length.to_le_bytes());
    bytes[12] = header.kind as u8;
    bytes[16..24].copy_from_slice(&header.epoch.0.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.sequence.to_le_bytes());
    bytes[32..40].copy_from_slice(&header.durable_through.to_le_bytes());
    let crc = checksum(place, &bytes);
    bytes[0..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The header that stands at this place, if these bytes are one.
pub(crate) fn decode(bytes: &[u8], place: &Place) -> Option<RecordHeader> {
    let bytes: &[u8; HEADER_LENGTH] = bytes.get(..HEADER_LENGTH)?.try_into().ok()?;
    let kind = Kind::from_number(bytes[12])?;
    if bytes[13..16] != [0; 3] || checksum(place, bytes) != u32_at(bytes, 0) {
        return None;
    }
    Some(RecordHeader {
        body_crc: u32_at(bytes, 4),
        body_length: u32_at(bytes, 8),
        kind,
        epoch: Epoch(u64_at(bytes, 16)),
        sequence: u64_at(bytes, 24),
        durable_through: u64_at(bytes, 32),
    })
}

fn checksum(place: &Place, header: &[u8; HEADER_LENGTH]) -> u32 {
    let mut covered = [0; 32 + HEADER_LENGTH - 4];
    covered[..16].copy_from_slice(&place.log);
    covered[16..24].copy_from_slice(&place.number.to_le_bytes());
    covered[24..32].copy_from_slice(&place.offset.to_le_bytes());
    covered[32..].copy_from_slice(&header[4..]);
    crc32fast::hash(&covered)
}

fn u32_at(bytes: &[u8; HEADER_LENGTH], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEADER_LENGTH], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_verifies_only_where_it_was_written() {
        let header = RecordHeader {
            body_crc: 7,
            body_length: 1000,
            kind: Kind::Batch,
            epoch: Epoch(3),
            sequence: 1 << 40,
            durable_through: (1 << 40) - 2,
        };
        let place = Place { log: [9; 16], number: 4, offset: 128 };
        let bytes = encode(&header, &place);
        assert_eq!(decode(&bytes, &place), Some(header));
        assert_eq!(decode(&bytes, &Place { log: [8; 16], ..place }), None);
        assert_eq!(decode(&bytes, &Place { number: 5, ..place }), None);
        assert_eq!(decode(&bytes, &Place { offset: 136, ..place }), None);
        for bit in 0..HEADER_LENGTH * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged, &place), None, "bit {bit}");
        }
    }
}
