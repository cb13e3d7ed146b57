//! What the writer knows without asking: what exists, counters, positions.
//!
//! Always what the database would say, plus what the open transaction has done. After a transaction came to
//! nothing it is read anew.

use std::collections::{BTreeMap, BTreeSet};

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::catalog::Catalog;
use kahawai_store::codec::decode_batch;
use kahawai_store::names::{DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use rusqlite::{Connection, Row, params};

use super::error::{Error, Result};
use super::value::{bytes, signed, text, unsigned};

/// What the writer knows.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) catalog: Catalog,
    pub(super) next: Next,
    pub(super) destinations: BTreeMap<DestinationId, Holds>,
    pub(super) subscriptions: BTreeMap<SubscriptionId, Progress>,
    by_topic: BTreeSet<(DestinationId, SubscriptionId)>,
    /// What the open transaction must still write: whose counts or positions have changed.
    pub(super) destinations_changed: BTreeSet<DestinationId>,
    pub(super) subscriptions_changed: BTreeSet<SubscriptionId>,
}

/// The next numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Next {
    pub(super) arrival: u64,
    pub(super) message_id: u64,
    pub(super) destination_id: u64,
    pub(super) subscription_id: u64,
}

/// What a destination holds at this point of the transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds {
    pub(super) kind: DestinationKind,
    pub(super) messages: u64,
}

/// How far a subscription is at this point of the transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) topic: DestinationId,
    pub(super) position: u64,
    pub(super) messages: u64,
}

impl State {
    /// Reads everything from the database.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let mut state = Self { next: next(connection)?, ..Self::default() };
        let mut operations = Vec::<Operation>::new();
        for (destination, messages) in destinations(connection)? {
            let holds = Holds { kind: destination.kind, messages };
            state.destinations.insert(destination.id, holds);
            operations.push(Operation::CreateDestination(destination));
        }
        for (subscription, position, messages) in subscriptions(connection)? {
            let progress = Progress { topic: subscription.destination, position, messages };
            state.add_subscription(subscription.id, progress);
            operations.push(Operation::Subscribe(subscription));
        }
        each_prepared(connection, |xid, chunk| {
            operations.push(named_only(xid, chunk));
            Ok(())
        })?;
        let admitted = state.catalog.admit(&operations);
        admitted
            .map_err(|rejection| Error::failed(format!("the tables contradict each other: {rejection}")))?;
        Ok(state)
    }

    /// Writes what has changed, but for the messages, which were written at once; proves that the epoch is ours.
    pub(super) fn save(&mut self, connection: &Connection, epoch: Epoch) -> Result<()> {
        for id in std::mem::take(&mut self.destinations_changed) {
            if let Some(holds) = self.destinations.get(&id) {
                let sql = "UPDATE destinations SET messages = ?2 WHERE id = ?1";
                connection.prepare_cached(sql)?.execute(params![signed(id.0), signed(holds.messages)])?;
            }
        }
        for id in std::mem::take(&mut self.subscriptions_changed) {
            if let Some(progress) = self.subscriptions.get_mut(&id) {
                progress.position = first_waiting(connection, id, progress)?.unwrap_or(self.next.arrival);
                let sql = "UPDATE subscriptions SET position = ?2, messages = ?3 WHERE id = ?1";
                let values = params![signed(id.0), signed(progress.position), signed(progress.messages)];
                connection.prepare_cached(sql)?.execute(values)?;
                let sql = "DELETE FROM acknowledged WHERE subscription = ?1 AND arrival < ?2";
                let values = params![signed(id.0), signed(progress.position)];
                connection.prepare_cached(sql)?.execute(values)?;
            }
        }
        let Next { arrival, message_id, destination_id, subscription_id } = self.next;
        let sql = "UPDATE store SET arrival_next = ?2, message_id_next = ?3, destination_id_next = ?4,
            subscription_id_next = ?5 WHERE one = 1 AND epoch = ?1";
        let updated = connection.prepare_cached(sql)?.execute(params![
            signed(epoch.0),
            signed(arrival),
            signed(message_id),
            signed(destination_id),
            signed(subscription_id)
        ])?;
        expect_one(updated, connection, epoch)
    }

    pub(super) fn take_arrival(&mut self) -> u64 {
        self.next.arrival += 1;
        self.next.arrival - 1
    }

    pub(super) fn note_message_id(&mut self, id: MessageId) {
        self.next.message_id = self.next.message_id.max(id.0.saturating_add(1));
    }

    /// Changes how many messages a destination keeps.
    pub(super) fn count(&mut self, destination: DestinationId, change: i64) {
        if let Some(holds) = self.destinations.get_mut(&destination) {
            holds.messages = holds.messages.saturating_add_signed(change);
            self.destinations_changed.insert(destination);
        }
    }

    /// Changes how many messages wait for a subscription.
    pub(super) fn count_for(&mut self, subscription: SubscriptionId, change: i64) {
        if let Some(progress) = self.subscriptions.get_mut(&subscription) {
            progress.messages = progress.messages.saturating_add_signed(change);
            self.subscriptions_changed.insert(subscription);
        }
    }

    pub(super) fn add_subscription(&mut self, id: SubscriptionId, progress: Progress) {
        self.by_topic.insert((progress.topic, id));
        self.subscriptions.insert(id, progress);
    }

    pub(super) fn remove_subscription(&mut self, id: SubscriptionId) {
        if let Some(progress) = self.subscriptions.remove(&id) {
            self.by_topic.remove(&(progress.topic, id));
        }
    }

    /// The subscriptions of a topic at this point of the transaction.
    pub(super) fn subscriptions_of(&self, topic: DestinationId) -> Vec<SubscriptionId> {
        let of_topic = (topic, SubscriptionId(0))..=(topic, SubscriptionId(u64::MAX));
        self.by_topic.range(of_topic).map(|(_, id)| *id).collect()
    }
}

