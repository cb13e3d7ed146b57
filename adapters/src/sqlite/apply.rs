//! Each operation as SQL, inside the writer's transaction.

use bytes::Bytes;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec::{decode_batch_whole, encode_batch};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::error::{Error, Result};
use super::value::{bytes, encode, signed, unsigned};
use crate::copies::kept_name;
use crate::known::Known;

/// Applies operations that the catalogue has admitted.
pub(super) struct Apply<'a> {
    pub(super) connection: &'a Connection,
    pub(super) known: &'a mut Known,
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
            Operation::Acknowledge { destination, id, cursor, subscription } => {
                self.acknowledge(destination, id, cursor, subscription)
            }
            Operation::Move { id, from, cursor, to, rank } => self.move_message(id, from, cursor, to, rank),
            Operation::Prepare { xid, operations } => self.prepare(&xid, operations),
            Operation::Decide { xid, outcome } => self.decide(&xid, outcome),
            Operation::Put { table, key, value: Some(value) } => {
                let sql = "INSERT OR REPLACE INTO entries (name, key, value) VALUES (?1, ?2, ?3)";
                self.execute(sql, params![&*kept_name(table), &key[..], &value[..]]).map(drop)
            }
            Operation::Put { table, key, value: None } => {
                let sql = "DELETE FROM entries WHERE name = ?1 AND key = ?2";
                self.execute(sql, params![&*kept_name(table), &key[..]]).map(drop)
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
        let sql = "INSERT INTO messages (destination, rank, arrival, id, size, waiting)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (size, waiting) = (message.size() as i64, signed(waiting));
        let values = params![signed(destination.0), rank, signed(arrival), signed(id.0), size, waiting];
        self.execute(sql, values)?;
        self.known.count(destination, 1);
        Ok(())
    }

    fn acknowledge(
        &mut self,
        destination: DestinationId,
        id: MessageId,
        cursor: Cursor,
        subscription: Option<SubscriptionId>,
    ) -> Result<()> {
        let Some(kind) = self.known.destinations.get(&destination).map(|holds| holds.kind) else {
            return Ok(());
        };
        match (kind, subscription) {
            (DestinationKind::Queue, None) => self.delete(id, destination, cursor),
            (DestinationKind::Topic, Some(subscription)) => {
                let Some(waiting) = self.waiting(id, destination, cursor)? else { return Ok(()) };
                self.acknowledge_for(subscription, id, destination, cursor, waiting)
            }
            _ => Ok(()),
        }
    }

    /// Acknowledges a message that stands there, for which so many subscriptions wait.
    fn acknowledge_for(
        &mut self,
        subscription: SubscriptionId,
        id: MessageId,
        topic: DestinationId,
        cursor: Cursor,
        waiting: u64,
    ) -> Result<()> {
        let Some(progress) = self.known.subscriptions.get(&subscription).copied() else { return Ok(()) };
        if progress.topic != topic || cursor.arrival < progress.position {
            return Ok(());
        }
        let sql = "INSERT OR IGNORE INTO acknowledged (subscription, arrival) VALUES (?1, ?2)";
        if self.execute(sql, params![signed(subscription.0), signed(cursor.arrival)])? == 0 {
            return Ok(());
        }
        self.known.count_for(subscription, -1);
        if waiting <= 1 {
            return self.delete(id, topic, cursor);
        }
        let sql = "UPDATE messages SET waiting = waiting - 1
            WHERE destination = ?1 AND rank = ?2 AND arrival = ?3";
        self.execute(sql, params![signed(topic.0), cursor.rank, signed(cursor.arrival)]).map(drop)
    }

    fn move_message(
        &mut self,
        id: MessageId,
        from: DestinationId,
        cursor: Cursor,
        to: DestinationId,
        rank: u8,
    ) -> Result<()> {
        let arrival = self.known.take_arrival();
        let sql = "UPDATE messages SET destination = ?5, rank = ?6, arrival = ?7
            WHERE destination = ?1 AND rank = ?2 AND arrival = ?3 AND id = ?4";
        let (stood, goes) = (signed(cursor.arrival), signed(arrival));
        let values = params![signed(from.0), cursor.rank, stood, signed(id.0), signed(to.0), rank, goes];
        if self.execute(sql, values)? > 0 {
            self.known.count(from, -1);
            self.known.count(to, 1);
        }
        Ok(())
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

    /// How many subscriptions wait for a message, if it stands there.
    fn waiting(&self, id: MessageId, destination: DestinationId, cursor: Cursor) -> Result<Option<u64>> {
        let sql = "SELECT waiting FROM messages
            WHERE destination = ?1 AND rank = ?2 AND arrival = ?3 AND id = ?4";
        let values = params![signed(destination.0), cursor.rank, signed(cursor.arrival), signed(id.0)];
        Ok(self.connection.prepare_cached(sql)?.query_row(values, |row| unsigned(row, 0)).optional()?)
    }

    /// Deletes a message if it stands there.
    fn delete(&mut self, id: MessageId, destination: DestinationId, cursor: Cursor) -> Result<()> {
        let sql = "DELETE FROM messages WHERE destination = ?1 AND rank = ?2 AND arrival = ?3 AND id = ?4";
        let values = params![signed(destination.0), cursor.rank, signed(cursor.arrival), signed(id.0)];
        if self.execute(sql, values)? > 0 {
            self.execute("DELETE FROM bodies WHERE id = ?1", params![signed(id.0)])?;
            self.known.count(destination, -1);
        }
        Ok(())
    }
}
