//! Consumers and when their messages count as consumed.

use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use kahawai_client::{Acknowledge, ConsumerOptions, Delivery, Destination, ErrorKind, Result};

use crate::support::broker;
use crate::support::{is_drained, receive, session, soon, texts};

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
