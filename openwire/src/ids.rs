//! The names that peers give to connections, sessions, consumers, producers, brokers and messages.

use std::fmt;
use std::sync::Arc;

use crate::cache::{Cacheable, CachedObject};
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::table::structure;
use crate::text::Text;

structure! {
    /// Name of a connection, chosen by the client.
    #[derive(Eq, Hash)]
    ConnectionId = 120 {
        /// The name, unique among all clients, such as `ID:host-40001-1700000000000-0:1`.
        value: name,
    }
}

structure! {
    /// Name of a session: its connection and a number in it.
    #[derive(Eq, Hash)]
    SessionId = 121 {
        /// Name of the connection.
        connection_id: name,
        /// Number of the session in its connection; -1 is the connection's own session for advisories.
        value: long,
    }
}

structure! {
    /// Name of a consumer: its session and a number in it.
    #[derive(Eq, Hash)]
    ConsumerId = 122 {
        /// Name of the connection.
        connection_id: name,
        /// Number of the session in its connection.
        session_id: long,
        /// Number of the consumer in its session.
        value: long,
    }
}

structure! {
    /// Name of a producer: its session and a number in it.
    #[derive(Eq, Hash)]
    ProducerId = 123 {
        /// Name of the connection.
        connection_id: name,
        /// Number of the producer in its session.
        value: long,
        /// Number of the session in its connection.
        session_id: long,
    }
}

structure! {
    /// Name of a broker, unique for each run or each store.
    #[derive(Eq, Hash)]
    BrokerId = 124 {
        /// The name.
        value: name,
    }
}

structure! {
    /// Name of a message: its producer and a number in it.
    #[derive(Eq, Hash)]
    MessageId = 110 {
        /// The id as given by another protocol, where the message did not come by OpenWire.
        text_view: text since 10,
        /// Name of the producer.
        producer_id: cached(Arc<ProducerId>),
        /// Number of the message in its producer's sequence.
        producer_sequence_id: long,
        /// Number that the broker gave it.
        broker_sequence_id: long,
    }
}

/// What a `RemoveInfo` removes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RemovedId {
    /// A connection with all that belongs to it.
    Connection(Arc<ConnectionId>),
    /// A session with its consumers and producers.
    Session(Arc<SessionId>),
    /// A consumer.
    Consumer(Arc<ConsumerId>),
    /// A producer.
    Producer(Arc<ProducerId>),
}

impl Structure for RemovedId {
    const NAME: &'static str = "ConnectionId, SessionId, ConsumerId or ProducerId";

    fn type_id(&self) -> u8 {
        match self {
            Self::Connection(id) => id.type_id(),
            Self::Session(id) => id.type_id(),
            Self::Consumer(id) => id.type_id(),
            Self::Producer(id) => id.type_id(),
        }
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        match self {
            Self::Connection(id) => id.write(writer),
            Self::Session(id) => id.write(writer),
            Self::Consumer(id) => id.write(writer),
            Self::Producer(id) => id.write(writer),
        }
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        match type_id {
            120 => Structure::read(type_id, reader).map(Self::Connection),
            121 => Structure::read(type_id, reader).map(Self::Session),
            122 => Structure::read(type_id, reader).map(Self::Consumer),
            123 => Structure::read(type_id, reader).map(Self::Producer),
            _ => Err(unexpected_type(type_id, Self::NAME)),
        }
    }
}

impl Cacheable for RemovedId {
    fn to_cached(&self) -> CachedObject {
        match self {
            Self::Connection(id) => id.to_cached(),
            Self::Session(id) => id.to_cached(),
            Self::Consumer(id) => id.to_cached(),
            Self::Producer(id) => id.to_cached(),
        }
    }

    fn from_cached(cached: &CachedObject) -> Option<Self> {
        let connection = || Cacheable::from_cached(cached).map(Self::Connection);
        let session = || Cacheable::from_cached(cached).map(Self::Session);
        let consumer = || Cacheable::from_cached(cached).map(Self::Consumer);
        let producer = || Cacheable::from_cached(cached).map(Self::Producer);
        connection().or_else(session).or_else(consumer).or_else(producer)
    }

    fn address(&self) -> usize {
        match self {
            Self::Connection(id) => id.address(),
            Self::Session(id) => id.address(),
            Self::Consumer(id) => id.address(),
            Self::Producer(id) => id.address(),
        }
    }
}

impl ConnectionId {
    /// The connection of this name.
    pub fn new(value: impl Into<Text>) -> Self {
        Self { value: value.into() }
    }
}

impl BrokerId {
    /// The broker of this name.
    pub fn new(value: impl Into<Text>) -> Self {
        Self { value: value.into() }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.connection_id, self.value)
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.connection_id, self.session_id, self.value)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.connection_id, self.session_id, self.value)
    }
}

/// As JMS clients show it: the producer's id and the sequence, or the text view (in `ID:` form) where there is one.
impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.text_view, &self.producer_id) {
            (Some(text), _) => text.fmt(formatter),
            (None, Some(producer)) => write!(formatter, "{producer}:{}", self.producer_sequence_id),
            (None, None) => self.producer_sequence_id.fmt(formatter),
        }
    }
}
