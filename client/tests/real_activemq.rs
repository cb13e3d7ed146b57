//! Proves that the client's features work with a real ActiveMQ 5.17: each test is one feature, on destinations of its
//! own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use kahawai_client::{
    Acknowledge, Body, ConnectOptions, Connection, Consumer, ConsumerOptions, Delivery, Destination, Error,
    ErrorKind, Loss, Message, PrimitiveMap, Result, Session, Value,
};
use support::{ActiveMq, soon};

/// The broker that the tests share, or the end of the test.
macro_rules! broker {
    () => {
        match ActiveMq::shared() {
            Some(broker) => broker,
            None => return,
        }
    };
}

async fn session(broker: &ActiveMq) -> Session {
    soon(soon(Connection::open(broker.url.as_str())).await.unwrap().session()).await.unwrap()
}

async fn receive(consumer: &mut Consumer) -> Delivery {
    soon(consumer.next()).await.expect("the consumer ended").unwrap()
}

async fn texts(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(receive(consumer).await.text().unwrap().to_string());
    }
    texts
}

/// Whether nothing comes: proven by a message that comes instead, sent after all that might have.
async fn is_drained(session: &Session, queue: &str) -> bool {
    let producer = session.producer(Destination::queue(queue)).await.unwrap();
    producer.send("the end").await.unwrap();
    let mut consumer = session.consumer(ConsumerOptions::queue(queue)).await.unwrap();
    receive(&mut consumer).await.text().unwrap() == "the end"
}

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
async fn every_wire_format_that_a_url_can_ask_for_works() {
    let broker = broker!();
    for options in [
        "wireFormat.version=1",
        "wireFormat.version=6&wireFormat.tightEncodingEnabled=false",
        "wireFormat.version=9&wireFormat.cacheEnabled=false",
        "wireFormat.version=12&wireFormat.cacheSize=120&wireFormat.stackTraceEnabled=false",
        "wireFormat.tightEncodingEnabled=false&wireFormat.cacheEnabled=false&wireFormat.maxFrameSize=100000",
    ] {
        let connection = soon(Connection::open(format!("{}?{options}", broker.url))).await.unwrap();
        let session = connection.session().await.unwrap();
        let destination = Destination::queue("formats");
        let producer = session.producer(destination.clone()).await.unwrap();
        // More destinations and producers than the smallest cache has slots.
        for number in 0..130 {
            let destination = Destination::queue(format!("formats.{}", number % 2));
            let producer = session.producer(destination).await.unwrap();
            soon(producer.send(format!("{number}"))).await.unwrap();
        }
        soon(producer.send(options)).await.unwrap();
        let mut consumer = session.consumer(destination).await.unwrap();
        assert_eq!(receive(&mut consumer).await.text().unwrap(), options);
        let mut odd = session.consumer(Destination::queue("formats.1")).await.unwrap();
        let expected: Vec<_> = (0..65).map(|number| format!("{}", number * 2 + 1)).collect();
        assert_eq!(texts(&mut odd, 65).await, expected);
        let mut even = session.consumer(Destination::queue("formats.0")).await.unwrap();
        texts(&mut even, 65).await;
        drop((odd, even));
        soon(connection.close()).await.unwrap();
    }
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

#[tokio::test]
async fn messages_acknowledged_automatically_do_not_come_again() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("auto")).await.unwrap();
    for number in 0..3 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    let mut consumer = session.consumer(Destination::queue("auto")).await.unwrap();
    texts(&mut consumer, 2).await;
    soon(consumer.close()).await.unwrap();
    let mut consumer = session.consumer(Destination::queue("auto")).await.unwrap();
    let third = receive(&mut consumer).await;
    // Prefetched and never seen: not a redelivery.
    assert_eq!((third.text().unwrap().as_str(), third.is_redelivered()), ("2", false));
    drop(consumer);
    assert!(is_drained(&session, "auto").await);
}

