//! The index: which messages live, in which order, and where their bytes are.
//!
//! Plain and synchronous: operations and places go in, places come out. It is held in memory and rebuilt by reading the
//! journal; the journal alone is the truth.
//!
//! | module | what it holds |
//! |---|---|
//! | [`queue`] | a queue's messages in the order of their cursors |
//! | [`topic`] | a topic's messages, and for each subscription which of them it has acknowledged |
//! | [`segments`] | for each segment, how many live things it holds |

mod queue;
mod segments;
mod topic;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::{DestinationKind, Operation, Outcome};
use kahawai_store::catalog::{Catalog, Rejection};
use kahawai_store::codec::Span;
use kahawai_store::contract::{
    DestinationState, Prepared, ReadRequest, Recovered, SubscriptionState, TableEntry,
};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};

use crate::format::record::Trailer;
use crate::format::snapshot::Snapshot;
use queue::Queue;
use segments::LiveCounts;
use topic::Topic;

/// Where a message's bytes are: a record, and a span of the batch in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Where the record begins in the segment.
    pub(crate) record: u64,
    /// Where the message stands in the batch.
    pub(crate) span: Span,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordAt {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// A message that was found, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: MessageId,
    pub(crate) cursor: Cursor,
    pub(crate) location: Location,
}

/// What lives in the store.
#[derive(Debug, Default)]
pub(crate) struct Index {
    catalog: Catalog,
    queues: BTreeMap<DestinationId, Queue>,
    topics: BTreeMap<DestinationId, Topic>,
    /// Where each live message stands.
    places: HashMap<MessageId, (DestinationId, Cursor)>,
    tables: BTreeMap<(ByteString, Bytes), Bytes>,
    prepared: BTreeMap<Xid, Vec<PreparedChunk>>,
    live: LiveCounts,
    arrival_next: u64,
    message_id_next: u64,
    destination_id_next: u64,
    subscription_id_next: u64,
}

/// One `Prepare` of a transaction, and the record that holds it, which lives until the transaction is decided.
#[derive(Debug)]
struct PreparedChunk {
    at: RecordAt,
    operations: Vec<Operation<Span>>,
}

impl Index {
    /// What exists, to admit batches by.
    pub(crate) fn catalog(&mut self) -> &mut Catalog {
        &mut self.catalog
    }

    /// The number the next arrival gets.
    pub(crate) fn arrival_next(&self) -> u64 {
        self.arrival_next
    }

    /// How many live things a segment holds.
    pub(crate) fn live_in(&self, segment: u64) -> u64 {
        self.live.of(segment)
    }

    /// Keeps a segment for good, because damage was found in it.
    pub(crate) fn pin(&mut self, segment: u64) {
        self.live.add(segment);
    }

    /// Applies a batch that stands in a record, in the order of the log. The catalogue has admitted it already.
    ///
    /// What names something unknown comes to nothing: after damage the log may hold the consequences of what was lost.
    pub(crate) fn apply(
        &mut self,
        operations: Vec<Operation<Span>>,
        at: RecordAt,
        trailer: Trailer<Vec<Operation<Span>>>,
    ) {
        self.arrival_next = self.arrival_next.max(trailer.arrival_first);
        let mut decided = trailer.decided.into_iter();
        for operation in operations {
            match operation {
                Operation::Decide { xid, outcome } => {
                    let remembered = decided.by_ref().map_while(|operation| match operation {
                        Operation::Prepare { operations, .. } => Some(operations),
                        _ => None,
                    });
                    let remembered: Vec<_> = remembered.collect();
                    self.decide(&xid, outcome, remembered);
                }
                operation => self.apply_one(operation, at),
            }
        }
    }

    /// The transactions that a batch decides, as its record is to remember them; see [`Trailer`].
    pub(crate) fn decided_by(&self, operations: &[Operation<Span>]) -> Vec<Operation> {
        let mut prepared: HashMap<&Xid, Vec<&[Operation<Span>]>> = HashMap::new();
        let known = |xid| -> Vec<&[Operation<Span>]> {
            self.prepared.get(xid).into_iter().flatten().map(|chunk| chunk.operations.as_slice()).collect()
        };
        let mut decided = Vec::new();
        for operation in operations {
            match operation {
                Operation::Prepare { xid, operations } => {
                    prepared.entry(xid).or_insert_with(|| known(xid)).push(operations);
                }
                Operation::Decide { xid, outcome } => {
                    // A name that is prepared anew later in the batch begins from nothing.
                    let chunks = prepared.insert(xid, Vec::new()).unwrap_or_else(|| known(xid));
                    if *outcome == Outcome::Commit {
                        decided.extend(chunks.into_iter().map(|chunk| Operation::Prepare {
                            xid: xid.clone(),
                            operations: chunk.iter().map(without_message).collect(),
                        }));
                    }
                    decided.push(Operation::Decide { xid: xid.clone(), outcome: *outcome });
                }
                _ => {}
            }
        }
        decided
    }

