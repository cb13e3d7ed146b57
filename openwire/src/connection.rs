//! Commands about a connection as a whole: wire format, connection, session, keep-alive, shutdown, control.

use std::sync::Arc;

use bytes::Bytes;

use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::header::Header;
use crate::ids::{BrokerId, ConnectionId, RemovedId, SessionId};
use crate::table::structure;

/// The first command in each direction, always loose: what its sender can and would like to do. The properties
/// are a primitive map; [`crate::negotiation::Preferences`] reads and writes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WireFormatInfo {
    /// Highest version that the sender speaks.
    pub version: i32,
    /// The options, as a primitive map.
    pub marshalled_properties: Option<Bytes>,
}

impl WireFormatInfo {
    /// What the command begins with, so that a peer that speaks something else is found out at once.
    pub const MAGIC: [u8; 8] = *b"ActiveMQ";
}

impl Structure for WireFormatInfo {
    const NAME: &'static str = "WireFormatInfo";

    fn type_id(&self) -> u8 {
        1
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        writer.fixed(&Self::MAGIC);
        writer.int(self.version);
        writer.bytes(self.marshalled_properties.as_ref())
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        if type_id != 1 {
            return Err(unexpected_type(type_id, Self::NAME));
        }
        let found = reader.frame().array()?;
        if found != Self::MAGIC {
            return Err(DecodeError::BadMagic { found });
        }
        Ok(Self { version: reader.int()?, marshalled_properties: reader.bytes()? })
    }
}

structure! {
    /// A broker presents itself, to clients and to other brokers.
    BrokerInfo = 2, command {
        /// Name of the broker's run.
        broker_id: cached(Arc<BrokerId>),
        /// URI of the connector.
        broker_url: text,
        /// Brokers that it is connected to.
        peer_broker_infos: list(BrokerInfo),
        /// Configured name of the broker.
        broker_name: text,
        /// Whether it is a slave.
        slave_broker: bool,
        /// Whether it is a master that has a slave.
        master_broker: bool,
        /// Whether it has failover in its configuration.
        fault_tolerant_configuration: bool,
        /// Whether the connection of a network connector is used both ways.
        duplex_connection: bool since 2,
        /// Whether this comes over a network connector.
        network_connection: bool since 2,
        /// Number of the connection in the broker.
        connection_id: long since 2,
        /// Where large bodies (blobs) are put.
        broker_upload_url: text since 3,
        /// Properties of a duplex network connector, in Java's properties format.
        network_properties: text since 3,
    }
}

structure! {
    /// Opens a connection.
    ConnectionInfo = 3, command {
        /// Name of the connection.
        connection_id: cached(Arc<ConnectionId>),
        /// The JMS client id.
        client_id: text,
        /// Password, in the clear.
        password: text,
        /// Name of the user.
        user_name: text,
        /// Brokers passed so far.
        broker_path: list(Arc<BrokerId>),
        /// Whether the peer is a broker's master connector.
        broker_master_connector: bool,
        /// Whether the client answers control commands.
        manageable: bool,
        /// Whether the client accepts only a master.
        client_master: bool since 2,
        /// Whether the client uses the failover transport.
        fault_tolerant: bool since 6,
        /// Whether this is the failover transport's replay after a reconnect.
        failover_reconnect: bool since 6,
        /// Address of the client as the client sees it.
        client_ip: text since 8,
    }
}

structure! {
    /// Opens a session.
    SessionInfo = 4, command {
        /// Name of the session.
        session_id: cached(Arc<SessionId>),
    }
}

structure! {
    /// Adds or removes a destination.
    DestinationInfo = 8, command {
        /// The connection that asks.
        connection_id: cached(Arc<ConnectionId>),
        /// The destination.
        destination: cached(Arc<Destination>),
        /// `DestinationInfo::ADD` or `DestinationInfo::REMOVE`.
        operation: byte,
        /// How long to wait for consumers to go before removing, in milliseconds; 0 does not wait.
        timeout: long,
        /// Brokers passed so far.
        broker_path: list(Arc<BrokerId>),
    }
}

impl DestinationInfo {
    /// Add the destination.
    pub const ADD: u8 = 0;
    /// Remove the destination.
    pub const REMOVE: u8 = 1;
}

structure! {
    /// Shows that the sender lives; sent when nothing else was.
    KeepAliveInfo = 10, command {}
}

structure! {
    /// The last command: the sender closes the connection in good order.
    ShutdownInfo = 11, command {}
}

structure! {
    /// Closes a connection, session, consumer or producer.
    RemoveInfo = 12, command {
        /// What is closed.
        object_id: cached(RemovedId),
        /// Broker sequence of the last message that the consumer saw, see the constants below.
        last_delivered_sequence_id: long since 5 or -2,
    }
}

impl RemoveInfo {
    /// Nothing is known about what was delivered: every dispatched message counts as redelivered.
    pub const LAST_DELIVERED_UNKNOWN: i64 = -2;
    /// Nothing was delivered to the application.
    pub const LAST_DELIVERED_UNSET: i64 = -1;
}

structure! {
    /// An order to the peer in words, such as `shutdown`.
    ControlCommand = 14, command {
        /// The order.
        command: text,
    }
}

structure! {
    /// Asks the peer to send what it holds back; the response tells that it did.
    FlushCommand = 15, command {}
}

structure! {
    /// An error that no response can carry.
    ConnectionError = 16, command {
        /// The error.
        exception: throwable,
        /// The connection that has it.
        connection_id: nested(ConnectionId),
    }
}

structure! {
    /// The broker tells a client what to do with its connection.
    ConnectionControl = 18, command {
        /// Close the connection.
        close: bool,
        /// Exit the process.
        exit: bool,
        /// Whether the broker has a slave.
        fault_tolerant: bool,
        /// Resume sending.
        resume: bool,
        /// Stop sending.
        suspend: bool,
        /// URIs of the brokers of the cluster, separated by commas.
        connected_brokers: text since 6,
        /// URI to reconnect to.
        reconnect_to: text since 6,
        /// Whether the client should choose a broker anew.
        rebalance_connection: bool since 6,
        /// A token for authentication.
        token: octets since 8,
    }
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
