//! What is made of one another: commands, responses that carry structures, messages that carry commands, and the closed
//! enums of all that has a type id.

use std::sync::Arc;

use crate::connection::{
    BrokerInfo, ConnectionControl, ConnectionError, ConnectionInfo, ControlCommand, DestinationInfo,
    FlushCommand, KeepAliveInfo, RemoveInfo, SessionInfo, ShutdownInfo, WireFormatInfo,
};
use crate::consumer::{
    BrokerSubscriptionInfo, ConsumerControl, ConsumerInfo, MessagePull, NetworkBridgeFilter,
    RemoveSubscriptionInfo, SubscriptionInfo,
};
use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::header::Header;
use crate::ids::{BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use crate::journal::{JournalQueueAck, JournalTopicAck, JournalTrace, JournalTransaction};
use crate::message_ack::{MessageAck, MessageDispatchNotification};
use crate::message_kind::{BlobReference, MessageKind};
use crate::producer::{ProducerAck, ProducerInfo};
use crate::reliability::{DiscoveryEvent, LastPartialCommand, PartialCommand, ReplayCommand};
use crate::response::{ExceptionResponse, IntegerResponse, Response};
use crate::table::{fields, structure};
use crate::transaction::{TransactionId, TransactionInfo};

macro_rules! commands {
    ($( $name:ident = $type_id:literal $(since $since:literal)? ),* $(,)?) => {
        /// A command. All but messages are boxed, so that a command is small to move; a message is shared, so that
        /// it can be kept and dispatched without a copy.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            /// A message of any kind.
            Message(Arc<Message>),
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name(Box<$name>),
            )*
        }

        impl Command {
            fn header(&self) -> &dyn Header {
                match self {
                    Self::Message(command) => &**command,
                    $( Self::$name(command) => &**command, )*
                }
            }

            fn header_mut(&mut self) -> &mut dyn Header {
                match self {
                    Self::Message(command) => Arc::<Message>::make_mut(command),
                    $( Self::$name(command) => &mut **command, )*
                }
            }

            /// The command's name, as ActiveMQ calls it.
            pub fn name(&self) -> &'static str {
                match self {
                    Self::Message(_) => "Message",
                    $( Self::$name(_) => stringify!($name), )*
                }
            }
        }

        $(
            impl From<$name> for Command {
                fn from(command: $name) -> Self {
                    Self::$name(Box::new(command))
                }
            }
        )*

        impl Structure for Command {
            const NAME: &'static str = "command";

            fn type_id(&self) -> u8 {
                match self {
                    Self::Message(command) => command.type_id(),
                    $( Self::$name(command) => command.type_id(), )*
                }
            }

            fn since(&self) -> u8 {
                match self {
                    Self::Message(command) => command.since(),
                    $( Self::$name(command) => command.since(), )*
                }
            }

            fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
                match self {
                    Self::Message(command) => command.write(writer),
                    $( Self::$name(command) => command.write(writer), )*
                }
            }

            fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
                match type_id {
                    23..=29 => Structure::read(type_id, reader).map(Self::Message),
                    $( $type_id => $name::read(type_id, reader).map(|command| Self::$name(Box::new(command))), )*
                    _ => Err(unexpected_type(type_id, Self::NAME)),
                }
            }
        }

        /// Whether a command has this type id in this version.
        fn is_command(type_id: u8, version: u8) -> bool {
            match type_id {
                23..=28 => true,
                29 => version >= MessageKind::BLOB_SINCE,
                $( $type_id => true $(&& version >= $since)?, )*
                _ => false,
            }
        }

        /// A random command of a random type that the generator's version has.
        #[cfg(test)]
        pub(crate) fn generate_command(generator: &mut crate::generate::Generator) -> Command {
            let choices: &[fn(&mut crate::generate::Generator) -> Option<Command>] = &[
                |generator| Some(Command::Message(Arc::new(crate::generate::Generate::generate(generator)))),
                $(
                    |generator| {
                        is_command($type_id, generator.version())
                            .then(|| <$name as crate::generate::Generate>::generate(generator).into())
                    },
                )*
            ];
            loop {
                let choice = generator.below(choices.len());
                if let Some(command) = choices[choice](generator) {
                    return command;
                }
            }
        }
    };
}

commands! {
    WireFormatInfo = 1,
    BrokerInfo = 2,
    ConnectionInfo = 3,
    SessionInfo = 4,
    ConsumerInfo = 5,
    ProducerInfo = 6,
    TransactionInfo = 7,
    DestinationInfo = 8,
    RemoveSubscriptionInfo = 9,
    KeepAliveInfo = 10,
    ShutdownInfo = 11,
    RemoveInfo = 12,
    ControlCommand = 14,
    FlushCommand = 15,
    ConnectionError = 16,
    ConsumerControl = 17,
    ConnectionControl = 18,
    ProducerAck = 19 since 3,
    MessagePull = 20 since 2,
    MessageDispatch = 21,
    MessageAck = 22,
    Response = 30,
    ExceptionResponse = 31,
    DataResponse = 32,
    DataArrayResponse = 33,
    IntegerResponse = 34,
    PartialCommand = 60,
    LastPartialCommand = 61,
    ReplayCommand = 65,
    MessageDispatchNotification = 90,
    BrokerSubscriptionInfo = 92 since 12,
}

