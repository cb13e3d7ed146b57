//! A broker over loopback with a store and a mastership that the test decides about, and a client that knows just enough.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kahawai_broker::{Broker, BrokerConfig};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, ConnectionInfo, SessionInfo};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::ids::{ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use kahawai_openwire::message::{Message, MessageKind};
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
pub struct TestHold {
    pub epoch: Epoch,
    pub age: Mutex<Duration>,
    pub lost: AtomicBool,
    /// Proofs wait here while the test holds it.
    pub proving: Mutex<()>,
}

impl Hold for TestHold {
    fn epoch(&self) -> Epoch {
        self.epoch
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

/// A commit that is held back, and whom to tell.
pub type Late = (Batch, Completion<Committed>);

/// The model, which loses its mastership, answers at once or answers late when the test says so.
pub struct TestStore {
    pub model: Model,
    pub lost: AtomicBool,
    /// Calls are answered on the caller's thread, inside the call.
    pub at_once: AtomicBool,
    /// Commits wait here while it is some.
    pub late: Mutex<Option<Vec<Late>>>,
}

impl TestStore {
    /// Answers what waits, and what comes.
    pub fn go_on(&self) {
        for (batch, done) in self.late.lock().unwrap().take().unwrap_or_default() {
            self.model.commit(batch, done);
        }
    }
}

impl Store for TestStore {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        if self.lost.load(Ordering::Acquire) {
            done.complete(Err(StoreError::Lost { epoch: Epoch(1), reason: "test".into() }));
        } else if self.at_once.load(Ordering::Acquire) {
            done.complete(self.model.commit_wait(batch));
        } else if let Some(waiting) = &mut *self.late.lock().unwrap() {
            waiting.push((batch, done));
        } else {
            self.model.commit(batch, done);
        }
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        if self.at_once.load(Ordering::Acquire) {
            done.complete(self.model.read_wait(request));
        } else {
            self.model.read(request, done);
        }
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

pub struct Setup {
    pub broker: Broker,
    pub store: Arc<TestStore>,
    pub hold: Arc<TestHold>,
}

pub async fn start(change: impl FnOnce(&mut BrokerConfig)) -> Setup {
    start_over(&Memory::default(), 1, change).await
}

/// A broker over a store that may have been there before, under this epoch.
pub async fn start_over(memory: &Memory, epoch: u64, change: impl FnOnce(&mut BrokerConfig)) -> Setup {
    let store = Arc::new(TestStore {
        model: Model::open(memory, Epoch(epoch)),
        lost: AtomicBool::new(false),
        at_once: AtomicBool::new(false),
        late: Mutex::new(None),
    });
    let hold = Arc::new(TestHold {
        epoch: Epoch(epoch),
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
pub struct Peer {
    pub stream: TcpStream,
    pub received: BytesMut,
    pub wire: WireFormat,
    pub next: i32,
    pub name: String,
    /// What the broker said of itself.
    pub broker: BrokerInfo,
}

impl Peer {
    pub async fn open(setup: &Setup) -> Self {
        let stream = TcpStream::connect(setup.broker.addresses()[0]).await.unwrap();
        let name = format!("ID:peer-{}:1", stream.local_addr().unwrap().port());
        let (wire, broker) = (WireFormat::initial(), BrokerInfo::default());
        Self { stream, received: BytesMut::new(), wire, next: 1, name, broker }
    }

    /// Agrees on how to write, and says no more.
    pub async fn negotiated(setup: &Setup) -> Self {
        let mut peer = Self::open(setup).await;
        let ours = Preferences::default();
        peer.write(&ours.to_info().into()).await;
        let Some(Command::WireFormatInfo(theirs)) = peer.read().await else { panic!("no WireFormatInfo") };
        peer.wire = WireFormat::new(&negotiate(&ours, &theirs).unwrap());
        let Some(Command::BrokerInfo(broker)) = peer.read().await else { panic!("no BrokerInfo") };
        peer.broker = *broker;
        peer
    }

    pub async fn connect(setup: &Setup) -> Self {
        let mut peer = Self::negotiated(setup).await;
        peer.introduce().await;
        peer
    }

    /// Says who it is, and opens a session.
    pub async fn introduce(&mut self) {
        let peer = self;
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
    }

    pub async fn write(&mut self, command: &Command) {
        self.write_all(std::slice::from_ref(command)).await;
    }

    /// Writes several at once, without waiting for what is said to the first.
    pub async fn write_all(&mut self, commands: &[Command]) {
        let mut out = BytesMut::new();
        for command in commands {
            self.wire.encode(command, &mut out).unwrap();
        }
        self.stream.write_all(&out).await.unwrap();
    }

    pub async fn send_request(&mut self, mut command: Command) {
        self.next += 1;
        command.set_command_id(self.next);
        command.set_response_required(true);
        self.write(&command).await;
    }

    pub async fn ask(&mut self, command: Command) -> Option<Command> {
        self.send_request(command).await;
        self.read().await
    }

    /// The next command; `None` when the broker has closed.
    pub async fn read(&mut self) -> Option<Command> {
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

    pub fn message(&self, sequence: i64, persistent: bool, body: Bytes) -> Command {
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

    pub fn consumer(&self, prefetch: i32) -> (Arc<ConsumerId>, Command) {
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

pub fn stored(setup: &Setup) -> u64 {
    setup.store.recover_wait().unwrap().destinations.iter().map(|found| found.messages).sum()
}
