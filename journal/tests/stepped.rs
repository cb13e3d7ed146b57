//! The engine without threads keeps the storage contract, and writes the same bytes from the same seed, faults included.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kahawai_journal::disk::Disk;
use kahawai_journal::disk::faulty::{Call, FaultyDisk};
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::options::JournalOptions;
use kahawai_journal::stepped::Stepped;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Durability, Operation, Urgency};
use kahawai_store::conformance::Engine;
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::conformance::replica::Copies;
use kahawai_store::contract::{Committed, Completion, Store, StoreError, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::model::Contents;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};
use kahawai_store::replica::Replica;

const QUEUE: DestinationId = DestinationId(1);

/// Small segments and checkpoints, so that everything that a journal does is done.
fn options() -> JournalOptions {
    JournalOptions {
        journal_max_file_length: 16 << 10,
        checkpoint_bytes: 16 << 10,
        index_table_max: 32,
        ..JournalOptions::default()
    }
}

fn open(disk: &MemoryDisk, epoch: u64) -> Arc<Stepped> {
    open_on(Arc::new(disk.clone()), epoch)
}

fn open_on(disk: Arc<dyn Disk>, epoch: u64) -> Arc<Stepped> {
    let hold = Arc::new(FixedHold::new(Epoch(epoch)));
    Arc::new(Stepped::open(&disk, hold, options(), epoch).expect("it opens"))
}

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

struct InMemory {
    disk: MemoryDisk,
    epoch: u64,
    random: Random,
}

impl Engine for InMemory {
    fn open(&mut self) -> Arc<dyn Store> {
        self.epoch += 1;
        Arc::new(open(&self.disk, self.epoch).eager())
    }

    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str> {
        self.disk = self.disk.crash(&mut || self.random.next() & 1 == 0);
        drop(store);
        Ok(())
    }
}

mod conformance {
    use super::*;
    kahawai_store::conformance_tests!(InMemory { disk: MemoryDisk::new(), epoch: 0, random: Random(1) });
}

/// Two stores that are to be copies of each other.
#[derive(Default)]
struct Two {
    disks: [MemoryDisk; 2],
    epoch: u64,
}

impl Copies for Two {
    fn open(&mut self, copy: usize) -> Arc<dyn Replica> {
        self.epoch += 1;
        Arc::new(open(&self.disks[copy], self.epoch).eager())
    }
}

mod copies {
    use super::*;
    kahawai_store::replica_conformance_tests!(Two::default());
}

fn create() -> Batch {
    let name = "Q".into();
    Operation::CreateDestination(Destination { id: QUEUE, kind: DestinationKind::Queue, name }).into()
}

fn enqueue(id: u64, bytes: usize) -> Batch {
    let message = Message { body: vec![id as u8; bytes].into(), ..Message::default() };
    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message: Arc::new(message) }.into()
}

fn acknowledge(id: u64, arrival: u64) -> Batch {
    let cursor = Cursor { rank: 0, arrival };
    Operation::Acknowledge { destination: QUEUE, id: MessageId(id), cursor, subscription: None }.into()
}

/// A completion that notes what came.
fn noted<T: std::fmt::Debug + Send + 'static>(notes: &Arc<Mutex<Vec<String>>>, name: &str) -> Completion<T> {
    let (notes, name) = (Arc::clone(notes), name.to_owned());
    Completion::new(move |result| notes.lock().expect("no panic").push(format!("{name}: {result:?}")))
}

/// Lives of a store with everything in them, from a seed; gives numbers for the bytes that each left.
fn live(seed: u64) -> Vec<u64> {
    let mut random = Random(seed);
    let mut disk = MemoryDisk::new();
    let mut digests = Vec::new();
    let mut waiting: Vec<(u64, u64)> = Vec::new();
    let mut id_next = 1;
    for life in 0..4 {
        let hold = Arc::new(FixedHold::new(Epoch(life + 1)));
        let on: Arc<dyn Disk> = Arc::new(disk.clone());
        let store = Stepped::open(&on, hold, options(), random.next()).map(Arc::new).expect("it opens");
        if life == 0 {
            store.eager().commit_wait(create()).expect("it commits");
        }
        for _ in 0..200 {
            let arrivals = Arc::new(Mutex::new(Vec::new()));
            for _ in 0..random.next() % 4 {
                let (id, told) = (id_next, Arc::clone(&arrivals));
                id_next += 1;
                let batch = enqueue(id, 1 + (random.next() % 2000) as usize);
                store.commit(
                    batch,
                    Completion::new(move |result| {
                        let committed: Committed = result.expect("it commits");
                        told.lock().expect("no panic").push((id, committed.arrival_first));
                    }),
                );
            }
            // Mostly the youngest, so that the head stays and is cleaned.
            while waiting.len() > 8 {
                let at = 1 + (random.next() % 7) as usize;
                let (id, arrival) = waiting.swap_remove(at);
                let mut batch = acknowledge(id, arrival);
                batch.urgency = Urgency::Soon;
                store.commit(batch, Completion::new(|result| assert!(result.is_ok())));
            }
            store.step();
            waiting.append(&mut arrivals.lock().expect("no panic"));
            while random.next().is_multiple_of(3) && store.idle() {}
        }
        let (bytes, allowed) = (disk.bytes(), 10 * 16 * 1024);
        assert!(bytes < allowed, "{bytes} bytes are kept for eight messages: nothing was cleaned");
        // Everything was answered: whatever the power failure leaves holds it.
        disk = disk.crash(&mut || random.next() & 1 == 0);
        digests.push(disk.digest());
    }
    let store = open(&disk, 9);
    let contents = Contents::of(&store.eager(), 100).expect("everything can be read");
    let mut found: Vec<u64> = contents.waiting[0].messages.iter().map(|stored| stored.id.0).collect();
    let mut expected: Vec<u64> = waiting.iter().map(|(id, _)| *id).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "what was answered is there, and nothing else");
    digests
}

