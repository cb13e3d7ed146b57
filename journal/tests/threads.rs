//! The journal's threads: whoever asked gets an answer, whatever happens; and a full disk holds up those who send, not those who
//! acknowledge.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: what goes wrong is to stop the test, and a gap to be told"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kahawai_journal::FileName;
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::Disk;
use kahawai_journal::disk::faulty::{Call, FaultyDisk};
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_journal::steps::{Step, Watch};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Durability, Operation, Outcome};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, Page, ReadRequest, Store, StoreError, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, Xid};

const PATIENCE: Duration = Duration::from_secs(60);
const QUEUE: DestinationId = DestinationId(1);

fn open(store: &StoreDirectory, epoch: u64, watch: Watch) -> Journal {
    let options = JournalOptions { journal_max_file_length: 16 << 10, watch, ..JournalOptions::default() };
    Journal::open(store, Arc::new(FixedHold::new(Epoch(epoch))), options).expect("it opens")
}

fn on(disk: &MemoryDisk) -> StoreDirectory {
    StoreDirectory::on(Arc::new(disk.clone())).expect("a store")
}

fn create() -> Batch {
    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "queue".into() };
    Operation::CreateDestination(queue).into()
}

fn enqueue(id: u64) -> Batch {
    let message = Arc::new(Message { body: vec![id as u8; 400].into(), ..Message::default() });
    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message }.into()
}

/// Acknowledges a message where all were sent in the order of their ids, from 1.
fn acknowledge(id: u64) -> Batch {
    acknowledge_at(id, Cursor { rank: 0, arrival: id - 1 }).into()
}

fn acknowledge_at(id: u64, cursor: Cursor) -> Operation {
    Operation::Acknowledge { destination: QUEUE, id: MessageId(id), cursor, subscription: None }
}

fn read(journal: &Journal) -> Result<Page, StoreError> {
    journal.read_wait(ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 100_000,
        bytes_max: usize::MAX,
    })
}

fn ids(journal: &Journal) -> Vec<u64> {
    read(journal).expect("it can be read").messages.iter().map(|stored| stored.id.0).collect()
}

#[test]
fn a_journal_dropped_with_batches_in_flight_answers_all_of_them() {
    let disk = MemoryDisk::new();
    let journal = open(&on(&disk), 1, Watch::default());
    journal.commit_wait(create()).unwrap();
    let (answers, answered) = channel();
    for id in 1..=2000 {
        let answers = answers.clone();
        journal.commit(enqueue(id), Completion::new(move |result| answers.send((id, result)).unwrap()));
    }
    drop(journal);
    drop(answers);
    let all: Vec<_> = answered.iter().collect();
    assert_eq!(all.len(), 2000);
    let kept: Vec<u64> = all.iter().filter(|(_, result)| result.is_ok()).map(|(id, _)| *id).collect();
    let again = open(&on(&disk), 2, Watch::default());
    let found = ids(&again);
    assert!(kept.iter().all(|id| found.contains(id)));
}

#[test]
fn a_panic_of_the_writer_answers_everybody_and_ends_the_store() {
    for &step in &[
        Step::CommitWritten,
        Step::CommitFlushed,
        Step::CommitProven,
        Step::RollFlushed,
        Step::ReleaseProven,
    ] {
        let disk = MemoryDisk::new();
        let armed = Arc::new(AtomicBool::new(false));
        let watch = {
            let armed = Arc::clone(&armed);
            Watch::new(move |reached| {
                assert!(reached != step || !armed.load(Ordering::SeqCst), "a bug, as a test has it");
            })
        };
        let journal = open(&on(&disk), 1, watch);
        journal.commit_wait(create()).unwrap();
        journal.commit_wait(enqueue(1)).unwrap();
        armed.store(true, Ordering::SeqCst);
        let (answers, answered) = channel();
        for id in 2..=200 {
            let sent = answers.clone();
            journal.commit(enqueue(id), Completion::new(move |result| sent.send(result.is_ok()).unwrap()));
            let sent = answers.clone();
            journal
                .commit(acknowledge(id), Completion::new(move |result| sent.send(result.is_ok()).unwrap()));
        }
        let sent = answers.clone();
        journal.commit(acknowledge(1), Completion::new(move |result| sent.send(result.is_ok()).unwrap()));
        drop(answers);
        let mut count = 0;
        while answered.recv_timeout(PATIENCE).is_ok() {
            count += 1;
        }
        assert_eq!(count, 399, "{step}: everybody is answered");
        // A step that comes behind the last answer may still be ahead.
        let until = Instant::now() + PATIENCE;
        let mut id = 1000;
        while journal.commit_wait(enqueue(id)).is_ok() {
            let _ = journal.commit_wait(acknowledge(id));
            id += 1;
            assert!(Instant::now() < until, "{step}: never reached");
        }
        let error = journal.recover_wait().expect_err("it is over");
        assert!(matches!(error, StoreError::Failed(_)), "{step}: {error}");
        let error = read(&journal).expect_err("it is over");
        assert!(matches!(error, StoreError::Failed(_)), "{step}: {error}");
        journal.close();
    }
}

