//! Two brokers in one process, and a bridge between them.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kahawai_broker::bridge::{NetworkConnector, Remote, RetryOptions};
use kahawai_broker::core::address::Address;
use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::ConsumerId;
use kahawai_openwire::message::{Message, MessageAck};
use kahawai_store::contract::StoreWait as _;
use kahawai_store::model::Memory;
use peer::{Peer, Setup, start, start_over, stored};

/// A connector to this broker that loses no time.
fn to(there: &Setup) -> NetworkConnector {
    let address = there.broker.addresses()[0];
    NetworkConnector {
        targets: vec![Remote::new(address.ip().to_string(), address.port()).into()],
        retry: RetryOptions {
            initial_reconnect_delay: Duration::from_millis(20),
            max_reconnect_delay: Duration::from_millis(20),
            ..RetryOptions::default()
        },
        ..NetworkConnector::default()
    }
}

async fn consume(peer: &mut Peer, value: i64, destination: Destination) {
    let id = ConsumerId { connection_id: peer.name.as_str().into(), session_id: 1, value };
    let info = ConsumerInfo {
        consumer_id: Some(Arc::new(id)),
        destination: Some(Arc::new(destination)),
        prefetch_size: 100_000,
        ..ConsumerInfo::default()
    };
    assert!(matches!(peer.ask(info.into()).await, Some(Command::Response(_))));
}

