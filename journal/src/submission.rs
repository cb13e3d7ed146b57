//! What goes to the writer.

use kahawai_store::batch::{Batch, Durability, Operation, Urgency, messages_of};
use kahawai_store::catalog::Rejection;
use kahawai_store::codec::{self, Span};
use kahawai_store::contract::{Committed, Completion, Recovered};
use kahawai_store::names::BatchName;

use crate::compact::head::Piece;
use crate::format::record::HEADER_LENGTH;

/// What a caller submitted.
pub(crate) enum Submission {
    /// A batch, encoded.
    Commit(EncodedBatch, Completion<Committed>),
    /// A batch that is over the limits: answered in its turn.
    Reject(Rejection, Completion<Committed>),
    /// A question for what the store holds.
    Recover(Completion<Recovered>),
    /// What lives in a part of the head, from the cleaner.
    Relocate(Box<Piece>, Completion<()>),
    /// The cleaner finds nothing to do in the head of this number.
    NothingToClean(u64),
}

impl Submission {
    /// How many bytes its record takes, about.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Commit(batch, _) => batch.record.len(),
            Self::Relocate(piece, _) => piece.length(),
            Self::Reject(..) | Self::Recover(_) | Self::NothingToClean(_) => 0,
        }
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_urgent(&self) -> bool {
        match self {
            Self::Commit(batch, _) => batch.urgency == Urgency::Now,
            Self::Reject(..) | Self::Recover(_) | Self::Relocate(..) | Self::NothingToClean(_) => true,
        }
    }
}

/// A batch as it goes into a record, encoded on its caller's thread.
pub(crate) struct EncodedBatch {
    /// Room for the record's header, then the batch.
    pub(crate) record: Vec<u8>,
    /// Whether somebody waits for it.
    pub(crate) urgency: Urgency,
    /// How durable it is to be when it completes.
    pub(crate) durability: Option<Durability>,
    /// The checksum of its skeleton.
    pub(crate) crc: u32,
    /// The operations, with their messages as spans of the batch.
    pub(crate) operations: Vec<Operation<Span>>,
    /// Its name and its first arrival, where another copy of the store gave them.
    pub(crate) copied: Option<(BatchName, u64)>,
}

impl EncodedBatch {
    /// Encodes a batch and makes its checksum, which is most of the work of a commit.
    pub(crate) fn of(batch: Batch) -> Self {
        let mut record = Vec::with_capacity(HEADER_LENGTH + codec::batch_size(&batch.operations));
        record.resize(HEADER_LENGTH, 0);
        let (urgency, durability) = (batch.urgency, batch.durability);
        let operations = codec::encode_batch(batch, &mut record);
        let spans = messages_of(&operations).map(|(_, _, span)| *span);
        let crc = codec::skeleton_checksum(&record[HEADER_LENGTH..], spans);
        Self { record, urgency, durability, crc, operations, copied: None }
    }
}
