//! A session with the server.

use std::fmt;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, Value};
use tokio::runtime::Runtime;

use super::error::{Result, fault};
use crate::fault::Fault;

/// How many values a statement has at most, so that few different statements are prepared.
const ROWS_MAX: usize = 256;

/// A database to keep a store in, and how to get at it.
///
/// Its `Display` names server, database and user, and no secret.
#[derive(Clone)]
pub struct Database {
    options: Opts,
    prefix: String,
}

impl Database {
    /// Reads a URL: `mysql://user@host:port/database?options`. A `tablePrefix` among the options names our tables (`kahawai_` by
    /// default); a `socket` is a path.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it: it may hold a password.
    pub fn parse(url: &str) -> std::result::Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut prefix = "kahawai_".to_owned();
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.strip_prefix("tablePrefix=") {
                Some(value) => prefix = value.to_owned(),
                None => kept.push(pair),
            }
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if prefix.len() > 32 || !prefix.bytes().all(is_name) {
            return Err("tablePrefix needs up to 32 of a-z, 0-9 and _".to_owned());
        }
        let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let options = Opts::from_url(&rest).map_err(|error| match error {
            mysql_async::UrlError::UnknownParameter { param } => {
                format!("'{param}' is no option of a database URL")
            }
            _ => "not a database URL: mysql://USER@HOST:PORT/DATABASE".to_owned(),
        })?;
        if options.db_name().is_none() {
            return Err("names no database: mysql://USER@HOST:PORT/DATABASE".to_owned());
        }
        let options = OptsBuilder::from_opts(options)
            .prefer_socket(Some(false))
            .tcp_keepalive(Some(Duration::from_secs(5)))
            .stmt_cache_size(Some(200))
            .into();
        Ok(Self { options, prefix })
    }

    /// With this password, from a place safer than a command line.
    pub fn with_password(mut self, password: &str) -> Self {
        self.options = OptsBuilder::from_opts(self.options).pass(Some(password)).into();
        self
    }

    /// The beginning of the names of our tables.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, name) =
            (self.options.user().unwrap_or_default(), self.options.db_name().unwrap_or_default());
        let (host, port) = (self.options.ip_or_hostname(), self.options.tcp_port());
        write!(formatter, "mysql://{user}@{host}:{port}/{name} (tables {}*)", self.prefix)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One session.
pub(super) struct Session {
    connection: Conn,
    prefix: String,
    /// What one packet may take, so one statement with its values.
    pub(super) packet_bytes_max: usize,
}

impl Session {
    /// Connects, and sets what all our sessions need.
    ///
    /// A transaction in which nothing comes for `idle_limit` (whole seconds, at least one) is ended by the server. MariaDB has a setting
    /// for that; MySQL only one for any idle session, transaction or not, so that an idle writer connects anew there.
    pub(super) async fn connect(database: &Database, idle_limit: Duration) -> Result<Self> {
        let connecting = Conn::new(database.options.clone());
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let connected = connected.map_err(|_| Fault::Passing(format!("{database}: no answer within 5 s")))?;
        let connection = connected.map_err(|error| match error {
            // Wrong credentials, unknown database, no rights: told at once by who begins.
            mysql_async::Error::Server(error) if matches!(error.code, 1044 | 1045 | 1049 | 1698) => {
                Fault::failed(format!("{database}: {}", error.message))
            }
            error => Fault::Passing(format!("{database}: {}", fault(error))),
        })?;
        let prefix = database.prefix.clone();
        let mut session = Self { connection, prefix, packet_bytes_max: 0 };
        session.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        let limit = idle_limit.as_secs().max(1);
        if session.execute(&format!("SET SESSION idle_transaction_timeout = {limit}")).await.is_err() {
            session.execute(&format!("SET SESSION wait_timeout = {limit}")).await?;
        }
        let rows = session.rows("SELECT @@max_allowed_packet, @@read_only", Params::Empty).await?;
        let row = rows.first();
        session.packet_bytes_max = row.and_then(|row| row.get::<u64, _>(0)).unwrap_or(1 << 20) as usize;
        if row.and_then(|row| row.get::<u64, _>(1)).unwrap_or(0) != 0 {
            return Err(Fault::Passing(format!("{database} is read-only")));
        }
        Ok(session)
    }

    fn sql(&self, sql: &str) -> String {
        sql.replace("{p}", &self.prefix)
    }

    /// A statement without values or results.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<()> {
        let sql = self.sql(sql);
        self.connection.query_drop(sql).await.map_err(fault)
    }

    /// A statement with values; gives how many rows it touched.
    pub(super) async fn change(&mut self, sql: &str, values: impl Into<Params> + Send) -> Result<u64> {
        let sql = self.sql(sql);
        self.connection.exec_drop(sql, values).await.map_err(fault)?;
        Ok(self.connection.affected_rows())
    }

    /// The rows of a statement with values.
    pub(super) async fn rows(&mut self, sql: &str, values: impl Into<Params> + Send) -> Result<Vec<Row>> {
        let sql = self.sql(sql);
        self.connection.exec(sql, values).await.map_err(fault)
    }

    /// A statement for many rows at once: `{rows}` in it stands for as many repetitions of `row` as go into one, with commas between.
    pub(super) async fn change_many(&mut self, sql: &str, row: &str, rows: Vec<Vec<Value>>) -> Result<()> {
        let packet = self.packet_bytes_max / 2;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let (mut values, mut count, mut bytes) = (Vec::new(), 0, 0);
            while let Some(next) = rows.peek() {
                let size: usize = next.iter().map(size_of_value).sum();
                if count == ROWS_MAX || count > 0 && bytes + size > packet {
                    break;
                }
                bytes += size;
                count += 1;
                values.extend(rows.next().into_iter().flatten());
            }
            self.change(&sql.replace("{rows}", &repeated(row, count)), Params::Positional(values)).await?;
        }
        Ok(())
    }

    /// The rows of a statement about many values, asked for in parts.
    pub(super) async fn rows_of(
        &mut self,
        sql: &str,
        row: &str,
        wanted: Vec<Vec<Value>>,
    ) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        for part in wanted.chunks(ROWS_MAX) {
            let sql = sql.replace("{rows}", &repeated(row, part.len()));
            found.extend(self.rows(&sql, Params::Positional(part.concat())).await?);
        }
        Ok(found)
    }
}

fn repeated(row: &str, count: usize) -> String {
    vec![row; count].join(",")
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len() + 9,
        _ => 9,
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Session")
    }
}

/// What drives a session, on the thread that asks it.
pub(super) fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Fault::failed(format!("the engine's thread cannot be started: {error}")))
}

/// A column, as what it must be.
pub(super) fn column<T: mysql_async::prelude::FromValue>(row: &Row, at: usize) -> Result<T> {
    let found = row.get_opt::<T, _>(at).and_then(std::result::Result::ok);
    found.ok_or_else(|| {
        Fault::failed(format!(
            "column {at} of a row is not what it should be: something else has written to the tables"
        ))
    })
}
