//! The bound on the disk, on the real writer over a simulated disk: whatever is acknowledged in whatever order, everything in the
//! directory takes at most two times what lives and eight segments, after every batch; and what is read back after
//! opening anew is what the model holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec;
use kahawai_store::contract::{Committed, Store, StoreWait};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};

use super::driver::{Driven, contents_of, real, summary};
use super::scale;
use super::script::{Random, create, message, xid};
use crate::compact::pace::SEGMENTS_BOUND;
use crate::disk::Disk;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::options::JournalOptions;
use crate::writer::Writer;

const SEGMENT: u64 = 32 << 10;
const QUEUE: DestinationId = DestinationId(1);
const DEAD: DestinationId = DestinationId(2);
const TOPIC: DestinationId = DestinationId(3);

fn options() -> JournalOptions {
    JournalOptions { journal_max_file_length: SEGMENT, ..JournalOptions::default() }
}

/// A store, the model beside it, and a judge of the disk.
struct Life {
    store: Driven,
    disk: MemoryDisk,
    state: State,
    epoch: u64,
    id_next: u64,
    random: Random,
    /// What each message takes that was ever sent.
    sizes: BTreeMap<u64, u64>,
    /// Where each stands that was ever sent by itself.
    arrivals: BTreeMap<u64, u64>,
    worst: f64,
    /// How many messages the cleaner found in the stores before this.
    found: u64,
    at: &'static str,
}

impl Life {
    fn begin(at: &'static str, seed: u64) -> Self {
        let disk = MemoryDisk::new();
        Self::begin_on(at, seed, disk.clone(), Arc::new(disk))
    }

    /// Begins on a disk that somebody watches.
    fn begin_on(at: &'static str, seed: u64, disk: MemoryDisk, watched: Arc<dyn Disk>) -> Self {
        let store = Driven::open_with(watched, 1, options()).expect("it opens");
        let random = Random(seed);
        let mut life = Self {
            store,
            disk,
            state: State::default(),
            epoch: 1,
            id_next: 1,
            random,
            sizes: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            worst: 0.0,
            found: 0,
            at,
        };
        for (id, kind) in
            [(QUEUE, DestinationKind::Queue), (DEAD, DestinationKind::Queue), (TOPIC, DestinationKind::Topic)]
        {
            life.commit(create(id, kind));
        }
        life
    }

    fn commit(&mut self, operation: Operation) -> Committed {
        let batch = Batch::from(operation);
        let modelled = self.state.apply(batch.clone()).expect("the model takes it");
        let committed = self.store.commit_wait(batch).unwrap_or_else(|error| panic!("{}: {error}", self.at));
        assert_eq!(committed, modelled, "{}", self.at);
        let told = || self.store.writer.lock().expect("no panic").told();
        let (held, live, spared) = weigh(&self.store, &self.disk);
        let bound = 2 * live + spared;
        assert!(held <= bound, "{}: {held} bytes held, {live} live, {bound} allowed; {}", self.at, told());
        self.worst = self.worst.max((held as f64 - spared as f64) / live.max(1) as f64);
        committed
    }

    fn enqueue(&mut self, destination: DestinationId) -> (u64, Operation) {
        let length = match self.random.below(20) {
            0 => self.random.below(4000),
            _ => self.random.below(600),
        };
        self.enqueue_of(destination, length)
    }

    fn enqueue_of(&mut self, destination: DestinationId, length: usize) -> (u64, Operation) {
        let id = self.id_next;
        self.id_next += 1;
        let message = message(MessageId(id), length);
        let mut encoded = Vec::new();
        codec::encode_message(&message, &mut encoded);
        self.sizes.insert(id, encoded.len() as u64);
        (id, Operation::Enqueue { id: MessageId(id), destination, rank: 0, message })
    }

    fn send(&mut self, destination: DestinationId) -> u64 {
        let (id, operation) = self.enqueue(destination);
        self.send_this(id, operation)
    }

    fn send_of(&mut self, destination: DestinationId, length: usize) -> u64 {
        let (id, operation) = self.enqueue_of(destination, length);
        self.send_this(id, operation)
    }

    fn send_this(&mut self, id: u64, operation: Operation) -> u64 {
        let committed = self.commit(operation);
        self.arrivals.insert(id, committed.arrival_first);
        id
    }

