//! The records of the log one by one, for whoever wants to see what is there.

use kahawai_store::batch::Operation;
use kahawai_store::codec::Span;
use kahawai_store::names::{Epoch, Term};

use super::examine::{InspectError, Inspection, OnProgress};
use super::finding::Finding;
use super::read::{Met, Standing};
use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::record::Kind;
use crate::format::{relocation, snapshot};

/// A record.
#[derive(Debug)]
pub struct Record<'a> {
    /// The file it stands in.
    pub file: String,
    /// That segment's number.
    pub segment: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes it takes, header and padding included.
    pub length: u64,
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// Its sequence.
    pub sequence: u64,
    /// Up to this sequence all was on the disk when it was written.
    pub durable_through: u64,
    /// `proven`, `unproven` (it counts, and the log does not say yet that it was on the disk) or `doubtful` (it is left out).
    pub standing: &'static str,
    /// What it holds.
    pub content: Content,
    /// The bytes that the spans of its operations' messages are ranges of.
    pub body: &'a [u8],
}

/// What a record holds.
#[derive(Debug)]
pub enum Content {
    /// A batch.
    Batch {
        /// What it does.
        operations: Vec<Operation<Span>>,
        /// The arrival number of its first message.
        arrival_first: u64,
        /// The epoch that numbered it.
        term: Term,
        /// Its number: it rises by one with each batch of the store.
        number: u64,
    },
    /// What existed when the segment was begun.
    Snapshot {
        /// It, as operations.
        operations: Vec<Operation<Span>>,
    },
    /// Segments up to this number hold nothing live.
    Release(u64),
    /// Messages of a segment that was given up, once more, each as if it arrived.
    Relocation {
        /// They.
        operations: Vec<Operation<Span>>,
    },
    /// A part of an undecided transaction, once more.
    Prepared {
        /// It.
        operations: Vec<Operation<Span>>,
    },
    /// Messages that lived in this damaged segment and cannot be read.
    Lost {
        /// The segment.
        segment: u64,
        /// How many.
        messages: u64,
    },
    /// How far the log is durable.
    Idle,
    /// The log was closed in good order.
    Close,
    /// It verifies, and this program cannot read it.
    Unreadable,
}

impl Inspection {
    /// Goes through the log, oldest record first; gives what was found damaged on the way.
    ///
    /// # Errors
    /// As [`Inspection::examine`].
    pub fn dump(
        &self,
        each: &mut dyn FnMut(Record<'_>),
        progress: OnProgress<'_>,
    ) -> Result<Vec<Finding>, InspectError> {
        let listed = self.list()?;
        let mut visit = |met: Met<'_>| each(record(&met));
        let reading = self.pass(self.lineage(&listed)?, &mut visit, progress)?;
        let mut findings = listed.small.findings;
        let given_up = reading.given_up;
        // What the master gave up meanwhile is no damage.
        findings.extend(
            reading
                .findings
                .into_iter()
                .filter(|finding| !finding.segment.is_some_and(|number| given_up.contains(&number))),
        );
        Ok(findings)
    }
}

fn record<'a>(met: &Met<'a>) -> Record<'a> {
    let content = match met.header.kind {
        Kind::Batch => decode_batch_body(met.body).map(|(operations, trailer)| Content::Batch {
            operations,
            arrival_first: trailer.arrival_first,
            term: trailer.name.term,
            number: trailer.name.number,
        }),
        Kind::Snapshot => snapshot::decode(met.body).map(|(_, operations)| Content::Snapshot { operations }),
        Kind::Release => met.body.try_into().map(u64::from_le_bytes).map(Content::Release).ok(),
        Kind::Relocation => relocation::decode(met.body).map(|found| {
            let again = found.messages.into_iter().map(|again| Operation::Enqueue {
                id: again.id,
                destination: again.destination,
                rank: again.cursor.rank,
                message: again.span,
            });
            Content::Relocation { operations: again.collect() }
        }),
        Kind::Prepared => decode_prepared(met.body).map(|(xid, _, operations)| Content::Prepared {
            operations: vec![Operation::Prepare { xid, operations }],
        }),
        Kind::Lost => relocation::decode_lost(met.body)
            .map(|(segment, messages)| Content::Lost { segment, messages: messages.len() as u64 }),
        Kind::Idle => Some(Content::Idle),
        Kind::Close => Some(Content::Close),
    };
    Record {
        file: met.name.to_string(),
        segment: met.segment,
        offset: met.offset,
        length: met.header.record_length(),
        epoch: met.header.epoch,
        sequence: met.header.sequence,
        durable_through: met.header.durable_through,
        standing: match met.standing {
            Standing::Proven => "proven",
            Standing::Unproven => "unproven",
            Standing::Doubtful => "doubtful",
        },
        content: content.unwrap_or(Content::Unreadable),
        body: met.body,
    }
}
