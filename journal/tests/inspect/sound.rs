//! The tools read the log a second way, on purpose: what they say lives is what the engine says, whatever was done.

use std::sync::Arc;

use bytes::Bytes;
use kahawai_journal::cut::Cut;
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::inspect::{Examination, Severity};
use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::conformance::places::{Places, SOMEWHERE};
use kahawai_store::contract::{Recovered, StoreWait as _};
use kahawai_store::model::Contents;
use kahawai_store::names::{BatchName, Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};
use kahawai_store::replica::PAIR_TABLE;
use kahawai_store::replica::Replica as _;

use super::support::{Open, copy, create, enqueue, examine, inspect, message};

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }
}

fn xid(number: u64) -> Xid {
    Xid { format: 1, global: Bytes::from(vec![number as u8]), branch: Bytes::new() }
}

/// Something of everything. What the store refuses is refused.
fn operation(random: &mut Random, next: &mut u64) -> Operation {
    *next += 1;
    let number = *next;
    let recent = |random: &mut Random| MessageId(number.saturating_sub(random.below(40)));
    let place = |random: &mut Random| DestinationId(1 + random.below(6));
    match random.below(100) {
        0..3 => create(7 + random.below(3), DestinationKind::Queue),
        3 => Operation::RemoveDestination(DestinationId(4 + random.below(6))),
        4..7 => Operation::Subscribe(Subscription {
            id: SubscriptionId(number),
            destination: DestinationId(5 + random.below(2)),
            client_id: "client".into(),
            name: format!("subscription {number}").into(),
            selector: None,
            no_local: false,
        }),
        7 => Operation::Unsubscribe(SubscriptionId(number.saturating_sub(random.below(60)))),
        8..14 => {
            let operations = (0..1 + random.below(3)).map(|_| simple(random, next)).collect();
            Operation::Prepare { xid: xid(random.below(3)), operations }
        }
        14..20 => {
            let outcome = if random.below(3) == 0 { Outcome::Rollback } else { Outcome::Commit };
            Operation::Decide { xid: xid(random.below(3)), outcome }
        }
        20..26 => Operation::Move {
            id: recent(random),
            from: place(random),
            cursor: SOMEWHERE,
            to: place(random),
            rank: random.below(2) as u8,
        },
        _ => simple(random, next),
    }
}

fn simple(random: &mut Random, next: &mut u64) -> Operation {
    *next += 1;
    let number = *next;
    match random.below(100) {
        0..40 => {
            let subscription = (random.below(2) == 0).then(|| SubscriptionId(random.below(number)));
            let id = MessageId(number.saturating_sub(random.below(40)));
            let destination = DestinationId(1 + random.below(6));
            Operation::Acknowledge { destination, id, cursor: SOMEWHERE, subscription }
        }
        40..48 => Operation::Put {
            table: if random.below(4) > 0 { "table" } else { PAIR_TABLE }.into(),
            key: Bytes::from(vec![random.below(3) as u8]),
            value: (random.below(3) > 0).then(|| Bytes::from(number.to_string())),
        },
        _ => Operation::Enqueue {
            id: MessageId(number),
            destination: DestinationId(1 + random.below(6)),
            rank: random.below(2) as u8,
            message: message(number, random.below(400) as usize),
        },
    }
}

/// Acknowledges most of what waits, so that the front of the log is given up.
fn drain(open: &Open, random: &mut Random) {
    let held = Contents::of(&open.journal, 1000).expect("it can be read");
    for waiting in &held.waiting {
        for stored in &waiting.messages {
            if random.below(8) > 0 {
                let (destination, subscription) = (waiting.destination, waiting.subscription);
                let (id, cursor) = (stored.id, stored.cursor);
                let done = Operation::Acknowledge { destination, id, cursor, subscription };
                open.journal.commit_wait(done.into()).expect("it commits");
            }
        }
    }
}

/// What is brought over is another store: its batches and arrivals count by themselves.
fn same_but_for_counts(held: &Recovered, found: &Recovered, at: &str) {
    let (batch_last, arrival_next) = (held.batch_last, held.arrival_next);
    same(held, &Recovered { batch_last, arrival_next, ..found.clone() }, at);
}

fn same(held: &Recovered, found: &Recovered, at: &str) {
    let strip = |held: &Recovered| Recovered { epoch: Epoch(0), damage: Vec::new(), ..held.clone() };
    assert_eq!(strip(held), strip(found), "{at}");
}

