//! What holds the disk: how much of each segment lives, and which messages those are.
//!
//! A second pass over the log, when it is known what lives.

use std::collections::BTreeMap;

use bytes::Bytes;
use kahawai_store::batch::Operation;
use kahawai_store::codec::{self, Span};
use kahawai_store::names::{DestinationId, MessageId, Xid};
use roaring::RoaringTreemap;

use super::examine::{Examination, InspectError, Inspection, OnProgress};
use super::read::{Met, Standing};
use crate::compact::pace::SEGMENTS_BOUND;
use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::record::Kind;
use crate::format::relocation;
use crate::index::segments::Live;
use crate::index::weight;

/// How much of the log lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By segment number.
    pub segments: BTreeMap<u64, SegmentUsage>,
    /// The bytes of live messages in each destination, as they stand in the log.
    pub destinations: BTreeMap<DestinationId, u64>,
}

/// What of a segment lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentUsage {
    /// How many of its messages live.
    pub live_messages: u64,
    /// How many bytes those take in the log.
    pub live_bytes: u64,
    /// How many bytes of prepared transactions that are not decided.
    pub prepared_bytes: u64,
}

/// A message that holds a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The message.
    pub id: MessageId,
    /// Where it waits.
    pub destination: DestinationId,
    /// The id that clients see (`JMSMessageID`), where the message can be read.
    pub message_id: String,
    /// The segment its record stands in.
    pub segment: u64,
    /// Where the record begins.
    pub offset: u64,
    /// How many bytes the message takes.
    pub bytes: u64,
    /// Whether it stands there since the cleaner wrote it again: it came with an earlier segment, and keeps its place in the order.
    pub written_again: bool,
    /// The prepared transaction that keeps it, where it waits for that one's decision.
    pub transaction: Option<Xid>,
}

impl Usage {
    /// What lives, in bytes: messages as they stand in the log, and what is prepared and not decided.
    pub fn live(&self) -> u64 {
        self.segments.values().map(|segment| segment.live_bytes + segment.prepared_bytes).sum()
    }

    /// How many bytes a store of segments of this length takes at most, once its cleaner rests: two times what lives, each message with what it
    /// takes to write it again, and eight segments. What is in quarantine and what is none of the store's is outside.
    pub fn bound(&self, segment_length: u64) -> u64 {
        let count = self.segments.values().map(|segment| segment.live_messages).sum();
        2 * weight(Live { count, bytes: self.live() }) + SEGMENTS_BOUND * segment_length
    }
}

impl Inspection {
    /// Finds out what of each segment lives; `held` is told of each message that does, in the order of the log.
    ///
    /// # Errors
    /// As [`Inspection::examine`].
    pub fn usage(
        &self,
        found: &Examination,
        held: &mut dyn FnMut(Held),
        progress: OnProgress<'_>,
    ) -> Result<Usage, InspectError> {
        let contents = &found.contents;
        let live = contents.live();
        let mut usage = Usage::default();
        // A message that was moved waits elsewhere than its record says.
        let queues: Vec<(DestinationId, RoaringTreemap)> = contents
            .catalog
            .destinations()
            .map(|destination| (destination.id, contents.ids_of(destination.id)))
            .filter(|(_, ids)| !ids.is_empty())
            .collect();
        let where_is = |id: MessageId, said: DestinationId| {
            let there = |at: &&(DestinationId, RoaringTreemap)| at.1.contains(id.0);
            let said = queues.iter().find(|at| at.0 == said).filter(there);
            said.or_else(|| queues.iter().find(there)).map(|at| at.0)
        };
        let mut visit = |met: Met<'_>| {
            if met.standing == Standing::Doubtful {
                return;
            }
            // Of what was written twice, the first that is still there counts.
            let is_first_here = |id: MessageId, span: Span| {
                contents.relocated.get(&id) == Some(&(met.segment, met.offset, span))
            };
            let operations = match met.header.kind {
                Kind::Batch => decode_batch_body(met.body).map(|(operations, _)| operations),
                Kind::Prepared => decode_prepared(met.body)
                    .map(|(xid, _, operations)| vec![Operation::Prepare { xid, operations }]),
                Kind::Relocation => relocation::decode(met.body).map(|found| {
                    let first =
                        found.messages.into_iter().filter(|again| is_first_here(again.id, again.span));
                    let again = first.map(|again| Operation::Enqueue {
                        id: again.id,
                        destination: again.destination,
                        rank: again.cursor.rank,
                        message: again.span,
                    });
                    again.collect()
                }),
                _ => None,
            };
            let Some(operations) = operations else { return };
            let segment = usage.segments.entry(met.segment).or_default();
            for operation in &operations {
                let (enqueued, transaction) = match operation {
                    Operation::Prepare { xid, operations } => {
                        let undecided = contents.prepared.get(xid).is_some_and(|chunks| {
                            chunks
                                .iter()
                                .any(|chunk| (chunk.segment, chunk.offset) == (met.segment, met.offset))
                        });
                        (operations.as_slice(), undecided.then_some(xid))
                    }
                    other => (std::slice::from_ref(other), None),
                };
                for operation in enqueued {
                    let Operation::Enqueue { id, destination, message, .. } = operation else { continue };
                    let bytes = u64::from(message.length);
                    let destination = if transaction.is_some() {
                        segment.prepared_bytes += bytes;
                        Some(*destination)
                    } else if live.contains(id.0) {
                        where_is(*id, *destination)
                    } else {
                        None
                    };
                    let Some(destination) = destination else { continue };
                    if transaction.is_none() {
                        segment.live_messages += 1;
                        segment.live_bytes += bytes;
                        *usage.destinations.entry(destination).or_default() += bytes;
                    }
                    let message_id = jms_id(met.body, *message);
                    let (segment, offset, transaction) = (met.segment, met.offset, transaction.cloned());
                    let written_again = met.header.kind == Kind::Relocation;
                    held(Held {
                        id: *id,
                        destination,
                        message_id,
                        segment,
                        offset,
                        bytes,
                        written_again,
                        transaction,
                    });
                }
            }
        };
        self.pass(self.lineage(&self.list()?)?, &mut visit, progress)?;
        Ok(usage)
    }
}

fn jms_id(body: &[u8], span: Span) -> String {
    let bytes = body.get(span.range()).map(Bytes::copy_from_slice);
    let message = bytes.and_then(|bytes| codec::decode_message(&bytes).ok());
    message.map(|message| message.header.message_id.to_string()).unwrap_or_default()
}
