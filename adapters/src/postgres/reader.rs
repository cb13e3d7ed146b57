//! How PostgreSQL reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::codec::Span;
use kahawai_store::contract::TableEntry;
use kahawai_store::message::Message;
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId, Xid};
use tokio_postgres::{Row, Statement};

use super::connection::{Database, Session, Values, in_order, statements, values};
use super::error::{Error, Result};
use super::state::{self, one};
use super::value::{bytes, decode, signed, text, unsigned};
use super::writer::IDLE_PART_OF_LEASE;
use crate::fault::Fault;
use crate::known::Next;
use crate::look::{PlacesWanted, Snapshot};

statements! {
    /// What the reader says.
    Statements {
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        end = "COMMIT",
        epoch = "SELECT epoch FROM {p}lock WHERE one = 1",
        kind = "SELECT kind FROM {p}destinations WHERE id = $1",
        position = "SELECT position FROM {p}subscriptions WHERE id = $1 AND destination = $2",
        places = "SELECT arrival, id, size FROM {p}messages
            WHERE destination = $1 AND rank = $2 AND arrival > $3 ORDER BY arrival LIMIT $4",
        places_waiting = "SELECT arrival, id, size FROM {p}messages m
            WHERE destination = $1 AND rank = $2 AND arrival > $3 AND NOT EXISTS
                (SELECT 1 FROM {p}acknowledged a WHERE a.subscription = $5 AND a.arrival = m.arrival)
            ORDER BY arrival LIMIT $4",
        rank = "SELECT min(rank) FROM {p}messages WHERE destination = $1 AND rank > $2",
        bodies = "SELECT id, crc, bytes FROM {p}bodies WHERE id = ANY($1::bigint[])",
    }
}

/// The session that reads.
pub(super) struct Reader {
    pub(super) database: Database,
    pub(super) lease: Duration,
    pub(super) connection: Option<(Session, Statements)>,
}

impl Reader {
    fn session(&self) -> Result<(&Session, &Statements)> {
        match &self.connection {
            Some((session, statements)) => Ok((session, statements)),
            None => Err(Error::Unreachable("not connected".to_owned())),
        }
    }

    async fn ask(&self, what: impl Fn(&Statements) -> &Statement, values: Values) -> Result<Vec<Row>> {
        let (session, statements) = self.session()?;
        session.step(what(statements), values).await
    }