#[tokio::test]
async fn messages_are_acknowledged_one_by_one_or_up_to_here() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("explicit")).await.unwrap();
    for number in 0..8 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    let options = ConsumerOptions::queue("explicit").acknowledge(Acknowledge::Explicit);
    let mut consumer = session.consumer(options.clone()).await.unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..6 {
        deliveries.push(receive(&mut consumer).await);
    }
    soon(deliveries[4].acknowledge()).await.unwrap();
    soon(deliveries[1].acknowledge()).await.unwrap();
    soon(deliveries[1].acknowledge()).await.unwrap();
    soon(deliveries[2].acknowledge_up_to_here()).await.unwrap();
    soon(consumer.close()).await.unwrap();
    assert_eq!(deliveries[3].acknowledge().await.unwrap_err().kind(), ErrorKind::Closed);

    let mut consumer = session.consumer(options).await.unwrap();
    for (text, redeliveries) in [("3", 1), ("5", 1), ("6", 0), ("7", 0)] {
        let delivery = receive(&mut consumer).await;
        assert_eq!((delivery.text().unwrap().as_str(), delivery.redeliveries()), (text, redeliveries));
        soon(delivery.acknowledge()).await.unwrap();
    }
    drop(consumer);
    assert!(is_drained(&session, "explicit").await);
}

#[tokio::test]
async fn more_than_the_prefetch_can_be_held_unacknowledged() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("window")).await.unwrap();
    for number in 0..60 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    for prefetch in [1, 2, 10] {
        let options = ConsumerOptions::queue("window").acknowledge(Acknowledge::Explicit).prefetch(prefetch);
        let mut consumer = session.consumer(options).await.unwrap();
        let mut last = None;
        for _ in 0..20 {
            last = Some(receive(&mut consumer).await);
        }
        soon(last.unwrap().acknowledge_up_to_here()).await.unwrap();
        soon(consumer.close()).await.unwrap();
    }
    assert!(is_drained(&session, "window").await);
}

#[tokio::test]
async fn without_prefetch_each_message_is_asked_for() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("pull")).await.unwrap();
    let mut slow = session.consumer(ConsumerOptions::queue("pull").prefetch(0)).await.unwrap();
    for number in 0..4 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    assert_eq!(texts(&mut slow, 2).await, ["0", "1"]);
    // The rest is not held by the first consumer, although it is open.
    let mut other = session.consumer(ConsumerOptions::queue("pull").prefetch(0)).await.unwrap();
    assert_eq!(texts(&mut other, 2).await, ["2", "3"]);
    let waiting = tokio::time::timeout(Duration::from_millis(50), slow.next()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    soon(producer.send("late")).await.unwrap();
    assert_eq!(texts(&mut slow, 1).await, ["late"]);
}

#[tokio::test]
async fn a_transaction_is_seen_when_it_commits_and_forgotten_when_it_does_not() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let transacted = connection.transacted_session().await.unwrap();
    let producer = transacted.producer(Destination::queue("transaction")).await.unwrap();
    let mut consumer = session.consumer(Destination::queue("transaction")).await.unwrap();

    soon(transacted.commit()).await.unwrap();
    soon(transacted.rollback()).await.unwrap();
    producer.send("rolled back").await.unwrap();
    soon(transacted.rollback()).await.unwrap();
    for text in ["a", "b"] {
        producer.send(text).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), consumer.next()).await.is_err());
    soon(transacted.commit()).await.unwrap();
    assert_eq!(texts(&mut consumer, 2).await, ["a", "b"]);

    producer.send("never committed").await.unwrap();
    drop(producer);
    drop(transacted);
    drop(consumer);
    assert!(is_drained(&session, "transaction").await);
}

#[tokio::test]
async fn what_a_transaction_received_comes_again_until_it_commits() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let transacted = connection.transacted_session().await.unwrap();
    let producer = session.producer(Destination::queue("consumed")).await.unwrap();
    for number in 0..5 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    let mut consumer = transacted.consumer(ConsumerOptions::queue("consumed").prefetch(2)).await.unwrap();
    assert_eq!(texts(&mut consumer, 2).await, ["0", "1"]);
    soon(transacted.commit()).await.unwrap();
    for round in 0..3 {
        for text in ["2", "3"] {
            let delivery = receive(&mut consumer).await;
            assert_eq!((delivery.text().unwrap().as_str(), delivery.redeliveries()), (text, round));
            // In a transaction it is the commit that counts.
            soon(delivery.acknowledge()).await.unwrap();
        }
        soon(transacted.rollback()).await.unwrap();
    }
    assert_eq!(texts(&mut consumer, 3).await, ["2", "3", "4"]);
    // Closed before the end of its transaction, it still takes part in it.
    soon(consumer.close()).await.unwrap();
    soon(transacted.commit()).await.unwrap();
    assert!(is_drained(&session, "consumed").await);
}

