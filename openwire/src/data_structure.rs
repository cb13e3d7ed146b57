//! Whatever has a type id: commands, and the structures that only stand inside of commands or journals.

use std::sync::Arc;

use crate::command::{self, Command};
use crate::consumer::{NetworkBridgeFilter, SubscriptionInfo};
use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::ids::{BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use crate::journal::{JournalQueueAck, JournalTopicAck, JournalTrace, JournalTransaction};
use crate::reliability::DiscoveryEvent;
use crate::transaction::TransactionId;

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
                    _ if command::exists(type_id, reader.version()) => {
                        Structure::read(type_id, reader).map(Self::Command)
                    }
                    _ => Err(unexpected_type(type_id, reader.version(), Self::NAME)),
                }
            }
        }

        /// Whether any structure has this type id in this version.
        pub(crate) fn exists(type_id: u8, version: u8) -> bool {
            matches!(type_id, $( $type_ids )|*) || command::exists(type_id, version)
        }

        /// A random structure of a random type that the generator's version has.
        #[cfg(test)]
        pub(crate) fn generate(generator: &mut crate::generate::Generator) -> DataStructure {
            let choices: &[fn(&mut crate::generate::Generator) -> DataStructure] = &[
                |generator| DataStructure::Command(command::generate(generator)),
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
