//! What a proof and a commit cost on this machine. Ignored by default: `cargo test --release -p kahawai-journal --test figures --
//! --ignored --nocapture`; under `strace -f -c` it tells the system calls of one commit. `KAHAWAI_TEST_DIRECTORY` says where.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Store, StoreWait};
use kahawai_store::election::{Cancel, Election};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

#[test]
#[ignore = "measures"]
fn cost_of_a_proof_and_of_a_commit() {
    let root = std::env::var_os("KAHAWAI_TEST_DIRECTORY").map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(root).unwrap();
    let store = StoreDirectory::open(directory.path(), None).unwrap();
    println!("{}", store.description());
    // No beat falls into the measurement.
    let options = ElectionOptions { lease_duration: Duration::from_secs(3600), ..ElectionOptions::default() };
    let mut election = FileElection::new(Arc::clone(store.disk()), options).unwrap();
    let hold = election.acquire(&Cancel::default(), &mut |_| {}).unwrap();
    const PROOFS: u32 = 10_000;
    let begun = Instant::now();
    for _ in 0..PROOFS {
        hold.prove().unwrap();
    }
    println!("a proof takes {:?}", begun.elapsed() / PROOFS);
    let journal = Journal::open(&store, Arc::clone(&hold), JournalOptions::default()).unwrap();
    let queue = DestinationId(1);
    let created = Destination { id: queue, kind: DestinationKind::Queue, name: "queue".into() };
    journal.commit_wait(Operation::CreateDestination(created).into()).unwrap();
    const COMMITS: u32 = 1000;
    let message = Arc::new(Message { body: vec![7; 1024].into(), ..Message::default() });
    let begun = Instant::now();
    for id in 0..COMMITS {
        let message = Arc::clone(&message);
        let operation = Operation::Enqueue { id: MessageId(id.into()), destination: queue, rank: 0, message };
        journal.commit_wait(operation.into()).unwrap();
    }
    println!("a commit of 1 KiB by one sender takes {:?}", begun.elapsed() / COMMITS);
    journal.close();
    hold.release();
}

/// What others wait for while the head of the log is cleaned: one sender's commits, beside somebody who acknowledges a backlog of
/// 100 MiB, in order (segments go as they empty), and then scattered (so that what stays has to be written again).
#[test]
#[ignore = "measures"]
fn latency_of_commits_while_the_head_is_cleaned() {
    const BACKLOG: u64 = 100_000;
    for scattered in [false, true] {
        let root = std::env::var_os("KAHAWAI_TEST_DIRECTORY").map_or_else(std::env::temp_dir, Into::into);
        let directory = tempfile::tempdir_in(root).unwrap();
        let store = StoreDirectory::open(directory.path(), None).unwrap();
        let hold = Arc::new(FixedHold::new(Epoch(1)));
        let options = JournalOptions { journal_max_file_length: 4 << 20, ..JournalOptions::default() };
        let journal = Arc::new(Journal::open(&store, hold, options).unwrap());
        let queue = DestinationId(1);
        let created = Destination { id: queue, kind: DestinationKind::Queue, name: "queue".into() };
        journal.commit_wait(Operation::CreateDestination(created).into()).unwrap();
        let message = Arc::new(Message { body: vec![7; 1024].into(), ..Message::default() });
        let enqueue = |id| {
            let message = Arc::clone(&message);
            Operation::Enqueue { id: MessageId(id), destination: queue, rank: 0, message }
        };
        for ids in (0..BACKLOG).collect::<Vec<_>>().chunks(500) {
            journal.commit_wait(Batch::new(ids.iter().copied().map(enqueue).collect())).unwrap();
        }
        // 7919 is a prime: every message once, in no order.
        let order = move |number: u64| if scattered { number * 7919 % BACKLOG } else { number };
        let acknowledging = {
            let journal = Arc::clone(&journal);
            thread::spawn(move || {
                for numbers in (0..BACKLOG * 9 / 10).collect::<Vec<_>>().chunks(20) {
                    let done = |number: &u64| Operation::Acknowledge {
                        destination: queue,
                        id: MessageId(order(*number)),
                        // The ids count up with the arrivals, from 0.
                        cursor: Cursor { rank: 0, arrival: order(*number) },
                        subscription: None,
                    };
                    journal.commit_wait(Batch::new(numbers.iter().map(done).collect())).unwrap();
                }
            })
        };
        let mut took = Vec::new();
        let mut id = BACKLOG;
        while !acknowledging.is_finished() {
            let begun = Instant::now();
            journal.commit_wait(enqueue(id).into()).unwrap();
            took.push(begun.elapsed());
            id += 1;
        }
        acknowledging.join().unwrap();
        took.sort_unstable();
        let at = |share: usize| took[(took.len() - 1) * share / 1000];
        let files = std::fs::read_dir(directory.path()).unwrap();
        let held: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        println!(
            "acknowledged {}: {} commits, half within {:?}, 99 % within {:?}, 99.9 % within {:?}, all within {:?}; {} MiB held, \
             {} MiB of messages live",
            if scattered { "scattered" } else { "in order" },
            took.len(),
            at(500),
            at(990),
            at(999),
            at(1000),
            held >> 20,
            (id - BACKLOG * 9 / 10) >> 10,
        );
        journal.close();
    }
}
