//! The one thread that reads: pages and recovery, each from one snapshot, beside the writer.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

use kahawai_store::batch::{DestinationKind, Operation};
use kahawai_store::catalog::Rejection;
use kahawai_store::contract::{
    Completion, DestinationState, Page, Prepared, ReadRequest, Recovered, StoreError, StoredMessage,
    SubscriptionState, TableEntry,
};
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Result;
use super::state::{self, destinations, each_prepared, lost, next, subscriptions};
use super::value::{bytes, decode, signed, text, unsigned};
use crate::copies::of_callers;

/// What to look for, and whom to answer.
#[derive(Debug)]
pub(super) enum Call {
    Read(ReadRequest, Completion<Page>),
    Recover(Completion<Recovered>),
    Prepared(Xid, Completion<Vec<Vec<Operation>>>),
}

pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) epoch: Epoch,
    /// The error that stopped the store.
    pub(super) stopped: Arc<OnceLock<StoreError>>,
}

impl Reader {
    /// Works until the last call has come.
    pub(super) fn run(self, calls: &Receiver<Call>) {
        for call in calls {
            match call {
                Call::Read(request, done) => done.complete(self.look(|| self.read(&request))),
                Call::Recover(done) => done.complete(self.look(|| self.recover())),
                Call::Prepared(xid, done) => done.complete(self.look(|| self.prepared_of(&xid))),
            }
        }
    }

