//! Setting the store in a database aside: one transaction that has the lock row, so that it is all or nothing, and by the master alone.

use std::time::{Duration, Instant};

use kahawai_store::contract::StoreError;
use kahawai_store::names::Epoch;

use super::connection::{Database, Session, runtime};
use super::error::Result;
use super::schema;
use super::state::{claim, one};
use super::value::unsigned;
use crate::aside::{self, TABLES};
use crate::election::Mastership;
use crate::fault::Fault;
use crate::pause::patiently;

/// Sets the store in a database aside while nobody has it open: its tables get other names (`…_set_aside_1`, or the first number that is free), and
/// [`super::Postgres::open`] makes an empty store in their place. The epoch goes on counting. Tells what it is called now; nothing where there was no
/// store, or one in which nothing was ever committed.
///
/// To be called by the master. It is done when this returns, and all or nothing. Waits for a database that is away. Blocks; not to be called from
/// within a runtime.
///
/// # Errors
/// As [`super::Postgres::open`].
pub fn set_aside(
    database: &Database,
    mastership: &Mastership,
    lease: Duration,
) -> std::result::Result<Option<String>, StoreError> {
    patiently(&database.to_string(), "postgres://", || {
        let begun = Instant::now();
        let runtime = runtime()?;
        let done = runtime.block_on(async {
            let session = Session::connect(database, lease / 2, "set aside").await?;
            schema::check(&session, database).await?;
            schema::make_lock(&session).await?;
            // Whoever still reads is waited for, but not while nobody can renew the lease.
            let limit = (lease / 2).as_millis().max(1);
            session.execute(&format!("SET lock_timeout = {limit}; BEGIN")).await?;
            let renamed = rename(&session, database, mastership.epoch()).await;
            let ended = session.execute(if renamed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
            let renamed = renamed?;
            ended?;
            Ok::<_, Fault>(renamed)
        })?;
        mastership.committed(begun)?;
        Ok(done.map(|number| aside::told(database.prefix(), number)))
    })
}

/// Renames everything within a transaction. Gives the number under which it is now.
async fn rename(session: &Session, database: &Database, epoch: Epoch) -> Result<Option<u64>> {
    claim(session, epoch).await?;
    // Again: only now nobody else changes it.
    if schema::check(session, database).await? == 0 {
        return Ok(None);
    }
    let rows = session.rows("SELECT transactions FROM {p}store WHERE one = 1", &[]).await?;
    if unsigned(one(&rows, "store")?, 0)? == 0 {
        return Ok(None);
    }
    let sql = "SELECT relname::text FROM pg_catalog.pg_class WHERE starts_with(relname::text, $1)";
    let rows = session.rows(sql, &[&database.prefix()]).await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<Vec<&str>, _>>()?;
    let taken: Vec<_> = names.iter().filter_map(|name| aside::parse(name, database.prefix())).collect();
    let number = aside::first_free(&taken);
    for table in TABLES {
        // Their names must be free for the new tables' as well. In one schema with their table, as all that belongs to it.
        let sql = format!(
            "SELECT 'INDEX', quote_ident(nspname) || '.' || quote_ident(relname)
             FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace
             WHERE indrelid = '{{p}}{table}'::regclass
             UNION ALL SELECT 'SEQUENCE', quote_ident(nspname) || '.' || quote_ident(relname)
             FROM pg_depend JOIN pg_class ON pg_class.oid = objid JOIN pg_namespace n ON n.oid = relnamespace
             WHERE refobjid = '{{p}}{table}'::regclass AND relkind = 'S' ORDER BY 2"
        );
        let rows = session.rows(&sql, &[]).await?;
        for (at, row) in rows.iter().enumerate() {
            let (kind, part) = (row.try_get::<_, &str>(0)?, row.try_get::<_, &str>(1)?);
            // Short: a name has 63 bytes, of which the prefix may have 32.
            let name = aside::name(&format!("{table}_{at}"), number);
            session.execute(&format!("ALTER {kind} {part} RENAME TO {{p}}{name}")).await?;
        }
        let name = aside::name(table, number);
        session.execute(&format!("ALTER TABLE {{p}}{table} RENAME TO {{p}}{name}")).await?;
    }
    Ok(Some(number))
}
