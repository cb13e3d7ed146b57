//! Batches of every shape, for property tests.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::{Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec::header::EXTRA_TAG_MIN;
use kahawai_store::message::{BodyKind, Header, Message};
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Numbers at the borders of varints more often than chance would have it.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, any::<u64>(), Just(u64::MAX), (0..64u32).prop_map(|bit| 1 << bit)]
}

fn text() -> impl Strategy<Value = ByteString> {
    prop_oneof![".{0,12}", "[a-z.]{0,200}"].prop_map(ByteString::from)
}

fn bytes(length_max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=length_max).prop_map(Bytes::from)
}

fn header() -> impl Strategy<Value = Header> {
    let numbers = (any::<i64>(), any::<i64>(), any::<u8>(), 0..=6u8, any::<u32>(), any::<i32>());
    let flags = (any::<bool>(), any::<bool>());
    let texts = (text(), [option::of(text()), option::of(text()), option::of(text())]);
    let more = [option::of(text()), option::of(text()), option::of(text())];
    let extras = btree_map(EXTRA_TAG_MIN..=u32::MAX, bytes(40), 0..3);
    (numbers, flags, texts, more, extras).prop_map(|(numbers, flags, texts, more, extras)| {
        let (timestamp, expiration, priority, body_kind, redeliveries, group_sequence) = numbers;
        let (message_id, [correlation_id, reply_to, message_type]) = texts;
        let [user_id, group_id, original_destination] = more;
        Header {
            message_id,
            timestamp,
            expiration,
            priority,
            persistent: flags.0,
            body_kind: BodyKind::from_number(body_kind).expect("0 to 6 are known"),
            compressed: flags.1,
            redeliveries,
            correlation_id,
            reply_to,
            message_type,
            user_id,
            group_id,
            group_sequence,
            original_destination,
            extras: extras.into_iter().collect(),
            ..Header::default()
        }
    })
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let long = (0..3usize).prop_map(|long| if long == 0 { 20_000 } else { 0 });
    (header(), bytes(60), bytes(300), long).prop_map(|(mut header, properties, body, long)| {
        if long > 0 {
            header.message_id = "long".repeat(long / 4).into();
        }
        Message { header, properties, body, ..Message::default() }
    })
}

fn cursor() -> impl Strategy<Value = Cursor> {
    (any::<u8>(), any::<u64>()).prop_map(|(rank, arrival)| Cursor { rank, arrival })
}

fn xid() -> impl Strategy<Value = Xid> {
    let parts = (any::<i32>(), bytes(64), bytes(64));
    parts.prop_map(|(format, global, branch)| Xid { format, global, branch })
}

fn kind() -> impl Strategy<Value = DestinationKind> {
    prop_oneof![Just(DestinationKind::Queue), Just(DestinationKind::Topic)]
}

fn simple_operation() -> impl Strategy<Value = Operation> {
    let destination = || number().prop_map(DestinationId);
    let message_id = || number().prop_map(MessageId);
    let subscription_id = || number().prop_map(SubscriptionId);
    prop_oneof![
        1 => (destination(), kind(), text())
            .prop_map(|(id, kind, name)| Operation::CreateDestination(Destination { id, kind, name })),
        1 => destination().prop_map(Operation::RemoveDestination),
        1 => (subscription_id(), destination(), text(), text(), option::of(text()), any::<bool>()).prop_map(
            |(id, destination, client_id, name, selector, no_local)| {
                Operation::Subscribe(Subscription { id, destination, client_id, name, selector, no_local })
            }
        ),
        1 => subscription_id().prop_map(Operation::Unsubscribe),
        4 => (message_id(), destination(), any::<u8>(), message()).prop_map(
            |(id, destination, rank, message)| Operation::Enqueue {
                id,
                destination,
                rank,
                message: Arc::new(message)
            }
        ),
        2 => (destination(), message_id(), cursor(), option::of(subscription_id())).prop_map(
            |(destination, id, cursor, subscription)| {
                Operation::Acknowledge { destination, id, cursor, subscription }
            }
        ),
        1 => (message_id(), destination(), cursor(), destination(), any::<u8>())
            .prop_map(|(id, from, cursor, to, rank)| Operation::Move { id, from, cursor, to, rank }),
        1 => (xid(), any::<bool>()).prop_map(|(xid, commit)| Operation::Decide {
            xid,
            outcome: if commit { Outcome::Commit } else { Outcome::Rollback }
        }),
        1 => (text(), bytes(30), option::of(bytes(200)))
            .prop_map(|(table, key, value)| Operation::Put { table, key, value }),
    ]
}

/// Any operations, those that no catalogue would admit too.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let preparation = (xid(), vec(simple_operation(), 0..4))
        .prop_map(|(xid, operations)| Operation::Prepare { xid, operations });
    vec(prop_oneof![8 => simple_operation(), 1 => preparation], 0..8)
}
