//! What ActiveMQ's JDBC store keeps in a database, looked for before a store of ours is begun beside it. Reads only.
//!
//! What is asked for is the same for each server; how its tables are found, and named in SQL, is each module's own (`Catalog`).

use std::time::Duration;

use kahawai_store::election::{Cancel, ElectionError};

use crate::election::RowError;
use crate::pause::Pause;

/// How long to sleep at most before looking whether to give up.
const NAP: Duration = Duration::from_millis(100);
/// More destinations than are counted one by one.
const DESTINATIONS_MAX: usize = 100_000;

/// How ActiveMQ's tables are called, in any case of their letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableNames<'a> {
    /// That of messages (`tablePrefix` and `messageTableName`).
    pub messages: &'a str,
    /// That of the places of durable subscriptions (`tablePrefix` and `durableSubAcksTableName`).
    pub acks: &'a str,
}

/// As they are where nobody says anything.
impl Default for TableNames<'_> {
    fn default() -> Self {
        Self { messages: "ACTIVEMQ_MSGS", acks: "ACTIVEMQ_ACKS" }
    }
}

/// Rows of ActiveMQ's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The tables that hold them, as the server names them.
    pub tables: Vec<String>,
    /// Messages by destination, as ActiveMQ names it: `queue://NAME`, `topic://NAME`. A topic's may be acknowledged by all already: ActiveMQ
    /// removes those now and then.
    pub destinations: Vec<(String, u64)>,
    /// Durable subscriptions.
    pub subscriptions: u64,
    /// Transactions that are prepared and not decided.
    pub prepared: u64,
    /// Messages that these send or acknowledge; in none of `destinations`.
    pub prepared_messages: u64,
    /// Why there may be more than these: a table that may not be read, or too many destinations.
    pub unknown: Option<String>,
}

/// What was found in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No rows of ActiveMQ's.
    Nothing,
    /// Rows in these tables, and a store of ours that has been served before.
    BesideOurs(Vec<String>),
    /// Rows, and no store of ours.
    Alone(Rows),
}

/// Asks until there is an answer: a database that is away is waited for.
pub(crate) fn ask(
    description: &str,
    cancel: &Cancel,
    mut look: impl AsyncFnMut() -> Result<Found, RowError>,
) -> Result<Found, ElectionError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| ElectionError::Failed(format!("no connection can be made: {error}").into()))?;
    let mut pause: Option<Pause> = None;
    loop {
        if cancel.is_cancelled() {
            return Err(ElectionError::Cancelled);
        }
        match runtime.block_on(look()) {
            Ok(found) => {
                if let Some(pause) = pause {
                    pause.is_over();
                }
                return Ok(found);
            }
            Err(RowError::Away(why)) => {
                let pause = pause.get_or_insert_with(|| Pause::new("the database", description.to_owned()));
                std::thread::sleep(pause.next(&why).min(NAP));
            }
            Err(RowError::Failed(why)) => return Err(ElectionError::Failed(why.into())),
        }
    }
}

/// A table of ActiveMQ's.
pub(crate) struct Table {
    /// As people know it.
    pub(crate) name: String,
    /// As SQL has it, in quotes.
    pub(crate) quoted: String,
    /// Whether it may be read.
    pub(crate) is_readable: bool,
    /// Whether it has the column of prepared transactions, which old versions had not.
    pub(crate) has_xid: bool,
}

/// How a server is asked.
pub(crate) trait Catalog {
    /// What goes wrong.
    type Error;

    /// The tables whose name is this in any case, where the connection finds tables.
    async fn tables(&mut self, name: &str) -> Result<Vec<Table>, Self::Error>;

    /// Whether a store of ours has been served from here.
    async fn is_ours(&mut self) -> Result<bool, Self::Error>;

    /// A query's rows of a text and a number.
    async fn named(&mut self, sql: &str) -> Result<Vec<(String, u64)>, Self::Error>;

    /// A query's one number.
    async fn number(&mut self, sql: &str) -> Result<u64, Self::Error>;
}

/// Looks for rows in the tables of these names.
pub(crate) async fn look<C: Catalog>(catalog: &mut C, names: TableNames<'_>) -> Result<Found, C::Error> {
    let messages = catalog.tables(names.messages).await?;
    let subscriptions = catalog.tables(names.acks).await?;
    let mut rows = Rows::default();
    for table in messages.iter().chain(&subscriptions) {
        let quoted = &table.quoted;
        if !table.is_readable {
            rows.unknown = Some(format!("the table {} may not be read", table.name));
            rows.tables.push(table.name.clone());
        } else if catalog.number(&format!("SELECT COUNT(*) FROM (SELECT 1 FROM {quoted} LIMIT 1) t")).await?
            > 0
        {
            rows.tables.push(table.name.clone());
        }
    }
    if rows.tables.is_empty() {
        return Ok(Found::Nothing);
    }
    if catalog.is_ours().await? {
        return Ok(Found::BesideOurs(rows.tables));
    }
    let (decided, undecided) = ("xid IS NULL", "xid IS NOT NULL");
    for Table { quoted, has_xid, .. } in messages.iter().filter(|table| table.is_readable) {
        let decided = if *has_xid { format!("WHERE {decided}") } else { String::new() };
        let sql = format!(
            "SELECT container, COUNT(*) FROM {quoted} {decided} GROUP BY container
             ORDER BY COUNT(*) DESC, container LIMIT {DESTINATIONS_MAX}"
        );
        let found = catalog.named(&sql).await?;
        if found.len() == DESTINATIONS_MAX {
            rows.unknown = Some(format!("there are more than {DESTINATIONS_MAX} destinations"));
        }
        rows.destinations.extend(found);
        if *has_xid {
            let of = format!("FROM {quoted} WHERE {undecided}");
            rows.prepared += catalog.number(&format!("SELECT COUNT(DISTINCT xid) {of}")).await?;
            rows.prepared_messages += catalog.number(&format!("SELECT COUNT(*) {of}")).await?;
        }
    }
    for Table { quoted, .. } in subscriptions.iter().filter(|table| table.is_readable) {
        // One row for each priority that a subscription has acknowledged something of.
        let sql =
            format!("SELECT COUNT(*) FROM (SELECT DISTINCT container, client_id, sub_name FROM {quoted}) t");
        rows.subscriptions += catalog.number(&sql).await?;
    }
    Ok(Found::Alone(rows))
}
