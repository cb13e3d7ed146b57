//! Random operations with reopening among them, against the model.

use crate::batch::{Batch, DestinationKind, Operation, Outcome};
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, create, decide, enqueue_sized, moved_ranked, prepare, put, subscription,
    xid,
};
use crate::conformance::places::Places;
use crate::conformance::session::Session;
use crate::contract::{StoreError, StoreWait};
use crate::model::{Contents, Memory, Model};
use crate::names::{DestinationId, Epoch, MessageId, SubscriptionId};

/// The sequences tried. `KAHAWAI_SEED` tries one other instead; the message of a failure names its seed.
const SEEDS: u64 = 12;
const BATCHES: usize = 120;

/// Sequences of random batches, some of which break rules, leave what they leave in the model.
pub fn random_operations_match_the_model(engine: &mut dyn Engine) {
    let chosen = std::env::var("KAHAWAI_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut session = Session::start(engine);
    for seed in seeds {
        run(&mut session, seed);
        clear(&session);
    }
}

fn run(session: &mut Session<'_>, seed: u64) {
    let memory = Memory::default();
    let model = Model::open(&memory, Epoch(1));
    let mut places = Places::default();
    let begun = model.commit_wait(Batch::default()).expect("an empty batch");
    places.synchronize(Some(begun.arrival_first));
    let mut generator = Generator::new(seed, session);
    for number in 0..BATCHES {
        let at = || format!("seed {seed}, batch {number} (KAHAWAI_SEED={seed} tries it alone)");
        if generator.one_in(25) {
            session.reopen();
            compare(session, &model, &at());
        }
        let before = generator.known.clone();
        let batch = generator.batch();
        // The model counts its own arrivals.
        let modelled = places.fill(batch.clone());
        let expected = model.commit_wait(Batch::new(modelled.clone()));
        let found = session.try_commit(batch.clone());
        match (&expected, &found) {
            (Ok(committed), Ok(_)) => places.follow(&modelled, Some(committed.arrival_first)),
            (Err(StoreError::Rejected(_)), Err(StoreError::Rejected(_))) => generator.known = before,
            _ => panic!("{found:?} where the model gives {expected:?}: {}\n{batch:#?}", at()),
        }
        if generator.one_in(6) {
            compare(session, &model, &at());
        }
    }
    session.reopen();
    compare(session, &model, &format!("seed {seed}, at the end"));
}

fn compare(session: &Session<'_>, model: &Model, at: &str) {
    let found = session.contents().in_order();
    let expected = Contents::of(model, 7).expect("the model can be read").in_order();
    assert!(found == expected, "{at}:\nfound {found:#?}\nexpected {expected:#?}");
    let given = session.recover();
    let known = model.recover_wait().expect("the model recovers");
    assert!(given.message_id_next >= known.message_id_next, "{at}: {} was given", known.message_id_next);
}

/// Makes the store empty for the next sequence, for which opening a new one may be dear.
fn clear(session: &Session<'_>) {
    let recovered = session.recover();
    let mut batch = Vec::new();
    batch.extend(recovered.prepared.into_iter().map(|prepared| decide(prepared.xid, Outcome::Rollback)));
    let destinations = recovered.destinations.into_iter().map(|state| state.destination.id);
    batch.extend(destinations.map(Operation::RemoveDestination));
    let entries = recovered.tables.into_iter();
    batch.extend(entries.map(|entry| Operation::Put { table: entry.table, key: entry.key, value: None }));
    session.commit(batch);
    let contents = session.contents();
    assert_eq!(contents, Contents::default());
}

/// Makes batches that mostly keep the rules: it remembers what it made, roughly.
pub(in crate::conformance) struct Generator {
    random: u64,
    id_next: u64,
    pub(in crate::conformance) known: Known,
}

/// What there is, as far as the generator cares.
#[derive(Clone, Default)]
pub(in crate::conformance) struct Known {
    destinations: Vec<(DestinationId, DestinationKind)>,
    subscriptions: Vec<(SubscriptionId, DestinationId)>,
    messages: Vec<(MessageId, DestinationId)>,
}

impl Generator {
    fn new(seed: u64, session: &Session<'_>) -> Self {
        let recovered = session.recover();
        let id_next = recovered
            .message_id_next
            .0
            .max(recovered.destination_id_next.0)
            .max(recovered.subscription_id_next.0)
            .max(1);
        Self::from(seed, id_next)
    }

    /// Gives ids from beyond this.
    pub(in crate::conformance) fn from(seed: u64, id_next: u64) -> Self {
        Self { random: seed, id_next, known: Known::default() }
    }

    /// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(in crate::conformance) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn id(&mut self) -> u64 {
        self.id_next += 1;
        self.id_next
    }

    fn rank(&mut self) -> u8 {
        if self.one_in(3) { self.below(4) as u8 } else { 0 }
    }

    pub(in crate::conformance) fn batch(&mut self) -> Vec<Operation> {
        let length = if self.one_in(4) { self.below(12) } else { 1 + self.below(3) };
        let mut batch = Vec::new();
        for _ in 0..length {
            let operation = self.operation();
            // At once, so that later operations of the batch build on it.
            self.known.note(std::slice::from_ref(&operation));
            batch.push(operation);
        }
        batch
    }

    fn operation(&mut self) -> Operation {
        match self.below(100) {
            0..4 => self.create(),
            4 => Operation::RemoveDestination(self.destination()),
            5..9 => self.subscribe(),
            9..11 => Operation::Unsubscribe(self.subscription().0),
            11..17 => {
                let operations = (0..self.below(5)).map(|_| self.preparable()).collect::<Vec<_>>();
                prepare(xid(self.below(4) as u8), operations)
            }
            17..21 => {
                let outcome = if self.one_in(3) { Outcome::Rollback } else { Outcome::Commit };
                decide(xid(self.below(4) as u8), outcome)
            }
            _ => self.preparable(),
        }
    }

    fn preparable(&mut self) -> Operation {
        match self.below(100) {
            0..45 => {
                let (id, destination, rank) = (MessageId(self.id()), self.destination(), self.rank());
                let body = if self.one_in(30) { self.below(50_000) } else { self.below(100) };
                enqueue_sized(id, destination, rank, body)
            }
            45..80 => {
                let (id, destination) = self.message();
                let subscriptions =
                    self.known.subscriptions.iter().filter(|(_, topic)| *topic == destination);
                let subscriptions = subscriptions.map(|(subscription, _)| *subscription).collect::<Vec<_>>();
                if subscriptions.is_empty() {
                    acknowledge(id, destination)
                } else {
                    let chosen = self.below(subscriptions.len());
                    acknowledge_for(id, destination, subscriptions[chosen])
                }
            }
            80..90 => {
                let (id, from) = self.message();
                let (to, rank) = (self.queue(), self.rank());
                moved_ranked(id, from, to, rank)
            }
            _ => {
                let key = ["a", "b", "c", "d"][self.below(4)];
                let value = self.next().to_string();
                put(["one", "two"][self.below(2)], key, (!self.one_in(3)).then_some(&*value))
            }
        }
    }

    fn create(&mut self) -> Operation {
        let kind = if self.one_in(2) { DestinationKind::Queue } else { DestinationKind::Topic };
        let name = format!("destination {}", self.below(12));
        create(DestinationId(self.id()), kind, &name)
    }

    fn subscribe(&mut self) -> Operation {
        let topics = self.known.destinations.iter().filter(|(_, kind)| *kind == DestinationKind::Topic);
        let topics = topics.map(|(id, _)| *id).collect::<Vec<_>>();
        if topics.is_empty() {
            return self.create();
        }
        let topic = topics[self.below(topics.len())];
        let name = format!("subscription {}", self.below(6));
        Operation::Subscribe(subscription(SubscriptionId(self.id()), topic, &name))
    }

    fn destination(&mut self) -> DestinationId {
        if self.known.destinations.is_empty() {
            return DestinationId(self.id());
        }
        let chosen = self.below(self.known.destinations.len());
        self.known.destinations[chosen].0
    }

    fn queue(&mut self) -> DestinationId {
        let queues = self.known.destinations.iter().filter(|(_, kind)| *kind == DestinationKind::Queue);
        let queues = queues.map(|(id, _)| *id).collect::<Vec<_>>();
        if queues.is_empty() || self.one_in(40) {
            return self.destination();
        }
        queues[self.below(queues.len())]
    }

    fn subscription(&mut self) -> (SubscriptionId, DestinationId) {
        if self.known.subscriptions.is_empty() {
            return (SubscriptionId(self.id()), DestinationId(0));
        }
        let chosen = self.below(self.known.subscriptions.len());
        self.known.subscriptions[chosen]
    }

    /// A message that was sent, mostly one of the younger, and where it was last.
    fn message(&mut self) -> (MessageId, DestinationId) {
        if self.known.messages.is_empty() {
            return (MessageId(self.id()), self.destination());
        }
        let window =
            if self.one_in(4) { self.known.messages.len() } else { self.known.messages.len().min(20) };
        let chosen = self.known.messages.len() - 1 - self.below(window);
        self.known.messages[chosen]
    }
}

