//! Connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kahawai_openwire::destination::DestinationKind;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Error, Loss, Result};
use crate::failover::Failover;
use crate::handle::ConnectionHandle;
use crate::options::ConnectOptions;
use crate::protocol::Protocol;
use crate::protocol::identity::Identity;
use crate::session::{Session, TransactedSession};
use crate::shell::driver::{self, CLOSE_TIMEOUT};
use crate::shell::shared::Shared;
use crate::shell::{failover, names};
use crate::state::StateWatch;
use crate::temporary::TemporaryDestination;
use crate::url::error::UrlError;
use crate::url::{BrokerUrl, FailoverUrl, Login, TcpUrl};

/// A connection to a broker. Clones are the same connection; it closes when the last clone and the last session,
/// producer and consumer of it have gone, or by [`Self::close`].
#[derive(Clone)]
pub struct Connection {
    handle: Arc<ConnectionHandle>,
}

impl Connection {
    /// Opens a connection by its address, such as `tcp://localhost:61616?wireFormat.maxInactivityDuration=5000` or
    /// `failover:(tcp://a:61616,tcp://b:61616)`. See [`ConnectOptions`] for users and client ids.
    ///
    /// One by `failover:` waits for a broker as long as its options say (without end, if they say nothing), and outlives
    /// the brokers that it is connected to: see the crate's page.
    ///
    /// # Errors
    /// As [`ConnectOptions::open`].
    pub async fn open<U>(url: U) -> Result<Self>
    where
        U: TryInto<BrokerUrl>,
        UrlError: From<U::Error>,
    {
        ConnectOptions::new().open(url).await
    }

