//! An error at every call of the I/O seam, one run for each; and a disk that is full.
//!
//! Whatever fails: nothing is answered `Ok` that is not there after a power failure, nothing more is written after a failed write
//! or flush, and what was answered before is all there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kahawai_store::batch::{Batch, DestinationKind};
use kahawai_store::contract::{ReadRequest, Store, StoreError, StoreWait};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::DestinationId;

use super::driver::{Driven, contents_of, real, summary};
use super::scale;
use super::script::{self, Script, create, enqueue};
use crate::disk::Disk;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::options::JournalOptions;

const QUEUE: DestinationId = DestinationId(1);

fn changes_the_disk(call: Call) -> bool {
    matches!(
        call,
        Call::CreateSegment
            | Call::Rename
            | Call::Remove
            | Call::Publish
            | Call::Overwrite
            | Call::SegmentWrite
            | Call::SegmentFlush
    )
}

/// Runs a script with the call of this number failing; whether that call was reached.
fn fails_at(seed: u64, number: u64, kind: io::ErrorKind) -> bool {
    let at = format!("seed {seed}, call {number} fails with {kind:?}");
    let disk = MemoryDisk::new();
    let mut script = Script::new(seed);
    let mut states = vec![State::default()];
    let mut completed = 0;
    {
        // A log to begin with, so that opening has something to read, seal and sweep.
        let store = Driven::open(Arc::new(disk.clone()), 1).expect("a sound disk");
        let first = vec![
            Batch::from(create(QUEUE, DestinationKind::Queue)),
            create(DestinationId(2), DestinationKind::Topic).into(),
        ];
        for batch in first.into_iter().chain((0..25).map(|_| Batch::default())) {
            let mut now = states.last().expect("one").clone();
            let batch = if batch.operations.is_empty() { script.batch(&now) } else { batch };
            now.apply(batch.clone()).expect("the model takes it");
            store.commit_wait(batch).expect("a sound disk");
            states.push(now);
            completed += 1;
        }
    }
    let calls = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicBool::new(false));
    // Set by a failed write or flush: from then on nothing may be written.
    let latched = Arc::new(AtomicBool::new(false));
    let faulty = {
        let (calls, failed, latched, at) =
            (Arc::clone(&calls), Arc::clone(&failed), Arc::clone(&latched), at.clone());
        FaultyDisk::new(Arc::new(disk.clone()), move |call| {
            assert!(
                !latched.load(Ordering::SeqCst) || !changes_the_disk(call),
                "{at}: {call:?} after a failed write or flush"
            );
            // The questions of the election are not the engine's; and a lack of room is met where room is made.
            if kind == io::ErrorKind::StorageFull && call != Call::CreateSegment {
                return Ok(());
            }
            if calls.fetch_add(1, Ordering::SeqCst) != number {
                return Ok(());
            }
            failed.store(true, Ordering::SeqCst);
            latched.store(matches!(call, Call::SegmentWrite | Call::SegmentFlush), Ordering::SeqCst);
            Err(io::Error::new(kind, "as asked for"))
        })
    };
    let faulty: Arc<dyn Disk> = Arc::new(faulty);
    // A failed opening leaves everything as it was.
    if let Ok(store) = Driven::open(Arc::clone(&faulty), 2) {
        let mut ended = false;
        for _ in 0..12 {
            let mut batches = Vec::new();
            let mut now = states.last().expect("one").clone();
            let before = states.len() - 1;
            for _ in 0..3 {
                let batch = script.batch(&now);
                now.apply(batch.clone()).expect("the model takes it");
                states.push(now.clone());
                batches.push(batch);
            }
            let answers = store.round(&batches, |_, _| {});
            let good = answers.iter().take_while(|answer| answer.is_ok()).count();
            let after = &answers[good..];
            assert!(!ended || good == 0, "{at}: an answer of Ok after the end");
            if kind == io::ErrorKind::StorageFull && !after.is_empty() {
                // What found no room was not applied; batches behind it may have been. The model follows.
                states.truncate(before + 1);
                let mut now = states.last().expect("one").clone();
                for (batch, answer) in batches.iter().zip(&answers) {
                    match answer {
                        Ok(_) => {
                            now.apply(batch.clone()).unwrap_or_else(|error| panic!("{at}: {error}"));
                            states.push(now.clone());
                        }
                        Err(StoreError::Full(_) | StoreError::Rejected(_)) => {}
                        Err(error) => panic!("{at}: {error}"),
                    }
                }
                completed = states.len() - 1;
                continue;
            }
            assert!(after.iter().all(Result::is_err), "{at}: Ok behind an error: {answers:?}");
            completed += if ended { 0 } else { good };
            if !after.is_empty() {
                ended = true;
                let error = store.recover_wait().expect_err("it is over");
                assert!(matches!(error, StoreError::Failed(_)), "{at}: {error}");
                let request = ReadRequest {
                    destination: QUEUE,
                    subscription: None,
                    after: None,
                    messages_max: 1,
                    bytes_max: 1,
                };
                assert!(store.read_wait(request).is_err(), "{at}: it still answers");
            }
            if ended {
                // One more round shows that it stays so.
                states.truncate(before + 4);
                let batch = Batch::from(create(DestinationId(999), DestinationKind::Queue));
                let answers = store.round(&[batch], |_, _| {});
                assert!(answers[0].is_err(), "{at}");
                break;
            }
            if script.random.one_in(2) {
                store.idle();
            }
            if script.random.one_in(2) {
                // Whatever fails there ends the store, as the next round finds.
                let head = store.head_number();
                store.clean(|writer| writer.head_number() == head);
            }
        }
        store.close();
    }
    for keep in [false, true] {
        let store = Driven::open(Arc::new(disk.crash(&mut || keep)), 5)
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "{at}: {damage:#?}");
        let found = Contents::of(&store, 1000).expect("it can be read");
        assert!(
            states[completed..].iter().any(|state| contents_of(state) == found),
            "{at}: {completed} of {} completed, found {}\nexpected {}",
            states.len() - 1,
            summary(&found),
            summary(&contents_of(&states[completed]))
        );
    }
    failed.load(Ordering::SeqCst)
}

