//! What may not go to a bridge's broker is left to others, and hides nothing.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;

use bytes::Bytes;
use kahawai_openwire::command::Command;
use kahawai_openwire::consumer::{ConsumerInfo, NetworkBridgeFilter};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{BrokerId, ConsumerId};
use kahawai_openwire::message::Message;
use peer::{Peer, start};

fn passed(peer: &Peer, sequence: i64, path: &[&str]) -> Command {
    let Command::Message(message) = peer.message(sequence, true, Bytes::from_static(b"body")) else {
        panic!("a message");
    };
    let path: Vec<_> = path.iter().map(|id| Arc::new(BrokerId::new(*id))).collect();
    Message { broker_path: Some(path.into()), ..Message::clone(&message) }.into()
}

async fn sequence(peer: &mut Peer) -> i64 {
    loop {
        match peer.read().await {
            Some(Command::MessageDispatch(dispatch)) => {
                return dispatch.message.unwrap().message_id.as_ref().unwrap().producer_sequence_id;
            }
            Some(_) => {}
            None => panic!("it is closed"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_or_came_too_far_is_for_others_and_what_stands_behind_comes() {
    let setup = start(|_| ()).await;
    let mut sender = Peer::connect(&setup).await;
    for (number, path) in [(1, &["there"][..]), (2, &["a", "b"]), (3, &["a", "there"]), (4, &["a"]), (5, &[])]
    {
        let message = passed(&sender, number, path);
        assert!(matches!(sender.ask(message).await, Some(Command::Response(_))));
    }
    let mut bridge = Peer::connect(&setup).await;
    let info = ConsumerInfo {
        consumer_id: Some(Arc::new(ConsumerId {
            connection_id: bridge.name.as_str().into(),
            session_id: 1,
            value: 1,
        })),
        destination: Some(Arc::new(Destination::queue("q"))),
        prefetch_size: 10,
        additional_predicate: Some(NetworkBridgeFilter {
            network_broker_id: Some(Arc::new(BrokerId::new("there"))),
            message_ttl: 2,
            consumer_ttl: 1,
        }),
        ..ConsumerInfo::default()
    };
    bridge.send_request(info.into()).await;
    assert_eq!([sequence(&mut bridge).await, sequence(&mut bridge).await], [4, 5]);
    let mut other = Peer::connect(&setup).await;
    let (_, info) = other.consumer(10);
    other.send_request(info).await;
    let got = [sequence(&mut other).await, sequence(&mut other).await, sequence(&mut other).await];
    assert_eq!(got, [1, 2, 3]);
    setup.broker.stop().await;
}
