//! The prover: every sequence of a few operations, a power failure at every call of its last, and every failing call.
//!
//! A sequence is looked at while its last operation runs: what happens before is another sequence's last. At each call of the I/O
//! seam that changes the disk, the disk is copied as a power failure at that moment may leave it, in all ways where there
//! are few and in some where there are many; each image that was not met before is recovered by the next epoch, and must hold what
//! the model holds after some beginning of the batches with all that were answered. An image that was met before must have held such.
//!
//! | module | what it holds |
//! |---|---|
//! | [`play`] | what a sequence begins with, and the operations |
//! | [`look`] | what a power failure leaves, and what is recovered from it |
//! | [`damage`] | damage of what was synced |
//! | [`stale`] | a stale master that goes on beside the next |
//! | [`wander`] | long random lives |
//! | [`claim`] | a mastership that asks the disk |
//! | [`share`] | threads that share the work |
//!
//! `journal/prove` runs it as long as one likes; `journal/PROOF.md` says what came of that.

mod claim;
mod damage;
mod look;
mod play;
mod share;
mod stale;
mod wander;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use damage::{Tried, campaign};
use look::{Depth, Seen, check, look, only_looks};
use play::{Base, Life, STEPS, Step, bases, sequence};
use share::{setting, share};
use stale::meet;
use wander::{Wandered, wander};

use crate::disk::faulty::Call;

/// Plays a sequence up to its last operation; nothing where one of them finds nothing to do: then it is another sequence.
fn play(base: &Base, before: &[Step]) -> Option<Life> {
    let mut life = Life::begin(base);
    for &step in before {
        if !life.step(step) {
            assert!(!life.has_ended(), "{}, {before:?}: a sound disk", base.name);
            return None;
        }
    }
    Some(life)
}

/// Looks at a power failure at each call of a sequence's last operation, and after it.
fn crash_everywhere(seen: &Arc<Seen>, base: &Base, steps: &[Step]) {
    let Some((last, before)) = steps.split_last() else { return };
    let Some(mut life) = play(base, before) else { return };
    let (told, known, with_checkpoints) =
        (format!("{}, {steps:?}", base.name), Arc::clone(&life.known), base.with_checkpoints);
    let (watcher, at, mut number) = (Arc::clone(seen), told.clone(), 0);
    life.set_guard(Some(Box::new(move |call, disk, epoch| {
        if !only_looks(call) {
            let at = || format!("checkpoints: {with_checkpoints}, {at}, before call {number} ({call:?})");
            look(&watcher, &known.allowed(), disk, epoch, with_checkpoints, Depth::First, &at);
        }
        number += 1;
        Ok(())
    })));
    life.step(*last);
    life.set_guard(None);
    seen.relocated.fetch_add(life.relocated(), Ordering::Relaxed);
    let at = || format!("checkpoints: {with_checkpoints}, {told}, at the end");
    look(seen, &life.known.allowed(), life.disk(), life.epoch(), with_checkpoints, Depth::First, &at);
}

/// Lets each call of a sequence's last operation fail, one after the other.
fn fail_everywhere(seen: &Arc<Seen>, base: &Base, steps: &[Step]) {
    let mut number = 0;
    while fail_at(seen, base, steps, number) {
        number += 1;
    }
    seen.failures.fetch_add(number, Ordering::Relaxed);
}

/// Lets the call of this number fail; whether there is one.
fn fail_at(seen: &Arc<Seen>, base: &Base, steps: &[Step], number: u64) -> bool {
    let Some((last, before)) = steps.split_last() else { return false };
    let Some(mut life) = play(base, before) else { return false };
    let with_checkpoints = base.with_checkpoints;
    let at = format!("checkpoints: {with_checkpoints}, {}, {steps:?}, call {number} fails", base.name);
    let failed = Arc::new(AtomicBool::new(false));
    let (told, label) = (Arc::clone(&failed), at.clone());
    let (mut calls, mut latched) = (0, false);
    life.set_guard(Some(Box::new(move |call, _, _| {
        let changes_the_disk = !only_looks(call) && !matches!(call, Call::SyncNames | Call::Sweep);
        assert!(!latched || !changes_the_disk, "{label}: {call:?} after a failed write or flush");
        calls += 1;
        if calls != number + 1 {
            return Ok(());
        }
        told.store(true, Ordering::SeqCst);
        latched = matches!(call, Call::SegmentWrite | Call::SegmentFlush);
        Err(io::Error::other("as asked for"))
    })));
    life.step(*last);
    if life.has_ended() {
        life.answers_nothing();
    } else {
        // Some failures are survived: then it goes on as if nothing had been.
        assert!(life.step(Step::Enqueue) || life.has_ended(), "{at}: it neither ends nor goes on");
    }
    life.set_guard(None);
    let allowed = life.known.allowed();
    for keep in 0..4_u32 {
        let mut asked = keep;
        let after = life.disk().crash(&mut || {
            asked += 1;
            match keep {
                0 => false,
                1 => true,
                _ => asked.is_multiple_of(2),
            }
        });
        check(seen, &allowed, &after, life.epoch() + 1, with_checkpoints, Depth::First, &|| at.clone());
    }
    failed.load(Ordering::SeqCst)
}