#[test]
fn a_completion_may_drop_the_last_handle_of_the_journal() {
    let disk = MemoryDisk::new();
    let journal = Arc::new(open(&on(&disk), 1, Watch::default()));
    let (done, ended) = channel();
    let held = Arc::new(Mutex::new(Some(Arc::clone(&journal))));
    // Dropped by the caller first, so that the completion has the last one.
    let (go, may_go) = channel::<()>();
    let in_completion = Arc::clone(&held);
    journal.commit(
        create(),
        Completion::new(move |result| {
            may_go.recv().unwrap();
            drop(in_completion.lock().unwrap().take());
            done.send(result.is_ok()).unwrap();
        }),
    );
    drop(journal);
    go.send(()).unwrap();
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_full_disk_holds_up_senders_and_not_acknowledgements_and_nothing_is_lost() {
    for kilobytes in [120, 200, 333] {
        let disk = MemoryDisk::new();
        disk.set_room(Some(kilobytes << 10));
        let journal = open(&on(&disk), 1, Watch::default());
        journal.commit_wait(create()).unwrap();
        let mut waiting = Vec::new();
        let mut id = 0;
        // Twice: full, consumed, room again.
        for round in 0..2 {
            let full = loop {
                id += 1;
                match journal.commit_wait(enqueue(id)) {
                    Ok(_) => waiting.push(id),
                    Err(error) => break error,
                }
            };
            assert!(matches!(full, StoreError::Full(_)), "{full}");
            assert!(
                waiting.len() as u64 * 450 > (kilobytes << 10) / 2 - 40_000,
                "full with {} messages",
                waiting.len()
            );
            assert_eq!(ids(&journal), waiting, "round {round}");
            // Half of them, still full for a while or not; then all.
            waiting.clear();
            for stored in read(&journal).expect("it can be read").messages {
                let (id, cursor) = (stored.id.0, stored.cursor);
                journal.commit_wait(acknowledge_at(id, cursor).into()).unwrap_or_else(|error| {
                    panic!("{kilobytes} KiB, round {round}, acknowledging {id}: {error}")
                });
            }
            let until = Instant::now() + PATIENCE;
            loop {
                id += 1;
                match journal.commit_wait(enqueue(id)) {
                    Ok(_) => break waiting.push(id),
                    Err(StoreError::Full(_)) => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
                assert!(Instant::now() < until, "no room though all was consumed");
            }
        }
        // Room that comes from outside is found too.
        while journal.commit_wait(enqueue(id + 1)).is_ok() {
            id += 1;
            waiting.push(id);
        }
        id += 1;
        disk.set_room(None);
        let until = Instant::now() + PATIENCE;
        loop {
            id += 1;
            match journal.commit_wait(enqueue(id)) {
                Ok(_) => break waiting.push(id),
                Err(StoreError::Full(_)) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < until, "no room though there is");
        }
        assert_eq!(ids(&journal), waiting);
        journal.close();
        assert_eq!(ids(&open(&on(&disk), 2, Watch::default())), waiting);
    }
}

#[test]
fn a_burst_is_not_told_that_the_disk_is_full_while_the_reserve_is_being_made() {
    // Each segment takes its time, so that the reserve is under way when the next is needed.
    for _ in 0..5 {
        let disk = MemoryDisk::new();
        let slow = FaultyDisk::new(Arc::new(disk), |call| {
            if call == Call::CreateSegment {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        });
        let journal = open(&StoreDirectory::on(Arc::new(slow)).unwrap(), 1, Watch::default());
        journal.commit_wait(create()).unwrap();
        let (answers, answered) = channel();
        for id in 1..=400 {
            let answers = answers.clone();
            journal.commit(enqueue(id), Completion::new(move |result| answers.send(result).unwrap()));
        }
        drop(answers);
        for answer in answered {
            answer.expect("there is room");
        }
    }
}

/// Acknowledgements that empty no segment, in transactions too: room is won only by cleaning, on a disk that is full.
#[test]
fn on_a_full_disk_scattered_acknowledgements_and_the_cleaner_go_on() {
    for kilobytes in [400, 700] {
        let disk = MemoryDisk::new();
        disk.set_room(Some(kilobytes << 10));
        let journal = open(&on(&disk), 1, Watch::default());
        journal.commit_wait(create()).unwrap();
        let mut waiting = Vec::new();
        for id in 1.. {
            match journal.commit_wait(enqueue(id)) {
                Ok(_) => waiting.push(id),
                Err(StoreError::Full(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let (go, stay): (Vec<u64>, Vec<u64>) = waiting.iter().partition(|id| !id.is_multiple_of(4));
        for ids in go.chunks(7) {
            let xid = Xid { format: 1, global: vec![1].into(), branch: Bytes::new() };
            let operations =
                ids.iter().map(|&id| acknowledge_at(id, Cursor { rank: 0, arrival: id - 1 })).collect();
            let prepare = Operation::Prepare { xid: xid.clone(), operations };
            let decide = Operation::Decide { xid, outcome: Outcome::Commit };
            for operation in [prepare, decide] {
                let at = ids[0];
                journal
                    .commit_wait(operation.into())
                    .unwrap_or_else(|error| panic!("{kilobytes} KiB, acknowledging {at}: {error}"));
            }
        }
        let until = Instant::now() + PATIENCE;
        let next = loop {
            match journal.commit_wait(enqueue(1_000_000)) {
                Ok(_) => break 1_000_000,
                Err(StoreError::Full(_)) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < until, "{kilobytes} KiB: no room though most was consumed");
        };
        let expected: Vec<u64> = stay.into_iter().chain([next]).collect();
        assert_eq!(ids(&journal), expected);
        journal.close();
        disk.set_room(None);
        assert_eq!(ids(&open(&on(&disk), 2, Watch::default())), expected);
    }
}

#[test]
fn what_is_completed_at_the_level_periodic_is_flushed_within_its_interval() {
    let disk = MemoryDisk::new();
    let options = JournalOptions {
        journal_disk_sync_strategy: Durability::Periodic,
        journal_disk_sync_interval: Duration::from_millis(20),
        ..JournalOptions::default()
    };
    let journal = Journal::open(&on(&disk), Arc::new(FixedHold::new(Epoch(1))), options).expect("it opens");
    journal.commit_wait(create()).unwrap();
    let mut was_at_risk = false;
    for id in 1..=50 {
        journal.commit_wait(enqueue(id)).unwrap();
        was_at_risk |= journal.durability().bytes_at_risk > 0;
    }
    assert!(was_at_risk, "every commit was flushed");
    assert_eq!(journal.durability().level, Durability::Periodic);
    let until = Instant::now() + PATIENCE;
    while journal.durability().bytes_at_risk > 0 {
        assert!(Instant::now() < until, "never flushed");
        std::thread::yield_now();
    }
    let after = disk.crash(&mut || false);
    assert_eq!(ids(&open(&on(&after), 2, Watch::default())), (1..=50).collect::<Vec<_>>());
}

#[test]
fn commits_go_on_while_the_files_of_what_was_released_are_taken_away() {
    let disk = MemoryDisk::new();
    let gate = Arc::new(Mutex::new(()));
    let shut = Arc::clone(&gate);
    let waits = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&waits);
    let slow = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        if call == Call::Remove {
            told.store(true, Ordering::SeqCst);
            drop(shut.lock().unwrap());
        }
        Ok(())
    });
    let store = StoreDirectory::on(Arc::new(slow)).expect("a store");
    let journal = open(&store, 1, Watch::default());
    let segments = |disk: &MemoryDisk| {
        let names = disk.list().unwrap();
        names.into_iter().filter(|name| matches!(name, FileName::Segment { .. })).count()
    };
    journal.commit_wait(create()).unwrap();
    for id in 1..=600 {
        journal.commit_wait(enqueue(id)).unwrap();
    }
    let before = segments(&disk);
    assert!(before > 10, "{before} segments");
    let held = gate.lock().unwrap();
    journal.commit_wait(Operation::RemoveDestination(QUEUE).into()).unwrap();
    let (answer, answered) = channel();
    let other = Destination { id: DestinationId(2), kind: DestinationKind::Queue, name: "other".into() };
    let batch = Operation::CreateDestination(other).into();
    journal.commit(batch, Completion::new(move |result| answer.send(result).unwrap()));
    answered.recv_timeout(PATIENCE).expect("it is answered though files are still there").unwrap();
    let begun = Instant::now();
    while !waits.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < PATIENCE, "nothing is taken away");
        std::thread::yield_now();
    }
    assert!(segments(&disk) > before / 2);
    drop(held);
    drop(journal);
    assert!(segments(&disk) <= 2, "a journal that is closed leaves none behind: {:?}", disk.list());
}
