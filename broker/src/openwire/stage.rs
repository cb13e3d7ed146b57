//! How far a connection is, from its first byte to its goodbye.
//!
//! 'Not yet' and 'no longer' are different answers: who has said goodbye is not asked again who it is, and who has agreed on how to
//! write may take its time before it says so (ActiveMQ: a connection that was created and is started later).

use std::sync::Arc;

use kahawai_openwire::ids::ConnectionId;

/// A connection's stage. It only goes forward, but that a client which has left may come back on the same socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nobody knows yet what speaks there: `connectionTimeout` runs.
    #[default]
    Opening,
    /// Both agree on how to write. Only keep-alive says how long this may last.
    Negotiated,
    /// The client has said who it is and was let in.
    Connected(Arc<ConnectionId>),
    /// A slave has said that it is one: it says who it is in a BrokerInfo, and then nothing more in OpenWire.
    Slave,
    /// The client has said goodbye; the end of its socket follows.
    Left,
}

impl Stage {
    /// Whether the client is in, and no less and no more.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }

    /// Whether it is still to be heard what speaks there.
    pub fn is_opening(&self) -> bool {
        matches!(self, Self::Opening)
    }

    /// Whether the client was let in at some time: only until then it is watched what it sends and how much.
    pub fn was_let_in(&self) -> bool {
        matches!(self, Self::Connected(_) | Self::Left)
    }

    /// What a command that needs a connection is told where there is none.
    pub(super) fn why_not(&self) -> &'static str {
        match self {
            Self::Opening => "before WireFormatInfo",
            Self::Negotiated => "before ConnectionInfo",
            Self::Connected(_) => "on a connection that is there",
            Self::Slave => "on a connection of a slave",
            Self::Left => "after the connection was closed",
        }
    }
}
