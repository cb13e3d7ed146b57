//! Power failure at every call of the I/O seam: before each, the disk is copied as a power failure at that moment might
//! leave it, several times over with other choices of what was kept of that which was not synced, and every copy is recovered.
//!
//! Every recovery must give the model's state after some beginning of the batches that holds all that were completed, and
//! must report no damage. Some recoveries are crashed themselves, and some copies are lived on.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kahawai_store::batch::DestinationKind;
use kahawai_store::model::{Contents, State};
use kahawai_store::names::DestinationId;

use super::driver::{Driven, contents_of, dump, real, summary};
use super::scale;
use super::script::{Random, Script, create};
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;

/// The model after each batch that was submitted so far, and how many of them were completed.
struct Known {
    states: Mutex<Vec<(State, Option<Arc<Contents>>)>>,
    completed: AtomicUsize,
    /// How many recoveries were looked at.
    visited: AtomicU64,
    /// How many messages were written again by the cleaner.
    relocated: AtomicU64,
}

impl Known {
    fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            states: Mutex::new(vec![(state, None)]),
            completed: AtomicUsize::new(0),
            visited: AtomicU64::new(0),
            relocated: AtomicU64::new(0),
        })
    }

    fn last(&self) -> State {
        self.states.lock().expect("no panic").last().expect("one at least").0.clone()
    }

    fn add(&self, state: State) {
        self.states.lock().expect("no panic").push((state, None));
    }

    /// Which of the states allowed now a store is in.
    fn check(&self, store: &Driven, at: &str) -> State {
        let found = Contents::of(store, 1000).expect("everything can be read");
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "{at}: a power failure taken for damage: {damage:#?}");
        let mut states = self.states.lock().expect("no panic");
        let completed = self.completed.load(Ordering::SeqCst);
        for (state, contents) in &mut states[completed..] {
            let contents = contents.get_or_insert_with(|| Arc::new(contents_of(state)));
            if **contents == found {
                return state.clone();
            }
        }
        let submitted = states.len() - 1;
        let lost = states[..completed].iter().rposition(|(state, _)| contents_of(state) == found);
        let which = lost.map_or("no state of the model".to_owned(), |lost| format!("only {lost}"));
        let (found, expected) = (summary(&found), summary(&contents_of(&states[completed].0)));
        panic!(
            "{at}: {completed} of {submitted} batches were completed; found {which}:\n{found}\nexpected\n{expected}"
        );
    }
}

/// Recovers a copy of a disk after a power failure, and says what it holds.
fn recover(known: &Known, disk: &MemoryDisk, epoch: u64, at: &str) -> (Driven, State) {
    known.visited.fetch_add(1, Ordering::Relaxed);
    let before = disk.crash(&mut || true);
    let store = Driven::open(Arc::new(disk.clone()), epoch).unwrap_or_else(|error| panic!("{at}: {error}"));
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| known.check(&store, at)));
    let state = found.unwrap_or_else(|panic| {
        println!("what was recovered from:\n{}", dump(&before));
        std::panic::resume_unwind(panic)
    });
    (store, state)
}

/// How the copies at one moment are chosen and looked at.
#[derive(Clone, Copy)]
struct Looks {
    copies: usize,
    /// Of how many recoveries one is crashed itself.
    again_one_in: usize,
    /// All choices are tried where there are at most this many things to choose.
    exhaustive_bits: u32,
}

/// Looks at a disk as power failures at this moment might leave it.
fn look(known: &Arc<Known>, disk: &MemoryDisk, epoch: u64, looks: Looks, random: &mut Random, at: &str) {
    let mut unsynced = 0_u32;
    disk.crash(&mut || {
        unsynced += 1;
        false
    });
    let all = unsynced <= looks.exhaustive_bits;
    let copies = if all { 1 << unsynced } else { looks.copies };
    for copy in 0..copies {
        let (mut bits, weight) = (copy as u64, 1 + random.below(7));
        let after = disk.crash(&mut || {
            if all {
                let kept = bits & 1 == 1;
                bits >>= 1;
                kept
            } else {
                // Nearly nothing, half, nearly everything: each meets other holes.
                random.below(8) < weight
            }
        });
        let at = format!("{at}, copy {copy} of {unsynced} choices");
        if random.one_in(looks.again_one_in) {
            let inner = Looks { copies: 1, again_one_in: usize::MAX, exhaustive_bits: 2 };
            let (store, _) = watched(known, &after, epoch + 1, inner, random.next(), &format!("{at}, again"));
            drop(store);
            // What recovery wrote must itself be readable, though nothing was committed since.
            recover(known, &after, epoch + 2, &format!("{at}, after a recovery"));
        } else {
            recover(known, &after, epoch + 1, &at);
        }
    }
}

