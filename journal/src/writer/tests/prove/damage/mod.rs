//! The damage campaign: every field of every file of some sound stores is flipped, zeroed, cut, duplicated and exchanged. Recovery must
//! give all that the damage did not touch, as it was written, and the tools must report the damage done and nothing else.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stores`] | the sound stores |
//! | [`change`] | the ways in which they are damaged |
//! | [`expect`] | what must be left, by the rules and the model |
//! | [`judge`] | recovers and inspects, and compares |

mod change;
mod expect;
mod judge;
mod stores;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::share::share;
use change::{Change, changes};
use stores::{Sound, stores};

/// What was tried so far, by all threads.
#[derive(Default)]
pub(super) struct Tried {
    images: Mutex<HashSet<u64>>,
    /// Those of which the rules leave open what becomes of some message.
    unsure: AtomicU64,
}

impl Tried {
    /// How many distinct damaged images were recovered and inspected.
    pub(super) fn images(&self) -> usize {
        self.images.lock().expect("no panic").len()
    }

    /// Damages a store in one way, and judges what is left unless that was done before.
    fn damage(&self, sound: &Sound, change: &Change) {
        let mut files = sound.files.clone();
        change.apply(&mut files);
        if files == sound.files {
            return;
        }
        let disk = judge::disk_of(&files);
        let digest = disk.digest() ^ u64::from(sound.with_checkpoints);
        if !self.images.lock().expect("no panic").insert(digest) {
            return;
        }
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let expected = expect::expect(sound, &files);
            judge::judge(sound, &files, disk, &expected);
            expected.is_unsure()
        }));
        match judged {
            Ok(is_unsure) => drop(self.unsure.fetch_add(u64::from(is_unsure), Ordering::Relaxed)),
            Err(panic) => {
                println!("the store '{}', damaged by {change:?}", sound.name);
                resume_unwind(panic);
            }
        }
    }
}

/// Damages every store in every way, or one in so many; whether that was all in time, and what came of it, in words.
pub(super) fn campaign(
    tried: &Tried,
    one_in: usize,
    every_bit: bool,
    threads: usize,
    until: Option<Instant>,
) -> (bool, String) {
    let stores = stores();
    let jobs: Vec<(&Sound, Change)> = stores
        .iter()
        .flat_map(|sound| {
            changes(sound, every_bit).into_iter().step_by(one_in).map(move |change| (sound, change))
        })
        .collect();
    let taken = share(jobs.len() as u64, threads, until, |job| {
        let (sound, change) = &jobs[job as usize];
        tried.damage(sound, change);
    });
    let said = format!(
        "{taken} of {} damages of {} stores; {} distinct images, of {} of which the rules leave something open",
        jobs.len(),
        stores.len(),
        tried.images(),
        tried.unsure.load(Ordering::Relaxed)
    );
    (taken == jobs.len() as u64, said)
}

#[test]
fn damage_costs_what_it_touches_and_the_tools_say_just_that() {
    let tried = Tried::default();
    // One in a prime, so that every kind of change meets every kind of place somewhere.
    println!("{}", campaign(&tried, 5, false, 1, None).1);
    assert!(tried.images() > 8_000);
    assert!(tried.unsure.load(Ordering::Relaxed) < tried.images() as u64 / 3);
}
