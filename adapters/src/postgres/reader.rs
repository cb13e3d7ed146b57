//! The one thread that reads: pages and recovery, each from one snapshot, beside the writer.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kahawai_store::batch::{DestinationKind, Operation};
use kahawai_store::catalog::Rejection;
use kahawai_store::contract::{
    Completion, DestinationState, Page, Prepared, ReadRequest, Recovered, StoreError, StoredMessage,
    SubscriptionState, TableEntry,
};
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use tokio::runtime::Runtime;
use tokio_postgres::{Row, Statement};

use super::connection::{Database, Session, in_order, statements, values};
use super::error::{Error, Meaning, Result};
use super::state::{destinations, each_prepared, lost, next, one, subscriptions};
use super::value::{bytes, decode, signed, text, unsigned};
use super::writer::IDLE_PART_OF_LEASE;
use crate::pause::Pause;

/// What to look for, and whom to answer.
#[derive(Debug)]
pub(super) enum Call {
    Read(ReadRequest, Completion<Page>),
    Recover(Completion<Recovered>),
}

/// Places are read so many at a time, however large the page.
const PLACES_MAX: usize = 1000;

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

pub(super) struct Reader {
    pub(super) database: Database,
    pub(super) lease: Duration,
    pub(super) epoch: Epoch,
    /// The error that stopped the store.
    pub(super) stopped: Arc<OnceLock<StoreError>>,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) connection: Option<(Session, Statements)>,
}

impl Reader {
    /// Works until the last call has come.
    pub(super) fn run(mut self, runtime: &Runtime, calls: &Receiver<Call>) {
        for call in calls {
            match call {
                Call::Read(request, done) => {
                    done.complete(runtime.block_on(self.look(async |look| look.read(&request).await)));
                }
                Call::Recover(done) => {
                    done.complete(runtime.block_on(self.look(async |look| look.recover().await)));
                }
            }
        }
    }

    /// Looks at one snapshot, if the epoch is still ours there. Waits for a database that is away.
    async fn look<T>(
        &mut self,
        look: impl AsyncFn(Look<'_>) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        let mut pause = Pause::new("the database", self.database.to_string());
        loop {
            if let Some(error) = self.stopped.get() {
                return Err(error.clone());
            }
            let error = match self.in_transaction(&look).await {
                Ok(found) => {
                    pause.is_over();
                    return Ok(found);
                }
                Err(error) => error,
            };
            if !matches!(&error, Error::Store(StoreError::Rejected(_))) {
                self.connection = None;
            } else if let Some((session, _)) = &self.connection
                && session.execute("ROLLBACK").await.is_err()
            {
                self.connection = None;
            }
            if error.meaning() != Meaning::Passing || self.closing.load(Ordering::Acquire) {
                let error = error.told();
                return Err(if error.outcome_unknown() {
                    self.stopped.get_or_init(|| error).clone()
                } else {
                    error
                });
            }
            tokio::time::sleep(pause.next(&error.words())).await;
        }
    }

    async fn in_transaction<T>(&mut self, look: impl AsyncFn(Look<'_>) -> Result<T>) -> Result<T> {
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
        let found = unsigned(one(&answers[1], "lock")?, 0)?;
        if found != self.epoch.0 {
            return Err(lost(self.epoch, found));
        }
        let found = look(Look { session, statements, epoch: self.epoch }).await?;
        session.step(&statements.end, values![]).await?;
        Ok(found)
    }
}

/// One snapshot.
#[derive(Clone, Copy)]
struct Look<'a> {
    session: &'a Session,
    statements: &'a Statements,
    epoch: Epoch,
}

impl Look<'_> {
    async fn ask(self, statement: &Statement, values: super::connection::Values) -> Result<Vec<Row>> {
        self.session.step(statement, values).await
    }

    async fn read(self, request: &ReadRequest) -> Result<Page> {
        let position = self.check(request.destination, request.subscription).await?;
        let mut rank = request.after.map_or(0, |after| after.rank);
        let mut after = request.after.map_or(-1, |after| i64::try_from(after.arrival).unwrap_or(i64::MAX));
        let mut filling = Filling { request, page: Page::default(), bytes: 0 };
        // Rank by rank: within each the messages stand in the order of arrivals, so that a subscription's position
        // is a place to start from and not a condition on every row.
        loop {
            if !self.fill(&mut filling, rank, after.max(position - 1)).await? {
                return Ok(filling.page);
            }
            let values = values![signed(request.destination.0), i16::from(rank)];
            let rows = self.ask(&self.statements.rank, values).await?;
            let Some(found) = one(&rows, "messages")?.try_get::<_, Option<i16>>(0)? else { break };
            (rank, after) = (u8::try_from(found).unwrap_or(u8::MAX), -1);
        }
        filling.page.end = true;
        Ok(filling.page)
    }

