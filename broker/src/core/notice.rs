//! What the operator reads: each subject at most once a second, with a count of what was left out, so that no client and
//! no disk can flood the log.

use super::Core;
use super::effects::Notice;

/// How long a subject is silent after a line, in milliseconds.
const SILENCE: i64 = 1000;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    StoreFull,
    BatchRefused,
    MemoryFull,
    DeadLetter,
    Damaged,
    Unreadable,
    SlowSubscriber,
    HeldBack,
    Destinations,
}

/// Every subject, once.
const SUBJECTS: usize = Subject::Destinations as usize + 1;

/// What was said of each subject.
#[derive(Debug, Default)]
pub(crate) struct Said([Last; SUBJECTS]);

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    at: Option<i64>,
    left_out: u64,
}

impl Core {
    /// Says something to the operator, unless much the same was said within the last second.
    pub(crate) fn say(&mut self, subject: Subject, text: impl FnOnce() -> String) {
        let last = &mut self.said.0[subject as usize];
        // A clock that was set back silences nobody.
        if last.at.is_some_and(|at| (at..at.saturating_add(SILENCE)).contains(&self.now)) {
            last.left_out += 1;
            return;
        }
        last.at = Some(self.now);
        let mut text = text();
        match std::mem::take(&mut last.left_out) {
            0 => {}
            more => text.push_str(&format!(" (and {more} more like it since the last line)")),
        }
        self.effects.notices.push(Notice { text });
    }
}
