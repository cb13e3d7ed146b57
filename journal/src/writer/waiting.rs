//! Batches that wait for the cleaner.

use std::collections::VecDeque;

use crate::submission::Submission;

/// What makes room, found none but the cleaner's, and waits for what that will make; and all that came behind.
#[derive(Default)]
pub(super) struct Waiting {
    submissions: VecDeque<Submission>,
    /// The segment that was written when the first of them came: when the head is beyond, a whole lap was for nothing.
    pub(super) until: Option<u64>,
    /// The head that the cleaner cannot give up with so much room.
    pub(super) hopeless: Option<(u64, u64)>,
}

impl Waiting {
    pub(super) fn is_any(&self) -> bool {
        !self.submissions.is_empty()
    }

    pub(super) fn hopeless(&self) -> Option<(u64, u64)> {
        self.hopeless
    }

    /// Notes that the cleaner cannot give this head up with so much room.
    pub(super) fn give_up(&mut self, head: u64, room: u64) {
        self.hopeless = Some((head, room));
    }

    /// Gives what waits, to be tried again.
    pub(super) fn begin(&mut self) -> VecDeque<Submission> {
        std::mem::take(&mut self.submissions)
    }

    /// Puts back the one that all others wait behind.
    pub(super) fn first(&mut self, submission: Submission, written: u64) {
        self.until.get_or_insert(written);
        self.submissions.push_back(submission);
    }

    pub(super) fn push(&mut self, submission: Submission) {
        self.submissions.push_back(submission);
    }

    /// To be called when all were tried.
    pub(super) fn end(&mut self) {
        if self.submissions.is_empty() {
            self.until = None;
        }
    }
}
