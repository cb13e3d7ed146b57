//! Reading from a server: pages and recovery, each from one snapshot, beside the writer.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::catalog::Rejection;
use kahawai_store::codec::Span;
use kahawai_store::contract::{
    Completion, DestinationState, Page, Prepared, ReadRequest, Recovered, StoreError, StoredMessage,
    SubscriptionState, TableEntry,
};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use tokio::runtime::Runtime;

use crate::copies::of_callers;
use crate::fault::Fault;
use crate::known::Next;
use crate::pause::Pause;

/// What to look for, and whom to answer.
#[derive(Debug)]
pub(crate) enum LookCall {
    Read(ReadRequest, Completion<Page>),
    Recover(Completion<Recovered>),
    Prepared(Xid, Completion<Vec<Vec<Operation>>>),
}

/// Places are read so many at a time, however large the page.
const PLACES_MAX: usize = 1000;

/// Which messages stand next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacesWanted {
    pub(crate) destination: DestinationId,
    /// Only what this subscription has not acknowledged.
    pub(crate) subscription: Option<SubscriptionId>,
    pub(crate) rank: u8,
    /// Beyond this arrival; −1 for all.
    pub(crate) after: i64,
    pub(crate) limit: usize,
}

/// One database's way of reading. After an error the next call is `begin`.
pub(crate) trait Snapshot {
    /// Which database, for people; no secrets.
    fn description(&self) -> String;

    /// Gets a connection where there is none, begins a snapshot, and gives the epoch that it shows.
    async fn begin(&mut self) -> Result<u64, Fault>;

    /// Ends the snapshot; `false` after an error.
    async fn end(&mut self, good: bool);

    /// The kind of a destination, where it exists.
    async fn kind(&mut self, id: DestinationId) -> Result<Option<DestinationKind>, Fault>;

    /// The position of a subscription, where it exists there.
    async fn position(&mut self, id: SubscriptionId, topic: DestinationId) -> Result<Option<u64>, Fault>;

    /// The next messages: arrival, id, size.
    async fn places(&mut self, wanted: PlacesWanted) -> Result<Vec<(u64, MessageId, usize)>, Fault>;

    /// The next rank beyond this one that a message has.
    async fn next_rank(&mut self, destination: DestinationId, rank: u8) -> Result<Option<u8>, Fault>;

    /// Messages by their ids; `None` where the bytes are not what was written.
    async fn bodies(&mut self, ids: &[MessageId]) -> Result<HashMap<MessageId, Option<Arc<Message>>>, Fault>;

    /// As [`crate::known::Tables`].
    async fn next(&mut self) -> Result<Next, Fault>;

    /// As [`crate::known::Tables`].
    async fn destinations(&mut self) -> Result<Vec<(Destination, u64)>, Fault>;

    /// As [`crate::known::Tables`].
    async fn subscriptions(&mut self) -> Result<Vec<(Subscription, u64, u64)>, Fault>;

    /// Shows every chunk of every prepared transaction, in their order, one at a time.
    async fn each_prepared(&mut self, show: &mut dyn FnMut(Xid, Vec<Operation<Span>>)) -> Result<(), Fault>;

    /// The chunks of a prepared transaction in their order, with the messages; none where it is not prepared.
    async fn prepared(&mut self, xid: &Xid) -> Result<Vec<Vec<Operation>>, Fault>;

    /// The entries of the small tables, in any order.
    async fn entries(&mut self) -> Result<Vec<TableEntry>, Fault>;
}

/// The one thread that reads.
pub(crate) struct Looker<S> {
    pub(crate) snapshot: S,
    pub(crate) epoch: Epoch,
    /// The error that stopped the store.
    pub(crate) stopped: Arc<OnceLock<StoreError>>,
    pub(crate) closing: Arc<AtomicBool>,
}

impl<S: Snapshot> Looker<S> {
    /// Works until the last call has come.
    pub(crate) fn run(mut self, runtime: &Runtime, calls: &Receiver<LookCall>) {
        for call in calls {
            match call {
                LookCall::Read(request, done) => {
                    let found = runtime.block_on(self.look(async |look| look.read(&request).await));
                    done.complete(found);
                }
                LookCall::Recover(done) => {
                    let found = runtime.block_on(self.look(async |look| look.recover().await));
                    done.complete(found);
                }
                LookCall::Prepared(xid, done) => {
                    let found = runtime.block_on(self.look(async |look| look.prepared_of(&xid).await));
                    done.complete(found);
                }
            }
        }
    }

    /// Looks at one snapshot, if the epoch is still ours there. Waits for a database that is away.
    async fn look<T>(
        &mut self,
        look: impl AsyncFn(&mut Look<'_, S>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut pause = Pause::new("the database", self.snapshot.description());
        loop {
            if let Some(error) = self.stopped.get() {
                return Err(error.clone());
            }
            let found = match self.snapshot.begin().await {
                Ok(epoch) if epoch == self.epoch.0 => {
                    look(&mut Look { snapshot: &mut self.snapshot, epoch: self.epoch }).await
                }
                Ok(epoch) => Err(Fault::lost(self.epoch, epoch)),
                Err(fault) => Err(fault),
            };
            let is_good = matches!(&found, Ok(_) | Err(Fault::Final(StoreError::Rejected(_))));
            self.snapshot.end(is_good).await;
            match found {
                Ok(found) => {
                    pause.is_over();
                    return Ok(found);
                }
                Err(Fault::Passing(why)) if !self.closing.load(Ordering::Acquire) => {
                    tokio::time::sleep(pause.next(&why)).await;
                }
                Err(fault) => {
                    let error = fault.told();
                    return Err(if error.outcome_unknown() {
                        self.stopped.get_or_init(|| error).clone()
                    } else {
                        error
                    });
                }
            }
        }
    }
}

/// One snapshot.
struct Look<'a, S> {
    snapshot: &'a mut S,
    epoch: Epoch,
}