    pub(crate) async fn open_tcp(url: TcpUrl) -> Result<Self> {
        let limit = url.connect_timeout;
        let address = url.address();
        match timeout(limit, Self::open_in_time(url)).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::ConnectTimeout { address, limit }),
        }
    }

    async fn open_in_time(url: TcpUrl) -> Result<Self> {
        let address = url.address();
        let unreachable = |error| Error::Connect { address: address.clone(), source: Arc::new(error) };
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(&unreachable)?;
        stream.set_nodelay(url.wire_format.tcp_no_delay_enabled).map_err(&unreachable)?;

        let identity = identity(&url.login);
        let (negotiated, when_negotiated) = oneshot::channel();
        let protocol = Protocol::new(url.wire_format, &identity)?;
        let shared = Arc::new(Shared::new(protocol, negotiated, address.clone(), None));
        tokio::spawn(driver::drive(shared.clone(), stream));
        // From here on, giving up closes the connection.
        let connection = Self::new(shared, address, &url.login, &identity);
        let shared = connection.shared();
        match when_negotiated.await {
            Ok(negotiated) => negotiated?,
            Err(_) => return Err(shared.why_ended().unwrap_or(Error::Lost(Loss::RuntimeGone))),
        }
        let opening = shared.open(|protocol, now| Ok(((), protocol.open_connection(now, &identity)?)))?;
        opening.1.await?;
        shared.note_connected();
        tracing::debug!(address = connection.handle.address, "connected");
        Ok(connection)
    }

    /// With a time limit only where one was set: how often to try is the address's to say.
    pub(crate) async fn open_failover(url: FailoverUrl, limit: Option<Duration>) -> Result<Self> {
        let address = url.to_string();
        let Some(limit) = limit else { return Self::open_failover_at_last(url).await };
        match timeout(limit, Self::open_failover_at_last(url)).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::ConnectTimeout { address, limit }),
        }
    }

    async fn open_failover_at_last(url: FailoverUrl) -> Result<Self> {
        let identity = identity(&url.login);
        let (opened, when_opened) = oneshot::channel();
        let tracked = if url.options.track_messages { url.options.max_cache_size } else { 0 };
        let protocol = Protocol::recovering(identity.clone(), tracked)?;
        let shared = Arc::new(Shared::new(protocol, opened, String::new(), url.options.timeout));
        let connection = Self::new(shared.clone(), url.to_string(), &url.login, &identity);
        tokio::spawn(failover::drive(shared, Failover::new(url, names::random())));
        match when_opened.await {
            Ok(opened) => opened.map(|()| connection),
            Err(_) => Err(connection.shared().why_ended().unwrap_or(Error::Lost(Loss::RuntimeGone))),
        }
    }

    fn new(shared: Arc<Shared>, address: String, login: &Login, identity: &Identity) -> Self {
        Self {
            handle: Arc::new(ConnectionHandle {
                shared,
                prefetch: login.prefetch,
                address,
                client_id: identity.client_id.clone(),
                is_client_id_chosen: login.client_id.is_some(),
            }),
        }
    }

    /// How the connection's state changes: when it is interrupted, and when and to which broker it is connected again.
    pub fn state(&self) -> StateWatch {
        self.shared().watch()
    }

    /// Host and port of the broker that the connection is to, or was to last; empty where there was none yet.
    pub fn broker(&self) -> String {
        self.shared().broker()
    }

    /// Opens a session: consumers acknowledge as they were asked to, sends count when they are answered.
    ///
    /// # Errors
    /// [`Error::Broker`], [`Error::Lost`], [`Error::Closed`].
    pub async fn session(&self) -> Result<Session> {
        Session::open(self.handle.clone(), false).await
    }

    /// Opens a session in which all sending and receiving belongs to a transaction. The next one begins where one
    /// ends.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn transacted_session(&self) -> Result<TransactedSession> {
        Session::open(self.handle.clone(), true).await.map(TransactedSession::new)
    }

    /// Makes a queue that only this connection consumes from, and that goes with it: for answers.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn temporary_queue(&self) -> Result<TemporaryDestination> {
        TemporaryDestination::create(self.handle.clone(), DestinationKind::TemporaryQueue).await
    }

    /// Makes a topic that only this connection consumes from, and that goes with it.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn temporary_topic(&self) -> Result<TemporaryDestination> {
        TemporaryDestination::create(self.handle.clone(), DestinationKind::TemporaryTopic).await
    }

    /// Deletes a durable subscription of this connection's client id, with what waits in it. Its consumer must be
    /// closed.
    ///
    /// # Errors
    /// [`Error::Usage`] where the connection has no client id of its own; [`Error::Broker`] where there is no such
    /// subscription or it is in use; [`Error::Lost`], [`Error::OutcomeUnknown`], [`Error::Closed`].
    pub async fn unsubscribe(&self, subscription: &str) -> Result<()> {
        self.handle.check_client_id()?;
        let shared = self.shared();
        shared.request_when_up(|protocol, now| protocol.unsubscribe(now, subscription).map(Some)).await?.await
    }

    /// The JMS client id: the one that was set, or the one that was made up.
    pub fn client_id(&self) -> &str {
        &self.handle.client_id
    }

    /// Closes the connection with all that belongs to it. Open transactions are rolled back; what was sent before is
    /// sent. Waits for the broker, up to 15 seconds; if it does not answer the connection is closed all the same.
    ///
    /// # Errors
    /// [`Error::Lost`] where the connection was lost before the broker answered.
    pub async fn close(&self) -> Result<()> {
        let shared = self.shared();
        if !shared.is_up() {
            // No broker knows of it.
            shared.finish(false);
            shared.ended().await;
            return Ok(());
        }
        let answer = match shared.request(|protocol, now| protocol.close_connection(now).map(Some)) {
            Ok(answer) => answer,
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        let answered = timeout(CLOSE_TIMEOUT, answer).await;
        shared.finish(false);
        shared.ended().await;
        answered.unwrap_or(Ok(()))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl ConnectOptions {
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
}

impl TemporaryDestination {
    /// Deletes it, over the connection that made it. Its consumers must be closed.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] where it has a consumer or is another connection's; [`crate::Error::Broker`],
    /// [`crate::Error::Lost`], [`crate::Error::Closed`].
    pub async fn delete(self, connection: &Connection) -> Result<()> {
        let removal = |protocol: &mut Protocol, now| protocol.remove_temporary(now, &self).map(Some);
        connection.shared().request_when_up(removal).await?.await
    }
}

fn identity(login: &Login) -> Identity {
    let connection_id = names::connection_name();
    Identity {
        client_id: login.client_id.clone().unwrap_or_else(|| connection_id.clone()),
        connection_id,
        user_name: login.user_name.clone(),
        password: login.password.clone(),
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(formatter)
    }
}
