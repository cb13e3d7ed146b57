//! Sends, acknowledgements, transactions, closes, pages and completions in random order over windows of a few messages,
//! with the store full now and then, the broker restarted and time passing: whatever was answered is delivered, or is a dead letter if it
//! expired, nothing is with two consumers at once, nothing comes back that was acknowledged, nothing stays behind, and order is kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use kahawai_broker::core::address::Address;
use kahawai_broker::core::keys::{ConnectionKey, ConsumerKey, RequestId};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{Policies, Policy};
use kahawai_broker::core::spec::{AcknowledgementKind, LastDelivered, TransactionId};
use kahawai_store::contract::Limits as StoreLimits;
use kahawai_store::names::MessageId;
use support::{Random, World, consumer_spec, durable_spec, message, name_of};

fn tight() -> Limits {
    Limits { memory_bytes_max: 3000, transaction_bytes_max: 700, outbox_bytes_max: 900, ..Limits::default() }
}

fn narrow() -> Policies {
    Policies::new(narrow_by(5))
}

/// As `narrow` has it, with room for as many messages.
fn narrow_by(messages: usize) -> Policy {
    Policy {
        page_messages_max: 4,
        page_bytes_max: 1200,
        window_bytes_max: messages * 200,
        window_messages_max: messages,
        ..Policy::default()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Status {
    /// Its sender was not answered yet: it may come or not.
    Unanswered,
    Waiting,
    With(ConsumerKey),
    /// Acknowledged in an open transaction.
    Taken(i64, ConsumerKey),
    /// Acknowledged, and that may not be durable: after a restart it may come or not.
    Acknowledged,
    /// May come or not, as the broker died in between.
    Doubtful,
}

/// Messages by place and number.
type Sent = Vec<(usize, u64)>;

struct Live {
    connection: ConnectionKey,
    place: usize,
    /// Not acknowledged, in the order in which they came: name, number, count of deliveries.
    has: Vec<(MessageId, u64, u64)>,
}

struct Run {
    world: World,
    random: Random,
    places: Vec<Address>,
    /// For each place, the messages by number.
    messages: Vec<BTreeMap<u64, Status>>,
    persistent: BTreeSet<u64>,
    plain: BTreeSet<u64>,
    /// When they expire, of those that do.
    doomed: BTreeMap<u64, i64>,
    consumers: BTreeMap<ConsumerKey, Live>,
    sender: ConnectionKey,
    takers: [ConnectionKey; 2],
    requests: Vec<(RequestId, Sent)>,
    commits: Vec<(RequestId, i64, Sent)>,
    /// Open transactions of the takers: number, whose, what it sends.
    open: BTreeMap<i64, (usize, Vec<(usize, u64)>)>,
    /// What open transactions acknowledged.
    taken: BTreeMap<u64, (MessageId, u64)>,
    delivered: u64,
    next: u64,
    seed: u64,
    generation: u64,
    /// Whether the store is full at times. What need not survive, and was spooled to spare memory, is lost then.
    may_fill: bool,
}

const TOPIC: usize = 2;

impl Run {
    fn new(seed: u64) -> Self {
        // For some runs a batch takes a few messages, and some messages are larger than that.
        let batch_bytes_max = if seed.is_multiple_of(3) { 1200 } else { 1 << 20 };
        let store_limits = StoreLimits { batch_bytes_max, message_bytes_max: 1 << 20 };
        let mut world = World::with_store(tight(), narrow(), store_limits);
        let sender = world.connect("sender");
        let takers = [world.connect("taker0"), world.connect("taker1")];
        let places = vec![Address::queue("a"), Address::queue("b"), Address::topic("t")];
        let mut run = Self {
            world,
            random: Random::new(seed),
            messages: vec![BTreeMap::new(); places.len()],
            places,
            persistent: BTreeSet::new(),
            plain: BTreeSet::new(),
            doomed: BTreeMap::new(),
            consumers: BTreeMap::new(),
            sender,
            takers,
            requests: Vec::new(),
            commits: Vec::new(),
            open: BTreeMap::new(),
            taken: BTreeMap::new(),
            delivered: 0,
            next: 0,
            seed,
            generation: 0,
            may_fill: seed.is_multiple_of(2),
        };
        // The durable subscription exists before anything is sent.
        let spec = durable_spec(&run.places[TOPIC], "durable", 3);
        let (key, _) = run.world.consume_with(takers[0], spec);
        run.world.settle();
        run.world.turn(|core| core.remove_consumer(key, LastDelivered::Nothing));
        run.world.settle();
        run.world.events.clear();
        run
    }

    fn status(&mut self, place: usize, number: u64) -> &mut Status {
        self.messages[place]
            .get_mut(&number)
            .unwrap_or_else(|| panic!("message {number} was never sent, or its sender was told so"))
    }

    fn note(&mut self) {
        // Answers first: a message may come in the same turn as its answer.
        let mut requests = Vec::new();
        for (request, sent) in std::mem::take(&mut self.requests) {
            match self.world.answer(request) {
                None => requests.push((request, sent)),
                Some(result) => self.answered(&sent, result.is_ok()),
            }
        }
        self.requests = requests;
        let mut commits = Vec::new();
        for (request, number, sent) in std::mem::take(&mut self.commits) {
            match self.world.answer(request) {
                None => commits.push((request, number, sent)),
                Some(result) => {
                    self.answered(&sent, result.is_ok());
                    self.ended(number, result.is_ok());
                }
            }
        }
        self.commits = commits;
        for delivery in self.world.deliveries() {
            let number: u64 = name_of(&delivery).parse().unwrap();
            let (seed, consumer) = (self.seed, delivery.consumer);
            let live = self.consumers.get_mut(&consumer).expect("a living consumer");
            self.delivered += 1;
            live.has.push((delivery.id, number, self.delivered));
            let expiration = self.doomed.get(&number).copied().unwrap_or(i64::MAX);
            assert!(self.world.now < expiration, "seed {seed}: message {number} came after it had expired");
            let place = live.place;
            let status = self.status(place, number);
            assert!(
                matches!(status, Status::Unanswered | Status::Waiting | Status::Doubtful),
                "seed {seed}: message {number} came to {consumer:?} while {status:?}"
            );
            *status = Status::With(consumer);
        }
        self.world.events.clear();
        let most = 3 * tight().memory_bytes_max + 40 * 1000;
        assert!(self.world.core.memory_bytes() < most, "memory {}", self.world.core.memory_bytes());
    }

    fn answered(&mut self, sent: &[(usize, u64)], ok: bool) {
        for (place, number) in sent {
            if ok {
                let status = self.status(*place, *number);
                if *status == Status::Unanswered {
                    *status = Status::Waiting;
                }
            } else {
                let removed = self.messages[*place].remove(number);
                assert_eq!(removed, Some(Status::Unanswered), "seed {}: refused but delivered", self.seed);
            }
        }
    }

    fn ended(&mut self, transaction: i64, committed: bool) {
        let living: BTreeSet<_> = self.consumers.keys().copied().collect();
        let mut back = Vec::new();
        for place in &mut self.messages {
            for (number, status) in place.iter_mut() {
                if let Status::Taken(of, consumer) = *status
                    && of == transaction
                {
                    *status = if committed {
                        Status::Acknowledged
                    } else if living.contains(&consumer) {
                        let (id, delivery) = self.taken[number];
                        back.push((consumer, (id, *number, delivery)));
                        Status::With(consumer)
                    } else {
                        Status::Waiting
                    };
                }
            }
        }
        for (consumer, entry) in back {
            let live = self.consumers.get_mut(&consumer).expect("a living consumer");
            live.has.push(entry);
            live.has.sort_by_key(|(_, _, delivery)| *delivery);
        }
    }

    fn send(&mut self) {
        let place = self.random.below(self.places.len());
        self.next += 1;
        let number = self.next;
        // A message to the topic that need not survive is answered before it is stored, and may be lost then.
        let persistent = place == TOPIC || self.random.chance(75);
        if persistent {
            self.persistent.insert(number);
        }
        self.messages[place].insert(number, Status::Unanswered);
        let mut message = message(&number.to_string(), persistent);
        if self.seed.is_multiple_of(3) && self.random.chance(8) {
            message.body = vec![7; 1500].into();
        }
        if persistent && self.random.chance(20) {
            let expiration = self.world.now + 1 + self.random.below(100_000) as i64;
            message.header.expiration = expiration;
            self.doomed.insert(number, expiration);
        }
        let address = self.places[place].clone();
        let open = self.open.keys().copied().next().filter(|_| self.random.chance(30));
        match open {
            Some(transaction) => {
                let taker = self.open[&transaction].0;
                let id = TransactionId { client: self.client(taker), number: transaction };
                self.world.send_in(self.takers[taker], &address, message, Some(id));
                self.open.get_mut(&transaction).unwrap().1.push((place, number));
            }
            None => {
                self.plain.insert(number);
                let request = self.world.send(self.sender, &address, message);
                self.requests.push((request, vec![(place, number)]));
            }
        }
    }

    fn client(&self, taker: usize) -> bytestring::ByteString {
        format!("taker{taker}").into()
    }

    fn consume(&mut self) {
        let place = self.random.below(self.places.len());
        let taker = self.random.below(2);
        let prefetch = 1 + self.random.below(5) as u32;
        let address = self.places[place].clone();
        let spec = if place == TOPIC {
            if self.consumers.values().any(|live| live.place == TOPIC) {
                return;
            }
            durable_spec(&address, "durable", prefetch)
        } else {
            consumer_spec(&address, prefetch)
        };
        // The durable subscription belongs to the first client.
        let taker = if place == TOPIC { 0 } else { taker };
        let connection = self.takers[taker];
        let (key, _) = self.world.consume_with(connection, spec);
        self.consumers.insert(key, Live { connection, place, has: Vec::new() });
    }

    fn pick(&mut self) -> Option<ConsumerKey> {
        let keys: Vec<_> = self.consumers.keys().copied().collect();
        (!keys.is_empty()).then(|| keys[self.random.below(keys.len())])
    }

    fn acknowledge(&mut self) {
        let Some(key) = self.pick() else { return };
        let live = &self.consumers[&key];
        if live.has.is_empty() {
            return;
        }
        let (connection, place) = (live.connection, live.place);
        let end = self.random.below(live.has.len());
        let individual = self.random.chance(30);
        let start = if individual { end } else { 0 };
        let taker = self.takers.iter().position(|taker| *taker == connection).unwrap();
        let transaction = self
            .open
            .iter()
            .find(|(_, (of, _))| *of == taker)
            .map(|(number, _)| *number)
            .filter(|_| self.random.chance(60));
        let live = self.consumers.get_mut(&key).unwrap();
        let taken: Vec<_> = live.has.drain(start..=end).collect();
        let ids: Vec<_> = taken.iter().map(|(id, ..)| *id).collect();
        let kind = if individual { AcknowledgementKind::Individual } else { AcknowledgementKind::Standard };
        for (id, number, delivery) in &taken {
            self.taken.insert(*number, (*id, *delivery));
            *self.status(place, *number) = match transaction {
                Some(transaction) => Status::Taken(transaction, key),
                None => Status::Acknowledged,
            };
        }
        let id = transaction.map(|number| TransactionId { client: self.client(taker), number });
        self.world.ack(connection, key, kind, &ids, id);
    }

    fn close(&mut self) {
        let Some(key) = self.pick() else { return };
        let live = self.consumers.remove(&key).unwrap();
        for (_, number, _) in &live.has {
            *self.status(live.place, *number) = Status::Waiting;
        }
        // What a transaction gave back to it is its own too.
        for place in &mut self.messages {
            for status in place.values_mut().filter(|status| **status == Status::With(key)) {
                *status = Status::Waiting;
            }
        }
        let last = if self.random.chance(50) { LastDelivered::Unknown } else { LastDelivered::Nothing };
        self.world.turn(|core| core.remove_consumer(key, last));
    }

    fn begin(&mut self) {
        let taker = self.random.below(2);
        if self.open.values().any(|(of, _)| *of == taker) {
            return;
        }
        self.next += 1;
        let number = self.next as i64;
        let id = TransactionId { client: self.client(taker), number };
        self.world.turn(|core| core.begin(self.takers[taker], id)).unwrap();
        self.open.insert(number, (taker, Vec::new()));
    }

    fn end(&mut self) {
        let Some((number, (taker, sent))) = self.open.pop_first() else { return };
        let id = TransactionId { client: self.client(taker), number };
        let connection = self.takers[taker];
        let request = self.world.request();
        if self.random.chance(70) {
            self.world.turn(|core| core.commit(connection, &id, Some(request)));
            self.commits.push((request, number, sent));
        } else {
            self.world.turn(|core| core.rollback(connection, &id, Some(request)));
            self.answered(&sent, false);
            self.give_back(number);
        }
    }

    /// A rolled back transaction's messages are their consumers' again.
    fn give_back(&mut self, transaction: i64) {
        self.ended(transaction, false);
    }

    fn lose_connection(&mut self) {
        let taker = self.random.below(2);
        let connection = self.takers[taker];
        let gone: Vec<_> = self
            .consumers
            .iter()
            .filter(|(_, live)| live.connection == connection)
            .map(|(key, _)| *key)
            .collect();
        self.world.turn(|core| core.disconnect(connection, LastDelivered::Unknown, false));
        for key in &gone {
            self.consumers.remove(key);
        }
        for place in &mut self.messages {
            for status in place.values_mut() {
                if matches!(status, Status::With(key) if gone.contains(key)) {
                    *status = Status::Waiting;
                }
            }
        }
        let open: Vec<_> =
            self.open.iter().filter(|(_, (of, _))| *of == taker).map(|(number, _)| *number).collect();
        for number in open {
            let (_, sent) = self.open.remove(&number).unwrap();
            self.answered(&sent, false);
            self.ended(number, false);
        }
        let name = format!("taker{taker}");
        self.takers[taker] = self.world.connect(&name);
    }

    /// The broker dies and another follows. What was under way may have happened or not.
    fn crash(&mut self) {
        self.world.restart();
        self.generation += 1;
        self.requests.clear();
        self.commits.clear();
        self.open.clear();
        self.consumers.clear();
        let persistent = &self.persistent;
        for place in &mut self.messages {
            for (number, status) in place.iter_mut() {
                *status = match status {
                    // It may have been spooled to spare memory, or not.
                    _ if !persistent.contains(number) => Status::Doubtful,
                    Status::With(_) | Status::Waiting => Status::Waiting,
                    _ => Status::Doubtful,
                };
            }
        }
        self.sender = self.world.connect("sender");
        self.takers = [self.world.connect("taker0"), self.world.connect("taker1")];
    }

    fn step(&mut self) {
        let choice = self.random.below(1000);
        match self.random.below(100) {
            0..20 => self.send(),
            20..26 => self.consume(),
            26..40 => self.acknowledge(),
            40..43 => self.close(),
            43..46 => self.begin(),
            46..49 => self.end(),
            49..50 if self.random.chance(30) => self.lose_connection(),
            50..51 if self.random.chance(15) => self.crash(),
            51..52 if self.may_fill && self.random.chance(20) => self.world.full = true,
            52..53 if self.random.chance(30) => self.replace_policies(),
            52..54 => self.world.full = false,
            54..55 if self.random.chance(20) => self.world.advance(choice as i64 * 40),
            54..56 => self.world.advance(6),
            56..66 => drop(self.world.apply()),
            66..78 => drop(self.world.complete()),
            78..89 => drop(self.world.make_page(choice)),
            _ => drop(self.world.give_page(choice)),
        }
        self.note();
    }

    /// Other policies hold from now on, for what is there too; sometimes for queues alone.
    fn replace_policies(&mut self) {
        let mut policies = Policies::new(narrow_by(1 + self.random.below(9)));
        if self.random.chance(50) {
            let added = policies.add(&Address::queue(">"), narrow_by(1 + self.random.below(9)));
            assert!(added);
        }
        self.world.policies = policies.clone();
        self.world.turn(|core| core.replace_policies(policies));
    }

    /// Everything that is left must come to a fresh consumer, in order, and then the store is empty.
    fn finish(mut self) {
        self.world.full = false;
        while !self.open.is_empty() {
            self.end();
        }
        self.world.settle();
        self.note();
        assert!(self.requests.is_empty() && self.commits.is_empty(), "seed {}: unanswered", self.seed);
        while !self.consumers.is_empty() {
            self.close();
            self.note();
        }
        self.world.settle();
        self.note();
        self.let_expire();
        for place in 0..self.places.len() {
            let address = self.places[place].clone();
            let spec = if place == TOPIC {
                durable_spec(&address, "durable", 1000)
            } else {
                consumer_spec(&address, 1000)
            };
            let connection = self.takers[0];
            let (key, _) = self.world.consume_with(connection, spec);
            self.consumers.insert(key, Live { connection, place, has: Vec::new() });
            loop {
                self.world.settle();
                self.note();
                if self.world.core.is_idle() && !self.world.apply() {
                    break;
                }
            }
            let seed = self.seed;
            for (number, status) in &self.messages[place] {
                let spooled = self.may_fill && !self.persistent.contains(number);
                let spooled = spooled || self.doomed.contains_key(number);
                let fine =
                    spooled || matches!(status, Status::With(_) | Status::Acknowledged | Status::Doubtful);
                assert!(fine, "seed {seed}: message {number} of {address} was left behind: {status:?}");
            }
            let has = std::mem::take(&mut self.consumers.get_mut(&key).unwrap().has);
            let plain: Vec<_> = has
                .iter()
                .map(|(_, number, _)| *number)
                .filter(|number| self.plain.contains(number) && self.persistent.contains(number))
                .collect();
            assert!(plain.is_sorted(), "seed {seed}: order lost on {address}: {plain:?}");
            for (id, number, _) in has {
                *self.status(place, number) = Status::Acknowledged;
                self.world.ack(connection, key, AcknowledgementKind::Individual, &[id], None);
            }
            self.world.settle();
            self.note();
        }
        let recovered = self.world.state.recover(kahawai_store::names::Epoch(99));
        let places = recovered.destinations.iter().filter(|state| state.destination.name != "ActiveMQ.DLQ");
        let left: u64 = places.map(|state| state.messages).sum();
        assert_eq!(left, 0, "seed {}: the store still holds messages", self.seed);
        self.check_letters();
    }

    /// Whatever expires does so while nobody consumes; what is left of it then is a dead letter.
    fn let_expire(&mut self) {
        for _ in 0..4 {
            self.world.advance(31_000);
            while self.world.core.next_tick() < self.world.now + 1000 {
                self.world.settle();
                self.world.advance((self.world.core.next_tick() - self.world.now).max(1));
            }
            self.world.settle();
            self.note();
        }
        let recovered = self.world.state.recover(kahawai_store::names::Epoch(99));
        let stored: u64 = recovered.destinations.iter().map(|state| state.messages).sum();
        let letters = recovered.destinations.iter().find(|state| state.destination.name == "ActiveMQ.DLQ");
        let letters = letters.map_or(0, |state| state.messages);
        // Each of the others may have to come yet; none of the doomed is left where it was.
        let lasting: usize =
            self.messages.iter().flat_map(BTreeMap::keys).filter(|n| !self.doomed.contains_key(n)).count();
        assert!(stored - letters <= lasting as u64, "seed {}: expired messages are still stored", self.seed);
    }

    /// The dead letters are what has expired, each at most once, and nothing that a consumer acknowledged.
    fn check_letters(&mut self) {
        let (key, _) =
            self.world.consume_with(self.takers[0], consumer_spec(&Address::queue("ActiveMQ.DLQ"), 100_000));
        let mut letters = Vec::new();
        loop {
            self.world.settle();
            let found = self.world.texts(key);
            if found.is_empty() {
                break;
            }
            letters.extend(found.into_iter().map(|(name, _)| name.parse::<u64>().unwrap()));
        }
        let seed = self.seed;
        let unique: BTreeSet<_> = letters.iter().copied().collect();
        // A large one may be in both places when the broker dies in between.
        assert!(
            self.generation > 0 || unique.len() == letters.len(),
            "seed {seed}: a dead letter came twice: {letters:?}"
        );
        for number in &unique {
            assert!(
                self.doomed.contains_key(number),
                "seed {seed}: message {number} is a dead letter and had not expired"
            );
        }
        for (number, status) in self.messages.iter().flatten() {
            if !self.doomed.contains_key(number) {
                continue;
            }
            match status {
                Status::Acknowledged if self.generation == 0 => {
                    assert!(
                        !unique.contains(number),
                        "seed {seed}: message {number} was acknowledged and is a dead letter"
                    );
                }
                Status::Waiting => {
                    assert!(unique.contains(number), "seed {seed}: message {number} expired and is nowhere")
                }
                _ => {}
            }
        }
    }
}

#[test]
fn no_message_is_lost_stuck_or_delivered_twice() {
    let only = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(400);
    for seed in only.map_or(1..count, |seed: u64| seed..seed + 1) {
        let mut run = Run::new(seed);
        for _ in 0..600 {
            run.step();
        }
        run.finish();
    }
}
