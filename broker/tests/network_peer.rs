//! Another broker at the other end of a connection: what it says is kept, and told as ActiveMQ tells it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{BrokerId, ConsumerId, MessageId, ProducerId};
use kahawai_openwire::message::{Message, MessageDispatch, MessageKind};
use kahawai_store::model::Memory;
use peer::{Peer, start, start_over};

fn brokers(ids: &[&str]) -> Option<Arc<[Arc<BrokerId>]>> {
    Some(ids.iter().map(|id| Arc::new(BrokerId::new(*id))).collect())
}

fn consumer_id(connection: &str, value: i64) -> Arc<ConsumerId> {
    Arc::new(ConsumerId { connection_id: connection.into(), session_id: 1, value })
}

/// A message as a broker forwards it: named by who sent it there, and carrying the bridge's producer.
fn forwarded(peer: &Peer, sequence: i64, persistent: bool) -> Message {
    let producer =
        |connection: &str| Arc::new(ProducerId { connection_id: connection.into(), value: 1, session_id: 1 });
    Message {
        kind: MessageKind::Text,
        message_id: Some(MessageId {
            text_view: None,
            producer_id: Some(producer("ID:far-1")),
            producer_sequence_id: sequence,
            broker_sequence_id: 77,
        }),
        producer_id: Some(producer(&peer.name)),
        destination: Some(Arc::new(Destination::queue("q"))),
        persistent,
        broker_path: brokers(&["ID:one", "ID:two"]),
        ..Message::default()
    }
}

async fn dispatched(peer: &mut Peer) -> Box<MessageDispatch> {
    loop {
        if let Command::MessageDispatch(dispatch) = peer.read().await.expect("a dispatch") {
            return dispatch;
        }
    }
}

/// Gets a message that was forwarded, which must be as it was.
async fn get(peer: &mut Peer, persistent: bool, redelivered: i32) {
    let message = dispatched(peer).await.message.unwrap();
    let sent = forwarded(peer, 1, persistent);
    assert_eq!(message.broker_path, sent.broker_path);
    assert_eq!(message.redelivery_counter, redelivered);
    let (found, wanted) = (message.message_id.as_ref().unwrap(), sent.message_id.unwrap());
    assert_eq!((&found.producer_id, found.producer_sequence_id), (&wanted.producer_id, 1));
    assert_eq!(message.producer_id.as_ref().unwrap().value, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_message_has_been_is_kept_through_store_restart_and_redelivery() {
    for persistent in [true, false] {
        let memory = Memory::default();
        let mut setup = start_over(&memory, 1, |_| ()).await;
        let mut bridge = Peer::connect(&setup).await;
        let sent = forwarded(&bridge, 1, persistent).into();
        assert!(matches!(bridge.ask(sent).await, Some(Command::Response(_))));
        let mut consumer = Peer::connect(&setup).await;
        let (_, info) = consumer.consumer(10);
        consumer.send_request(info).await;
        get(&mut consumer, persistent, 0).await;
        // It goes without a word: what it had comes again.
        drop(consumer);
        if persistent {
            setup.broker.stop().await;
            setup = start_over(&memory, 2, |_| ()).await;
        }
        let mut again = Peer::connect(&setup).await;
        let (_, info) = again.consumer(10);
        again.send_request(info).await;
        // After a restart nobody knows that it was given out.
        get(&mut again, persistent, i32::from(!persistent)).await;
        setup.broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_brokers_consumer_stands_for_is_told_in_its_advisory_and_to_whom_comes_later() {
    let setup = start(|_| ()).await;
    let listen = |peer: &Peer| ConsumerInfo {
        consumer_id: Some(consumer_id(&peer.name, 9)),
        destination: Some(Arc::new(Destination::topic("ActiveMQ.Advisory.Consumer.>"))),
        prefetch_size: 100,
        ..ConsumerInfo::default()
    };
    let mut early = Peer::connect(&setup).await;
    early.send_request(listen(&early).into()).await;
    let mut bridge = Peer::connect(&setup).await;
    let plain = ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 1)),
        destination: Some(Arc::new(Destination::queue("q"))),
        prefetch_size: 1000,
        ..ConsumerInfo::default()
    };
    let far: Arc<[Arc<ConsumerId>]> = [consumer_id("ID:far-1:2", 3), consumer_id("ID:far-2", 4)].into();
    let network = ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 2)),
        network_subscription: true,
        broker_path: brokers(&["ID:one", "ID:two"]),
        network_consumer_path: Some(far),
        ..plain.clone()
    };
    for info in [&plain, &network] {
        assert!(matches!(bridge.ask(info.clone().into()).await, Some(Command::Response(_))));
    }
    let mut late = Peer::connect(&setup).await;
    late.send_request(listen(&late).into()).await;
    for listener in [&mut early, &mut late] {
        for sent in [&plain, &network] {
            let message = dispatched(listener).await.message.unwrap();
            let Some(DataStructure::Command(Command::ConsumerInfo(told))) = &message.data_structure else {
                panic!("{message:?}");
            };
            assert_eq!(told.consumer_id, sent.consumer_id);
            assert_eq!(told.network_subscription, sent.network_subscription);
            assert_eq!(told.broker_path, sent.broker_path);
            assert_eq!(told.network_consumer_path, sent.network_consumer_path);
        }
    }
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stands_for_too_many_or_for_a_name_without_end_is_refused() {
    let setup = start(|config| {
        config.limits.network_names_max = 3;
        config.limits.name_bytes_max = 100;
    })
    .await;
    let mut bridge = Peer::connect(&setup).await;
    let info = |bridge: &Peer, path: &[&str]| ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 1)),
        destination: Some(Arc::new(Destination::queue("q"))),
        broker_path: brokers(path),
        network_consumer_path: Some([consumer_id("ID:far", 1)].into()),
        ..ConsumerInfo::default()
    };
    for path in [&["a", "b", "c"][..], &[&"x".repeat(101)]] {
        let answer = bridge.ask(info(&bridge, path).into()).await;
        assert!(matches!(answer, Some(Command::ExceptionResponse(_))), "{answer:?}");
    }
    let answer = bridge.ask(info(&bridge, &["a", "b"]).into()).await;
    assert!(matches!(answer, Some(Command::Response(_))), "{answer:?}");
    setup.broker.stop().await;
}
