//! What a backlog costs: to open a store that holds it, to rebuild its index, in memory, and for each message more. Ignored by default:
//! `cargo test --release -p kahawai-journal --test backlog -- --ignored --nocapture --test-threads=1`. `KAHAWAI_TEST_DIRECTORY` says
//! where (12 GB are needed there for the default), `KAHAWAI_BACKLOG` how many messages (10,000,000).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: what goes wrong is to stop the test, and a gap to be told"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Subscription};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, ReadRequest, Store, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId};

const QUEUES: u64 = 1000;
const TOPICS: u64 = 10;
const SUBSCRIPTIONS: u64 = 10_000;
/// Every so many messages one goes to a topic, for a thousand subscriptions.
const TOPIC_EVERY: u64 = 100;
const BATCH: u64 = 256;

fn number(line: &str) -> u64 {
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_default()
}

/// A line of a file in /proc/self, as a number.
fn of_self(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    text.lines().find(|line| line.starts_with(name)).map(number).unwrap_or_default()
}

fn anonymous_mib() -> u64 {
    of_self("status", "RssAnon") / 1024
}

fn open(path: &Path, epoch: u64) -> Journal {
    let store = StoreDirectory::open(path, None).unwrap();
    Journal::open(&store, Arc::new(FixedHold::new(Epoch(epoch))), JournalOptions::default()).unwrap()
}

fn queue_of(id: u64) -> DestinationId {
    match id % TOPIC_EVERY {
        0 => DestinationId(QUEUES + 1 + id / TOPIC_EVERY % TOPICS),
        _ => DestinationId(1 + id % QUEUES),
    }
}

/// Where a message stands: the ids count up with the arrivals, which begin at 0.
fn cursor_of(id: u64) -> Cursor {
    Cursor { rank: 0, arrival: id - 1 }
}

fn create(journal: &Journal) {
    let destinations = (1..=QUEUES + TOPICS).map(|id| {
        let kind = if id <= QUEUES { DestinationKind::Queue } else { DestinationKind::Topic };
        let name = format!("destination-{id}").into();
        Operation::CreateDestination(Destination { id: DestinationId(id), kind, name })
    });
    journal.commit_wait(Batch::new(destinations.collect())).unwrap();
    for chunk in (1..=SUBSCRIPTIONS).collect::<Vec<_>>().chunks(1000) {
        let subscriptions = chunk.iter().map(|&id| {
            Operation::Subscribe(Subscription {
                id: SubscriptionId(id),
                destination: DestinationId(QUEUES + 1 + id % TOPICS),
                client_id: format!("client-{id}").into(),
                name: "offline".into(),
                selector: None,
                no_local: false,
            })
        });
        journal.commit_wait(Batch::new(subscriptions.collect())).unwrap();
    }
}

/// Sends messages of 1 KiB from this id on, some batches in flight.
fn fill(journal: &Journal, from: u64, to: u64) -> Duration {
    const IN_FLIGHT: u64 = 16;
    let message = Arc::new(Message { body: Bytes::from(vec![7; 1024]), ..Message::default() });
    let (done, completed) = sync_channel(IN_FLIGHT as usize + 1);
    let begun = Instant::now();
    let mut flying = 0;
    let mut id = from;
    while id < to {
        let end = (id + BATCH).min(to);
        let operations = (id..end).map(|id| Operation::Enqueue {
            id: MessageId(id),
            destination: queue_of(id),
            rank: 0,
            message: Arc::clone(&message),
        });
        let done = done.clone();
        let batch = Batch::new(operations.collect());
        journal.commit(
            batch,
            Completion::new(move |result| {
                result.unwrap();
                let _ = done.send(());
            }),
        );
        id = end;
        flying += 1;
        if flying == IN_FLIGHT {
            completed.recv().unwrap();
            flying -= 1;
        }
    }
    (0..flying).for_each(|_| completed.recv().unwrap());
    begun.elapsed()
}

fn first_message(journal: &Journal, destination: u64) {
    let request = ReadRequest {
        destination: DestinationId(destination),
        subscription: None,
        after: None,
        messages_max: 1,
        bytes_max: 1,
    };
    assert_eq!(journal.read_wait(request).unwrap().messages.len(), 1);
}

