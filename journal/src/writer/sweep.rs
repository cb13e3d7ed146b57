//! Takes out of the index what is gone, a little with each round, so that no round waits for all of a large destination.
//!
//! What is gone is so for everyone at once; only the bytes of its messages count as living until all of them are taken out, and then die at
//! once, as far as the bound on the disk is concerned. That is late by a segment at most, and never while the cleaner is behind.

use super::Writer;
use crate::index::going::Reach;

/// How many messages a round takes out: about a millisecond. In tests of this crate as few as can be.
const AT_ONCE: usize = if cfg!(test) { 2 } else { 2048 };

/// And one more for so many bytes that it has written, so that a destination goes faster than others can be filled and removed.
const BYTES_FOR_ONE_MORE: u64 = 64;

/// After how many segments of bytes all of it is taken out at once: the bound on the disk waits no longer.
const SEGMENTS_LATE: u64 = 1;

impl Writer {
    /// Takes out some of what is gone. To be called with each round.
    pub(super) fn sweep_messages(&mut self) {
        let appended = std::mem::replace(&mut self.sweeping.appended, self.appended);
        self.sweeping.has_more = false;
        if !self.is_sweeping() {
            self.sweeping.since = None;
            return;
        }
        let since = *self.sweeping.since.get_or_insert(self.used_up);
        let late = SEGMENTS_LATE * self.options.journal_max_file_length;
        // Where there is no room, somebody waits for what is won.
        let is_behind = self.pace.owed() > self.options.journal_max_file_length;
        let lacks_room = self.waiting.is_any()
            || self.active_is_reserve
            || self.spares.has_lacked()
            || self.spares.is_short();
        if lacks_room || is_behind || self.used_up.saturating_sub(since) > late {
            self.sweep_all();
            return;
        }
        let most = AT_ONCE + ((self.appended - appended) / BYTES_FOR_ONE_MORE) as usize;
        let looked = self.shared.index_mut().messages.sweep(most, self.reach());
        self.sweeping.has_more = looked >= most && self.is_sweeping();
    }

    /// Takes out all that is gone.
    pub(super) fn sweep_all(&mut self) {
        if self.is_sweeping() {
            self.shared.index_mut().messages.sweep_all();
        }
    }

    /// Whether something is gone and not taken out.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.shared.index().messages.is_sweeping()
    }

    /// Whether there is more to be taken out as soon as there is time.
    pub(crate) fn has_more_to_sweep(&self) -> bool {
        self.sweeping.has_more && self.shared.ended().is_none()
    }

    /// What is being written anew is left until that is done.
    fn reach(&self) -> Reach {
        Reach { frozen: !self.checkpoints.is_writing_run(), runs: !self.checkpoints.is_merging() }
    }
}
