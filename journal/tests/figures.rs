//! What a proof and a commit cost on this machine. Ignored by default: `cargo test --release -p kahawai-journal --test figures --
//! --ignored --nocapture`; under `strace -f -c` it tells the system calls of one commit. `KAHAWAI_TEST_DIRECTORY` says where.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Destination, DestinationKind, Operation};
use kahawai_store::contract::{Store, StoreWait};
use kahawai_store::election::{Cancel, Election};
use kahawai_store::message::Message;
use kahawai_store::names::{DestinationId, MessageId};

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
