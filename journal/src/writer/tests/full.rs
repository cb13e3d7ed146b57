//! A full disk, with the cleaner where the test wants it: what makes room gets its answer, after whatever the cleaner has to do first, and
//! never one that says that the disk is full while something can be won.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kahawai_store::batch::{Batch, DestinationKind};
use kahawai_store::contract::{ReadRequest, StoreError, StoreWait};
use kahawai_store::names::DestinationId;

use super::driver::Driven;
use super::script::{self, create, enqueue};
use crate::disk::memory::MemoryDisk;
use crate::options::JournalOptions;

const SEGMENT: u64 = 16 << 10;
const QUEUE: DestinationId = DestinationId(1);
const PATIENCE: Duration = Duration::from_secs(60);

fn open(disk: &MemoryDisk, epoch: u64) -> Driven {
    let options = JournalOptions { journal_max_file_length: SEGMENT, ..JournalOptions::default() };
    Driven::open_as(Arc::new(disk.clone()), epoch, options, true).expect("it opens")
}

/// Acknowledges a message where all were sent in the order of their ids, from 1.
fn acknowledge(id: u64) -> Batch {
    script::acknowledge(id, QUEUE, id - 1).into()
}

fn ids(store: &Driven) -> Vec<u64> {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 100_000,
        bytes_max: usize::MAX,
    };
    let page = store.read_wait(request).expect("it can be read");
    page.messages.iter().map(|stored| stored.id.0).collect()
}

/// A store on a disk of so many segments, with messages until it is full.
fn full(segments: u64, size: usize) -> (MemoryDisk, Driven, Vec<u64>) {
    let disk = MemoryDisk::new();
    disk.set_room(Some(segments * SEGMENT));
    let store = open(&disk, 1);
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("room");
    let mut sent = Vec::new();
    for id in 1.. {
        match store.commit_wait(enqueue(id, QUEUE, size).into()) {
            Ok(_) => sent.push(id),
            Err(StoreError::Full(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    (disk, store, sent)
}

/// Acknowledges these until one waits; gives how many were answered, all of them well.
fn until_one_waits(store: &Driven, go: &[u64]) -> usize {
    for (count, &id) in go.iter().enumerate() {
        let answers = store.leave(&[acknowledge(id)]);
        if store.waits() {
            assert!(answers.try_recv().is_err(), "it waits and is answered");
            return count;
        }
        let (_, answer) = answers.try_recv().expect("it does not wait");
        answer.unwrap_or_else(|error| panic!("acknowledging {id}: {error}"));
    }
    panic!("none waited");
}

/// One message of each segment, or of any few, stays: only the cleaner makes room.
#[test]
fn what_makes_room_waits_for_the_cleaner_and_is_answered() {
    for (segments, stays) in [(24, 3), (20, 7), (40, 2), (40, 30)] {
        let at = format!("{segments} segments, one of {stays} stays");
        let (_disk, store, sent) = full(segments, 400);
        let (stay, go): (Vec<u64>, Vec<u64>) = sent.iter().partition(|id| id.is_multiple_of(stays));
        let mut waited = 0;
        for &id in &go {
            let answers = store.leave(&[acknowledge(id), enqueue(1_000_000 + id, QUEUE, 400).into()]);
            if store.waits() {
                waited += 1;
                assert!(answers.try_recv().is_err(), "{at}: what waits is overtaken");
                store.clean_for_waiting();
            }
            let (number, answer) = answers.try_recv().expect("an answer");
            assert_eq!(number, 0, "{at}");
            answer.unwrap_or_else(|error| panic!("{at}: acknowledging {id}: {error}"));
            // Where it found room, it goes again, so that the disk is always full.
            if let (1, Ok(committed)) = answers.try_recv().expect("an answer") {
                store.leave(&[script::acknowledge(1_000_000 + id, QUEUE, committed.arrival_first).into()]);
                store.clean_for_waiting();
            }
        }
        assert!(waited > 0, "{at}: the cleaner was not needed");
        assert_eq!(ids(&store), stay, "{at}");
        let until = Instant::now() + PATIENCE;
        while let Err(error) = store.commit_wait(enqueue(9_000_000, QUEUE, 400).into()) {
            assert!(matches!(error, StoreError::Full(_)) && Instant::now() < until, "{at}: {error}");
            let head = store.head_number();
            store.clean(|writer| writer.head_number() == head);
            store.idle();
        }
    }
}

/// It ends, whatever the cleaner finds; and what the cleaner cannot use, acknowledgements get.
#[test]
fn what_waits_for_a_cleaner_that_wins_nothing_is_answered() {
    let (_disk, store, sent) = full(30, 400);
    let go: Vec<u64> = sent.iter().copied().filter(|id| !id.is_multiple_of(5)).collect();
    let mut count = until_one_waits(&store, &go);
    let behind = store.leave(&[acknowledge(go[count + 1])]);
    assert!(behind.try_recv().is_err());
    let nothing = || {
        let head = store.head_number().expect("a head");
        store.writer.lock().expect("no panic").round([super::super::Submission::NothingToClean(head)]);
    };
    nothing();
    assert!(!store.waits());
    behind.try_recv().expect("an answer").1.expect("room");
    count += 2;
    let full = loop {
        let answers = store.leave(&[acknowledge(go[count])]);
        assert!(!store.waits());
        if let Err(error) = answers.try_recv().expect("an answer").1 {
            break error;
        }
        count += 1;
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
}

/// Whoever opens a store whose reserves are in use finds room enough, in what the master before left.
#[test]
fn a_crash_while_the_reserves_are_in_use_leaves_enough_to_go_on() {
    for cleaned in 0_i32..6 {
        let (disk, store, sent) = full(40, 400);
        let (mut stay, go): (Vec<u64>, Vec<u64>) = sent.iter().partition(|id| id.is_multiple_of(3));
        let count = until_one_waits(&store, &go);
        let left = Cell::new(cleaned);
        store.clean(|_| left.replace(left.get() - 1) > 0);
        let (disk, mut go) = (disk.crash(&mut || false), go[count..].to_vec());
        drop(store);
        let store = open(&disk, 2);
        let found = ids(&store);
        go.retain(|id| found.contains(id));
        for &id in &go {
            let answers = store.leave(&[acknowledge(id)]);
            store.clean_for_waiting();
            let (_, answer) = answers.try_recv().expect("an answer");
            answer.unwrap_or_else(|error| panic!("{cleaned} pieces cleaned, acknowledging {id}: {error}"));
        }
        stay.retain(|id| found.contains(id));
        assert_eq!(ids(&store), stay);
    }
}
