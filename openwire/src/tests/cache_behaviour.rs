//! The caches: what is sent once, shared, evicted, and what remains after an error.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::wire_format;
use crate::command::Command;
use crate::destination::Destination;
use crate::error::EncodeError;
use crate::frame::take_frame;
use crate::ids::{MessageId, ProducerId};
use crate::message::Message;
use crate::text::Text;
use crate::wire_format::WireFormat;

fn message_of(producer: i64, queue: &str) -> Message {
    let producer_id =
        Arc::new(ProducerId { connection_id: "ID:host-1:1".into(), value: producer, session_id: 1 });
    Message {
        producer_id: Some(producer_id.clone()),
        destination: Some(Arc::new(Destination::queue(queue))),
        message_id: Some(MessageId { producer_id: Some(producer_id), ..MessageId::default() }),
        ..Message::default()
    }
}

fn encode(wire: &mut WireFormat, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    wire.encode(&message.clone().into(), &mut out).unwrap();
    take_frame(&mut out, usize::MAX).unwrap().unwrap()
}

fn decode(wire: &mut WireFormat, frame: Bytes) -> Arc<Message> {
    match wire.decode(frame).unwrap() {
        Command::Message(message) => message,
        other => panic!("{}", other.name()),
    }
}

fn contains(frame: &[u8], text: &str) -> bool {
    frame.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn an_object_goes_once_and_its_decoded_form_is_shared() {
    for tight in [false, true] {
        let mut sender = wire_format(12, tight, Some(1024), false);
        let mut receiver = wire_format(12, tight, Some(1024), false);
        let first = encode(&mut sender, &message_of(1, "stocks"));
        // Equal, not the same: value decides, not address.
        let second = encode(&mut sender, &message_of(1, "stocks"));
        assert!(contains(&first, "stocks") && contains(&first, "ID:host"));
        assert!(!contains(&second, "stocks") && !contains(&second, "ID:host"));
        let (first, second) = (decode(&mut receiver, first), decode(&mut receiver, second));
        assert_eq!(first, second);
        let destinations =
            [&first, &second].map(|message| Arc::as_ptr(message.destination.as_ref().unwrap()));
        assert_eq!(destinations[0], destinations[1]);
        let in_id = first.message_id.as_ref().and_then(|id| id.producer_id.as_ref()).unwrap();
        assert!(Arc::ptr_eq(in_id, second.producer_id.as_ref().unwrap()));
    }
}

#[test]
fn without_a_cache_everything_goes_each_time() {
    let mut sender = wire_format(12, true, None, false);
    let frames = [(); 2].map(|()| encode(&mut sender, &message_of(1, "stocks")));
    assert_eq!(frames[0], frames[1]);
    assert!(contains(&frames[1], "stocks"));
}

#[test]
fn the_oldest_objects_make_room() {
    let mut sender = wire_format(12, true, Some(110), false);
    let mut receiver = wire_format(12, true, Some(110), false);
    for round in 0..300 {
        let message = message_of(round, "stocks");
        let frame = encode(&mut sender, &message);
        // Ten slots stay across commands; each command adds a producer, every few evict the destination.
        assert_eq!(*decode(&mut receiver, frame), message);
    }
    let frame = encode(&mut sender, &message_of(0, "stocks"));
    assert!(contains(&frame, "ID:host"), "a producer of long ago was evicted");
}

#[test]
fn a_failed_command_leaves_no_trace() {
    for tight in [false, true] {
        let mut sender = wire_format(12, tight, Some(1024), false);
        let mut receiver = wire_format(12, tight, Some(1024), false);
        let too_long: Text = "x".repeat(70_000).into();
        let bad = Message { correlation_id: Some(too_long), ..message_of(1, "stocks") };
        let mut out = BytesMut::from(&b"before"[..]);
        let error = sender.encode(&bad.into(), &mut out).unwrap_err();
        assert!(matches!(error, EncodeError::TextTooLong { found: 70_000, .. }), "{error}");
        assert_eq!(out, b"before"[..]);
        let good = message_of(1, "stocks");
        let frame = encode(&mut sender, &good);
        assert!(contains(&frame, "stocks"), "the peer never saw the failed command's objects");
        assert_eq!(*decode(&mut receiver, frame), good);
        let frame = encode(&mut sender, &good);
        assert_eq!(*decode(&mut receiver, frame), good);
    }
}

#[test]
fn dispatching_shares_the_message_and_its_frame() {
    let mut sender = wire_format(12, true, Some(1024), false);
    let mut receiver = wire_format(12, true, Some(1024), false);
    let message = Message { content: Some(Bytes::from(vec![7; 100])), ..message_of(1, "stocks") };
    let frame = encode(&mut sender, &message);
    let range = frame.as_ptr_range();
    let decoded = decode(&mut receiver, frame);
    assert!(range.contains(&decoded.content.as_ref().unwrap().as_ptr()), "the body is a slice of the frame");
    let redelivered = decoded.with_redelivery_counter(3);
    assert_eq!(redelivered.content.as_ref().unwrap().as_ptr(), decoded.content.as_ref().unwrap().as_ptr());
    assert_eq!(redelivered.redelivery_counter, 3);
}

#[test]
fn failed_commands_use_up_no_slots() {
    let too_long: Text = "x".repeat(70_000).into();
    let bad = Message { correlation_id: Some(too_long), ..message_of(1, "stocks") };
    let mut sender = wire_format(12, true, Some(110), false);
    for _ in 0..50 {
        sender.encode(&bad.clone().into(), &mut BytesMut::new()).unwrap_err();
    }
    let mut fresh = wire_format(12, true, Some(110), false);
    for round in 0..200 {
        let message = message_of(round, "stocks");
        assert_eq!(encode(&mut sender, &message), encode(&mut fresh, &message));
    }
}