    /// Adds the messages of one rank to a page; `false` where the page is full and more stands behind it.
    async fn fill(self, filling: &mut Filling<'_>, rank: u8, mut after: i64) -> Result<bool> {
        let request = filling.request;
        let destination = signed(request.destination.0);
        loop {
            // One more than fits, to tell whether there is one.
            let wanted = filling.messages_left().saturating_add(1).min(PLACES_MAX);
            let limit = wanted as i64;
            let places = match request.subscription {
                None => {
                    let values = values![destination, i16::from(rank), after, limit];
                    self.ask(&self.statements.places, values).await?
                }
                Some(subscription) => {
                    let values = values![destination, i16::from(rank), after, limit, signed(subscription.0)];
                    self.ask(&self.statements.places_waiting, values).await?
                }
            };
            let mut left = Vec::with_capacity(places.len());
            for row in &places {
                let cursor = Cursor { rank, arrival: unsigned(row, 0)? };
                left.push((cursor, MessageId(unsigned(row, 1)?), unsigned(row, 2)? as usize));
            }
            after = left.last().map_or(after, |(cursor, _, _)| signed(cursor.arrival));
            let was_last = places.len() < wanted;
            // What is damaged takes no bytes of the page, so that after it more may fit than was thought.
            let mut left = &left[..];
            while !left.is_empty() {
                let fitting = filling.fitting(left);
                if fitting == 0 {
                    return Ok(false);
                }
                let (now, later) = left.split_at(fitting);
                self.add(filling, now).await?;
                left = later;
            }
            if was_last {
                return Ok(true);
            }
        }
    }

    async fn add(self, filling: &mut Filling<'_>, places: &[(Cursor, MessageId, usize)]) -> Result<()> {
        let ids: Vec<_> = places.iter().map(|(_, id, _)| signed(id.0)).collect();
        let mut bodies = HashMap::with_capacity(ids.len());
        for row in self.ask(&self.statements.bodies, values![ids]).await? {
            bodies.insert(unsigned(&row, 0)?, row);
        }
        for (cursor, id, size) in places {
            match bodies.remove(&id.0).map(|row| decode(&row, 1)).transpose()?.flatten() {
                Some(message) => {
                    filling.bytes = filling.bytes.saturating_add(*size);
                    filling.page.messages.push(StoredMessage { id: *id, cursor: *cursor, message });
                }
                None => filling.page.damaged.push((*id, *cursor)),
            }
        }
        Ok(())
    }

    /// Checks what a request names, as `Catalog::check_read` does, in the snapshot. Gives the arrival from which on
    /// messages are to be looked at.
    async fn check(self, destination: DestinationId, subscription: Option<SubscriptionId>) -> Result<i64> {
        let reject = |rejection: Rejection| Err(StoreError::from(rejection).into());
        let rows = self.ask(&self.statements.kind, values![signed(destination.0)]).await?;
        let is_topic = match rows.first() {
            None => return reject(Rejection::NoDestination(destination)),
            Some(row) => row.try_get::<_, i16>(0)? == DestinationKind::Topic as i16,
        };
        let needed = if is_topic { DestinationKind::Queue } else { DestinationKind::Topic };
        let Some(subscription) = subscription else {
            return if is_topic { reject(Rejection::WrongKind { destination, needed }) } else { Ok(0) };
        };
        if !is_topic {
            return reject(Rejection::WrongKind { destination, needed });
        }
        let values = values![signed(subscription.0), signed(destination.0)];
        let rows = self.ask(&self.statements.position, values).await?;
        match rows.first() {
            Some(row) => Ok(row.try_get(0)?),
            None => reject(Rejection::NoSubscription(subscription)),
        }
    }

    async fn recover(self) -> Result<Recovered> {
        let destinations = destinations(self.session).await?.into_iter();
        let subscriptions = subscriptions(self.session).await?.into_iter();
        let next = next(self.session).await?;
        Ok(Recovered {
            epoch: self.epoch,
            destinations: destinations
                .map(|(destination, messages)| DestinationState { destination, messages })
                .collect(),
            subscriptions: subscriptions
                .map(|(subscription, _, messages)| SubscriptionState { subscription, messages })
                .collect(),
            prepared: self.prepared().await?,
            tables: self.tables().await?,
            message_id_next: MessageId(next.message_id),
            destination_id_next: DestinationId(next.destination_id),
            subscription_id_next: SubscriptionId(next.subscription_id),
            damage: Vec::new(),
        })
    }

    async fn prepared(self) -> Result<Vec<Prepared>> {
        // Without the messages, which may be large; their spans mean nothing here.
        let mut operations = BTreeMap::<Xid, Vec<Operation<()>>>::new();
        each_prepared(self.session, |xid, chunk| {
            let chunk = chunk.into_iter().map(|operation| {
                let bare = operation.try_map_message(&mut |_| Ok::<_, std::convert::Infallible>(()));
                bare.unwrap_or_else(|never| match never {})
            });
            operations.entry(xid).or_default().extend(chunk);
        })
        .await?;
        Ok(operations.iter().map(|(xid, operations)| Prepared::of(xid, operations)).collect())
    }

    async fn tables(self) -> Result<Vec<TableEntry>> {
        let mut entries = Vec::new();
        for row in self.session.rows("SELECT name, key, value FROM {p}entries", &[]).await? {
            entries.push(TableEntry { table: text(&row, 0)?, key: bytes(&row, 1)?, value: bytes(&row, 2)? });
        }
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
    /// How many more messages the page may have. What is damaged counts as a message, but takes no bytes.
    fn messages_left(&self) -> usize {
        let taken = self.page.messages.len() + self.page.damaged.len();
        self.request.messages_max.saturating_sub(taken)
    }

    /// How many of these go in, if none is damaged.
    fn fitting(&self, places: &[(Cursor, MessageId, usize)]) -> usize {
        let mut bytes = self.bytes;
        let mut is_first = self.page.messages.is_empty();
        let mut fitting = 0;
        for (_, _, size) in places.iter().take(self.messages_left()) {
            bytes = bytes.saturating_add(*size);
            if bytes > self.request.bytes_max && !is_first {
                break;
            }
            is_first = false;
            fitting += 1;
        }
        fitting
    }
}