    /// Ends a prepared transaction. Of the chunks `remembered` the first may be gone, with the segments that held them.
    fn decide(&mut self, xid: &Xid, outcome: Outcome, remembered: Vec<Vec<Operation<Span>>>) {
        let chunks = self.prepared.remove(xid).unwrap_or_default();
        for chunk in &chunks {
            self.live.remove(chunk.at.segment);
        }
        if outcome == Outcome::Rollback {
            return;
        }
        let nowhere = RecordAt { segment: 0, offset: 0 };
        let gone = remembered.len().saturating_sub(chunks.len());
        for operation in remembered.into_iter().take(gone).flatten() {
            if let Operation::Enqueue { .. } = operation {
                // The message is gone, or the segment would not be.
                self.take_arrival();
            } else {
                self.apply_one(operation, nowhere);
            }
        }
        for chunk in chunks {
            for operation in chunk.operations {
                self.apply_one(operation, chunk.at);
            }
        }
    }

    /// Takes note of a batch's catalogue operations while replaying. What the catalogue does not take (after damage)
    /// is skipped; tells how many operations were.
    ///
    /// A decision whose transaction is unknown is no sign of damage: nothing keeps what was prepared once it is decided and
    /// its messages are gone.
    pub(crate) fn admit_replayed(&mut self, operations: &[Operation<Span>]) -> usize {
        if self.catalog.admit(operations).is_ok() {
            return 0;
        }
        let mut admit = |operation| match self.catalog.admit(std::slice::from_ref(operation)) {
            Ok(()) | Err(Rejection::NotPrepared(_)) => false,
            Err(_) => true,
        };
        operations.iter().filter(|operation| admit(operation)).count()
    }

    fn apply_one(&mut self, operation: Operation<Span>, at: RecordAt) {
        match operation {
            Operation::CreateDestination(destination) => {
                self.destination_id_next = self.destination_id_next.max(destination.id.0.saturating_add(1));
                self.begin(destination.id, destination.kind);
            }
            Operation::RemoveDestination(id) => self.remove_destination(id),
            Operation::Subscribe(subscription) => {
                self.subscription_id_next =
                    self.subscription_id_next.max(subscription.id.0.saturating_add(1));
                if let Some(topic) = self.topics.get_mut(&subscription.destination) {
                    topic.subscribe(subscription.id, self.arrival_next);
                }
            }
            Operation::Unsubscribe(id) => self.unsubscribe(id),
            Operation::Enqueue { id, destination, rank, message } => {
                self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
                let location = Location { segment: at.segment, record: at.offset, span: message };
                let arrival = self.take_arrival();
                self.insert(destination, id, Cursor { rank, arrival }, location);
            }
            Operation::Acknowledge { destination, id, subscription } => {
                self.acknowledge(destination, id, subscription);
            }
            Operation::Move { id, from, to, rank } => {
                let arrival = self.take_arrival();
                if self.queues.contains_key(&to)
                    && let Some(location) = self.take_from_queue(from, id)
                {
                    self.insert(to, id, Cursor { rank, arrival }, location);
                }
            }
            Operation::Prepare { xid, operations } => {
                for operation in &operations {
                    if let Operation::Enqueue { id, .. } = operation {
                        self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
                    }
                }
                self.live.add(at.segment);
                self.prepared.entry(xid).or_default().push(PreparedChunk { at, operations });
            }
            Operation::Decide { xid, outcome } => self.decide(&xid, outcome, Vec::new()),
            Operation::Put { table, key, value } => {
                match value {
                    Some(value) => self.tables.insert((table, key), value),
                    None => self.tables.remove(&(table, key)),
                };
            }
        }
    }

    fn take_arrival(&mut self) -> u64 {
        let arrival = self.arrival_next;
        self.arrival_next = arrival.saturating_add(1);
        arrival
    }

