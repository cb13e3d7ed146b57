//! Copies what is deliverable into another store, message by message, in the order in which it would have been delivered.
//!
//! A second pass over the log, when it is known what lives. A message goes over where its record stands; one that was moved, or
//! committed after it was prepared, where that put it in the order of arrivals. The other store may be of any engine.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec::{self, Span};
use kahawai_store::contract::{Store, StoreError, StoreWait as _};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};
use kahawai_store::replica::PAIR_TABLE;
use roaring::RoaringTreemap;

use super::contents::{Chunk, Contents, Late};
use super::examine::{Examination, InspectError, Inspection, OnProgress};
use super::read::{Met, Standing};
use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::record::Kind;
use crate::format::snapshot;
use crate::log::segment::{Body, Segment};

/// Why salvaging stopped.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// The old store cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The new one cannot be written.
    #[error("cannot write the new store: {0}")]
    Store(#[from] StoreError),
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Messages.
    pub messages: u64,
    /// Messages that were called deliverable and whose bytes could not be read a second time.
    pub unreadable: u64,
}

/// How many bytes go into one batch.
const BATCH_BYTES: usize = 256 << 10;

/// How many acknowledgements go into one batch.
const OWED_MAX: usize = 4096;

impl Inspection {
    /// Copies everything that an examination found deliverable into an empty store. Durable on return.
    ///
    /// # Errors
    /// [`SalvageError`]; the new store then holds a part.
    pub fn salvage(
        &self,
        found: &Examination,
        into: &dyn Store,
        progress: OnProgress<'_>,
    ) -> Result<Salvaged, SalvageError> {
        let listed = self.list()?;
        let lineage = self.lineage(&listed)?;
        let mut segments = HashMap::new();
        for (log, there) in &lineage.logs {
            for segment in there {
                let (epoch, number, file) = (log.epoch, segment.number, Arc::clone(&segment.file));
                segments.insert(number, Segment::new(epoch, number, log.log, file));
            }
        }
        let contents = &found.contents;
        let mut order: BTreeMap<u64, Vec<MessageId>> = BTreeMap::new();
        let live = contents.live();
        for (id, late) in contents.late.iter().filter(|(id, _)| live.contains(id.0)) {
            order.entry(late.arrival).or_default().push(*id);
        }
        let mut copier = Copier {
            into,
            contents,
            live,
            order,
            stands: contents.relocated.clone(),
            segments,
            created: HashSet::new(),
            subscribed: HashSet::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            owed: Vec::new(),
            asked: contents.prepared.values().flatten().flat_map(acknowledged_in).collect(),
            cursors: HashMap::new(),
            salvaged: Salvaged::default(),
            failed: None,
        };
        let mut visit = |met: Met<'_>| {
            if copier.failed.is_none()
                && let Err(error) = copier.record(&met)
            {
                copier.failed = Some(error);
            }
        };
        self.pass(lineage, &mut visit, progress)?;
        if let Some(error) = copier.failed.take() {
            return Err(error);
        }
        copier.finish()
    }
}

struct Copier<'a> {
    into: &'a dyn Store,
    contents: &'a Contents,
    live: RoaringTreemap,
    /// What goes over elsewhere than where its record stands, by arrival.
    order: BTreeMap<u64, Vec<MessageId>>,
    /// Where the records of those stand: segment, offset, span.
    stands: HashMap<MessageId, (u64, u64, Span)>,
    segments: HashMap<u64, Segment>,
    created: HashSet<DestinationId>,
    subscribed: HashSet<SubscriptionId>,
    batch: Vec<Operation>,
    batch_bytes: usize,
    /// Acknowledgements of the batch's messages, which follow it: only its answer tells where those stand.
    owed: Vec<Operation>,
    /// The messages that prepared transactions acknowledge or move.
    asked: HashSet<MessageId>,
    /// Where those stand in the other store.
    cursors: HashMap<MessageId, Cursor>,
    salvaged: Salvaged,
    failed: Option<SalvageError>,
}

