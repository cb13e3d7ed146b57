//! Live messages of a segment that is to be given up, once more: the bodies of relocation records and of records of loss.
//!
//! ```text
//! relocation                                            for each message
//! 0   4  count of subscriptions, s                       0   8  message id
//! 4   4  count of messages                               8   8  destination
//! 8 16s  for each subscription of each topic that        16  8  cursor: arrival
//!        the messages are of: its id (8), and its        24  1  cursor: rank
//!        floor (8): what arrived there before that       25  4  count of subscriptions, a
//!        it has acknowledged                             29 8a  those that have acknowledged it though
//!  …     the messages                                            their floor is not above it
//!                                                         …  4  length of the message
//!                                                         …  4  its checksum, as in a batch: of its bytes and its id
//!                                                         …     the message, as `kahawai_store::codec` encodes it
//! ```
//! A message that is known when the record is read is from then on found here; one that is not known, since the segment that held it
//! is gone, begins here, where its cursor says, and waits for every subscription of those named whose floor is not above it and that has
//! not acknowledged it.
//!
//! A record of loss: the number of the damaged segment (8), a count (4), and for each message that lived there and cannot be read its
//! destination (8) and its id (8).

use kahawai_store::codec::{MESSAGE_CHECKSUM_LENGTH, Span};
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};

/// What a message takes beside its own bytes and the subscriptions that have acknowledged it.
pub(crate) const MESSAGE_OVERHEAD: usize = 33 + MESSAGE_CHECKSUM_LENGTH;

const COUNTS_LENGTH: usize = 8;

/// A relocation record's body, under way.
#[derive(Debug)]
pub(crate) struct Builder {
    record: Vec<u8>,
    /// Where the body begins.
    start: usize,
    messages: u32,
}

impl Builder {
    /// Begins a record: `room` bytes for its header, then the floors of the subscriptions of all topics that have messages in it.
    pub(crate) fn begin(room: usize, floors: &[(SubscriptionId, u64)]) -> Self {
        let mut record = vec![0; room];
        record.extend_from_slice(&(floors.len() as u32).to_le_bytes());
        record.extend_from_slice(&0_u32.to_le_bytes());
        for (subscription, floor) in floors {
            record.extend_from_slice(&subscription.0.to_le_bytes());
            record.extend_from_slice(&floor.to_le_bytes());
        }
        Self { record, start: room, messages: 0 }
    }

    /// Adds a message with the checksum that it had; gives its place in the body.
    pub(crate) fn add(
        &mut self,
        id: MessageId,
        destination: DestinationId,
        cursor: Cursor,
        acknowledged: &[SubscriptionId],
        checksum: u32,
        message: &[u8],
    ) -> Span {
        let out = &mut self.record;
        out.extend_from_slice(&id.0.to_le_bytes());
        out.extend_from_slice(&destination.0.to_le_bytes());
        out.extend_from_slice(&cursor.arrival.to_le_bytes());
        out.push(cursor.rank);
        out.extend_from_slice(&(acknowledged.len() as u32).to_le_bytes());
        for subscription in acknowledged {
            out.extend_from_slice(&subscription.0.to_le_bytes());
        }
        out.extend_from_slice(&(message.len() as u32).to_le_bytes());
        out.extend_from_slice(&checksum.to_le_bytes());
        let start = (out.len() - self.start) as u32;
        out.extend_from_slice(message);
        self.messages += 1;
        Span { start, length: message.len() as u32 }
    }

    /// The record, with its room in front.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let at = self.start + 4;
        self.record[at..at + 4].copy_from_slice(&self.messages.to_le_bytes());
        self.record
    }
}

/// A message that stands in a relocation record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relocated {
    pub(crate) id: MessageId,
    pub(crate) destination: DestinationId,
    pub(crate) cursor: Cursor,
    pub(crate) acknowledged: Vec<SubscriptionId>,
    /// Where its bytes are in the record's body.
    pub(crate) span: Span,
}

/// A relocation record's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relocation {
    pub(crate) floors: Vec<(SubscriptionId, u64)>,
    pub(crate) messages: Vec<Relocated>,
}

