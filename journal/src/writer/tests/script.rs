//! Random batches with some of everything, each of which the model takes.

use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::message::Message;
use kahawai_store::model::State;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = self.below(from.len());
        from.get(at).cloned()
    }
}

/// Where messages wait: the queue or topic, the cursor there, and the subscription.
type Waiting = (MessageId, DestinationId, Cursor, Option<SubscriptionId>);

/// Makes batches that fit what a state of the model holds.
pub(super) struct Script {
    pub(super) random: Random,
    id_next: u64,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random(seed), id_next: 1 }
    }

    /// Goes on with ids from this one on.
    pub(super) fn skip_ids(&mut self, to: u64) {
        self.id_next = self.id_next.max(to);
    }

    fn id(&mut self) -> u64 {
        self.id_next += 1;
        self.id_next
    }

    /// The next batch, which the state admits.
    pub(super) fn batch(&mut self, state: &State) -> Batch {
        loop {
            let count = if self.random.one_in(4) { 1 + self.random.below(5) } else { 1 };
            let mut scratch = state.clone();
            let mut operations = Vec::new();
            for _ in 0..count {
                let Some(operation) = self.operation(&scratch) else { continue };
                if scratch.apply(operation.clone().into()).is_ok() {
                    operations.push(operation);
                }
            }
            if !operations.is_empty() {
                return Batch::new(operations);
            }
        }
    }

    fn operation(&mut self, state: &State) -> Option<Operation> {
        let held = state.recover(Epoch(0));
        Some(match self.random.below(100) {
            0..3 => self.create(),
            3 if held.destinations.len() > 2 => {
                Operation::RemoveDestination(self.random.pick(&held.destinations)?.destination.id)
            }
            4..7 => {
                let topics = ids(state, DestinationKind::Topic);
                let id = SubscriptionId(self.id());
                Operation::Subscribe(Subscription {
                    id,
                    destination: self.random.pick(&topics)?,
                    client_id: "client".into(),
                    name: format!("subscription {id}").into(),
                    selector: self.random.one_in(2).then(|| "a = 'b'".into()),
                    no_local: false,
                })
            }
            7 if held.subscriptions.len() > 1 => {
                Operation::Unsubscribe(self.random.pick(&held.subscriptions)?.subscription.id)
            }
            8..13 => {
                let count = 1 + self.random.below(3);
                let operations: Vec<_> = (0..count).filter_map(|_| self.preparable(state)).collect();
                Operation::Prepare { xid: xid(self.random.below(3) as u8), operations }
            }
            13..20 => {
                let xid = self.random.pick(&held.prepared)?.xid;
                let outcome = if self.random.one_in(3) { Outcome::Rollback } else { Outcome::Commit };
                Operation::Decide { xid, outcome }
            }
            _ => return self.preparable(state),
        })
    }

    fn preparable(&mut self, state: &State) -> Option<Operation> {
        let waiting = waiting(state);
        // Few messages wait, so that segments empty; now and then everything goes.
        let acknowledges = if waiting.len() > 8 { 70 } else { 45 };
        Some(match self.random.below(100) {
            chance if chance < acknowledges => {
                // Mostly the oldest, so that the front of the log empties.
                let at = if self.random.one_in(4) { self.random.below(waiting.len()) } else { 0 };
                let (id, destination, cursor, subscription) = *waiting.get(at)?;
                Operation::Acknowledge { destination, id, cursor, subscription }
            }
            chance if chance < acknowledges + 8 => {
                let queued: Vec<_> =
                    waiting.into_iter().filter(|(.., subscription)| subscription.is_none()).collect();
                let (id, from, cursor, _) = self.random.pick(&queued)?;
                let to = self.random.pick(&ids(state, DestinationKind::Queue))?;
                Operation::Move { id, from, cursor, to, rank: self.random.below(2) as u8 }
            }
            chance if chance < acknowledges + 12 => Operation::Put {
                table: "table".into(),
                key: Bytes::from(vec![self.random.below(3) as u8]),
                value: (!self.random.one_in(3)).then(|| Bytes::from(self.random.next().to_string())),
            },
            _ => {
                let held = state.recover(Epoch(0));
                let destination = self.random.pick(&held.destinations)?.destination.id;
                let length = match self.random.below(30) {
                    // Larger than a segment.
                    0 => 5000,
                    1..5 => self.random.below(2000),
                    _ => self.random.below(300),
                };
                let id = MessageId(self.id());
                Operation::Enqueue {
                    id,
                    destination,
                    rank: self.random.below(2) as u8,
                    message: message(id, length),
                }
            }
        })
    }

    fn create(&mut self) -> Operation {
        let id = DestinationId(self.id());
        let kind = if self.random.one_in(2) { DestinationKind::Topic } else { DestinationKind::Queue };
        create(id, kind)
    }
}

pub(super) fn create(id: DestinationId, kind: DestinationKind) -> Operation {
    Operation::CreateDestination(Destination { id, kind, name: format!("destination {id}").into() })
}

/// A message that can be told from every other.
pub(super) fn message(id: MessageId, length: usize) -> Arc<Message> {
    let body: Vec<u8> = (0..length as u64).map(|at| (at.wrapping_mul(31) ^ at >> 8 ^ id.0) as u8).collect();
    Arc::new(Message { body: body.into(), ..Message::default() })
}

pub(super) fn enqueue(id: u64, destination: DestinationId, length: usize) -> Operation {
    let id = MessageId(id);
    Operation::Enqueue { id, destination, rank: 0, message: message(id, length) }
}

/// Acknowledges a message of a queue that was sent with rank 0 and arrived as the store's so many'th, from 0.
pub(super) fn acknowledge(id: u64, destination: DestinationId, arrival: u64) -> Operation {
    let cursor = Cursor { rank: 0, arrival };
    Operation::Acknowledge { destination, id: MessageId(id), cursor, subscription: None }
}

pub(super) fn xid(number: u8) -> Xid {
    Xid { format: 1, global: Bytes::from(vec![number]), branch: Bytes::new() }
}

fn ids(state: &State, kind: DestinationKind) -> Vec<DestinationId> {
    let held = state.recover(Epoch(0)).destinations.into_iter();
    held.filter(|held| held.destination.kind == kind).map(|held| held.destination.id).collect()
}

/// What waits anywhere, by the age of messages.
fn waiting(state: &State) -> Vec<Waiting> {
    let contents = super::driver::contents_of(state);
    let mut found: Vec<Waiting> = contents
        .waiting
        .into_iter()
        .flat_map(|waiting| {
            let (destination, subscription) = (waiting.destination, waiting.subscription);
            let messages = waiting.messages.into_iter();
            messages.map(move |stored| (stored.id, destination, stored.cursor, subscription))
        })
        .collect();
    found.sort_unstable();
    found
}
