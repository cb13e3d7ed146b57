//! What the operator was told.

use crate::core::spec::NotYet;

/// Every subject, once.
const SUBJECTS: usize = Subject::Purged as usize + 1;

/// Each of them, once.
const NOT_YET: usize = NotYet::MessageGroups as usize + 1;

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
    Purged,
}

/// What was said of each subject.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) subjects: [Last; SUBJECTS],
    pub(crate) not_yet: [bool; NOT_YET],
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Last {
    pub(crate) at: Option<i64>,
    pub(crate) left_out: u64,
}