    fn acknowledge(&mut self, id: u64) {
        self.done(QUEUE, id, None);
    }

    fn done(&mut self, destination: DestinationId, id: u64, subscription: Option<SubscriptionId>) {
        let (id, cursor) = (MessageId(id), self.cursor(id));
        self.commit(Operation::Acknowledge { destination, id, cursor, subscription });
    }

    fn cursor(&self, id: u64) -> Cursor {
        Cursor { rank: 0, arrival: self.arrivals[&id] }
    }

    /// Compares everything, opens anew, and compares again.
    fn reopen(&mut self) {
        let expected = contents_of(&self.state);
        let live = self.store.writer.lock().expect("no panic").holding().live;
        let mut sizes = BTreeMap::new();
        for waiting in &expected.waiting {
            for stored in &waiting.messages {
                sizes.insert(stored.id, self.sizes[&stored.id.0] + 44);
            }
        }
        // What lives is what the model says, and what is prepared.
        let modelled: u64 = sizes.values().sum();
        if expected.prepared.is_empty() {
            assert_eq!(live, modelled, "{}", self.at);
        }
        for opens in [false, true] {
            if opens {
                self.epoch += 1;
                self.found += self.store.found.load(Ordering::Relaxed);
                if self.random.one_in(2) {
                    self.store.close();
                }
                let random = &mut self.random;
                self.disk = self.disk.crash(&mut || random.one_in(2));
                self.store = Driven::open_with(Arc::new(self.disk.clone()), self.epoch, options())
                    .unwrap_or_else(|error| panic!("{}: {error}", self.at));
            }
            let found = Contents::of(&self.store, 1000).expect("it can be read");
            assert!(
                found == expected,
                "{}, opened anew {opens}:\nfound {}\nexpected {}",
                self.at,
                summary(&found),
                summary(&expected)
            );
            let damage = self.store.damage();
            assert!(real(&damage).is_empty(), "{}: {damage:#?}", self.at);
        }
        let again = self.store.writer.lock().expect("no panic").holding().live;
        assert_eq!(live, again, "{}", self.at);
    }

    fn end(mut self, writes_again: bool) {
        self.reopen();
        let found = self.found + self.store.found.load(Ordering::Relaxed);
        println!("{}: at most {:.2} times what lives; {found} messages written again", self.at, self.worst);
        assert!(!writes_again || found > 20, "{}: {found}", self.at);
    }
}

/// What the directory takes, what lives, and what is allowed beyond two times that.
fn weigh(store: &Driven, disk: &MemoryDisk) -> (u64, u64, u64) {
    let holding = store.writer.lock().expect("no panic").holding();
    (disk.bytes(), holding.live, SEGMENTS_BOUND * holding.segment)
}

/// Opens what a power failure leaves, lets the cleaner come to rest, and weighs it.
fn judge_after_a_crash(disk: &MemoryDisk, keeps: bool, at: &str) {
    let after = disk.crash(&mut || keeps);
    let store = Driven::open_with(Arc::new(after.clone()), 2, options()).expect("it opens");
    // What was under way at the crash is given up with the first round.
    store.idle();
    store.clean(Writer::wants_cleaning);
    store.idle();
    let (held, live, spared) = weigh(&store, &after);
    assert!(held <= 2 * live + spared, "{at}: {held} bytes held, {live} live");
    let damage = store.damage();
    assert!(real(&damage).is_empty(), "{at}: {damage:#?}");
}