/// One row, or the epoch is no longer ours.
pub(super) fn expect_one(updated: usize, connection: &Connection, epoch: Epoch) -> Result<()> {
    if updated == 1 {
        return Ok(());
    }
    let found = connection.query_row("SELECT epoch FROM store", [], |row| unsigned(row, 0))?;
    Err(lost(epoch, found))
}

/// The epoch in the database is another's.
pub(super) fn lost(epoch: Epoch, found: u64) -> Error {
    let reason = format!("the database is held by epoch {found}").into();
    Error::Store(kahawai_store::contract::StoreError::Lost { epoch, reason })
}

pub(super) fn next(connection: &Connection) -> Result<Next> {
    let sql = "SELECT arrival_next, message_id_next, destination_id_next, subscription_id_next FROM store";
    Ok(connection.query_row(sql, [], |row| {
        Ok(Next {
            arrival: unsigned(row, 0)?,
            message_id: unsigned(row, 1)?,
            destination_id: unsigned(row, 2)?,
            subscription_id: unsigned(row, 3)?,
        })
    })?)
}

/// The destinations with their counts, in the order of their ids.
pub(super) fn destinations(connection: &Connection) -> Result<Vec<(Destination, u64)>> {
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached("SELECT id, kind, name, messages FROM destinations")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = DestinationId(unsigned(row, 0)?);
        let kind = match row.get::<_, u8>(1)? {
            0 => DestinationKind::Queue,
            1 => DestinationKind::Topic,
            other => return Err(Error::failed(format!("destination {id} has unknown kind {other}"))),
        };
        found.push((Destination { id, kind, name: text(row, 2)? }, unsigned(row, 3)?));
    }
    found.sort_unstable_by_key(|(destination, _)| destination.id);
    Ok(found)
}

/// The subscriptions with their positions and counts, in the order of their ids.
pub(super) fn subscriptions(connection: &Connection) -> Result<Vec<(Subscription, u64, u64)>> {
    let sql = "SELECT id, destination, client_id, name, selector, no_local, position, messages
        FROM subscriptions";
    let mut statement = connection.prepare_cached(sql)?;
    let found =
        statement.query_map([], |row| Ok((subscription(row)?, unsigned(row, 6)?, unsigned(row, 7)?)))?;
    let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    found.sort_unstable_by_key(|(subscription, _, _)| subscription.id);
    Ok(found)
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    Ok(Subscription {
        id: SubscriptionId(unsigned(row, 0)?),
        destination: DestinationId(unsigned(row, 1)?),
        client_id: text(row, 2)?,
        name: text(row, 3)?,
        selector: row.get::<_, Option<String>>(4)?.map(Into::into),
        no_local: row.get(5)?,
    })
}

/// Shows every chunk of every prepared transaction, in their order.
pub(super) fn each_prepared(
    connection: &Connection,
    mut show: impl FnMut(Xid, Vec<Operation<kahawai_store::codec::Span>>) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT format, global, branch, operations, chunk FROM prepared ORDER BY chunk";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let xid = Xid { format: row.get(0)?, global: bytes(row, 1)?, branch: bytes(row, 2)? };
        let chunk = decode_batch(&bytes(row, 3)?);
        let chunk = chunk.map_err(|error| Error::failed(format!("prepared transaction {xid}: {error}")))?;
        show(xid, chunk)?;
    }
    Ok(())
}

/// A preparation that names the same destinations and passes the catalogue's rules whatever was created since.
fn named_only<M>(xid: Xid, chunk: Vec<Operation<M>>) -> Operation {
    let acknowledge =
        |destination| Operation::Acknowledge { destination, id: MessageId(0), subscription: None };
    let operations = chunk.into_iter().flat_map(|operation| match operation {
        Operation::Enqueue { destination, .. } | Operation::Acknowledge { destination, .. } => {
            vec![acknowledge(destination)]
        }
        Operation::Move { from, to, .. } => vec![acknowledge(from), acknowledge(to)],
        _ => vec![],
    });
    Operation::Prepare { xid, operations: operations.collect() }
}

/// The arrival of the first message that a subscription has not acknowledged.
fn first_waiting(connection: &Connection, id: SubscriptionId, progress: &Progress) -> Result<Option<u64>> {
    let sql = "SELECT min(arrival) FROM messages
        WHERE destination = ?1 AND waiting > 0 AND arrival >= ?2 AND NOT EXISTS
            (SELECT 1 FROM acknowledged WHERE subscription = ?3 AND acknowledged.arrival = messages.arrival)";
    let values = params![signed(progress.topic.0), signed(progress.position), signed(id.0)];
    let first = connection.prepare_cached(sql)?.query_row(values, |row| row.get::<_, Option<i64>>(0))?;
    Ok(first.map(i64::cast_unsigned))
}
