//! How a connection is opened, beyond what its address says.

use std::fmt;
use std::time::Duration;

use crate::prefetch::PrefetchPolicy;
use crate::url::Login;

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
    pub(crate) connect_timeout: Option<Duration>,
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

    pub(crate) fn apply(self, login: &mut Login) {
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
