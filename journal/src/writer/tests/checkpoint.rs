//! Checkpoints: what they spare, and that nothing depends on them. With what is deleted, cut, damaged or from a future that did not
//! come to be, the store holds the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kahawai_store::batch::{Batch, DestinationKind};
use kahawai_store::contract::{ReadRequest, Store, StoreWait};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{DestinationId, Epoch};

use super::driver::{Driven, contents_of, real, summary, without_checkpoints};
use super::scale;
use super::script::{Script, create, enqueue};
use crate::FileName;
use crate::disk::Disk;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;

const QUEUE: DestinationId = DestinationId(1);

fn copy(disk: &MemoryDisk) -> MemoryDisk {
    disk.crash(&mut || true)
}

fn files(disk: &MemoryDisk) -> Vec<FileName> {
    let mut names = disk.list().expect("a list");
    names.retain(|name| matches!(name, FileName::Run { .. } | FileName::Checkpoint { .. }));
    names.sort_unstable();
    names
}

/// A store that lived two epochs by a script, and what it holds.
fn lived(seed: u64) -> (MemoryDisk, State) {
    let mut script = Script::new(seed);
    let (disk, mut state) = (MemoryDisk::new(), State::default());
    for epoch in 1..=2 {
        let store = Driven::open(Arc::new(disk.clone()), epoch).expect("it opens");
        for round in 0..60 {
            let mut batches = Vec::new();
            if round % 20 == 0 {
                let id = 1_000_000 + epoch * 100 + round;
                batches.push(Batch::from(create(DestinationId(id), DestinationKind::Queue)));
                batches.push(Batch::from(create(DestinationId(id + 1), DestinationKind::Topic)));
                batches.iter().for_each(|batch| {
                    state.apply(batch.clone()).expect("the model takes it");
                });
            }
            let batch = script.batch(&state);
            state.apply(batch.clone()).expect("the model takes it");
            batches.push(batch);
            for answer in store.round(&batches, |_, _| {}) {
                answer.expect("it commits");
            }
        }
        if epoch == 1 {
            store.close();
        }
    }
    (disk, state)
}

/// Opens and compares. A store that finds its index damaged while in use may end once, saying so; the next start holds everything.
fn holds(disk: &MemoryDisk, state: &State, at: &str) -> bool {
    holds_from(3, disk, state, at)
}

/// The same, beginning with this epoch.
fn holds_from(epoch: u64, disk: &MemoryDisk, state: &State, at: &str) -> bool {
    let mut ended = false;
    for epoch in epoch..epoch + 3 {
        let store =
            Driven::open(Arc::new(disk.clone()), epoch).unwrap_or_else(|error| panic!("{at}: {error}"));
        match Contents::of(&store, 7) {
            Ok(found) => {
                let expected = contents_of(state);
                assert!(
                    found == expected,
                    "{at}:\nfound {}\nexpected {}",
                    summary(&found),
                    summary(&expected)
                );
                assert!(real(&store.damage()).is_empty(), "{at}");
                return ended;
            }
            Err(error) => {
                assert!(!ended, "{at}: {error}");
                ended = true;
                // What was found by a reader, the writer acts upon.
                store.idle();
                drop(store);
            }
        }
    }
    unreachable!("it ends at most once")
}

#[test]
fn with_every_file_of_the_index_deleted_the_store_holds_the_same() {
    for seed in 0..10 * scale() {
        let (disk, state) = lived(7000 + seed);
        let names = files(&disk);
        assert!(names.len() >= 2, "{names:?}");
        for gone in 0..=names.len() {
            let disk = copy(&disk);
            // Each alone, then all of them.
            let removed = names.get(gone).map_or(names.as_slice(), std::slice::from_ref);
            removed.iter().for_each(|name| disk.remove(*name).expect("it goes"));
            assert!(!holds(&disk, &state, &format!("seed {seed}, without {removed:?}")));
        }
    }
}

#[test]
fn whatever_byte_of_the_index_is_damaged_the_store_holds_the_same() {
    let (mut runs, mut ended) = (0, 0);
    for seed in 0..2 * scale() {
        let (disk, state) = lived(8000 + seed);
        for name in files(&disk) {
            let length = disk.open_file(name).expect("there").length() as usize;
            for at in (0..length).step_by(7) {
                let damaged = copy(&disk);
                damaged.damage(name, at, |bytes| bytes[0] ^= 0x10);
                runs += 1;
                ended += u64::from(holds(&damaged, &state, &format!("seed {seed}, {name} at {at}")));
            }
        }
    }
    println!("{runs} damages, {ended} of them found in use");
    assert!(runs > 500);
}

