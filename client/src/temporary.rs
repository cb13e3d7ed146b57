//! Temporary queues and topics.

use std::ops::Deref;
use std::sync::Arc;

use kahawai_openwire::destination::{Destination, DestinationKind};

use crate::error::Result;
use crate::handle::ConnectionHandle;

/// A queue or topic that only its own connection consumes from. Others may send to it: give it to them by
/// [`crate::Message::reply_to`]. It lives until [`Self::delete`] or the end of its connection, which it does not keep
/// open; dropping it does nothing.
#[derive(Debug, Clone)]
pub struct TemporaryDestination {
    destination: Destination,
}

impl TemporaryDestination {
    pub(crate) async fn create(connection: Arc<ConnectionHandle>, kind: DestinationKind) -> Result<Self> {
        let (destination, created) =
            connection.shared().open_when_up(|protocol, now| protocol.create_temporary(now, kind)).await?;
        created.await?;
        Ok(Self { destination })
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