#[test]
fn what_the_tools_say_lives_is_what_the_engine_says_and_salvage_brings_it_over() {
    let mut released = 0;
    let mut messages = 0;
    for seed in 0..12 {
        let mut random = Random(seed);
        let disk = MemoryDisk::new();
        let mut next = 0;
        let mut places = Places::default();
        for round in 0..4 {
            let open = Open::on(&disk);
            if round == 0 {
                let destinations = (1..=6).map(|id| {
                    create(id, if id > 4 { DestinationKind::Topic } else { DestinationKind::Queue })
                });
                open.journal.commit_wait(Batch::new(destinations.collect())).expect("it commits");
            }
            for _ in 0..120 {
                let count = 1 + random.below(3);
                let operations = (0..count).map(|_| operation(&mut random, &mut next)).collect();
                let operations = places.fill(operations);
                // Much is refused: it names what is not there.
                if let Ok(committed) = open.journal.commit_wait(Batch::new(operations.clone())) {
                    places.follow(&operations, Some(committed.arrival_first));
                }
            }
            drain(&open, &mut random);
            let held = open.journal.recover_wait().expect("what it holds");
            let at = format!("seed {seed}, round {round}");

            // Beside the master, and after it.
            let found = examine(&disk);
            same(&held, &found.holds, &format!("{at}, beside the master"));
            let contents = Contents::of(&open.journal, 1000).expect("it can be read");
            if random.below(2) == 0 {
                open.close()
            } else {
                drop(open)
            }
            let found = examine(&disk);
            assert!(
                found.findings.iter().all(|finding| finding.severity == Severity::Note),
                "{at}: {:?}",
                found.findings
            );
            same(&held, &found.holds, &at);
            released = released.max(found.released);

            let repaired = MemoryDisk::new();
            let into = Open::on(&repaired);
            let salvaged =
                inspect(&disk).salvage(&found, &into.journal, &mut |_| {}).expect("it is salvaged");
            assert_eq!(salvaged.unreadable, 0, "{at}");
            messages += salvaged.messages;
            let mut copied = Contents::of(&into.journal, 1000).expect("it can be read");
            let mut original = contents;
            // Where a message stands is its own store's; the order is the same.
            for waiting in copied.waiting.iter_mut().chain(&mut original.waiting) {
                for stored in &mut waiting.messages {
                    stored.cursor.arrival = 0;
                }
            }
            assert_eq!(original.waiting, copied.waiting, "{at}");
            let mut copied = into.journal.recover_wait().expect("what it holds");
            // The next destination's number may be one higher.
            assert!(copied.destination_id_next >= held.destination_id_next, "{at}");
            copied.destination_id_next = held.destination_id_next;
            // Of which pair it was is left behind, with the names of its batches.
            assert!(copied.tables.iter().all(|entry| entry.table != PAIR_TABLE), "{at}");
            let mut held = held;
            held.tables.retain(|entry| entry.table != PAIR_TABLE);
            same_but_for_counts(&held, &copied, &format!("{at}, salvaged"));
            into.close();
        }
    }
    assert!(released > 4 && messages > 500, "released {released}, salvaged {messages}: too little was tried");
}

#[test]
fn usage_counts_the_bytes_of_what_lives_and_names_it() {
    let disk = MemoryDisk::new();
    let open = Open::on(&disk);
    open.journal.commit_wait(create(1, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=30 {
        open.journal.commit_wait(enqueue(id, 1, 300).into()).expect("it commits");
    }
    for id in (1..=30).filter(|id| id % 10 != 0) {
        open.journal.commit_wait(super::support::acknowledge(id, 1).into()).expect("it commits");
    }
    let found = examine(&disk);
    let mut held = Vec::new();
    let usage =
        inspect(&disk).usage(&found, &mut |message| held.push(message), &mut |_| {}).expect("it is read");
    // In the order of the log: the head may have been written again behind the others.
    let mut ids: Vec<u64> = held.iter().map(|message| message.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [10, 20, 30]);
    let live: u64 = usage.segments.values().map(|segment| segment.live_bytes).sum();
    assert!((900..1200).contains(&live), "{live}");
    assert_eq!(usage.destinations.values().sum::<u64>(), live);
    for (number, segment) in &usage.segments {
        let here: Vec<_> = held.iter().filter(|message| message.segment == *number).collect();
        assert_eq!(segment.live_messages, here.len() as u64, "segment {number}");
        assert_eq!(
            segment.live_bytes,
            here.iter().map(|message| message.bytes).sum::<u64>(),
            "segment {number}"
        );
    }
    assert_eq!(usage.segments.values().map(|segment| segment.live_messages).sum::<u64>(), 3);
    drop(open);
    let _ = Arc::new(copy(&disk));
}

/// What was cut is listed with its batches, what is kept is what the engine says, and nothing is damage; the same where all was set aside.
#[test]
fn what_was_left_out_by_a_cut_is_told_of_as_a_note() {
    let disk = MemoryDisk::new();
    let open = Open::on(&disk);
    open.journal.confirmed_through(Some(BatchName::default()));
    open.journal.commit_wait(create(1, DestinationKind::Queue).into()).expect("it commits");
    let mut committed = Vec::new();
    for id in 1..=30 {
        let operation = enqueue(id, 1, 300);
        committed.push(open.journal.commit_wait(operation.into()).expect("it commits").name);
    }
    for id in 1..=30 {
        let cursor = Cursor { rank: 0, arrival: id - 1 };
        let (destination, id) = (DestinationId(1), MessageId(id));
        let operation = Operation::Acknowledge { destination, id, cursor, subscription: None };
        open.journal.commit_wait(operation.into()).expect("it commits");
    }
    drop(open);
    let notes = |found: &Examination| -> Vec<String> {
        assert!(!found.is_damaged(), "{:?}", found.findings);
        let left_out =
            found.findings.iter().filter(|finding| finding.problem.contains("left out of the log"));
        left_out.map(|finding| format!("{}: {}", finding.file, finding.problem)).collect()
    };
    let kept = committed[19];
    let open = Open::cut(&disk, Cut::Behind(kept));
    let held = open.journal.recover_wait().expect("what it holds");
    assert_eq!((held.batch_last, held.destinations[0].messages), (kept, 20));
    let found = examine(&disk);
    same(&held, &found.holds, "cut");
    let told = notes(&found);
    let (next, last) = (kept.next(kept.term).to_string(), "0.61");
    assert!(told.iter().any(|note| note.contains(&format!("batches, {next} to"))), "{told:?}");
    assert!(told.iter().any(|note| note.contains(&format!("to {last};"))), "{told:?}");
    open.close();

    let open = Open::cut(&disk, Cut::All);
    let held = open.journal.recover_wait().expect("what it holds");
    assert_eq!((held.batch_last, held.destinations.len()), (BatchName::default(), 0));
    let found = examine(&disk);
    same(&held, &found.holds, "all set aside");
    assert!(notes(&found).len() > told.len());
    open.close();
}
