//! Producers.

use std::fmt;
use std::sync::Arc;

use kahawai_openwire::destination::Destination;

use crate::error::{Error, Result};
use crate::handle::SessionHandle;
use crate::message::Message;
use crate::protocol::ProducerKey;
pub use crate::shell::confirm::Confirm;
use crate::shell::names;

/// Sends messages. It may be shared; messages of one producer arrive in the order in which they were sent.
///
/// What waits to be sent is bounded (1 MiB a connection), as is what waits for an answer (65536): senders wait when
/// the broker is slower than they are.
pub struct Producer {
    session: Arc<SessionHandle>,
    key: ProducerKey,
    destination: Option<Arc<Destination>>,
}

impl Producer {
    pub(crate) async fn open(session: Arc<SessionHandle>, destination: Option<Destination>) -> Result<Self> {
        let (key, opened) = session
            .shared()
            .open_when_up(|protocol, now| protocol.open_producer(now, session.key(), destination.as_ref()))
            .await?;
        let producer = Self { session, key, destination: destination.map(Arc::new) };
        opened.await?;
        Ok(producer)
    }

    /// Sends a message. When this returns, the broker has stored it; if it is not persistent or in a transaction it
    /// is merely on its way.
    ///
    /// # Errors
    /// [`Error::Broker`] where the broker refuses it; [`Error::OutcomeUnknown`] where the connection was lost before
    /// the answer; [`Error::Usage`] for a producer without a destination; [`Error::Encode`], [`Error::Lost`],
    /// [`Error::Closed`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        self.start_send(message).await?.await
    }

    /// Sends a message without waiting for the answer, which is a future of its own: so that many can be on their
    /// way. Waits only where too much is.
    ///
    /// ```no_run
    /// # async fn example(producer: kahawai_client::Producer) -> kahawai_client::Result<()> {
    /// let mut confirms = Vec::new();
    /// for number in 0..100 {
    ///     confirms.push(producer.start_send(format!("order {number}")).await?);
    /// }
    /// for confirm in confirms {
    ///     confirm.await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::send`]; of the broker's answer the future tells.
    pub async fn start_send(&self, message: impl Into<Message>) -> Result<Confirm> {
        let destination = self.destination.clone();
        let destination = destination.ok_or(Error::Usage("the producer has no destination: use send_to"))?;
        self.start(destination, message.into()).await
    }

    /// Sends a message to a destination that the producer was not opened for, as [`Self::send`].
    ///
    /// # Errors
    /// As [`Self::send`]; [`Error::Usage`] where the producer was opened for another destination.
    pub async fn send_to(&self, destination: &Destination, message: impl Into<Message>) -> Result<()> {
        if self.destination.as_deref().is_some_and(|own| own != destination) {
            return Err(Error::Usage("the producer was opened for another destination"));
        }
        self.start(Arc::new(destination.clone()), message.into()).await?.await
    }

    async fn start(&self, destination: Arc<Destination>, message: Message) -> Result<Confirm> {
        let message = message.into_wire(destination, names::milliseconds_since_1970())?;
        self.session.shared().request_with_room(|protocol, now| protocol.send(now, self.key, message)).await
    }

    /// Closes the producer; dropping it does so as well, without waiting.
    ///
    /// # Errors
    /// [`Error::Broker`], [`Error::Lost`].
    pub async fn close(self) -> Result<()> {
        match self.session.shared().request(|protocol, now| protocol.close_producer(now, self.key)) {
            Ok(closed) => closed.await,
            Err(Error::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let key = self.key;
        // If the connection is over, so is the producer.
        let _ = self.session.shared().request(|protocol, now| protocol.close_producer(now, key));
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Producer")
            .field("session", &self.session)
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}
