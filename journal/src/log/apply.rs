//! Brings a record that verifies into the index: the same when a log is replayed, when its tail is written anew, and in the end.

use kahawai_store::batch::Operation;
use kahawai_store::codec::Span;
use kahawai_store::names::Xid;

use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::record::Kind;
use crate::format::relocation::{self, Lost};
use crate::format::snapshot;
use crate::index::state::PreparedChunk;
use crate::index::{Index, RecordAt};

/// What came of a record.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// How many operations named what an earlier loss left unknown.
    pub(crate) skipped: usize,
    /// What its body should be and is not, though it verifies.
    pub(crate) unreadable: Option<&'static str>,
    /// Messages that are lost with a damaged segment.
    pub(crate) lost: Option<Lost>,
}

impl Applied {
    fn unreadable(what: &'static str) -> Self {
        Self { unreadable: Some(what), ..Self::default() }
    }
}

/// Applies a record's body; the record stands at this place.
pub(crate) fn apply(index: &mut Index, kind: Kind, body: &[u8], at: RecordAt) -> Applied {
    match kind {
        Kind::Batch => match decode_batch_body(body) {
            Some((operations, trailer)) => {
                let skipped = index.state.admit_replayed(&operations);
                index.apply(operations, at, trailer);
                Applied { skipped, ..Applied::default() }
            }
            None => Applied::unreadable("batch"),
        },
        Kind::Snapshot => match snapshot::decode(body) {
            Some((snapshot, operations)) => {
                index.adopt(&snapshot, &operations);
                Applied::default()
            }
            None => Applied::unreadable("snapshot"),
        },
        Kind::Relocation => match relocation::decode(body) {
            Some(relocation) => {
                index.messages.follow(&relocation, at);
                Applied::default()
            }
            None => Applied::unreadable("relocation"),
        },
        Kind::Prepared => match decode_prepared(body) {
            Some((xid, number, operations)) => {
                let prepare = [Operation::Prepare { xid: xid.clone(), operations: operations.clone() }];
                let skipped = index.state.admit_replayed(&prepare);
                index.state.keep_chunk(xid, PreparedChunk { number, at, operations });
                Applied { skipped, ..Applied::default() }
            }
            None => Applied::unreadable("prepared transaction"),
        },
        Kind::Lost => match relocation::decode_lost(body) {
            Some(lost) => {
                for (_, id) in &lost.1 {
                    index.messages.lose(*id);
                }
                Applied { lost: Some(lost), ..Applied::default() }
            }
            None => Applied::unreadable("list of what is lost"),
        },
        // Known before anything was read.
        Kind::Release | Kind::Idle | Kind::Close => Applied::default(),
    }
}

/// A certain chunk of an undecided transaction, from the record that holds it.
pub(crate) fn chunk_of(kind: Kind, body: &[u8], xid: &Xid, number: u32) -> Option<Vec<Operation<Span>>> {
    match kind {
        Kind::Batch => {
            let (operations, trailer) = decode_batch_body(body)?;
            let chunks = operations.into_iter().filter_map(|operation| match operation {
                Operation::Prepare { xid, operations } => Some((xid, operations)),
                _ => None,
            });
            // A name that was decided in the midst of the batch and prepared anew counts from 0 again: the last is meant.
            let found = chunks
                .zip(trailer.chunks)
                .filter(|((found, _), of)| found == xid && *of == number)
                .map(|((_, operations), _)| operations);
            found.last()
        }
        Kind::Prepared => {
            let (found, of, operations) = decode_prepared(body)?;
            (found == *xid && of == number).then_some(operations)
        }
        _ => None,
    }
}
