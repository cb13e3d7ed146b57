//! What a group of operations comes to, row by row, before any of it is written.
//!
//! A database at the other end of a network is asked as seldom as can be: what the operations need to know of the rows is looked up
//! at once ([`Needs`]), the operations are applied to that in memory, and what remains is written at once
//! ([`Changes`]). A message that is sent and acknowledged in the same group never gets as far as a table.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Subscription};
use kahawai_store::codec::encode_batch;
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

use crate::copies::kept_name;
use crate::known::Known;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) destination: DestinationId,
    pub(crate) rank: u8,
    pub(crate) arrival: u64,
    pub(crate) size: i64,
    /// How many subscriptions wait for it; 0 on a queue.
    pub(crate) waiting: u64,
}

impl Place {
    fn cursor(&self) -> Cursor {
        Cursor { rank: self.rank, arrival: self.arrival }
    }
}

/// What must be looked up before operations can be planned.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Where these messages stand.
    pub(crate) places: BTreeSet<MessageId>,
    /// Whether these have been acknowledged.
    pub(crate) acknowledged: BTreeSet<(SubscriptionId, MessageId)>,
    sent: HashSet<MessageId>,
}

impl Needs {
    /// What these operations need, in their order.
    pub(crate) fn of<'a, M: 'a>(operations: impl IntoIterator<Item = &'a Operation<M>>) -> Self {
        let mut needs = Self::default();
        for operation in operations {
            needs.add(operation);
        }
        needs
    }

    /// Adds what an operation needs. In the order of the operations: what they themselves send is not looked up.
    fn add<M>(&mut self, operation: &Operation<M>) {
        match operation {
            Operation::Enqueue { id, .. } => {
                self.sent.insert(*id);
            }
            Operation::Acknowledge { id, subscription, .. } if !self.sent.contains(id) => {
                self.places.insert(*id);
                self.acknowledged.extend(subscription.map(|subscription| (subscription, *id)));
            }
            Operation::Move { id, .. } if !self.sent.contains(id) => {
                self.places.insert(*id);
            }
            _ => {}
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// What was looked up.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) places: HashMap<MessageId, Place>,
    /// By the arrival of the message.
    pub(crate) acknowledged: HashSet<(SubscriptionId, u64)>,
}

/// An operation that touches rows which nobody has named: what was planned before it is written first.
#[derive(Debug)]
pub(crate) enum Sweeping {
    /// As the contract's.
    RemoveDestination(DestinationId),
    /// As the contract's.
    Unsubscribe(SubscriptionId),
    /// As the contract's.
    Decide(Xid, kahawai_store::batch::Outcome),
}

/// Rows to be written. Each list stands for itself: their order among each other does not matter.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) destinations: Vec<Destination>,
    /// With the position at which each begins.
    pub(crate) subscriptions: Vec<(Subscription, u64)>,
    pub(crate) inserted: BTreeMap<MessageId, (Place, Arc<Message>)>,
    /// Rows that get another place, and those of topics for which fewer wait.
    pub(crate) placed: BTreeMap<MessageId, Place>,
    pub(crate) deleted: BTreeSet<MessageId>,
    /// By the arrival of the message.
    pub(crate) acknowledged: BTreeSet<(SubscriptionId, u64)>,
    /// By the names under which tables are kept.
    pub(crate) entries: BTreeMap<(ByteString, Bytes), Option<Bytes>>,
    /// Chunks of prepared transactions as encoded batches, in their order.
    pub(crate) prepared: Vec<(Xid, Vec<u8>)>,
    /// Subscriptions that have acknowledged, whose position may move.
    pub(crate) advanced: BTreeSet<SubscriptionId>,
}

/// Applies operations that the catalogue has admitted to what was looked up.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) known: &'a mut Known,
    pub(crate) found: &'a mut Found,
    pub(crate) changes: &'a mut Changes,
}