impl Known {
    /// Remembers what a batch made and removed.
    fn note(&mut self, batch: &[Operation]) {
        for operation in batch {
            match operation {
                Operation::CreateDestination(destination) => {
                    let made = (destination.id, destination.kind);
                    if !self.destinations.contains(&made) {
                        self.destinations.push(made);
                    }
                }
                Operation::RemoveDestination(id) => {
                    self.destinations.retain(|(destination, _)| destination != id);
                    self.subscriptions.retain(|(_, topic)| topic != id);
                }
                Operation::Subscribe(subscription) => {
                    let made = (subscription.id, subscription.destination);
                    if !self.subscriptions.contains(&made) {
                        self.subscriptions.push(made);
                    }
                }
                Operation::Unsubscribe(id) => {
                    self.subscriptions.retain(|(subscription, _)| subscription != id)
                }
                Operation::Enqueue { id, destination, .. } => {
                    let sent = (*id, *destination);
                    if !self.messages.contains(&sent) {
                        self.messages.push(sent);
                    }
                }
                Operation::Move { id, to, .. } => {
                    if let Some(place) = self.messages.iter_mut().find(|(message, _)| message == id) {
                        place.1 = *to;
                    }
                }
                Operation::Prepare { operations, .. } => self.note(operations),
                Operation::Acknowledge { .. } | Operation::Decide { .. } | Operation::Put { .. } => {}
            }
        }
    }
}