/// What is done with a sequence.
type Look = fn(&Arc<Seen>, &Base, &[Step]);

/// Takes every sequence of this length with every beginning; whether it came to the end in time, and how many it took.
fn enumerate(
    seen: &Arc<Seen>,
    length: u32,
    threads: usize,
    until: Option<Instant>,
    looks: &[Look],
) -> (bool, u64) {
    let bases = bases();
    let sequences = STEPS.len().pow(length);
    let jobs = sequences * bases.len();
    let taken = share(jobs as u64, threads, until, |job| {
        let job = job as usize;
        let steps = sequence(job / bases.len(), length);
        looks.iter().for_each(|look| look(seen, &bases[job % bases.len()], &steps));
    });
    (taken == jobs as u64, taken)
}

fn tell(seen: &Seen) -> String {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    format!(
        "{} distinct disk images recovered, of {} copies; {} crashes, at {} of which not every subset was tried; \
         {} images lived on, {} recovered under crashes; {} messages moved under crashes; {} failing calls",
        seen.images(),
        count(&seen.copies),
        count(&seen.crashes),
        count(&seen.bounded),
        count(&seen.lived_on),
        count(&seen.crashed_again),
        count(&seen.relocated),
        count(&seen.failures),
    )
}

#[test]
fn no_crash_of_up_to_three_operations_loses_or_halves_a_batch() {
    let seen = Seen::new(8);
    for length in 1..=3 {
        enumerate(&seen, length, 1, None, &[crash_everywhere]);
    }
    println!("{}", tell(&seen));
    assert!(seen.images() > 10_000 && seen.relocated.load(Ordering::Relaxed) > 100);
}

#[test]
fn no_failing_call_of_up_to_three_operations_answers_what_is_not_durable() {
    let seen = Seen::new(8);
    for length in 1..=3 {
        enumerate(&seen, length, 1, None, &[fail_everywhere]);
    }
    println!("{}", tell(&seen));
    assert!(seen.failures.load(Ordering::Relaxed) > 10_000);
}

/// As long as `KAHAWAI_PROOF_SECONDS` says (300), on as many threads as `KAHAWAI_PROOF_THREADS` says (2), with all subsets of up to
/// `KAHAWAI_PROOF_CHOICES` unsynced sectors and names (10): a tenth of the time at most for damage, two tenths for stale masters after
/// sequences of up to two operations, a tenth for random lives from the seed `KAHAWAI_PROOF_SEED` on (1), and what is left for sequences of up to `KAHAWAI_PROOF_DEPTH` operations (4).
#[test]
#[ignore = "takes minutes: `journal/prove` runs it"]
fn prove() {
    let began = Instant::now();
    let seconds = setting("KAHAWAI_PROOF_SECONDS", 300);
    let within = |tenths: u64| Some(Instant::now() + Duration::from_millis(seconds * tenths * 100));
    let threads = setting("KAHAWAI_PROOF_THREADS", 2) as usize;
    let choices = setting("KAHAWAI_PROOF_CHOICES", 10) as u32;
    let word = |complete| if complete { "all" } else { "NOT all" };

    let (complete, said) = campaign(&Tried::default(), 1, true, threads, within(1));
    println!("damage: {}, {:.0?}; {said}", word(complete), began.elapsed());

    let (seen, until) = (Seen::new(choices), within(2));
    for length in 0..=2 {
        let (complete, taken, all) = meet(&seen, length, true, threads, until);
        println!(
            "stale masters after {length} operations: {} {all} pairs ({taken} taken), {:.0?}; {} meetings; {}",
            word(complete),
            began.elapsed(),
            seen.meetings.load(Ordering::Relaxed),
            tell(&seen)
        );
    }

    let (wandered, seed) = (Wandered::default(), setting("KAHAWAI_PROOF_SEED", 1));
    let seeds = share(u64::MAX, threads, within(1), |job| wander(&wandered, seed + job, 3_000));
    println!("random lives from {seeds} seeds, from {seed} on, {:.0?}; {}", began.elapsed(), wandered.tell());

    let (seen, until) = (Seen::new(choices), Some(began + Duration::from_secs(seconds)));
    for length in 1..=setting("KAHAWAI_PROOF_DEPTH", 4) as u32 {
        let all = STEPS.len().pow(length) * bases().len();
        let (complete, taken) =
            enumerate(&seen, length, threads, until, &[crash_everywhere, fail_everywhere]);
        println!(
            "{length} operations: {} {all} sequences ({taken} taken), {:.0?}; {}",
            word(complete),
            began.elapsed(),
            tell(&seen)
        );
    }
}