impl Command {
    /// Number of the command in its sender's sequence; 0 for a `WireFormatInfo`, which has none.
    pub fn command_id(&self) -> i32 {
        self.header().command_id()
    }

    /// Numbers the command. A message that is shared is cloned (cheaply) first; a `WireFormatInfo` has no number.
    pub fn set_command_id(&mut self, command_id: i32) {
        self.header_mut().set_command_id(command_id);
    }

    /// Whether the sender waits for a response.
    pub fn response_required(&self) -> bool {
        self.header().response_required()
    }

    /// Asks for a response. A message that is shared is cloned (cheaply) first; a `WireFormatInfo` and partial
    /// commands cannot ask.
    pub fn set_response_required(&mut self, response_required: bool) {
        self.header_mut().set_response_required(response_required);
    }
}

impl From<Message> for Command {
    fn from(message: Message) -> Self {
        Self::Message(Arc::new(message))
    }
}

impl From<Arc<Message>> for Command {
    fn from(message: Arc<Message>) -> Self {
        Self::Message(message)
    }
}

macro_rules! data_structures {
    ($( $(#[$meta:meta])* $variant:ident ( $held:ty ) from $name:ty = $type_ids:pat ),* $(,)?) => {
        /// Any structure of the protocol.
        #[derive(Debug, Clone, PartialEq)]
        pub enum DataStructure {
            /// A command.
            Command(Command),
            $(
                $(#[$meta])*
                $variant($held),
            )*
        }

        $(
            impl From<$name> for DataStructure {
                fn from(structure: $name) -> Self {
                    Self::$variant(structure.into())
                }
            }
        )*

        impl Structure for DataStructure {
            const NAME: &'static str = "data structure";

            fn type_id(&self) -> u8 {
                match self {
                    Self::Command(structure) => structure.type_id(),
                    $( Self::$variant(structure) => structure.type_id(), )*
                }
            }

            fn since(&self) -> u8 {
                match self {
                    Self::Command(structure) => structure.since(),
                    $( Self::$variant(structure) => structure.since(), )*
                }
            }

            fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
                match self {
                    Self::Command(structure) => structure.write(writer),
                    $( Self::$variant(structure) => structure.write(writer), )*
                }
            }

            fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
                match type_id {
                    $(
                        $type_ids => {
                            <$name as Structure>::read(type_id, reader).map(|it| Self::$variant(it.into()))
                        }
                    )*
                    _ if is_command(type_id, reader.version()) => {
                        Structure::read(type_id, reader).map(Self::Command)
                    }
                    _ => Err(unexpected_type(type_id, Self::NAME)),
                }
            }
        }

        /// Whether any structure has this type id in this version.
        pub(crate) fn exists(type_id: u8, version: u8) -> bool {
            matches!(type_id, $( $type_ids )|*) || is_command(type_id, version)
        }

        /// A random structure of a random type that the generator's version has.
        #[cfg(test)]
        pub(crate) fn generate_structure(generator: &mut crate::generate::Generator) -> DataStructure {
            let choices: &[fn(&mut crate::generate::Generator) -> DataStructure] = &[
                |generator| DataStructure::Command(generate_command(generator)),
                $(
                    |generator| <$name as crate::generate::Generate>::generate(generator).into(),
                )*
            ];
            let choice = generator.below(choices.len());
            choices[choice](generator)
        }
    };
}

data_structures! {
    /// A broker's name.
    BrokerId(Arc<BrokerId>) from BrokerId = 124,
    /// A connection's name.
    ConnectionId(Arc<ConnectionId>) from ConnectionId = 120,
    /// A session's name.
    SessionId(Arc<SessionId>) from SessionId = 121,
    /// A consumer's name.
    ConsumerId(Arc<ConsumerId>) from ConsumerId = 122,
    /// A producer's name.
    ProducerId(Arc<ProducerId>) from ProducerId = 123,
    /// A message's name.
    MessageId(Box<MessageId>) from MessageId = 110,
    /// A queue or topic.
    Destination(Arc<Destination>) from Destination = 100..=103,
    /// A transaction's name.
    TransactionId(Arc<TransactionId>) from TransactionId = 111 | 112,
    /// A durable subscription.
    SubscriptionInfo(Box<SubscriptionInfo>) from SubscriptionInfo = 55,
    /// A network connector's filter.
    NetworkBridgeFilter(Box<NetworkBridgeFilter>) from NetworkBridgeFilter = 91,
    /// A broker found or lost.
    DiscoveryEvent(Box<DiscoveryEvent>) from DiscoveryEvent = 40,
    /// A journal's record.
    JournalTopicAck(Box<JournalTopicAck>) from JournalTopicAck = 50,
    /// A journal's record.
    JournalQueueAck(Box<JournalQueueAck>) from JournalQueueAck = 52,
    /// A journal's record.
    JournalTrace(Box<JournalTrace>) from JournalTrace = 53,
    /// A journal's record.
    JournalTransaction(Box<JournalTransaction>) from JournalTransaction = 54,
}

impl From<Command> for DataStructure {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
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

impl Header for Message {
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
            .ok_or_else(|| unexpected_type(type_id, Self::NAME))?;
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
    /// The command was carried out, with one structure as its result.
    DataResponse = 32, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// The result.
        data: nested(DataStructure),
    }
}

structure! {
    /// The command was carried out, with several structures as its result.
    DataArrayResponse = 33, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// The result.
        data: list(DataStructure),
    }
}
