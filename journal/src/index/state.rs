//! What exists: the catalogue, tables, prepared transactions and the next numbers. Small, always current, and written whole at
//! the start of every segment.
//!
//! It alone decides what a batch means: which arrival each message gets, what a decided transaction held. What
//! that does to messages comes out as [`Change`]s, for [`super::messages::Messages`] to follow now or, where that is being
//! rebuilt, later.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::{Operation, Outcome};
use kahawai_store::catalog::{Catalog, Rejection};
use kahawai_store::codec::Span;
use kahawai_store::contract::{Prepared, TableEntry};
use kahawai_store::message::Message;
use kahawai_store::names::{BatchName, Cursor, SubscriptionId, Xid};

use super::location::{Change, Location, RecordAt};
use crate::format::record::Trailer;
use crate::format::snapshot::Snapshot;

/// What exists, but for messages.
#[derive(Debug, Default)]
pub(crate) struct State {
    catalog: Catalog,
    tables: BTreeMap<(ByteString, Bytes), Bytes>,
    /// In the order of the chunks' numbers.
    prepared: BTreeMap<Xid, Vec<PreparedChunk>>,
    prepared_bytes: u64,
    /// For each subscription the arrival from which on it gets messages.
    starts: BTreeMap<SubscriptionId, u64>,
    arrival_next: u64,
    message_id_next: u64,
    destination_id_next: u64,
    subscription_id_next: u64,
    batch_last: BatchName,
}

/// One `Prepare` of a transaction, and the record that holds it, which lives until the transaction is decided.
#[derive(Clone, Debug)]
pub(crate) struct PreparedChunk {
    /// Which chunk of its transaction it is, from 0.
    pub(crate) number: u32,
    pub(crate) at: RecordAt,
    pub(crate) operations: Vec<Operation<Span>>,
}

impl PreparedChunk {
    /// What it takes in the log, about.
    pub(crate) fn bytes(&self) -> u64 {
        const FIXED: u64 = 64;
        let messages = self.operations.iter().map(|operation| match operation {
            Operation::Enqueue { message, .. } => u64::from(message.length) + FIXED,
            Operation::Put { value, .. } => value.as_ref().map_or(0, Bytes::len) as u64 + FIXED,
            _ => FIXED,
        });
        messages.sum::<u64>() + 2 * FIXED
    }
}

impl State {
    /// What exists, to admit batches by.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The same, to admit one.
    pub(crate) fn catalog_mut(&mut self) -> &mut Catalog {
        &mut self.catalog
    }

    /// The number the next arrival gets.
    pub(crate) fn arrival_next(&self) -> u64 {
        self.arrival_next
    }

    /// The name of the last batch.
    pub(crate) fn batch_last(&self) -> BatchName {
        self.batch_last
    }

    /// The next message, destination and subscription ids.
    pub(crate) fn ids_next(&self) -> (u64, u64, u64) {
        (self.message_id_next, self.destination_id_next, self.subscription_id_next)
    }

    /// How many records of a segment hold prepared transactions that are not decided.
    pub(crate) fn prepared_in(&self, segment: u64) -> u64 {
        let chunks = self.prepared.values().flatten();
        chunks.filter(|chunk| chunk.at.segment == segment).count() as u64
    }

    /// What is prepared and not decided takes about so many bytes of the log.
    pub(crate) fn prepared_bytes(&self) -> u64 {
        self.prepared_bytes
    }

    /// One chunk of an undecided transaction that a segment holds.
    pub(crate) fn chunk_in(&self, segment: u64) -> Option<(&Xid, &PreparedChunk)> {
        let mut chunks =
            self.prepared.iter().flat_map(|(xid, chunks)| chunks.iter().map(move |chunk| (xid, chunk)));
        chunks.find(|(_, chunk)| chunk.at.segment == segment)
    }

