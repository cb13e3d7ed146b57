//! What can go wrong, by name, and how often it did.

use std::collections::BTreeMap;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A process dies between two things that it does.
    Kill,
    /// A process dies at some call of its disk.
    KillAtDisk,
    /// A process stands still for a while; its kernel goes on.
    Pause,
    /// A machine stands still for a while, its clock too.
    Suspend,
    /// A machine dies; what was not synced is lost or kept, sector by sector.
    Crash,
    /// Nothing passes between two hosts, either way.
    Partition,
    /// Nothing passes from one host to another; the other way all does.
    OneWay,
    /// Connecting is refused by the network.
    Refuse,
    /// A connection breaks after some prefix of what was under way.
    Cut,
    /// What passes from one host to another takes longer.
    Delay,
    /// A clock jumps ahead.
    Jump,
    /// A clock runs fast or slow.
    Skew,
    /// A flush fails.
    Flush,
    /// A write fails.
    Write,
    /// A disk has no room for another segment.
    Full,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Kill,
        Self::KillAtDisk,
        Self::Pause,
        Self::Suspend,
        Self::Crash,
        Self::Partition,
        Self::OneWay,
        Self::Refuse,
        Self::Cut,
        Self::Delay,
        Self::Jump,
        Self::Skew,
        Self::Flush,
        Self::Write,
        Self::Full,
    ];
}

/// How often each kind of fault **had an effect**: a flush that was to fail and was never made does not count, nor a partition into which
/// nobody sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Fault, u64>);

impl Counts {
    /// How often this one had.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or_default()
    }

    /// Counts these too.
    pub fn add(&mut self, others: &Self) {
        for (fault, count) in &others.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    pub(crate) fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }
}
