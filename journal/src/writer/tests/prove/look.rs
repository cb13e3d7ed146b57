//! What a power failure can leave, and what is recovered from it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kahawai_store::contract::StoreWait;
use kahawai_store::model::Contents;

use super::super::driver::{contents_of, dump, real, summary};
use super::play::{Allowed, one_more, open};
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;

/// How many shards remember images, so that threads seldom wait for each other.
const SHARDS: usize = 64;

/// Of how many distinct images one is lived on.
const LIVED_ON_ONE_IN: u64 = 8;

/// Of how many distinct images the recovery of one is crashed at each of its calls.
const CRASHED_AGAIN_ONE_IN: u64 = 64;

/// Whether a call leaves the disk as it is: then a power failure before it is one before the call before.
pub(super) fn only_looks(call: Call) -> bool {
    matches!(
        call,
        Call::Read
            | Call::List
            | Call::Ask
            | Call::SegmentRead
            | Call::OpenSegment
            | Call::OpenFile
            | Call::TryLock
    )
}

/// Whether the recovery of an image may itself be crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// It may.
    First,
    /// It is what such a crash left.
    Second,
}

/// What was looked at so far, by all threads.
pub(super) struct Seen {
    /// What was recovered from each image: the mark of the contents.
    images: Vec<Mutex<HashMap<u64, u64>>>,
    /// All choices are tried where there are at most this many things to choose.
    choices_max: u32,
    /// Moments at which the power failed.
    pub(super) crashes: AtomicU64,
    /// Moments at which not all choices were tried.
    pub(super) bounded: AtomicU64,
    /// Copies of disks, distinct or not.
    pub(super) copies: AtomicU64,
    /// Images that were committed to after recovery, and recovered once more.
    pub(super) lived_on: AtomicU64,
    /// Images whose recovery was crashed at each call.
    pub(super) crashed_again: AtomicU64,
    /// Messages and chunks that the cleaner wrote again while a sequence was looked at.
    pub(super) relocated: AtomicU64,
    /// Calls that failed.
    pub(super) failures: AtomicU64,
    /// How often a master was overtaken.
    pub(super) meetings: AtomicU64,
}

impl Seen {
    pub(super) fn new(choices_max: u32) -> Arc<Self> {
        Arc::new(Self {
            images: (0..SHARDS).map(|_| Mutex::default()).collect(),
            choices_max,
            crashes: AtomicU64::new(0),
            bounded: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            lived_on: AtomicU64::new(0),
            crashed_again: AtomicU64::new(0),
            relocated: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            meetings: AtomicU64::new(0),
        })
    }

    /// How many distinct images were recovered.
    pub(super) fn images(&self) -> usize {
        self.images.iter().map(|shard| shard.lock().expect("no panic").len()).sum()
    }
}

/// Where a look is taken: for the message of a failing test.
pub(super) type At<'a> = &'a dyn Fn() -> String;

/// Looks at a disk as a power failure at this moment may leave it.
pub(super) fn look(
    seen: &Arc<Seen>,
    allowed: &[Arc<Allowed>],
    disk: &MemoryDisk,
    epoch: u64,
    with_checkpoints: bool,
    depth: Depth,
    at: At<'_>,
) {
    seen.crashes.fetch_add(1, Ordering::Relaxed);
    let mut take = |after: MemoryDisk| check(seen, allowed, &after, epoch, with_checkpoints, depth, at);
    let mut choices = 0_u32;
    take(disk.crash(&mut || {
        choices += 1;
        true
    }));
    if choices <= seen.choices_max {
        every_choice(disk, &mut take);
    } else {
        seen.bounded.fetch_add(1, Ordering::Relaxed);
        some_choices(disk, choices, &mut take);
    }
}

/// Every way to answer what a crash asks: what is asked may depend on what was answered before.
fn every_choice(disk: &MemoryDisk, take: &mut dyn FnMut(MemoryDisk)) {
    let mut answers: Vec<bool> = Vec::new();
    loop {
        let mut asked = 0;
        let after = disk.crash(&mut || {
            if asked == answers.len() {
                answers.push(false);
            }
            asked += 1;
            answers[asked - 1]
        });
        take(after);
        // The next in the order of a counter.
        while answers.last() == Some(&true) {
            answers.pop();
        }
        match answers.last_mut() {
            Some(last) => *last = true,
            None => return,
        }
    }
}

