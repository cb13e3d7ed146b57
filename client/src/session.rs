//! Sessions, and transactions.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use kahawai_openwire::destination::Destination;

use crate::consumer::Consumer;
use crate::consumer_options::ConsumerOptions;
use crate::error::Result;
use crate::handle::{ConnectionHandle, SessionHandle};
use crate::producer::Producer;

/// Where producers and consumers are opened. Clones are the same session; it closes when the last clone and the last
/// producer, consumer and unacknowledged delivery of it have gone, or by [`Self::close`].
#[derive(Clone)]
pub struct Session {
    handle: Arc<SessionHandle>,
}

impl Session {
    pub(crate) async fn open(connection: Arc<ConnectionHandle>, is_transacted: bool) -> Result<Self> {
        let (key, opened) = connection
            .shared()
            .open_when_up(|protocol, now| protocol.open_session(now, is_transacted))
            .await?;
        let session = Self { handle: Arc::new(SessionHandle::new(connection, key, is_transacted)) };
        opened.await?;
        Ok(session)
    }

    /// Opens a producer that sends to one destination.
    ///
    /// # Errors
    /// [`crate::Error::Broker`] where the broker refuses, [`crate::Error::Lost`], [`crate::Error::Closed`].
    pub async fn producer(&self, destination: impl Into<Destination>) -> Result<Producer> {
        Producer::open(self.handle.clone(), Some(destination.into())).await
    }

    /// Opens a producer whose every send names its destination ([`Producer::send_to`]).
    ///
    /// # Errors
    /// As [`Self::producer`].
    pub async fn anonymous_producer(&self) -> Result<Producer> {
        Producer::open(self.handle.clone(), None).await
    }

    /// Opens a consumer: of a [`Destination`] with all defaults, or by [`ConsumerOptions`].
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for a durable subscription without a client id and for a temporary destination of another
    /// connection; [`crate::Error::Broker`] where the broker refuses, as for a malformed selector; [`crate::Error::Lost`], [`crate::Error::Closed`].
    pub async fn consumer(&self, options: impl Into<ConsumerOptions>) -> Result<Consumer> {
        Consumer::open(self.handle.clone(), options.into()).await
    }

    /// Closes the session with its producers and consumers. An open transaction is rolled back.
    ///
    /// # Errors
    /// [`crate::Error::Broker`], [`crate::Error::Lost`], [`crate::Error::Closed`] where the connection was closed.
    pub async fn close(&self) -> Result<()> {
        let key = self.handle.key();
        self.handle.shared().request(|protocol, now| protocol.close_session(now, key))?.await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(formatter)
    }
}

/// A [`Session`] in which all sending and receiving belongs to a transaction: messages sent are seen, and messages
/// received count as consumed, when [`Self::commit`] returns. What is not committed when the session closes is rolled
/// back.
#[derive(Debug, Clone)]
pub struct TransactedSession {
    session: Session,
}

impl TransactedSession {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Commits what was sent and received since the last commit or roll-back.
    ///
    /// # Errors
    /// [`crate::Error::Broker`]: the transaction was rolled back instead, and what was received comes again.
    /// [`crate::Error::OutcomeUnknown`]: the connection was lost while the broker committed; it did or it did not.
    /// [`crate::Error::Lost`]: the connection was lost before; nothing was committed.
    /// [`crate::Error::RolledBack`]: the connection (by `failover:`) lost its broker before; nothing was committed, what
    /// was received comes again, and the next transaction has begun.
    pub async fn commit(&self) -> Result<()> {
        let handle = &self.session.handle;
        handle.shared().request_when_up(|protocol, now| protocol.commit(now, handle.key())).await?.await
    }

    /// Undoes what was sent and received since the last commit or roll-back: messages sent are forgotten, messages
    /// received come again, first and with their count of redeliveries raised. One that came too often
    /// ([`ConsumerOptions::redeliveries_max`]) goes to the dead-letter queue.
    ///
    /// # Errors
    /// [`crate::Error::Broker`], [`crate::Error::Lost`], [`crate::Error::Closed`]. After any of them nothing was
    /// committed.
    pub async fn rollback(&self) -> Result<()> {
        let handle = &self.session.handle;
        handle.shared().request_when_up(|protocol, now| protocol.roll_back(now, handle.key())).await?.await
    }
}

impl Deref for TransactedSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}