#[tokio::test]
async fn a_closed_consumer_of_a_rolled_back_transaction_gives_its_messages_back() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let transacted = connection.transacted_session().await.unwrap();
    let producer = session.producer(Destination::queue("given-back")).await.unwrap();
    soon(producer.send("again")).await.unwrap();
    let mut consumer = transacted.consumer(Destination::queue("given-back")).await.unwrap();
    assert_eq!(texts(&mut consumer, 1).await, ["again"]);
    drop(consumer);
    soon(transacted.rollback()).await.unwrap();
    let mut consumer = session.consumer(Destination::queue("given-back")).await.unwrap();
    let delivery = receive(&mut consumer).await;
    assert_eq!((delivery.text().unwrap().as_str(), delivery.redeliveries()), ("again", 1));
}

#[tokio::test]
async fn poison_goes_to_the_dead_letter_queue() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let transacted = connection.transacted_session().await.unwrap();
    let producer = session.producer(Destination::queue("poison")).await.unwrap();
    let mut dead = session.consumer(Destination::queue("ActiveMQ.DLQ")).await.unwrap();

    soon(producer.send("rolled back too often")).await.unwrap();
    let options = ConsumerOptions::queue("poison").redeliveries_max(Some(2));
    let mut consumer = transacted.consumer(options).await.unwrap();
    for redeliveries in 0..=2 {
        assert_eq!(receive(&mut consumer).await.redeliveries(), redeliveries);
        soon(transacted.rollback()).await.unwrap();
    }
    let delivery = receive(&mut dead).await;
    assert_eq!(delivery.text().unwrap(), "rolled back too often");
    drop(consumer);

    soon(producer.send("rejected")).await.unwrap();
    let options = ConsumerOptions::queue("poison").acknowledge(Acknowledge::Explicit);
    let mut consumer = session.consumer(options).await.unwrap();
    soon(receive(&mut consumer).await.reject("not to my taste")).await.unwrap();
    let delivery = receive(&mut dead).await;
    assert_eq!(delivery.text().unwrap(), "rejected");
    let Some(Value::Text(cause)) = delivery.property("dlqDeliveryFailureCause").unwrap() else {
        panic!("no cause: {:?}", delivery.properties())
    };
    assert!(cause.contains("not to my taste"), "{cause}");
}

#[tokio::test]
async fn topics_go_to_every_consumer_that_is_there() {
    let broker = broker!();
    let session = session(&broker).await;
    let topic = Destination::topic("news");
    let producer = session.producer(topic.clone()).await.unwrap();
    soon(producer.send("before")).await.unwrap();
    let mut first = session.consumer(&topic).await.unwrap();
    let mut second = session.consumer(ConsumerOptions::topic("news").selector("grade > 1")).await.unwrap();
    soon(producer.send(Message::text("one").property("grade", 1))).await.unwrap();
    soon(producer.send(Message::text("two").property("grade", 2))).await.unwrap();
    assert_eq!(texts(&mut first, 2).await, ["one", "two"]);
    assert_eq!(texts(&mut second, 1).await, ["two"]);
}

