//! Disks, and the stores on them.

use std::sync::Arc;

use kahawai_journal::options::JournalOptions;
use kahawai_journal::stepped::Stepped;
use kahawai_simulation::Context;
use kahawai_simulation::fault::Fault;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Durability, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Recovered, Store, StoreError, StoreWait};
use kahawai_store::names::DestinationId;

use super::{Heard, MILLI, Recorder, SECOND, Two};

/// A queue to be created.
fn create(id: u64) -> Batch {
    let name = format!("Q{id}").into();
    let destination = Destination { id: DestinationId(id), kind: DestinationKind::Queue, name };
    Operation::CreateDestination(destination).into()
}

/// Opens a store on `a`, and creates a queue in it.
fn store_of(two: &mut Two) -> Arc<Stepped> {
    let open = |_: &mut Recorder, context: &mut Context<'_>| {
        let hold = Arc::new(FixedHold::new(context.claim_epoch()));
        context.open_store(hold, JournalOptions { journal_max_file_length: 16 << 10, ..Default::default() })
    };
    let store = two.world.call("a", open).expect("it runs").expect("it opens");
    commit(two, &store, create(1));
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Created(true)]);
    store
}

fn commit(two: &mut Two, store: &Arc<Stepped>, batch: Batch) {
    let commit = |_: &mut Recorder, context: &mut Context<'_>| {
        let done = context.completion(|result| result.is_ok());
        store.commit(batch, done);
    };
    two.world.call("a", commit).expect("it runs");
}

/// How many queues a new process finds.
fn found(two: &mut Two) -> usize {
    two.world.start("a");
    let open = |_: &mut Recorder, context: &mut Context<'_>| {
        let hold = Arc::new(FixedHold::new(context.claim_epoch()));
        context.open_store(hold, JournalOptions { journal_max_file_length: 16 << 10, ..Default::default() })
    };
    let store = two.world.call("a", open).expect("it runs").expect("it opens").eager();
    let found: Result<Recovered, StoreError> = store.recover_wait();
    found.expect("it recovers").destinations.len()
}

#[test]
fn a_store_works_by_itself_a_little_later_and_not_while_its_process_stands() {
    let mut two = Two::new(16);
    let store = store_of(&mut two);
    commit(&mut two, &store, create(2));
    assert_eq!(two.heard("a"), []);
    two.world.pause("a");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), []);
    two.world.resume("a");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Created(true)]);
}

#[test]
fn what_was_not_flushed_outlives_a_process_and_perhaps_a_machine() {
    let mut kept = 0;
    for seed in 0..60 {
        let mut two = Two::new(seed);
        let store = store_of(&mut two);
        commit(&mut two, &store, create(2).durable(Durability::Never));
        two.world.run_for(20 * MILLI);
        assert_eq!(two.heard("a"), [Heard::Created(true)]);
        if seed.is_multiple_of(2) {
            two.world.kill("a");
            assert_eq!(found(&mut two), 2);
        } else {
            two.world.crash("a");
            kept += found(&mut two) - 1;
        }
    }
    assert!((3..27).contains(&kept), "{kept} of 30 outlived their machine");
}

#[test]
fn a_process_that_dies_at_its_disk_answers_nothing_after_that() {
    let (mut answered, mut died) = (0, 0);
    for calls in 0..12 {
        let mut two = Two::new(calls);
        let store = store_of(&mut two);
        two.world.disk("a").die_in(calls);
        commit(&mut two, &store, create(2));
        two.world.run_for(20 * MILLI);
        let heard = two.heard("a");
        assert!(heard.is_empty() || heard == [Heard::Created(true)], "the dead say nothing: {heard:?}");
        let is_answered = !heard.is_empty();
        let died_now = !two.world.runs("a");
        died += usize::from(died_now);
        assert_eq!(two.world.counts().of(Fault::KillAtDisk), u64::from(died_now));
        two.world.crash("a");
        let found = found(&mut two);
        assert!(found == 2 || !is_answered, "after {calls} calls: answered, and lost");
        answered += usize::from(is_answered);
    }
    assert!(answered > 0 && died > 0 && died < 12, "{answered} answered, {died} died");
}

#[test]
fn what_is_left_of_a_dead_process_reaches_its_disk_no_more() {
    let mut two = Two::new(22);
    let store = store_of(&mut two);
    two.world.kill("a");
    let digest = two.world.disk("a").memory().digest();
    let error = store.eager().commit_wait(create(2)).expect_err("it has no disk");
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    assert_eq!(two.world.disk("a").memory().digest(), digest);
    assert_eq!(found(&mut two), 1);
}

#[test]
fn a_flush_and_a_write_that_fail_and_a_full_disk_reach_the_store() {
    for fault in [Fault::Flush, Fault::Write] {
        let mut two = Two::new(17);
        let store = store_of(&mut two);
        match fault {
            Fault::Flush => two.world.disk("a").fail_flushes(),
            _ => two.world.disk("a").fail_writes(),
        }
        commit(&mut two, &store, create(2));
        two.world.run_for(SECOND);
        assert_eq!(two.heard("a"), [Heard::Created(false)]);
        assert!(matches!(store.ended(), Some(StoreError::Failed(_))) && two.world.counts().of(fault) > 0);
        two.world.kill("a");
        assert!(found(&mut two) >= 1, "the next process has a disk that works");
    }
    let mut two = Two::new(18);
    let store = store_of(&mut two);
    two.world.disk("a").fill(true);
    for id in 2..300 {
        commit(&mut two, &store, create(id));
    }
    two.world.run_for(SECOND);
    assert!(two.heard("a").contains(&Heard::Created(false)) && two.world.counts().of(Fault::Full) > 0);
    two.world.mend();
    commit(&mut two, &store, create(1000));
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Created(true)]);
}
