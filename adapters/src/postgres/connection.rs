//! A session with the server: connecting, preparing, sending many statements in one go.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Statement};

use super::error::{Error, Result, words};

/// How long a server may take to be connected to before the next is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A database to keep a store in, and how to get at it.
///
/// Its `Display` names servers, database and user, and no secret.
#[derive(Clone)]
pub struct Database {
    config: Config,
    prefix: String,
}

impl Database {
    /// Reads a connection string: `postgres://user@host:port,host2:port2/database?options` or `key=value` pairs, as PostgreSQL's own
    /// programs take them. A `tablePrefix` among the options names our tables (`kahawai_` by default).
    ///
    /// # Errors
    /// What is wrong with it, without repeating it: it may hold a password.
    pub fn parse(url: &str) -> std::result::Result<Self, String> {
        let (rest, prefix) = take_option(url, "tablePrefix");
        let prefix = prefix.unwrap_or_else(|| "kahawai_".to_owned());
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if prefix.len() > 32
            || !prefix.bytes().all(is_name)
            || prefix.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err("tablePrefix needs up to 32 of a-z, 0-9 and _, beginning with no digit".to_owned());
        }
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            format!("not a connection string{}", source.unwrap_or_default())
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("names no host".to_owned());
        }
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            return Err("asks for TLS (sslmode=require), which this program does not speak to databases yet"
                .to_owned());
        }
        if config.get_user().is_none() {
            config.user("kahawai");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // A server that vanishes without a word (a cut network, a host without power) is noticed in seconds.
        config.keepalives_idle(Duration::from_secs(5));
        config.keepalives_interval(Duration::from_secs(2)).keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(10));
        // A standby, or a primary that was made read-only, is passed over: the next host may be the primary.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, prefix })
    }

    /// With this password, from a place safer than a command line.
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// So that each of its servers is tried within this time.
    pub(super) fn tried_within(&self, limit: Duration) -> Self {
        let mut database = self.clone();
        let servers = self.config.get_hosts().len().max(self.config.get_hostaddrs().len()).max(1);
        database.config.connect_timeout(limit / servers as u32);
        database
    }

    /// The beginning of the names of our tables.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// SQL with our tables' names in it.
    pub(super) fn sql(&self, sql: &str) -> String {
        sql.replace("{p}", &self.prefix)
    }
}

/// Takes one option out of a URL's query, or a `key=value` pair out of a list of them.
fn take_option(url: &str, name: &str) -> (String, Option<String>) {
    let assigned = format!("{name}=");
    if let Some((base, query)) = url.split_once('?') {
        let mut found = None;
        let kept: Vec<_> = query
            .split('&')
            .filter(|pair| match pair.strip_prefix(&assigned) {
                Some(value) => {
                    found = Some(value.to_owned());
                    false
                }
                None => true,
            })
            .collect();
        let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        return (rest, found);
    }
    if url.contains("://") {
        return (url.to_owned(), None);
    }
    let mut found = None;
    let kept: Vec<_> = url
        .split_whitespace()
        .filter(|pair| match pair.strip_prefix(&assigned) {
            Some(value) => {
                found = Some(value.to_owned());
                false
            }
            None => true,
        })
        .collect();
    (kept.join(" "), found)
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        let hosts: Vec<_> = hosts.collect();
        let user = self.config.get_user().unwrap_or_default();
        let name = self.config.get_dbname().unwrap_or(user);
        write!(formatter, "postgres://{user}@{}/{name} (tables {}*)", hosts.join(","), self.prefix)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One session.
pub(super) struct Session {
    client: Client,
    database: Database,
    /// Woken by each NOTIFY that the session listens for, and by the end of the connection.
    pub(super) notified: Arc<Notify>,
}

/// Values for a statement, owned until it has been sent.
pub(super) type Values = Vec<Box<dyn ToSql + Sync>>;

/// A statement under way.
pub(super) type Step<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>>> + 'a>>;

impl Session {
    /// Connects, and sets what all our sessions need. Within a runtime, which then drives the connection.
    ///
    /// A transaction in which nothing comes for `idle_limit` is ended by the server: that of a master that stands still in the middle
    /// of one, which would hold up the next.
    pub(super) async fn connect(database: &Database, idle_limit: Duration, what: &str) -> Result<Self> {
        let mut config = database.config.clone();
        config.application_name(format!("kahawai {what}"));
        let connected = config.connect(NoTls).await;
        let (client, mut connection) = connected.map_err(|error| {
            let told = format!("{database}: {}", words(&error));
            // Class 28 is about who we are, 3D about the database's name.
            let refused = error.code().is_some_and(|code| matches!(code.code().get(..2), Some("28" | "3D")));
            if refused { Error::Refused(told) } else { Error::Unreachable(told) }
        })?;
        let notified = Arc::new(Notify::new());
        let wake = Arc::clone(&notified);
        tokio::spawn(async move {
            loop {
                let message = poll_fn(|context| connection.poll_message(context)).await;
                match message {
                    Some(Ok(AsyncMessage::Notification(_))) => wake.notify_one(),
                    Some(Ok(_)) => {}
                    // The connection must go, for those who wait for an answer to be told.
                    Some(Err(error)) => {
                        tracing::debug!("connection to the database: {}", words(&error));
                        break;
                    }
                    None => break,
                }
            }
            drop(connection);
            wake.notify_one();
        });
        let session = Self { client, database: database.clone(), notified };
        let limit = idle_limit.as_millis().max(1);
        // Every statement of ours goes by a key, whatever the statistics say of tables that fill and empty within seconds.
        // 'off' would answer before the commit is on the disk; the other levels are the administrator's choice.
        session
            .execute(&format!(
                "SET idle_in_transaction_session_timeout = {limit};
                 SET enable_seqscan = off; SET enable_bitmapscan = off;
                 SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
                 SET plan_cache_mode = force_generic_plan; SET client_min_messages = warning;
                 SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') = 'off'"
            ))
            .await?;
        Ok(session)
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The statements in this text, one after the other, without values or results.
    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        Ok(self.client.batch_execute(&self.database.sql(sql)).await?)
    }

    /// Prepares a statement; `{p}` stands for the tables' prefix.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement> {
        Ok(self.client.prepare(&self.database.sql(sql)).await?)
    }

    /// A statement that is sent when first polled.
    pub(super) fn step<'a>(&'a self, statement: &'a Statement, values: Values) -> Step<'a> {
        Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
            Ok(self.client.query(statement, &values).await?)
        })
    }

    /// Rows of a statement that is sent alone and not prepared for later.
    pub(super) async fn rows(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        Ok(self.client.query(&self.database.sql(sql), values).await?)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({})", self.database)
    }
}

