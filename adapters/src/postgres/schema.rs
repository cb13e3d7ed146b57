//! The tables, by numbered migrations.
//!
//! The database says which version of the schema it has; opening brings an older one up to date, step by step, each
//! in a transaction of its own, and leaves a newer one untouched. The lock table alone is made by whoever comes first: candidates
//! need it before one of them is master, and its layout is for all versions.

use super::connection::{Database, Session};
use super::error::{Error, Result};
use super::state::one;
use super::value::bytes;

/// The version that this program writes, and the newest it reads: the number of migrations.
pub const VERSION: i32 = MIGRATIONS.len() as i32;

/// What brings version n to n + 1, beginning with none. Never changed once released.
const MIGRATIONS: [&str; 1] = [VERSION_1];

/// One row: who is master, and until when nobody doubts it. `beats` counts each sign of life. Never changed once released.
const LOCK: &str = "
    CREATE TABLE IF NOT EXISTS {p}lock (
        one smallint PRIMARY KEY CHECK (one = 1),
        epoch bigint NOT NULL,
        beats bigint NOT NULL,
        renewed timestamptz NOT NULL,
        lease_ms bigint NOT NULL,
        released boolean NOT NULL,
        name text NOT NULL,
        host text NOT NULL,
        process bigint NOT NULL,
        address text NOT NULL
    ) WITH (fillfactor = 10);
    INSERT INTO {p}lock VALUES (1, 0, 0, clock_timestamp(), 0, true, '', '', 0, '')
        ON CONFLICT DO NOTHING;
";

/// - `store` has one row: the next numbers, and the number of the last transaction, by which a writer whose connection broke
///   finds out whether its transaction was committed.
/// - `messages` is what paging walks through, in its order, without touching a body. `kind` repeats the destination's; `waiting`
///   counts the subscriptions that have not acknowledged a topic's message, 0 on queues. No index knows `waiting`, so that counting
///   down writes no index.
/// - `bodies` holds the messages, in the encoding of `kahawai_store::codec`, each with its CRC-32. They are not compressed:
///   what can be is by its sender.
/// - a subscription has acknowledged everything before `position` (an arrival), and behind it what
///   `acknowledged` lists.
/// - `prepared` keeps the chunks of prepared transactions as encoded batches, in their order.
/// - the counts (`messages` of destinations and subscriptions) save recovery from walking the backlog.
/// - names are bytes (UTF-8): a `text` holds no NUL. Entries are found by a digest, as an index takes no long keys.
///
/// Rows that are updated in place have room for it on their page. The tables that fill and empty are vacuumed by how much was
/// deleted, not by how much is there.
const VERSION_1: &str = "
    CREATE TABLE {p}store (
        one smallint PRIMARY KEY CHECK (one = 1),
        transactions bigint NOT NULL,
        arrival_next bigint NOT NULL,
        message_id_next bigint NOT NULL,
        destination_id_next bigint NOT NULL,
        subscription_id_next bigint NOT NULL
    ) WITH (fillfactor = 10);
    INSERT INTO {p}store VALUES (1, 0, 0, 1, 1, 1);

    CREATE TABLE {p}destinations (
        id bigint PRIMARY KEY,
        kind smallint NOT NULL,
        name bytea NOT NULL,
        messages bigint NOT NULL
    ) WITH (fillfactor = 20);

    CREATE TABLE {p}subscriptions (
        id bigint PRIMARY KEY,
        destination bigint NOT NULL,
        client_id bytea NOT NULL,
        name bytea NOT NULL,
        selector bytea,
        no_local boolean NOT NULL,
        position bigint NOT NULL,
        messages bigint NOT NULL
    ) WITH (fillfactor = 20);

    CREATE TABLE {p}messages (
        destination bigint NOT NULL,
        rank smallint NOT NULL,
        arrival bigint NOT NULL,
        id bigint NOT NULL,
        size bigint NOT NULL,
        kind smallint NOT NULL,
        waiting bigint NOT NULL,
        PRIMARY KEY (destination, rank, arrival)
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
            autovacuum_vacuum_cost_delay = 0);
    CREATE UNIQUE INDEX {p}messages_by_id ON {p}messages (id);
    CREATE INDEX {p}messages_by_arrival ON {p}messages (destination, arrival) WHERE kind = 1;

    CREATE TABLE {p}bodies (
        id bigint PRIMARY KEY,
        crc bigint NOT NULL,
        bytes bytea NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
            autovacuum_vacuum_cost_delay = 0);
    ALTER TABLE {p}bodies ALTER COLUMN bytes SET STORAGE EXTERNAL;

    CREATE TABLE {p}acknowledged (
        subscription bigint NOT NULL,
        arrival bigint NOT NULL,
        PRIMARY KEY (subscription, arrival)
    );

    CREATE TABLE {p}prepared (
        chunk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        format integer NOT NULL,
        global bytea NOT NULL,
        branch bytea NOT NULL,
        operations bytea NOT NULL
    );
    ALTER TABLE {p}prepared ALTER COLUMN operations SET STORAGE EXTERNAL;

    CREATE TABLE {p}entries (
        digest bytea PRIMARY KEY,
        name bytea NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL
    );
