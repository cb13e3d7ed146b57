//! How a connection is opened, beyond what its address says.

use std::fmt;
use std::time::Duration;

use crate::connection::Connection;
use crate::error::Result;
use crate::url::{BrokerUrl, Login, UrlError};

/// How many messages a broker may send to a consumer ahead of acknowledgement, by what it consumes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefetchPolicy {
    /// For queues.
    pub queue: u32,
    /// For topics.
    pub topic: u32,
    /// For durable subscriptions.
    pub durable_topic: u32,
}

impl PrefetchPolicy {
    /// Largest prefetch (ActiveMQ's `MAX_PREFETCH_SIZE`).
    pub const LIMIT: u32 = 32_767;

    /// The same for all.
    pub fn all(prefetch: u32) -> Self {
        Self { queue: prefetch, topic: prefetch, durable_topic: prefetch }
    }
}

impl Default for PrefetchPolicy {
    /// ActiveMQ's: 1000, 32767 and 100.
    fn default() -> Self {
        Self { queue: 1000, topic: Self::LIMIT, durable_topic: 100 }
    }
}

/// Options of a connection. What is set here wins over the address.
///
/// ```no_run
/// # async fn example() -> kahawai_client::Result<()> {
/// let connection = kahawai_client::ConnectOptions::new()
///     .user_and_password("orders", "secret")
///     .client_id("till-7")
///     .open("tcp://localhost:61616?wireFormat.maxInactivityDuration=5000")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ConnectOptions {
    credentials: Option<(String, String)>,
    client_id: Option<String>,
    prefetch: Option<PrefetchPolicy>,
    connect_timeout: Option<Duration>,
}

impl ConnectOptions {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who connects. The password goes to the broker in the clear.
    #[must_use]
    pub fn user_and_password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// The JMS client id: unique among the broker's connections, and the owner of durable subscriptions. Without
    /// one the client makes one up, and cannot subscribe durably.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Prefetch of consumers that do not set their own.
    #[must_use]
    pub fn prefetch(mut self, prefetch: PrefetchPolicy) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// How long opening the connection may take, from name look-up to the broker's consent. With `failover:` it is the
    /// limit of the first connection as a whole, and there is none unless this sets one.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`crate::Error::Url`], [`crate::Error::Connect`], [`crate::Error::ConnectTimeout`]; [`crate::Error::Broker`]
    /// where the broker refuses the user or the client id; [`crate::Error::Lost`].
    pub async fn open<U>(self, url: U) -> Result<Connection>
    where
        U: TryInto<BrokerUrl>,
        UrlError: From<U::Error>,
    {
        match url.try_into().map_err(UrlError::from)? {
            BrokerUrl::Tcp(mut url) => {
                url.connect_timeout = self.connect_timeout.unwrap_or(url.connect_timeout);
                self.apply(&mut url.login);
                Connection::open_tcp(url).await
            }
            BrokerUrl::Failover(mut url) => {
                let limit = self.connect_timeout;
                self.apply(&mut url.login);
                Connection::open_failover(url, limit).await
            }
        }
    }

    fn apply(self, login: &mut Login) {
        if let Some((user, password)) = self.credentials {
            login.user_name = Some(user);
            login.password = Some(password);
        }
        login.client_id = self.client_id.or(login.client_id.take());
        login.prefetch = self.prefetch.unwrap_or(login.prefetch);
    }
}

/// Without the password.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectOptions")
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("client_id", &self.client_id)
            .field("prefetch", &self.prefetch)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}
