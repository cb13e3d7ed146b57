//! The suite of [`Replica`]: what every engine must do that can be one of several copies.
//!
//! An engine's test file says how copies are opened, and gets one `#[test]` for each case:
//!
//! ```
//! # // Not run as tests here: shown to compile.
//! use std::sync::Arc;
//! use kahawai_store::conformance::replica::Copies;
//! use kahawai_store::model::{Memory, Model};
//! use kahawai_store::names::Epoch;
//! use kahawai_store::replica::Replica;
//!
//! #[derive(Default)]
//! struct InMemory([Memory; 2], u64);
//!
//! impl Copies for InMemory {
//!     fn open(&mut self, copy: usize) -> Arc<dyn Replica> {
//!         self.1 += 1;
//!         Arc::new(Model::open(&self.0[copy], Epoch(self.1)))
//!     }
//! }
//!
//! kahawai_store::replica_conformance_tests!(InMemory::default());
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cases::random::Generator;
use super::operations::{acknowledge_at, create, decide, enqueue, prepare, put, subscription, xid};
use super::places::Places;
use crate::batch::{Batch, DestinationKind, Operation, Outcome};
use crate::catalog::Rejection;
use crate::contract::{Committed, StoreError, StoreWait};
use crate::model::Contents;
use crate::names::{BatchName, Cursor, DestinationId, MessageId, SubscriptionId, Term};
use crate::replica::{Copied, Replica, ReplicaWait as _, Taken, Tap};

/// Two stores, empty at first, that are to become copies of each other.
pub trait Copies {
    /// Opens one of them (0 or 1), with what it held when it was closed.
    fn open(&mut self, copy: usize) -> Arc<dyn Replica>;
}

/// Makes one `#[test]` of each case, on new stores: the expression is evaluated for each.
#[macro_export]
macro_rules! replica_conformance_tests {
    ($copies:expr) => {
        $crate::replica_conformance_tests! { $copies;
            batches_are_named_in_their_order,
            what_is_taken_is_shown,
            appended_batches_make_a_copy,
            what_does_not_follow_is_rejected,
            arrivals_may_be_left_out,
            prepared_transactions_are_shown_whole,
            random_batches_make_equal_copies,
        }
    };
    ($copies:expr; $($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::replica::$name(&mut $copies);
            }
        )*
    };
}

/// Keeps what it is shown.
#[derive(Default)]
struct Kept {
    deaf: AtomicBool,
    taken: Mutex<Vec<Taken>>,
}

impl Tap for Kept {
    fn wants(&self) -> bool {
        !self.deaf.load(Ordering::Relaxed)
    }

    fn taken(&self, taken: Taken) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
    }
}

impl Kept {
    fn on(store: &dyn Replica) -> Arc<Self> {
        let kept = Arc::new(Self::default());
        store.tap(Arc::clone(&kept) as Arc<dyn Tap>);
        kept
    }

