//! What a process is told.

use std::any::Any;

use bytes::Bytes;

use crate::network::connection::{ConnectionId, Ending};

/// What happens to a process, in the order in which it does.
#[derive(Debug)]
pub enum Event {
    /// It began. The first event of all.
    Started,
    /// A connection that it asked for is up.
    Connected(ConnectionId),
    /// A connection that it asked for was refused: nobody listens there, or the network says no.
    Refused(ConnectionId),
    /// Somebody connected to a port on which it listens.
    Accepted {
        /// The new connection.
        connection: ConnectionId,
        /// The port.
        port: u16,
    },
    /// Bytes came, cut anywhere.
    Received {
        /// By which connection.
        connection: ConnectionId,
        /// At least one.
        bytes: Bytes,
    },
    /// A connection is no more, by another's doing. Nothing more is heard of it.
    Ended {
        /// Which.
        connection: ConnectionId,
        /// How.
        ending: Ending,
    },
    /// A timer that it set went off, by its host's clock.
    Timer(u64),
    /// A completion that it made by [`crate::kernel::context::Context::completion`] was called, or dropped.
    Done(Box<dyn Any + Send>),
}
