//! A connection to the database: opening, making it a store, claiming it.

use std::path::Path;
use std::time::Duration;

use kahawai_store::names::Epoch;
use rusqlite::{Connection, OpenFlags, params};

use super::error::Result;
use super::value::{signed, unsigned};
use super::{schema, state};

/// Of prepared statements that are kept: more than there are.
const STATEMENTS_MAX: usize = 64;

/// How the database is used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After how many pages of 4 KiB the log is written back into the database.
    pub checkpoint_pages: u32,
    /// The most pages the database may have: beyond them the store is full.
    pub pages_max: Option<u32>,
    /// How long to wait for another process that is writing to the database (a backup, a stale master) before the
    /// store counts as failed.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { checkpoint_pages: 1000, pages_max: None, busy_timeout: Duration::from_secs(10) }
    }
}

/// Makes a file a store where it is none yet, and the store this epoch's.
pub(super) fn make(path: &Path, epoch: Epoch, options: Options) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE, options)?;
    let version = schema::check(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    if let Some(pages_max) = options.pages_max {
        connection.pragma_update(None, "max_page_count", pages_max)?;
    }
    schema::migrate(&connection, version)?;
    claim(&connection, epoch)?;
    Ok(connection)
}

pub(super) fn connect(path: &Path, create: OpenFlags, options: Options) -> Result<Connection> {
    // Each connection has one thread: SQLite need not lock it. A path that looks like a URI is still a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Makes the database this epoch's, unless it is a later one's.
pub(super) fn claim(connection: &Connection, epoch: Epoch) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let found = connection.query_row("SELECT epoch FROM store", [], |row| unsigned(row, 0))?;
    if found > epoch.0 {
        return Err(state::lost(epoch, found));
    }
    connection.execute("UPDATE store SET epoch = ?1", params![signed(epoch.0)])?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}
