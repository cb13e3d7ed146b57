//! A conversation between the state machine and a broker that says what the test says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kahawai_openwire::command::Command;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::frame::{FRAME_LIMIT_DEFAULT, take_frame};
use kahawai_openwire::ids::{ConnectionId, ConsumerId, MessageId, ProducerId};
use kahawai_openwire::message::{Message, MessageDispatch};
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::response::{ExceptionResponse, Response};
use kahawai_openwire::throwable::Throwable;
use kahawai_openwire::wire_format::WireFormat;

use crate::consumer_options::ConsumerOptions;
use crate::error::{Loss, Result};
use crate::protocol::Protocol;
use crate::protocol::event::{ConsumerKey, Extent, Next, ProducerKey, SessionKey};
use crate::protocol::identity::Identity;
use crate::protocol::tests::render;

pub(super) struct Conversation {
    pub(super) protocol: Protocol,
    pub(super) now: Instant,
    broker: WireFormat,
    transcript: Vec<String>,
}

impl Conversation {
    /// Nothing said yet.
    pub(super) fn new(preferences: Preferences) -> Self {
        Self {
            protocol: Protocol::new(preferences, &identity()).unwrap(),
            now: Instant::now(),
            broker: WireFormat::initial(),
            transcript: Vec::new(),
        }
    }

    /// With the wire format agreed on and the connection open; the transcript begins after that.
    pub(super) fn open() -> Self {
        let mut this = Self::new(Preferences::default());
        this.agree(&Preferences::default());
        this.protocol.open_connection(this.now, &identity()).unwrap();
        this.answer(1);
        this.hear();
        this.transcript.clear();
        this
    }

    /// A connection that recovers, accepted by its first broker; the transcript begins after that.
    pub(super) fn recovering(tracked_bytes_max: usize) -> Self {
        let mut this = Self::new(Preferences::default());
        this.protocol = Protocol::recovering(identity(), tracked_bytes_max).unwrap();
        this.meet();
        this.answer(1);
        this.transcript.clear();
        this
    }

    /// The link is lost.
    pub(super) fn lose(&mut self) {
        self.protocol.interrupt(&Loss::EndOfStream);
        self.note_events();
    }

    /// Another broker is there, and is told who connects.
    pub(super) fn meet(&mut self) {
        self.protocol.resume(Preferences::default()).unwrap();
        self.broker = WireFormat::initial();
        self.agree(&Preferences::default());
        self.hear();
    }

    /// As [`Self::open`] with session 1.
    pub(super) fn open_session(transacted: bool) -> (Self, SessionKey) {
        let mut this = Self::open();
        let (session, _) = this.protocol.open_session(this.now, transacted).unwrap();
        this.answer(2);
        this.hear();
        this.transcript.clear();
        (this, session)
    }

    /// As [`Self::open_session`] with a consumer that the broker accepted: commands go on with number 4.
    pub(super) fn open_consumer(
        transacted: bool,
        options: ConsumerOptions,
        prefetch: u32,
    ) -> (Self, SessionKey, ConsumerKey) {
        let (mut this, session) = Self::open_session(transacted);
        let (consumer, _) = this.protocol.open_consumer(this.now, session, &options, prefetch).unwrap();
        this.answer(3);
        this.hear();
        this.transcript.clear();
        (this, session, consumer)
    }

    /// Both sides present themselves.
    pub(super) fn agree(&mut self, theirs: &Preferences) {
        self.hear();
        self.say(theirs.to_info()).unwrap();
        let ours = Preferences::default();
        self.broker = WireFormat::new(&negotiate(&ours, &theirs.to_info()).unwrap());
    }

    pub(super) fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// The broker says something.
    pub(super) fn say(&mut self, command: impl Into<Command>) -> Result<(), Loss> {
        let mut bytes = BytesMut::new();
        self.broker.encode(&command.into(), &mut bytes).unwrap();
        self.say_bytes(&mut bytes)
    }

    pub(super) fn say_bytes(&mut self, bytes: &mut BytesMut) -> Result<(), Loss> {
        let result = self.protocol.receive(self.now, bytes);
        self.note_events();
        result
    }

