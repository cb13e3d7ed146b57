//! The whole broker over loopback, with a small hand-made peer: a message there and back, an orderly stop, silence after
//! mastership is lost or unproven, and peers that behave badly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use kahawai_broker::{Slaves, TakeSlaves};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{
    ConnectionControl, ConnectionInfo, KeepAliveInfo, RemoveInfo, ShutdownInfo,
};
use kahawai_openwire::ids::{ConnectionId, RemovedId};
use kahawai_openwire::message::MessageAck;
use kahawai_store::contract::StoreWait;
use peer::{Peer, start, stored};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_there_and_back_and_the_broker_stops_in_good_order() {
    let setup = start(|_| ()).await;
    let mut peer = Peer::connect(&setup).await;
    let sent = peer.message(1, true, Bytes::from_static(b"hello"));
    assert!(matches!(peer.ask(sent).await, Some(Command::Response(_))));
    assert_eq!(stored(&setup), 1);
    let (id, consumer) = peer.consumer(10);
    assert!(matches!(peer.ask(consumer).await, Some(Command::Response(_))));
    let Some(Command::MessageDispatch(dispatch)) = peer.read().await else { panic!("no dispatch") };
    let message = dispatch.message.unwrap();
    assert_eq!(message.content.as_deref(), Some(&b"hello"[..]));
    let last = message.message_id.clone();
    let ack = MessageAck {
        consumer_id: Some(id),
        ack_type: MessageAck::STANDARD,
        first_message_id: last.clone(),
        last_message_id: last,
        message_count: 1,
        ..MessageAck::default()
    };
    assert!(matches!(peer.ask(ack.into()).await, Some(Command::Response(_))));
    assert_eq!(stored(&setup), 0);
    let address = setup.broker.addresses()[0];
    setup.broker.stop().await;
    assert!(matches!(peer.read().await, Some(Command::ShutdownInfo(_))));
    assert!(peer.read().await.is_none());
    assert!(TcpStream::connect(address).await.is_err());
    assert!(setup.store.recover_wait().is_ok(), "the store is its owner's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_out_on_an_old_proof_until_there_is_a_new_one() {
    let setup = start(|config| config.lease = Duration::from_secs(2)).await;
    let mut peer = Peer::connect(&setup).await;
    let proving = setup.hold.proving.lock().unwrap();
    *setup.hold.age.lock().unwrap() = Duration::from_millis(1001);
    let sent = peer.message(1, false, Bytes::from_static(b"x"));
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(peer.send_request(sent)));
    let mut byte = [0];
    let silence = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async {
            tokio::time::timeout(Duration::from_millis(300), peer.stream.peek(&mut byte)).await
        })
    });
    assert!(silence.is_err(), "it answered on an old proof");
    drop(proving);
    assert!(matches!(peer.read().await, Some(Command::Response(_))));
    setup.broker.stop().await;
}

/// A master whose slave is gone.
struct LooksForOne;

impl TakeSlaves for LooksForOne {
    fn take(&self, _: std::net::TcpStream, _: std::net::SocketAddr, _: Bytes) {}

    fn looks_for_one(&self) -> bool {
        true
    }

    fn lets_clients_in(&self) -> bool {
        true
    }
}

