//! The encoding of a batch: what goes in comes out, whatever comes in is answered without harm, and the bytes do
//! not change unnoticed.

#[path = "common/arbitrary.rs"]
mod arbitrary;

use std::sync::Arc;

use arbitrary::{message, operations};
use bytes::Bytes;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec::{
    DecodeError, HEADER_VERSION, Problem, VERSION, batch_size, decode_batch, decode_batch_whole,
    decode_message, encode_batch, encode_message, seal,
};
use kahawai_store::message::{BodyKind, Header, Message};
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};
use proptest::prelude::*;

fn encoded(operations: Vec<Operation>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_batch(Batch::new(operations), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_come_back(operations in operations()) {
        let bytes = Bytes::from(encoded(operations.clone()));
        prop_assert_eq!(decode_batch_whole(&bytes).expect("decodes").operations, operations);
    }

    #[test]
    fn spans_count_from_the_first_byte_of_the_batch(operations in operations(), before in 0..50usize) {
        let mut out = vec![0xaa; before];
        let given = encode_batch(Batch::new(operations.clone()), &mut out);
        let bytes = Bytes::from(out).slice(before..);
        let found = decode_batch(&bytes).expect("decodes");
        prop_assert_eq!(&given, &found);
        for (operation, spanned) in operations.iter().zip(&found) {
            if let (Operation::Enqueue { message, .. }, Operation::Enqueue { message: span, .. }) = (operation, spanned) {
                prop_assert_eq!(&decode_message(&bytes.slice(span.range())).expect("decodes"), &**message);
            }
        }
    }

    #[test]
    fn messages_come_back(message in message()) {
        let mut out = Vec::new();
        encode_message(&message, &mut out);
        prop_assert_eq!(decode_message(&Bytes::from(out)).expect("decodes"), message);
    }

    /// By this the engines' limits are meant: it must not say less than is written. The version and the count of
    /// the batch come on top.
    #[test]
    fn size_is_an_upper_bound(operations in operations()) {
        let estimate = batch_size(&operations);
        let size = encoded(operations).len();
        prop_assert!(size <= estimate + 11, "{} bytes, said to be {}", size, estimate);
    }

    #[test]
    fn every_truncation_is_an_error(operations in operations()) {
        let whole = Bytes::from(encoded(operations));
        // Each place of a short batch; of a long one the beginning, the end, and some between.
        let step = whole.len() / 400 + 1;
        for length in (0..whole.len()).filter(|length| length % step == 0 || whole.len() - length < 100) {
            let part = whole.slice(..length);
            prop_assert!(decode_batch(&part).is_err(), "{} of {} bytes", length, whole.len());
            prop_assert!(decode_batch_whole(&part).is_err(), "{} of {} bytes", length, whole.len());
        }
    }

    #[test]
    fn bytes_left_over_are_an_error(operations in operations(), more in 1..20usize) {
        let mut bytes = encoded(operations);
        let length = bytes.len();
        bytes.extend(std::iter::repeat_n(0, more));
        let expected = DecodeError { problem: Problem::Trailing(more), at: length };
        prop_assert_eq!(decode_batch(&bytes).expect_err("bytes are left over"), expected);
    }

    #[test]
    fn random_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let bytes = Bytes::from(bytes);
        let _ = decode_batch_whole(&bytes);
        let _ = decode_message(&bytes);
        let mut versioned = vec![VERSION];
        versioned.extend_from_slice(&bytes);
        let _ = decode_batch_whole(&Bytes::from(versioned));
    }

    /// Nearly right bytes get further than random ones. Places of errors are within what was given.
    #[test]
    fn damaged_bytes_are_answered(
        operations in operations(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(operations);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let length = bytes.len();
        if let Err(error) = decode_batch_whole(&Bytes::from(bytes)) {
            prop_assert!(error.at <= length, "{} in {} bytes", error, length);
        }
    }
}

#[test]
fn other_versions_are_refused() {
    for found in [0, VERSION + 1, 255] {
        let error = DecodeError { problem: Problem::Version { found, reads: VERSION }, at: 0 };
        let batch = encoded(vec![Operation::RemoveDestination(DestinationId(1))]);
        let newer = [&[found], &batch[1..]].concat();
        assert_eq!(decode_batch(&newer), Err(error));

        // A header's version stands behind its length of two bytes.
        let mut message = Vec::new();
        encode_message(&Message::default(), &mut message);
        message[2] = found;
        let error = DecodeError { problem: Problem::Version { found, reads: HEADER_VERSION }, at: 2 };
        assert_eq!(decode_message(&Bytes::from(message)), Err(error));
    }
    let error = decode_batch(&[VERSION + 1]).expect_err("is newer");
    assert_eq!(error.to_string(), "version 3, but this program reads version 2 at byte 0");
}

#[test]
fn preparations_do_not_nest() {
    let inner = Operation::Prepare { xid: xid(), operations: vec![] };
    let outer = encoded(vec![Operation::Prepare { xid: xid(), operations: vec![inner] }]);
    assert_eq!(decode_batch(&outer).expect_err("nests").problem, Problem::Nested);
}

/// A batch with each operation and each field of a header: its bytes are written down in `fixtures/batch-2.hex`
/// and stay readable for ever. Where this fails the format has changed: that takes a new version, and a fixture
/// beside this one.
#[test]
fn encoding_is_what_it_was() {
    let fixture = include_str!("fixtures/batch-2.hex");
    let bytes = fixture
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect::<Vec<_>>();
    let operations = one_of_each();
    let found = encoded(operations.clone());
    assert!(found == bytes, "the encoding has changed to\n{}", hexadecimal(&found));
    assert_eq!(decode_batch_whole(&Bytes::from(bytes)).expect("decodes").operations, operations);
}

fn hexadecimal(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(24).map(line).collect::<Vec<_>>().join("\n")
}

fn xid() -> Xid {
    Xid { format: -2, global: Bytes::from_static(&[1, 0, 255]), branch: Bytes::new() }
}

fn one_of_each() -> Vec<Operation> {
    let header = Header {
        message_id: "ID:host-1-2:3:4:5:6".into(),
        timestamp: 1_700_000_000_123,
        expiration: -1,
        priority: 9,
        persistent: true,
        body_kind: BodyKind::Map,
        compressed: true,
        redeliveries: 300,
        correlation_id: Some("correlation".into()),
        reply_to: Some("temp-queue://ID:1".into()),
        message_type: Some("type".into()),
        user_id: Some("user".into()),
        group_id: Some("group".into()),
        group_sequence: -7,
        original_destination: Some("queue://Kahawai.Ā".into()),
        extras: vec![(64, Bytes::new()), (70_000, Bytes::from_static(b"extra"))],
        ..Header::default()
    };
    let full = Message {
        header,
        properties: Bytes::from_static(b"\x00\x00\x00\x01properties"),
        body: Bytes::from_static(b"the body\x00\xff"),
        ..Message::default()
    };
    let (queue, topic) = (DestinationId(1), DestinationId(300));
    let subscription = Subscription {
        id: SubscriptionId(2),
        destination: topic,
        client_id: "client".into(),
        name: "name".into(),
        selector: Some("a > 1".into()),
        no_local: true,
    };
    let plain =
        Subscription { id: SubscriptionId(3), selector: None, no_local: false, ..subscription.clone() };
    let enqueue = |id, message: &Message| Operation::Enqueue {
        id: MessageId(id),
        destination: queue,
        rank: 5,
        message: Arc::new(message.clone()),
    };
    let acknowledge = |destination, subscription| Operation::Acknowledge {
        destination,
        id: MessageId(1 << 40),
        cursor: Cursor { rank: 5, arrival: 300 },
        subscription,
    };
    let put = |value| Operation::Put { table: "producers".into(), key: Bytes::from_static(&[0, 1]), value };
    vec![
        Operation::CreateDestination(Destination {
            id: queue,
            kind: DestinationKind::Queue,
            name: "Ā.b".into(),
        }),
        Operation::CreateDestination(Destination {
            id: topic,
            kind: DestinationKind::Topic,
            name: "t".into(),
        }),
        Operation::RemoveDestination(DestinationId(u64::MAX)),
        Operation::Subscribe(subscription),
        Operation::Subscribe(plain),
        Operation::Unsubscribe(SubscriptionId(127)),
        enqueue(1 << 40, &full),
        enqueue(4, &Message::default()),
        acknowledge(queue, None),
        acknowledge(topic, Some(SubscriptionId(2))),
        Operation::Move {
            id: MessageId(4),
            from: queue,
            cursor: Cursor { rank: 9, arrival: 1 << 40 },
            to: DestinationId(9),
            rank: 255,
        },
        Operation::Prepare { xid: xid(), operations: vec![enqueue(5, &full), put(None)] },
        Operation::Decide { xid: xid(), outcome: Outcome::Commit },
        Operation::Decide { xid: xid(), outcome: Outcome::Rollback },
        put(Some(Bytes::from_static(b"value"))),
        put(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Encoded beforehand, a message is the same message, its bytes are the same, and so is the batch around it.
    #[test]
    fn sealed_messages_are_encoded_as_others(message in message(), id in any::<u64>()) {
        let sealed = seal(message.clone());
        prop_assert_eq!(&sealed, &message);
        let encode = |message: &Message| {
            let mut out = Vec::new();
            encode_message(message, &mut out);
            out
        };
        prop_assert_eq!(encode(&sealed), encode(&message));
        let enqueue = |message: Message| {
            let (id, destination) = (MessageId(id), DestinationId(1));
            encoded(vec![Operation::Enqueue { id, destination, rank: 3, message: Arc::new(message) }])
        };
        // A copy may be changed: it is encoded as it is then.
        let changed = Message { properties: Bytes::from_static(b"other"), ..sealed.clone() };
        prop_assert_eq!(encode(&changed), encode(&Message { properties: Bytes::from_static(b"other"), ..message.clone() }));
        prop_assert_eq!(enqueue(sealed), enqueue(message));
    }
}
