//! Levels of durability: what they leave out, and what they never do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kahawai_store::batch::{Batch, DestinationKind, Durability};
use kahawai_store::contract::StoreWait;
use kahawai_store::model::{Contents, State};
use kahawai_store::names::DestinationId;

use super::driver::{Driven, contents_of, real, summary};
use super::script::{Random, Script, create, enqueue};
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::options::JournalOptions;

const QUEUE: DestinationId = DestinationId(1);

fn options(level: Durability) -> JournalOptions {
    JournalOptions {
        journal_max_file_length: 16 << 10,
        journal_disk_sync_strategy: level,
        ..JournalOptions::default()
    }
}

/// A store whose flushes are counted.
fn counted(disk: &MemoryDisk, level: Durability) -> (Driven, Arc<AtomicU64>) {
    let flushes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&flushes);
    let disk = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        counted.fetch_add(u64::from(call == Call::SegmentFlush), Ordering::SeqCst);
        Ok(())
    });
    let store = Driven::open_with(Arc::new(disk), 1, options(level)).expect("it opens");
    flushes.store(0, Ordering::SeqCst);
    (store, flushes)
}

#[test]
fn a_level_says_what_is_flushed_and_a_batch_may_ask_for_another() {
    for level in [Durability::Never, Durability::Periodic, Durability::Always] {
        let (store, flushes) = counted(&MemoryDisk::new(), level);
        let send = |id, durability| {
            let before = flushes.load(Ordering::SeqCst);
            let batch = Batch { durability, ..Batch::from(enqueue(id, QUEUE, 100)) };
            store.commit_wait(batch).expect("it commits");
            let writer = store.writer.lock().expect("no panic");
            (flushes.load(Ordering::SeqCst) - before, writer.shared().at_risk(), writer.owes_flush())
        };
        let created = Batch::from(create(QUEUE, DestinationKind::Queue)).durable(Durability::Always);
        store.commit_wait(created).expect("it commits");
        let (flushed, at_risk, owes) = send(1, None);
        assert_eq!(flushed, u64::from(level == Durability::Always));
        assert_eq!(at_risk > 100, level != Durability::Always, "{level}: {at_risk} bytes at risk");
        assert_eq!(owes, level == Durability::Periodic);
        let (flushed, more, owes) = send(2, Some(Durability::Periodic));
        assert!(flushed == 0 && more > at_risk && owes, "{level}");
        // One that is to be on the disk takes along what was left out.
        assert_eq!(send(3, Some(Durability::Always)), (1, 0, false), "{level}");
        let (flushed, at_risk, owes) = send(4, Some(Durability::Never));
        assert!(flushed == 0 && at_risk > 100 && !owes, "{level}");
        store.writer.lock().expect("no panic").flush_owed();
        assert_eq!(store.writer.lock().expect("no panic").shared().at_risk(), 0);
    }
}

#[test]
fn what_a_weak_level_loses_is_the_last_of_it_and_no_damage() {
    let mut lost = 0;
    for seed in 0..60 * super::scale() {
        let level = if seed % 2 == 0 { Durability::Never } else { Durability::Periodic };
        let at = format!("seed {seed}, {level}");
        let disk = MemoryDisk::new();
        let store = Driven::open_with(Arc::new(disk.clone()), 1, options(level)).expect("it opens");
        let mut script = Script::new(seed);
        let mut states = vec![State::default()];
        let mut durable = 0;
        for number in 0..60 {
            let mut now = states.last().expect("one").clone();
            let batch = match number {
                0 => create(QUEUE, DestinationKind::Queue).into(),
                1 => create(DestinationId(2), DestinationKind::Topic).into(),
                _ => script.batch(&now),
            };
            let is_always = script.random.one_in(15);
            let batch = if is_always { batch.durable(Durability::Always) } else { batch };
            now.apply(batch.clone()).expect("the model takes it");
            store.commit_wait(batch).expect("it commits");
            states.push(now);
            if is_always {
                durable = states.len() - 1;
            }
        }
        drop(store);
        // A process that dies loses nothing.
        let after = disk.crash(&mut || true);
        let store = Driven::open_with(Arc::new(after), 2, options(level)).expect("it opens");
        let found = Contents::of(&store, 1000).expect("it can be read");
        assert!(found == contents_of(&states[60]), "{at}: {}", summary(&found));
        // A machine that dies keeps some beginning, with all that was to be on the disk.
        let mut random = Random(seed);
        let after = disk.crash(&mut || random.one_in(3));
        let store = Driven::open_with(Arc::new(after), 2, options(level)).expect("it opens");
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "{at}: {damage:#?}");
        let found = Contents::of(&store, 1000).expect("it can be read");
        let kept = states.iter().rposition(|state| contents_of(state) == found);
        let kept = kept.unwrap_or_else(|| panic!("{at}: no beginning: {}", summary(&found)));
        assert!(kept >= durable, "{at}: {kept} kept, {durable} were to be on the disk");
        lost += 60 - kept;
    }
    assert!(lost > 0);
}