#[test]
fn whatever_call_fails_nothing_is_answered_that_is_not_durable() {
    let mut runs = 0;
    for seed in 0..2 * scale() {
        let mut number = 0;
        while fails_at(seed, number, io::ErrorKind::Other) {
            number += 1;
            runs += 1;
        }
    }
    println!("{runs} failing calls");
    assert!(runs > 100);
}

#[test]
fn whatever_segment_finds_no_room_nothing_is_lost_or_damaged() {
    let mut runs = 0;
    for seed in 0..10 * scale() {
        let mut number = 0;
        while fails_at(seed, number, io::ErrorKind::StorageFull) {
            number += 1;
            runs += 1;
        }
    }
    println!("{runs} segments without room");
    assert!(runs > 20);
}

/// Acknowledges a message where all were sent in the order of their ids, from 1.
fn acknowledge(id: u64) -> Batch {
    script::acknowledge(id, QUEUE, id - 1).into()
}

/// The driver makes spares in place, and so has no reserve of its own: see the tests of the threaded journal for that.
#[test]
fn a_store_whose_disk_is_full_opens_again() {
    let disk = MemoryDisk::new();
    disk.set_room(Some(64 << 10));
    let store = Driven::open(Arc::new(disk.clone()), 1).expect("room for a beginning");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("room");
    let mut sent = Vec::new();
    for id in 1.. {
        match store.commit_wait(enqueue(id, QUEUE, 500).into()) {
            Ok(_) => sent.push(id),
            Err(StoreError::Full(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent.len() > 50);
    // What the master before had prepared for later, its successor may use up to begin with.
    disk.set_room(Some(0));
    let spare = crate::FileName::Spare { epoch: kahawai_store::names::Epoch(1), count: 99 };
    disk.set_room(Some(4 << 10));
    disk.create_segment(spare, 4 << 10).expect("room for a spare");
    drop(store);
    let store = Driven::open(Arc::new(disk.clone()), 2).expect("the spare makes room");
    for &id in &sent {
        store.commit_wait(acknowledge(id)).unwrap_or_else(|error| panic!("acknowledging {id}: {error}"));
    }
    store.commit_wait(enqueue(9_999, QUEUE, 500).into()).expect("room again");
    let found = Contents::of(&store, 1000).expect("it can be read");
    assert_eq!(found.waiting[0].messages.len(), 1);
}

#[test]
fn a_master_that_cannot_prove_itself_answers_nobody_and_destroys_nothing() {
    let disk = MemoryDisk::new();
    let lost = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&lost);
    let watched = FaultyDisk::new(Arc::new(disk), move |call| {
        // It may still roll to a file of its own, which nobody reads.
        let destroys = matches!(call, Call::Remove | Call::Publish);
        assert!(!(destroys && seen.load(Ordering::SeqCst)), "{call:?} by a master that is none");
        Ok(())
    });
    let store = Driven::open(Arc::new(watched), 1).expect("it opens");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=12 {
        store.commit_wait(enqueue(id, QUEUE, 500).into()).expect("it commits");
    }
    store.hold().lose("someone else claimed it");
    lost.store(true, Ordering::SeqCst);
    // These empty the first segments, which would be given up now.
    let batches: Vec<_> = (1..=12).map(acknowledge).collect();
    for answer in store.round(&batches, |_, _| {}) {
        assert!(matches!(answer, Err(StoreError::Lost { .. })), "{answer:?}");
    }
    store.close();
}

#[test]
fn a_store_whose_disk_is_full_opens_though_nothing_was_kept_for_that() {
    let options = || JournalOptions { journal_max_file_length: 256 << 10, ..JournalOptions::default() };
    let disk = MemoryDisk::new();
    let store = Driven::open_with(Arc::new(disk.clone()), 1, options()).expect("room");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("room");
    for id in 1..=600 {
        store.commit_wait(enqueue(id, QUEUE, 1000).into()).expect("room");
    }
    drop(store);
    // Each start finds less room than a segment, and nothing to remove; none makes the next impossible.
    for epoch in 2..5 {
        disk.set_room(Some(40 << 10));
        Driven::open_with(Arc::new(disk.clone()), epoch, options()).expect("a beginning that fits");
    }
    disk.set_room(Some(40 << 10));
    let store = Driven::open_with(Arc::new(disk.clone()), 5, options()).expect("a beginning that fits");
    for id in 1..=600 {
        store.commit_wait(acknowledge(id)).unwrap_or_else(|error| panic!("acknowledging {id}: {error}"));
    }
    store.commit_wait(enqueue(9_999, QUEUE, 500).into()).expect("room again");
}