impl Plan<'_> {
    /// Applies an operation, or gives back one that must be swept by the database.
    pub(crate) fn apply(&mut self, operation: Operation) -> Option<Sweeping> {
        match operation {
            Operation::CreateDestination(destination) => {
                self.known.add_destination(destination.id, destination.kind);
                self.changes.destinations.push(destination);
            }
            Operation::RemoveDestination(id) => return Some(Sweeping::RemoveDestination(id)),
            Operation::Subscribe(subscription) => {
                let position = self.known.begin_subscription(&subscription);
                self.changes.subscriptions.push((subscription, position));
            }
            Operation::Unsubscribe(id) => return Some(Sweeping::Unsubscribe(id)),
            Operation::Enqueue { id, destination, rank, message } => {
                self.enqueue(id, destination, rank, message);
            }
            Operation::Acknowledge { destination, id, cursor, subscription } => {
                self.acknowledge(destination, id, cursor, subscription);
            }
            Operation::Move { id, from, cursor, to, rank } => self.move_message(id, from, cursor, to, rank),
            Operation::Prepare { xid, operations } => self.prepare(xid, operations),
            Operation::Decide { xid, outcome } => return Some(Sweeping::Decide(xid, outcome)),
            Operation::Put { table, key, value } => {
                self.changes.entries.insert((kept_name(table), key), value);
            }
        }
        None
    }

    fn enqueue(&mut self, id: MessageId, destination: DestinationId, rank: u8, message: Arc<Message>) {
        self.known.note_message_id(id);
        let arrival = self.known.take_arrival();
        let Some(waiting) = self.known.welcome(destination) else { return };
        let place = Place { destination, rank, arrival, size: message.size() as i64, waiting };
        self.changes.inserted.insert(id, (place, message));
        self.known.count(destination, 1);
    }

    fn acknowledge(
        &mut self,
        destination: DestinationId,
        id: MessageId,
        cursor: Cursor,
        subscription: Option<SubscriptionId>,
    ) {
        let Some(kind) = self.known.destinations.get(&destination).map(|holds| holds.kind) else { return };
        let Some(place) = self.find(id, destination, cursor) else { return };
        match (kind, subscription) {
            (DestinationKind::Queue, None) => self.delete(id, &place),
            (DestinationKind::Topic, Some(subscription)) => self.acknowledge_for(subscription, id, place),
            _ => {}
        }
    }

    fn acknowledge_for(&mut self, subscription: SubscriptionId, id: MessageId, place: Place) {
        let Some(progress) = self.known.subscriptions.get(&subscription).copied() else { return };
        if progress.topic != place.destination || place.arrival < progress.position {
            return;
        }
        let acknowledged = (subscription, place.arrival);
        if self.found.acknowledged.contains(&acknowledged) || !self.changes.acknowledged.insert(acknowledged)
        {
            return;
        }
        self.changes.advanced.insert(subscription);
        self.known.count_for(subscription, -1);
        if place.waiting <= 1 {
            self.delete(id, &place);
        } else {
            self.put(id, Place { waiting: place.waiting - 1, ..place });
        }
    }

    fn move_message(
        &mut self,
        id: MessageId,
        from: DestinationId,
        cursor: Cursor,
        to: DestinationId,
        rank: u8,
    ) {
        let arrival = self.known.take_arrival();
        let Some(place) = self.find(id, from, cursor) else { return };
        self.known.count(from, -1);
        self.known.count(to, 1);
        self.put(id, Place { destination: to, rank, arrival, ..place });
    }

    fn prepare(&mut self, xid: Xid, operations: Vec<Operation>) {
        for operation in &operations {
            if let Operation::Enqueue { id, .. } = operation {
                self.known.note_message_id(*id);
            }
        }
        let mut encoded = Vec::new();
        encode_batch(Batch::new(operations), &mut encoded);
        self.changes.prepared.push((xid, encoded));
    }

    /// Where a message stands, if it is there.
    fn find(&self, id: MessageId, destination: DestinationId, cursor: Cursor) -> Option<Place> {
        let inserted = self.changes.inserted.get(&id).map(|(place, _)| *place);
        let place = inserted.or_else(|| self.found.places.get(&id).copied())?;
        (place.destination == destination && place.cursor() == cursor).then_some(place)
    }

    /// Gives a message another place, or the same with fewer waiting.
    fn put(&mut self, id: MessageId, place: Place) {
        match self.changes.inserted.get_mut(&id) {
            Some((inserted, _)) => *inserted = place,
            None => {
                self.found.places.insert(id, place);
                self.changes.placed.insert(id, place);
            }
        }
    }

    fn delete(&mut self, id: MessageId, place: &Place) {
        if self.changes.inserted.remove(&id).is_none() {
            self.found.places.remove(&id);
            self.changes.placed.remove(&id);
            self.changes.deleted.insert(id);
        }
        self.known.count(place.destination, -1);
    }
}