#[test]
fn after_a_crash_at_any_call_the_disk_comes_below_the_bound_again() {
    let disk = MemoryDisk::new();
    let (armed, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (watched, is_armed, count) = (disk.clone(), Arc::clone(&armed), Arc::clone(&calls));
    let watched = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        let looks =
            matches!(call, Call::OpenSegment | Call::Read | Call::Ask | Call::List | Call::SegmentRead);
        if is_armed.load(Ordering::SeqCst) && !looks {
            let number = count.fetch_add(1, Ordering::SeqCst);
            for keeps in [false, true] {
                judge_after_a_crash(&watched, keeps, &format!("before call {number} ({call:?})"));
            }
        }
        Ok(())
    });
    let mut life = Life::begin_on("crashes", 1, disk, Arc::new(watched));
    let (mut waiting, mut stuck) = (Vec::new(), 0);
    for number in 0..4000_u64 {
        // From there on every part of a lap is met: heads of live and of dead messages, transactions, segments that are given up.
        armed.store(number >= 3850, Ordering::SeqCst);
        waiting.push(life.send(QUEUE));
        if number.is_multiple_of(500) {
            let operations = vec![life.enqueue(QUEUE).1];
            life.commit(Operation::Prepare { xid: xid((number / 500) as u8), operations });
        }
        while waiting.len() > 100 {
            let id = waiting.remove(0);
            if id.is_multiple_of(60) {
                stuck += 1;
            } else {
                life.acknowledge(id);
            }
        }
    }
    armed.store(false, Ordering::SeqCst);
    assert!(stuck > 50 && calls.load(Ordering::SeqCst) > 600, "{stuck}, {calls:?}");
    assert!(life.store.found.load(Ordering::SeqCst) > 20, "nothing was written again");
}

#[test]
fn one_stuck_message_in_each_segment_pins_itself_alone() {
    for seed in 0..scale() {
        let mut life = Life::begin("one stuck message in each segment", seed);
        for number in 0..6000_u64 {
            let id = life.send(QUEUE);
            if !number.is_multiple_of(90) {
                life.acknowledge(id);
            }
            if number % 2000 == 1999 {
                life.reopen();
            }
        }
        life.end(true);
    }
}

#[test]
fn a_cold_backlog_stays_below_the_bound_while_others_come_and_go() {
    for seed in 0..scale() {
        let mut life = Life::begin("a cold backlog", seed);
        for _ in 0..800 {
            life.send(QUEUE);
        }
        for number in 0..4000 {
            let id = life.send(QUEUE);
            life.acknowledge(id);
            if number % 1500 == 1499 {
                life.reopen();
            }
        }
        life.end(true);
    }
}

#[test]
fn a_backlog_that_drains_in_any_order_gives_its_disk_back() {
    for seed in 0..scale() {
        let mut life = Life::begin("drained at random", seed);
        for _ in 0..2 {
            let mut ids: Vec<u64> = (0..2500).map(|_| life.send(QUEUE)).collect();
            while !ids.is_empty() {
                let at = life.random.below(ids.len());
                life.acknowledge(ids.swap_remove(at));
                if ids.len() == 700 {
                    life.reopen();
                }
            }
        }
        life.end(true);
        let mut life = Life::begin("every second one", seed);
        let mut ids: Vec<u64> = (0..3000).map(|_| life.send(QUEUE)).collect();
        while ids.len() > 1 {
            let (go, stay): (Vec<_>, Vec<_>) = ids.iter().enumerate().partition(|(place, _)| place % 2 == 0);
            for (_, id) in go {
                life.acknowledge(*id);
            }
            ids = stay.into_iter().map(|(_, id)| *id).collect();
        }
        life.end(true);
        let mut life = Life::begin("the last first", seed);
        let ids: Vec<u64> = (0..3000).map(|_| life.send(QUEUE)).collect();
        for id in ids.into_iter().rev() {
            life.acknowledge(id);
        }
        life.end(true);
    }
}

#[test]
fn laggards_among_durable_subscriptions_keep_only_what_they_wait_for() {
    for seed in 0..scale() {
        let mut life = Life::begin("durable subscriptions with laggards", seed);
        let subscribe = |life: &mut Life, id: u64| {
            life.commit(Operation::Subscribe(Subscription {
                id: SubscriptionId(id),
                destination: TOPIC,
                client_id: "client".into(),
                name: format!("subscription {id}").into(),
                selector: None,
                no_local: false,
            }));
        };
        (1..=4).for_each(|id| subscribe(&mut life, id));
        // The first keeps up, the second is stuck at some, the third acknowledges out of order, the fourth is far behind.
        let mut waiting: Vec<(u64, u64)> = Vec::new();
        for number in 0..1800_u64 {
            let id = life.send(TOPIC);
            life.done(TOPIC, id, Some(SubscriptionId(1)));
            if !number.is_multiple_of(60) {
                life.done(TOPIC, id, Some(SubscriptionId(2)));
            }
            waiting.push((3, id));
            if number.is_multiple_of(15) {
                waiting.push((4, id));
            } else {
                life.done(TOPIC, id, Some(SubscriptionId(4)));
            }
            while waiting.len() > 150 {
                let at = life.random.below(waiting.len());
                let (subscription, id) = waiting.swap_remove(at);
                life.done(TOPIC, id, Some(SubscriptionId(subscription)));
            }
            match number {
                600 => subscribe(&mut life, 5),
                1200 => drop(life.commit(Operation::Unsubscribe(SubscriptionId(5)))),
                700 | 1300 => life.reopen(),
                _ => {}
            }
        }
        life.end(true);
    }
}

