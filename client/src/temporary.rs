//! Temporary queues and topics.

use std::ops::Deref;

use kahawai_openwire::destination::{Destination, DestinationKind};

use crate::connection::Connection;
use crate::error::Result;

/// A queue or topic that only its own connection consumes from. Others may send to it: give it to them by
/// [`crate::Message::reply_to`]. It lives until [`Self::delete`] or the end of its connection, which it does not keep
/// open; dropping it does nothing.
#[derive(Debug, Clone)]
pub struct TemporaryDestination {
    destination: Destination,
}

impl TemporaryDestination {
    pub(crate) async fn create(connection: Connection, kind: DestinationKind) -> Result<Self> {
        let (destination, created) =
            connection.shared().open_when_up(|protocol, now| protocol.create_temporary(now, kind)).await?;
        created.await?;
        Ok(Self { destination })
    }

    /// Deletes it, over the connection that made it. Its consumers must be closed.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] where it has a consumer or is another connection's; [`crate::Error::Broker`],
    /// [`crate::Error::Lost`], [`crate::Error::Closed`].
    pub async fn delete(self, connection: &Connection) -> Result<()> {
        let removal = |protocol: &mut crate::protocol::Protocol, now| {
            protocol.remove_temporary(now, &self.destination).map(Some)
        };
        connection.shared().request_when_up(removal).await?.await
    }
}

impl Deref for TemporaryDestination {
    type Target = Destination;

    fn deref(&self) -> &Destination {
        &self.destination
    }
}

impl From<TemporaryDestination> for Destination {
    fn from(temporary: TemporaryDestination) -> Self {
        temporary.destination
    }
}

impl From<&TemporaryDestination> for Destination {
    fn from(temporary: &TemporaryDestination) -> Self {
        temporary.destination.clone()
    }
}
