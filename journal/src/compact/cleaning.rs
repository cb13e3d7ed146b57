//! What the cleaner is asked for, and how it waits for that.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the cleaner is asked for.
#[derive(Debug, Default)]
pub(crate) struct Cleaning {
    asked: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    told: Told,
    /// All segments up to this number are to be cleaned, whether that pays or not.
    through: u64,
    /// Whether the cleaner found no room for what it was to write again last.
    lacks_room: bool,
    ended: bool,
}

/// What the writer says after each round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether there is something to clean.
    pub(crate) wanted: bool,
    /// Whether somebody waits for the room that is won.
    pub(crate) waited_for: bool,
    /// Whether the cleaner is so far behind that rounds wait for it.
    pub(crate) behind: bool,
    /// The number of the segment at the head of the log.
    pub(crate) head: u64,
}

impl Cleaning {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how things stand after a round.
    pub(crate) fn tell(&self, told: Told) {
        let mut asked = self.asked();
        if asked.told != told {
            asked.told = told;
            drop(asked);
            self.changed.notify_all();
        }
    }

    /// Whether there is something to clean.
    pub(super) fn is_wanted(&self) -> bool {
        self.asked().told.wanted
    }

    /// Whether somebody waits for the room that is won.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.asked().told.waited_for
    }

    /// Whether the cleaner is so far behind that rounds wait for it.
    pub(crate) fn is_behind(&self) -> bool {
        self.asked().told.behind
    }

    /// Asks that all segments up to this number are cleaned. The writer sees that with its next round.
    pub(super) fn ask_through(&self, number: u64) {
        self.asked().through = number;
    }

    /// Up to which segment everything is to be cleaned.
    pub(crate) fn through(&self) -> u64 {
        self.asked().through
    }

    /// Notes whether the cleaner found room.
    pub(super) fn found_room(&self, found: bool) {
        self.asked().lacks_room = !found;
    }

    /// Waits until the head is another than this one, for so long at most. Tells the head, and whether the cleaner lacks room.
    pub(super) fn wait_for_head(&self, before: u64, time: Duration) -> (u64, bool) {
        let same = |asked: &mut Asked| asked.told.head == before && !asked.ended;
        let waited = self.changed.wait_timeout_while(self.asked(), time, same);
        let asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        (asked.told.head, asked.lacks_room)
    }

    /// Waits for so long, or until somebody begins to wait, or the end.
    pub(super) fn rest(&self, time: Duration) {
        let asked = self.asked();
        let waited_for = asked.told.waited_for;
        let rests = |asked: &mut Asked| !asked.ended && (waited_for || !asked.told.waited_for);
        drop(self.changed.wait_timeout_while(asked, time, rests));
    }

    /// Ends the cleaner.
    pub(crate) fn end(&self) {
        self.asked().ended = true;
        self.changed.notify_all();
    }

    /// Waits until there is something to clean; `false` when there never will be.
    pub(crate) fn wait(&self) -> bool {
        let idle = |asked: &mut Asked| !asked.told.wanted && !asked.ended;
        let asked = self.changed.wait_while(self.asked(), idle).unwrap_or_else(PoisonError::into_inner);
        !asked.ended
    }
}