/// Too many things to choose among: none; each alone, and all but it; each beginning, and each end; each pair of
/// neighbours alone and missing; and as many mixtures.
fn some_choices(disk: &MemoryDisk, choices: u32, take: &mut dyn FnMut(MemoryDisk)) {
    let mut with = |keeps: &dyn Fn(u32) -> bool| {
        let mut asked = 0;
        take(disk.crash(&mut || {
            asked += 1;
            keeps(asked - 1)
        }));
    };
    with(&|_| false);
    for chosen in 0..choices {
        with(&|asked| asked == chosen);
        with(&|asked| asked != chosen);
        with(&|asked| asked < chosen);
        with(&|asked| asked >= chosen);
        with(&|asked| asked == chosen || asked == chosen + 1);
        with(&|asked| asked != chosen && asked != chosen + 1);
        // Any will do, as long as it is the same each time.
        let mixture = (u64::from(chosen) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        with(&|asked| mixture.rotate_left(asked * 7) & 1 == 1);
    }
}

/// Recovers one image, unless that was done before, and compares what it holds.
pub(super) fn check(
    seen: &Arc<Seen>,
    allowed: &[Arc<Allowed>],
    after: &MemoryDisk,
    epoch: u64,
    with_checkpoints: bool,
    depth: Depth,
    at: At<'_>,
) {
    seen.copies.fetch_add(1, Ordering::Relaxed);
    // The same bytes are another image to who keeps checkpoints.
    let digest = after.digest() ^ u64::from(with_checkpoints).rotate_right(1);
    let shard = &seen.images[digest as usize % SHARDS];
    let before = shard.lock().expect("no panic").get(&digest).copied();
    if let Some(mark) = before
        && allowed.iter().any(|allowed| allowed.mark() == mark)
    {
        return;
    }
    let image = after.crash(&mut || true);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let chance = digest >> 32;
        if depth == Depth::First && chance % CRASHED_AGAIN_ONE_IN == 1 {
            crash_again(seen, allowed, &image, epoch + 1, with_checkpoints, &at());
        }
        recover(seen, allowed, after, epoch, with_checkpoints, chance.is_multiple_of(LIVED_ON_ONE_IN))
    }));
    match outcome {
        Ok(mark) => {
            assert!(before.is_none(), "{}: an image that was recovered otherwise before", at());
            shard.lock().expect("no panic").insert(digest, mark);
        }
        Err(panic) => {
            println!("{}\nwas recovered from:\n{}", at(), dump(&image));
            std::panic::resume_unwind(panic);
        }
    }
}

/// Lets the power fail at each call of a recovery.
fn crash_again(
    seen: &Arc<Seen>,
    allowed: &[Arc<Allowed>],
    image: &MemoryDisk,
    epoch: u64,
    with_checkpoints: bool,
    at: &str,
) {
    seen.crashed_again.fetch_add(1, Ordering::Relaxed);
    let disk = image.crash(&mut || true);
    let (watcher, allowed, watched, at) = (Arc::clone(seen), allowed.to_vec(), disk.clone(), at.to_owned());
    let number = AtomicU64::new(0);
    let faulty = FaultyDisk::new(Arc::new(disk), move |call| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        if !only_looks(call) {
            let at = || format!("{at}; then in recovery before call {number} ({call:?})");
            look(&watcher, &allowed, &watched, epoch, with_checkpoints, Depth::Second, &at);
        }
        Ok(())
    });
    open(Arc::new(faulty), epoch, with_checkpoints).expect("it opens");
}

/// Recovers a disk, and gives the mark of what it holds.
fn recover(
    seen: &Seen,
    allowed: &[Arc<Allowed>],
    disk: &MemoryDisk,
    epoch: u64,
    with_checkpoints: bool,
    lives_on: bool,
) -> u64 {
    let store = open(Arc::new(disk.clone()), epoch + 1, with_checkpoints).expect("it opens");
    let found = Contents::of(&store, 1000).expect("everything can be read");
    let damage = store.damage();
    assert!(real(&damage).is_empty(), "a power failure taken for damage: {damage:#?}");
    let Some(is) = allowed.iter().find(|allowed| *allowed.contents() == found) else {
        let expected: Vec<_> = allowed.iter().map(|allowed| summary(allowed.contents())).collect();
        panic!("found\n{}\nallowed\n{}", summary(&found), expected.join("\n"));
    };
    if lives_on {
        seen.lived_on.fetch_add(1, Ordering::Relaxed);
        store.commit_wait(one_more()).expect("it goes on");
        drop(store);
        let disk = disk.crash(&mut || false);
        let store = open(Arc::new(disk), epoch + 2, with_checkpoints).expect("it opens again");
        let after = Contents::of(&store, 1000).expect("everything can be read");
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "after it went on: {damage:#?}");
        // A message that nobody is subscribed to leaves nothing but the next number: states that look alike may differ in it.
        let alike = allowed.iter().filter(|allowed| *allowed.contents() == found);
        let mut expected = alike.map(|allowed| {
            let mut state = allowed.state.clone();
            state.apply(one_more()).expect("the model takes it");
            contents_of(&state)
        });
        assert!(expected.any(|expected| expected == after), "after it went on: {}", summary(&after));
    }
    is.mark()
}