    fn begin(&mut self, id: DestinationId, kind: DestinationKind) {
        match kind {
            DestinationKind::Queue => {
                self.queues.entry(id).or_default();
            }
            DestinationKind::Topic => {
                self.topics.entry(id).or_default();
            }
        }
    }

    fn insert(&mut self, destination: DestinationId, id: MessageId, cursor: Cursor, location: Location) {
        let found = Found { id, cursor, location };
        let kept = if let Some(queue) = self.queues.get_mut(&destination) {
            queue.insert(found);
            true
        } else if let Some(topic) = self.topics.get_mut(&destination) {
            topic.insert(found)
        } else {
            false
        };
        if kept {
            self.places.insert(id, (destination, cursor));
            self.live.add(location.segment);
        }
    }

    fn take_from_queue(&mut self, queue: DestinationId, id: MessageId) -> Option<Location> {
        let &(place, cursor) = self.places.get(&id)?;
        if place != queue {
            return None;
        }
        let location = self.queues.get_mut(&queue)?.remove(cursor)?;
        self.places.remove(&id);
        self.live.remove(location.segment);
        Some(location)
    }

    fn acknowledge(
        &mut self,
        destination: DestinationId,
        id: MessageId,
        subscription: Option<SubscriptionId>,
    ) {
        let Some(subscription) = subscription else {
            self.take_from_queue(destination, id);
            return;
        };
        let Some(&(place, cursor)) = self.places.get(&id) else { return };
        if place != destination {
            return;
        }
        let Some(topic) = self.topics.get_mut(&destination) else { return };
        if let Some(done) = topic.acknowledge(subscription, cursor) {
            self.forget(&[done]);
        }
    }

    fn unsubscribe(&mut self, id: SubscriptionId) {
        let topic = self.topics.values_mut().find(|topic| topic.has(id));
        let done = topic.map(|topic| topic.unsubscribe(id)).unwrap_or_default();
        self.forget(&done);
    }

    fn remove_destination(&mut self, id: DestinationId) {
        let queued = self.queues.remove(&id).map(Queue::into_found).unwrap_or_default();
        let published = self.topics.remove(&id).map(Topic::into_found).unwrap_or_default();
        self.forget(&queued);
        self.forget(&published);
    }

    fn forget(&mut self, messages: &[Found]) {
        for message in messages {
            self.places.remove(&message.id);
            self.live.remove(message.location.segment);
        }
    }

    /// The next messages of a queue or a subscription, at most `messages_max`; whether more stand behind them.
    ///
    /// Messages whose arrival is not below `visible` are passed over: their batch is not durable yet.
    ///
    /// # Errors
    /// Where the request names what does not exist.
    pub(crate) fn read(&self, request: &ReadRequest, visible: u64) -> Result<(Vec<Found>, bool), Rejection> {
        self.catalog.check_read(request.destination, request.subscription)?;
        let wanted = request.messages_max.saturating_add(1);
        let mut found: Vec<Found> = match request.subscription {
            None => self.queues.get(&request.destination).map_or_else(Vec::new, |queue| {
                queue
                    .after(request.after)
                    .filter(|found| found.cursor.arrival < visible)
                    .take(wanted)
                    .collect()
            }),
            Some(subscription) => self.topics.get(&request.destination).map_or_else(Vec::new, |topic| {
                topic
                    .after(subscription, request.after)
                    .filter(|found| found.cursor.arrival < visible)
                    .take(wanted)
                    .collect()
            }),
        };
        let end = found.len() < wanted;
        found.truncate(request.messages_max);
        Ok((found, end))
    }

    /// What the store holds, as the contract tells it.
    pub(crate) fn recovered(&self, epoch: Epoch, damage: Vec<String>) -> Recovered {
        let destinations = self.catalog.destinations().map(|destination| DestinationState {
            destination: destination.clone(),
            messages: match destination.kind {
                DestinationKind::Queue => self.queues.get(&destination.id).map_or(0, Queue::count),
                DestinationKind::Topic => self.topics.get(&destination.id).map_or(0, Topic::count),
            },
        });
        let subscriptions = self.catalog.subscriptions().map(|subscription| SubscriptionState {
            subscription: subscription.clone(),
            messages: self
                .topics
                .get(&subscription.destination)
                .map_or(0, |topic| topic.count_for(subscription.id)),
        });
        let prepared = self.prepared.iter().map(|(xid, chunks)| {
            let operations = chunks.iter().flat_map(|chunk| &chunk.operations);
            Prepared::of(xid, operations)
        });
        let tables = self.tables.iter().map(|((table, key), value)| TableEntry {
            table: table.clone(),
            key: key.clone(),
            value: value.clone(),
        });
        Recovered {
            epoch,
            destinations: destinations.collect(),
            subscriptions: subscriptions.collect(),
            prepared: prepared.collect(),
            tables: tables.collect(),
            message_id_next: MessageId(self.message_id_next),
            destination_id_next: DestinationId(self.destination_id_next),
            subscription_id_next: SubscriptionId(self.subscription_id_next),
            damage,
        }
    }