impl Copier<'_> {
    fn record(&mut self, met: &Met<'_>) -> Result<(), SalvageError> {
        if met.standing == Standing::Doubtful {
            return Ok(());
        }
        match met.header.kind {
            Kind::Snapshot => {
                let Some((_, operations)) = snapshot::decode(met.body) else { return Ok(()) };
                for operation in &operations {
                    if let Operation::Subscribe(subscription) = operation {
                        self.subscribe(subscription.id)?;
                    }
                }
            }
            Kind::Batch => {
                let Some((operations, trailer)) = decode_batch_body(met.body) else { return Ok(()) };
                let mut arrival = trailer.arrival_first;
                let mut decided = trailer.decided.iter();
                for operation in &operations {
                    self.late_before(arrival)?;
                    match operation {
                        Operation::Enqueue { id, destination, rank, message } => {
                            arrival += 1;
                            if self.contents.late.contains_key(id) {
                                self.stands.insert(*id, (met.segment, met.offset, *message));
                            } else if self.live.contains(id.0) {
                                self.message(*id, *destination, *rank, message_in(met.body, *id, *message))?;
                            }
                        }
                        Operation::Move { .. } => arrival += 1,
                        Operation::Prepare { operations, .. } => {
                            for operation in operations {
                                if let Operation::Enqueue { id, message, .. } = operation {
                                    self.stands.insert(*id, (met.segment, met.offset, *message));
                                }
                            }
                        }
                        Operation::Decide { outcome: Outcome::Commit, .. } => {
                            for operation in decided.by_ref() {
                                let Operation::Prepare { operations, .. } = operation else { break };
                                let takes = |found: &&Operation<Span>| {
                                    matches!(found, Operation::Enqueue { .. } | Operation::Move { .. })
                                };
                                arrival += operations.iter().filter(takes).count() as u64;
                            }
                        }
                        Operation::Decide { outcome: Outcome::Rollback, .. } => {
                            decided.next();
                        }
                        Operation::Subscribe(subscription) => self.subscribe(subscription.id)?,
                        _ => {}
                    }
                }
            }
            Kind::Prepared => {
                let Some((_, _, operations)) = decode_prepared(met.body) else { return Ok(()) };
                for operation in operations {
                    if let Operation::Enqueue { id, message, .. } = operation {
                        self.stands.insert(id, (met.segment, met.offset, message));
                    }
                }
            }
            // Where its messages stand is known already, as they may have to go over before it is read.
            Kind::Relocation | Kind::Lost | Kind::Idle | Kind::Release | Kind::Close => {}
        }
        Ok(())
    }

    /// Copies what arrived late, and before this.
    fn late_before(&mut self, arrival: u64) -> Result<(), SalvageError> {
        while let Some(entry) = self.order.first_entry() {
            if *entry.key() >= arrival {
                break;
            }
            for id in entry.remove() {
                let Some(Late { rank, destination, .. }) = self.contents.late.get(&id).copied() else {
                    continue;
                };
                let message = self.read(id)?;
                self.message(id, destination, rank, message)?;
            }
        }
        Ok(())
    }

    /// Reads a message whose record was passed before.
    fn read(&mut self, id: MessageId) -> Result<Option<Message>, SalvageError> {
        let Some((number, offset, span)) = self.stands.remove(&id) else { return Ok(None) };
        let Some(segment) = self.segments.get(&number) else { return Ok(None) };
        let body = segment.read_record(offset).map_err(InspectError::io(segment.name()))?;
        Ok(match body {
            Body::Whole(body) => message_in(&body, id, span),
            Body::Damaged => None,
        })
    }

    fn message(
        &mut self,
        id: MessageId,
        destination: DestinationId,
        rank: u8,
        message: Option<Message>,
    ) -> Result<(), SalvageError> {
        let Some(message) = message else {
            self.count_unreadable(id);
            return Ok(());
        };
        self.create(destination)?;
        if self.owed.len() >= OWED_MAX {
            self.commit()?;
        }
        self.add(Operation::Enqueue { id, destination, rank, message: Arc::new(message) })?;
        self.salvaged.messages += 1;
        let contents = self.contents;
        for subscription in contents.catalog.subscriptions_of(destination) {
            if self.subscribed.contains(subscription) && !contents.waits_for(*subscription, id) {
                let (subscription, cursor) = (Some(*subscription), Cursor { rank, arrival: 0 });
                self.owed.push(Operation::Acknowledge { destination, id, cursor, subscription });
            }
        }
        Ok(())
    }

    /// What the examination called damaged is no surprise.
    fn count_unreadable(&mut self, id: MessageId) {
        self.salvaged.unreadable += u64::from(!self.contents.is_damaged(id));
    }

    fn create(&mut self, id: DestinationId) -> Result<(), SalvageError> {
        if let Some(destination) = self.contents.catalog.destination(id)
            && self.created.insert(id)
        {
            self.add(Operation::CreateDestination(destination.clone()))?;
        }
        Ok(())
    }

    fn subscribe(&mut self, id: SubscriptionId) -> Result<(), SalvageError> {
        if let Some(subscription) = self.contents.catalog.subscription(id)
            && self.subscribed.insert(id)
        {
            self.create(subscription.destination)?;
            self.add(Operation::Subscribe(subscription.clone()))?;
        }
        Ok(())
    }

    /// Adds an operation to the batch that gathers; one that is large goes alone.
    fn add(&mut self, operation: Operation) -> Result<(), SalvageError> {
        let size = codec::batch_size(std::slice::from_ref(&operation));
        if self.batch_bytes + size > BATCH_BYTES {
            self.commit()?;
        }
        self.batch.push(operation);
        self.batch_bytes += size;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SalvageError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let sent = batch.iter().filter_map(|operation| match operation {
            Operation::Enqueue { id, rank, .. } => Some((*id, *rank)),
            _ => None,
        });
        let sent: Vec<_> = sent.collect();
        let committed = self.into.commit_wait(Batch::new(batch))?;
        let stand: HashMap<_, _> = (committed.arrival_first..)
            .zip(sent)
            .map(|(arrival, (id, rank))| (id, Cursor { rank, arrival }))
            .collect();
        self.cursors.extend(stand.iter().filter(|(id, _)| self.asked.contains(id)));
        let mut owed = std::mem::take(&mut self.owed);
        for operation in &mut owed {
            if let Operation::Acknowledge { id, cursor, .. } = operation {
                debug_assert!(stand.contains_key(id), "it is owed for a message of this batch");
                *cursor = stand.get(id).copied().unwrap_or(*cursor);
            }
        }
        for chunk in owed.chunks(OWED_MAX) {
            self.into.commit_wait(Batch::new(chunk.to_vec()))?;
        }
        Ok(())
    }

    /// Where the message of a prepared acknowledgement or move stands in the other store, if it went over and still stood there.
    fn place(&self, mut operation: Operation<Span>) -> Operation<Span> {
        if let Operation::Acknowledge { id, cursor, .. } | Operation::Move { id, cursor, .. } = &mut operation
            && self.contents.may_stand(*id, *cursor)
            && let Some(found) = self.cursors.get(id)
        {
            *cursor = *found;
        }
        operation
    }

    /// What is no message: empty destinations, tables, prepared transactions; and that no number is given twice.
    fn finish(mut self) -> Result<Salvaged, SalvageError> {
        self.late_before(u64::MAX)?;
        let contents = self.contents;
        for destination in contents.catalog.destinations() {
            self.create(destination.id)?;
        }
        for subscription in contents.catalog.subscriptions() {
            self.subscribe(subscription.id)?;
        }
        // The other store names its batches anew: it is of no pair.
        for ((table, key), value) in contents.tables.iter().filter(|((table, _), _)| table != PAIR_TABLE) {
            let (table, key, value) = (table.clone(), key.clone(), Some(value.clone()));
            self.add(Operation::Put { table, key, value })?;
        }
        // The other store says by then where everything stands.
        self.commit()?;
        for (xid, chunks) in &contents.prepared {
            for chunk in chunks {
                let mut operations = Vec::new();
                for operation in chunk.operations.clone() {
                    if let Operation::Enqueue { id, message, .. } = &operation {
                        self.stands.insert(*id, (chunk.segment, chunk.offset, *message));
                        let Some(message) = self.read(*id)? else {
                            self.count_unreadable(*id);
                            continue;
                        };
                        let message = Arc::new(message);
                        let held = operation.try_map_message(&mut |_, _| {
                            Ok::<_, std::convert::Infallible>(Arc::clone(&message))
                        });
                        operations.extend(held.ok());
                    } else {
                        let held = self.place(operation).try_map_message(&mut |_, _| Err(()));
                        operations.extend(held.ok());
                    }
                }
                self.commit()?;
                self.add(Operation::Prepare { xid: xid.clone(), operations })?;
            }
        }
        self.commit()?;
        self.use_up_numbers()?;
        Ok(self.salvaged)
    }

    /// Brings the next ids to where they were, so that none is given a second time.
    fn use_up_numbers(&mut self) -> Result<(), SalvageError> {
        let contents = self.contents;
        let unused = |next: u64, used: bool| if used || next == 0 { next } else { next - 1 };
        let next = contents.destination_id_next;
        let used = next > 0 && contents.catalog.destination(DestinationId(next - 1)).is_some();
        let topic = DestinationId(unused(next, used));
        let name = "kahawai.repair".into();
        let kind = DestinationKind::Topic;
        self.add(Operation::CreateDestination(Destination { id: topic, kind, name }))?;
        let next = contents.subscription_id_next;
        if next > 0 && contents.catalog.subscription(SubscriptionId(next - 1)).is_none() {
            self.add(Operation::Subscribe(Subscription {
                id: SubscriptionId(next - 1),
                destination: topic,
                client_id: "kahawai.repair".into(),
                name: "kahawai.repair".into(),
                selector: None,
                no_local: false,
            }))?;
        }
        let next = contents.message_id_next;
        if next > 0 && !self.live.contains(next - 1) {
            let (id, message) = (MessageId(next - 1), Arc::new(Message::default()));
            self.add(Operation::Enqueue { id, destination: topic, rank: 0, message })?;
        }
        self.add(Operation::RemoveDestination(topic))?;
        self.commit()
    }
}

fn message_in(body: &[u8], id: MessageId, span: Span) -> Option<Message> {
    let bytes = Bytes::copy_from_slice(codec::checked_message(body, id, span)?);
    codec::decode_message(&bytes).ok()
}

/// The messages that a chunk of a prepared transaction acknowledges or moves.
fn acknowledged_in(chunk: &Chunk) -> impl Iterator<Item = MessageId> {
    chunk.operations.iter().filter_map(|operation| match operation {
        Operation::Acknowledge { id, .. } | Operation::Move { id, .. } => Some(*id),
        _ => None,
    })
}
