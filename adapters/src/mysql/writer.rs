//! How MySQL and MariaDB commit: statements for many rows at once, one after the other, as their protocol knows no pipelining.

use std::collections::BTreeSet;
use std::time::Duration;

use kahawai_store::batch::Operation;
use kahawai_store::codec::{decode_batch_whole, encode_message};
use kahawai_store::names::{DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use mysql_async::{Params, Value};

use super::connection::{Database, Session, column};
use super::error::Result;
use super::state::{self, bytes, one};
use crate::commit::Backend;
use crate::fault::Fault;
use crate::known::Known;
use crate::plan::{Changes, Found, Needs, Place};

/// The session that writes.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) lease: Duration,
    pub(super) epoch: Epoch,
    pub(super) session: Option<Session>,
}

impl Writer {
    fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Fault::Passing("not connected".to_owned()))
    }
}

fn number(number: u64) -> Value {
    Value::UInt(number)
}

fn binary(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

impl Backend for Writer {
    fn description(&self) -> String {
        self.database.to_string()
    }

    async fn restore(&mut self) -> Result<(Known, u64)> {
        if let Some(mut session) = self.session.take()
            && session.execute("ROLLBACK").await.is_ok()
        {
            self.session = Some(session);
        }
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::connect(&self.database, self.lease / 2).await?,
        };
        state::load(self.session.insert(session), self.epoch).await
    }

    fn disconnect(&mut self) {
        self.session = None;
    }

    async fn begin(&mut self, needs: &Needs) -> Result<Found> {
        let epoch = self.epoch;
        let session = self.session()?;
        session.execute("START TRANSACTION").await?;
        let sql = "UPDATE {p}lock SET beats = beats + 1, renewed = SYSDATE(6) WHERE one = 1 AND epoch = ?";
        if session.change(sql, (epoch.0,)).await? != 1 {
            let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", Params::Empty).await?;
            return Err(Fault::lost(epoch, column(one(&rows, "lock")?, 0)?));
        }
        self.look_up(needs).await
    }

    async fn look_up(&mut self, needs: &Needs) -> Result<Found> {
        let session = self.session()?;
        let mut found = Found::default();
        let ids = needs.places.iter().map(|id| vec![number(id.0)]).collect();
        let sql =
            "SELECT id, destination, priority, arrival, size, waiting FROM {p}messages WHERE id IN ({rows})";
        for row in session.rows_of(sql, "?", ids).await? {
            let place = Place {
                destination: DestinationId(column(&row, 1)?),
                rank: column(&row, 2)?,
                arrival: column(&row, 3)?,
                size: column(&row, 4)?,
                waiting: column(&row, 5)?,
            };
            found.places.insert(MessageId(column(&row, 0)?), place);
        }
        // By what the places have told.
        let pairs = needs.acknowledged.iter().filter_map(|(subscription, id)| {
            let place = found.places.get(id)?;
            Some(vec![number(subscription.0), number(place.arrival)])
        });
        let pairs = pairs.collect();
        let sql =
            "SELECT subscription, arrival FROM {p}acknowledged WHERE (subscription, arrival) IN ({rows})";
        for row in session.rows_of(sql, "(?,?)", pairs).await? {
            found.acknowledged.insert((SubscriptionId(column(&row, 0)?), column(&row, 1)?));
        }
        Ok(found)
    }

    async fn write(&mut self, known: &Known, changes: Changes) -> Result<()> {
        let session = self.session()?;
        let rows = changes
            .destinations
            .iter()
            .map(|it| vec![number(it.id.0), number(it.kind as u64), binary(it.name.as_bytes())]);
        let sql = "INSERT INTO {p}destinations (id, kind, name, messages) VALUES {rows}";
        session.change_many(sql, "(?,?,?,0)", rows.collect()).await?;
        let rows = changes.subscriptions.iter().map(|(it, position)| {
            let selector = it.selector.as_ref().map_or(Value::NULL, |text| binary(text.as_bytes()));
            let (client, name) = (binary(it.client_id.as_bytes()), binary(it.name.as_bytes()));
            let (id, topic) = (number(it.id.0), number(it.destination.0));
            vec![id, topic, client, name, selector, number(it.no_local.into()), number(*position)]
        });
        let sql = "INSERT INTO {p}subscriptions
            (id, destination, client_id, name, selector, no_local, place, messages) VALUES {rows}";
        session.change_many(sql, "(?,?,?,?,?,?,?,0)", rows.collect()).await?;
        let rows = changes.inserted.iter().map(|(id, (_, message))| {
            let mut encoded = Vec::with_capacity(message.size());
            encode_message(message, &mut encoded);
            vec![number(id.0), number(crc32fast::hash(&encoded).into()), Value::Bytes(encoded)]
        });
        let sql = "INSERT INTO {p}bodies (id, crc, bytes) VALUES {rows}";
        session.change_many(sql, "(?,?,?)", rows.collect()).await?;
        let rows = changes.inserted.iter().map(|(id, (it, _))| {
            let kind = known.destinations.get(&it.destination).map_or(0, |holds| holds.kind as u64);
            let place = [number(it.destination.0), number(it.rank.into()), number(it.arrival)];
            [&place[..], &[number(id.0), Value::Int(it.size), number(kind), number(it.waiting)]].concat()
        });
        let sql =
            "INSERT INTO {p}messages (destination, priority, arrival, id, size, kind, waiting) VALUES {rows}";
        session.change_many(sql, "(?,?,?,?,?,?,?)", rows.collect()).await?;
        for (id, it) in &changes.placed {
            let sql =
                "UPDATE {p}messages SET destination = ?, priority = ?, arrival = ?, waiting = ? WHERE id = ?";
            session.change(sql, (it.destination.0, it.rank, it.arrival, it.waiting, id.0)).await?;
        }
        let ids: Vec<_> = changes.deleted.iter().map(|id| vec![number(id.0)]).collect();
        session.change_many("DELETE FROM {p}messages WHERE id IN ({rows})", "?", ids.clone()).await?;
        session.change_many("DELETE FROM {p}bodies WHERE id IN ({rows})", "?", ids).await?;
        let rows = changes.acknowledged.iter().map(|(id, arrival)| vec![number(id.0), number(*arrival)]);
        let sql = "INSERT INTO {p}acknowledged (subscription, arrival) VALUES {rows}";
        session.change_many(sql, "(?,?)", rows.collect()).await?;
        for ((name, key), value) in &changes.entries {
            let (name, key) = (&name.as_bytes()[..], &key[..]);
            const DIGEST: &str = "SHA2(CONCAT(SHA2(?, 256), ?), 256)";
            match value {
                Some(value) => {
                    let sql = format!(
                        "INSERT INTO {{p}}entries (digest, name, entry, content) VALUES ({DIGEST}, ?, ?, ?)
                         ON DUPLICATE KEY UPDATE content = VALUES(content)"
                    );
                    session.change(&sql, (name, key, name, key, &value[..])).await?;
                }
                None => {
                    let sql = format!("DELETE FROM {{p}}entries WHERE digest = {DIGEST}");
                    session.change(&sql, (name, key)).await?;
                }
            }
        }
        for (xid, operations) in changes.prepared {
            let sql =
                "INSERT INTO {p}prepared (xa_format, xa_global, xa_branch, operations) VALUES (?, ?, ?, ?)";
            session.change(sql, (xid.format, &xid.global[..], &xid.branch[..], operations)).await?;
        }
        Ok(())
    }

    async fn remove(&mut self, id: DestinationId, subscriptions: &[SubscriptionId]) -> Result<()> {
        let session = self.session()?;
        for subscription in subscriptions {
            session.change("DELETE FROM {p}acknowledged WHERE subscription = ?", (subscription.0,)).await?;
        }
        session.change("DELETE FROM {p}subscriptions WHERE destination = ?", (id.0,)).await?;
        let sql = "DELETE b FROM {p}bodies b JOIN {p}messages m ON m.id = b.id WHERE m.destination = ?";
        session.change(sql, (id.0,)).await?;
        session.change("DELETE FROM {p}messages WHERE destination = ?", (id.0,)).await?;
        session.change("DELETE FROM {p}destinations WHERE id = ?", (id.0,)).await.map(drop)
    }

    async fn unsubscribe(&mut self, id: SubscriptionId, topic: DestinationId, position: u64) -> Result<u64> {
        let session = self.session()?;
        let sql = "UPDATE {p}messages m SET waiting = waiting - 1
            WHERE destination = ? AND kind = 1 AND arrival >= ? AND waiting > 0 AND NOT EXISTS
                (SELECT 1 FROM {p}acknowledged a WHERE a.subscription = ? AND a.arrival = m.arrival)";
        session.change(sql, (topic.0, position, id.0)).await?;
        let sql = "DELETE b FROM {p}bodies b JOIN {p}messages m ON m.id = b.id
            WHERE m.destination = ? AND m.kind = 1 AND m.waiting = 0";
        session.change(sql, (topic.0,)).await?;
        let sql = "DELETE FROM {p}messages WHERE destination = ? AND kind = 1 AND waiting = 0";
        let gone = session.change(sql, (topic.0,)).await?;
        session.change("DELETE FROM {p}acknowledged WHERE subscription = ?", (id.0,)).await?;
        session.change("DELETE FROM {p}subscriptions WHERE id = ?", (id.0,)).await?;
        Ok(gone)
    }

    async fn chunks(&mut self, xid: &Xid) -> Result<Vec<i64>> {
        let sql = "SELECT chunk FROM {p}prepared WHERE xa_format = ? AND xa_global = ? AND xa_branch = ?
            ORDER BY chunk";
        let rows = self.session()?.rows(sql, (xid.format, &xid.global[..], &xid.branch[..])).await?;
        rows.iter().map(|row| column(row, 0)).collect()
    }

    async fn chunk(&mut self, xid: &Xid, chunk: i64) -> Result<Vec<Operation>> {
        let sql = "SELECT operations FROM {p}prepared WHERE chunk = ?";
        let rows = self.session()?.rows(sql, (chunk,)).await?;
        let batch = decode_batch_whole(&bytes(one(&rows, "prepared")?, 0)?);
        let batch = batch.map_err(|error| Fault::failed(format!("prepared transaction {xid}: {error}")))?;
        Ok(batch.operations)
    }

    async fn forget(&mut self, xid: &Xid) -> Result<()> {
        let sql = "DELETE FROM {p}prepared WHERE xa_format = ? AND xa_global = ? AND xa_branch = ?";
        self.session()?.change(sql, (xid.format, &xid.global[..], &xid.branch[..])).await.map(drop)
    }

    async fn finish(
        &mut self,
        known: &mut Known,
        changes: Changes,
        advanced: BTreeSet<SubscriptionId>,
        transaction: u64,
    ) -> Result<Vec<(SubscriptionId, u64)>> {
        self.write(known, changes).await?;
        let session = self.session()?;
        for id in std::mem::take(&mut known.destinations_changed) {
            if let Some(holds) = known.destinations.get(&id) {
                let sql = "UPDATE {p}destinations SET messages = ? WHERE id = ?";
                session.change(sql, (holds.messages, id.0)).await?;
            }
        }
        for id in std::mem::take(&mut known.subscriptions_changed) {
            if let Some(progress) = known.subscriptions.get(&id) {
                let sql = "UPDATE {p}subscriptions SET messages = ? WHERE id = ?";
                session.change(sql, (progress.messages, id.0)).await?;
            }
        }
        let mut positions = Vec::new();
        for id in advanced {
            let Some(progress) = known.subscriptions.get(&id) else { continue };
            let sql = "SELECT m.arrival FROM {p}messages m
                WHERE m.destination = ? AND m.kind = 1 AND m.arrival >= ? AND NOT EXISTS
                    (SELECT 1 FROM {p}acknowledged a WHERE a.subscription = ? AND a.arrival = m.arrival)
                ORDER BY m.arrival LIMIT 1";
            let rows = session.rows(sql, (progress.topic.0, progress.position, id.0)).await?;
            let position = rows.first().map_or(Ok(known.next.arrival), |row| column(row, 0))?;
            session.change("UPDATE {p}subscriptions SET place = ? WHERE id = ?", (position, id.0)).await?;
            let sql = "DELETE FROM {p}acknowledged WHERE subscription = ? AND arrival < ?";
            session.change(sql, (id.0, position)).await?;
            positions.push((id, position));
        }
        let next = known.next;
        let sql = "UPDATE {p}store SET transactions = ?, arrival_next = ?, message_id_next = ?,
            destination_id_next = ?, subscription_id_next = ? WHERE one = 1";
        let values = (transaction, next.arrival, next.message_id, next.destination_id, next.subscription_id);
        session.change(sql, values).await?;
        session.execute("COMMIT").await?;
        Ok(positions)
    }
}
