//! The bell: rung after each group of answers, so that whoever was answered is seen to, and not once for each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, Store};
use kahawai_store::message::Message;
use kahawai_store::names::{DestinationId, Epoch, MessageId};

const PATIENCE: Duration = Duration::from_secs(60);
const QUEUE: DestinationId = DestinationId(1);

#[test]
fn after_the_last_answer_of_each_group_the_bell_is_rung() {
    let store = StoreDirectory::on(Arc::new(MemoryDisk::new())).unwrap();
    let journal =
        Journal::open(&store, Arc::new(FixedHold::new(Epoch(1))), JournalOptions::default()).unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    // How many answers there were when it was rung last, and how often that was.
    let rung = Arc::new((Mutex::new((0, 0)), Condvar::new()));
    let bell = {
        let (answered, rung) = (Arc::clone(&answered), Arc::clone(&rung));
        move || {
            let mut seen = rung.0.lock().unwrap();
            *seen = (answered.load(Ordering::SeqCst), seen.1 + 1);
            rung.1.notify_all();
        }
    };
    assert!(journal.ring(Arc::new(bell)), "the journal answers in groups");
    let mut given = 0;
    let mut commit = |operation: Operation| {
        given += 1;
        let answered = Arc::clone(&answered);
        let done = Completion::new(move |result| {
            result.unwrap();
            answered.fetch_add(1, Ordering::SeqCst);
        });
        journal.commit(Batch::from(operation), done);
        given
    };
    commit(Operation::CreateDestination(Destination {
        id: QUEUE,
        kind: DestinationKind::Queue,
        name: "q".into(),
    }));
    let mut total = 0;
    for round in 0..50 {
        for number in 0..100 {
            let (id, message) = (MessageId(round * 100 + number), Arc::new(Message::default()));
            total = commit(Operation::Enqueue { id, destination: QUEUE, rank: 0, message });
        }
        let seen = rung.0.lock().unwrap();
        let (seen, late) = rung.1.wait_timeout_while(seen, PATIENCE, |seen| seen.0 < total).unwrap();
        assert!(!late.timed_out(), "{} of {total} answers were seen to", seen.0);
    }
    let times = rung.0.lock().unwrap().1;
    assert!(times < total, "rung {times} times for {total} answers: no group was one");
    journal.close();
}
