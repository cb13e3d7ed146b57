//! What exists at the start of a segment, so that the segments before it can go when their messages have gone.
//!
//! ```text
//! 0   8  next arrival number
//! 8   8  next message id
//! 16  8  next destination id
//! 24  8  next subscription id
//! 32  8  term of the last batch
//! 40  8  its number
//! 48  4  count of subscriptions, s
//! 52  4  count of prepared chunks, p
//! 56 8s  for each subscription, in the order of their ids: the arrival number from which on it gets messages
//!  … 16p for each `Prepare` of an undecided transaction, by transaction and chunk: the number of the segment (8) and
//!        the offset (8) of the record that holds it
//!  …     a batch, as `kahawai_store::codec` encodes it, of create destination, subscribe, put, and for each prepared chunk a
//!        `Prepare` of nothing that names its transaction
//! ```

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::codec::{self, Span};
use kahawai_store::names::{BatchName, Term};

const NUMBERS_LENGTH: usize = 56;

/// What exists, but for messages, which are kept by the segments that hold them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) arrival_next: u64,
    pub(crate) message_id_next: u64,
    pub(crate) destination_id_next: u64,
    pub(crate) subscription_id_next: u64,
    pub(crate) batch_last: BatchName,
    /// For each subscription, in the order of their ids.
    pub(crate) starts: Vec<u64>,
    /// For each prepared chunk, by transaction and chunk: the segment and the offset of its record.
    pub(crate) prepared: Vec<(u64, u64)>,
    pub(crate) operations: Vec<Operation>,
}

pub(crate) fn encode(snapshot: Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    let numbers = [
        snapshot.arrival_next,
        snapshot.message_id_next,
        snapshot.destination_id_next,
        snapshot.subscription_id_next,
        snapshot.batch_last.term.0,
        snapshot.batch_last.number,
    ];
    let counts = snapshot.starts.len() as u64 | (snapshot.prepared.len() as u64) << 32;
    let places = snapshot.prepared.iter().flat_map(|&(segment, offset)| [segment, offset]);
    let all = numbers.into_iter().chain([counts]).chain(snapshot.starts.iter().copied()).chain(places);
    for number in all {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    codec::encode_batch(Batch::new(snapshot.operations), &mut bytes);
    bytes
}

/// The numbers, and the operations as they stand (none of them holds a message).
pub(crate) fn decode(bytes: &[u8]) -> Option<(Snapshot, Vec<Operation<Span>>)> {
    let numbers = bytes.get(..NUMBERS_LENGTH)?;
    let u64_at = |at: usize| Some(u64::from_le_bytes(numbers.get(at..at + 8)?.try_into().ok()?));
    let counts = u64_at(48)?;
    let (starts, prepared) = (counts as u32 as usize, (counts >> 32) as usize);
    let lists = bytes.get(NUMBERS_LENGTH..)?;
    let (starts, lists) = lists.split_at_checked(starts.checked_mul(8)?)?;
    let (prepared, operations) = lists.split_at_checked(prepared.checked_mul(16)?)?;
    let u64s = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let places: Vec<u64> = u64s(prepared);
    let snapshot = Snapshot {
        arrival_next: u64_at(0)?,
        message_id_next: u64_at(8)?,
        destination_id_next: u64_at(16)?,
        subscription_id_next: u64_at(24)?,
        batch_last: BatchName { term: Term(u64_at(32)?), number: u64_at(40)? },
        starts: u64s(starts),
        prepared: places.as_chunks().0.iter().map(|&[segment, offset]| (segment, offset)).collect(),
        operations: Vec::new(),
    };
    Some((snapshot, codec::decode_batch(operations).ok()?))
}
