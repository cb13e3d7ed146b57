//! What keeps connections and sessions open.

use std::fmt;
use std::sync::Arc;

use crate::consumer_options::ConsumerOptions;
use crate::error::{Error, Result};
use crate::prefetch::PrefetchPolicy;
use crate::protocol::SessionKey;
use crate::shell::shared::Shared;

/// What keeps a connection open.
pub(crate) struct ConnectionHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) prefetch: PrefetchPolicy,
    pub(crate) address: String,
    pub(crate) client_id: String,
    pub(crate) is_client_id_chosen: bool,
}

impl ConnectionHandle {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The prefetch of a consumer.
    pub(crate) fn prefetch(&self, options: &ConsumerOptions) -> u32 {
        let policy = &self.prefetch;
        let by_policy = match options.destination.kind {
            kind if kind.is_queue() => policy.queue,
            _ if options.subscription.is_some() => policy.durable_topic,
            _ => policy.topic,
        };
        options.prefetch.unwrap_or(by_policy).min(PrefetchPolicy::LIMIT)
    }

    /// # Errors
    /// [`Error::Usage`] where the client id was made up: a durable subscription would be lost with it.
    pub(crate) fn check_client_id(&self) -> Result<()> {
        if !self.is_client_id_chosen {
            return Err(Error::Usage("durable subscriptions need a client id (ConnectOptions::client_id)"));
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.address)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.shared.finish(true);
    }
}

/// What keeps a session open.
pub(crate) struct SessionHandle {
    connection: Arc<ConnectionHandle>,
    key: SessionKey,
    is_transacted: bool,
}

impl SessionHandle {
    pub(crate) fn new(connection: Arc<ConnectionHandle>, key: SessionKey, is_transacted: bool) -> Self {
        Self { connection, key, is_transacted }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.connection.shared()
    }

    pub(crate) fn key(&self) -> SessionKey {
        self.key
    }

    pub(crate) fn connection(&self) -> &ConnectionHandle {
        &self.connection
    }

    pub(crate) fn is_transacted(&self) -> bool {
        self.is_transacted
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("connection", &self.connection)
            .field("number", &self.key)
            .field("is_transacted", &self.is_transacted)
            .finish()
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        let key = self.key;
        // If the connection is over, so is the session.
        let _ = self.shared().request(|protocol, now| protocol.close_session(now, key));
    }
}
