//! What others wait for while much goes at once. Ignored by default: `cargo test --release -p kahawai-journal --test removal -- --ignored
//! --nocapture --test-threads=1`. `KAHAWAI_TEST_DIRECTORY` says where (5 GB are needed there).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: what goes wrong is to stop the test, and a gap to be told"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Subscription};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, Store, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId};

const BESIDE: DestinationId = DestinationId(1);
const LARGE: DestinationId = DestinationId(2);
const STAYS: SubscriptionId = SubscriptionId(1);
const GOES: SubscriptionId = SubscriptionId(2);

fn enqueue(id: u64, destination: DestinationId, message: &Arc<Message>) -> Operation {
    Operation::Enqueue { id: MessageId(id), destination, rank: 4, message: Arc::clone(message) }
}

fn message(bytes: usize) -> Arc<Message> {
    Arc::new(Message { body: vec![7; bytes].into(), ..Message::default() })
}

fn bytes_in(directory: &Path) -> u64 {
    // A file may go between the listing and the look.
    std::fs::read_dir(directory)
        .unwrap()
        .filter_map(|file| file.ok()?.metadata().ok())
        .map(|file| file.len())
        .sum()
}

/// A backlog of so many messages in one destination, and what its going makes one sender wait who sends to another all the while.
fn measure(what: &str, kind: DestinationKind, messages: u64, bytes: usize, goes: impl Fn(&Journal)) {
    let root = std::env::var_os("KAHAWAI_TEST_DIRECTORY").map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(root).unwrap();
    let store = StoreDirectory::open(directory.path(), None).unwrap();
    let hold = Arc::new(FixedHold::new(Epoch(1)));
    let journal = Arc::new(Journal::open(&store, hold, JournalOptions::default()).unwrap());
    let created =
        |id, kind, name: &str| Operation::CreateDestination(Destination { id, kind, name: name.into() });
    let begin = vec![created(BESIDE, DestinationKind::Queue, "beside"), created(LARGE, kind, "large")];
    journal.commit_wait(Batch::new(begin)).unwrap();
    if kind == DestinationKind::Topic {
        let subscribe = |id, name: &str| {
            Operation::Subscribe(Subscription {
                id,
                destination: LARGE,
                client_id: "client".into(),
                name: name.into(),
                selector: None,
                no_local: false,
            })
        };
        journal.commit_wait(Batch::new(vec![subscribe(STAYS, "stays"), subscribe(GOES, "goes")])).unwrap();
    }
    let body = message(bytes);
    let per_batch = (256 << 10) / bytes.max(1) as u64 + 1;
    for ids in (0..messages).collect::<Vec<_>>().chunks(per_batch as usize) {
        // Nobody waits for one of them: the last tells that all are there.
        let batch = Batch::new(ids.iter().map(|&id| enqueue(id, LARGE, &body)).collect());
        match ids.last() == Some(&(messages - 1)) || ids[0] % (per_batch * 16) == 0 {
            true => assert!(journal.commit_wait(batch).is_ok()),
            false => journal.commit(batch, Completion::new(|result| assert!(result.is_ok()))),
        }
    }
    if kind == DestinationKind::Topic {
        // One of the two has had them all, so that they wait for the other alone.
        for ids in (0..messages).collect::<Vec<_>>().chunks(2000) {
            let done = |&id: &u64| Operation::Acknowledge {
                destination: LARGE,
                id: MessageId(id),
                // The ids count up with the arrivals, from 0.
                cursor: Cursor { rank: 4, arrival: id },
                subscription: Some(STAYS),
            };
            journal.commit_wait(Batch::new(ids.iter().map(done).collect())).unwrap();
        }
    }
    let before = bytes_in(directory.path());
    let ended = Arc::new(AtomicBool::new(false));
    let sending = {
        let (journal, ended) = (Arc::clone(&journal), Arc::clone(&ended));
        thread::spawn(move || {
            let small = message(1024);
            let mut took = Vec::new();
            for id in messages.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                journal.commit_wait(enqueue(id, BESIDE, &small).into()).unwrap();
                took.push((begun, begun.elapsed()));
            }
            took
        })
    };
    thread::sleep(Duration::from_secs(2));
    let begun = Instant::now();
    goes(&journal);
    let answered = begun.elapsed();
    // Until the disk is won back, and the journal does nothing more of it.
    let mut gone = None;
    while begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(50));
        if gone.is_none() && bytes_in(directory.path()) < before / 2 {
            gone = Some(begun.elapsed());
        }
        if gone.is_some_and(|gone| begun.elapsed() > gone + Duration::from_secs(2)) {
            break;
        }
    }
    ended.store(true, Ordering::Relaxed);
    let took = sending.join().unwrap();
    let longest = |of: &mut dyn Iterator<Item = &(Instant, Duration)>| of.map(|(_, took)| *took).max();
    println!(
        "{what}: {} MiB held; it was answered in {answered:?}, half of the disk was won in {gone:?}; the longest of the commits beside it \
         took {:?}, and before it {:?}",
        before >> 20,
        longest(&mut took.iter().filter(|(at, took)| *at + *took > begun)).unwrap(),
        longest(&mut took.iter().filter(|(at, took)| *at + *took <= begun)).unwrap(),
    );
    journal.close();
}

#[test]
#[ignore = "measures"]
fn longest_commit_while_a_queue_of_a_million_messages_is_removed() {
    measure("a queue of 1,000,000 messages", DestinationKind::Queue, 1_000_000, 1024, |journal| {
        journal.commit_wait(Operation::RemoveDestination(LARGE).into()).unwrap();
    });
}

#[test]
#[ignore = "measures"]
fn longest_commit_while_a_subscription_with_a_million_messages_goes() {
    measure("a subscription with 1,000,000 messages", DestinationKind::Topic, 1_000_000, 1024, |journal| {
        journal.commit_wait(Operation::Unsubscribe(GOES).into()).unwrap();
    });
}

#[test]
#[ignore = "measures"]
fn longest_commit_while_a_hundred_segments_are_released() {
    measure("100 segments", DestinationKind::Queue, 3200, 1 << 20, |journal| {
        journal.commit_wait(Operation::RemoveDestination(LARGE).into()).unwrap();
    });
}