    /// Whether a chunk is undecided and stands there.
    pub(crate) fn has_chunk(&self, xid: &Xid, number: u32, at: RecordAt) -> bool {
        let chunks = self.prepared.get(xid);
        chunks.into_iter().flatten().any(|chunk| chunk.number == number && chunk.at == at)
    }

    /// A chunk stands here from now on, whether it was known or the segment that held it is gone.
    pub(crate) fn keep_chunk(&mut self, xid: Xid, chunk: PreparedChunk) {
        self.prepared_bytes += chunk.bytes();
        let chunks = self.prepared.entry(xid).or_default();
        match chunks.binary_search_by_key(&chunk.number, |chunk| chunk.number) {
            Ok(found) => {
                let before = std::mem::replace(&mut chunks[found], chunk);
                self.prepared_bytes -= before.bytes();
            }
            Err(place) => chunks.insert(place, chunk),
        }
    }

    /// Which chunks of their transactions a batch prepares, in order; see [`Trailer`].
    pub(crate) fn chunk_numbers(&self, operations: &[Operation<Span>]) -> Vec<u32> {
        let mut next: HashMap<&Xid, u32> = HashMap::new();
        let mut numbers = Vec::new();
        for operation in operations {
            match operation {
                Operation::Prepare { xid, .. } => {
                    let known = || self.prepared.get(xid).and_then(|chunks| chunks.last());
                    let next = next.entry(xid).or_insert_with(|| known().map_or(0, |last| last.number + 1));
                    numbers.push(*next);
                    *next += 1;
                }
                Operation::Decide { xid, .. } => {
                    next.insert(xid, 0);
                }
                _ => {}
            }
        }
        numbers
    }

    /// The transactions that are prepared.
    pub(crate) fn prepared(&self) -> impl Iterator<Item = Prepared> {
        self.prepared
            .iter()
            .map(|(xid, chunks)| Prepared::of(xid, chunks.iter().flat_map(|chunk| &chunk.operations)))
    }

    /// The chunks of a prepared transaction in their order: where each stands, and what it does. `None` where it is not prepared.
    pub(crate) fn chunks_of(&self, xid: &Xid) -> Option<Vec<(RecordAt, Vec<Operation<Span>>)>> {
        let chunks = self.prepared.get(xid)?;
        Some(chunks.iter().map(|chunk| (chunk.at, chunk.operations.clone())).collect())
    }

    /// Where the chunks of what is prepared stand, in their order.
    pub(crate) fn prepared_at(&self) -> Vec<(Xid, u32, RecordAt)> {
        let chunks = |(xid, chunks): (&Xid, &Vec<PreparedChunk>)| {
            chunks.iter().map(|chunk| (xid.clone(), chunk.number, chunk.at)).collect::<Vec<_>>()
        };
        self.prepared.iter().flat_map(chunks).collect()
    }

