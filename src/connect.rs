//! How the commands that talk to a broker find it: one set of options, one way to connect, one way to fail.

use std::future::Future;

use clap::Args;
use kahawai_client::{BrokerUrl, ConnectOptions, Connection, Error, ErrorKind};

use crate::exit::{Exit, Failure};

/// Which broker, and as whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct BrokerOptions {
    /// The broker's address, in the words of ActiveMQ's clients; options are understood too
    /// (tcp://host:61616?wireFormat.maxInactivityDuration=5000).
    #[arg(long, value_name = "URL", default_value = "tcp://127.0.0.1:61616", env = "KAHAWAI_URL", value_parser = broker_url)]
    pub(crate) url: BrokerUrl,

    /// The user to connect as.
    #[arg(long, value_name = "NAME", env = "KAHAWAI_USER")]
    pub(crate) user: Option<String>,

    /// The user's password. Better given by the environment, where other users of this machine do not see it.
    #[arg(long, value_name = "TEXT", env = "KAHAWAI_PASSWORD", hide_env_values = true, requires = "user")]
    pub(crate) password: Option<String>,
}

fn broker_url(text: &str) -> Result<BrokerUrl, String> {
    text.parse().map_err(|error: kahawai_client::UrlError| error.to_string())
}

impl BrokerOptions {
    /// What every connection of the command is opened with.
    pub(crate) fn connect_options(&self) -> ConnectOptions {
        match &self.user {
            Some(user) => {
                let password = self.password.clone().unwrap_or_default();
                ConnectOptions::new().user_and_password(user, password)
            }
            None => ConnectOptions::new(),
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// As [`ConnectOptions::open`].
    pub(crate) async fn connect(&self) -> kahawai_client::Result<Connection> {
        self.connect_options().open(self.url.clone()).await
    }

    /// Opens a connection that owns durable subscriptions.
    ///
    /// # Errors
    /// As [`ConnectOptions::open`].
    pub(crate) async fn connect_as(&self, client_id: &str) -> kahawai_client::Result<Connection> {
        self.connect_options().client_id(client_id).open(self.url.clone()).await
    }
}

/// An error of the client ends the command: what happened, and where it is not plain from that, what to do.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let advice = match &error {
            Error::Connect { .. } => "; is a broker listening there (--url)?",
            Error::ConnectTimeout { .. } => {
                "; something listens there and does not answer as a broker: is it stopped, or of another protocol?"
            }
            _ if error.kind() == ErrorKind::InDoubt => "; look before sending it again",
            _ => "",
        };
        let exit = match error.kind() {
            ErrorKind::Usage | ErrorKind::Message => Exit::Other,
            _ => Exit::Broker,
        };
        Self::new(exit, format!("{error}{advice}"))
    }
}

/// Runs a command that talks to a broker, on one thread.
///
/// # Errors
/// The command's own.
pub(crate) fn run<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(command)
}

/// A runtime of one thread: the caller's.
///
/// # Errors
/// Where the system has no means left for one.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("cannot start: {error}")))
}
