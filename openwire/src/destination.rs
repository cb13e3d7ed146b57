//! Queues and topics, lasting and temporary.

use std::fmt;

use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::text::Text;

/// What kind of destination it is, with its type id on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DestinationKind {
    /// Each message goes to one consumer.
    #[default]
    Queue = 100,
    /// Each message goes to every subscription.
    Topic = 101,
    /// A queue that lives as long as the connection that made it.
    TemporaryQueue = 102,
    /// A topic that lives as long as the connection that made it.
    TemporaryTopic = 103,
}

impl DestinationKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Queue, Self::Topic, Self::TemporaryQueue, Self::TemporaryTopic];

    /// The scheme that ActiveMQ writes before a qualified name.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Queue => "queue://",
            Self::Topic => "topic://",
            Self::TemporaryQueue => "temp-queue://",
            Self::TemporaryTopic => "temp-topic://",
        }
    }

    /// Whether it is a queue, lasting or temporary.
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Queue | Self::TemporaryQueue)
    }

    /// Whether it is a topic, lasting or temporary.
    pub fn is_topic(self) -> bool {
        !self.is_queue()
    }

    /// Whether it lives as long as the connection that made it.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::TemporaryQueue | Self::TemporaryTopic)
    }
}

/// A queue or topic by name. Composite names (`A,topic://B`), wildcards and options stay in the name, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// What kind it is.
    pub kind: DestinationKind,
    /// Its name, without a scheme.
    pub physical_name: Text,
}

impl Destination {
    /// The destination of this kind and name.
    pub fn new(kind: DestinationKind, physical_name: impl Into<Text>) -> Self {
        Self { kind, physical_name: physical_name.into() }
    }

    /// The queue of this name.
    pub fn queue(physical_name: impl Into<Text>) -> Self {
        Self::new(DestinationKind::Queue, physical_name)
    }

    /// The topic of this name.
    pub fn topic(physical_name: impl Into<Text>) -> Self {
        Self::new(DestinationKind::Topic, physical_name)
    }
}

/// The qualified name: scheme and physical name.
impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.kind.scheme(), self.physical_name)
    }
}

impl Structure for Destination {
    const NAME: &'static str = "destination";

    fn type_id(&self) -> u8 {
        self.kind as u8
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        writer.text(Some(&self.physical_name))
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        let kind = DestinationKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == type_id)
            .ok_or_else(|| unexpected_type(type_id, Self::NAME))?;
        let physical_name =
            reader.text()?.ok_or(DecodeError::UnexpectedNull { expected: "Destination.physical_name" })?;
        Ok(Self { kind, physical_name })
    }
}
