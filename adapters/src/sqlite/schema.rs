//! The tables, by numbered migrations.
//!
//! A database says which version of the schema it has; opening brings an older one up to date, step by step, each
//! in a transaction of its own, and leaves a newer one, or a database that is none of ours, untouched.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use super::error::{Error, Result};

/// The version that this program writes, and the newest it reads: the number of migrations.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// What brings version n to n + 1, beginning with none. Never changed once released.
const MIGRATIONS: [&str; 2] = [VERSION_1, VERSION_2];

/// - `store` has one row: the epoch, which every transaction must find to be its own, and the next numbers. Arrivals count from 0, as in
///   every engine: copies give the same.
/// - `messages` is what paging walks through, in its order, without touching a body. `waiting` counts the
///   subscriptions that have not acknowledged a topic's message; it is 0 on queues, which keeps them out of
///   the index by arrival.
/// - `bodies` holds the messages, in the encoding of `kahawai_store::codec`, each with its CRC-32.
/// - a subscription has acknowledged everything before `position` (an arrival), and behind it what
///   `acknowledged` lists.
/// - `prepared` keeps the chunks of prepared transactions as encoded batches, in their order.
/// - the counts (`messages` of destinations and subscriptions) save recovery from walking the backlog.
const VERSION_1: &str = "
    CREATE TABLE store (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch INTEGER NOT NULL,
        arrival_next INTEGER NOT NULL,
        message_id_next INTEGER NOT NULL,
        destination_id_next INTEGER NOT NULL,
        subscription_id_next INTEGER NOT NULL
    );
    INSERT INTO store VALUES (1, 0, 0, 1, 1, 1);

    CREATE TABLE destinations (
        id INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        name TEXT NOT NULL,
        messages INTEGER NOT NULL,
        UNIQUE (kind, name)
    );

    CREATE TABLE subscriptions (
        id INTEGER PRIMARY KEY,
        destination INTEGER NOT NULL,
        client_id TEXT NOT NULL,
        name TEXT NOT NULL,
        selector TEXT,
        no_local INTEGER NOT NULL,
        position INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        UNIQUE (client_id, name, destination)
    );

    CREATE TABLE messages (
        destination INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        arrival INTEGER NOT NULL,
        id INTEGER NOT NULL,
        size INTEGER NOT NULL,
        waiting INTEGER NOT NULL,
        PRIMARY KEY (destination, rank, arrival)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX messages_by_id ON messages (id);
    CREATE INDEX messages_by_arrival ON messages (destination, arrival) WHERE waiting > 0;

    CREATE TABLE bodies (
        id INTEGER PRIMARY KEY,
        crc INTEGER NOT NULL,
        bytes BLOB NOT NULL
    );

    CREATE TABLE acknowledged (
        subscription INTEGER NOT NULL,
        arrival INTEGER NOT NULL,
        PRIMARY KEY (subscription, arrival)
    ) WITHOUT ROWID;

    CREATE TABLE prepared (
        chunk INTEGER PRIMARY KEY,
        format INTEGER NOT NULL,
        global BLOB NOT NULL,
        branch BLOB NOT NULL,
        operations BLOB NOT NULL
    );
    CREATE INDEX prepared_by_xid ON prepared (format, global, branch);

    CREATE TABLE entries (
        name TEXT NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (name, key)
    ) WITHOUT ROWID;
";

/// Whoever acknowledges or moves a message says where it stands: nothing finds it by its id any more.
const VERSION_2: &str = "DROP INDEX messages_by_id;";

/// Says which version a database has, 0 for a new one, and touches nothing.
///
/// # Errors
/// Where the file is no database, one of somebody else's, or one of a newer version.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<u32> {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let tables = tables.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::failed(format!("{} is no SQLite database", path.display())),
        _ => error.into(),
    })?;
    if tables == 0 {
        return Ok(0);
    }
    let ours = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'kahawai_schema'";
    if connection.query_row(ours, [], |_| Ok(())).optional()?.is_none() {
        return Err(Error::failed(format!("{} is a database, but no Kahawai store", path.display())));
    }
    let version = connection.query_row("SELECT version FROM kahawai_schema", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(Error::failed(format!(
            "{} has schema version {version}, but this program knows versions up to {VERSION}",
            path.display()
        )));
    }
    Ok(version)
}

/// Brings a database that has `version` up to date.
pub(super) fn migrate(connection: &Connection, version: u32) -> Result<()> {
    for (step, migration) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let mut script = String::from("BEGIN IMMEDIATE;");
        if step == 0 {
            script.push_str("CREATE TABLE kahawai_schema (version INTEGER NOT NULL);");
            script.push_str("INSERT INTO kahawai_schema VALUES (0);");
        }
        script.push_str(migration);
        script.push_str(&format!("UPDATE kahawai_schema SET version = {};", step + 1));
        script.push_str("COMMIT;");
        connection.execute_batch(&script)?;
    }
    Ok(())
}