    pub(super) fn answer(&mut self, correlation_id: i32) {
        self.say(Response { correlation_id, ..Response::default() }).unwrap();
    }

    pub(super) fn refuse(&mut self, correlation_id: i32, message: &str) {
        let exception = Some(Box::new(Throwable::new("javax.jms.JMSException", message)));
        self.say(ExceptionResponse { correlation_id, exception, ..ExceptionResponse::default() }).unwrap();
    }

    /// The broker sends messages of these numbers to consumer 1:1.
    pub(super) fn dispatch(&mut self, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            self.say(dispatch(number, 0)).unwrap();
        }
    }

    /// Notes what the client has said.
    pub(super) fn hear(&mut self) {
        let mut bytes = self.protocol.output(self.now).split();
        while let Some(frame) = take_frame(&mut bytes, FRAME_LIMIT_DEFAULT).unwrap() {
            let command = self.broker.decode(frame).unwrap();
            self.transcript.push(format!("> {}", render::command(&command)));
        }
        assert!(bytes.is_empty(), "half a frame");
    }

    pub(super) fn note_events(&mut self) {
        while let Some(event) = self.protocol.poll_event() {
            self.transcript.push(format!("= {}", render::event(&event)));
        }
    }

    /// Asks a consumer for its next message.
    pub(super) fn next(&mut self, consumer: ConsumerKey) -> Next {
        let next = self.protocol.next(self.now, consumer).unwrap();
        self.hear();
        self.transcript.push(format!("= {}", render::next(&next)));
        next
    }

    pub(super) fn take(&mut self, consumer: ConsumerKey, count: usize) {
        for _ in 0..count {
            self.next(consumer);
        }
    }

    pub(super) fn acknowledge(&mut self, consumer: ConsumerKey, arrival: u64, extent: Extent) {
        self.protocol.acknowledge(self.now, consumer, arrival, extent).unwrap();
        self.hear();
    }

    pub(super) fn open_producer(&mut self, session: SessionKey) -> ProducerKey {
        let destination = Destination::queue("A");
        let (producer, _) = self.protocol.open_producer(self.now, session, Some(&destination)).unwrap();
        self.hear();
        producer
    }

    pub(super) fn send(&mut self, producer: ProducerKey, persistent: bool) {
        let destination = Some(Arc::new(Destination::queue("A")));
        let message = Message { destination, persistent, ..Message::default() };
        self.protocol.send(self.now, producer, message).unwrap();
        self.hear();
    }

    /// What was said and told since the last look, line by line.
    pub(super) fn transcript(&mut self) -> Vec<String> {
        self.hear();
        self.note_events();
        std::mem::take(&mut self.transcript)
    }

    /// Compares what was said and told since the last look.
    #[track_caller]
    pub(super) fn expect(&mut self, expected: &[&str]) {
        let found = self.transcript();
        assert_eq!(found, expected, "\nfound:\n{}\n", found.join("\n"));
    }
}

pub(super) fn identity() -> Identity {
    Identity {
        connection_id: "ID:test:1".to_owned(),
        client_id: "me".to_owned(),
        user_name: Some("user".to_owned()),
        password: Some("secret".to_owned()),
    }
}

/// A message of another connection's producer, for consumer 1:1.
pub(super) fn dispatch(number: i64, redelivery_counter: i32) -> MessageDispatch {
    let producer_id = Some(Arc::new(ProducerId { connection_id: "other".into(), value: 1, session_id: 1 }));
    let message_id = MessageId {
        producer_id: producer_id.clone(),
        producer_sequence_id: number,
        broker_sequence_id: 100 + number,
        ..MessageId::default()
    };
    let destination = Some(Arc::new(Destination::queue("A")));
    let message = Message {
        message_id: Some(message_id),
        producer_id,
        destination: destination.clone(),
        ..Message::default()
    };
    let connection_id = ConnectionId::new("ID:test:1").value;
    MessageDispatch {
        consumer_id: Some(Arc::new(ConsumerId { connection_id, session_id: 1, value: 1 })),
        destination,
        message: Some(Arc::new(message)),
        redelivery_counter,
        ..MessageDispatch::default()
    }
}
