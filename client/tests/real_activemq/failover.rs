//! `failover:` between a real master and its slave.

use std::collections::BTreeSet;

use kahawai_client::{
    Acknowledge, Connection, ConnectionState, ConsumerOptions, Destination, Error, Loss, Message,
};

use crate::espresso;
use crate::support::broker;
use crate::support::{ActiveMq, receive, soon, texts};

const OPTIONS: &str =
    "randomize=false&initialReconnectDelay=50&maxReconnectDelay=100&useExponentialBackOff=false";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_followed_by_its_slave_and_nothing_is_lost_or_comes_twice() {
    let Some((master, slave)) = ActiveMq::start_pair() else { return };
    let url = format!("failover:({},{})?{OPTIONS}", master.url, slave.url());
    let connection = soon(Connection::open(url)).await.unwrap();
    let session = connection.session().await.unwrap();
    let answers = connection.temporary_queue().await.unwrap();
    let mut answered = session.consumer(&*answers).await.unwrap();
    let mut consumer = session.consumer(Destination::queue("followed")).await.unwrap();
    let explicit = ConsumerOptions::queue("in hand").acknowledge(Acknowledge::Explicit);
    let mut explicit = session.consumer(explicit).await.unwrap();
    let other = session.producer(Destination::queue("in hand")).await.unwrap();
    soon(other.send("one")).await.unwrap();
    let in_hand = receive(&mut explicit).await;

    let transacted = connection.transacted_session().await.unwrap();
    let in_transaction = transacted.producer(Destination::queue("in a transaction")).await.unwrap();
    soon(in_transaction.send("before")).await.unwrap();

    let producer = session.producer(Destination::queue("followed")).await.unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..2000 {
            producer.send(format!("{number}")).await.unwrap();
        }
    });
    let mut received = BTreeSet::new();
    for _ in 0..200 {
        assert!(received.insert(receive(&mut consumer).await.text().unwrap().to_string()));
    }
    master.kill();
    let slave = tokio::task::spawn_blocking(move || slave.wait_master()).await.unwrap();
    while received.len() < 2000 {
        let text = receive(&mut consumer).await.text().unwrap().to_string();
        assert!(received.insert(text.clone()), "{text} came twice");
    }
    soon(sending).await.unwrap();

    soon(in_transaction.send("after")).await.unwrap();
    soon(transacted.commit()).await.unwrap();
    let mut committed = session.consumer(Destination::queue("in a transaction")).await.unwrap();
    assert_eq!(texts(&mut committed, 2).await, ["before", "after"]);

    // Its own still: the slave has sent it again, and takes the acknowledgement.
    soon(other.send("two")).await.unwrap();
    assert_eq!(receive(&mut explicit).await.text().unwrap(), "two");
    soon(in_hand.acknowledge()).await.unwrap();

    let producer = session.anonymous_producer().await.unwrap();
    soon(producer.send_to(&answers, Message::text("here").persistent(false))).await.unwrap();
    assert_eq!(receive(&mut answered).await.text().unwrap(), "here");
    assert!(matches!(connection.state().current(), ConnectionState::Connected { connections: 2, .. }));
    soon(connection.close()).await.unwrap();
    drop(slave);
}

#[tokio::test]
async fn a_broker_that_never_comes_is_given_up_as_the_address_says() {
    let url = "failover:(tcp://127.0.0.1:1)?maxReconnectAttempts=2&initialReconnectDelay=1";
    let error = soon(Connection::open(url)).await.unwrap_err();
    assert!(matches!(error, Error::Lost(Loss::NoBroker { rounds: 2, .. })), "{error:?}");
}

#[tokio::test]
async fn a_refused_login_is_told_at_once() {
    let broker = broker!();
    let url = format!("failover:({})?jms.clientID=only one", broker.url);
    let first = soon(Connection::open(url.as_str())).await.unwrap();
    let error = soon(Connection::open(url.as_str())).await.unwrap_err();
    assert_eq!(error.broker().unwrap().class, "javax.jms.InvalidClientIDException", "{error}");
    soon(first.close()).await.unwrap();
}

#[tokio::test]
async fn a_send_waits_for_a_broker_as_long_as_the_address_says() {
    let Some(broker) = ActiveMq::start() else { return };
    let url = format!("failover:({})?timeout=200&{OPTIONS}", broker.url);
    let connection = soon(Connection::open(url)).await.unwrap();
    let session = connection.session().await.unwrap();
    let producer = session.producer(Destination::queue("waiting")).await.unwrap();
    let mut states = connection.state();
    states.current();
    broker.kill();
    assert!(matches!(soon(states.changed()).await, Some(ConnectionState::Interrupted { .. })));
    let error = soon(producer.send("nobody is there")).await.unwrap_err();
    assert!(matches!(error, Error::NoBroker { .. }), "{error:?}");
    // Without a broker there is nobody to say goodbye to.
    soon(connection.close()).await.unwrap();
}

#[tokio::test]
async fn a_browser_sees_what_is_there_and_takes_nothing() {
    let broker = broker!();
    let session = crate::support::session(&broker).await;
    let producer = session.producer(Destination::queue("browsed")).await.unwrap();
    for number in 0..5 {
        soon(producer.send(Message::text(format!("{number}")).property("number", number))).await.unwrap();
    }
    for _ in 0..2 {
        let mut browser =
            session.consumer(ConsumerOptions::browse("browsed").selector("number > 1")).await.unwrap();
        let mut seen = Vec::new();
        while let Some(delivery) = soon(browser.next()).await {
            seen.push(delivery.unwrap().text().unwrap().to_string());
        }
        assert_eq!(seen, ["2", "3", "4"]);
    }
    let mut consumer = session.consumer(Destination::queue("browsed")).await.unwrap();
    assert_eq!(texts(&mut consumer, 5).await, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn lazily_all_is_acknowledged_in_the_end() {
    let broker = broker!();
    let session = crate::support::session(&broker).await;
    let producer = session.producer(Destination::queue("lazy")).await.unwrap();
    for number in 0..25 {
        soon(producer.send(format!("{number}"))).await.unwrap();
    }
    let lazy = ConsumerOptions::queue("lazy").acknowledge(Acknowledge::Lazy).prefetch(20);
    let mut consumer = session.consumer(lazy).await.unwrap();
    texts(&mut consumer, 25).await;
    soon(consumer.close()).await.unwrap();
    assert!(crate::support::is_drained(&session, "lazy").await);
}

#[tokio::test]
async fn the_readmes_example_works() {
    let broker = broker!();
    for url in [broker.url.clone(), format!("failover:({})", broker.url)] {
        soon(espresso::espresso(&url)).await.unwrap();
    }
}

#[test]
fn the_readme_shows_the_example() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../../examples/espresso.rs").replace("pub(crate) async fn", "async fn");
    let code = &example[example.find("use ").unwrap()..];
    assert!(readme.contains(&format!("```rust,no_run\n{code}```\n")), "examples/espresso.rs is another");
}