/// Reads a relocation record's body, leaving the messages where they are.
pub(crate) fn decode(body: &[u8]) -> Option<Relocation> {
    let mut left = Left { body, at: 0 };
    let (floors, messages) = (left.u32()?, left.u32()?);
    let mut relocation = Relocation::default();
    debug_assert_eq!(left.at, COUNTS_LENGTH);
    for _ in 0..floors {
        relocation.floors.push((SubscriptionId(left.u64()?), left.u64()?));
    }
    for _ in 0..messages {
        let (id, destination) = (MessageId(left.u64()?), DestinationId(left.u64()?));
        let (arrival, rank) = (left.u64()?, left.take(1)?[0]);
        let count = left.u32()?;
        let mut acknowledged = Vec::new();
        for _ in 0..count {
            acknowledged.push(SubscriptionId(left.u64()?));
        }
        let length = left.u32()?;
        left.take(MESSAGE_CHECKSUM_LENGTH)?;
        let start = u32::try_from(left.at).ok()?;
        left.take(length as usize)?;
        let span = Span { start, length };
        let cursor = Cursor { rank, arrival };
        relocation.messages.push(Relocated { id, destination, cursor, acknowledged, span });
    }
    (left.at == body.len()).then_some(relocation)
}

/// The body of a record of loss.
pub(crate) fn encode_lost(segment: u64, messages: &[(DestinationId, MessageId)]) -> Vec<u8> {
    let mut body = segment.to_le_bytes().to_vec();
    body.extend_from_slice(&(messages.len() as u32).to_le_bytes());
    for (destination, id) in messages {
        body.extend_from_slice(&destination.0.to_le_bytes());
        body.extend_from_slice(&id.0.to_le_bytes());
    }
    body
}

/// A damaged segment, and what lived there and is lost with it.
pub(crate) type Lost = (u64, Vec<(DestinationId, MessageId)>);

/// Reads the body of a record of loss.
pub(crate) fn decode_lost(body: &[u8]) -> Option<Lost> {
    let mut left = Left { body, at: 0 };
    let (segment, count) = (left.u64()?, left.u32()?);
    let mut messages = Vec::new();
    for _ in 0..count {
        messages.push((DestinationId(left.u64()?), MessageId(left.u64()?)));
    }
    (left.at == body.len()).then_some((segment, messages))
}

/// What is left of a body.
struct Left<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Left<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.body.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use kahawai_store::codec::message_with_checksum;

    use super::*;

    #[test]
    fn what_is_built_is_read_back_and_nothing_shorter_or_longer_is() {
        let floors = [(SubscriptionId(7), 3), (SubscriptionId(8), 30)];
        let mut builder = Builder::begin(40, &floors);
        let acknowledged = [SubscriptionId(7)];
        let cursor = |arrival| Cursor { rank: 4, arrival };
        let first = builder.add(MessageId(1), DestinationId(2), cursor(20), &acknowledged, 11, b"first");
        let second = builder.add(MessageId(9), DestinationId(3), cursor(21), &[], 12, b"");
        let record = builder.finish();
        let body = &record[40..];
        let found = decode(body).expect("it reads");
        assert_eq!(found.floors, floors);
        assert_eq!(found.messages[0].acknowledged, acknowledged);
        assert_eq!((found.messages[0].span, found.messages[1].span), (first, second));
        assert_eq!((found.messages[1].id, found.messages[1].cursor), (MessageId(9), cursor(21)));
        assert_eq!(&body[first.range()], b"first");
        assert_eq!(message_with_checksum(body, first), Some((11, &b"first"[..])));
        assert_eq!(message_with_checksum(body, second), Some((12, &b""[..])));
        assert_eq!(body.len(), 8 + 32 + 2 * MESSAGE_OVERHEAD + 8 + 5);
        for length in 0..body.len() {
            assert_eq!(decode(&body[..length]), None, "{length}");
        }
        assert_eq!(decode(&[body, &[0]].concat()), None);

        let lost = encode_lost(5, &[(DestinationId(1), MessageId(2))]);
        assert_eq!(decode_lost(&lost), Some((5, vec![(DestinationId(1), MessageId(2))])));
        assert_eq!(decode_lost(&lost[1..]), None);
    }
}