#[tokio::test]
async fn topic_windows_move_on_in_every_mode() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let transacted = connection.transacted_session().await.unwrap();
    let options = ConsumerOptions::topic("windows").prefetch(4);
    let mut auto = session.consumer(options.clone()).await.unwrap();
    let mut explicit = session.consumer(options.clone().acknowledge(Acknowledge::Explicit)).await.unwrap();
    let mut committed = transacted.consumer(options).await.unwrap();
    let producer = session.producer(Destination::topic("windows")).await.unwrap();
    for number in 0..40 {
        soon(producer.send(number.to_string())).await.unwrap();
    }
    for number in 0..40 {
        let text = number.to_string();
        assert_eq!(texts(&mut auto, 1).await, [text.as_str()]);
        let delivery = receive(&mut explicit).await;
        assert_eq!(delivery.text().unwrap(), text.as_str());
        if number % 10 == 9 {
            soon(delivery.acknowledge_up_to_here()).await.unwrap();
        }
        assert_eq!(texts(&mut committed, 1).await, [text.as_str()]);
        if number % 10 == 9 {
            soon(transacted.commit()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_durable_subscription_waits_for_its_subscriber() {
    let broker = broker!();
    let connect = || ConnectOptions::new().client_id("durable").open(broker.url.as_str());
    let options = ConsumerOptions::durable("durable.news", "paper");
    let connection = soon(connect()).await.unwrap();
    drop(connection.session().await.unwrap().consumer(options.clone()).await.unwrap());
    soon(connection.close()).await.unwrap();

    let other = session(&broker).await;
    let producer = other.producer(Destination::topic("durable.news")).await.unwrap();
    for number in 0..3 {
        soon(producer.send(number.to_string())).await.unwrap();
    }

    let connection = soon(connect()).await.unwrap();
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(options.clone()).await.unwrap();
    assert_eq!(texts(&mut consumer, 3).await, ["0", "1", "2"]);
    let in_use = connection.unsubscribe("paper").await.unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::Broker, "{in_use}");
    soon(consumer.close()).await.unwrap();
    soon(connection.unsubscribe("paper")).await.unwrap();
    let unknown = connection.unsubscribe("paper").await.unwrap_err();
    assert_eq!(unknown.broker().unwrap().class, "javax.jms.InvalidDestinationException");

    soon(producer.send("to nobody")).await.unwrap();
    let mut consumer = session.consumer(options).await.unwrap();
    soon(producer.send("to a new subscription")).await.unwrap();
    assert_eq!(texts(&mut consumer, 1).await, ["to a new subscription"]);
    soon(consumer.close()).await.unwrap();
    soon(connection.unsubscribe("paper")).await.unwrap();
}

#[tokio::test]
async fn a_durable_subscription_needs_a_client_id() {
    let broker = broker!();
    let session = session(&broker).await;
    let refused = session.consumer(ConsumerOptions::durable("durable.news", "anonymous")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn a_question_is_answered_over_a_temporary_queue() {
    let broker = broker!();
    let answering = session(&broker).await;
    let asking = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let answers = soon(asking.temporary_queue()).await.unwrap();
    let session = asking.session().await.unwrap();
    let mut answer = session.consumer(Destination::from(&answers)).await.unwrap();

    let mut questions = answering.consumer(Destination::queue("questions")).await.unwrap();
    let server = tokio::spawn(async move {
        let question = receive(&mut questions).await;
        let reply = answering.anonymous_producer().await.unwrap();
        let text = format!("{}, indeed", question.text().unwrap());
        let message = Message::text(text).correlation_id(question.correlation_id().unwrap());
        soon(reply.send_to(question.reply_to().unwrap(), message)).await.unwrap();
        (answering, question.reply_to().unwrap().clone())
    });
    let producer = session.producer(Destination::queue("questions")).await.unwrap();
    soon(producer.send(Message::text("well").reply_to(&answers).correlation_id("1"))).await.unwrap();
    let delivery = receive(&mut answer).await;
    assert_eq!((delivery.text().unwrap().as_str(), delivery.correlation_id()), ("well, indeed", Some("1")));

    let (answering, reply_to) = server.await.unwrap();
    let in_use = answers.clone().delete(&asking).await.unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::Usage, "{in_use}");
    let stranger = answering.consumer(&reply_to).await.unwrap_err();
    assert_eq!(stranger.kind(), ErrorKind::Usage, "{stranger}");
    soon(answer.close()).await.unwrap();
    soon(answers.delete(&asking)).await.unwrap();
    let gone = answering.anonymous_producer().await.unwrap().send_to(&reply_to, "late").await.unwrap_err();
    assert_eq!(gone.broker().unwrap().class, "org.apache.activemq.DestinationDoesNotExistException");
}

#[tokio::test]
async fn a_refusal_names_its_class_and_the_connection_goes_on() {
    let broker = broker!();
    let session = session(&broker).await;
    let selector = ConsumerOptions::queue("refusals").selector("this is = no selector (");
    let Err(Error::Broker(refusal)) = session.consumer(selector).await else { panic!("accepted") };
    assert_eq!(refusal.class, "javax.jms.InvalidSelectorException");
    assert!(refusal.message.contains("no selector"), "{refusal}");
    soon(session.producer(Destination::queue("refusals")).await.unwrap().send("fine")).await.unwrap();

    let connect = || ConnectOptions::new().client_id("taken").open(broker.url.as_str());
    let first = soon(connect()).await.unwrap();
    let Err(Error::Broker(refusal)) = connect().await else { panic!("accepted") };
    assert_eq!(refusal.class, "javax.jms.InvalidClientIDException");
    soon(first.close()).await.unwrap();
    soon(connect()).await.unwrap();
}

#[tokio::test]
async fn user_and_password_reach_the_broker() {
    // A broker without users takes any; that they are in the command is proven by the protocol's transcripts.
    let broker = broker!();
    let options = ConnectOptions::new().user_and_password("user", "password");
    soon(soon(options.open(broker.url.as_str())).await.unwrap().close()).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_kept_alive_by_both_sides() {
    let broker = broker!();
    let options = "wireFormat.maxInactivityDuration=300&wireFormat.maxInactivityDurationInitalDelay=100";
    let connection = soon(Connection::open(format!("{}?{options}", broker.url))).await.unwrap();
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(Destination::queue("idle")).await.unwrap();
    // Many times the duration in silence; the waiting itself is what is tested.
    let nothing = tokio::time::timeout(Duration::from_millis(2000), consumer.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    soon(session.producer(Destination::queue("idle")).await.unwrap().send("still here")).await.unwrap();
    assert_eq!(texts(&mut consumer, 1).await, ["still here"]);
}

#[tokio::test]
async fn closing_ends_everything_cleanly() {
    let broker = broker!();
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let producer = session.producer(Destination::queue("closing")).await.unwrap();
    let mut consumer = session.consumer(Destination::queue("closing")).await.unwrap();
    let mut of_closed_session = {
        let session = connection.session().await.unwrap();
        let consumer = session.consumer(Destination::queue("closing")).await.unwrap();
        soon(session.close()).await.unwrap();
        consumer
    };
    assert!(soon(of_closed_session.next()).await.is_none());
    let waiting = tokio::spawn(async move { consumer.next().await.is_none() });
    soon(connection.close()).await.unwrap();
    soon(connection.close()).await.unwrap();
    assert!(soon(waiting).await.unwrap());
    assert_eq!(producer.send("late").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(connection.session().await.unwrap_err().kind(), ErrorKind::Closed);
    soon(producer.close()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_connection_leaves_nothing_behind() {
    let broker = broker!();
    let connect = || ConnectOptions::new().client_id("dropped").open(broker.url.as_str());
    let session = soon(soon(connect()).await.unwrap().session()).await.unwrap();
    let producer = session.producer(Destination::queue("dropped")).await.unwrap();
    producer.send(Message::text("sent before the end").persistent(false)).await.unwrap();
    drop((producer, session));
    // The client id is free again as soon as the broker has read the goodbye.
    let connection = soon(async {
        loop {
            match connect().await {
                Ok(connection) => break connection,
                Err(error) => assert_eq!(error.broker().unwrap().class, "javax.jms.InvalidClientIDException"),
            }
        }
    })
    .await;
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(Destination::queue("dropped")).await.unwrap();
    assert_eq!(texts(&mut consumer, 1).await, ["sent before the end"]);
}

#[tokio::test]
async fn a_broker_that_dies_is_told_to_all_who_wait() {
    let Some(broker) = ActiveMq::start() else { return };
    let connection = soon(Connection::open(broker.url.as_str())).await.unwrap();
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(Destination::queue("death")).await.unwrap();
    let waiting = tokio::spawn(async move { (consumer.next().await, consumer.next().await.is_none()) });
    let url = broker.url.clone();
    broker.kill();
    let (error, is_last) = soon(waiting).await.unwrap();
    let Some(Err(Error::Lost(loss))) = error else { panic!("{error:?}") };
    assert!(matches!(loss, Loss::EndOfStream | Loss::Io(_)), "{loss}");
    assert!(is_last);
    let error = connection.session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    let error = soon(Connection::open(url)).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_consumer_is_a_stream() {
    let broker = broker!();
    let session = session(&broker).await;
    let producer = session.producer(Destination::queue("stream")).await.unwrap();
    soon(producer.send("item")).await.unwrap();
    let mut stream: Pin<Box<dyn Stream<Item = Result<Delivery>> + Send>> =
        Box::pin(session.consumer(Destination::queue("stream")).await.unwrap());
    let item = soon(std::future::poll_fn(|context| stream.as_mut().poll_next(context))).await;
    assert_eq!(item.unwrap().unwrap().text().unwrap(), "item");
}

/// What handles promise, checked by the compiler.
#[test]
fn handles_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Connection>();
    check::<Session>();
    check::<kahawai_client::TransactedSession>();
    check::<kahawai_client::Producer>();
    check::<Consumer>();
    check::<Delivery>();
    check::<Error>();
}