impl<S: Snapshot> Look<'_, S> {
    async fn read(&mut self, request: &ReadRequest) -> Result<Page, Fault> {
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
            let Some(found) = self.snapshot.next_rank(request.destination, rank).await? else { break };
            (rank, after) = (found, -1);
        }
        filling.page.end = true;
        Ok(filling.page)
    }

    /// Adds the messages of one rank to a page; `false` where the page is full and more stands behind it.
    async fn fill(&mut self, filling: &mut Filling<'_>, rank: u8, mut after: i64) -> Result<bool, Fault> {
        let ReadRequest { destination, subscription, .. } = *filling.request;
        loop {
            // One more than fits, to tell whether there is one.
            let limit = filling.messages_left().saturating_add(1).min(PLACES_MAX);
            let wanted = PlacesWanted { destination, subscription, rank, after, limit };
            let places = self.snapshot.places(wanted).await?;
            after = places.last().map_or(after, |(arrival, _, _)| arrival.cast_signed());
            // What is damaged takes no bytes of the page, so that after it more may fit than was thought.
            let mut left = &places[..];
            while !left.is_empty() {
                let fitting = filling.fitting(left);
                if fitting == 0 {
                    return Ok(false);
                }
                let (now, later) = left.split_at(fitting);
                self.add(filling, rank, now).await?;
                left = later;
            }
            if places.len() < limit {
                return Ok(true);
            }
        }
    }

    async fn add(
        &mut self,
        filling: &mut Filling<'_>,
        rank: u8,
        places: &[(u64, MessageId, usize)],
    ) -> Result<(), Fault> {
        let ids: Vec<_> = places.iter().map(|(_, id, _)| *id).collect();
        let mut bodies = self.snapshot.bodies(&ids).await?;
        for &(arrival, id, size) in places {
            let cursor = Cursor { rank, arrival };
            match bodies.remove(&id).flatten() {
                Some(message) => {
                    filling.bytes = filling.bytes.saturating_add(size);
                    filling.page.messages.push(StoredMessage { id, cursor, message });
                }
                None => filling.page.damaged.push((id, cursor)),
            }
        }
        Ok(())
    }

    /// Checks what a request names, as `Catalog::check_read` does, in the snapshot. Gives the arrival from which on
    /// messages are to be looked at.
    async fn check(
        &mut self,
        destination: DestinationId,
        subscription: Option<SubscriptionId>,
    ) -> Result<i64, Fault> {
        let kind = self.snapshot.kind(destination).await?;
        let kind = kind.ok_or(Rejection::NoDestination(destination))?;
        let needed = match subscription {
            Some(_) => DestinationKind::Topic,
            None => DestinationKind::Queue,
        };
        if kind != needed {
            let needed = match kind {
                DestinationKind::Topic => DestinationKind::Queue,
                DestinationKind::Queue => DestinationKind::Topic,
            };
            return Err(Rejection::WrongKind { destination, needed }.into());
        }
        let Some(subscription) = subscription else { return Ok(0) };
        let position = self.snapshot.position(subscription, destination).await?;
        Ok(position.ok_or(Rejection::NoSubscription(subscription))?.cast_signed())
    }

    async fn recover(&mut self) -> Result<Recovered, Fault> {
        let destinations = self.snapshot.destinations().await?.into_iter();
        let subscriptions = self.snapshot.subscriptions().await?.into_iter();
        let next = self.snapshot.next().await?;
        let mut tables = of_callers(self.snapshot.entries().await?);
        tables.sort_unstable_by(|one, other| (&one.table, &one.key).cmp(&(&other.table, &other.key)));
        Ok(Recovered {
            epoch: self.epoch,
            destinations: destinations
                .map(|(destination, messages)| DestinationState { destination, messages })
                .collect(),
            subscriptions: subscriptions
                .map(|(subscription, _, messages)| SubscriptionState { subscription, messages })
                .collect(),
            prepared: self.prepared().await?,
            tables,
            message_id_next: MessageId(next.message_id),
            destination_id_next: DestinationId(next.destination_id),
            subscription_id_next: SubscriptionId(next.subscription_id),
            batch_last: next.batch_last,
            arrival_next: next.arrival,
            damage: Vec::new(),
        })
    }

    async fn prepared_of(&mut self, xid: &Xid) -> Result<Vec<Vec<Operation>>, Fault> {
        let chunks = self.snapshot.prepared(xid).await?;
        if chunks.is_empty() {
            return Err(Rejection::NotPrepared(xid.clone()).into());
        }
        Ok(chunks)
    }

    async fn prepared(&mut self) -> Result<Vec<Prepared>, Fault> {
        // Without the messages, which may be large; their spans mean nothing here.
        let mut operations = BTreeMap::<Xid, Vec<Operation<()>>>::new();
        let mut show = |xid: Xid, chunk: Vec<Operation<Span>>| {
            let chunk = chunk.into_iter().map(|operation| {
                let bare = operation.try_map_message(&mut |_, _| Ok::<_, std::convert::Infallible>(()));
                bare.unwrap_or_else(|never| match never {})
            });
            operations.entry(xid).or_default().extend(chunk);
        };
        self.snapshot.each_prepared(&mut show).await?;
        Ok(operations.iter().map(|(xid, operations)| Prepared::of(xid, operations)).collect())
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
    fn fitting(&self, places: &[(u64, MessageId, usize)]) -> usize {
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
