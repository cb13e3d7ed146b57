//! Setting the store in a database aside.
//!
//! A server of this kind has no transaction for that. Each table is renamed by itself, that of the version first; whoever finds tables
//! without that one has found a renaming that was broken off, and finishes it before anything else ([`finish`]).
//!
//! **By the master alone.** The session that renames has locked the tables, the lock's among them, and has seen its own epoch there since:
//! nobody can claim the store while it renames. If this process stands still meanwhile, the server ends the session, and with it both the locks and what it
//! could still rename.

use std::time::{Duration, Instant};

use kahawai_store::contract::StoreError;
use kahawai_store::names::Epoch;
use mysql_async::Params;

use super::connection::{Database, Session, column, runtime};
use super::error::Result;
use super::schema;
use super::state::{claim, one};
use crate::aside::{self, TABLES};
use crate::election::Mastership;
use crate::fault::Fault;
use crate::pause::patiently;

/// Sets the store in a database aside while nobody has it open: its tables get other names (`…_set_aside_1`, or the first number that is free), and
/// [`super::Mysql::open`] makes an empty store in their place. The epoch goes on counting. Tells what it is called now; nothing where there was no
/// store, or one in which nothing was ever committed.
///
/// To be called by the master. It is done when this returns; one that was broken off is finished by the next call, or the next `open`. Waits for a
/// server that is away. Blocks; not to be called from within a runtime.
///
/// # Errors
/// As [`super::Mysql::open`].
pub fn set_aside(
    database: &Database,
    mastership: &Mastership,
    lease: Duration,
) -> std::result::Result<Option<String>, StoreError> {
    patiently(&database.to_string(), "mysql://", || {
        let begun = Instant::now();
        let epoch = mastership.epoch();
        let done = runtime()?.block_on(async {
            let mut session = Session::connect(database, lease / 2).await?;
            schema::check(&mut session, database).await?;
            schema::make_lock(&mut session).await?;
            claim(&mut session, epoch).await?;
            // Again: only now nobody else changes it.
            if schema::check(&mut session, database).await? == 0 {
                return finish(&mut session, database, epoch, lease).await;
            }
            begin(&mut session, database, epoch, lease).await
        })?;
        mastership.committed(begun)?;
        Ok(done.map(|number| aside::told(database.prefix(), number)))
    })
}

async fn begin(
    session: &mut Session,
    database: &Database,
    epoch: Epoch,
    lease: Duration,
) -> Result<Option<u64>> {
    let rows = session.rows("SELECT transactions FROM {p}store WHERE one = 1", Params::Empty).await?;
    if column::<u64>(one(&rows, "store")?, 0)? == 0 {
        return Ok(None);
    }
    let names = names(session, database).await?;
    let taken: Vec<_> = names.iter().filter_map(|name| aside::parse(name, database.prefix())).collect();
    let number = aside::first_free(&taken);
    rename(session, &ours(&names, database), number, epoch, lease).await?;
    Ok(Some(number))
}

/// Finishes a renaming that was broken off, where there is one. Gives the number under which the store is now.
pub(super) async fn finish(
    session: &mut Session,
    database: &Database,
    epoch: Epoch,
    lease: Duration,
) -> Result<Option<u64>> {
    let names = names(session, database).await?;
    let left = ours(&names, database);
    if left.is_empty() || left.contains(&"schema") {
        return Ok(None);
    }
    let aside: Vec<_> = names.iter().filter_map(|name| aside::parse(name, database.prefix())).collect();
    // The number that it was begun with: nothing that is left is there under it.
    let was_begun = |number: &u64| left.iter().all(|table| !aside.contains(&(*table, *number)));
    let begun = aside.iter().filter(|(table, _)| *table == "schema").map(|(_, number)| *number);
    let Some(number) = begun.filter(was_begun).max() else { return Ok(None) };
    rename(session, &left, number, epoch, lease).await?;
    Ok(Some(number))
}

/// The names of all tables that begin as ours do.
async fn names(session: &mut Session, database: &Database) -> Result<Vec<String>> {
    let sql = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
        WHERE table_schema = DATABASE() AND LEFT(table_name, CHAR_LENGTH(?)) = ?";
    let rows = session.rows(sql, (database.prefix(), database.prefix())).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Which of a store's tables are among these, in their order.
fn ours(names: &[String], database: &Database) -> Vec<&'static str> {
    let own: Vec<_> = names.iter().filter_map(|name| name.strip_prefix(database.prefix())).collect();
    TABLES.into_iter().filter(|table| own.contains(table)).collect()
}

async fn rename(
    session: &mut Session,
    tables: &[&str],
    number: u64,
    epoch: Epoch,
    lease: Duration,
) -> Result<()> {
    let limit = (lease / 2).as_secs().max(1);
    // Whoever still reads is waited for, but not for longer than a lease can bear; and a session that stands still is ended.
    session
        .execute(&format!("SET SESSION lock_wait_timeout = {limit}, SESSION wait_timeout = {limit}"))
        .await?;
    let locks: Vec<_> = tables.iter().map(|table| format!(", {{p}}{table} WRITE")).collect();
    session.execute(&format!("LOCK TABLES {{p}}lock WRITE{}", locks.concat())).await?;
    let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", Params::Empty).await?;
    let found = column(one(&rows, "lock")?, 0)?;
    if found != epoch.0 {
        return Err(Fault::lost(epoch, found));
    }
    for table in tables {
        let name = aside::name(table, number);
        session.execute(&format!("ALTER TABLE {{p}}{table} RENAME TO {{p}}{name}")).await?;
    }
    session.execute("UNLOCK TABLES").await
}
