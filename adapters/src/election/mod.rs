//! Election on a row of the database: who may write.
//!
//! | module | what it does |
//! |---|---|
//! | [`decide`] | decides when to try, from what was seen: no clock, no database |
//! | [`candidate`] | acts: looks, waits, claims |
//! | [`hold`] | a mastership: renews itself, proves itself, is lost, is released |
//!
//! The row names the holder, its epoch and when it was last renewed, by the database's clock. Each database has its own
//! way to the row ([`LockRow`]).
//!
//! **Why a stale master is harmless.** No clock decides who is right. A claim is one statement that raises the epoch of the row as it was
//! seen (epoch and beats unchanged), committed before the claimant reads anything. Every transaction of a master *updates* the
//! row where the epoch is its own, and goes no further if that was no row. Two updates of one row wait for each other, so a
//! transaction either commits before the claim, and the claimant, who reads later, sees it; or it comes after, updates no row, and
//! writes nothing. A mere read would not do: it waits for nobody. Assumed is that the database keeps what it has
//! committed, also over a fail-over of its own (a synchronous standby); a writer that finds fewer transactions than it was told
//! were committed stops and says so.
//!
//! A master that stands still inside a transaction keeps the row: the server ends transactions in which nothing comes for half a
//! lease. What it may still say to a consumer without asking the database is bounded by the age of its last proof: half a lease; so
//! a holder whose connection has died is followed only when that time is over.

pub mod candidate;
mod decide;
pub mod hold;
mod row;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::Epoch;

pub use decide::Sighting;
use hold::RowHold;
pub use row::{LockRow, RowError};

/// How an election is held. Names in ActiveMQ's style (`lease-database-locker`).
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// How often a slave looks at the row (`lockAcquireSleepInterval`; 10 s in ActiveMQ, where it is the lease's length too).
    pub lock_acquire_sleep_interval: Duration,
    /// How long a holder may be silent before a slave claims the store (`leaseDuration`). The holder renews four times in it.
    pub lease_duration: Duration,
    /// The broker's name, for people (`leaseHolderId`).
    pub broker_name: String,
    /// Where its clients connect, for people.
    pub address: String,
}

/// How an engine shows that what it committed was a master's.
#[derive(Clone)]
pub enum Mastership {
    /// By its transactions, which update the very row that the election is about: their commit is the proof.
    Row(Arc<RowHold>),
    /// By asking, after each commit.
    Asked(Arc<dyn Hold>),
}

impl Mastership {
    /// Its number.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Row(hold) => hold.epoch(),
            Self::Asked(hold) => hold.epoch(),
        }
    }

    /// Proves it after a transaction that was begun then has committed.
    pub(crate) fn committed(&self, begun: Instant) -> Result<(), Lost> {
        match self {
            Self::Row(hold) => hold.was_proven(begun),
            Self::Asked(hold) => hold.prove(),
        }
    }
}

impl std::fmt::Debug for Mastership {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Mastership({})", self.epoch())
    }
}
