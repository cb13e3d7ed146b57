//! ActiveMQ's tables in PostgreSQL.

use std::time::Duration;

use kahawai_store::election::{Cancel, ElectionError};

use super::connection::{Database, Session};
use super::error::{Error, Meaning, Result};
use super::schema;
use super::value::unsigned;
use crate::activemq::{Catalog, Found, Table, TableNames, ask, look};
use crate::election::RowError;

/// Looks for rows of ActiveMQ's JDBC store in the tables of these names, in the schemas of the connection's `search_path`. Waits for a
/// database that is away. Blocks; not to be called from within a runtime.
///
/// # Errors
/// [`ElectionError::Cancelled`], and [`ElectionError::Failed`] where the database refuses us or a question.
pub fn activemq_rows(
    database: &Database,
    names: TableNames<'_>,
    cancel: &Cancel,
) -> std::result::Result<Found, ElectionError> {
    ask(&database.to_string(), cancel, async || {
        let looked = async {
            let session = Session::connect(database, Duration::from_secs(60), "look").await?;
            look(&mut Tables { session: &session }, names).await
        };
        looked.await.map_err(|error| match error.meaning() {
            Meaning::Full | Meaning::Passing if !matches!(error, Error::Refused(_)) => {
                RowError::Away(error.words())
            }
            _ if error.words().contains("postgres://") => RowError::Failed(error.words()),
            _ => RowError::Failed(format!("{database}: {}", error.words())),
        })
    })
}

struct Tables<'a> {
    session: &'a Session,
}

impl Catalog for Tables<'_> {
    type Error = Error;

    async fn tables(&mut self, name: &str) -> Result<Vec<Table>> {
        let sql = "SELECT relname, format('%I.%I', nspname, relname),
                has_table_privilege(pg_class.oid, 'SELECT'),
                EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'xid')
            FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE lower(relname) = lower($1) AND relkind IN ('r', 'p', 'v', 'm', 'f')
                AND pg_table_is_visible(pg_class.oid)
            ORDER BY relname";
        let rows = self.session.rows(sql, &[&name]).await?;
        let table = |row: &tokio_postgres::Row| {
            Ok(Table {
                name: row.try_get(0)?,
                quoted: row.try_get(1)?,
                is_readable: row.try_get(2)?,
                has_xid: row.try_get(3)?,
            })
        };
        rows.iter().map(table).collect()
    }

    async fn is_ours(&mut self) -> Result<bool> {
        if !schema::is_there(self.session, "lock").await? {
            return Ok(false);
        }
        Ok(self.number("SELECT COALESCE(MAX(epoch), 0) FROM {p}lock").await? > 0)
    }

    async fn named(&mut self, sql: &str) -> Result<Vec<(String, u64)>> {
        let rows = self.session.rows(sql, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, unsigned(row, 1)?))).collect()
    }

    async fn number(&mut self, sql: &str) -> Result<u64> {
        match self.session.rows(sql, &[]).await?.first() {
            Some(row) => unsigned(row, 0),
            None => Err(Error::failed("a count has no row")),
        }
    }
}