/// The next message that comes, acknowledged.
async fn take(peer: &mut Peer) -> Arc<Message> {
    loop {
        match peer.read().await.expect("it goes on") {
            Command::MessageDispatch(dispatch) => {
                let message = dispatch.message.clone().unwrap();
                let ack = MessageAck {
                    destination: dispatch.destination,
                    consumer_id: dispatch.consumer_id,
                    ack_type: MessageAck::INDIVIDUAL,
                    last_message_id: message.message_id.clone(),
                    message_count: 1,
                    ..MessageAck::default()
                };
                peer.next += 1;
                peer.write(&ack.into()).await;
                return message;
            }
            Command::KeepAliveInfo(_) | Command::Response(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn send(peer: &mut Peer, sequence: i64, to: Destination, persistent: bool) {
    let Command::Message(message) = peer.message(sequence, persistent, Bytes::from_static(b"body")) else {
        panic!("a message")
    };
    let message = Message { destination: Some(Arc::new(to)), ..Message::clone(&message) };
    assert!(matches!(peer.ask(message.into()).await, Some(Command::Response(_))));
}

fn sequence(message: &Message) -> i64 {
    message.message_id.as_ref().unwrap().producer_sequence_id
}

async fn taken(peer: &mut Peer) -> i64 {
    sequence(&*take(peer).await)
}

/// Waits until nothing is stored there.
async fn until_empty(setup: &Setup) {
    until_stored(setup, 0).await;
}

async fn until_stored(setup: &Setup, messages: u64) {
    tokio::time::timeout(Duration::from_secs(60), async {
        while stored(setup) != messages {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("so many are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wanted_there_crosses_once_in_order_and_is_gone_here() {
    let there = start(|config| config.broker_name = "there".into()).await;
    let here = start(|config| {
        config.broker_name = "here".into();
        config.network_connectors = vec![to(&there)];
    })
    .await;
    let mut sender = Peer::connect(&here).await;
    let mut consumer = Peer::connect(&there).await;
    for (value, persistent, queue) in [(1, true, "kept"), (2, false, "fleeting")] {
        for number in 1..=100 {
            send(&mut sender, number, Destination::queue(queue), persistent).await;
        }
        consume(&mut consumer, value, Destination::queue(queue)).await;
        for number in 1..=100 {
            let message = take(&mut consumer).await;
            assert_eq!((sequence(&message), message.persistent), (number, persistent));
            let id = message.message_id.as_ref().unwrap().producer_id.as_ref().unwrap();
            assert_eq!(id.connection_id.as_str(), sender.name);
            let path = message.broker_path.as_deref().unwrap();
            assert_eq!(path[..], [sender.broker.broker_id.clone().unwrap()]);
            assert_ne!(message.producer_id.as_ref().unwrap().connection_id.as_str(), sender.name);
        }
    }
    until_empty(&here).await;
    assert_eq!(stored(&there), 0);
    // It does not come back, and is nobody's here.
    here.broker.stop().await;
    there.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_come_and_go_say_what_crosses() {
    let there = start(|config| config.broker_name = "there".into()).await;
    let here = start(|config| config.network_connectors = vec![to(&there)]).await;
    let mut sender = Peer::connect(&here).await;
    let mut consumer = Peer::connect(&there).await;
    consume(&mut consumer, 1, Destination::topic("t.>")).await;
    // Until the demand has come nobody is there for what is sent.
    let mut number = 0;
    loop {
        number += 1;
        send(&mut sender, number, Destination::topic("t.a"), true).await;
        let got = tokio::time::timeout(Duration::from_millis(50), take(&mut consumer)).await;
        if let Ok(message) = got {
            assert_eq!(sequence(&message), number, "nothing comes twice");
            break;
        }
    }
    send(&mut sender, number + 1, Destination::topic("t.b"), false).await;
    let message = take(&mut consumer).await;
    assert_eq!(sequence(&message), number + 1);
    assert_eq!(message.destination.as_deref(), Some(&Destination::topic("t.b")));
    drop(consumer);
    // A queue nobody wants stays; who takes it here is first even where somebody there wants it.
    send(&mut sender, number + 2, Destination::queue("stays"), true).await;
    let mut own = Peer::connect(&here).await;
    consume(&mut own, 1, Destination::queue("stays")).await;
    assert_eq!(taken(&mut own).await, number + 2);
    let mut other = Peer::connect(&there).await;
    consume(&mut other, 1, Destination::queue("stays")).await;
    for more in 3..10 {
        send(&mut sender, number + more, Destination::queue("stays"), true).await;
        assert_eq!(taken(&mut own).await, number + more);
    }
    here.broker.stop().await;
    there.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_back_gets_the_rest_and_one_that_stops_leaves_nothing_undecided() {
    let memory = Memory::default();
    let there = start_over(&memory, 1, |config| config.broker_name = "there".into()).await;
    let address = there.broker.addresses()[0].to_string();
    let here = start(|config| config.network_connectors = vec![to(&there)]).await;
    let mut sender = Peer::connect(&here).await;
    let mut consumer = Peer::connect(&there).await;
    consume(&mut consumer, 1, Destination::queue("q")).await;
    send(&mut sender, 1, Destination::queue("q"), true).await;
    assert_eq!(taken(&mut consumer).await, 1);
    until_empty(&here).await;
    // Its acknowledgement has come there, too.
    until_empty(&there).await;
    there.broker.stop().await;
    for number in 2..=50 {
        send(&mut sender, number, Destination::queue("q"), true).await;
    }
    assert_eq!(stored(&here), 49);
    let there = start_over(&memory, 2, |config| {
        config.broker_name = "there".into();
        config.bind = vec![address.clone()];
    })
    .await;
    let mut consumer = Peer::connect(&there).await;
    consume(&mut consumer, 1, Destination::queue("q")).await;
    for number in 2..=50 {
        assert_eq!(taken(&mut consumer).await, number);
    }
    // Stopped under way, it waits for the answers: what is there is no longer here.
    for number in 51..=100 {
        send(&mut sender, number, Destination::queue("q"), true).await;
    }
    take(&mut consumer).await;
    here.broker.stop().await;
    let left: u64 = here.store.recover_wait().unwrap().destinations.iter().map(|found| found.messages).sum();
    let mut last = 51;
    while last + left < 100 {
        let next = taken(&mut consumer).await.unsigned_abs();
        assert_eq!(next, last + 1, "nothing comes twice");
        last = next;
    }
    until_empty(&there).await;
    assert_eq!(last + left, 100, "each is in one place");
    there.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_leads_back_bridges_nothing_and_ends_with_its_broker() {
    // It is told its own address.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let here = start(|config| {
        config.bind = vec![address.to_string()];
        config.network_connectors = vec![NetworkConnector {
            targets: vec![Remote::new("127.0.0.1", address.port()).into()],
            statically_included_destinations: vec![Address::queue("q")],
            ..NetworkConnector::default()
        }];
    })
    .await;
    let mut sender = Peer::connect(&here).await;
    send(&mut sender, 1, Destination::queue("q"), true).await;
    let mut own = Peer::connect(&here).await;
    consume(&mut own, 1, Destination::queue("q")).await;
    assert!(take(&mut own).await.broker_path.is_none());
    here.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_waits_for_the_answers_to_what_crossed() {
    let there = start(|config| config.broker_name = "there".into()).await;
    let mut connector = to(&there);
    connector.statically_included_destinations = vec![Address::queue("q")];
    let here = start(|config| config.network_connectors = vec![connector]).await;
    // What comes there is not durable yet, and so not answered.
    *there.store.late.lock().unwrap() = Some(Vec::new());
    let mut sender = Peer::connect(&here).await;
    send(&mut sender, 1, Destination::queue("q"), true).await;
    let has_come = || there.store.late.lock().unwrap().as_ref().is_some_and(|late| !late.is_empty());
    tokio::time::timeout(Duration::from_secs(60), async {
        while !has_come() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it crosses");
    let store = Arc::clone(&here.store);
    let stopping = tokio::spawn(here.broker.stop());
    assert!(matches!(sender.read().await, Some(Command::ShutdownInfo(_))));
    there.store.go_on();
    stopping.await.unwrap();
    let left = store.recover_wait().unwrap();
    assert_eq!(left.destinations.iter().map(|found| found.messages).sum::<u64>(), 0);
    until_stored(&there, 1).await;
    there.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_list_whichever_serves_is_bridged_to_without_a_wait_between() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    let second = start(|config| config.broker_name = "second".into()).await;
    let mut connector = to(&second);
    connector.targets[0].candidates.insert(0, Remote::new("127.0.0.1", closed.port()));
    // Who waits once does not come to the end of this test.
    let hour = Duration::from_secs(3600);
    connector.retry = RetryOptions {
        initial_reconnect_delay: hour,
        max_reconnect_delay: hour,
        min_connect_time: Duration::ZERO,
        ..RetryOptions::default()
    };
    let here = start(|config| config.network_connectors = vec![connector]).await;
    let mut sender = Peer::connect(&here).await;
    let mut consumer = Peer::connect(&second).await;
    consume(&mut consumer, 1, Destination::queue("q")).await;
    send(&mut sender, 1, Destination::queue("q"), true).await;
    assert_eq!(taken(&mut consumer).await, 1);
    until_empty(&here).await;

    let first = start(|config| config.bind = vec![closed.to_string()]).await;
    let mut consumer = Peer::connect(&first).await;
    consume(&mut consumer, 1, Destination::queue("q")).await;
    second.broker.stop().await;
    send(&mut sender, 2, Destination::queue("q"), true).await;
    assert_eq!(taken(&mut consumer).await, 2);
    until_empty(&here).await;
    here.broker.stop().await;
    first.broker.stop().await;
}

/// The same, both ways.
fn duplex(there: &Setup) -> NetworkConnector {
    NetworkConnector { duplex: true, ..to(there) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_duplex_bridge_messages_cross_both_ways_once_and_in_order() {
    let there = start(|config| config.broker_name = "there".into()).await;
    let here = start(|config| {
        config.broker_name = "here".into();
        config.network_connectors = vec![duplex(&there)];
    })
    .await;
    let (mut one, mut other) = (Peer::connect(&here).await, Peer::connect(&there).await);
    let (mut sender, mut sender_there) = (Peer::connect(&here).await, Peer::connect(&there).await);
    for (value, persistent) in [(1, true), (2, false)] {
        let (queue, topic) = (format!("q{value}"), format!("t{value}"));
        for number in 1..=100 {
            send(&mut one, number, Destination::queue(queue.as_str()), persistent).await;
            send(&mut other, number, Destination::queue(format!("{queue}.back")), persistent).await;
        }
        consume(&mut other, value, Destination::queue(queue.as_str())).await;
        consume(&mut one, value, Destination::queue(format!("{queue}.back"))).await;
        for number in 1..=100 {
            let (came, back) = (take(&mut other).await, take(&mut one).await);
            assert_eq!((sequence(&came), sequence(&back)), (number, number));
            let path = |message: &Message| message.broker_path.as_deref().unwrap().to_vec();
            assert_eq!(path(&came), [one.broker.broker_id.clone().unwrap()]);
            assert_eq!(path(&back), [other.broker.broker_id.clone().unwrap()]);
        }
        // Each of a topic gets each once: from its own broker, and from the other.
        consume(&mut one, 10 + value, Destination::topic(topic.as_str())).await;
        consume(&mut other, 10 + value, Destination::topic(topic.as_str())).await;
        until_bridged(&here, &topic).await;
        until_bridged(&there, &topic).await;
        send(&mut sender, 1000, Destination::topic(topic.as_str()), persistent).await;
        assert_eq!((taken(&mut one).await, taken(&mut other).await), (1000, 1000));
        send(&mut sender_there, 1001, Destination::topic(topic.as_str()), persistent).await;
        assert_eq!((taken(&mut other).await, taken(&mut one).await), (1001, 1001));
    }
    until_empty(&here).await;
    until_empty(&there).await;
    // Whoever stops first leaves nothing undecided; the other dials, or waits to be dialled.
    there.broker.stop().await;
    here.broker.stop().await;
}

/// Waits until a bridge consumes a topic at a broker.
async fn until_bridged(setup: &Setup, topic: &str) {
    let mut listener = Peer::connect(setup).await;
    consume(&mut listener, 1, Destination::topic(format!("ActiveMQ.Advisory.Consumer.Topic.{topic}"))).await;
    loop {
        let message = take(&mut listener).await;
        if let Some(DataStructure::Command(Command::ConsumerInfo(info))) = &message.data_structure
            && info.network_subscription
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dials_again_takes_the_place_of_its_own_duplex_bridge() {
    let there = start(|config| config.broker_name = "there".into()).await;
    let memory = Memory::default();
    let with = |config: &mut kahawai_broker::shell::config::BrokerConfig| {
        config.broker_name = "here".into();
        config.network_connectors = vec![duplex(&there)];
    };
    let here = start_over(&memory, 1, with).await;
    let (mut one, mut other) = (Peer::connect(&here).await, Peer::connect(&there).await);
    consume(&mut other, 1, Destination::queue("q")).await;
    send(&mut one, 1, Destination::queue("q"), true).await;
    assert_eq!(taken(&mut other).await, 1);
    until_empty(&here).await;
    // It is dropped without a word, and its socket stays open over there for a while at most.
    here.broker.abandon();
    let here = start_over(&memory, 2, with).await;
    let mut one = Peer::connect(&here).await;
    send(&mut one, 2, Destination::queue("q"), true).await;
    assert_eq!(taken(&mut other).await, 2);
    consume(&mut one, 1, Destination::queue("back")).await;
    send(&mut other, 3, Destination::queue("back"), true).await;
    assert_eq!(taken(&mut one).await, 3);
    here.broker.stop().await;
    there.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_triangle_a_topics_message_comes_once_to_whom_two_ways_lead() {
    let wide = |there: &Setup| NetworkConnector { message_ttl: 2, consumer_ttl: 2, ..duplex(there) };
    let far = start(|config| config.broker_name = "far".into()).await;
    let here = start(|config| {
        config.broker_name = "here".into();
        config.network_connectors = vec![wide(&far)];
    })
    .await;
    let topic = || Destination::topic("t");
    let mut consumer = Peer::connect(&far).await;
    consume(&mut consumer, 1, topic()).await;
    until_bridged(&here, "t").await;
    // Now there is a second way, over a third broker.
    let third = start(|config| {
        config.broker_name = "third".into();
        let (to_far, to_here) = (wide(&far), wide(&here));
        config.network_connectors = vec![
            NetworkConnector { name: "to-far".to_owned(), ..to_far },
            NetworkConnector { name: "to-here".to_owned(), ..to_here },
        ];
    })
    .await;
    until_bridged(&third, "t").await;
    let (mut sender, mut at_third) = (Peer::connect(&here).await, Peer::connect(&third).await);
    send(&mut at_third, 1, topic(), true).await;
    assert_eq!(taken(&mut consumer).await, 1);
    for number in 1001..=1050 {
        send(&mut sender, number, topic(), true).await;
    }
    let mut came = Vec::new();
    while came.last() != Some(&1050) {
        let next = taken(&mut consumer).await;
        // The first, of the third broker, may have two ways for a moment.
        if next > 1000 {
            came.push(next);
        }
    }
    assert_eq!(came, (1001..=1050).collect::<Vec<i64>>());
    third.broker.stop().await;
    here.broker.stop().await;
    far.broker.stop().await;
}
