//! What is sent arrives as it was sent.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kahawai_client::{Body, ConsumerOptions, Destination, Error, ErrorKind, Message, PrimitiveMap, Value};

use crate::support::broker;
use crate::support::{receive, session, soon, texts};

#[tokio::test]
async fn headers_and_properties_arrive_as_they_were_sent() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("headers")).await.unwrap();
    let message = Message::text("Ünïcode 😀 \0 text")
        .property("boolean", true)
        .property("byte", -3i8)
        .property("short", 300i16)
        .property("int", 7)
        .property("long", i64::MIN)
        .property("float", 1.5f32)
        .property("double", -2.25)
        .property("text", "value")
        .priority(9)
        .time_to_live(Duration::from_secs(600))
        .reply_to(Destination::topic("answers"))
        .correlation_id("correlation")
        .message_type("type")
        .group("group")
        .group_sequence(5);
    let before = SystemTime::now() - Duration::from_millis(1);
    soon(producer.send(message)).await.unwrap();

    let mut consumer = session.consumer(Destination::queue("headers")).await.unwrap();
    let delivery = receive(&mut consumer).await;
    assert_eq!(delivery.text().unwrap(), "Ünïcode 😀 \0 text");
    let properties: PrimitiveMap = delivery.properties().unwrap();
    for (name, value) in [
        ("boolean", Value::Boolean(true)),
        ("byte", Value::Byte(-3)),
        ("short", Value::Short(300)),
        ("int", Value::Integer(7)),
        ("long", Value::Long(i64::MIN)),
        ("float", Value::Float(1.5)),
        ("double", Value::Double(-2.25)),
        ("text", Value::Text("value".into())),
    ] {
        assert_eq!(properties.get(name), Some(&value), "{name}");
    }
    assert_eq!(delivery.property("absent").unwrap(), None);
    assert_eq!(delivery.priority(), 9);
    assert!(delivery.is_persistent());
    assert_eq!(delivery.destination(), Some(&Destination::queue("headers")));
    assert_eq!(delivery.reply_to(), Some(&Destination::topic("answers")));
    assert_eq!(delivery.correlation_id(), Some("correlation"));
    assert_eq!(delivery.message_type(), Some("type"));
    assert_eq!((delivery.group(), delivery.group_sequence()), (Some("group"), 5));
    assert_eq!((delivery.redeliveries(), delivery.is_redelivered()), (0, false));
    let sent = delivery.timestamp().unwrap();
    assert!(sent >= before && sent <= SystemTime::now());
    assert_eq!(delivery.expiration().unwrap().duration_since(sent).unwrap(), Duration::from_secs(600));
    assert!(delivery.message_id().unwrap().starts_with("ID:kahawai-"));
}

#[tokio::test]
async fn every_kind_of_body_arrives_typed_and_untouched() {
    let broker = broker!();
    let session = session(&broker).await;
    let destination = Destination::queue("bodies");
    let producer = session.producer(destination.clone()).await.unwrap();
    let mut consumer = session.consumer(destination).await.unwrap();

    let map: PrimitiveMap =
        [("a", Value::Integer(1)), ("b", Value::Bytes(Bytes::from_static(b"\0\xff")))].into_iter().collect();
    let stream =
        vec![Value::Byte(1), Value::Char(0x20ac), Value::Null, Value::Text("x".repeat(40_000).into())];
    let large = Bytes::from((0..3_000_000u32).map(|number| number as u8).collect::<Vec<_>>());
    for (message, body) in [
        (Message::empty(), Body::Empty),
        (Message::text("text"), Body::Text("text".into())),
        (Message::bytes(&b"\0\x01\xff"[..]), Body::Bytes(Bytes::from_static(b"\0\x01\xff"))),
        (Message::bytes(large.clone()), Body::Bytes(large)),
        (Message::map(map.clone()), Body::Map(map)),
        (Message::stream(stream.clone()), Body::Stream(stream)),
    ] {
        soon(producer.send(message)).await.unwrap();
        assert_eq!(receive(&mut consumer).await.body().unwrap(), body);
    }
    soon(producer.send(Message::bytes(&b"x"[..]))).await.unwrap();
    let wrong_kind = receive(&mut consumer).await.text().unwrap_err();
    assert!(matches!(wrong_kind, Error::UnexpectedBody { found: "bytes", expected: "text" }), "{wrong_kind}");
}

#[tokio::test]
async fn many_sends_are_in_flight_and_all_are_confirmed_in_order() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("in-flight")).await.unwrap();
    let mut confirms = Vec::new();
    for number in 0..500 {
        confirms.push(soon(producer.start_send(format!("{number}"))).await.unwrap());
    }
    for confirm in confirms {
        soon(confirm).await.unwrap();
    }
    let mut consumer = session.consumer(ConsumerOptions::queue("in-flight").prefetch(7)).await.unwrap();
    let expected: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(texts(&mut consumer, 500).await, expected);
}

#[tokio::test]
async fn non_persistent_messages_go_without_an_answer() {
    let broker = broker!();
    let session = session(&broker).await;
    let destination = Destination::topic("non-persistent");
    let mut consumer = session.consumer(&destination).await.unwrap();
    let producer = session.producer(destination).await.unwrap();
    for number in 0..2000 {
        producer.send(Message::text(number.to_string()).persistent(false)).await.unwrap();
    }
    for number in 0..2000 {
        let delivery = receive(&mut consumer).await;
        assert!(!delivery.is_persistent());
        assert_eq!(delivery.text().unwrap(), number.to_string().as_str());
    }
}

#[tokio::test]
async fn one_producer_sends_to_many_destinations() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.anonymous_producer().await.unwrap();
    for name in ["anonymous.a", "anonymous.b"] {
        soon(producer.send_to(&Destination::queue(name), name)).await.unwrap();
        let mut consumer = session.consumer(Destination::queue(name)).await.unwrap();
        assert_eq!(receive(&mut consumer).await.text().unwrap(), name);
    }
    assert_eq!(producer.send("nowhere").await.unwrap_err().kind(), ErrorKind::Usage);
}