/// What sending one and acknowledging the oldest of its queue takes, one at a time.
fn one_more(journal: &Journal, next: &mut u64, oldest: &mut u64, what: &str) {
    const MESSAGES: u64 = 2000;
    let message = Arc::new(Message { body: Bytes::from(vec![7; 1024]), ..Message::default() });
    let before = ["syscw:", "syscr:", "write_bytes:"].map(|name| of_self("io", name));
    let begun = Instant::now();
    for _ in 0..MESSAGES {
        while queue_of(*oldest).0 > QUEUES {
            *oldest += 1;
        }
        let destination = queue_of(*oldest);
        let message = Arc::clone(&message);
        let enqueue = Operation::Enqueue { id: MessageId(*next), destination, rank: 0, message };
        journal.commit_wait(enqueue.into()).unwrap();
        let (id, cursor) = (MessageId(*oldest), cursor_of(*oldest));
        let acknowledge = Operation::Acknowledge { destination, id, cursor, subscription: None };
        journal.commit_wait(acknowledge.into()).unwrap();
        *next += 1;
        *oldest += 1;
    }
    let each = begun.elapsed() / MESSAGES as u32;
    let after = ["syscw:", "syscr:", "write_bytes:"].map(|name| of_self("io", name));
    let per = |at: usize| (after[at] - before[at]) as f64 / MESSAGES as f64;
    println!(
        "{what}: a message sent and one acknowledged take {each:?}, {:.2} writes, {:.2} reads, {:.0} bytes to the disk",
        per(0),
        per(1),
        per(2)
    );
}

fn sizes(path: &Path) -> (u64, u64) {
    let mut sums = (0, 0);
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let length = entry.metadata().unwrap().len();
        match entry.file_name().to_string_lossy().starts_with("journal") {
            true => sums.0 += length,
            false => sums.1 += length,
        }
    }
    sums
}

#[test]
#[ignore = "measures"]
fn what_a_backlog_costs() {
    let root = std::env::var_os("KAHAWAI_TEST_DIRECTORY").map_or_else(std::env::temp_dir, Into::into);
    let count: u64 =
        std::env::var("KAHAWAI_BACKLOG").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let directory = tempfile::tempdir_in(root).unwrap();
    let path = directory.path().join("store");
    let journal = open(&path, 1);
    create(&journal);
    let (mut next, mut oldest) = (1, 1);
    fill(&journal, next, 10_000);
    next = 10_000;
    one_more(&journal, &mut next, &mut oldest, "10,000 pending");
    let took = fill(&journal, next, next + count);
    next += count;
    let per_second = count as f64 / took.as_secs_f64();
    println!("filled {count} in {took:?}: {per_second:.0} a second; {} MiB anonymous", anonymous_mib());
    one_more(&journal, &mut next, &mut oldest, &format!("{count} pending"));
    println!("{} MiB anonymous afterwards", anonymous_mib());
    // As after a kill: not closed. What it has mapped and open goes on being so, in a process of its own it would not.
    std::mem::forget(journal);
    std::thread::sleep(Duration::from_millis(500));
    let (log, index) = sizes(&path);
    println!("{} MiB of segments, {} MiB of everything else", log >> 20, index >> 20);

    let mapped = anonymous_mib();
    let begun = Instant::now();
    let journal = open(&path, 2);
    let opened = begun.elapsed();
    first_message(&journal, 1 + oldest % QUEUES);
    println!(
        "opened after {opened:?}, first message after {:?}; {} MiB anonymous more",
        begun.elapsed(),
        anonymous_mib() - mapped
    );
    drop(journal);

    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("index-") || name.starts_with("checkpoint-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let begun = Instant::now();
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut read = 0;
    for name in names.iter().filter(|name| name.to_string_lossy().contains("journal-")) {
        read += fs::read(name).unwrap().len();
    }
    let reading = begun.elapsed();
    println!("all segments read, one after another: {} MiB in {reading:?}", read >> 20);
    let begun = Instant::now();
    let journal = open(&path, 3);
    first_message(&journal, 1 + oldest % QUEUES);
    let rebuilt = begun.elapsed();
    println!(
        "without an index: first message after {rebuilt:?}, {:.2} of the speed of reading alone",
        reading.as_secs_f64() / rebuilt.as_secs_f64()
    );
    drop(journal);
}
