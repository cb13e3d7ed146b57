//! Long random lives, from a seed: batches of everything there is (moves, ranks, rollbacks, removed destinations, ended subscriptions, records
//! larger than a segment), idle moments, cleaning and rolling among them; each life ends well, or with the death of its process, or
//! with a power failure at some call, that of the opening included, and the next one begins with what that left.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome};
use kahawai_store::contract::{Store as _, StoreWait as _};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{DestinationId, Xid};

use super::super::driver::{Driven, contents_of, real, summary};
use super::super::script::{Random, Script, create};
use super::look::only_looks;
use super::play::{one_more, open};
use crate::disk::faulty::FaultyDisk;
use crate::disk::memory::MemoryDisk;
use crate::writer::Access;

/// What came of all lives so far.
#[derive(Default)]
pub(super) struct Wandered {
    images: Mutex<HashSet<u64>>,
    operations: AtomicU64,
    lives: AtomicU64,
    failures: AtomicU64,
}

impl Wandered {
    pub(super) fn tell(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{} lives of {} operations, {} of them ended by a power failure at some call; {} distinct images recovered",
            count(&self.lives),
            count(&self.operations),
            count(&self.failures),
            self.images.lock().expect("no panic").len()
        )
    }
}

/// What may be found, and from where on: every batch before was answered.
#[derive(Clone, Default)]
struct Known {
    states: Vec<State>,
    answered: usize,
}

/// The power failure that is to come.
struct Power {
    calls_left: u64,
    keep: Random,
    left: Option<(MemoryDisk, Vec<State>)>,
}

/// A store, and what is known of it.
struct Life {
    store: Driven,
    known: Arc<Mutex<Known>>,
    power: Arc<Mutex<Power>>,
}

impl Life {
    /// Opens a disk that is in one of these states; where the power fails meanwhile, what that leaves.
    fn open(
        disk: &MemoryDisk,
        epoch: u64,
        with_checkpoints: bool,
        states: Vec<State>,
        random: &mut Random,
    ) -> Self {
        let known = Arc::new(Mutex::new(Known { states, answered: 0 }));
        let calls_left = if random.one_in(3) { u64::MAX } else { random.below(300) as u64 };
        let power = Arc::new(Mutex::new(Power { calls_left, keep: Random(random.next()), left: None }));
        let (failing, knows, failed) = (Arc::clone(&power), Arc::clone(&known), disk.clone());
        let watched = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
            let power = &mut *failing.lock().expect("no panic");
            if !only_looks(call) && power.left.is_none() {
                if power.calls_left == 0 {
                    let known = knows.lock().expect("no panic");
                    let weight = 1 + power.keep.below(7);
                    let keep = &mut power.keep;
                    let left = failed.crash(&mut || keep.below(8) < weight);
                    power.left = Some((left, known.states[known.answered..].to_vec()));
                } else {
                    power.calls_left -= 1;
                }
            }
            Ok(())
        });
        let store = open(Arc::new(watched), epoch, with_checkpoints).expect("it opens");
        let found = Contents::of(&store, 7).expect("everything can be read");
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "{damage:#?}");
        let arrival_next = store.writer.lock().expect("no panic").shared().index().state.arrival_next();
        {
            let mut known = known.lock().expect("no panic");
            // States that look alike may differ in the next number.
            let mut alike = known.states.clone();
            alike.retain(|state| {
                let arrival = state.clone().apply(one_more()).map(|committed| committed.arrival_first);
                contents_of(state) == found && arrival == Ok(arrival_next)
            });
            if alike.is_empty() {
                let allowed: Vec<_> = known.states.iter().map(|state| summary(&contents_of(state))).collect();
                panic!("found\n{}\nallowed\n{}", summary(&found), allowed.join("\n"));
            }
            if alike.len() > 1 {
                let decided = decide_all(disk, epoch + 1, with_checkpoints, &found);
                alike.retain(|state| decided_of(state, &found) == decided);
                assert!(!alike.is_empty(), "what is prepared is in none of the states that look like this");
            }
            // What is left makes no difference.
            alike.truncate(1);
            *known = Known { states: alike, answered: 0 };
        }
        Self { store, known, power }
    }

    fn last(&self) -> State {
        self.known.lock().expect("no panic").states.last().expect("one at least").clone()
    }

    fn has_failed(&self) -> bool {
        self.power.lock().expect("no panic").left.is_some()
    }

    /// Commits batches in one round.
    fn round(&self, batches: &[Batch]) {
        let mut state = self.last();
        for batch in batches {
            state.apply(batch.clone()).expect("the model takes it");
            self.known.lock().expect("no panic").states.push(state.clone());
        }
        let known = Arc::clone(&self.known);
        let answers = self.store.round(batches, move |_, answer| {
            known.lock().expect("no panic").answered += usize::from(answer.is_ok());
        });
        assert!(answers.iter().all(Result::is_ok), "a sound store refuses: {answers:?}");
        // What was answered is not asked about again.
        let known = &mut *self.known.lock().expect("no panic");
        known.states.drain(..known.answered);
        known.answered = 0;
    }

    fn pause(&self, random: &mut Random) {
        if random.one_in(4) {
            self.store.idle();
        }
        if random.one_in(8) {
            let head = self.store.head_number();
            self.store.clean(|writer| writer.head_number() == head);
        }
        if random.one_in(12) {
            let rolled = self.store.writer.lock().expect("no panic").roll(64, Access::Sender);
            assert!(rolled.is_ok(), "a sound disk");
        }
    }
}

