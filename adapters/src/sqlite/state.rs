//! What the writer knows, read from and written to the tables.

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::codec::{decode_batch, decode_batch_whole};
use kahawai_store::names::{DestinationId, Epoch, SubscriptionId, Xid};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{Error, Result};
use super::value::{bytes, signed, text, unsigned};
use crate::copies;
use crate::known::{Known, Next, Progress, Tables, named};

/// Reads everything from the database.
pub(super) fn load(connection: &Connection) -> Result<Known> {
    let mut prepared = Vec::new();
    each_prepared(connection, |xid, chunk| {
        prepared.push((xid, named(&chunk)));
        Ok(())
    })?;
    let tables = Tables {
        next: next(connection)?,
        destinations: destinations(connection)?,
        subscriptions: subscriptions(connection)?,
        prepared,
    };
    Known::of(tables)
        .map_err(|rejection| Error::failed(format!("the tables contradict each other: {rejection}")))
}

/// Writes what has changed, but for the messages, which were written at once; proves that the epoch is ours.
pub(super) fn save(known: &mut Known, connection: &Connection, epoch: Epoch) -> Result<()> {
    for id in std::mem::take(&mut known.destinations_changed) {
        if let Some(holds) = known.destinations.get(&id) {
            let sql = "UPDATE destinations SET messages = ?2 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![signed(id.0), signed(holds.messages)])?;
        }
    }
    for id in std::mem::take(&mut known.subscriptions_changed) {
        if let Some(progress) = known.subscriptions.get_mut(&id) {
            progress.position = first_waiting(connection, id, progress)?.unwrap_or(known.next.arrival);
            let sql = "UPDATE subscriptions SET position = ?2, messages = ?3 WHERE id = ?1";
            let values = params![signed(id.0), signed(progress.position), signed(progress.messages)];
            connection.prepare_cached(sql)?.execute(values)?;
            let sql = "DELETE FROM acknowledged WHERE subscription = ?1 AND arrival < ?2";
            let values = params![signed(id.0), signed(progress.position)];
            connection.prepare_cached(sql)?.execute(values)?;
        }
    }
    let Next { arrival, message_id, destination_id, subscription_id, batch_last: _ } = known.next;
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
    let mut next = connection.query_row(sql, [], |row| {
        Ok(Next {
            arrival: unsigned(row, 0)?,
            message_id: unsigned(row, 1)?,
            destination_id: unsigned(row, 2)?,
            subscription_id: unsigned(row, 3)?,
            ..Next::default()
        })
    })?;
    let sql = "SELECT value FROM entries WHERE name = ?1 AND key = ?2";
    let values = params![copies::TABLE, copies::KEY];
    let kept = connection.prepare_cached(sql)?.query_row(values, |row| bytes(row, 0)).optional()?;
    next.batch_last = copies::decode(kept.as_deref()).map_err(|damaged| Error::failed(damaged.to_owned()))?;
    Ok(next)
}

/// Keeps the name of the last batch.
pub(super) fn save_name(known: &Known, connection: &Connection) -> Result<()> {
    let name = copies::encode(known.next.batch_last);
    let sql = "INSERT OR REPLACE INTO entries (name, key, value) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![copies::TABLE, copies::KEY, name])?;
    Ok(())
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

/// The chunks of a prepared transaction in their order, with the messages; none where it is not prepared.
pub(super) fn prepared(connection: &Connection, xid: &Xid) -> Result<Vec<Vec<Operation>>> {
    let sql = "SELECT operations FROM prepared WHERE format = ?1 AND global = ?2 AND branch = ?3
        ORDER BY chunk";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![xid.format, &xid.global[..], &xid.branch[..]])?;
    let mut chunks = Vec::new();
    while let Some(row) = rows.next()? {
        let batch = decode_batch_whole(&bytes(row, 0)?);
        let batch = batch.map_err(|error| Error::failed(format!("prepared transaction {xid}: {error}")))?;
        chunks.push(batch.operations);
    }
    Ok(chunks)
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
