//! What goes with a destination or a subscription is taken out of the index a little with each round.

use std::sync::Arc;

use kahawai_store::batch::{Batch, DestinationKind, Operation, Subscription};
use kahawai_store::contract::{Recovered, Store, StoreWait};
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};

use super::driver::{Driven, without_checkpoints};
use super::script::{create, enqueue};
use crate::disk::memory::MemoryDisk;
use crate::options::JournalOptions;

const BESIDE: DestinationId = DestinationId(1);
const LARGE: DestinationId = DestinationId(2);
const STAYS: SubscriptionId = SubscriptionId(1);
const GOES: SubscriptionId = SubscriptionId(2);
const COUNT: u64 = 60;

/// A destination of some messages in several segments, and one message in another destination.
fn filled(kind: DestinationKind) -> Driven {
    filled_with(MemoryDisk::new(), kind, COUNT, without_checkpoints())
}

fn filled_with(disk: MemoryDisk, kind: DestinationKind, count: u64, options: JournalOptions) -> Driven {
    let store = Driven::open_with(Arc::new(disk), 1, options).expect("it opens");
    let mut first = vec![create(BESIDE, DestinationKind::Queue), create(LARGE, kind)];
    if kind == DestinationKind::Topic {
        first.extend([(STAYS, "stays"), (GOES, "goes")].map(|(id, name)| {
            Operation::Subscribe(Subscription {
                id,
                destination: LARGE,
                client_id: "client".into(),
                name: name.into(),
                selector: None,
                no_local: false,
            })
        }));
    }
    store.commit_wait(Batch::new(first)).expect("it commits");
    for id in 1..=count {
        store.commit_wait(enqueue(id, LARGE, 300).into()).expect("it commits");
    }
    store.commit_wait(enqueue(10_000, BESIDE, 300).into()).expect("it commits");
    store
}

fn acknowledge(store: &Driven, id: u64, subscription: SubscriptionId) {
    // They arrived in the order of their ids, from 1 on.
    let cursor = Cursor { rank: 0, arrival: id - 1 };
    let (id, subscription) = (MessageId(id), Some(subscription));
    let acknowledged = Operation::Acknowledge { destination: LARGE, id, cursor, subscription };
    store.commit_wait(acknowledged.into()).expect("it commits");
}

/// How many messages the index holds, whether they are gone or not.
fn held(store: &Driven) -> usize {
    store.writer.lock().expect("no panic").shared().index().messages.table_count()
}

/// How many count as living.
fn counted(store: &Driven) -> u64 {
    store.writer.lock().expect("no panic").shared().index().messages.live_total().count
}

/// Idle moments until nothing is left; how many. No more than a few messages go with each, and until then all count.
fn sweep(store: &Driven) -> usize {
    let all = counted(store);
    for moments in 0.. {
        if !store.writer.lock().expect("no panic").is_sweeping() {
            return moments;
        }
        assert_eq!(counted(store), all);
        let before = held(store);
        store.idle();
        assert!(held(store) + 8 > before, "{} of {before} are left after one round", held(store));
    }
    unreachable!("it ends")
}

fn messages_of(recovered: &Recovered, destination: DestinationId) -> u64 {
    let found = recovered.destinations.iter().find(|found| found.destination.id == destination);
    found.expect("it exists").messages
}

#[test]
fn a_large_queue_goes_at_once_and_is_taken_out_by_and_by() {
    let store = filled(DestinationKind::Queue);
    let head = store.head_number();
    store.commit_wait(Operation::RemoveDestination(LARGE).into()).expect("it commits");
    assert!(held(&store) as u64 > COUNT - 8, "{} are left after one round", held(&store));
    assert_eq!(store.head_number(), head);
    {
        let writer = store.writer.lock().expect("no panic");
        let index = writer.shared().index();
        assert!((1..=COUNT).all(|id| index.messages.place(MessageId(id)).is_none()), "all are gone");
        assert!(index.messages.place(MessageId(10_000)).is_some());
    }
    let moments = sweep(&store);
    assert!(moments > 5, "it took {moments} moments");
    assert_eq!(counted(&store), 1);
    assert_ne!(store.head_number(), head, "the segments that it held are given up");
    let recovered = store.recover_wait().expect("it recovers");
    assert_eq!((recovered.destinations.len(), messages_of(&recovered, BESIDE)), (1, 1));
}

#[test]
fn what_only_one_subscription_waited_for_goes_with_it_by_and_by() {
    let store = filled(DestinationKind::Topic);
    // Both have some that the other has not, below the one's floor and beyond it.
    (1..=20).for_each(|id| acknowledge(&store, id, STAYS));
    (31..=50).for_each(|id| acknowledge(&store, id, STAYS));
    (41..=60).for_each(|id| acknowledge(&store, id, GOES));
    store.commit_wait(Operation::Unsubscribe(GOES).into()).expect("it commits");
    assert!(sweep(&store) > 5);
    // Of the topic 21 to 30 and 51 to 60, and the other queue's.
    assert_eq!(counted(&store), 21);
    assert_eq!(messages_of(&store.recover_wait().expect("it recovers"), LARGE), 20);
}

#[test]
fn whoever_asks_what_there_is_gets_exact_numbers() {
    let store = filled(DestinationKind::Topic);
    store.commit_wait(Operation::Unsubscribe(GOES).into()).expect("it commits");
    (1..=50).for_each(|id| acknowledge(&store, id, STAYS));
    store.commit_wait(Operation::Unsubscribe(STAYS).into()).expect("it commits");
    assert!(store.writer.lock().expect("no panic").is_sweeping());
    assert_eq!(messages_of(&store.recover_wait().expect("it recovers"), LARGE), 0);
}

#[test]
fn where_much_is_written_meanwhile_all_of_it_goes_at_once() {
    let store = filled_with(MemoryDisk::new(), DestinationKind::Queue, 500, without_checkpoints());
    store.commit_wait(Operation::RemoveDestination(LARGE).into()).expect("it commits");
    assert!(store.writer.lock().expect("no panic").is_sweeping());
    // More than a segment, in one record.
    store.commit_wait(enqueue(10_001, BESIDE, 5000).into()).expect("it commits");
    assert!(!store.writer.lock().expect("no panic").is_sweeping());
    assert_eq!(counted(&store), 2);
}

#[test]
fn a_checkpoint_that_waits_no_longer_holds_nothing_that_is_gone() {
    let options = JournalOptions {
        journal_max_file_length: 64 << 10,
        checkpoint_bytes: 1 << 10,
        ..super::driver::options()
    };
    let disk = MemoryDisk::new();
    let store = filled_with(disk.clone(), DestinationKind::Queue, 500, options.clone());
    store.commit_wait(Operation::RemoveDestination(LARGE).into()).expect("it commits");
    assert!(store.writer.lock().expect("no panic").is_sweeping());
    store.commit_wait(enqueue(10_001, BESIDE, 2500).into()).expect("it commits");
    assert!(!store.writer.lock().expect("no panic").is_sweeping(), "a checkpoint was taken");
    store.idle();
    store.close();
    let store = Driven::open_with(Arc::new(disk), 2, options).expect("it opens");
    assert_eq!(counted(&store), 2);
    assert_eq!(messages_of(&store.recover_wait().expect("it recovers"), BESIDE), 2);
}
