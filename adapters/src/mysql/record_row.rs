//! A few bytes with a version in MySQL and MariaDB.

use std::future::Future;

use tokio::time::timeout;

use super::connection::{Database, Session, column};
use super::error::Result;
use crate::fault::Fault;
use crate::record_row::{Asked, CONNECT, Driver, RecordRow, STATEMENT, Versioned};

/// Nothing that is put there is longer than its column: `INSERT IGNORE` would cut it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS {p}arbiter (
    name VARBINARY(255) PRIMARY KEY, version BIGINT UNSIGNED NOT NULL, record LONGBLOB NOT NULL
) ENGINE = InnoDB";

struct Row {
    database: Database,
    name: Vec<u8>,
    session: Option<Session>,
    /// Behind the session, which goes first.
    driver: Driver,
}

/// The row of this name, of up to 255 bytes, in a database, in a table that is made where it is missing. Nothing is connected to yet.
///
/// # Errors
/// Where the name is longer, or no runtime can be made.
pub fn record_row(database: &Database, name: &str) -> std::io::Result<Box<dyn RecordRow>> {
    if name.len() > 255 {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    Ok(Box::new(Row { database: database.clone(), name: name.into(), session: None, driver: Driver::new()? }))
}

async fn within<T>(
    limit: std::time::Duration,
    what: &str,
    database: &Database,
    done: impl Future<Output = Result<T>>,
) -> Result<T> {
    let late = || Fault::Passing(format!("{database}: {what} took longer than {} ms", limit.as_millis()));
    timeout(limit, done).await.unwrap_or_else(|_| Err(late()))
}

async fn connect(database: &Database) -> Result<Session> {
    let mut session = within(CONNECT, "connecting", database, Session::connect(database, STATEMENT)).await?;
    within(STATEMENT, "making its table", database, async {
        let limit = STATEMENT.as_secs();
        session
            .execute(&format!("SET SESSION innodb_lock_wait_timeout = {limit}, lock_wait_timeout = {limit}"))
            .await?;
        // Each statement commits by itself.
        session.execute("SET SESSION autocommit = 1").await?;
        // Looked for first: who may use it need not have the right to make it.
        match session.execute("SELECT 1 FROM {p}arbiter LIMIT 0").await {
            Ok(()) => Ok(()),
            Err(_) => session.execute(TABLE).await,
        }
    })
    .await?;
    Ok(session)
}

impl Row {
    /// Asks in the session, which is made where there is none, and given up where it failed. Whether it was an old one, which may have ended long ago.
    fn ask<T>(&mut self, what: impl AsyncFnOnce(&mut Session, &[u8]) -> Result<T>) -> Asked<T> {
        let Self { database, name, driver, session } = self;
        let mut was_old = true;
        let asking = async {
            let session = match session {
                Some(session) => session,
                None => {
                    was_old = false;
                    session.insert(connect(database).await?)
                }
            };
            within(STATEMENT, "a statement", database, what(session, name)).await
        };
        let asked = driver.block_on(async { asking.await.map_err(|fault: Fault| fault.to_string()) });
        asked.map_err(|words| {
            self.session = None;
            let is_named = words.contains("mysql://");
            (was_old, if is_named { words } else { format!("{}: {words}", self.database) })
        })
    }

    fn try_read(&mut self) -> Asked<Option<Versioned>> {
        self.ask(async |session, name| {
            let rows = session.rows("SELECT version, record FROM {p}arbiter WHERE name = ?", (name,)).await?;
            rows.first().map(|row| Ok((column(row, 0)?, column(row, 1)?))).transpose()
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
            let changed = match version {
                0 => session.change("INSERT IGNORE INTO {p}arbiter VALUES (?, 1, ?)", (name, bytes)).await?,
                version => {
                    let sql =
                        "UPDATE {p}arbiter SET version = version + 1, record = ? WHERE name = ? AND version = ?";
                    session.change(sql, (bytes, name, version)).await?
                }
            };
            Ok(changed == 1)
        });
        replaced.map_err(|(_, words)| words)
    }
}
