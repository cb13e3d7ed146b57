//! What lives, by reading the log: counts and sets of ids, not places.
//!
//! A tool must not need the memory that ten million pending messages with their places take. Of each message only its id is kept,
//! in compressed bitmaps (`roaring`): a bit where ids are dense, a few bytes where they are not. What the index of the engine
//! (`crate::index`) does with each operation is done here a second time, on purpose: tests hold the one against the other.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::{DestinationKind, Operation, Outcome};
use kahawai_store::catalog::{Catalog, Rejection};
use kahawai_store::codec::Span;
use kahawai_store::contract::{DestinationState, Prepared, Recovered, SubscriptionState, TableEntry};
use kahawai_store::names::{BatchName, Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use roaring::RoaringTreemap;

use super::finding::{Lost, name};
use super::read::{Met, Standing};
use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::body;
use crate::format::record::{Kind, Trailer};
use crate::format::relocation::{self, Relocated, Relocation};
use crate::format::snapshot::{self, Snapshot};

/// Where in the order a message stands whose place there is not that of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) arrival: u64,
    pub(crate) rank: u8,
    pub(crate) destination: DestinationId,
}

/// What lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) catalog: Catalog,
    queues: HashMap<DestinationId, RoaringTreemap>,
    waiting: HashMap<SubscriptionId, Waiting>,
    /// Messages that were moved, or committed after they were prepared.
    pub(crate) late: HashMap<MessageId, Late>,
    /// Where messages stand whose first record is gone: segment, offset, span.
    pub(crate) relocated: HashMap<MessageId, (u64, u64, Span)>,
    pub(crate) tables: BTreeMap<(ByteString, Bytes), Bytes>,
    pub(crate) prepared: BTreeMap<Xid, Vec<Chunk>>,
    /// Messages whose bytes are not what was written, where they would be read.
    unreadable: RoaringTreemap,
    pub(crate) arrival_next: u64,
    pub(crate) batch_last: BatchName,
    pub(crate) message_id_next: u64,
    pub(crate) destination_id_next: u64,
    pub(crate) subscription_id_next: u64,
}

#[derive(Clone, Debug, Default)]
struct Waiting {
    start: u64,
    ids: RoaringTreemap,
}

/// One `Prepare` of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Which chunk of its transaction it is, from 0.
    pub(crate) number: u32,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) operations: Vec<Operation<Span>>,
}

/// What applying a record came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// All of it applied.
    Whole,
    /// These operations name what is unknown, and come to nothing.
    Skipped(Vec<Lost>),
    /// It verifies and cannot be read.
    Unreadable,
}

impl Contents {
    /// Applies a record, in the order of the log.
    pub(crate) fn apply(&mut self, met: &Met<'_>) -> Applied {
        if met.standing == Standing::Doubtful {
            return Applied::Whole;
        }
        if met.header.kind == Kind::Relocation && !self.unreadable.is_empty() {
            for held in body::held_in(met.header.kind, met.body).unwrap_or_default() {
                self.unreadable.remove(held.id.0);
            }
        }
        self.unreadable.extend(met.bad.iter().map(|held| held.id.0));
        match met.header.kind {
            Kind::Batch => {
                let Some((operations, trailer)) = decode_batch_body(met.body) else {
                    return Applied::Unreadable;
                };
                let skipped = self.admit(&operations);
                self.apply_batch(operations, met.segment, met.offset, trailer);
                if skipped.is_empty() { Applied::Whole } else { Applied::Skipped(skipped) }
            }
            Kind::Snapshot => match snapshot::decode(met.body) {
                Some((snapshot, operations)) => {
                    self.adopt(&snapshot, &operations);
                    Applied::Whole
                }
                None => Applied::Unreadable,
            },
            Kind::Relocation => match relocation::decode(met.body) {
                Some(relocation) => {
                    self.follow(relocation, met.segment, met.offset);
                    Applied::Whole
                }
                None => Applied::Unreadable,
            },
            Kind::Prepared => match decode_prepared(met.body) {
                Some((xid, number, operations)) => {
                    let prepare = [Operation::Prepare { xid: xid.clone(), operations: operations.clone() }];
                    let skipped = self.admit(&prepare);
                    let (segment, offset) = (met.segment, met.offset);
                    self.keep_chunk(xid, Chunk { number, segment, offset, operations });
                    if skipped.is_empty() { Applied::Whole } else { Applied::Skipped(skipped) }
                }
                None => Applied::Unreadable,
            },
            Kind::Lost => match relocation::decode_lost(met.body) {
                Some((_, messages)) => {
                    messages.into_iter().for_each(|(_, id)| self.lose(id));
                    Applied::Whole
                }
                None => Applied::Unreadable,
            },
            Kind::Release | Kind::Idle | Kind::Close => Applied::Whole,
        }
    }

