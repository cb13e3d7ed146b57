//! The tables, by numbered migrations.
//!
//! As in PostgreSQL, but that a server of this kind commits each change of a table by itself: a migration that was broken off is done
//! again, each of its statements coming to nothing where it has been done, and the version is written last.

use mysql_async::Params;

use super::connection::{Database, Session, column};
use super::error::Result;
use super::state::one;
use crate::fault::Fault;

/// The version that this program writes, and the newest it reads: the number of migrations.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// What brings version n to n + 1, beginning with none. Never changed once released. Statements end with a semicolon at the end of a line.
const MIGRATIONS: [&str; 1] = [VERSION_1];

/// One row: who is master, and until when nobody doubts it. Never changed once released.
const LOCK: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS {p}lock (
        one TINYINT PRIMARY KEY, epoch BIGINT UNSIGNED NOT NULL, beats BIGINT UNSIGNED NOT NULL,
        renewed DATETIME(6) NOT NULL, lease_ms BIGINT UNSIGNED NOT NULL, released TINYINT NOT NULL,
        name VARBINARY(1000) NOT NULL, host VARBINARY(1000) NOT NULL, process BIGINT UNSIGNED NOT NULL,
        address VARBINARY(1000) NOT NULL
    ) ENGINE = InnoDB",
    "INSERT IGNORE INTO {p}lock VALUES (1, 0, 0, SYSDATE(6), 0, 1, '', '', 0, '')",
];

/// One row: what names the store among the copies of it. It stays where the store is set aside. Never changed once released.
const IDENTITY: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS {p}identity (one TINYINT PRIMARY KEY, id BINARY(16) NOT NULL) ENGINE = InnoDB",
    "INSERT IGNORE INTO {p}identity VALUES (1, UNHEX(REPLACE(UUID(), '-', '')))",
];

/// What each table is for is told beside PostgreSQL's (`postgres/schema.rs`). The places are the clustered index that paging walks
/// through; names are bytes, without a collation's opinion of them.
const VERSION_1: &str = "
    CREATE TABLE IF NOT EXISTS {p}store (
        one TINYINT PRIMARY KEY, transactions BIGINT UNSIGNED NOT NULL, arrival_next BIGINT UNSIGNED NOT NULL,
        message_id_next BIGINT UNSIGNED NOT NULL, destination_id_next BIGINT UNSIGNED NOT NULL,
        subscription_id_next BIGINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB;
    INSERT IGNORE INTO {p}store VALUES (1, 0, 0, 1, 1, 1);
    CREATE TABLE IF NOT EXISTS {p}destinations (
        id BIGINT UNSIGNED PRIMARY KEY, kind TINYINT UNSIGNED NOT NULL, name LONGBLOB NOT NULL,
        messages BIGINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB;
    CREATE TABLE IF NOT EXISTS {p}subscriptions (
        id BIGINT UNSIGNED PRIMARY KEY, destination BIGINT UNSIGNED NOT NULL, client_id LONGBLOB NOT NULL,
        name LONGBLOB NOT NULL, selector LONGBLOB, no_local TINYINT NOT NULL, place BIGINT UNSIGNED NOT NULL,
        messages BIGINT UNSIGNED NOT NULL
    ) ENGINE = InnoDB;
    CREATE TABLE IF NOT EXISTS {p}messages (
        destination BIGINT UNSIGNED NOT NULL, priority TINYINT UNSIGNED NOT NULL, arrival BIGINT NOT NULL,
        id BIGINT UNSIGNED NOT NULL, size BIGINT NOT NULL, kind TINYINT UNSIGNED NOT NULL,
        waiting BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (destination, priority, arrival), UNIQUE KEY by_id (id),
        KEY by_arrival (destination, kind, arrival)
    ) ENGINE = InnoDB;
    CREATE TABLE IF NOT EXISTS {p}bodies (
        id BIGINT UNSIGNED PRIMARY KEY, crc BIGINT UNSIGNED NOT NULL, bytes LONGBLOB NOT NULL
    ) ENGINE = InnoDB;
    CREATE TABLE IF NOT EXISTS {p}acknowledged (
        subscription BIGINT UNSIGNED NOT NULL, arrival BIGINT NOT NULL, PRIMARY KEY (subscription, arrival)
    ) ENGINE = InnoDB;
    CREATE TABLE IF NOT EXISTS {p}prepared (
        chunk BIGINT AUTO_INCREMENT PRIMARY KEY, xa_format INTEGER NOT NULL, xa_global LONGBLOB NOT NULL,
        xa_branch LONGBLOB NOT NULL, operations LONGBLOB NOT NULL
    ) ENGINE = InnoDB;
    CREATE TABLE IF NOT EXISTS {p}entries (
        digest BINARY(64) PRIMARY KEY, name LONGBLOB NOT NULL, entry LONGBLOB NOT NULL, content LONGBLOB NOT NULL
    ) ENGINE = InnoDB;
";

/// Says which version a database has, 0 for a new one, and touches nothing.
///
/// # Errors
/// Where it is newer than this program.
pub(super) async fn check(session: &mut Session, database: &Database) -> Result<u32> {
    let name = format!("{}schema", database.prefix());
    let sql = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";
    if session.rows(sql, (name,)).await?.is_empty() {
        return Ok(0);
    }
    let rows = session.rows("SELECT version FROM {p}schema WHERE one = 1", Params::Empty).await?;
    let version = rows.first().map_or(Ok(0), |row| column(row, 0))?;
    if version > VERSION {
        return Err(Fault::failed(format!(
            "{database} has schema version {version}, but this program knows versions up to {VERSION}: \
             use the program that wrote it, or a newer one"
        )));
    }
    Ok(version)
}

/// Brings a database that has `version` up to date.
pub(super) async fn migrate(session: &mut Session, version: u32) -> Result<()> {
    session
        .execute("CREATE TABLE IF NOT EXISTS {p}schema (one TINYINT PRIMARY KEY, version INTEGER NOT NULL) ENGINE = InnoDB")
        .await?;
    for (step, migration) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        for statement in migration.split(";\n").filter(|statement| !statement.trim().is_empty()) {
            session.execute(statement).await?;
        }
        session.execute(&format!("REPLACE INTO {{p}}schema VALUES (1, {})", step + 1)).await?;
    }
    Ok(())
}

/// Makes the lock table, unless it is there.
pub(super) async fn make_lock(session: &mut Session) -> Result<()> {
    for statement in LOCK {
        session.execute(statement).await?;
    }
    Ok(())
}

/// What names the store among the copies of it, on whatever server each is: made by the first master, and never changed.
pub(super) async fn identity(session: &mut Session) -> Result<[u8; 16]> {
    for statement in IDENTITY {
        session.execute(statement).await?;
    }
    let rows = session.rows("SELECT id FROM {p}identity WHERE one = 1", Params::Empty).await?;
    let id: Vec<u8> = column(one(&rows, "identity")?, 0)?;
    id.try_into().map_err(|_| Fault::failed("the identity of the store has not 16 bytes"))
}