    fn take(&self) -> Vec<Taken> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const QUEUE: DestinationId = DestinationId(1);
const TOPIC: DestinationId = DestinationId(2);
const READER: SubscriptionId = SubscriptionId(3);

fn named(term: u64, number: u64) -> BatchName {
    BatchName { term: Term(term), number }
}

fn append(store: &dyn Replica, copied: Copied) -> Result<Committed, StoreError> {
    store.append_wait(copied)
}

fn prepared(store: &dyn Replica, number: u8) -> Result<Vec<Operation>, StoreError> {
    Ok(store.prepared_wait(xid(number))?.concat())
}

fn commit(store: &dyn Replica, operations: Vec<Operation>) -> Committed {
    store.commit_wait(Batch::new(operations)).expect("it commits")
}

/// What two copies must agree on, whatever their epochs.
fn assert_equal(one: &dyn Replica, other: &dyn Replica, at: &str) {
    let contents = [one, other].map(|store| Contents::of(store, 7).expect("it can be read"));
    assert!(contents[0] == contents[1], "{at}: {:#?}\nand {:#?}", contents[0], contents[1]);
    let [one, other] = [one, other].map(|store| store.recover_wait().expect("it can be read"));
    assert_eq!(one.batch_last, other.batch_last, "{at}");
    assert_eq!(one.arrival_next, other.arrival_next, "{at}");
    assert_eq!(
        (one.message_id_next, one.destination_id_next, one.subscription_id_next),
        (other.message_id_next, other.destination_id_next, other.subscription_id_next),
        "{at}"
    );
}

/// Names count up through terms, are told with each answer and by `recover`, and go on when a store is opened anew. What is refused has none.
pub fn batches_are_named_in_their_order(copies: &mut dyn Copies) {
    let store = copies.open(0);
    store.begin_term(Term(3));
    assert_eq!(commit(&*store, vec![create(QUEUE, DestinationKind::Queue, "orders")]).name, named(3, 1));
    assert_eq!(commit(&*store, vec![enqueue(MessageId(1), QUEUE)]).name, named(3, 2));
    store.commit_wait(create(QUEUE, DestinationKind::Queue, "orders").into()).expect_err("it exists");
    assert_eq!(store.recover_wait().expect("it recovers").batch_last, named(3, 2));
    assert_eq!(store.recover_wait().expect("it recovers").arrival_next, 1);
    store.begin_term(Term(7));
    assert_eq!(commit(&*store, vec![]).name, named(7, 3));
    assert_eq!(store.recover_wait().expect("it recovers").tables, []);
    store.close();
    let store = copies.open(0);
    assert_eq!(store.recover_wait().expect("it recovers").batch_last, named(7, 3));
    store.begin_term(Term(7));
    assert_eq!(commit(&*store, vec![enqueue(MessageId(2), QUEUE)]).name, named(7, 4));
    store.close();
}

/// Each batch is shown once, in the order of names, before it is answered; what is refused is not, nor what the tap does not want.
pub fn what_is_taken_is_shown(copies: &mut dyn Copies) {
    let store = copies.open(0);
    store.begin_term(Term(1));
    let kept = Kept::on(&*store);
    commit(&*store, vec![create(QUEUE, DestinationKind::Queue, "orders")]);
    store.commit_wait(create(QUEUE, DestinationKind::Queue, "orders").into()).expect_err("it exists");
    let operations = vec![enqueue(MessageId(1), QUEUE), enqueue(MessageId(2), QUEUE)];
    commit(&*store, operations.clone());
    commit(&*store, vec![enqueue(MessageId(3), QUEUE)]);
    let taken = kept.take();
    let told: Vec<_> = taken.iter().map(|taken| (taken.name, taken.arrival_first)).collect();
    assert_eq!(told, [(named(1, 1), 0), (named(1, 2), 0), (named(1, 3), 2)]);
    assert_eq!(taken[1].copied().expect("a batch").batch, Batch::new(operations));
    kept.deaf.store(true, Ordering::Relaxed);
    commit(&*store, vec![enqueue(MessageId(4), QUEUE)]);
    kept.deaf.store(false, Ordering::Relaxed);
    assert_eq!(commit(&*store, vec![enqueue(MessageId(5), QUEUE)]).name, named(1, 5));
    assert_eq!(kept.take().len(), 1);
    store.close();
}

/// What one copy took makes another the same, to its counters; also after both were opened anew.
pub fn appended_batches_make_a_copy(copies: &mut dyn Copies) {
    let [one, other] = [copies.open(0), copies.open(1)];
    one.begin_term(Term(1));
    let kept = Kept::on(&*one);
    commit(
        &*one,
        vec![
            create(QUEUE, DestinationKind::Queue, "orders"),
            create(TOPIC, DestinationKind::Topic, "prices"),
        ],
    );
    commit(
        &*one,
        vec![enqueue(MessageId(1), TOPIC), Operation::Subscribe(subscription(READER, TOPIC, "reader"))],
    );
    commit(
        &*one,
        vec![enqueue(MessageId(2), QUEUE), enqueue(MessageId(3), TOPIC), put("table", "key", Some("value"))],
    );
    commit(&*one, vec![prepare(xid(1), vec![enqueue(MessageId(4), QUEUE)])]);
    commit(&*one, vec![acknowledge_at(MessageId(2), QUEUE, Cursor { rank: 0, arrival: 1 })]);
    commit(&*one, vec![decide(xid(1), Outcome::Commit)]);
    for taken in kept.take() {
        let copied = taken.copied().expect("a batch");
        let (name, arrival_first) = (copied.name, copied.arrival_first);
        let committed = append(&*other, copied).expect("it is appended");
        assert_eq!(committed, Committed { arrival_first, name });
    }
    assert_equal(&*one, &*other, "at first");
    one.close();
    other.close();
    let [one, other] = [copies.open(0), copies.open(1)];
    assert_equal(&*one, &*other, "opened anew");
    one.close();
    other.close();
}

/// A batch is appended behind the last alone, with arrivals that were not given; what is refused leaves nothing.
pub fn what_does_not_follow_is_rejected(copies: &mut dyn Copies) {
    let store = copies.open(0);
    let batch = |operations| Batch::new(operations);
    let first = Copied {
        name: named(2, 5),
        arrival_first: 10,
        batch: batch(vec![create(QUEUE, DestinationKind::Queue, "orders"), enqueue(MessageId(1), QUEUE)]),
    };
    append(&*store, first.clone()).expect("anything follows on nothing");
    for (name, arrival_first) in [
        (named(2, 5), 11),
        (named(2, 4), 11),
        (named(1, 9), 11),
        (named(2, 6), 10),
        // One is left out.
        (named(2, 7), 11),
        (named(3, 7), 11),
    ] {
        let copied = Copied { name, arrival_first, batch: batch(vec![enqueue(MessageId(2), QUEUE)]) };
        match append(&*store, copied) {
            Err(StoreError::Rejected(Rejection::OutOfOrder { name: found, .. })) => assert_eq!(found, name),
            other => panic!("{other:?} for {name} from {arrival_first}"),
        }
    }
    let copied =
        Copied { name: named(2, 6), arrival_first: 11, batch: batch(vec![enqueue(MessageId(2), QUEUE)]) };
    append(&*store, copied).expect("it follows");
    let recovered = store.recover_wait().expect("it recovers");
    assert_eq!((recovered.batch_last, recovered.arrival_next), (named(2, 6), 12));
    assert_eq!(recovered.destinations[0].messages, 2);
    store.close();
}

/// A copy made whole leaves out what is gone: messages stand where they stood, and what is subscribed to begins where it began.
pub fn arrivals_may_be_left_out(copies: &mut dyn Copies) {
    let mut store = copies.open(0);
    let steps = [
        (
            0,
            vec![
                create(QUEUE, DestinationKind::Queue, "orders"),
                create(TOPIC, DestinationKind::Topic, "prices"),
            ],
        ),
        (40, vec![enqueue(MessageId(7), QUEUE)]),
        (1000, vec![Operation::Subscribe(subscription(READER, TOPIC, "reader"))]),
        (5_000_000_000, vec![enqueue(MessageId(9), TOPIC)]),
    ];
    for ((arrival_first, operations), number) in steps.into_iter().zip(1..) {
        let copied = Copied { name: named(1, number), arrival_first, batch: Batch::new(operations) };
        append(&*store, copied).expect("it is appended");
    }
    for round in 0..2 {
        let contents = Contents::of(&*store, 10).expect("it can be read");
        let found: Vec<_> = contents.waiting.iter().flat_map(|waiting| &waiting.messages).collect();
        let found: Vec<_> = found.iter().map(|stored| (stored.id.0, stored.cursor.arrival)).collect();
        assert_eq!(found, [(7, 40), (9, 5_000_000_000)], "round {round}");
        assert_eq!(store.recover_wait().expect("it recovers").arrival_next, 5_000_000_001);
        store.close();
        store = copies.open(0);
    }
    let committed =
        commit(&*store, vec![acknowledge_at(MessageId(7), QUEUE, Cursor { rank: 0, arrival: 40 })]);
    assert_eq!(committed.arrival_first, 5_000_000_001);
    assert_eq!(store.recover_wait().expect("it recovers").destinations[0].messages, 0);
    store.close();
}

/// What is prepared is shown with its messages, in the order in which it was prepared.
pub fn prepared_transactions_are_shown_whole(copies: &mut dyn Copies) {
    let mut store = copies.open(0);
    commit(&*store, vec![create(QUEUE, DestinationKind::Queue, "orders"), enqueue(MessageId(1), QUEUE)]);
    let chunks = [
        vec![
            enqueue(MessageId(2), QUEUE),
            acknowledge_at(MessageId(1), QUEUE, Cursor { rank: 0, arrival: 0 }),
        ],
        vec![enqueue(MessageId(3), QUEUE), put("table", "key", Some("value"))],
    ];
    for chunk in &chunks {
        commit(&*store, vec![prepare(xid(1), chunk.clone()), prepare(xid(2), vec![])]);
    }
    for _ in 0..2 {
        assert_eq!(prepared(&*store, 1).expect("it is prepared"), chunks.concat());
        assert_eq!(prepared(&*store, 2).expect("it is prepared"), []);
        match prepared(&*store, 3) {
            Err(StoreError::Rejected(Rejection::NotPrepared(found))) => assert_eq!(found, xid(3)),
            other => panic!("{other:?}"),
        }
        store.close();
        store = copies.open(0);
    }
    store.close();
}

/// Random batches, some of which are refused, on one copy; the other is opened anew now and then, and changes its part with the first.
pub fn random_batches_make_equal_copies(copies: &mut dyn Copies) {
    const BATCHES: usize = 600;
    let mut stores = [copies.open(0), copies.open(1)];
    let mut generator = Generator::from(1, 0);
    let mut places = Places::default();
    let mut taken = Vec::new();
    let mut term = 1;
    stores[0].begin_term(Term(term));
    let mut kept = Kept::on(&*stores[0]);
    let mut master = 0;
    places.synchronize(Some(0));
    for number in 0..BATCHES {
        if generator.one_in(40) {
            stores.iter().for_each(|store| store.close());
            stores = [copies.open(0), copies.open(1)];
            assert_equal(&*stores[0], &*stores[1], &format!("before batch {number}"));
            master = 1 - master;
            term += 1;
            stores[master].begin_term(Term(term));
            kept = Kept::on(&*stores[master]);
        }
        let before = generator.known.clone();
        let batch = places.fill(generator.batch());
        match stores[master].commit_wait(Batch::new(batch.clone())) {
            Ok(committed) => places.follow(&batch, Some(committed.arrival_first)),
            Err(StoreError::Rejected(_)) => generator.known = before,
            Err(error) => panic!("batch {number}: {error}"),
        }
        taken.extend(kept.take());
        for taken in taken.drain(..) {
            let expected = Committed { arrival_first: taken.arrival_first, name: taken.name };
            let found = append(&*stores[1 - master], taken.copied().expect("a batch"));
            assert_eq!(found.expect("it is appended"), expected, "batch {number}");
        }
    }
    assert_equal(&*stores[0], &*stores[1], "at the end");
    stores.iter().for_each(|store| store.close());
}

/// Commits random batches, some of which are refused: a store full of all that there can be, of more than one rank.
pub fn fill_at_random(store: &dyn Replica, seed: u64, batches: usize) {
    let mut generator = Generator::from(seed, 0);
    let mut places = Places::default();
    places.synchronize(Some(store.recover_wait().expect("it can be read").arrival_next));
    for _ in 0..batches {
        let before = generator.known.clone();
        let batch = places.fill(generator.batch());
        match store.commit_wait(Batch::new(batch.clone())) {
            Ok(committed) => places.follow(&batch, Some(committed.arrival_first)),
            Err(StoreError::Rejected(_)) => generator.known = before,
            Err(error) => panic!("{error}"),
        }
    }
}
