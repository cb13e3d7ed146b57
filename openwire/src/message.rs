//! Messages, their dispatch and their acknowledgement.

use std::sync::Arc;

use crate::data_structure::DataStructure;
use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::ids::{BrokerId, ConsumerId, MessageId, ProducerId};
use crate::table::{fields, structure};
use crate::text::Text;
use crate::transaction::TransactionId;

/// What kind of message it is, with its type id on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Without a body.
    #[default]
    Plain = 23,
    /// Untyped bytes.
    Bytes = 24,
    /// Names and primitive values.
    Map = 25,
    /// A serialised Java object, opaque here.
    Object = 26,
    /// A sequence of primitive values.
    Stream = 27,
    /// A string.
    Text = 28,
    /// A body kept elsewhere.
    Blob = 29,
}

impl MessageKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Bytes, Self::Map, Self::Object, Self::Stream, Self::Text, Self::Blob];

    /// First version that has messages with a body kept elsewhere.
    pub(crate) const BLOB_SINCE: u8 = 3;

    /// The kind with this type id.
    pub fn from_type_id(type_id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == type_id)
    }
}

/// Where the body of a blob message is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobReference {
    /// URL of the body.
    pub remote_blob_url: Option<Text>,
    /// Its media type.
    pub mime_type: Option<Text>,
    /// Whether the broker deletes it when the message has gone.
    pub deleted_by_broker: bool,
}

fields! {
    /// A message of any kind. Body and properties are untouched slices of the frame it came in; cloning a message
    /// copies no text, body or property.
    Message {
        /// Number of the command in its sender's sequence; a response's `correlation_id` refers to it.
        command_id: int,
        /// Whether the sender waits for a response.
        response_required: bool,
        /// Name of the producer.
        producer_id: cached(Arc<ProducerId>),
        /// Where it goes.
        destination: cached(Arc<Destination>),
        /// Transaction in which it is sent.
        transaction_id: cached(Arc<TransactionId>),
        /// Where it was sent to first, if it was moved or is a copy for one of several destinations.
        original_destination: cached(Arc<Destination>),
        /// Name of the message.
        message_id: nested(MessageId),
        /// Transaction in which it was sent first.
        original_transaction_id: cached(Arc<TransactionId>),
        /// `JMSXGroupID`.
        group_id: text,
        /// `JMSXGroupSeq`.
        group_sequence: int,
        /// `JMSCorrelationID`.
        correlation_id: text,
        /// Whether it survives a restart of the broker.
        persistent: bool,
        /// When it expires, in milliseconds since 1970; 0 is never.
        expiration: long,
        /// `JMSPriority`, 0 to 9; 4 is JMS's default.
        priority: byte,
        /// `JMSReplyTo`.
        reply_to: nested(Arc<Destination>),
        /// When it was sent, in milliseconds since 1970.
        timestamp: long,
        /// `JMSType`.
        message_type: text,
        /// The body, in the form that its kind has; see [`crate::body`].
        content: bytes,
        /// The properties, as a primitive map; see [`crate::body`].
        marshalled_properties: bytes,
        /// A command that an advisory message carries.
        data_structure: nested(DataStructure),
        /// The only consumer that it is for.
        target_consumer_id: cached(Arc<ConsumerId>),
        /// Whether the body is compressed (zlib).
        compressed: bool,
        /// How often it was delivered before.
        redelivery_counter: int,
        /// Brokers passed so far.
        broker_path: list(Arc<BrokerId>),
        /// When it came to the broker, in milliseconds since 1970.
        arrival: long,
        /// `JMSXUserID`.
        user_id: text,
        /// Whether it came over a demand-forwarding network connector.
        received_by_demand_forwarding_bridge: bool,
        /// Whether it may be discarded for a slow consumer.
        droppable: bool since 2,
        /// Brokers of a cluster that it was offered to.
        cluster: list(Arc<BrokerId>) since 3,
        /// When it came to the broker, in milliseconds since 1970, for statistics.
        broker_in_time: long since 3,
        /// When it left the broker, in milliseconds since 1970, for statistics.
        broker_out_time: long since 3,
        /// `JMSXGroupFirstForConsumer`.
        group_first_for_consumer: bool since 10,
    } local {
        /// What kind it is.
        kind: MessageKind,
        /// Where a blob message's body is; not written for other kinds.
        blob: Option<Box<BlobReference>>,
    }
}

