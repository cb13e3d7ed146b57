//! Cuts operations to what an engine takes in one batch.

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::codec::batch_size;

/// What else may stand in the batch: the transaction's id, its decision, the name of a producer that is forgotten.
const AROUND: usize = 8 << 10;

/// How many bytes of operations fit into a batch, with room for what is around them.
pub(crate) fn room(batch_bytes_max: usize) -> usize {
    batch_bytes_max - AROUND.min(batch_bytes_max / 4)
}

/// About how many bytes an operation takes.
pub(crate) fn size(operation: &Operation) -> usize {
    batch_size(std::slice::from_ref(operation))
}

/// The operations in order, in pieces of at most `room` bytes. What is larger by itself gets a piece of its own, as an engine
/// takes one message of any size.
pub(crate) fn cut(operations: Vec<Operation>, room: usize) -> Vec<Vec<Operation>> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut bytes = 0;
    for operation in operations {
        let size = size(&operation);
        if bytes + size > room && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes += size;
        piece.push(operation);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// About how many bytes the operations take that note a producer's sequence.
pub(crate) fn sequence_bytes(producer: Option<&ByteString>) -> usize {
    const OPERATION: usize = 128;
    // One may have to be forgotten for it, with a name of any length that is let in.
    producer.map_or(0, |name| OPERATION + name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_the_order_and_what_is_too_large_stands_alone() {
        let put =
            |bytes: usize| Operation::Put { table: "t".into(), key: vec![0; bytes].into(), value: None };
        let sizes = [10, 20, 2000, 30, 700, 400, 1];
        let pieces = cut(sizes.iter().map(|bytes| put(*bytes)).collect(), 1000);
        let lengths: Vec<_> = pieces.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 2, 2]);
        let operations: Vec<_> = sizes.iter().map(|bytes| put(*bytes)).collect();
        assert_eq!(pieces.concat(), operations);
        assert!(cut(Vec::new(), 1000).is_empty());
    }
}
