//! What verifies a record's body.
//!
//! A body is its messages and its **skeleton**: everything else, with a checksum for each message that stands right before it. The record's own
//! checksum covers the skeleton alone, so each byte is summed once. Where a message is not what was written, that costs the message: it still
//! takes its arrival, and is read as damaged. Where the skeleton is not, that costs the record.

use kahawai_store::batch::messages_of;
use kahawai_store::codec::{self, Span};
use kahawai_store::names::{DestinationId, MessageId};

use super::batch::{decode_batch_body, decode_prepared};
use super::record::Kind;
use super::relocation;

/// A message that stands in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: MessageId,
    pub(crate) destination: DestinationId,
    pub(crate) span: Span,
}

/// What a body's checksums say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it is what was written.
    Whole,
    /// All but these messages.
    Without(Vec<Held>),
    /// Its skeleton is not what was written.
    Damaged,
}

/// The messages that a body holds, in the order in which they stand; `None` where its skeleton cannot be read.
pub(crate) fn held_in(kind: Kind, body: &[u8]) -> Option<Vec<Held>> {
    let held = |(id, destination, span): (_, _, &Span)| Held { id, destination, span: *span };
    match kind {
        Kind::Batch => {
            let (operations, _) = decode_batch_body(body)?;
            Some(messages_of(&operations).map(held).collect())
        }
        Kind::Prepared => {
            let (_, _, operations) = decode_prepared(body)?;
            Some(messages_of(&operations).map(held).collect())
        }
        Kind::Relocation => {
            let messages = relocation::decode(body)?.messages;
            let held = messages.iter().map(|again| Held {
                id: again.id,
                destination: again.destination,
                span: again.span,
            });
            Some(held.collect())
        }
        Kind::Snapshot | Kind::Idle | Kind::Release | Kind::Close | Kind::Lost => Some(Vec::new()),
    }
}

/// The checksum of a body's skeleton. What cannot be read is all skeleton.
pub(crate) fn checksum(kind: Kind, body: &[u8]) -> u32 {
    checksum_without(&held_in(kind, body).unwrap_or_default(), body)
}

fn checksum_without(held: &[Held], body: &[u8]) -> u32 {
    codec::skeleton_checksum(body, held.iter().map(|held| held.span))
}

/// Holds a body against the checksum in its record's header, and each message against its own.
pub(crate) fn verify(kind: Kind, body: &[u8], checksum: u32) -> Verdict {
    let mut held = held_in(kind, body).unwrap_or_default();
    if checksum_without(&held, body) != checksum {
        return Verdict::Damaged;
    }
    held.retain(|held| codec::checked_message(body, held.id, held.span).is_none());
    if held.is_empty() { Verdict::Whole } else { Verdict::Without(held) }
}

/// Whether a body's skeleton is what was written; its messages are not looked at.
pub(crate) fn verify_skeleton(kind: Kind, body: &[u8], checksum: u32) -> bool {
    self::checksum(kind, body) == checksum
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kahawai_store::batch::{Batch, Operation};
    use kahawai_store::message::Message;
    use kahawai_store::names::Xid;

    use super::*;
    use kahawai_store::names::BatchName;

    use crate::format::record::Trailer;

    fn enqueue(id: u64) -> Operation {
        let message = Message { body: vec![7; 40].into(), ..Message::default() };
        let (id, destination) = (MessageId(id), DestinationId(1));
        Operation::Enqueue { id, destination, rank: 0, message: Arc::new(message) }
    }

    /// Whatever one byte of a transaction of a hundred is changed, one message is lost with it, or it is of the skeleton.
    #[test]
    fn a_damaged_byte_costs_one_message_or_is_of_the_skeleton() {
        let xid = Xid { format: 1, global: vec![1].into(), branch: vec![2].into() };
        let prepare = Operation::Prepare { xid, operations: (50..100).map(enqueue).collect() };
        let operations = (0..50).map(enqueue).chain([prepare]);
        let mut body = Vec::new();
        codec::encode_batch(Batch::new(operations.collect()), &mut body);
        Trailer { decided: &[] as &[u8], chunks: vec![0], arrival_first: 3, name: BatchName::default() }
            .encode(&mut body);
        let held = held_in(Kind::Batch, &body).expect("it reads");
        assert_eq!(held.iter().map(|held| held.id.0).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        let checksum = checksum(Kind::Batch, &body);
        assert_eq!(verify(Kind::Batch, &body, checksum), Verdict::Whole);
        let mut of_messages = 0;
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 0x10;
            let of = held.iter().find(|held| held.span.range().contains(&at));
            let expected = of.map_or(Verdict::Damaged, |held| Verdict::Without(vec![*held]));
            of_messages += u32::from(of.is_some());
            assert_eq!(verify(Kind::Batch, &damaged, checksum), expected, "byte {at}");
            assert_eq!(verify_skeleton(Kind::Batch, &damaged, checksum), of.is_some(), "byte {at}");
        }
        assert!(of_messages > 100 * 40, "{of_messages}");
    }

    /// One of two messages of the same length stands where the other should.
    #[test]
    fn messages_that_changed_places_are_both_lost() {
        let other = Message { body: vec![8; 40].into(), ..Message::default() };
        let other = Operation::Enqueue {
            id: MessageId(1),
            destination: DestinationId(1),
            rank: 0,
            message: other.into(),
        };
        let mut body = Vec::new();
        codec::encode_batch(Batch::new(vec![enqueue(0), other]), &mut body);
        Trailer { decided: &[] as &[u8], chunks: Vec::new(), arrival_first: 3, name: BatchName::default() }
            .encode(&mut body);
        let checksum = checksum(Kind::Batch, &body);
        let held = held_in(Kind::Batch, &body).expect("it reads");
        let (first, second) = (held[0].span.range(), held[1].span.range());
        let bytes = body[first.clone()].to_vec();
        body.copy_within(second.clone(), first.start);
        body[second].copy_from_slice(&bytes);
        assert_eq!(verify(Kind::Batch, &body, checksum), Verdict::Without(held));
    }
}
