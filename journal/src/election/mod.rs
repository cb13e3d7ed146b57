//! Election on the store directory: who may write.
//!
//! | module | what it does |
//! |---|---|
//! | [`decide`] | decides when to try, from what was seen: no clock, no file |
//! | [`candidate`] | acts: looks, waits, claims |
//! | [`hold`] | a mastership: proves itself, beats, is lost, is released |
//!
//! A lock elects nobody by itself, and no clock decides who is right: `FORMAT.md` has the argument.

pub mod candidate;
mod decide;
mod fence;
mod hold;
mod machine;

#[cfg(test)]
pub(crate) use fence::ask;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use machine::chance;
pub(crate) use machine::{boot_id, random_id};

use std::time::Duration;

use crate::steps::Watch;

/// How an election is held. Names in ActiveMQ's style; the first is ActiveMQ's own (`shared-file-locker`).
#[derive(Clone, Debug)]
pub struct ElectionOptions {
    /// How often a slave looks whether the lock is free (`lockAcquireSleepInterval`; 25 ms here, 10 s in ActiveMQ).
    pub lock_acquire_sleep_interval: Duration,
    /// How long a holder may be silent before a slave claims the store (`leaseDuration`, 2 s). The holder beats four
    /// times in it.
    pub lease_duration: Duration,
    /// The broker's name, for people.
    pub broker_name: String,
    /// Where its clients connect, for people.
    pub address: String,
    /// Told of each named step.
    pub watch: Watch,
}

impl Default for ElectionOptions {
    fn default() -> Self {
        Self {
            lock_acquire_sleep_interval: Duration::from_millis(25),
            lease_duration: Duration::from_secs(2),
            broker_name: String::new(),
            address: String::new(),
            watch: Watch::default(),
        }
    }
}
