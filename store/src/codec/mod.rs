//! The one encoding of a batch, which engines keep and replicas exchange.
//!
//! ```text
//! batch     := version:u8 = 2, count:varint, operation × count
//! operation := tag:u8, fields (see `operation`)
//! message   := length:varint, header_length:varint, header (see `header`), properties:bytes, body:bytes to the end
//! varint    := LEB128 of a u64, at most 10 bytes, shortest form not required
//! bytes     := length:varint, the bytes        text := bytes, valid UTF-8
//! ```
//!
//! All numbers come from outside as far as this code is concerned: a length is checked against what is left before
//! anything is taken, a count never reserves memory by itself, and every failure is a [`DecodeError`] with its place.

mod error;
pub mod header;
mod message;
mod operation;
mod primitive;
mod span;

use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Batch, Operation};
use primitive::Reader;

pub use error::{DecodeError, HEADER_VERSION, Problem, VERSION};
pub use message::{
    MESSAGE_CHECKSUM_LENGTH, checked_message, decode_message, encode_message, message_checksum,
    message_with_checksum, seal, skeleton_checksum,
};
pub use span::Span;

/// Encodes a batch, appending to `out`, and gives the operations back with their messages as spans of what was
/// appended.
///
/// # Panics
/// If the batch takes 4 GiB or more; engines limit it far below.
pub fn encode_batch(batch: Batch, out: &mut Vec<u8>) -> Vec<Operation<Span>> {
    let start = out.len();
    out.push(VERSION);
    primitive::put_varint(out, batch.operations.len() as u64);
    let operations =
        batch.operations.into_iter().map(|operation| operation::encode(operation, start, out)).collect();
    assert!(out.len() - start <= u32::MAX as usize, "a batch is limited to 4 GiB");
    operations
}

/// Decodes a batch, leaving its messages where they are.
///
/// # Errors
/// Where the bytes are no batch.
pub fn decode_batch(bytes: &[u8]) -> Result<Vec<Operation<Span>>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(DecodeError { problem: Problem::Version { found: version, reads: VERSION }, at: 0 });
    }
    let operations = operation::decode_list(&mut reader, false)?;
    reader.finish()?;
    Ok(operations)
}

/// Decodes a batch with its messages, which share the bytes given.
///
/// # Errors
/// Where the bytes are no batch, or a message is not what was written.
pub fn decode_batch_whole(bytes: &Bytes) -> Result<Batch, DecodeError> {
    let operations = decode_batch(bytes)?;
    let operations = operations
        .into_iter()
        .map(|operation| {
            operation.try_map_message(&mut |id, span: Span| {
                let at = span.start as usize;
                let Some(message) = checked_message(bytes, id, span) else {
                    return Err(DecodeError { problem: Problem::Checksum(id), at });
                };
                decode_message(&bytes.slice_ref(message)).map(Arc::new).map_err(|mut error| {
                    error.at += at;
                    error
                })
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Batch::new(operations))
}

/// About how many bytes a batch takes when encoded: an upper bound, by which [`crate::contract::Limits`] are meant.
pub fn batch_size(operations: &[Operation]) -> usize {
    const FIXED: usize = 64;
    operations
        .iter()
        .map(|operation| match operation {
            Operation::Enqueue { message, .. } => FIXED + message.size(),
            Operation::CreateDestination(destination) => FIXED + destination.name.len(),
            Operation::Subscribe(subscription) => {
                FIXED
                    + subscription.client_id.len()
                    + subscription.name.len()
                    + subscription.selector.as_ref().map_or(0, |text| text.len())
            }
            Operation::Prepare { xid, operations } => {
                FIXED + xid.global.len() + xid.branch.len() + batch_size(operations)
            }
            Operation::Decide { xid, .. } => FIXED + xid.global.len() + xid.branch.len(),
            Operation::Put { table, key, value } => {
                FIXED + table.len() + key.len() + value.as_ref().map_or(0, Bytes::len)
            }
            Operation::RemoveDestination(_)
            | Operation::Unsubscribe(_)
            | Operation::Acknowledge { .. }
            | Operation::Move { .. } => FIXED,
        })
        .sum()
}