/// Opens a store whose disk is looked at before every call.
fn watched(
    known: &Arc<Known>,
    disk: &MemoryDisk,
    epoch: u64,
    looks: Looks,
    seed: u64,
    at: &str,
) -> (Driven, State) {
    let random = Mutex::new(Random(seed));
    let (looked, seen, label) = (disk.clone(), Arc::clone(known), at.to_owned());
    let calls = AtomicU64::new(0);
    let faulty = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        // Before a call that changes nothing the disk is as it was before the call before.
        if !matches!(call, Call::Read | Call::List | Call::Ask | Call::SegmentRead | Call::OpenSegment) {
            let at = format!("{label}, epoch {epoch}, before call {number} ({call:?})");
            look(&seen, &looked, epoch, looks, &mut random.lock().expect("no panic"), &at);
        }
        Ok(())
    });
    let store = Driven::open(Arc::new(faulty), epoch).unwrap_or_else(|error| panic!("{at}: {error}"));
    let state = known.check(&store, at);
    (store, state)
}

/// Several lives of a store, each of which ends with a power failure and begins where the one before was recovered.
fn live(seed: u64, lives: u64, rounds: usize, looks: Looks) -> (u64, u64) {
    let mut script = Script::new(seed);
    let mut disk = MemoryDisk::new();
    let mut state = State::default();
    let (mut visited, mut relocated) = (0, 0);
    for life in 0..lives {
        let at = format!("seed {seed}, life {life}");
        // Each life may have recovered three times within itself.
        let epoch = 1 + life * 10;
        let known = Known::new(state.clone());
        let (store, _) = watched(&known, &disk, epoch, looks, script.random.next(), &at);
        let queue = DestinationId(1_000_000 + life * 2);
        let mut first = vec![
            create(queue, DestinationKind::Queue).into(),
            create(DestinationId(queue.0 + 1), DestinationKind::Topic).into(),
        ];
        let count = script.random.below(rounds) + rounds / 2;
        for _ in 0..count {
            let mut batches = std::mem::take(&mut first);
            let mut now = known.last();
            for batch in &batches {
                now.apply(kahawai_store::batch::Batch::clone(batch)).expect("the model takes it");
                known.add(now.clone());
            }
            for _ in 0..1 + script.random.below(4) {
                let batch = script.batch(&now);
                now.apply(batch.clone()).expect("the model takes it");
                known.add(now.clone());
                batches.push(batch);
            }
            let told = Arc::clone(&known);
            let answers = store.round(&batches, move |_, answer| {
                if answer.is_ok() {
                    told.completed.fetch_add(1, Ordering::SeqCst);
                }
            });
            for answer in answers {
                answer.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            if script.random.one_in(3) {
                store.idle();
            }
            // Now and then the whole head, whether it is due or not.
            if script.random.one_in(2) {
                let head = store.head_number();
                store.clean(|writer| writer.head_number() == head);
            }
        }
        if script.random.one_in(4) {
            kahawai_store::contract::Store::close(&store);
        }
        known.relocated.fetch_add(store.found.load(Ordering::Relaxed), Ordering::Relaxed);
        drop(store);
        let random = &mut script.random;
        disk = disk.crash(&mut || random.one_in(2));
        let (_, recovered) = recover(&known, &disk, epoch + 5, &format!("{at}, at its end"));
        state = recovered;
        visited += known.visited.load(Ordering::Relaxed);
        relocated += known.relocated.load(Ordering::Relaxed);
    }
    (visited, relocated)
}

#[test]
fn a_power_failure_at_any_call_loses_nothing_completed_and_is_not_damage() {
    let (mut visited, mut relocated) = (0, 0);
    for seed in 0..8 * scale() {
        let looks = Looks { copies: 2, again_one_in: 20, exhaustive_bits: 2 };
        let (more, again) = live(seed, 3, 14, looks);
        visited += more;
        relocated += again;
    }
    println!("{visited} recoveries; {relocated} messages written again");
    assert!(visited > 500 && relocated > 50);
}

#[test]
fn every_choice_of_what_a_power_failure_keeps_is_survived() {
    let (mut visited, mut relocated) = (0, 0);
    for seed in 0..8 * scale() {
        let looks = Looks { copies: 4, again_one_in: 200, exhaustive_bits: 9 };
        let (more, again) = live(1000 + seed, 1, 8, looks);
        visited += more;
        relocated += again;
    }
    println!("{visited} recoveries; {relocated} messages written again");
    assert!(visited > 500 && relocated > 10);
}
