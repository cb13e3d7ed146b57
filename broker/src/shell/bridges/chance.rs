//! Numbers that nobody foresees.

use std::hash::{BuildHasher as _, RandomState};

use crate::shell::clock::now;

/// One: the hasher's keys are the system's random bytes.
pub(super) fn chance() -> u64 {
    RandomState::new().hash_one(now())
}
