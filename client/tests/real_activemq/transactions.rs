//! Transactions, redelivery and the dead-letter queue.

use std::time::Duration;

use kahawai_client::{Acknowledge, Connection, ConsumerOptions, Destination, Value};

use crate::support::broker;
use crate::support::{is_drained, receive, soon, texts};

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