/// What drives a session, on the thread that asks it.
pub(super) fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::failed(format!("the engine's thread cannot be started: {error}")))
}

/// Sends statements one behind the other without waiting between them, and gives what each answered.
///
/// Whatever follows one that cannot be sent is not sent: a COMMIT never follows half of its transaction.
pub(super) async fn in_order(mut steps: Vec<Step<'_>>) -> Result<Vec<Vec<Row>>> {
    let mut answers: Vec<Option<Vec<Row>>> = steps.iter().map(|_| None).collect();
    poll_fn(move |context| {
        let mut pending = false;
        for (step, answer) in steps.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match step.as_mut().poll(context) {
                    Poll::Ready(Ok(rows)) => *answer = Some(rows),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return Poll::Pending;
        }
        Poll::Ready(Ok(answers.iter_mut().map(|answer| answer.take().unwrap_or_default()).collect()))
    })
    .await
}

/// A vector of values to be given to a [`Step`].
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as Box<dyn tokio_postgres::types::ToSql + Sync>),*]
    };
}
pub(super) use values;

/// Statements that are prepared together, in one round trip.
macro_rules! statements {
    ($(#[$meta:meta])* $name:ident { $($statement:ident = $sql:expr,)* }) => {
        $(#[$meta])*
        pub(super) struct $name {
            $(pub(super) $statement: tokio_postgres::Statement,)*
        }

        impl $name {
            pub(super) async fn prepare(
                session: &super::connection::Session,
            ) -> super::error::Result<Self> {
                let ($($statement,)*) = tokio::try_join!($(session.prepare($sql)),*)?;
                Ok(Self { $($statement,)* })
            }
        }
    };
}
pub(super) use statements;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_ours_are_taken_out() {
        let database =
            Database::parse("postgres://me:secret@one:1,two:2/mine?tablePrefix=mq_&connect_timeout=3")
                .expect("is a connection string");
        assert_eq!(database.prefix(), "mq_");
        assert_eq!(database.to_string(), "postgres://me@one:1,two:2/mine (tables mq_*)");
        let database = Database::parse("host=/run/postgresql user=me tablePrefix=a_").expect("is one too");
        assert_eq!(database.to_string(), "postgres://me@/run/postgresql:5432/me (tables a_*)");
    }

    #[test]
    fn secrets_are_in_no_text() {
        let database = Database::parse("postgres://me:secret@one/mine").expect("is a connection string");
        assert!(!format!("{database} {database:?}").contains("secret"));
        let wrong = Database::parse("postgres://me:secret@one:port/mine").expect_err("has no port");
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn strange_prefixes_are_refused() {
        for prefix in ["a b", "a;drop", "1a", "A"] {
            assert!(
                Database::parse(&format!("postgres://me@one/x?tablePrefix={prefix}")).is_err(),
                "{prefix}"
            );
        }
    }
}