    /// Takes in the messages of a relocation that are not known, since the segment that held them is gone.
    fn follow(&mut self, relocation: Relocation, segment: u64, offset: u64) {
        let floors: HashMap<_, _> = relocation.floors.into_iter().collect();
        for message in relocation.messages {
            let Relocated { id, destination, cursor, acknowledged, span } = message;
            let waits = self.waiting.values().any(|waiting| waiting.ids.contains(id.0));
            if waits || self.queues.values().any(|queue| queue.contains(id.0)) {
                continue;
            }
            if let Some(queue) = self.queues.get_mut(&destination) {
                queue.insert(id.0);
            }
            for subscription in self.catalog.subscriptions_of(destination) {
                if floors.get(subscription).is_some_and(|floor| *floor <= cursor.arrival)
                    && !acknowledged.contains(subscription)
                    && let Some(waiting) = self.waiting.get_mut(subscription)
                {
                    waiting.ids.insert(id.0);
                }
            }
            let (arrival, rank) = (cursor.arrival, cursor.rank);
            self.late.insert(id, Late { arrival, rank, destination });
            self.relocated.insert(id, (segment, offset, span));
        }
    }

    fn lose(&mut self, id: MessageId) {
        self.queues.values_mut().for_each(|queue| {
            queue.remove(id.0);
        });
        self.waiting.values_mut().for_each(|waiting| {
            waiting.ids.remove(id.0);
        });
        self.late.remove(&id);
        self.relocated.remove(&id);
    }

    fn keep_chunk(&mut self, xid: Xid, chunk: Chunk) {
        let chunks = self.prepared.entry(xid).or_default();
        match chunks.binary_search_by_key(&chunk.number, |chunk| chunk.number) {
            Ok(found) => chunks[found] = chunk,
            Err(place) => chunks.insert(place, chunk),
        }
    }

    fn prepare(&mut self, xid: Xid, chunk: Chunk) {
        for operation in &chunk.operations {
            if let Operation::Enqueue { id, .. } = operation {
                self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
            }
        }
        if chunk.number == 0 {
            // What is left of that name was decided, and that was lost.
            self.prepared.remove(&xid);
        }
        self.keep_chunk(xid, chunk);
    }

    fn admit(&mut self, operations: &[Operation<Span>]) -> Vec<Lost> {
        if self.catalog.admit(operations).is_ok() {
            return Vec::new();
        }
        let mut is_refused = |operation| match self.catalog.admit(std::slice::from_ref(operation)) {
            Ok(()) | Err(Rejection::NotPrepared(_)) => false,
            Err(_) => true,
        };
        let refused = operations.iter().filter(|operation| is_refused(operation));
        refused.flat_map(|operation| name(std::slice::from_ref(operation))).collect()
    }

    fn apply_batch(
        &mut self,
        operations: Vec<Operation<Span>>,
        segment: u64,
        offset: u64,
        trailer: Trailer<Vec<Operation<Span>>>,
    ) {
        self.arrival_next = self.arrival_next.max(trailer.arrival_first);
        self.batch_last = self.batch_last.max(trailer.name);
        let mut decided = trailer.decided.into_iter();
        let mut numbers = trailer.chunks.into_iter();
        for operation in operations {
            match operation {
                Operation::Prepare { xid, operations } => {
                    let number = numbers.next().unwrap_or(0);
                    self.prepare(xid, Chunk { number, segment, offset, operations });
                }
                Operation::Decide { xid, outcome } => {
                    let remembered = decided.by_ref().map_while(|operation| match operation {
                        Operation::Prepare { operations, .. } => Some(operations),
                        _ => None,
                    });
                    let remembered: Vec<_> = remembered.collect();
                    self.decide(&xid, outcome, remembered);
                }
                operation => self.apply_one(operation, segment, offset, false),
            }
        }
    }

    fn decide(&mut self, xid: &Xid, outcome: Outcome, remembered: Vec<Vec<Operation<Span>>>) {
        let chunks = self.prepared.remove(xid).unwrap_or_default();
        if outcome == Outcome::Rollback {
            return;
        }
        let mut chunks = chunks.into_iter().peekable();
        for (number, operations) in remembered.into_iter().enumerate() {
            if let Some(chunk) = chunks.next_if(|chunk| chunk.number as usize == number) {
                for operation in chunk.operations {
                    self.apply_one(operation, chunk.segment, chunk.offset, true);
                }
                continue;
            }
            for operation in operations {
                if let Operation::Enqueue { .. } = operation {
                    self.take_arrival();
                } else {
                    self.apply_one(operation, 0, 0, true);
                }
            }
        }
        for chunk in chunks {
            for operation in chunk.operations {
                self.apply_one(operation, chunk.segment, chunk.offset, true);
            }
        }
    }