/// Decisions to commit all that is prepared: what a transaction holds beside messages shows only then. And a message, for the next number.
fn decisions(found: &Contents) -> Vec<Batch> {
    let commit = |xid: &Xid| Operation::Decide { xid: xid.clone(), outcome: Outcome::Commit };
    let decisions = found.prepared.iter().map(|prepared| Batch::from(commit(&prepared.xid)));
    decisions.chain([one_more()]).collect()
}

/// What a copy of a disk holds when all that is prepared is committed.
fn decide_all(disk: &MemoryDisk, epoch: u64, with_checkpoints: bool, found: &Contents) -> Contents {
    let copy = disk.crash(&mut || true);
    let store = open(Arc::new(copy), epoch, with_checkpoints).expect("a copy opens");
    for decision in decisions(found) {
        store.commit_wait(decision).expect("it is prepared");
    }
    Contents::of(&store, 7).expect("everything can be read")
}

/// What the model holds then.
fn decided_of(state: &State, found: &Contents) -> Contents {
    let mut state = state.clone();
    for decision in decisions(found) {
        state.apply(decision).expect("it is prepared");
    }
    contents_of(&state)
}

/// Lives so long, from a seed.
///
/// # Panics
/// Where a life finds what none may; the seed is printed.
pub(super) fn wander(wandered: &Wandered, seed: u64, operations: u64) {
    let lived = catch_unwind(AssertUnwindSafe(|| live(wandered, seed, operations)));
    if let Err(panic) = lived {
        println!("the seed was {seed}: KAHAWAI_PROOF_SEED={seed} begins with it");
        resume_unwind(panic);
    }
}

fn live(wandered: &Wandered, seed: u64, operations: u64) {
    let with_checkpoints = seed.is_multiple_of(2);
    let mut script = Script::new(seed);
    let (mut disk, mut states) = (MemoryDisk::new(), vec![State::default()]);
    let (mut done, mut next) = (0, 2_000_000);
    for epoch in 1.. {
        if done >= operations {
            break;
        }
        wandered.lives.fetch_add(1, Ordering::Relaxed);
        let digest = disk.digest() ^ u64::from(with_checkpoints);
        wandered.images.lock().expect("no panic").insert(digest);
        let life = Life::open(&disk, epoch, with_checkpoints, states.clone(), &mut script.random);
        let rounds = 1 + script.random.below(40);
        for round in 0..rounds {
            if life.has_failed() {
                break;
            }
            let mut state = life.last();
            let mut batches = Vec::new();
            if round == 0 && (epoch == 1 || script.random.one_in(4)) {
                batches.push(Batch::from(create(DestinationId(next), DestinationKind::Queue)));
                batches.push(Batch::from(create(DestinationId(next + 1), DestinationKind::Topic)));
                next += 2;
            }
            for batch in &batches {
                state.apply(batch.clone()).expect("the model takes it");
            }
            for _ in 0..1 + script.random.below(4) {
                let batch = script.batch(&state);
                state.apply(batch.clone()).expect("the model takes it");
                batches.push(batch);
            }
            done += batches.iter().map(|batch| batch.operations.len() as u64).sum::<u64>();
            life.round(&batches);
            life.pause(&mut script.random);
        }
        if script.random.one_in(3) && !life.has_failed() {
            life.store.close();
        }
        let left = life.power.lock().expect("no panic").left.take();
        states = vec![life.last()];
        drop(life);
        if let Some(left) = left {
            wandered.failures.fetch_add(1, Ordering::Relaxed);
            (disk, states) = left;
        } else if script.random.one_in(2) {
            // All was answered: what is kept of the rest makes no difference.
            let random = &mut script.random;
            disk = disk.crash(&mut || random.one_in(2));
        }
    }
    wandered.operations.fetch_add(done, Ordering::Relaxed);
}

#[test]
fn long_random_lives_with_power_failures_among_them_match_the_model() {
    let wandered = Wandered::default();
    for seed in 1..=10 {
        wander(&wandered, seed, 3_000);
    }
    println!("{}", wandered.tell());
    assert!(wandered.failures.load(Ordering::Relaxed) > 50);
}
