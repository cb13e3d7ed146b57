//! What waits for the writer, and when it is taken.
//!
//! Everything that has gathered is taken at once: group commit without a delay. A batch that nobody waits for does not by
//! itself make the writer flush; it goes with the next one that somebody waits for, or alone after a short while.
//!
//! Waking a sleeping thread costs about a seventh of a flush on a fast device. So while one batch follows the answer to the last at
//! once, as with a single producer that waits for each, the writer looks for it a moment longer before it sleeps, letting
//! other threads run meanwhile. The first time that nothing comes it stops doing so, until batches come so quickly again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::options::JournalOptions;
use crate::submission::Submission;

/// The queue between callers and the writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    bytes_max: usize,
    unhurried_delay: Duration,
    /// Mirrors whether what waits is due, for the writer that looks without the lock.
    due: AtomicBool,
    /// Whether the last batch came so soon that the next is worth a longer look.
    looks: AtomicBool,
    /// Whether rounds wait for the cleaner and take little else.
    cleaner_first: AtomicBool,
}

/// How long a round waits for the cleaner when that is behind, and how many bytes of others it takes then. While the cleaner reads a head, many
/// rounds end without it: they add less than giving up that head wins.
const CLEANER_PATIENCE: Duration = Duration::from_millis(1);
const BYTES_BESIDE_CLEANER: usize = 64 << 10;

/// How long the writer looks for the next batch before it sleeps, and how soon one must come to be looked for.
const LOOK: Duration = Duration::from_micros(100);

#[derive(Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    /// How many of them somebody waits for.
    urgent: usize,
    bytes: usize,
    sleep: Sleep,
    closing: bool,
}

/// How the writer sleeps, so that a caller wakes it only where it must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    /// It looks again by itself before a batch that nobody waits for has waited too long.
    Nap,
    /// It has had nothing to do for a while.
    Deep,
}

impl Queue {
    pub(crate) fn new(options: &JournalOptions) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            bytes_max: options.journal_max_write_batch_size,
            unhurried_delay: options.unhurried_delay,
            due: AtomicBool::new(false),
            looks: AtomicBool::new(false),
            cleaner_first: AtomicBool::new(false),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a submission; gives it back where the queue is closed.
    pub(crate) fn push(&self, submission: Submission) -> Result<(), Submission> {
        let mut waiting = self.waiting();
        if waiting.closing {
            return Err(submission);
        }
        waiting.urgent += usize::from(submission.is_urgent());
        waiting.bytes += submission.length();
        waiting.submissions.push_back(submission);
        let due = self.is_due(&waiting);
        self.due.store(due, Ordering::Release);
        let wakes = match waiting.sleep {
            Sleep::Awake => false,
            Sleep::Nap => due,
            Sleep::Deep => true,
        };
        if wakes {
            waiting.sleep = Sleep::Awake;
            drop(waiting);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Whether what waits should be taken now.
    fn is_due(&self, waiting: &Waiting) -> bool {
        waiting.urgent > 0 || waiting.bytes >= self.bytes_max || waiting.closing
    }

    /// What has gathered, up to a number of bytes; nothing when there was nothing for so long (without a limit it sleeps for good);
    /// `None` when closed and empty.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Option<Vec<Submission>> {
        let began = Instant::now();
        if self.looks.load(Ordering::Relaxed) {
            while !self.due.load(Ordering::Acquire) && began.elapsed() < LOOK {
                thread::yield_now();
            }
        }
        let mut waiting = self.waiting();
        if !self.is_due(&waiting) {
            waiting = self.sleep(waiting, Sleep::Nap, Some(self.unhurried_delay));
        }
        self.looks.store(began.elapsed() < LOOK, Ordering::Relaxed);
        if waiting.submissions.is_empty() && !waiting.closing {
            waiting = self.sleep(waiting, Sleep::Deep, patience);
            if !waiting.submissions.is_empty() && !self.is_due(&waiting) {
                waiting = self.sleep(waiting, Sleep::Nap, Some(self.unhurried_delay));
            }
        }
        if waiting.submissions.is_empty() {
            return (!waiting.closing).then(Vec::new);
        }
        let mut bytes_max = self.bytes_max;
        let mut from_cleaner = None;
        if self.cleaner_first.load(Ordering::Relaxed) {
            bytes_max = bytes_max.min(BYTES_BESIDE_CLEANER);
            let until = Instant::now() + CLEANER_PATIENCE;
            let is_cleaners = |submission: &Submission| matches!(submission, Submission::Relocate(..));
            loop {
                from_cleaner = waiting.submissions.iter().position(is_cleaners);
                let left = until.saturating_duration_since(Instant::now());
                if from_cleaner.is_some() || waiting.closing || left.is_zero() {
                    break;
                }
                waiting = self.sleep(waiting, Sleep::Nap, Some(left));
            }
        }
        // In a round of its own order: only batches are answered in theirs.
        let from_cleaner = from_cleaner.and_then(|place| waiting.submissions.remove(place));
        let mut bytes = 0;
        let within = waiting.submissions.iter().take_while(|submission| {
            bytes += submission.length();
            bytes <= bytes_max
        });
        let count = within.count().max(1).min(waiting.submissions.len());
        let taken: Vec<_> = from_cleaner.into_iter().chain(waiting.submissions.drain(..count)).collect();
        waiting.urgent -= taken.iter().filter(|submission| submission.is_urgent()).count();
        waiting.bytes -= taken.iter().map(Submission::length).sum::<usize>();
        self.due.store(self.is_due(&waiting), Ordering::Release);
        Some(taken)
    }

    /// Whether rounds are to wait for the cleaner from now on.
    pub(crate) fn wait_for_cleaner(&self, first: bool) {
        self.cleaner_first.store(first, Ordering::Relaxed);
    }

    /// Sleeps until a push or a close that matters, or for so long.
    fn sleep<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        how: Sleep,
        patience: Option<Duration>,
    ) -> MutexGuard<'a, Waiting> {
        waiting.sleep = how;
        let asleep = |waiting: &mut Waiting| waiting.sleep != Sleep::Awake;
        let mut waiting = match patience {
            Some(patience) => {
                let slept = self.wake.wait_timeout_while(waiting, patience, asleep);
                slept.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait_while(waiting, asleep).unwrap_or_else(PoisonError::into_inner),
        };
        waiting.sleep = Sleep::Awake;
        waiting
    }

    /// Takes nothing more; what is there is still taken.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closing = true;
        self.due.store(true, Ordering::Release);
        waiting.sleep = Sleep::Awake;
        drop(waiting);
        self.wake.notify_all();
    }

    /// Takes nothing more and drops what is there, which answers its callers.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.waiting();
        waiting.closing = true;
        let left = std::mem::take(&mut waiting.submissions);
        drop(waiting);
        drop(left);
    }
}