    /// What exists now, for the start of a segment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let destinations = self.catalog.destinations().cloned().map(Operation::CreateDestination);
        let subscriptions = self.catalog.subscriptions().cloned().map(Operation::Subscribe);
        let puts = self.tables.iter().map(|((table, key), value)| Operation::Put {
            table: table.clone(),
            key: key.clone(),
            value: Some(value.clone()),
        });
        let start_of = |id, topic| self.topics.get(topic).and_then(|topic: &Topic| topic.start_of(id));
        Snapshot {
            arrival_next: self.arrival_next,
            message_id_next: self.message_id_next,
            destination_id_next: self.destination_id_next,
            subscription_id_next: self.subscription_id_next,
            starts: self
                .catalog
                .subscriptions()
                .map(|subscription| {
                    start_of(subscription.id, &subscription.destination).unwrap_or(self.arrival_next)
                })
                .collect(),
            operations: destinations.chain(subscriptions).chain(puts).collect(),
        }
    }

    /// Brings what exists to what a snapshot says. Where the log before it was read whole, nothing changes.
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot, operations: &[Operation<Span>]) {
        self.arrival_next = self.arrival_next.max(snapshot.arrival_next);
        self.message_id_next = self.message_id_next.max(snapshot.message_id_next);
        self.destination_id_next = self.destination_id_next.max(snapshot.destination_id_next);
        self.subscription_id_next = self.subscription_id_next.max(snapshot.subscription_id_next);
        self.remove_unlisted(operations);
        self.tables.clear();
        let mut starts = snapshot.starts.iter();
        for operation in operations {
            match operation {
                Operation::CreateDestination(destination)
                    if self.catalog.destination(destination.id).is_none() =>
                {
                    self.admit_replayed(std::slice::from_ref(operation));
                    self.begin(destination.id, destination.kind);
                }
                Operation::Subscribe(subscription) => {
                    let start = starts.next().copied().unwrap_or(self.arrival_next);
                    if self.catalog.subscription(subscription.id).is_none() {
                        self.admit_replayed(std::slice::from_ref(operation));
                        if let Some(topic) = self.topics.get_mut(&subscription.destination) {
                            topic.subscribe(subscription.id, start);
                        }
                    }
                }
                Operation::Put { table, key, value: Some(value) } => {
                    self.tables.insert((table.clone(), key.clone()), value.clone());
                }
                _ => {}
            }
        }
    }

    /// Removes subscriptions and destinations that a snapshot does not list: their removal was lost to damage.
    fn remove_unlisted(&mut self, listed: &[Operation<Span>]) {
        let mut destinations = std::collections::HashSet::new();
        let mut subscriptions = std::collections::HashSet::new();
        for operation in listed {
            match operation {
                Operation::CreateDestination(destination) => {
                    destinations.insert(destination.id);
                }
                Operation::Subscribe(subscription) => {
                    subscriptions.insert(subscription.id);
                }
                _ => {}
            }
        }
        let gone: Vec<_> = self.catalog.subscriptions().map(|found| found.id).collect();
        for id in gone.into_iter().filter(|id| !subscriptions.contains(id)) {
            self.admit_replayed(&[Operation::Unsubscribe(id)]);
            self.unsubscribe(id);
        }
        let gone: Vec<_> = self.catalog.destinations().map(|found| found.id).collect();
        for id in gone.into_iter().filter(|id| !destinations.contains(id)) {
            self.admit_replayed(&[Operation::RemoveDestination(id)]);
            self.remove_destination(id);
        }
    }
}

/// The same operation with an empty message.
fn without_message(operation: &Operation<Span>) -> Operation {
    let empty = |_| Ok::<_, Infallible>(Arc::new(Message::default()));
    match operation.clone().try_map_message(&mut { empty }) {
        Ok(operation) => operation,
        Err(never) => match never {},
    }
}