#[test]
fn one_seed_writes_the_same_bytes_twice_and_another_writes_others() {
    let first = live(7);
    assert_eq!(first, live(7));
    assert_ne!(first, live(8));
}

#[test]
fn nothing_happens_before_a_step_and_everything_in_one() {
    let disk = MemoryDisk::new();
    let store = open(&disk, 1);
    let before = disk.digest();
    let notes = Arc::default();
    store.commit(create(), noted(&notes, "create"));
    store.commit(enqueue(1, 10), noted(&notes, "enqueue"));
    store.recover(noted(&notes, "recover"));
    assert!(notes.lock().expect("no panic").is_empty() && disk.digest() == before && store.has_submitted());
    assert!(store.step());
    let names: Vec<_> =
        notes.lock().expect("no panic").iter().map(|note| note[..6].to_owned()).collect::<Vec<_>>();
    assert_eq!(names, ["create", "enqueu", "recove"]);
    assert!(!store.step() && !store.has_submitted(), "nothing is left");
}

#[test]
fn what_is_submitted_from_within_an_answer_waits_for_the_next_step() {
    let store = open(&MemoryDisk::new(), 1);
    let notes = Arc::default();
    let (again, then) = (Arc::clone(&store), Arc::clone(&notes));
    store.commit(create(), Completion::new(move |_| again.commit(enqueue(1, 10), noted(&then, "second"))));
    assert!(store.step() && store.has_submitted());
    assert!(notes.lock().expect("no panic").is_empty());
    assert!(store.step() && !store.has_submitted());
    assert_eq!(notes.lock().expect("no panic").len(), 1);
}

#[test]
fn who_waits_when_the_process_dies_is_told_and_the_disk_keeps_only_what_a_step_did() {
    let disk = MemoryDisk::new();
    let notes = Arc::default();
    let store = open(&disk, 1);
    store.eager().commit_wait(create()).expect("it commits");
    let before = disk.digest();
    store.commit(enqueue(1, 10), noted(&notes, "lost"));
    drop(store);
    assert!(notes.lock().expect("no panic")[0].contains("Closed"), "{notes:?}");
    assert_eq!(disk.digest(), before);
    assert_eq!(open(&disk, 2).eager().recover_wait().expect("it recovers").destinations[0].messages, 0);
}

/// A disk that fails at one kind of call once it is told to.
fn failing(disk: &MemoryDisk, at: Call) -> (Arc<dyn Disk>, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fails);
    let faulty = FaultyDisk::new(Arc::new(disk.clone()), move |call| match call {
        call if call == at && told.load(Ordering::SeqCst) => Err(std::io::Error::other("broken")),
        _ => Ok(()),
    });
    (Arc::new(faulty), fails)
}

#[test]
fn a_write_or_flush_that_fails_ends_the_store() {
    for at in [Call::SegmentWrite, Call::SegmentFlush] {
        let (disk, fails) = failing(&MemoryDisk::new(), at);
        let store = open_on(disk, 1);
        let eager = store.eager();
        eager.commit_wait(create()).expect("it commits");
        fails.store(true, Ordering::SeqCst);
        let error = eager.commit_wait(enqueue(1, 10)).expect_err("it fails");
        assert!(matches!(error, StoreError::Failed(_)), "{at:?}: {error}");
        fails.store(false, Ordering::SeqCst);
        assert!(eager.commit_wait(enqueue(2, 10)).is_err(), "nothing works any more after {at:?}");
        assert!(store.ended().is_some() && !store.idle());
    }
}

#[test]
fn a_full_disk_refuses_senders_and_takes_them_again_when_there_is_room() {
    let disk = MemoryDisk::new();
    let store = open(&disk, 1).eager();
    store.commit_wait(create()).expect("it commits");
    disk.set_room(Some(0));
    let mut id = 0;
    let error = loop {
        id += 1;
        match store.commit_wait(enqueue(id, 1000)) {
            Ok(_) => assert!(id < 100, "a segment takes no more"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    disk.set_room(None);
    store.commit_wait(enqueue(id, 1000)).expect("there is room");
}

#[test]
fn what_is_completed_without_a_flush_is_flushed_when_there_is_time() {
    let disk = MemoryDisk::new();
    let store = open(&disk, 1);
    store.eager().commit_wait(create().durable(Durability::Periodic)).expect("it commits");
    assert!(store.durability().bytes_at_risk > 0);
    store.idle();
    assert_eq!(store.durability().bytes_at_risk, 0);
    let after = open(&disk.crash(&mut || false), 2).eager();
    assert_eq!(after.recover_wait().expect("it recovers").destinations.len(), 1);
}

#[test]
fn the_bell_rings_after_each_round() {
    let store = open(&MemoryDisk::new(), 1);
    let rung = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&rung);
    assert!(store.ring(Arc::new(move || {
        told.fetch_add(1, Ordering::SeqCst);
    })));
    store.commit(create(), Completion::new(drop));
    assert_eq!(rung.load(Ordering::SeqCst), 0);
    store.step();
    assert_eq!(rung.load(Ordering::SeqCst), 1);
}