    /// The tables' entries.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableEntry> {
        self.tables.iter().map(|((table, key), value)| TableEntry {
            table: table.clone(),
            key: key.clone(),
            value: value.clone(),
        })
    }

    /// Applies a batch that stands in a record, in the order of the log, and tells what it does to messages. The catalogue has
    /// admitted it already.
    ///
    /// What names something unknown comes to nothing: after damage the log may hold the consequences of what was lost.
    pub(crate) fn apply(
        &mut self,
        operations: Vec<Operation<Span>>,
        at: RecordAt,
        trailer: Trailer<Vec<Operation<Span>>>,
        told: &mut impl FnMut(Change),
    ) {
        self.arrival_next = self.arrival_next.max(trailer.arrival_first);
        self.batch_last = self.batch_last.max(trailer.name);
        let mut decided = trailer.decided.into_iter();
        let mut numbers = trailer.chunks.into_iter();
        for operation in operations {
            match operation {
                Operation::Prepare { xid, operations } => {
                    self.prepare(xid, PreparedChunk { number: numbers.next().unwrap_or(0), at, operations });
                }
                Operation::Decide { xid, outcome } => {
                    let remembered = decided.by_ref().map_while(|operation| match operation {
                        Operation::Prepare { operations, .. } => Some(operations),
                        _ => None,
                    });
                    let remembered: Vec<_> = remembered.collect();
                    self.decide(&xid, outcome, remembered, told);
                }
                operation => self.apply_one(operation, at, told),
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

    fn prepare(&mut self, xid: Xid, chunk: PreparedChunk) {
        for operation in &chunk.operations {
            if let Operation::Enqueue { id, .. } = operation {
                self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
            }
        }
        if chunk.number == 0 {
            // What is left of that name was decided, and that was lost.
            self.forget_chunks(&xid);
        }
        self.keep_chunk(xid, chunk);
    }

    fn forget_chunks(&mut self, xid: &Xid) -> Vec<PreparedChunk> {
        let chunks = self.prepared.remove(xid).unwrap_or_default();
        self.prepared_bytes -= chunks.iter().map(PreparedChunk::bytes).sum::<u64>();
        chunks
    }

    /// Ends a prepared transaction. Of the chunks `remembered` some may be gone, with the segments that held them.
    fn decide(
        &mut self,
        xid: &Xid,
        outcome: Outcome,
        remembered: Vec<Vec<Operation<Span>>>,
        told: &mut impl FnMut(Change),
    ) {
        let chunks = self.forget_chunks(xid);
        if outcome == Outcome::Rollback {
            return;
        }
        let nowhere = RecordAt { segment: 0, offset: 0 };
        let mut chunks = chunks.into_iter().peekable();
        for (number, operations) in remembered.into_iter().enumerate() {
            if let Some(chunk) = chunks.next_if(|chunk| chunk.number as usize == number) {
                for operation in chunk.operations {
                    self.apply_one(operation, chunk.at, told);
                }
                continue;
            }
            for operation in operations {
                if let Operation::Enqueue { .. } = operation {
                    // The message is gone, or stands in a relocation record that is still to come.
                    self.take_arrival();
                } else {
                    self.apply_one(operation, nowhere, told);
                }
            }
        }
        for chunk in chunks {
            for operation in chunk.operations {
                self.apply_one(operation, chunk.at, told);
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

    fn apply_one(&mut self, operation: Operation<Span>, at: RecordAt, told: &mut impl FnMut(Change)) {
        match operation {
            Operation::CreateDestination(destination) => {
                self.destination_id_next = self.destination_id_next.max(destination.id.0.saturating_add(1));
                told(Change::Begin { destination: destination.id, kind: destination.kind });
            }
            Operation::RemoveDestination(id) => {
                let catalog = &self.catalog;
                self.starts.retain(|subscription, _| catalog.subscription(*subscription).is_some());
                told(Change::Remove(id));
            }
            Operation::Subscribe(subscription) => {
                self.subscription_id_next =
                    self.subscription_id_next.max(subscription.id.0.saturating_add(1));
                let start = self.arrival_next;
                self.starts.insert(subscription.id, start);
                told(Change::Subscribe { topic: subscription.destination, id: subscription.id, start });
            }
            Operation::Unsubscribe(id) => {
                self.starts.remove(&id);
                told(Change::Unsubscribe(id));
            }
            Operation::Enqueue { id, destination, rank, message } => {
                self.message_id_next = self.message_id_next.max(id.0.saturating_add(1));
                let location = Location { segment: at.segment, record: at.offset, span: message };
                let cursor = Cursor { rank, arrival: self.take_arrival() };
                told(Change::Insert { destination, id, cursor, location });
            }
            Operation::Acknowledge { destination, id, cursor, subscription } => {
                told(Change::Acknowledge { destination, id, cursor, subscription });
            }
            Operation::Move { id, from, cursor, to, rank } => {
                let end = Cursor { rank, arrival: self.take_arrival() };
                told(Change::Move { id, from, cursor, to, end });
            }
            Operation::Prepare { xid, operations } => {
                self.prepare(xid, PreparedChunk { number: 0, at, operations });
            }
            Operation::Decide { xid, outcome } => self.decide(&xid, outcome, Vec::new(), told),
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

    /// What exists now, for the start of a segment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let destinations = self.catalog.destinations().cloned().map(Operation::CreateDestination);
        let subscriptions = self.catalog.subscriptions().cloned().map(Operation::Subscribe);
        let puts = self.tables.iter().map(|((table, key), value)| Operation::Put {
            table: table.clone(),
            key: key.clone(),
            value: Some(value.clone()),
        });
        let chunks =
            || self.prepared.iter().flat_map(|(xid, chunks)| chunks.iter().map(move |chunk| (xid, chunk)));
        let prepared =
            chunks().map(|(xid, _)| Operation::Prepare { xid: xid.clone(), operations: Vec::new() });
        let start_of = |id| self.starts.get(&id).copied().unwrap_or(self.arrival_next);
        Snapshot {
            arrival_next: self.arrival_next,
            message_id_next: self.message_id_next,
            destination_id_next: self.destination_id_next,
            subscription_id_next: self.subscription_id_next,
            batch_last: self.batch_last,
            starts: self.catalog.subscriptions().map(|subscription| start_of(subscription.id)).collect(),
            prepared: chunks().map(|(_, chunk)| (chunk.at.segment, chunk.at.offset)).collect(),
            operations: destinations.chain(subscriptions).chain(puts).chain(prepared).collect(),
        }
    }

    /// Brings what exists to what a snapshot says. Where the log before it was read whole, nothing changes.
    pub(crate) fn adopt(
        &mut self,
        snapshot: &Snapshot,
        operations: &[Operation<Span>],
        told: &mut impl FnMut(Change),
    ) {
        self.arrival_next = self.arrival_next.max(snapshot.arrival_next);
        self.message_id_next = self.message_id_next.max(snapshot.message_id_next);
        self.destination_id_next = self.destination_id_next.max(snapshot.destination_id_next);
        self.subscription_id_next = self.subscription_id_next.max(snapshot.subscription_id_next);
        self.batch_last = self.batch_last.max(snapshot.batch_last);
        self.remove_unlisted(operations, told);
        self.tables.clear();
        let mut starts = snapshot.starts.iter();
        for operation in operations {
            match operation {
                Operation::CreateDestination(destination)
                    if self.catalog.destination(destination.id).is_none() =>
                {
                    self.admit_replayed(std::slice::from_ref(operation));
                    told(Change::Begin { destination: destination.id, kind: destination.kind });
                }
                Operation::Subscribe(subscription) => {
                    let start = starts.next().copied().unwrap_or(self.arrival_next);
                    if self.catalog.subscription(subscription.id).is_none() {
                        self.admit_replayed(std::slice::from_ref(operation));
                        self.starts.insert(subscription.id, start);
                        let topic = subscription.destination;
                        told(Change::Subscribe { topic, id: subscription.id, start });
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
    fn remove_unlisted(&mut self, listed: &[Operation<Span>], told: &mut impl FnMut(Change)) {
        let mut destinations = HashSet::new();
        let mut subscriptions = HashSet::new();
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
            self.starts.remove(&id);
            told(Change::Unsubscribe(id));
        }
        let gone: Vec<_> = self.catalog.destinations().map(|found| found.id).collect();
        for id in gone.into_iter().filter(|id| !destinations.contains(id)) {
            self.admit_replayed(&[Operation::RemoveDestination(id)]);
            told(Change::Remove(id));
        }
    }
}

/// The same operation with an empty message.
fn without_message(operation: &Operation<Span>) -> Operation {
    let empty = |_, _| Ok::<_, Infallible>(Arc::new(Message::default()));
    match operation.clone().try_map_message(&mut { empty }) {
        Ok(operation) => operation,
        Err(never) => match never {},
    }
}
