//! Long random lives against the model, with reopening, power failures and idle moments among them; and how much disk is taken
//! once everything is acknowledged.

use std::sync::Arc;

use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome};
use kahawai_store::contract::{Store, StoreWait};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{DestinationId, Epoch};

use super::driver::{Driven, contents_of, options, real, summary};
use super::scale;
use super::script::{Script, acknowledge, create, enqueue};
use crate::FileName;
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;

fn compare(store: &Driven, state: &State, at: &str) {
    let found = Contents::of(store, 5).expect("it can be read");
    let expected = contents_of(state);
    assert!(found == expected, "{at}:\nfound {}\nexpected {}", summary(&found), summary(&expected));
    let (given, known) = (store.recover_wait().expect("recovers"), state.recover(Epoch(0)));
    assert_eq!(
        (given.message_id_next, given.destination_id_next, given.subscription_id_next),
        (known.message_id_next, known.destination_id_next, known.subscription_id_next),
        "{at}"
    );
    let damage = store.damage();
    assert!(real(&damage).is_empty(), "{at}: {damage:#?}");
}

/// The bytes of all segments and spares.
fn bytes_on(disk: &MemoryDisk) -> u64 {
    let names = disk.list().expect("a list").into_iter();
    let segments = names.filter(|name| matches!(name, FileName::Segment { .. } | FileName::Spare { .. }));
    segments.map(|name| disk.open_segment(name).expect("it opens").length()).sum()
}

/// Acknowledges everything that waits and decides everything that is prepared.
fn drain(store: &Driven, state: &mut State) {
    let mut operations: Vec<Operation> = Vec::new();
    for prepared in state.recover(Epoch(0)).prepared {
        operations.push(Operation::Decide { xid: prepared.xid, outcome: Outcome::Rollback });
    }
    for waiting in contents_of(state).waiting {
        let (destination, subscription) = (waiting.destination, waiting.subscription);
        operations.extend(waiting.messages.iter().map(|stored| Operation::Acknowledge {
            destination,
            id: stored.id,
            cursor: stored.cursor,
            subscription,
        }));
    }
    for operation in operations {
        state.apply(operation.clone().into()).expect("the model takes it");
        store.commit_wait(operation.into()).expect("it commits");
    }
}

#[test]
fn long_lives_match_the_model_and_take_no_more_disk_than_they_need() {
    for seed in 0..3 * scale() {
        let mut script = Script::new(5000 + seed);
        let mut state = State::default();
        let mut disk = MemoryDisk::new();
        let mut epoch = 1;
        let mut store = Driven::open(Arc::new(disk.clone()), epoch).expect("it opens");
        let mut rolled = 0;
        for round in 0..250 {
            let at = format!("seed {seed}, round {round}");
            if round % 25 == 0 {
                for (add, kind) in [(0, DestinationKind::Queue), (1, DestinationKind::Topic)] {
                    let batch: Batch = create(DestinationId(1_000_000 + round * 2 + add), kind).into();
                    state.apply(batch.clone()).expect("the model takes it");
                    store.commit_wait(batch).expect("it commits");
                }
            }
            let mut batches = Vec::new();
            for _ in 0..1 + script.random.below(4) {
                let batch = script.batch(&state);
                state.apply(batch.clone()).expect("the model takes it");
                batches.push(batch);
            }
            for answer in store.round(&batches, |_, _| {}) {
                answer.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            if script.random.one_in(5) {
                store.idle();
            }
            if script.random.one_in(60) {
                drain(&store, &mut state);
            }
            if script.random.one_in(12) {
                epoch += 1;
                if script.random.one_in(2) {
                    store.close();
                }
                if script.random.one_in(2) {
                    let random = &mut script.random;
                    disk = disk.crash(&mut || random.one_in(2));
                }
                store = Driven::open(Arc::new(disk.clone()), epoch)
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                compare(&store, &state, &at);
                rolled += 1;
            }
        }
        assert!(rolled > 5);
        drain(&store, &mut state);
        // Whatever was left in segments is released once the log moves on.
        let queue = DestinationId(2_000_000);
        let batch: Batch = create(queue, DestinationKind::Queue).into();
        state.apply(batch.clone()).expect("the model takes it");
        store.commit_wait(batch).expect("it commits");
        for id in 3_000_000..3_000_060 {
            let batch = Batch::from(enqueue(id, queue, 300));
            let arrival = state.apply(batch.clone()).expect("the model takes it").arrival_first;
            store.commit_wait(batch).expect("it commits");
            let batch = Batch::from(acknowledge(id, queue, arrival));
            state.apply(batch.clone()).expect("the model takes it");
            store.commit_wait(batch).expect("it commits");
        }
        let most = 8 * options().journal_max_file_length;
        let taken = bytes_on(&disk);
        assert!(taken <= most, "seed {seed}: {taken} bytes for nothing: {:?}", disk.list());
        // And what exists is still known, though all that told of it first is gone.
        for _ in 0..3 {
            epoch += 1;
            store = Driven::open(Arc::new(disk.clone()), epoch).expect("it opens");
            compare(&store, &state, "at the end");
            let taken = bytes_on(&disk);
            assert!(taken <= most, "seed {seed}: {taken} bytes after opening again: {:?}", disk.list());
        }
    }
}
