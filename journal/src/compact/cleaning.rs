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
    wanted: bool,
    waited_for: bool,
    behind: bool,
    ended: bool,
}

impl Cleaning {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether there is something to clean, whether somebody waits for that, and whether the cleaner is behind.
    pub(crate) fn tell(&self, wanted: bool, waited_for: bool, behind: bool) {
        let mut asked = self.asked();
        let now = Asked { wanted, waited_for, behind, ended: asked.ended };
        if *asked != now {
            *asked = now;
            drop(asked);
            self.changed.notify_all();
        }
    }

    /// Whether somebody waits for the room that is won.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.asked().waited_for
    }

    /// Whether the cleaner is so far behind that rounds wait for it.
    pub(crate) fn is_behind(&self) -> bool {
        self.asked().behind
    }

    /// Waits for so long, or until somebody begins to wait, or the end.
    pub(super) fn rest(&self, time: Duration) {
        let asked = self.asked();
        let waited_for = asked.waited_for;
        let rests = |asked: &mut Asked| !asked.ended && (waited_for || !asked.waited_for);
        drop(self.changed.wait_timeout_while(asked, time, rests));
    }

    /// Ends the cleaner.
    pub(crate) fn end(&self) {
        self.asked().ended = true;
        self.changed.notify_all();
    }

    /// Waits until there is something to clean; `false` when there never will be.
    pub(crate) fn wait(&self) -> bool {
        let idle = |asked: &mut Asked| !asked.wanted && !asked.ended;
        let asked = self.changed.wait_while(self.asked(), idle).unwrap_or_else(PoisonError::into_inner);
        !asked.ended
    }
}