#[test]
fn undecided_transactions_and_moves_to_a_dead_letter_queue_hold_only_themselves() {
    for seed in 0..scale() {
        let mut life = Life::begin("undecided transactions and moves", seed);
        let prepare = |life: &mut Life, number: u8| {
            let count = 1 + life.random.below(3);
            let operations = (0..count).map(|_| life.enqueue(QUEUE).1).collect();
            life.commit(Operation::Prepare { xid: xid(number), operations });
        };
        for number in 0..4 {
            prepare(&mut life, number);
        }
        for number in 0..3000_u64 {
            let id = life.send(QUEUE);
            match number % 40 {
                7 => {
                    let (id, cursor) = (MessageId(id), life.cursor(id));
                    life.commit(Operation::Move { id, from: QUEUE, cursor, to: DEAD, rank: 0 });
                }
                _ => life.acknowledge(id),
            }
            // Another chunk for some, a decision for one now and then, and its name anew.
            if number % 300 == 150 {
                prepare(&mut life, 1);
                prepare(&mut life, 2);
            }
            if number % 900 == 899 {
                let outcome = if life.random.one_in(2) { Outcome::Rollback } else { Outcome::Commit };
                let decided = life.random.below(3) as u8;
                life.commit(Operation::Decide { xid: xid(decided), outcome });
                prepare(&mut life, decided);
            }
            if number % 700 == 699 {
                life.reopen();
            }
        }
        for number in 0..4 {
            life.commit(Operation::Decide { xid: xid(number), outcome: Outcome::Commit });
        }
        life.end(true);
    }
}

#[test]
fn restarts_leave_no_more_behind_than_what_lives() {
    for seed in 0..scale() {
        let mut life = Life::begin("a message, and many restarts", seed);
        for _ in 0..60 {
            life.send(QUEUE);
            life.reopen();
        }
        life.end(true);
    }
}

#[test]
fn messages_larger_than_segments_and_those_among_them_hold_only_themselves() {
    for seed in 0..scale() {
        let mut life = Life::begin("huge messages", seed);
        let mut waiting = Vec::new();
        for number in 0..900 {
            let id = match number % 10 {
                3 => {
                    let length = (SEGMENT as usize) / 2 + life.random.below(3 * SEGMENT as usize);
                    life.send_of(QUEUE, length)
                }
                _ => life.send(QUEUE),
            };
            waiting.push(id);
            while waiting.len() > 40 {
                let at = life.random.below(waiting.len());
                life.acknowledge(waiting.swap_remove(at));
            }
            if number % 300 == 299 {
                life.reopen();
            }
        }
        life.end(true);
    }
}

#[test]
fn thousands_of_subscriptions_and_of_entries_of_tables_do_not_fill_the_disk_by_themselves() {
    for seed in 0..scale() {
        let mut life = Life::begin("large snapshots", seed);
        for number in 0..2000_u64 {
            let key = format!("producer {number}").into_bytes().into();
            let put = Operation::Put { table: "producers".into(), key, value: Some(vec![7; 20].into()) };
            life.commit(put);
            if number.is_multiple_of(4) {
                life.commit(Operation::Subscribe(Subscription {
                    id: SubscriptionId(number + 1),
                    destination: TOPIC,
                    client_id: format!("client {number}").into(),
                    name: "subscription".into(),
                    selector: None,
                    no_local: false,
                }));
            }
        }
        let mut stuck = Vec::new();
        for number in 0..4000_u64 {
            let id = life.send(QUEUE);
            match number.is_multiple_of(90) {
                true => stuck.push(id),
                false => life.acknowledge(id),
            }
            if number % 1500 == 1499 {
                life.reopen();
            }
        }
        life.end(true);
    }
}