";

/// Says which version a database has, 0 for a new one, and touches nothing.
///
/// # Errors
/// Where it is newer than this program.
pub(super) async fn check(session: &Session, database: &Database) -> Result<i32> {
    if !is_there(session, "schema").await? {
        return Ok(0);
    }
    let rows = session.rows("SELECT version FROM {p}schema", &[]).await?;
    let version = match rows.first() {
        Some(row) => row.try_get(0)?,
        None => return Err(Error::failed(format!("{database}: the schema's version is missing"))),
    };
    if version > VERSION {
        return Err(Error::failed(format!(
            "{database} has schema version {version}, but this program knows versions up to {VERSION}: \
             use the program that wrote it, or a newer one"
        )));
    }
    Ok(version)
}

/// Brings a database that has `version` up to date.
pub(super) async fn migrate(session: &Session, version: i32) -> Result<()> {
    let done = usize::try_from(version).unwrap_or(0);
    for (step, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let mut script = String::from("BEGIN;");
        if step == 0 {
            script.push_str("CREATE TABLE {p}schema (version integer NOT NULL);");
            script.push_str("INSERT INTO {p}schema VALUES (0);");
        }
        script.push_str(migration);
        script.push_str(&format!("UPDATE {{p}}schema SET version = {};", step + 1));
        script.push_str("COMMIT;");
        if let Err(error) = session.execute(&script).await {
            // The transaction is over either way; a connection that is gone has forgotten it.
            let _ = session.execute("ROLLBACK").await;
            return Err(error);
        }
    }
    Ok(())
}

/// Makes the lock table, unless it is there.
pub(super) async fn make_lock(session: &Session) -> Result<()> {
    if is_there(session, "lock").await? {
        return Ok(());
    }
    // Several may come first at once: they queue here, and find it made.
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('{p}lock'), 1801678197);";
    let made = session.execute(&format!("{lock} {LOCK} COMMIT")).await;
    if made.is_err() {
        let _ = session.execute("ROLLBACK").await;
    }
    made
}

/// Whether there is such a table of ours. Asks the catalogue's rows: by its name (`regclass`) a session may remember for long that there
/// was none.
pub(super) async fn is_there(session: &Session, table: &str) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_class WHERE relname = '{{p}}{table}' AND pg_table_is_visible(oid)"
    );
    Ok(!session.rows(&sql, &[]).await?.is_empty())
}

/// What names the store among the copies of it, on whatever server each is: made by the first master, and never changed. It stays where the
/// store is set aside.
pub(super) async fn identity(session: &Session) -> Result<[u8; 16]> {
    session
        .execute(
            "CREATE TABLE IF NOT EXISTS {p}identity (one smallint PRIMARY KEY CHECK (one = 1), id bytea NOT NULL);
            INSERT INTO {p}identity SELECT 1, decode(md5(random()::text || clock_timestamp()::text || pg_backend_pid()), 'hex')
                ON CONFLICT DO NOTHING;",
        )
        .await?;
    let rows = session.rows("SELECT id FROM {p}identity WHERE one = 1", &[]).await?;
    let id = bytes(one(&rows, "identity")?, 0)?;
    id[..].try_into().map_err(|_| Error::failed("the identity of the store has not 16 bytes"))
}