#[test]
fn where_the_index_is_damaged_the_cleaner_gives_nothing_up() {
    let (disk, mut state) = (MemoryDisk::new(), State::default());
    let store = Driven::open(Arc::new(disk.clone()), 1).expect("it opens");
    let backlog = (1..=60).map(|id| Batch::from(enqueue(id, QUEUE, 200)));
    for batch in [create(QUEUE, DestinationKind::Queue).into()].into_iter().chain(backlog) {
        state.apply(batch.clone()).expect("the model takes it");
        store.commit_wait(batch).expect("it commits");
    }
    drop(store);
    let (mut runs, mut met) = (0, 0);
    for name in files(&disk) {
        let FileName::Run { .. } = name else { continue };
        let length = disk.open_file(name).expect("there").length() as usize;
        for at in (0..length).step_by(7) {
            let damaged = copy(&disk);
            damaged.damage(name, at, |bytes| bytes[0] ^= 0x10);
            let store = Driven::open(Arc::new(damaged.clone()), 2).expect("it opens");
            for _ in 0..4 {
                let head = store.head_number();
                store.clean(|writer| writer.head_number() == head);
            }
            store.idle();
            met += u64::from(store.recover_wait().is_err());
            // Closed in good order, so that what was found does not stay for every later start to find.
            store.close();
            assert!(!holds_from(3, &damaged, &state, &format!("{name} at {at}")));
            runs += 1;
        }
    }
    println!("{runs} damages, {met} of them met by the cleaner");
    assert!(runs > 100 && met > 50);
}

#[test]
fn where_the_index_finds_no_room_while_the_log_is_read_the_store_opens_all_the_same() {
    for seed in 0..5 * scale() {
        let (disk, state) = lived(9000 + seed);
        for name in files(&disk) {
            disk.remove(name).expect("it goes");
        }
        for room in 0..4 {
            let (disk, left) = (copy(&disk), Arc::new(AtomicU64::new(room)));
            let counted = Arc::clone(&left);
            let full = FaultyDisk::new(Arc::new(disk.clone()), move |call| match call {
                Call::CreateFile | Call::FileWrite | Call::FileFinish => {
                    let enough =
                        counted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                    enough.map(|_| ()).map_err(|_| std::io::ErrorKind::StorageFull.into())
                }
                _ => Ok(()),
            });
            let at = format!("seed {seed}, room {room}");
            let store = Driven::open(Arc::new(full), 3).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(Contents::of(&store, 7).expect("it can be read") == contents_of(&state), "{at}");
            // There is room again, and the index goes to the disk.
            left.store(u64::MAX, Ordering::SeqCst);
            let until = Instant::now() + Duration::from_secs(60);
            let mut id = 2_000_000;
            while !files(&disk).iter().any(|name| matches!(name, FileName::Checkpoint { .. })) {
                let queue = create(DestinationId(id), DestinationKind::Queue);
                store.commit_wait(queue.into()).expect("it commits");
                id += 1;
                assert!(Instant::now() < until, "{at}: no checkpoint though there is room");
            }
            drop(store);
            let store = Driven::open(Arc::new(disk), 4).unwrap_or_else(|error| panic!("{at}: {error}"));
            let waiting = |contents: &Contents| {
                contents.waiting.iter().filter(|of| !of.messages.is_empty()).cloned().collect::<Vec<_>>()
            };
            let found = Contents::of(&store, 7).expect("it can be read");
            assert!(waiting(&found) == waiting(&contents_of(&state)), "{at}");
        }
    }
}

#[test]
fn a_segment_cut_short_before_the_checkpoint_loses_what_stood_there_alone() {
    let disk = MemoryDisk::new();
    let store = Driven::open(Arc::new(disk.clone()), 1).expect("it opens");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=100 {
        store.commit_wait(enqueue(id, QUEUE, 300).into()).expect("it commits");
    }
    drop(store);
    let first = FileName::Segment { epoch: Epoch(1), number: 1 };
    let mut bytes = vec![0; 2048];
    disk.open_segment(first).expect("there").read(0, &mut bytes).expect("it reads");
    disk.remove(first).expect("it goes");
    assert!(disk.publish(first, &bytes).expect("a new name"));
    let store = Driven::open(Arc::new(disk), 2).expect("it opens");
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 1000,
        bytes_max: usize::MAX,
    };
    let page = store.read_wait(request).expect("it reads");
    assert!((1..=12).contains(&page.damaged.len()), "{:?}", page.damaged);
    assert_eq!(page.messages.len() + page.damaged.len(), 100);
}

