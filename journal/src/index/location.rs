//! Where a message is, and what becomes of it.

use kahawai_store::batch::DestinationKind;
use kahawai_store::codec::Span;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};

/// Where a message's bytes are: a record, and a span of the batch in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Where the record begins in the segment.
    pub(crate) record: u64,
    /// Where the message stands in the batch.
    pub(crate) span: Span,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordAt {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// A message that was found in a destination, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: MessageId,
    pub(crate) cursor: Cursor,
    pub(crate) location: Location,
}

/// Where a message that was found by its id stands, and where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) destination: DestinationId,
    pub(crate) cursor: Cursor,
    pub(crate) location: Location,
}

/// What a batch does to messages, once its arrivals are numbered and its transactions resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A destination exists.
    Begin { destination: DestinationId, kind: DestinationKind },
    /// A destination is gone, with its messages and subscriptions.
    Remove(DestinationId),
    /// A subscription gets what arrives from `start` on.
    Subscribe { topic: DestinationId, id: SubscriptionId, start: u64 },
    /// A subscription is gone.
    Unsubscribe(SubscriptionId),
    /// A message arrives.
    Insert { destination: DestinationId, id: MessageId, cursor: Cursor, location: Location },
    /// A message that stands here is done with.
    Acknowledge {
        destination: DestinationId,
        id: MessageId,
        cursor: Cursor,
        subscription: Option<SubscriptionId>,
    },
    /// A message that stands here goes to the end of another queue.
    Move { id: MessageId, from: DestinationId, cursor: Cursor, to: DestinationId, end: Cursor },
}
