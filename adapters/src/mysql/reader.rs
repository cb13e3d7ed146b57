//! How MySQL and MariaDB read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::codec::{Span, decode_message};
use kahawai_store::contract::TableEntry;
use kahawai_store::message::Message;
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId, Xid};
use mysql_async::{Params, Value};

use super::connection::{Database, Session, column};
use super::error::Result;
use super::state::{self, bytes, one, text};
use crate::fault::Fault;
use crate::known::Next;
use crate::look::{PlacesWanted, Snapshot};

/// The session that reads.
pub(super) struct Reader {
    pub(super) database: Database,
    pub(super) lease: Duration,
    pub(super) session: Option<Session>,
}

impl Reader {
    fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Fault::Passing("not connected".to_owned()))
    }
}

impl Snapshot for Reader {
    fn description(&self) -> String {
        self.database.to_string()
    }

    async fn begin(&mut self) -> Result<u64> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let mut session = Session::connect(&self.database, self.lease / 2).await?;
                session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
                session
            }
        };
        let session = self.session.insert(session);
        session.execute("START TRANSACTION READ ONLY").await?;
        let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", Params::Empty).await?;
        column(one(&rows, "lock")?, 0)
    }

    async fn end(&mut self, good: bool) {
        let ended = match &mut self.session {
            Some(session) if good => session.execute("COMMIT").await.is_ok(),
            _ => false,
        };
        if !ended {
            self.session = None;
        }
    }

    async fn kind(&mut self, id: DestinationId) -> Result<Option<DestinationKind>> {
        let rows = self.session()?.rows("SELECT kind FROM {p}destinations WHERE id = ?", (id.0,)).await?;
        rows.first().map(|row| state::kind(column(row, 0)?)).transpose()
    }

    async fn position(&mut self, id: SubscriptionId, topic: DestinationId) -> Result<Option<u64>> {
        let sql = "SELECT place FROM {p}subscriptions WHERE id = ? AND destination = ?";
        let rows = self.session()?.rows(sql, (id.0, topic.0)).await?;
        rows.first().map(|row| column(row, 0)).transpose()
    }

    async fn places(&mut self, wanted: PlacesWanted) -> Result<Vec<(u64, MessageId, usize)>> {
        let PlacesWanted { destination, subscription, rank, after, limit } = wanted;
        let session = self.session()?;
        let rows = match subscription {
            None => {
                let sql = "SELECT arrival, id, size FROM {p}messages
                    WHERE destination = ? AND priority = ? AND arrival > ? ORDER BY arrival LIMIT ?";
                session.rows(sql, (destination.0, rank, after, limit)).await?
            }
            Some(subscription) => {
                let sql = "SELECT arrival, id, size FROM {p}messages m
                    WHERE destination = ? AND priority = ? AND arrival > ? AND NOT EXISTS
                        (SELECT 1 FROM {p}acknowledged a WHERE a.subscription = ? AND a.arrival = m.arrival)
                    ORDER BY arrival LIMIT ?";
                session.rows(sql, (destination.0, rank, after, subscription.0, limit)).await?
            }
        };
        let place = |row| Ok((column(row, 0)?, MessageId(column(row, 1)?), column(row, 2)?));
        rows.iter().map(place).collect()
    }

    async fn next_rank(&mut self, destination: DestinationId, rank: u8) -> Result<Option<u8>> {
        let sql = "SELECT MIN(priority) FROM {p}messages WHERE destination = ? AND priority > ?";
        let rows = self.session()?.rows(sql, (destination.0, rank)).await?;
        column(one(&rows, "messages")?, 0)
    }

    async fn bodies(&mut self, ids: &[MessageId]) -> Result<HashMap<MessageId, Option<Arc<Message>>>> {
        let ids = ids.iter().map(|id| vec![Value::UInt(id.0)]).collect();
        let sql = "SELECT id, crc, bytes FROM {p}bodies WHERE id IN ({rows})";
        let rows = self.session()?.rows_of(sql, "?", ids).await?;
        let body = |row| {
            let (expected, encoded) = (column::<u64>(row, 1)?, bytes(row, 2)?);
            let is_whole = u64::from(crc32fast::hash(&encoded)) == expected;
            let message = is_whole.then(|| decode_message(&encoded).ok().map(Arc::new)).flatten();
            Ok((MessageId(column(row, 0)?), message))
        };
        rows.iter().map(body).collect()
    }

    async fn next(&mut self) -> Result<Next> {
        state::next(self.session()?).await
    }

    async fn destinations(&mut self) -> Result<Vec<(Destination, u64)>> {
        state::destinations(self.session()?).await
    }

    async fn subscriptions(&mut self) -> Result<Vec<(Subscription, u64, u64)>> {
        state::subscriptions(self.session()?).await
    }

    async fn each_prepared(&mut self, show: &mut dyn FnMut(Xid, Vec<Operation<Span>>)) -> Result<()> {
        state::each_prepared(self.session()?, show).await
    }

    async fn prepared(&mut self, xid: &Xid) -> Result<Vec<Vec<Operation>>> {
        state::prepared(self.session()?, xid).await
    }

    async fn entries(&mut self) -> Result<Vec<TableEntry>> {
        let rows = self.session()?.rows("SELECT name, entry, content FROM {p}entries", Params::Empty).await?;
        let entry = |row| Ok(TableEntry { table: text(row, 0)?, key: bytes(row, 1)?, value: bytes(row, 2)? });
        rows.iter().map(entry).collect()
    }
}
