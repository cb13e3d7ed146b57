//! Each operation as SQL, inside the writer's transaction.

use bytes::Bytes;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec::{decode_batch_whole, encode_batch};
use kahawai_store::message::Message;
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId, Xid};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::error::{Error, Result};
use super::value::{bytes, encode, signed, unsigned};
use crate::known::Known;

/// Applies operations that the catalogue has admitted.
pub(super) struct Apply<'a> {
    pub(super) connection: &'a Connection,
    pub(super) known: &'a mut Known,
}

/// Where a message stands.
struct Place {
    destination: DestinationId,
    rank: u8,
    arrival: u64,
    size: i64,
    /// How many subscriptions wait for it; 0 on a queue.
    waiting: u64,
}

impl Apply<'_> {
    pub(super) fn apply(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::CreateDestination(destination) => self.create(&destination),
            Operation::RemoveDestination(id) => self.remove(id),
            Operation::Subscribe(subscription) => self.subscribe(&subscription),
            Operation::Unsubscribe(id) => self.unsubscribe(id),
            Operation::Enqueue { id, destination, rank, message } => {
                self.enqueue(id, destination, rank, &message)
            }
            Operation::Acknowledge { destination, id, subscription } => {
                self.acknowledge(destination, id, subscription)
            }
            Operation::Move { id, from, to, rank } => self.move_message(id, from, to, rank),
            Operation::Prepare { xid, operations } => self.prepare(&xid, operations),
            Operation::Decide { xid, outcome } => self.decide(&xid, outcome),
            Operation::Put { table, key, value: Some(value) } => {
                let sql = "INSERT OR REPLACE INTO entries (name, key, value) VALUES (?1, ?2, ?3)";
                self.execute(sql, params![&*table, &key[..], &value[..]]).map(drop)
            }
            Operation::Put { table, key, value: None } => {
                let sql = "DELETE FROM entries WHERE name = ?1 AND key = ?2";
                self.execute(sql, params![&*table, &key[..]]).map(drop)
            }
        }
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }

    fn create(&mut self, destination: &Destination) -> Result<()> {
        let Destination { id, kind, name } = destination;
        let sql = "INSERT INTO destinations (id, kind, name, messages) VALUES (?1, ?2, ?3, 0)";
        self.execute(sql, params![signed(id.0), *kind as u8, &**name])?;
        self.known.add_destination(*id, *kind);
        Ok(())
    }

    fn remove(&mut self, id: DestinationId) -> Result<()> {
        for subscription in self.known.subscriptions_of(id) {
            self.forget_subscription(subscription)?;
        }
        let values = params![signed(id.0)];
        self.execute(
            "DELETE FROM bodies WHERE id IN (SELECT id FROM messages WHERE destination = ?1)",
            values,
        )?;
        self.execute("DELETE FROM messages WHERE destination = ?1", values)?;
        self.execute("DELETE FROM destinations WHERE id = ?1", values)?;
        self.known.destinations.remove(&id);
        Ok(())
    }

    fn subscribe(&mut self, subscription: &Subscription) -> Result<()> {
        let position = self.known.begin_subscription(subscription);
        let sql = "INSERT INTO subscriptions
            (id, destination, client_id, name, selector, no_local, position, messages)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)";
        let values = params![
            signed(subscription.id.0),
            signed(subscription.destination.0),
            &*subscription.client_id,
            &*subscription.name,
            subscription.selector.as_deref(),
            subscription.no_local,
            signed(position)
        ];
        self.execute(sql, values).map(drop)
    }

    fn unsubscribe(&mut self, id: SubscriptionId) -> Result<()> {
        let Some(progress) = self.known.subscriptions.get(&id).copied() else { return Ok(()) };
        let topic = signed(progress.topic.0);
        let sql = "UPDATE messages SET waiting = waiting - 1
            WHERE destination = ?1 AND waiting > 0 AND arrival >= ?2 AND NOT EXISTS
                (SELECT 1 FROM acknowledged WHERE subscription = ?3 AND acknowledged.arrival = messages.arrival)";
        self.execute(sql, params![topic, signed(progress.position), signed(id.0)])?;
        let sql = "DELETE FROM bodies
            WHERE id IN (SELECT id FROM messages WHERE destination = ?1 AND waiting = 0)";
        self.execute(sql, params![topic])?;
        let gone =
            self.execute("DELETE FROM messages WHERE destination = ?1 AND waiting = 0", params![topic])?;
        self.known.count(progress.topic, -(gone as i64));
        self.forget_subscription(id)
    }

    fn forget_subscription(&mut self, id: SubscriptionId) -> Result<()> {
        self.execute("DELETE FROM acknowledged WHERE subscription = ?1", params![signed(id.0)])?;
        self.execute("DELETE FROM subscriptions WHERE id = ?1", params![signed(id.0)])?;
        self.known.remove_subscription(id);
        Ok(())
    }

    fn enqueue(
        &mut self,
        id: MessageId,
        destination: DestinationId,
        rank: u8,
        message: &Message,
    ) -> Result<()> {
        self.known.note_message_id(id);
        let arrival = self.known.take_arrival();
        let Some(waiting) = self.known.welcome(destination) else { return Ok(()) };
        let (crc, encoded) = encode(message);
        let sql = "INSERT INTO bodies (id, crc, bytes) VALUES (?1, ?2, ?3)";
        self.execute(sql, params![signed(id.0), crc, encoded])?;
        self.place(id, &Place { destination, rank, arrival, size: message.size() as i64, waiting })
    }

    fn acknowledge(
        &mut self,
        destination: DestinationId,
        id: MessageId,
        subscription: Option<SubscriptionId>,
    ) -> Result<()> {
        let Some(kind) = self.known.destinations.get(&destination).map(|holds| holds.kind) else {
            return Ok(());
        };
        let Some(place) = self.find(id, destination)? else { return Ok(()) };
        match (kind, subscription) {
            (DestinationKind::Queue, None) => self.delete(id, &place),
            (DestinationKind::Topic, Some(subscription)) => self.acknowledge_for(subscription, id, &place),
            _ => Ok(()),
        }
    }

    fn acknowledge_for(&mut self, subscription: SubscriptionId, id: MessageId, place: &Place) -> Result<()> {
        let Some(progress) = self.known.subscriptions.get(&subscription).copied() else { return Ok(()) };
        if progress.topic != place.destination || place.arrival < progress.position {
            return Ok(());
        }
        let sql = "INSERT OR IGNORE INTO acknowledged (subscription, arrival) VALUES (?1, ?2)";
        if self.execute(sql, params![signed(subscription.0), signed(place.arrival)])? == 0 {
            return Ok(());
        }
        self.known.count_for(subscription, -1);
        if place.waiting <= 1 {
            return self.delete(id, place);
        }
        let sql = "UPDATE messages SET waiting = waiting - 1
            WHERE destination = ?1 AND rank = ?2 AND arrival = ?3";
        let values = params![signed(place.destination.0), place.rank, signed(place.arrival)];
        self.execute(sql, values).map(drop)
    }

    fn move_message(
        &mut self,
        id: MessageId,
        from: DestinationId,
        to: DestinationId,
        rank: u8,
    ) -> Result<()> {
        let arrival = self.known.take_arrival();
        let Some(place) = self.find(id, from)? else { return Ok(()) };
        self.take(&place)?;
        self.place(id, &Place { destination: to, rank, arrival, ..place })
    }

    fn prepare(&mut self, xid: &Xid, operations: Vec<Operation>) -> Result<()> {
        for operation in &operations {
            if let Operation::Enqueue { id, .. } = operation {
                self.known.note_message_id(*id);
            }
        }
        let mut encoded = Vec::new();
        encode_batch(Batch::new(operations), &mut encoded);
        // The chunk's number is the highest so far and one.
        let sql = "INSERT INTO prepared (format, global, branch, operations) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![xid.format, &xid.global[..], &xid.branch[..], encoded]).map(drop)
    }

    fn decide(&mut self, xid: &Xid, outcome: Outcome) -> Result<()> {
        let named = params![xid.format, &xid.global[..], &xid.branch[..]];
        if outcome == Outcome::Commit {
            let sql = "SELECT chunk FROM prepared WHERE format = ?1 AND global = ?2 AND branch = ?3
                ORDER BY chunk";
            let chunks = self
                .connection
                .prepare_cached(sql)?
                .query_map(named, |row| row.get::<_, i64>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            // One after the other: together they may be larger than memory.
            for chunk in chunks {
                let sql = "SELECT operations FROM prepared WHERE chunk = ?1";
                let encoded: Bytes =
                    self.connection.prepare_cached(sql)?.query_row(params![chunk], |row| bytes(row, 0))?;
                let batch = decode_batch_whole(&encoded);
                let batch =
                    batch.map_err(|error| Error::failed(format!("prepared transaction {xid}: {error}")))?;
                for operation in batch.operations {
                    self.apply(operation)?;
                }
            }
        }
        let sql = "DELETE FROM prepared WHERE format = ?1 AND global = ?2 AND branch = ?3";
        self.execute(sql, named).map(drop)
    }

    fn find(&self, id: MessageId, destination: DestinationId) -> Result<Option<Place>> {
        let sql = "SELECT rank, arrival, size, waiting FROM messages WHERE id = ?1 AND destination = ?2";
        let place = self.connection.prepare_cached(sql)?.query_row(
            params![signed(id.0), signed(destination.0)],
            |row| {
                Ok(Place {
                    destination,
                    rank: row.get(0)?,
                    arrival: unsigned(row, 1)?,
                    size: row.get(2)?,
                    waiting: unsigned(row, 3)?,
                })
            },
        );
        Ok(place.optional()?)
    }

    fn place(&mut self, id: MessageId, place: &Place) -> Result<()> {
        let sql = "INSERT INTO messages (destination, rank, arrival, id, size, waiting)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let Place { destination, rank, arrival, size, waiting } = place;
        let values =
            params![signed(destination.0), rank, signed(*arrival), signed(id.0), size, signed(*waiting)];
        self.execute(sql, values)?;
        self.known.count(*destination, 1);
        Ok(())
    }

    /// Takes a message from its place; its body stays.
    fn take(&mut self, place: &Place) -> Result<()> {
        let sql = "DELETE FROM messages WHERE destination = ?1 AND rank = ?2 AND arrival = ?3";
        self.execute(sql, params![signed(place.destination.0), place.rank, signed(place.arrival)])?;
        self.known.count(place.destination, -1);
        Ok(())
    }

    fn delete(&mut self, id: MessageId, place: &Place) -> Result<()> {
        self.take(place)?;
        self.execute("DELETE FROM bodies WHERE id = ?1", params![signed(id.0)]).map(drop)
    }
}
