//! A few bytes with a version in PostgreSQL.

use std::future::Future;

use tokio::time::timeout;

use super::connection::{Database, Session};
use super::error::{Error, Result};
use super::value::{signed, unsigned};
use crate::record_row::{Asked, CONNECT, Driver, RecordRow, STATEMENT, Versioned};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS {p}arbiter (
    name bytea PRIMARY KEY, version bigint NOT NULL, record bytea NOT NULL)";

struct Row {
    database: Database,
    name: Vec<u8>,
    session: Option<Session>,
    /// Behind the session, which goes first.
    driver: Driver,
}

/// The row of this name in a database, in a table that is made where it is missing. Nothing is connected to yet.
///
/// # Errors
/// Where no runtime can be made.
pub fn record_row(database: &Database, name: &str) -> std::io::Result<Box<dyn RecordRow>> {
    Ok(Box::new(Row {
        database: database.tried_within(CONNECT * 4 / 5),
        name: name.into(),
        session: None,
        driver: Driver::new()?,
    }))
}

async fn within<T>(
    limit: std::time::Duration,
    what: &str,
    database: &Database,
    done: impl Future<Output = Result<T>>,
) -> Result<T> {
    let late = || Error::Unreachable(format!("{database}: {what} took longer than {} ms", limit.as_millis()));
    timeout(limit, done).await.unwrap_or_else(|_| Err(late()))
}

async fn connect(database: &Database) -> Result<Session> {
    let session =
        within(CONNECT, "connecting", database, Session::connect(database, STATEMENT, "arbiter")).await?;
    within(STATEMENT, "making its table", database, async {
        let limit = STATEMENT.as_millis();
        session.execute(&format!("SET statement_timeout = {limit}; SET lock_timeout = {limit}")).await?;
        // Looked for first: who may use it need not have the right to make it.
        if is_there(&session).await? {
            return Ok(());
        }
        let made = session.execute(TABLE).await;
        // Two that make it at once get in each other's way.
        if is_there(&session).await? { Ok(()) } else { made }
    })
    .await?;
    Ok(session)
}

async fn is_there(session: &Session) -> Result<bool> {
    let rows = session.rows("SELECT to_regclass('{p}arbiter') IS NOT NULL", &[]).await?;
    Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

impl Row {
    /// Asks in the session, which is made where there is none, and given up where it failed. Whether it was an old one, which may have ended long ago.
    fn ask<T>(&mut self, what: impl AsyncFnOnce(&Session, &[u8]) -> Result<T>) -> Asked<T> {
        let Self { database, name, driver, session } = self;
        let mut was_old = true;
        let asking = async {
            let session = match session {
                Some(session) if !session.is_closed() => session,
                _ => {
                    was_old = false;
                    session.insert(connect(database).await?)
                }
            };
            within(STATEMENT, "a statement", database, what(session, name)).await
        };
        let asked = driver.block_on(async { asking.await.map_err(|error: Error| error.words()) });
        asked.map_err(|words| {
            self.session = None;
            let is_named = words.contains("postgres://");
            (was_old, if is_named { words } else { format!("{}: {words}", self.database) })
        })
    }

    fn try_read(&mut self) -> Asked<Option<Versioned>> {
        self.ask(async |session, name| {
            let rows =
                session.rows("SELECT version, record FROM {p}arbiter WHERE name = $1", &[&name]).await?;
            rows.first().map(|row| Ok((unsigned(row, 0)?, row.try_get(1)?))).transpose()
        })
    }
}

impl RecordRow for Row {
    fn read(&mut self) -> std::result::Result<Option<Versioned>, String> {
        match self.try_read() {
            // To read again does no harm.
            Err((true, _)) => self.try_read().map_err(|(_, words)| words),
            read => read.map_err(|(_, words)| words),
        }
    }

    fn replace(&mut self, version: u64, bytes: &[u8]) -> std::result::Result<bool, String> {
        let replaced = self.ask(async |session, name| {
            let rows = match version {
                0 => {
                    let sql =
                        "INSERT INTO {p}arbiter VALUES ($1, 1, $2) ON CONFLICT DO NOTHING RETURNING version";
                    session.rows(sql, &[&name, &bytes]).await?
                }
                version => {
                    let sql = "UPDATE {p}arbiter SET version = version + 1, record = $3
                        WHERE name = $1 AND version = $2 RETURNING version";
                    session.rows(sql, &[&name, &signed(version), &bytes]).await?
                }
            };
            Ok(rows.len() == 1)
        });
        replaced.map_err(|(_, words)| words)
    }
}