    async fn try_begin(&mut self) -> Result<u64> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let limit = self.lease / IDLE_PART_OF_LEASE;
                let session = Session::connect(&self.database, limit, "reader").await?;
                let statements = Statements::prepare(&session).await?;
                (session, statements)
            }
        };
        let (session, statements) = self.connection.insert(connection);
        let answers = in_order(vec![
            session.step(&statements.begin, values![]),
            session.step(&statements.epoch, values![]),
        ])
        .await?;
        unsigned(one(answers.get(1).map_or(&[][..], Vec::as_slice), "lock")?, 0)
    }

    async fn try_places(&self, wanted: PlacesWanted) -> Result<Vec<(u64, MessageId, usize)>> {
        let PlacesWanted { destination, subscription, rank, after, limit } = wanted;
        let mut values = values![signed(destination.0), i16::from(rank), after, limit as i64];
        let rows = match subscription {
            None => self.ask(|it| &it.places, values).await?,
            Some(subscription) => {
                values.push(Box::new(signed(subscription.0)));
                self.ask(|it| &it.places_waiting, values).await?
            }
        };
        let places = rows
            .iter()
            .map(|row| Ok((unsigned(row, 0)?, MessageId(unsigned(row, 1)?), unsigned(row, 2)? as usize)));
        places.collect()
    }

    async fn try_bodies(&self, ids: &[MessageId]) -> Result<HashMap<MessageId, Option<Arc<Message>>>> {
        let ids: Vec<_> = ids.iter().map(|id| signed(id.0)).collect();
        let rows = self.ask(|it| &it.bodies, values![ids]).await?;
        rows.iter().map(|row| Ok((MessageId(unsigned(row, 0)?), decode(row, 1)?))).collect()
    }

    async fn try_kind(&self, id: DestinationId) -> Result<Option<DestinationKind>> {
        let rows = self.ask(|it| &it.kind, values![signed(id.0)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let is_topic = row.try_get::<_, i16>(0)? == DestinationKind::Topic as i16;
        Ok(Some(if is_topic { DestinationKind::Topic } else { DestinationKind::Queue }))
    }

    async fn try_next_rank(&self, destination: DestinationId, rank: u8) -> Result<Option<u8>> {
        let rows = self.ask(|it| &it.rank, values![signed(destination.0), i16::from(rank)]).await?;
        let found = one(&rows, "messages")?.try_get::<_, Option<i16>>(0)?;
        Ok(found.map(|rank| u8::try_from(rank).unwrap_or(u8::MAX)))
    }

    async fn try_entries(&self) -> Result<Vec<TableEntry>> {
        let rows = self.session()?.0.rows("SELECT name, key, value FROM {p}entries", &[]).await?;
        let entry = |row| Ok(TableEntry { table: text(row, 0)?, key: bytes(row, 1)?, value: bytes(row, 2)? });
        rows.iter().map(entry).collect()
    }
}

impl Snapshot for Reader {
    fn description(&self) -> String {
        self.database.to_string()
    }

    async fn begin(&mut self) -> std::result::Result<u64, Fault> {
        Ok(self.try_begin().await?)
    }

    async fn end(&mut self, good: bool) {
        let ended = if good { self.ask(|it| &it.end, values![]).await.is_ok() } else { false };
        if !ended {
            self.connection = None;
        }
    }

    async fn kind(&mut self, id: DestinationId) -> std::result::Result<Option<DestinationKind>, Fault> {
        Ok(self.try_kind(id).await?)
    }

    async fn position(
        &mut self,
        id: SubscriptionId,
        topic: DestinationId,
    ) -> std::result::Result<Option<u64>, Fault> {
        let rows = self.ask(|it| &it.position, values![signed(id.0), signed(topic.0)]).await?;
        Ok(rows.first().map(|row| unsigned(row, 0)).transpose()?)
    }

    async fn places(
        &mut self,
        wanted: PlacesWanted,
    ) -> std::result::Result<Vec<(u64, MessageId, usize)>, Fault> {
        Ok(self.try_places(wanted).await?)
    }

    async fn next_rank(
        &mut self,
        destination: DestinationId,
        rank: u8,
    ) -> std::result::Result<Option<u8>, Fault> {
        Ok(self.try_next_rank(destination, rank).await?)
    }

    async fn bodies(
        &mut self,
        ids: &[MessageId],
    ) -> std::result::Result<HashMap<MessageId, Option<Arc<Message>>>, Fault> {
        Ok(self.try_bodies(ids).await?)
    }

    async fn next(&mut self) -> std::result::Result<Next, Fault> {
        Ok(state::next(self.session()?.0).await?)
    }

    async fn destinations(&mut self) -> std::result::Result<Vec<(Destination, u64)>, Fault> {
        Ok(state::destinations(self.session()?.0).await?)
    }

    async fn subscriptions(&mut self) -> std::result::Result<Vec<(Subscription, u64, u64)>, Fault> {
        Ok(state::subscriptions(self.session()?.0).await?)
    }

    async fn each_prepared(
        &mut self,
        show: &mut dyn FnMut(Xid, Vec<Operation<Span>>),
    ) -> std::result::Result<(), Fault> {
        Ok(state::each_prepared(self.session()?.0, show).await?)
    }

    async fn prepared(&mut self, xid: &Xid) -> std::result::Result<Vec<Vec<Operation>>, Fault> {
        Ok(state::prepared(self.session()?.0, xid).await?)
    }

    async fn entries(&mut self) -> std::result::Result<Vec<TableEntry>, Fault> {
        Ok(self.try_entries().await?)
    }
}