/// One of its pair has to hear who is there before it can say that it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_slave_is_looked_for_whoever_connects_is_greeted_and_told_nothing_else() {
    let setup = start(|config| config.slaves = Slaves(Some(Arc::new(LooksForOne)))).await;
    *setup.hold.age.lock().unwrap() = Duration::from_secs(9);
    let stepped_down = setup.broker.stepped_down();
    setup.hold.lost.store(true, Ordering::Release);
    let mut peer = Peer::negotiated(&setup).await;
    let connection = ConnectionInfo {
        connection_id: Some(Arc::new(ConnectionId::new("ID:greeted"))),
        client_id: Some("greeted".into()),
        ..ConnectionInfo::default()
    };
    assert!(peer.ask(connection.into()).await.is_none(), "it said more than its greeting");
    assert!(stepped_down.await.0.contains("lost"));
    setup.broker.abandon();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_wakes_up_replaced_answers_nobody_and_steps_down() {
    let setup = start(|_| ()).await;
    let mut peer = Peer::connect(&setup).await;
    let stepped_down = setup.broker.stepped_down();
    setup.hold.lost.store(true, Ordering::Release);
    *setup.hold.age.lock().unwrap() = Duration::from_secs(9);
    let sent = peer.message(1, false, Bytes::from_static(b"x"));
    assert!(peer.ask(sent).await.is_none(), "it answered");
    assert!(stepped_down.await.0.contains("lost"));
    setup.broker.abandon();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lost_its_mastership_leaves_senders_unanswered() {
    let setup = start(|_| ()).await;
    let mut peer = Peer::connect(&setup).await;
    setup.store.lost.store(true, Ordering::Release);
    let sent = peer.message(1, true, Bytes::from_static(b"x"));
    assert!(peer.ask(sent).await.is_none(), "it answered");
    let why = setup.broker.stepped_down().await;
    assert!(why.0.contains("mastership"));
    setup.broker.abandon();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_who_it_is_is_told_and_closed_in_time() {
    let setup = start(|config| config.connection_timeout = Duration::from_millis(200)).await;
    let mut quiet = Peer::open(&setup).await;
    assert!(matches!(quiet.read().await, Some(Command::WireFormatInfo(_))));
    let Some(Command::ConnectionError(error)) = quiet.read().await else { panic!("not told") };
    assert!(error.exception.unwrap().message.unwrap().contains("connectionTimeout"));
    assert!(quiet.read().await.is_none());
    setup.broker.stop().await;
}

/// Returns when the connection timeout of whoever connected before this call is over.
async fn wait_connection_timeout(setup: &peer::Setup) {
    let mut quiet = Peer::open(setup).await;
    assert!(matches!(quiet.read().await, Some(Command::WireFormatInfo(_))));
    assert!(matches!(quiet.read().await, Some(Command::ConnectionError(_))));
    assert!(quiet.read().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_created_and_started_much_later_is_served() {
    let setup = start(|config| config.connection_timeout = Duration::from_millis(200)).await;
    let mut late = Peer::negotiated(&setup).await;
    wait_connection_timeout(&setup).await;
    late.introduce().await;
    let sent = late.message(1, true, Bytes::from_static(b"x"));
    assert!(matches!(late.ask(sent).await, Some(Command::Response(_))));
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_are_not_held_against_a_connection_that_is_started_much_later() {
    let setup = start(|config| config.negotiation_bytes_max = 1000).await;
    let mut late = Peer::negotiated(&setup).await;
    for _ in 0..1000 {
        late.write(&KeepAliveInfo::default().into()).await;
    }
    late.introduce().await;
    let mut noisy = Peer::negotiated(&setup).await;
    for _ in 0..1000 {
        noisy.write(&ConnectionControl::default().into()).await;
    }
    let Some(Command::ConnectionError(error)) = noisy.read().await else { panic!("not told") };
    assert!(error.exception.unwrap().message.unwrap().contains("1000 bytes before ConnectionInfo"));
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_after_the_connection_timeout_is_an_orderly_one() {
    let setup = start(|config| config.connection_timeout = Duration::from_millis(200)).await;
    let mut leaving = Peer::connect(&setup).await;
    wait_connection_timeout(&setup).await;
    let id = Arc::new(ConnectionId::new(leaving.name.as_str()));
    let remove = RemoveInfo { object_id: Some(RemovedId::Connection(id)), ..RemoveInfo::default() };
    assert!(matches!(leaving.ask(remove.into()).await, Some(Command::Response(_))));
    // It may take its time for the last word too.
    wait_connection_timeout(&setup).await;
    leaving.write(&ShutdownInfo::default().into()).await;
    assert!(leaving.read().await.is_none(), "it was told something instead of a quiet end");
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_allowed_are_closed_at_once_and_the_others_served() {
    let setup = start(|config| config.maximum_connections = 2).await;
    let mut one = Peer::connect(&setup).await;
    let _other = Peer::connect(&setup).await;
    let mut refused = Peer::open(&setup).await;
    assert!(refused.read().await.is_none());
    let sent = one.message(1, true, Bytes::from_static(b"x"));
    assert!(matches!(one.ask(sent).await, Some(Command::Response(_))));
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_closed_and_its_messages_go_to_another() {
    let setup = start(|config| config.write_timeout = Duration::from_millis(300)).await;
    let mut sender = Peer::connect(&setup).await;
    let body = Bytes::from(vec![7; 1 << 20]);
    for sequence in 1..=30 {
        let sent = sender.message(sequence, true, body.clone());
        assert!(matches!(sender.ask(sent).await, Some(Command::Response(_))));
    }
    let mut stuck = Peer::connect(&setup).await;
    let (_, consumer) = stuck.consumer(1000);
    assert!(matches!(stuck.ask(consumer).await, Some(Command::Response(_))));
    // It reads nothing more. Another consumer gets everything that was meant for it.
    let mut other = Peer::connect(&setup).await;
    let (_, consumer) = other.consumer(1000);
    assert!(matches!(other.ask(consumer).await, Some(Command::Response(_))));
    let mut got = std::collections::BTreeSet::new();
    while got.len() < 30 {
        if let Some(Command::MessageDispatch(dispatch)) = other.read().await {
            got.insert(dispatch.message.unwrap().message_id.as_ref().unwrap().producer_sequence_id);
        }
    }
    setup.broker.stop().await;
}