    fn apply_one(&mut self, operation: Operation<Span>, segment: u64, offset: u64, late: bool) {
        match operation {
            Operation::CreateDestination(found) => {
                self.destination_id_next = self.destination_id_next.max(found.id.0.saturating_add(1));
                self.begin(found.id, found.kind);
            }
            Operation::RemoveDestination(id) => {
                self.queues.remove(&id);
                self.drop_unlisted_subscriptions();
            }
            Operation::Subscribe(found) => {
                self.subscription_id_next = self.subscription_id_next.max(found.id.0.saturating_add(1));
                if self.catalog.subscription(found.id).is_some() {
                    let start = self.arrival_next;
                    self.waiting.insert(found.id, Waiting { start, ids: RoaringTreemap::new() });
                }
            }
            Operation::Unsubscribe(id) => {
                self.waiting.remove(&id);
            }
            Operation::Enqueue { id, destination, rank, .. } => {
                self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
                let arrival = self.take_arrival();
                if self.insert(destination, id, arrival) && late {
                    self.late.insert(id, Late { arrival, rank, destination });
                }
            }
            // It is of another place.
            Operation::Acknowledge { id, cursor, .. } if !self.may_stand(id, cursor) => {}
            Operation::Acknowledge { destination, id, subscription, .. } => match subscription {
                None => {
                    if let Some(queue) = self.queues.get_mut(&destination)
                        && queue.remove(id.0)
                    {
                        self.late.remove(&id);
                    }
                }
                Some(subscription) => {
                    let there = self.catalog.subscription(subscription);
                    if there.is_some_and(|found| found.destination == destination)
                        && let Some(waiting) = self.waiting.get_mut(&subscription)
                    {
                        waiting.ids.remove(id.0);
                    }
                }
            },
            Operation::Move { id, from, cursor, to, rank } => {
                let arrival = self.take_arrival();
                let there = self.may_stand(id, cursor)
                    && self.queues.get(&from).is_some_and(|queue| queue.contains(id.0));
                if there && self.queues.contains_key(&to) {
                    if let Some(queue) = self.queues.get_mut(&from) {
                        queue.remove(id.0);
                    }
                    self.insert(to, id, arrival);
                    self.late.insert(id, Late { arrival, rank, destination: to });
                }
            }
            Operation::Prepare { xid, operations } => {
                self.prepare(xid, Chunk { number: 0, segment, offset, operations });
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

    /// Whether a message may stand at a cursor: one that stands elsewhere than where it was sent does so at one alone. Where the others
    /// stand is not kept here, and nobody is told another cursor of them.
    pub(crate) fn may_stand(&self, id: MessageId, cursor: Cursor) -> bool {
        let late = self.late.get(&id);
        late.is_none_or(|late| (late.rank, late.arrival) == (cursor.rank, cursor.arrival))
    }

    fn take_arrival(&mut self) -> u64 {
        let arrival = self.arrival_next;
        self.arrival_next = arrival.saturating_add(1);
        arrival
    }

    fn begin(&mut self, id: DestinationId, kind: DestinationKind) {
        if kind == DestinationKind::Queue {
            self.queues.entry(id).or_default();
        }
    }

    fn insert(&mut self, destination: DestinationId, id: MessageId, arrival: u64) -> bool {
        if let Some(queue) = self.queues.get_mut(&destination) {
            queue.insert(id.0);
            return true;
        }
        let mut kept = false;
        for subscription in self.catalog.subscriptions_of(destination) {
            if let Some(waiting) = self.waiting.get_mut(subscription)
                && waiting.start <= arrival
            {
                waiting.ids.insert(id.0);
                kept = true;
            }
        }
        kept
    }

    fn drop_unlisted_subscriptions(&mut self) {
        let catalog = &self.catalog;
        self.waiting.retain(|id, _| catalog.subscription(*id).is_some());
    }

    fn adopt(&mut self, snapshot: &Snapshot, operations: &[Operation<Span>]) {
        self.arrival_next = self.arrival_next.max(snapshot.arrival_next);
        self.batch_last = self.batch_last.max(snapshot.batch_last);
        self.message_id_next = self.message_id_next.max(snapshot.message_id_next);
        self.destination_id_next = self.destination_id_next.max(snapshot.destination_id_next);
        self.subscription_id_next = self.subscription_id_next.max(snapshot.subscription_id_next);
        self.remove_unlisted(operations);
        self.tables.clear();
        let mut starts = snapshot.starts.iter();
        for operation in operations {
            match operation {
                Operation::CreateDestination(found) if self.catalog.destination(found.id).is_none() => {
                    self.admit(std::slice::from_ref(operation));
                    self.begin(found.id, found.kind);
                }
                Operation::Subscribe(found) => {
                    let start = starts.next().copied().unwrap_or(self.arrival_next);
                    if self.catalog.subscription(found.id).is_none() {
                        self.admit(std::slice::from_ref(operation));
                        if self.catalog.subscription(found.id).is_some() {
                            self.waiting.insert(found.id, Waiting { start, ids: RoaringTreemap::new() });
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

    fn remove_unlisted(&mut self, listed: &[Operation<Span>]) {
        let mut destinations = std::collections::HashSet::new();
        let mut subscriptions = std::collections::HashSet::new();
        for operation in listed {
            match operation {
                Operation::CreateDestination(found) => {
                    destinations.insert(found.id);
                }
                Operation::Subscribe(found) => {
                    subscriptions.insert(found.id);
                }
                _ => {}
            }
        }
        let gone: Vec<_> = self.catalog.subscriptions().map(|found| found.id).collect();
        for id in gone.into_iter().filter(|id| !subscriptions.contains(id)) {
            self.admit(&[Operation::Unsubscribe(id)]);
            self.waiting.remove(&id);
        }
        let gone: Vec<_> = self.catalog.destinations().map(|found| found.id).collect();
        for id in gone.into_iter().filter(|id| !destinations.contains(id)) {
            self.admit(&[Operation::RemoveDestination(id)]);
            self.queues.remove(&id);
            self.drop_unlisted_subscriptions();
        }
    }

    /// How many messages a destination keeps.
    pub(crate) fn count(&self, id: DestinationId) -> u64 {
        self.count_readable(&self.ids_of(id))
    }

    /// What the store holds, as the contract tells it.
    pub(crate) fn recovered(&self, epoch: Epoch) -> Recovered {
        let destinations = self
            .catalog
            .destinations()
            .map(|found| DestinationState { destination: found.clone(), messages: self.count(found.id) });
        let subscriptions = self.catalog.subscriptions().map(|found| SubscriptionState {
            subscription: found.clone(),
            messages: self.count_for(found.id),
        });
        let prepared = self
            .prepared
            .iter()
            .map(|(xid, chunks)| Prepared::of(xid, chunks.iter().flat_map(|chunk| &chunk.operations)));
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
            batch_last: self.batch_last,
            arrival_next: self.arrival_next,
            damage: Vec::new(),
        }
    }

    /// How many messages wait for a subscription, and can be read.
    pub(crate) fn count_for(&self, id: SubscriptionId) -> u64 {
        self.waiting.get(&id).map_or(0, |waiting| self.count_readable(&waiting.ids))
    }

    fn count_readable(&self, ids: &RoaringTreemap) -> u64 {
        ids.len() - ids.intersection_len(&self.unreadable)
    }

    /// Whether a message lives and can be read.
    pub(crate) fn is_readable(&self, id: MessageId) -> bool {
        let lives = || {
            self.queues.values().any(|queue| queue.contains(id.0))
                || self.waiting.values().any(|waiting| waiting.ids.contains(id.0))
        };
        !self.is_damaged(id) && lives()
    }

    /// Whether a message's bytes are not what was written.
    pub(crate) fn is_damaged(&self, id: MessageId) -> bool {
        self.unreadable.contains(id.0)
    }

    /// Whether a message waits for a subscription.
    pub(crate) fn waits_for(&self, id: SubscriptionId, message: MessageId) -> bool {
        self.waiting.get(&id).is_some_and(|waiting| waiting.ids.contains(message.0))
    }

    /// The messages that a destination keeps.
    pub(crate) fn ids_of(&self, id: DestinationId) -> RoaringTreemap {
        if let Some(queue) = self.queues.get(&id) {
            return queue.clone();
        }
        let waiting = self.catalog.subscriptions_of(id).iter().filter_map(|id| self.waiting.get(id));
        let mut ids = RoaringTreemap::new();
        for waiting in waiting {
            ids |= &waiting.ids;
        }
        ids
    }

    /// Every message that lives anywhere.
    pub(crate) fn live(&self) -> RoaringTreemap {
        let mut live = RoaringTreemap::new();
        for queue in self.queues.values() {
            live |= queue;
        }
        for waiting in self.waiting.values() {
            live |= &waiting.ids;
        }
        live
    }
}
