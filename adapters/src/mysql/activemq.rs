//! ActiveMQ's tables in MySQL and MariaDB.
//!
//! A server of this kind shows a table only to whom it gives some right to it: of one that is hidden nothing can be said.

use std::time::Duration;

use kahawai_store::election::{Cancel, ElectionError};
use mysql_async::Params;

use super::connection::{Database, Session, column};
use super::error::Result;
use crate::activemq::{Catalog, Found, Table, TableNames, ask, look};
use crate::election::RowError;
use crate::fault::Fault;

/// Looks for rows of ActiveMQ's JDBC store in the tables of these names, in the connection's database. Waits for a server that is away. Blocks;
/// not to be called from within a runtime.
///
/// # Errors
/// [`ElectionError::Cancelled`], and [`ElectionError::Failed`] where the server refuses us or a question.
pub fn activemq_rows(
    database: &Database,
    names: TableNames<'_>,
    cancel: &Cancel,
) -> std::result::Result<Found, ElectionError> {
    ask(&database.to_string(), cancel, async || {
        let looked = async {
            let mut session = Session::connect(database, Duration::from_secs(60)).await?;
            look(&mut Tables { session: &mut session, prefix: database.prefix() }, names).await
        };
        looked.await.map_err(|fault| match fault {
            Fault::Full(why) | Fault::Passing(why) => RowError::Away(why),
            Fault::Final(error) => {
                let told = error.to_string();
                let named = told.contains("mysql://");
                RowError::Failed(if named { told } else { format!("{database}: {told}") })
            }
        })
    })
}

struct Tables<'a> {
    session: &'a mut Session,
    prefix: &'a str,
}

impl Tables<'_> {
    async fn has(&mut self, table: &str, column: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = ? AND LOWER(column_name) = ?";
        Ok(!self.session.rows(sql, (table, column)).await?.is_empty())
    }
}

impl Catalog for Tables<'_> {
    type Error = Fault;

    async fn tables(&mut self, name: &str) -> Result<Vec<Table>> {
        let sql = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
            WHERE table_schema = DATABASE() AND LOWER(table_name) = LOWER(?) ORDER BY 1";
        let rows = self.session.rows(sql, (name,)).await?;
        let mut found = Vec::new();
        for row in &rows {
            let name: String = column(row, 0)?;
            let quoted = format!("`{}`", name.replace('`', "``"));
            let tried = self.session.rows(&format!("SELECT 1 FROM {quoted} LIMIT 1"), Params::Empty).await;
            let is_readable = match tried {
                Ok(_) => true,
                Err(Fault::Final(_)) => false,
                Err(fault) => return Err(fault),
            };
            let has_xid = self.has(&name, "xid").await?;
            found.push(Table { name, quoted, is_readable, has_xid });
        }
        Ok(found)
    }

    async fn is_ours(&mut self) -> Result<bool> {
        let lock = format!("{}lock", self.prefix);
        if !self.has(&lock, "epoch").await? {
            return Ok(false);
        }
        Ok(self.number("SELECT CAST(COALESCE(MAX(epoch), 0) AS UNSIGNED) FROM {p}lock").await? > 0)
    }

    async fn named(&mut self, sql: &str) -> Result<Vec<(String, u64)>> {
        let rows = self.session.rows(sql, Params::Empty).await?;
        let named = |row| {
            // Names come in the connection's character set, and are only shown.
            let name: Vec<u8> = column(row, 0)?;
            Ok((String::from_utf8_lossy(&name).into_owned(), column(row, 1)?))
        };
        rows.iter().map(named).collect()
    }

    async fn number(&mut self, sql: &str) -> Result<u64> {
        match self.session.rows(sql, Params::Empty).await?.first() {
            Some(row) => column(row, 0),
            None => Err(Fault::failed("a count has no row")),
        }
    }
}
