//! What does not change while a simulated member lives.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use kahawai_replication::record::Member;

use super::bug::Bug;

/// What a member was told, and who it is.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    /// By which number the ledger knows it.
    pub(crate) number: u32,
    pub(crate) id: Member,
    /// Where its file says that its master is.
    pub(crate) master: Option<String>,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) has_arbiter: bool,
    pub(crate) bug: Bug,
    /// Whether its process ended by itself, and is to be started again.
    pub(crate) again: AtomicBool,
    pub(crate) openings: Openings,
}

/// What became of stores that were to be opened otherwise than they were.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    /// How many were cut.
    pub(crate) cut: AtomicU64,
    /// How many could not be, so that all was set aside.
    pub(crate) not_cut: AtomicU64,
    /// Which were not what they were to be.
    pub(crate) wrong: Mutex<Vec<String>>,
}

/// Timers of a member, by their tokens.
pub(crate) mod timers {
    pub(crate) const TICK: u64 = 1;
    pub(crate) const WAIT: u64 = 2;
    pub(crate) const DIAL: u64 = 3;
    pub(crate) const ARBITER: u64 = 4;
    pub(crate) const OVERSIGHT: u64 = 5;
    pub(crate) const OVERSIGHT_DIAL: u64 = 6;
    pub(crate) const WATCH: u64 = 7;
    pub(crate) const WATCH_DIAL: u64 = 8;
    pub(crate) const ADMIT: u64 = 9;
    pub(crate) const REOPEN: u64 = 10;
}