#[test]
fn a_file_that_bears_the_name_of_a_segment_set_aside_takes_nothing_with_it() {
    let (disk, state) = lived(9500);
    let numbers: Vec<u64> = disk
        .list()
        .expect("a list")
        .iter()
        .filter_map(|name| match name {
            FileName::Segment { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    let (first, last) = (numbers.iter().min().expect("one"), numbers.iter().max().expect("one"));
    for number in [*first, first.midpoint(*last), *last, last + 1, u64::MAX] {
        let disk = copy(&disk);
        let name = FileName::Quarantine { epoch: Epoch(1), number };
        assert!(disk.publish(name, b"not a segment of this store").expect("a new name"));
        let store = Driven::open(Arc::new(disk.clone()), 3).expect("it opens");
        assert!(Contents::of(&store, 7).expect("it can be read") == contents_of(&state), "{name}");
        let told = store.damage();
        assert!(told.iter().any(|line| line.contains(&name.to_string())), "{name}: {told:?}");
        assert!(disk.ask(name).expect("an answer"), "{name} is gone");
    }
}

#[test]
fn a_start_reads_what_was_written_since_the_checkpoint_and_not_the_backlog() {
    let disk = MemoryDisk::new();
    let store = Driven::open(Arc::new(disk.clone()), 1).expect("it opens");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=400 {
        store.commit_wait(enqueue(id, QUEUE, 200).into()).expect("it commits");
    }
    drop(store);
    let reads = |options| {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let disk = FaultyDisk::new(Arc::new(copy(&disk)), move |call| {
            counted.fetch_add(u64::from(call == Call::SegmentRead), Ordering::SeqCst);
            Ok(())
        });
        let store = Driven::open_with(Arc::new(disk), 2, options).expect("it opens");
        let found = store.recover_wait().expect("it recovers");
        assert_eq!(found.destinations[0].messages, 400);
        count.load(Ordering::SeqCst)
    };
    let segments =
        disk.list().expect("a list").iter().filter(|name| matches!(name, FileName::Segment { .. })).count();
    let (with, without) = {
        let with = reads(super::driver::options());
        files(&disk).iter().for_each(|name| disk.remove(*name).expect("it goes"));
        (with, reads(without_checkpoints()))
    };
    // The headers of all segments are read in any case, the rest of a few only.
    assert!(segments > 20, "{segments} segments");
    assert!(with < segments as u64 + 8, "{with} reads of {segments} segments");
    assert!(without >= 2 * segments as u64, "{without} reads of {segments} segments");
}

#[test]
fn a_message_before_the_checkpoint_that_is_damaged_is_named_when_it_is_read() {
    let disk = MemoryDisk::new();
    let store = Driven::open(Arc::new(disk.clone()), 1).expect("it opens");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=100 {
        store.commit_wait(enqueue(id, QUEUE, 300).into()).expect("it commits");
    }
    drop(store);
    let first = FileName::Segment { epoch: Epoch(1), number: 1 };
    disk.damage(first, 2048, |bytes| bytes[..64].fill(0x55));
    let store = Driven::open(Arc::new(disk), 2).expect("it opens");
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 1000,
        bytes_max: usize::MAX,
    };
    let page = store.read_wait(request).expect("it reads");
    assert!((1..=2).contains(&page.damaged.len()), "{:?}", page.damaged);
    assert_eq!(page.messages.len() + page.damaged.len(), 100);
}

#[test]
fn a_checkpoint_of_a_future_that_did_not_come_to_be_is_not_used() {
    let disk = MemoryDisk::new();
    let store = Driven::open(Arc::new(disk.clone()), 1).expect("it opens");
    let mut state = State::default();
    let commit = |state: &mut State, batch: Batch| {
        state.apply(batch.clone()).expect("the model takes it");
        store.commit_wait(batch).expect("it commits");
    };
    commit(&mut state, create(QUEUE, DestinationKind::Queue).into());
    for id in 1..=5 {
        commit(&mut state, enqueue(id, QUEUE, 300).into());
    }
    // The disk as it is now goes on without what follows.
    let (earlier, then) = (disk.crash(&mut || false), state.clone());
    for id in 6..=60 {
        commit(&mut state, enqueue(id, QUEUE, 300).into());
    }
    let (later, had) = (files(&disk), files(&earlier));
    assert!(later.iter().any(|name| !had.contains(name)));
    for name in later {
        let file = disk.open_file(name).expect("there");
        let mut bytes = vec![0; file.length() as usize];
        file.read(0, &mut bytes).expect("it reads");
        if !had.contains(&name) {
            let mut new = earlier.create_file(name).expect("a new name");
            new.write(&bytes).and_then(|()| new.finish()).expect("it is written");
        }
    }
    earlier.sync_names().expect("synced");
    assert!(!holds(&earlier, &then, "an older log with younger checkpoints"));
}