    /// Looks at one snapshot, if the epoch is still ours there.
    fn look<T>(&self, look: impl FnOnce() -> Result<T>) -> std::result::Result<T, StoreError> {
        if let Some(error) = self.stopped.get() {
            return Err(error.clone());
        }
        let looked = self.in_transaction(look);
        if !self.connection.is_autocommit() {
            // Only what was read is given up.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        looked.map_err(|error| {
            let error = error.told();
            if error.outcome_unknown() { self.stopped.get_or_init(|| error).clone() } else { error }
        })
    }

    fn in_transaction<T>(&self, look: impl FnOnce() -> Result<T>) -> Result<T> {
        self.connection.execute_batch("BEGIN")?;
        let epoch = self.connection.query_row("SELECT epoch FROM store", [], |row| unsigned(row, 0))?;
        if epoch != self.epoch.0 {
            return Err(lost(self.epoch, epoch));
        }
        look()
    }

    fn read(&self, request: &ReadRequest) -> Result<Page> {
        let position = self.check(request.destination, request.subscription)?;
        let mut rank = request.after.map_or(0, |after| after.rank);
        let mut after = request.after.map_or(-1, |after| i64::try_from(after.arrival).unwrap_or(i64::MAX));
        let mut filling = Filling { request, page: Page::default(), bytes: 0 };
        // Rank by rank: within each the messages stand in the order of arrivals, so that a subscription's position
        // is a place to start from and not a condition on every row.
        loop {
            if !self.fill(&mut filling, rank, after.max(position - 1))? {
                return Ok(filling.page);
            }
            let sql = "SELECT min(rank) FROM messages WHERE destination = ?1 AND rank > ?2";
            let values = params![signed(request.destination.0), rank];
            let found = self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
            let Some(found) = found else { break };
            (rank, after) = (found, -1);
        }
        filling.page.end = true;
        Ok(filling.page)
    }

    /// Adds the messages of one rank to a page; `false` where the page is full and more stands behind it.
    fn fill(&self, filling: &mut Filling<'_>, rank: u8, after: i64) -> Result<bool> {
        const SELECT: &str = "SELECT arrival, messages.id, size, crc, bytes
            FROM messages LEFT JOIN bodies ON bodies.id = messages.id
            WHERE destination = ?1 AND rank = ?2 AND arrival > ?3";
        let request = filling.request;
        let destination = signed(request.destination.0);
        let mut statement;
        let mut rows = match request.subscription {
            None => {
                statement = self.connection.prepare_cached(&format!("{SELECT} ORDER BY arrival"))?;
                statement.query(params![destination, rank, after])?
            }
            Some(subscription) => {
                let sql = format!(
                    "{SELECT} AND NOT EXISTS (SELECT 1 FROM acknowledged
                        WHERE subscription = ?4 AND acknowledged.arrival = messages.arrival)
                    ORDER BY arrival"
                );
                statement = self.connection.prepare_cached(&sql)?;
                statement.query(params![destination, rank, after, signed(subscription.0)])?
            }
        };
        while let Some(row) = rows.next()? {
            let size = unsigned(row, 2)? as usize;
            if !filling.has_room_for(size) {
                return Ok(false);
            }
            let id = MessageId(unsigned(row, 1)?);
            let cursor = Cursor { rank, arrival: unsigned(row, 0)? };
            match decode(row, 3)? {
                Some(message) => {
                    filling.bytes = filling.bytes.saturating_add(size);
                    filling.page.messages.push(StoredMessage { id, cursor, message });
                }
                None => filling.page.damaged.push((id, cursor)),
            }
        }
        Ok(true)
    }

    /// Checks what a request names, as `Catalog::check_read` does, in the snapshot. Gives the arrival from which on
    /// messages are to be looked at.
    fn check(&self, destination: DestinationId, subscription: Option<SubscriptionId>) -> Result<i64> {
        let reject = |rejection: Rejection| Err(StoreError::from(rejection).into());
        let sql = "SELECT kind FROM destinations WHERE id = ?1";
        let kind = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![signed(destination.0)], |row| row.get::<_, i64>(0));
        let is_topic = match kind.optional()? {
            None => return reject(Rejection::NoDestination(destination)),
            Some(kind) => kind == DestinationKind::Topic as i64,
        };
        let needed = if is_topic { DestinationKind::Queue } else { DestinationKind::Topic };
        let Some(subscription) = subscription else {
            return if is_topic { reject(Rejection::WrongKind { destination, needed }) } else { Ok(0) };
        };
        if !is_topic {
            return reject(Rejection::WrongKind { destination, needed });
        }
        let sql = "SELECT position FROM subscriptions WHERE id = ?1 AND destination = ?2";
        let values = params![signed(subscription.0), signed(destination.0)];
        let position = self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
        position.map_or_else(|| reject(Rejection::NoSubscription(subscription)), Ok)
    }

    fn recover(&self) -> Result<Recovered> {
        let connection = &self.connection;
        let destinations = destinations(connection)?.into_iter();
        let subscriptions = subscriptions(connection)?.into_iter();
        let next = next(connection)?;
        Ok(Recovered {
            epoch: self.epoch,
            destinations: destinations
                .map(|(destination, messages)| DestinationState { destination, messages })
                .collect(),
            subscriptions: subscriptions
                .map(|(subscription, _, messages)| SubscriptionState { subscription, messages })
                .collect(),
            prepared: self.prepared()?,
            tables: self.tables()?,
            message_id_next: MessageId(next.message_id),
            destination_id_next: DestinationId(next.destination_id),
            subscription_id_next: SubscriptionId(next.subscription_id),
            batch_last: next.batch_last,
            arrival_next: next.arrival,
            damage: Vec::new(),
        })
    }

    fn prepared(&self) -> Result<Vec<Prepared>> {
        // Without the messages, which may be large; their spans mean nothing here.
        let mut operations = BTreeMap::<Xid, Vec<Operation<()>>>::new();
        each_prepared(&self.connection, |xid, chunk| {
            let chunk = chunk.into_iter().map(|operation| {
                let bare = operation.try_map_message(&mut |_, _| Ok::<_, std::convert::Infallible>(()));
                bare.unwrap_or_else(|never| match never {})
            });
            operations.entry(xid).or_default().extend(chunk);
            Ok(())
        })?;
        Ok(operations.iter().map(|(xid, operations)| Prepared::of(xid, operations)).collect())
    }

    fn prepared_of(&self, xid: &Xid) -> Result<Vec<Vec<Operation>>> {
        let chunks = state::prepared(&self.connection, xid)?;
        if chunks.is_empty() {
            return Err(StoreError::from(Rejection::NotPrepared(xid.clone())).into());
        }
        Ok(chunks)
    }

    fn tables(&self) -> Result<Vec<TableEntry>> {
        let sql = "SELECT name, key, value FROM entries";
        let mut statement = self.connection.prepare_cached(sql)?;
        let entries = statement.query_map([], |row| {
            Ok(TableEntry { table: text(row, 0)?, key: bytes(row, 1)?, value: bytes(row, 2)? })
        })?;
        let mut entries = of_callers(entries.collect::<rusqlite::Result<Vec<_>>>()?);
        entries.sort_unstable_by(|one, other| (&one.table, &one.key).cmp(&(&other.table, &other.key)));
        Ok(entries)
    }
}

/// A page being filled.
struct Filling<'a> {
    request: &'a ReadRequest,
    page: Page,
    bytes: usize,
}

impl Filling<'_> {
    /// Whether one more of this size goes in. What is damaged counts as a message, but takes no bytes.
    fn has_room_for(&self, size: usize) -> bool {
        let Page { messages, damaged, .. } = &self.page;
        let fits = self.bytes.saturating_add(size) <= self.request.bytes_max || messages.is_empty();
        fits && messages.len() + damaged.len() < self.request.messages_max
    }
}
