//! The bodies of records that hold operations: batches, and chunks of undecided transactions.

use kahawai_store::batch::Operation;
use kahawai_store::codec::{self, Span};
use kahawai_store::names::Xid;

use super::record::Trailer;

/// A batch as its record holds it: its operations and its trailer.
type DecodedBatch = (Vec<Operation<Span>>, Trailer<Vec<Operation<Span>>>);

/// Decodes a batch record's body.
pub(crate) fn decode_batch_body(body: &[u8]) -> Option<DecodedBatch> {
    let (batch, trailer) = Trailer::split(body)?;
    let decided = match trailer.decided {
        [] => Vec::new(),
        decided => codec::decode_batch(decided).ok()?,
    };
    Some((
        codec::decode_batch(batch).ok()?,
        Trailer { decided, chunks: trailer.chunks, arrival_first: trailer.arrival_first, name: trailer.name },
    ))
}

/// A chunk of an undecided transaction.
type Chunk = (Xid, u32, Vec<Operation<Span>>);

/// Decodes the body of a record of kind `Prepared`.
pub(crate) fn decode_prepared(body: &[u8]) -> Option<Chunk> {
    let (batch, number) = body.split_last_chunk()?;
    let operation = codec::decode_batch(batch).ok()?.pop()?;
    match operation {
        Operation::Prepare { xid, operations } => Some((xid, u32::from_le_bytes(*number), operations)),
        _ => None,
    }
}
