//! What the core wants done: things to tell clients, and calls of the store, in the order in which they must happen.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::batch::Batch;
use kahawai_store::contract::ReadRequest;
use kahawai_store::message::Message;
use kahawai_store::names::MessageId;

use super::address::Address;
use super::failure::Failure;
use super::keys::{CommitToken, ConnectionKey, ConsumerKey, ReadToken, RequestId};
use super::spec::{ConnectionSpec, ConsumerSpec};

/// What a consumer gets.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A message.
    Message(Arc<Message>),
    /// An announcement of the broker's own.
    Advisory(Arc<Advisory>),
    /// Nothing: a pull came to its end, or a browser has seen everything.
    Nothing,
}

impl Payload {
    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        const ADVISORY: usize = 512;
        match self {
            Self::Message(message) => message.size(),
            Self::Advisory(_) => ADVISORY,
            Self::Nothing => 0,
        }
    }
}

/// A message on its way to a consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// To whom.
    pub consumer: ConsumerKey,
    /// Its name for acknowledgements.
    pub id: MessageId,
    /// Where it was waiting.
    pub destination: Arc<Address>,
    /// The message.
    pub payload: Payload,
    /// How often it was delivered before.
    pub redeliveries: u32,
}

impl Delivery {
    /// Word to a consumer of this address that there is nothing, or nothing more.
    pub(crate) fn nothing(consumer: ConsumerKey, address: &Address) -> Self {
        Self {
            consumer,
            id: MessageId(0),
            destination: Arc::new(address.clone()),
            payload: Payload::Nothing,
            redeliveries: 0,
        }
    }
}

/// What a connection is told.
#[derive(Debug)]
pub enum Event {
    /// The answer to a request.
    Answer {
        /// The request.
        request: RequestId,
        /// How it ended.
        result: Result<(), Failure>,
    },
    /// A message for one of its consumers.
    Deliver(Delivery),
    /// That many bytes sent by a producer with a window have been taken.
    ProducerTaken {
        /// The producer.
        producer: ByteString,
        /// Bytes, as the producer counted them.
        bytes: u32,
    },
    /// A consumer takes so many messages in advance, other than it asked for; with 0 it asks for each.
    Prefetch {
        /// The consumer.
        consumer: ConsumerKey,
        /// So many.
        prefetch: u32,
    },
    /// Something went wrong that nobody asked about.
    Trouble(Failure),
    /// Another connection has taken its place, or it broke the rules: it must end.
    Close {
        /// Why, for the log.
        reason: String,
    },
    /// It and the broker no longer agree about what it was sent: it must end without a word, so that its client's
    /// `failover:` begins anew.
    Cut {
        /// Why, for the log.
        reason: String,
    },
    /// The disk has caught up with what it sent: more may be read from it.
    Resume,
    /// A consumer is gone; nothing more will come for it.
    ConsumerGone(ConsumerKey),
}

/// A call of the store's.
#[derive(Debug)]
pub enum StoreCall {
    /// Commit this batch; its completion goes to [`super::Core::committed`].
    Commit(CommitToken, Batch),
    /// Read this page; its completion goes to [`super::Core::page`].
    Read(ReadToken, ReadRequest),
}

/// Something the operator should read.
#[derive(Debug)]
pub struct Notice {
    /// The text.
    pub text: String,
}

/// Everything wanted since it was last asked for.
#[derive(Debug, Default)]
pub struct Effects {
    /// For clients, in order for each connection.
    pub events: Vec<(ConnectionKey, Event)>,
    /// For the store, in order.
    pub store: Vec<StoreCall>,
    /// For the log.
    pub notices: Vec<Notice>,
}

impl Effects {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.store.is_empty() && self.notices.is_empty()
    }
}

/// Something that is announced.
#[derive(Clone, Debug)]
pub enum Advisory {
    /// A connection begins or ends.
    Connection {
        /// The connection.
        spec: ConnectionSpec,
        /// Whether it begins.
        begins: bool,
    },
    /// A destination begins or ends.
    Destination {
        /// The destination.
        address: Arc<Address>,
        /// The connection a temporary one belongs to.
        connection: Option<ByteString>,
        /// The brokers that a temporary one was heard of by.
        passed: Option<Arc<[ByteString]>>,
        /// Whether it begins.
        begins: bool,
    },
    /// A consumer begins or ends.
    Consumer {
        /// The consumer.
        spec: Arc<ConsumerSpec>,
        /// Its connection's client id.
        client_id: ByteString,
        /// How many consumers its destination has now.
        count: usize,
        /// Whether it begins.
        begins: bool,
    },
    /// A durable subscription ends for good.
    Unsubscribed {
        /// The client id it was of.
        client_id: ByteString,
        /// Its name.
        subscription: ByteString,
        /// How many consumers its destination has now.
        count: usize,
    },
    /// A producer begins or ends.
    Producer {
        /// Its name.
        name: ByteString,
        /// Where it sends to.
        address: Address,
        /// How many producers its destination has now.
        count: usize,
        /// Whether it begins.
        begins: bool,
    },
}
