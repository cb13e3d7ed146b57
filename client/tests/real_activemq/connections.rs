//! Opening, keeping, losing and closing connections.

use std::time::Duration;

use kahawai_client::{
    ConnectOptions, Connection, Consumer, ConsumerOptions, Delivery, Destination, Error, ErrorKind, Loss,
    Message, Session,
};

use crate::support::broker;
use crate::support::{ActiveMq, receive, session, soon, texts};

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
