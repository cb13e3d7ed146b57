//! Short ways to say operations. What acknowledges or moves stands [`SOMEWHERE`]: the session knows where.

use std::sync::Arc;

use bytes::Bytes;

use super::places::SOMEWHERE;
use crate::batch::{Destination, DestinationKind, Operation, Outcome, Subscription};
use crate::message::{BodyKind, Header, Message};
use crate::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

pub(super) fn create(id: DestinationId, kind: DestinationKind, name: &str) -> Operation {
    Operation::CreateDestination(Destination { id, kind, name: name.into() })
}

pub(super) fn subscription(id: SubscriptionId, destination: DestinationId, name: &str) -> Subscription {
    Subscription {
        id,
        destination,
        client_id: "client".into(),
        name: name.into(),
        selector: None,
        no_local: false,
    }
}

pub(super) fn enqueue(id: MessageId, destination: DestinationId) -> Operation {
    enqueue_ranked(id, destination, 0)
}

pub(super) fn enqueue_ranked(id: MessageId, destination: DestinationId, rank: u8) -> Operation {
    enqueue_sized(id, destination, rank, 24)
}

pub(super) fn enqueue_sized(id: MessageId, destination: DestinationId, rank: u8, body: usize) -> Operation {
    Operation::Enqueue { id, destination, rank, message: message(id, body) }
}

/// A message that can be told from every other by any of its parts.
pub(super) fn message(id: MessageId, body: usize) -> Arc<Message> {
    let header = Header {
        message_id: format!("ID:conformance-{id}").into(),
        timestamp: 1_700_000_000_000 + id.0 as i64,
        priority: 4,
        persistent: true,
        body_kind: BodyKind::Text,
        ..Header::default()
    };
    // Each kilobyte differs from every other: an engine that takes the wrong part of a body is seen.
    let mut bytes = Vec::with_capacity(body + 1024);
    for block in 0..body.div_ceil(1024) as u64 {
        bytes.extend_from_slice(&(block << 32 ^ id.0).to_be_bytes());
        bytes.extend_from_slice(&[0, 0xff, b'k', 0x80, 7, 0xc3, 0x28, b'\n'].repeat(127));
    }
    bytes.truncate(body);
    Arc::new(Message {
        header,
        properties: Bytes::from(format!("properties of {id}")),
        body: bytes.into(),
        ..Message::default()
    })
}

pub(super) fn acknowledge(id: MessageId, destination: DestinationId) -> Operation {
    Operation::Acknowledge { destination, id, cursor: SOMEWHERE, subscription: None }
}

pub(super) fn acknowledge_for(
    id: MessageId,
    destination: DestinationId,
    subscription: SubscriptionId,
) -> Operation {
    Operation::Acknowledge { destination, id, cursor: SOMEWHERE, subscription: Some(subscription) }
}

pub(super) fn acknowledge_at(id: MessageId, destination: DestinationId, cursor: Cursor) -> Operation {
    Operation::Acknowledge { destination, id, cursor, subscription: None }
}

pub(super) fn moved(id: MessageId, from: DestinationId, to: DestinationId) -> Operation {
    moved_ranked(id, from, to, 0)
}

pub(super) fn moved_ranked(id: MessageId, from: DestinationId, to: DestinationId, rank: u8) -> Operation {
    Operation::Move { id, from, cursor: SOMEWHERE, to, rank }
}

/// The same acknowledgement or move of a message that stands here.
pub(super) fn at(place: Cursor, mut operation: Operation) -> Operation {
    if let Operation::Acknowledge { cursor, .. } | Operation::Move { cursor, .. } = &mut operation {
        *cursor = place;
    }
    operation
}

pub(super) fn put(table: &str, key: &str, value: Option<&str>) -> Operation {
    Operation::Put {
        table: table.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
    }
}

pub(super) fn xid(number: u8) -> Xid {
    // Bytes that are no text, and a branch of no bytes among them.
    let branch = if number.is_multiple_of(2) { Bytes::new() } else { Bytes::from(vec![0, number]) };
    Xid { format: i32::from(number) - 3, global: Bytes::from(vec![0xff, number, 0]), branch }
}

pub(super) fn prepare(xid: Xid, operations: Vec<Operation>) -> Operation {
    Operation::Prepare { xid, operations }
}

pub(super) fn decide(xid: Xid, outcome: Outcome) -> Operation {
    Operation::Decide { xid, outcome }
}
