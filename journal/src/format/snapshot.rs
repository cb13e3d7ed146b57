//! What exists at the start of a segment, so that the segments before it can go when their messages have gone.
//!
//! ```text
//! 0   8  next arrival number
//! 8   8  next message id
//! 16  8  next destination id
//! 24  8  next subscription id
//! 32  4  count of subscriptions
//! 36  8  for each subscription, in the order of their ids: the arrival number from which on it gets messages
//!  …     a batch, as `kahawai_store::codec` encodes it, of create destination, subscribe and put
//! ```

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::codec::{self, Span};

const NUMBERS_LENGTH: usize = 36;

/// What exists, but for messages and prepared transactions, which are kept by the segments that hold them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) arrival_next: u64,
    pub(crate) message_id_next: u64,
    pub(crate) destination_id_next: u64,
    pub(crate) subscription_id_next: u64,
    /// For each subscription, in the order of their ids.
    pub(crate) starts: Vec<u64>,
    pub(crate) operations: Vec<Operation>,
}

pub(crate) fn encode(snapshot: Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [
        snapshot.arrival_next,
        snapshot.message_id_next,
        snapshot.destination_id_next,
        snapshot.subscription_id_next,
    ] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&(snapshot.starts.len() as u32).to_le_bytes());
    for start in &snapshot.starts {
        bytes.extend_from_slice(&start.to_le_bytes());
    }
    codec::encode_batch(Batch::new(snapshot.operations), &mut bytes);
    bytes
}

/// The numbers, and the operations as they stand (none of them holds a message).
pub(crate) fn decode(bytes: &[u8]) -> Option<(Snapshot, Vec<Operation<Span>>)> {
    let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let count = u32::from_le_bytes(bytes.get(32..NUMBERS_LENGTH)?.try_into().ok()?) as usize;
    let starts_end = NUMBERS_LENGTH.checked_add(count.checked_mul(8)?)?;
    let starts = bytes.get(NUMBERS_LENGTH..starts_end)?;
    let operations = codec::decode_batch(bytes.get(starts_end..)?).ok()?;
    let snapshot = Snapshot {
        arrival_next: u64_at(0)?,
        message_id_next: u64_at(8)?,
        destination_id_next: u64_at(16)?,
        subscription_id_next: u64_at(24)?,
        starts: starts
            .chunks_exact(8)
            .map(|start| {
                u64::from_le_bytes([
                    start[0], start[1], start[2], start[3], start[4], start[5], start[6], start[7],
                ])
            })
            .collect(),
        operations: Vec::new(),
    };
    Some((snapshot, operations))
}
