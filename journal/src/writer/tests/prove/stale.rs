//! A stale master beside the next: it is stopped before each of its calls, the next epoch is claimed and begins, and does something
//! at that moment or before a later call of the stale one, which then goes on to its end.
//!
//! From the claim on the stale one must answer nobody, and whatever it still does harms nothing: no file of the second's epoch changes but by itself; at each of its later calls, and after
//! the end with every choice of what a power failure keeps, a third epoch recovers what the second was answered, and nothing else.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use kahawai_store::names::Epoch;

use super::super::places::{Files, files_of_epoch};
use super::look::{Depth, Seen, check, look, only_looks};
use super::play::{Base, Life, STEPS, Step, bases, sequence};
use super::share::share;
use crate::disk::faulty::Call;
use crate::disk::memory::MemoryDisk;

/// How two masters meet.
struct Meeting<'a> {
    seen: &'a Arc<Seen>,
    base: &'a Base,
    /// What the first did before.
    before: Vec<Step>,
    stale: Step,
    next: Step,
}

/// The second master, once it is there.
struct Next {
    life: Life,
    has_acted: bool,
    /// How many batches the other had answered, and how many it might still answer: it had asked already whether this one's claim is
    /// there, and what it asked for is what this one found.
    answered: usize,
    found: usize,
    /// The files of its epoch, as it left them.
    files: Files,
}

impl Next {
    fn own_files(life: &Life) -> Files {
        files_of_epoch(life.disk(), Epoch(life.epoch()))
    }

    fn is_untouched(&self, at: &str) {
        assert!(
            Self::own_files(&self.life) == self.files,
            "{at}: files of the valid master changed under it"
        );
    }

    fn act(&mut self, step: Step, at: &str) {
        self.has_acted = true;
        // It may find nothing to do.
        self.life.step(step);
        assert!(!self.life.has_ended(), "{at}: the valid master ended");
        self.files = Self::own_files(&self.life);
    }
}

impl Meeting<'_> {
    /// The stale one is stopped before its call of this number, and the next acts before that one's call `acts_at`; whether there
    /// are such calls.
    fn take_place(&self, stopped_at: u64, acts_at: u64) -> (bool, bool) {
        let mut life = Life::claiming(self.base, 1);
        if !self.before.iter().all(|&step| life.step(step)) {
            return (false, false);
        }
        let with_checkpoints = self.base.with_checkpoints;
        let at = format!(
            "checkpoints: {with_checkpoints}, {}, {:?}, then {:?} stopped before call {stopped_at}, {:?} of the next before call {acts_at}",
            self.base.name, self.before, self.stale, self.next
        );
        let next: Arc<Mutex<Option<Next>>> = Arc::default();
        let (begun, known, id_next) = (Arc::clone(&next), Arc::clone(&life.known), life.id_next());
        let (seen, does, told, mut number) = (Arc::clone(self.seen), self.next, at.clone(), 0);
        // A proof asks twice; the first question decides.
        let mut asked = 0;
        life.set_guard(Some(Box::new(move |call, disk: &MemoryDisk, _| {
            let mut begun = begun.lock().expect("no panic");
            if number == stopped_at {
                let answered = known.answered();
                let (life, found) =
                    Life::overtake(disk, &known.allowed(), id_next + 100, with_checkpoints, &told);
                let found = if asked % 2 == 1 { answered + found } else { answered };
                let files = Next::own_files(&life);
                *begun = Some(Next { life, has_acted: false, answered, found, files });
            }
            if let Some(next) = begun.as_mut() {
                next.is_untouched(&told);
                if number == acts_at {
                    next.act(does, &told);
                } else if number > stopped_at && !only_looks(call) {
                    let at = || format!("{told}, then before call {number} ({call:?})");
                    let after = disk.crash(&mut || true);
                    let (allowed, epoch) = (next.life.known.allowed(), next.life.epoch());
                    check(&seen, &allowed, &after, epoch, with_checkpoints, Depth::Second, &at);
                }
            }
            number += 1;
            asked += u32::from(call == Call::Ask);
            Ok(())
        })));
        life.step(self.stale);
        life.set_guard(None);
        let Some(mut next) = next.lock().expect("no panic").take() else { return (false, false) };
        let in_time = next.has_acted;
        next.is_untouched(&at);
        if !next.has_acted {
            next.act(self.next, &at);
        }
        // Whatever it was doing, its next proof tells it.
        if !life.has_ended() {
            life.step(Step::Enqueue);
        }
        assert!(life.has_ended(), "{at}: it goes on as a master");
        life.answers_nothing();
        let answered = life.known.answered();
        assert!(
            (next.answered..=next.found).contains(&answered),
            "{at}: it answered though it was overtaken"
        );
        drop(life);
        next.is_untouched(&at);
        next.act(Step::Clean, &at);
        assert!(next.life.step(Step::Enqueue), "{at}: the valid master does not go on");
        let next = next.life;
        self.seen.meetings.fetch_add(1, Ordering::Relaxed);
        look(
            self.seen,
            &next.known.allowed(),
            next.disk(),
            next.epoch(),
            with_checkpoints,
            Depth::First,
            &|| at.clone(),
        );
        (true, in_time)
    }

    fn everywhere(&self, at_every_later_call: bool) {
        for stopped_at in 0.. {
            let (there, _) = self.take_place(stopped_at, stopped_at);
            if !there {
                break;
            }
            let mut acts_at = stopped_at + 1;
            while at_every_later_call && self.take_place(stopped_at, acts_at).1 {
                acts_at += 1;
            }
        }
    }
}

/// Every pair of operations of two masters, after every sequence of this length; whether it came to the end in time, how many pairs it
/// took, and how many there are.
pub(super) fn meet(
    seen: &Arc<Seen>,
    length: u32,
    at_every_later_call: bool,
    threads: usize,
    until: Option<Instant>,
) -> (bool, u64, u64) {
    let bases = bases();
    let jobs = STEPS.len().pow(length + 2) * bases.len();
    let taken = share(jobs as u64, threads, until, |job| {
        let job = job as usize;
        let mut before = sequence(job / bases.len(), length + 2);
        let (Some(stale), Some(next)) = (before.pop(), before.pop()) else { return };
        let meeting = Meeting { seen, base: &bases[job % bases.len()], before, stale, next };
        meeting.everywhere(at_every_later_call);
    });
    (taken == jobs as u64, taken, jobs as u64)
}

#[test]
fn a_stale_master_answers_nobody_and_harms_nothing_whatever_both_do() {
    let seen = Seen::new(4);
    meet(&seen, 0, true, 1, None);
    println!("{} meetings, {} distinct images", seen.meetings.load(Ordering::Relaxed), seen.images());
    assert!(seen.meetings.load(Ordering::Relaxed) > 20_000 && seen.images() > 2_000);
}
