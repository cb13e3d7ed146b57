//! What names a batch: its term and its number, whichever epoch's record holds it.

use std::sync::Arc;

use kahawai_store::batch::DestinationKind;
use kahawai_store::contract::{Store, StoreWait};
use kahawai_store::names::{BatchName, DestinationId, Term};

use super::driver::{Driven, options, without_checkpoints};
use super::script::{acknowledge, create, enqueue};
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::inspect::{Content, Inspection};
use crate::options::JournalOptions;

const QUEUE: DestinationId = DestinationId(1);

fn named(term: u64, number: u64) -> BatchName {
    BatchName { term: Term(term), number }
}

fn last(store: &Driven) -> BatchName {
    store.writer.lock().expect("no panic").shared().index().state.batch_last()
}

/// The names of all batches in the log, in its order, and the epochs whose records hold them.
fn all(disk: &MemoryDisk) -> Vec<(BatchName, u64)> {
    let mut names = Vec::new();
    let findings = Inspection::on(Arc::new(disk.clone()), "the disk".to_owned()).expect("a store").dump(
        &mut |record| {
            if let Content::Batch { term, number, .. } = record.content {
                names.push((BatchName { term, number }, record.epoch.0));
            }
        },
        &mut |_| {},
    );
    findings.expect("it can be read");
    names
}

fn open(disk: &MemoryDisk, epoch: u64, options: JournalOptions) -> Driven {
    let store = Driven::open_with(Arc::new(disk.clone()) as Arc<dyn Disk>, epoch, options).expect("it opens");
    begin_term(&store, epoch);
    store
}

fn begin_term(store: &Driven, term: u64) {
    let writer = store.writer.lock().expect("no panic");
    writer.shared().term.store(term, std::sync::atomic::Ordering::Release);
}

/// A store that is told no term, as one without copies is, goes on in the last one's.
#[test]
fn without_a_new_term_names_go_on_in_the_last_one() {
    let disk = MemoryDisk::new();
    let store = open(&disk, 3, options());
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    store.close();
    let store = open(&disk, 4, options());
    begin_term(&store, 0);
    store.commit_wait(enqueue(1, QUEUE, 20).into()).expect("it commits");
    assert_eq!(last(&store), named(3, 2));
    store.close();
}

#[test]
fn a_batch_keeps_its_name_when_a_later_epoch_writes_it_anew() {
    let disk = MemoryDisk::new();
    let store = open(&disk, 1, without_checkpoints());
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=3 {
        store.commit_wait(enqueue(id, QUEUE, 20).into()).expect("it commits");
    }
    // Refused, it has no name.
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect_err("it is there");
    assert_eq!(last(&store), named(1, 4));
    // The process dies: the last batch was flushed, and no record says so.
    let disk = disk.crash(&mut || true);
    drop(store);

    let store = open(&disk, 2, without_checkpoints());
    assert_eq!(last(&store), named(1, 4));
    store.commit_wait(enqueue(4, QUEUE, 20).into()).expect("it commits");
    let names = all(&disk);
    let expected: Vec<_> = (1..=4).map(|number| named(1, number)).chain([named(2, 5)]).collect();
    assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expected, "{names:?}");
    assert!(names.contains(&(named(1, 4), 2)), "one was written anew: {names:?}");
    store.close();
}

/// Neither what is released nor a checkpoint takes the last name away.
#[test]
fn the_last_name_outlives_its_record() {
    for options in [options(), without_checkpoints()] {
        let disk = MemoryDisk::new();
        let store = open(&disk, 7, options.clone());
        store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
        for id in 1..=200 {
            store.commit_wait(enqueue(id, QUEUE, 100).into()).expect("it commits");
            store.commit_wait(acknowledge(id, QUEUE, id - 1).into()).expect("it commits");
        }
        assert_eq!(last(&store), named(7, 401));
        store.close();
        for epoch in 8..=9 {
            let store = open(&disk, epoch, options.clone());
            assert_eq!(last(&store), named(7, 401), "epoch {epoch}");
            store.close();
        }
        let store = open(&disk, 10, options);
        store.commit_wait(enqueue(201, QUEUE, 100).into()).expect("it commits");
        assert_eq!(last(&store), named(10, 402));
        assert_eq!(all(&disk).last().map(|(name, _)| *name), Some(named(10, 402)));
        store.close();
    }
}
