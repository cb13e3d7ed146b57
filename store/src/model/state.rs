//! The contract's rules over plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::batch::{Batch, DestinationKind, Operation, Outcome};
use crate::catalog::{Catalog, Rejection};
use crate::contract::{
    Committed, DestinationState, Page, Prepared, ReadRequest, Recovered, StoredMessage, SubscriptionState,
    TableEntry,
};
use crate::message::Message;
use crate::names::{BatchName, Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Term, Xid};
use crate::replica::{Copied, check_order};

/// What a store holds, and how each operation changes it.
#[derive(Clone, Debug, Default)]
pub struct State {
    catalog: Catalog,
    /// The messages of each destination, in the order in which they are read.
    messages: BTreeMap<DestinationId, BTreeMap<Cursor, Kept>>,
    /// Where each message stands.
    places: BTreeMap<MessageId, (DestinationId, Cursor)>,
    progress: BTreeMap<SubscriptionId, Progress>,
    prepared: BTreeMap<Xid, Vec<Operation>>,
    tables: BTreeMap<(ByteString, Bytes), Bytes>,
    arrival_next: u64,
    term: Option<Term>,
    batch_last: BatchName,
    message_id_next: u64,
    destination_id_next: u64,
    subscription_id_next: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    id: MessageId,
    message: Arc<Message>,
}

/// How far a subscription is: a position and exceptions.
#[derive(Clone, Debug)]
struct Progress {
    topic: DestinationId,
    /// The first arrival it gets.
    from: u64,
    /// The arrivals from there on that it has acknowledged, while others keep the message.
    acknowledged: BTreeSet<u64>,
}

impl Progress {
    fn wants(&self, topic: DestinationId, arrival: u64) -> bool {
        self.topic == topic && self.from <= arrival && !self.acknowledged.contains(&arrival)
    }
}

impl State {
    /// Applies a batch, all of it or nothing.
    ///
    /// # Errors
    /// The first rule that the batch breaks; nothing is changed then.
    pub fn apply(&mut self, batch: Batch) -> Result<Committed, Rejection> {
        let name = self.batch_last.next(self.term.unwrap_or(self.batch_last.term));
        self.append(Copied { name, arrival_first: self.arrival_next, batch })
    }

    /// Applies a batch that another copy took, all of it or nothing.
    ///
    /// # Errors
    /// The first rule that the batch breaks; nothing is changed then.
    pub fn append(&mut self, copied: Copied) -> Result<Committed, Rejection> {
        let Copied { name, arrival_first, batch } = copied;
        check_order(name, arrival_first, self.batch_last, self.arrival_next)?;
        self.catalog.admit(&batch.operations)?;
        self.batch_last = name;
        self.arrival_next = arrival_first;
        for operation in batch.operations {
            self.apply_one(operation);
        }
        Ok(Committed { arrival_first, name })
    }

    /// See [`crate::replica::Replica::begin_term`].
    pub fn begin_term(&mut self, term: Option<Term>) {
        self.term = term;
    }

    /// See [`crate::replica::Replica::prepared`]; chunks are not kept apart here.
    ///
    /// # Errors
    /// Where it is not prepared.
    pub fn prepared(&self, xid: &Xid) -> Result<Vec<Vec<Operation>>, Rejection> {
        let operations = self.prepared.get(xid).ok_or_else(|| Rejection::NotPrepared(xid.clone()))?;
        Ok(vec![operations.clone()])
    }

    /// Reads a page.
    ///
    /// # Errors
    /// Where the destination or subscription does not exist.
    pub fn read(&self, request: &ReadRequest) -> Result<Page, Rejection> {
        self.catalog.check_read(request.destination, request.subscription)?;
        let progress = request.subscription.and_then(|id| self.progress.get(&id));
        let beyond = |cursor: &Cursor| request.after.is_none_or(|after| *cursor > after);
        let wanted = |cursor: &Cursor| {
            progress.is_none_or(|progress| progress.wants(request.destination, cursor.arrival))
        };
        let mut candidates = self
            .messages
            .get(&request.destination)
            .into_iter()
            .flatten()
            .filter(|(cursor, _)| beyond(cursor) && wanted(cursor))
            .peekable();

        let mut page = Page::default();
        let mut bytes = 0;
        while page.messages.len() < request.messages_max
            && let Some((cursor, kept)) = candidates.peek()
        {
            bytes += kept.message.size();
            if bytes > request.bytes_max && !page.messages.is_empty() {
                break;
            }
            page.messages.push(StoredMessage {
                id: kept.id,
                cursor: **cursor,
                message: kept.message.clone(),
            });
            candidates.next();
        }
        page.end = candidates.peek().is_none();
        Ok(page)
    }