impl Message {
    /// The same message with another redelivery counter. Copies no text, body or property.
    ///
    /// Clients take the counter from the [`MessageDispatch`]; this is for those who read the message's own.
    pub fn with_redelivery_counter(&self, redelivery_counter: i32) -> Self {
        Self { redelivery_counter, ..self.clone() }
    }
}

impl crate::command::Header for Message {
    fn command_id(&self) -> i32 {
        self.command_id
    }

    fn set_command_id(&mut self, command_id: i32) {
        self.command_id = command_id;
    }

    fn response_required(&self) -> bool {
        self.response_required
    }

    fn set_response_required(&mut self, response_required: bool) {
        self.response_required = response_required;
    }
}

impl Structure for Message {
    const NAME: &'static str = "message";

    fn type_id(&self) -> u8 {
        self.kind as u8
    }

    fn since(&self) -> u8 {
        if self.kind == MessageKind::Blob { MessageKind::BLOB_SINCE } else { 1 }
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        self.write_fields(writer)?;
        if self.kind == MessageKind::Blob {
            let blob = self.blob.as_deref();
            writer.text(blob.and_then(|blob| blob.remote_blob_url.as_ref()))?;
            writer.text(blob.and_then(|blob| blob.mime_type.as_ref()))?;
            writer.bool(blob.is_some_and(|blob| blob.deleted_by_broker));
        }
        Ok(())
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        let kind = MessageKind::from_type_id(type_id)
            .filter(|kind| *kind != MessageKind::Blob || reader.version() >= MessageKind::BLOB_SINCE)
            .ok_or_else(|| unexpected_type(type_id, reader.version(), Self::NAME))?;
        let mut message = Self::read_fields(reader)?;
        message.kind = kind;
        if kind == MessageKind::Blob {
            message.blob = Some(Box::new(BlobReference {
                remote_blob_url: reader.text()?,
                mime_type: reader.text()?,
                deleted_by_broker: reader.bool()?,
            }));
        }
        Ok(message)
    }
}

structure! {
    /// The broker gives a message to a consumer. The message is shared: dispatching it to many copies nothing.
    MessageDispatch = 21, command {
        /// The consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// The message; null answers a pull that found none, and tells a browser that it has seen all.
        message: nested(Arc<Message>),
        /// How often the message was delivered before. Clients take it from here, not from the message.
        redelivery_counter: int,
    }
}

structure! {
    /// A consumer acknowledges messages; `ack_type` says how.
    MessageAck = 22, command {
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// Transaction in which it acknowledges.
        transaction_id: cached(Arc<TransactionId>),
        /// The consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// One of the constants below.
        ack_type: byte,
        /// First message of the range; null where the range goes from the oldest dispatched.
        first_message_id: nested(MessageId),
        /// Last message of the range.
        last_message_id: nested(MessageId),
        /// How many messages the range has.
        message_count: int,
        /// Why a message is poison.
        poison_cause: throwable since 7,
    }
}

impl MessageAck {
    /// Delivered to the client, not yet consumed: more may be dispatched.
    pub const DELIVERED: u8 = 0;
    /// Poison: for the dead-letter queue.
    pub const POISON: u8 = 1;
    /// Consumed.
    pub const STANDARD: u8 = 2;
    /// Delivered once more by the client itself; `message_count` says how often.
    pub const REDELIVERED: u8 = 3;
    /// Consumed, this message only, whatever came before it.
    pub const INDIVIDUAL: u8 = 4;
    /// Not matched by a durable subscription's selector.
    pub const UNMATCHED: u8 = 5;
    /// Expired before the client consumed it.
    pub const EXPIRED: u8 = 6;
}

structure! {
    /// A master tells its slave that it dispatched a message.
    MessageDispatchNotification = 90, command {
        /// The consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// Number of the delivery.
        delivery_sequence_id: long,
        /// The message.
        message_id: nested(MessageId),
    }
}
