//! Every command that a peer may send, as one closed enum.

use std::sync::Arc;

use crate::connection::{
    BrokerInfo, ConnectionControl, ConnectionError, ConnectionInfo, ControlCommand, DestinationInfo,
    FlushCommand, KeepAliveInfo, RemoveInfo, SessionInfo, ShutdownInfo, WireFormatInfo,
};
use crate::consumer::{
    BrokerSubscriptionInfo, ConsumerControl, ConsumerInfo, MessagePull, RemoveSubscriptionInfo,
};
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::message::{Message, MessageAck, MessageDispatch, MessageDispatchNotification, MessageKind};
use crate::producer::{ProducerAck, ProducerInfo};
use crate::reliability::{LastPartialCommand, PartialCommand, ReplayCommand};
use crate::response::{DataArrayResponse, DataResponse, ExceptionResponse, IntegerResponse, Response};
use crate::transaction::TransactionInfo;

/// What every command has in front.
pub(crate) trait Header {
    fn command_id(&self) -> i32;
    fn set_command_id(&mut self, command_id: i32);
    fn response_required(&self) -> bool;
    fn set_response_required(&mut self, response_required: bool);
}

impl Header for WireFormatInfo {
    fn command_id(&self) -> i32 {
        0
    }
    fn set_command_id(&mut self, _: i32) {}
    fn response_required(&self) -> bool {
        false
    }
    fn set_response_required(&mut self, _: bool) {}
}

macro_rules! partial_header {
    ($name:ident) => {
        impl Header for $name {
            fn command_id(&self) -> i32 {
                self.command_id
            }
            fn set_command_id(&mut self, command_id: i32) {
                self.command_id = command_id;
            }
            fn response_required(&self) -> bool {
                false
            }
            fn set_response_required(&mut self, _: bool) {}
        }
    };
}

partial_header!(PartialCommand);
partial_header!(LastPartialCommand);

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
                    _ => Err(unexpected_type(type_id, reader.version(), Self::NAME)),
                }
            }
        }

        /// Whether a command has this type id in this version.
        pub(crate) fn exists(type_id: u8, version: u8) -> bool {
            match type_id {
                23..=28 => true,
                29 => version >= MessageKind::BLOB_SINCE,
                $( $type_id => true $(&& version >= $since)?, )*
                _ => false,
            }
        }

        /// A random command of a random type that the generator's version has.
        #[cfg(test)]
        pub(crate) fn generate(generator: &mut crate::generate::Generator) -> Command {
            let choices: &[fn(&mut crate::generate::Generator) -> Option<Command>] = &[
                |generator| Some(Command::Message(Arc::new(crate::generate::Generate::generate(generator)))),
                $(
                    |generator| {
                        exists($type_id, generator.version())
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
