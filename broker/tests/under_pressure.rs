//! The shell where things come at a bad moment: a store that answers inside the call, or late; a client that only asks, or
//! sends without end, or asks for more than it may.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{KeepAliveInfo, SessionInfo};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::ids::SessionId;
use peer::{Peer, start, stored};
use tokio::io::AsyncWriteExt;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_inside_the_call_is_as_good_as_any() {
    let setup = start(|_| ()).await;
    setup.store.at_once.store(true, Ordering::Release);
    let mut peer = Peer::connect(&setup).await;
    for sequence in 1..=50 {
        let sent = peer.message(sequence, true, Bytes::from_static(b"hello"));
        assert!(matches!(peer.ask(sent).await, Some(Command::Response(_))));
    }
    assert_eq!(stored(&setup), 50);
    let (_, consumer) = peer.consumer(100);
    assert!(matches!(peer.ask(consumer).await, Some(Command::Response(_))));
    for sequence in 1..=50 {
        let Some(Command::MessageDispatch(dispatch)) = peer.read().await else { panic!("no dispatch") };
        assert_eq!(dispatch.message.unwrap().message_id.as_ref().unwrap().producer_sequence_id, sequence);
    }
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_closed_answers_inside_the_call_and_the_broker_steps_down() {
    let setup = start(|_| ()).await;
    setup.store.at_once.store(true, Ordering::Release);
    let mut peer = Peer::connect(&setup).await;
    kahawai_store::contract::Store::close(&*setup.store);
    let sent = peer.message(1, true, Bytes::from_static(b"x"));
    assert!(peer.ask(sent).await.is_none(), "it answered");
    let why = tokio::time::timeout(LONG, setup.broker.stepped_down()).await.unwrap();
    assert!(why.0.contains("closed"), "{why}");
    setup.broker.abandon();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_store_and_for_nothing_else() {
    let setup = start(|_| ()).await;
    let mut peer = Peer::connect(&setup).await;
    *setup.store.late.lock().unwrap() = Some(Vec::new());
    let sent = peer.message(1, true, Bytes::from_static(b"x"));
    peer.send_request(sent).await;
    while setup.store.late.lock().unwrap().as_ref().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let (broker, store) = (setup.broker, setup.store);
    let mut stopping = tokio::spawn(broker.stop());
    assert!(matches!(peer.read().await, Some(Command::ShutdownInfo(_))));
    assert!(peer.read().await.is_none());
    let early = tokio::time::timeout(Duration::from_millis(200), &mut stopping).await;
    assert!(early.is_err(), "the store still owes an answer");
    store.go_on();
    tokio::time::timeout(LONG, stopping).await.expect("it stops when the store has answered").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_client_that_sends_without_end() {
    let setup = start(|_| ()).await;
    let mut floods = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::connect(&setup).await;
        let mut frames = BytesMut::new();
        for _ in 0..5000 {
            peer.wire.encode(&KeepAliveInfo::default().into(), &mut frames).unwrap();
        }
        floods.push(tokio::spawn(async move { while peer.stream.write_all(&frames).await.is_ok() {} }));
    }
    tokio::time::timeout(LONG, setup.broker.stop()).await.expect("it stops");
    for flood in floods {
        tokio::time::timeout(LONG, flood).await.expect("its connection is closed").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_does_not_read_is_read_no_further_until_it_does() {
    let setup = start(|_| ()).await;
    let mut peer = Peer::connect(&setup).await;
    let ask: Command = KeepAliveInfo { response_required: true, ..KeepAliveInfo::default() }.into();
    let mut frames = BytesMut::new();
    for _ in 0..1000 {
        peer.wire.encode(&ask, &mut frames).unwrap();
    }
    // Far more than the buffers of two sockets take.
    let most = 100 << 20;
    let mut sent = 0;
    loop {
        let write = peer.stream.write(&frames[sent % frames.len()..]);
        match tokio::time::timeout(Duration::from_secs(1), write).await {
            Ok(count) => sent += count.unwrap(),
            Err(_) => break,
        }
        assert!(sent < most, "the broker keeps {sent} bytes' worth of answers for who does not read");
    }
    let frame = frames.len() / 1000;
    for _ in 0..sent / frame {
        assert!(matches!(peer.read().await, Some(Command::KeepAliveInfo(_))), "every one is answered");
    }
    setup.broker.stop().await;
}

fn session(peer: &Peer, value: i64) -> Command {
    let id = SessionId { connection_id: peer.name.as_str().into(), value };
    SessionInfo { session_id: Some(Arc::new(id)), ..SessionInfo::default() }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_counted_and_what_was_refused_is_refused_again() {
    let setup = start(|config| config.limits.sessions_per_connection_max = 3).await;
    let mut peer = Peer::connect(&setup).await;
    for value in 2..=3 {
        let command = session(&peer, value);
        assert!(matches!(peer.ask(command).await, Some(Command::Response(_))));
    }
    let command = session(&peer, 4);
    assert!(matches!(peer.ask(command).await, Some(Command::ExceptionResponse(_))));
    let (_, consumer) = peer.consumer(1);
    let Command::ConsumerInfo(info) = consumer else { unreachable!() };
    for _ in 0..2 {
        let refused = ConsumerInfo { selector: Some("a = 1".into()), ..(*info).clone() };
        assert!(matches!(peer.ask(refused.into()).await, Some(Command::ExceptionResponse(_))));
    }
    assert!(matches!(peer.ask((*info).into()).await, Some(Command::Response(_))), "its id is still free");
    setup.broker.stop().await;
}
