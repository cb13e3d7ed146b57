//! The whole broker over loopback, with a small hand-made peer: a message there and back, an orderly stop, silence after
//! mastership is lost or unproven, and peers that behave badly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kahawai_broker::{Broker, BrokerConfig};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{ConnectionInfo, SessionInfo};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::ids::{ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use kahawai_openwire::message::{Message, MessageAck, MessageKind};
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::wire_format::WireFormat;
use kahawai_store::batch::Batch;
use kahawai_store::contract::{
    Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError, StoreWait,
};
use kahawai_store::election::{Hold, Lost};
use kahawai_store::model::{Memory, Model};
use kahawai_store::names::Epoch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A mastership whose age and end the test decides.
struct TestHold {
    age: Mutex<Duration>,
    lost: AtomicBool,
    /// Proofs wait here while the test holds it.
    proving: Mutex<()>,
}

impl Hold for TestHold {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn prove(&self) -> Result<(), Lost> {
        let _held = self.proving.lock().unwrap();
        if self.lost.load(Ordering::Acquire) {
            return Err(Lost { epoch: Epoch(1), reason: "test".into() });
        }
        *self.age.lock().unwrap() = Duration::ZERO;
        Ok(())
    }

    fn proof_age(&self) -> Duration {
        *self.age.lock().unwrap()
    }

    fn on_lost(&self, _: Box<dyn FnOnce(Lost) + Send>) {}

    fn release(&self) {}
}

/// The model, which loses its mastership when the test says so.
struct TestStore {
    model: Model,
    lost: AtomicBool,
}

impl Store for TestStore {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        if self.lost.load(Ordering::Acquire) {
            done.complete(Err(StoreError::Lost { epoch: Epoch(1), reason: "test".into() }));
        } else {
            self.model.commit(batch, done);
        }
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.model.read(request, done);
    }

    fn recover(&self, done: Completion<Recovered>) {
        self.model.recover(done);
    }

    fn limits(&self) -> Limits {
        self.model.limits()
    }

    fn close(&self) {
        self.model.close();
    }
}

struct Setup {
    broker: Broker,
    store: Arc<TestStore>,
    hold: Arc<TestHold>,
}

async fn start(change: impl FnOnce(&mut BrokerConfig)) -> Setup {
    let store = Arc::new(TestStore {
        model: Model::open(&Memory::default(), Epoch(1)),
        lost: AtomicBool::new(false),
    });
    let hold = Arc::new(TestHold {
        age: Mutex::new(Duration::ZERO),
        lost: AtomicBool::new(false),
        proving: Mutex::new(()),
    });
    let mut config = BrokerConfig { bind: vec!["127.0.0.1:0".into()], ..BrokerConfig::default() };
    change(&mut config);
    let broker = Broker::start(config, store.clone(), hold.clone()).await.unwrap();
    Setup { broker, store, hold }
}

/// A client that knows just enough.
struct Peer {
    stream: TcpStream,
    received: BytesMut,
    wire: WireFormat,
    next: i32,
    name: String,
}

impl Peer {
    async fn open(setup: &Setup) -> Self {
        let stream = TcpStream::connect(setup.broker.addresses()[0]).await.unwrap();
        let name = format!("ID:peer-{}:1", stream.local_addr().unwrap().port());
        Self { stream, received: BytesMut::new(), wire: WireFormat::initial(), next: 1, name }
    }

    async fn connect(setup: &Setup) -> Self {
        let mut peer = Self::open(setup).await;
        let ours = Preferences::default();
        peer.write(&ours.to_info().into()).await;
        let Some(Command::WireFormatInfo(theirs)) = peer.read().await else { panic!("no WireFormatInfo") };
        peer.wire = WireFormat::new(&negotiate(&ours, &theirs).unwrap());
        assert!(matches!(peer.read().await, Some(Command::BrokerInfo(_))));
        let id = Arc::new(ConnectionId::new(peer.name.as_str()));
        let info = ConnectionInfo {
            connection_id: Some(id),
            client_id: Some(peer.name.as_str().into()),
            ..ConnectionInfo::default()
        };
        assert!(matches!(peer.ask(info.into()).await, Some(Command::Response(_))));
        let id = SessionId { connection_id: peer.name.as_str().into(), value: 1 };
        let info = SessionInfo { session_id: Some(Arc::new(id)), ..SessionInfo::default() };
        assert!(matches!(peer.ask(info.into()).await, Some(Command::Response(_))));
        peer
    }

    async fn write(&mut self, command: &Command) {
        let mut out = BytesMut::new();
        self.wire.encode(command, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    async fn send_request(&mut self, mut command: Command) {
        self.next += 1;
        command.set_command_id(self.next);
        command.set_response_required(true);
        self.write(&command).await;
    }

    async fn ask(&mut self, command: Command) -> Option<Command> {
        self.send_request(command).await;
        self.read().await
    }

    /// The next command; `None` when the broker has closed.
    async fn read(&mut self) -> Option<Command> {
        loop {
            if let Some(frame) = take_frame(&mut self.received, usize::MAX >> 1).unwrap() {
                return Some(self.wire.decode(frame).unwrap());
            }
            let read =
                tokio::time::timeout(Duration::from_secs(20), self.stream.read_buf(&mut self.received));
            match read.await.expect("the broker says something or closes") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn message(&self, sequence: i64, persistent: bool, body: Bytes) -> Command {
        let producer =
            Arc::new(ProducerId { connection_id: self.name.as_str().into(), value: 1, session_id: 1 });
        Message {
            kind: MessageKind::Bytes,
            message_id: Some(MessageId {
                text_view: None,
                producer_id: Some(producer.clone()),
                producer_sequence_id: sequence,
                broker_sequence_id: 0,
            }),
            producer_id: Some(producer),
            destination: Some(Arc::new(Destination::queue("q"))),
            persistent,
            content: Some(body),
            ..Message::default()
        }
        .into()
    }

    fn consumer(&self, prefetch: i32) -> (Arc<ConsumerId>, Command) {
        let id = Arc::new(ConsumerId { connection_id: self.name.as_str().into(), session_id: 1, value: 1 });
        let info = ConsumerInfo {
            consumer_id: Some(id.clone()),
            destination: Some(Arc::new(Destination::queue("q"))),
            prefetch_size: prefetch,
            ..ConsumerInfo::default()
        };
        (id, info.into())
    }
}

fn stored(setup: &Setup) -> u64 {
    setup.store.recover_wait().unwrap().destinations.iter().map(|found| found.messages).sum()
}

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
