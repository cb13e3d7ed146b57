//! The broker's id is its store's: other brokers know by it where a message has been.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;

use kahawai_openwire::command::Command;
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{ConsumerId, ProducerId};
use kahawai_openwire::text::Text;
use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::StoreWait;
use kahawai_store::model::Memory;
use peer::{Peer, Setup, start, start_over};

async fn id_of(setup: &Setup) -> Text {
    Peer::negotiated(setup).await.broker.broker_id.unwrap().value.clone()
}

/// Who sends the broker's advisories.
async fn advisory_producer(setup: &Setup) -> Arc<ProducerId> {
    let mut peer = Peer::connect(setup).await;
    let id = ConsumerId { connection_id: peer.name.as_str().into(), session_id: 1, value: 1 };
    let info = ConsumerInfo {
        consumer_id: Some(Arc::new(id)),
        destination: Some(Arc::new(Destination::topic("ActiveMQ.Advisory.Connection"))),
        prefetch_size: 10,
        ..ConsumerInfo::default()
    };
    peer.send_request(info.into()).await;
    loop {
        // Its own connection was announced before it came.
        if let Command::MessageDispatch(dispatch) = peer.read().await.unwrap() {
            return dispatch.message.unwrap().producer_id.clone().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_is_the_same_after_a_restart_and_the_producer_of_advisories_is_another() {
    let memory = Memory::default();
    let first = start_over(&memory, 1, |_| ()).await;
    let (id, producer) = (id_of(&first).await, advisory_producer(&first).await);
    first.broker.stop().await;
    // Whoever takes over may have another name.
    let second = start_over(&memory, 2, |config| config.broker_name = "other".into()).await;
    assert_eq!(id_of(&second).await, id);
    assert_ne!(advisory_producer(&second).await, producer);
    second.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_have_two_ids() {
    let (one, other) = (start(|_| ()).await, start(|_| ()).await);
    assert_ne!(id_of(&one).await, id_of(&other).await);
}

/// The entry of the broker's id, if there is one.
fn entry(setup: &Setup) -> Option<bytes::Bytes> {
    let recovered = setup.store.recover_wait().unwrap();
    recovered.tables.into_iter().find(|entry| entry.table == "broker").map(|entry| entry.value)
}

fn put(setup: &Setup, value: Option<&'static [u8]>) {
    let value = value.map(bytes::Bytes::from_static);
    let put = Operation::Put { table: "broker".into(), key: bytes::Bytes::from_static(b"id"), value };
    setup.store.commit_wait(Batch::new(vec![put])).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_from_before_gets_an_id_and_one_that_cannot_be_read_is_left_alone() {
    let memory = Memory::default();
    let first = start_over(&memory, 1, |_| ()).await;
    let id = id_of(&first).await;
    put(&first, None);
    first.broker.stop().await;
    let second = start_over(&memory, 2, |_| ()).await;
    let new = id_of(&second).await;
    assert_ne!(new, id);
    assert!(entry(&second).unwrap().ends_with(new.as_bytes()), "it is not kept");
    put(&second, Some(b"\x02younger"));
    second.broker.stop().await;
    let third = start_over(&memory, 3, |_| ()).await;
    assert_ne!(id_of(&third).await, new);
    assert_eq!(entry(&third).as_deref(), Some(&b"\x02younger"[..]));
    third.broker.stop().await;
}