    /// What the store holds, but for the epoch, which is not the state's.
    pub fn recover(&self, epoch: Epoch) -> Recovered {
        let destinations = self.catalog.destinations().map(|destination| DestinationState {
            destination: destination.clone(),
            messages: self.messages.get(&destination.id).map_or(0, BTreeMap::len) as u64,
        });
        let subscriptions = self.catalog.subscriptions().map(|subscription| SubscriptionState {
            subscription: subscription.clone(),
            messages: self.waiting(subscription.id, subscription.destination),
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
            prepared: self.prepared.iter().map(|(xid, operations)| Prepared::of(xid, operations)).collect(),
            tables: tables.collect(),
            message_id_next: MessageId(self.message_id_next),
            destination_id_next: DestinationId(self.destination_id_next),
            subscription_id_next: SubscriptionId(self.subscription_id_next),
            batch_last: self.batch_last,
            arrival_next: self.arrival_next,
            damage: Vec::new(),
        }
    }

    fn waiting(&self, subscription: SubscriptionId, topic: DestinationId) -> u64 {
        let Some(progress) = self.progress.get(&subscription) else { return 0 };
        let cursors = self.messages.get(&topic).into_iter().flat_map(BTreeMap::keys);
        cursors.filter(|cursor| progress.wants(topic, cursor.arrival)).count() as u64
    }

    fn apply_one(&mut self, operation: Operation) {
        match operation {
            Operation::CreateDestination(destination) => {
                self.destination_id_next = self.destination_id_next.max(destination.id.0.saturating_add(1));
                self.messages.insert(destination.id, BTreeMap::new());
            }
            Operation::RemoveDestination(id) => {
                self.messages.remove(&id);
                self.places.retain(|_, (destination, _)| *destination != id);
                self.progress.retain(|_, progress| progress.topic != id);
            }
            Operation::Subscribe(subscription) => {
                self.subscription_id_next =
                    self.subscription_id_next.max(subscription.id.0.saturating_add(1));
                let progress = Progress {
                    topic: subscription.destination,
                    from: self.arrival_next,
                    acknowledged: BTreeSet::new(),
                };
                self.progress.insert(subscription.id, progress);
            }
            Operation::Unsubscribe(id) => {
                if let Some(progress) = self.progress.remove(&id) {
                    self.drop_unwanted(progress.topic);
                }
            }
            Operation::Enqueue { id, destination, rank, message } => {
                self.note_message_id(id);
                let cursor = Cursor { rank, arrival: self.take_arrival() };
                if self.is_wanted(destination, cursor.arrival) {
                    self.place(destination, cursor, Kept { id, message });
                }
            }
            Operation::Acknowledge { destination, id, cursor, subscription } => {
                self.acknowledge(destination, id, cursor, subscription);
            }
            Operation::Move { id, from, cursor, to, rank } => {
                let end = Cursor { rank, arrival: self.take_arrival() };
                if let Some(kept) = self.take(from, id, cursor) {
                    self.place(to, end, kept);
                }
            }
            Operation::Prepare { xid, operations } => {
                for operation in &operations {
                    if let Operation::Enqueue { id, .. } = operation {
                        self.note_message_id(*id);
                    }
                }
                self.prepared.entry(xid).or_default().extend(operations);
            }
            Operation::Decide { xid, outcome } => {
                let operations = self.prepared.remove(&xid).unwrap_or_default();
                if outcome == Outcome::Commit {
                    for operation in operations {
                        self.apply_one(operation);
                    }
                }
            }
            Operation::Put { table, key, value } => {
                match value {
                    Some(value) => self.tables.insert((table, key), value),
                    None => self.tables.remove(&(table, key)),
                };
            }
        }
    }

    fn acknowledge(
        &mut self,
        destination: DestinationId,
        id: MessageId,
        cursor: Cursor,
        subscription: Option<SubscriptionId>,
    ) {
        match (self.kind(destination), subscription) {
            (Some(DestinationKind::Queue), None) => {
                self.take(destination, id, cursor);
            }
            (Some(DestinationKind::Topic), Some(subscription)) => {
                let stands = self.stands(destination, id, cursor);
                let Some(progress) = self.progress.get_mut(&subscription) else { return };
                if stands && progress.wants(destination, cursor.arrival) {
                    progress.acknowledged.insert(cursor.arrival);
                    self.drop_unwanted(destination);
                }
            }
            _ => {}
        }
    }

    fn kind(&self, destination: DestinationId) -> Option<DestinationKind> {
        self.catalog.destination(destination).map(|destination| destination.kind)
    }

    /// Whether anyone is to get what arrives, or arrived, at a destination.
    fn is_wanted(&self, destination: DestinationId, arrival: u64) -> bool {
        match self.kind(destination) {
            Some(DestinationKind::Queue) => true,
            Some(DestinationKind::Topic) => {
                self.progress.values().any(|progress| progress.wants(destination, arrival))
            }
            // A later operation of the batch removes it; it is there until then, and what arrives may be moved away before.
            None => self.messages.contains_key(&destination),
        }
    }

    /// Forgets the messages of a topic that no subscription waits for any more.
    fn drop_unwanted(&mut self, topic: DestinationId) {
        let Some(messages) = self.messages.get(&topic) else { return };
        let unwanted = messages
            .iter()
            .filter(|(cursor, _)| !self.is_wanted(topic, cursor.arrival))
            .map(|(_, kept)| kept.id)
            .collect::<Vec<_>>();
        for id in unwanted {
            if let Some((_, cursor)) = self.places.get(&id).copied() {
                for progress in self.progress.values_mut() {
                    progress.acknowledged.remove(&cursor.arrival);
                }
                self.take(topic, id, cursor);
            }
        }
    }

    fn place(&mut self, destination: DestinationId, cursor: Cursor, kept: Kept) {
        self.places.insert(kept.id, (destination, cursor));
        self.messages.entry(destination).or_default().insert(cursor, kept);
    }

    /// Whether a message stands there, and not elsewhere.
    fn stands(&self, destination: DestinationId, id: MessageId, cursor: Cursor) -> bool {
        self.places.get(&id) == Some(&(destination, cursor))
    }

    fn take(&mut self, destination: DestinationId, id: MessageId, cursor: Cursor) -> Option<Kept> {
        if !self.stands(destination, id, cursor) {
            return None;
        }
        self.places.remove(&id);
        self.messages.get_mut(&destination)?.remove(&cursor)
    }

    fn take_arrival(&mut self) -> u64 {
        self.arrival_next += 1;
        self.arrival_next - 1
    }

    fn note_message_id(&mut self, id: MessageId) {
        self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
    }
}
