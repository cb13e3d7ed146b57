//! What passes from one host to another.

use std::collections::BTreeMap;
use std::time::Duration;

/// How a link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// What is sent vanishes; who connects hangs.
    Silent,
    /// The same, but connecting is refused.
    Refusing,
}

/// One way between two hosts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) cut: Option<Partition>,
    /// How much longer everything takes.
    pub(crate) delay: Duration,
    /// Whether it is cut one way only, for those who count.
    pub(crate) is_one_way: bool,
}

/// Every way that is not as it should be.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<(usize, usize), Link>);

impl Links {
    pub(crate) fn of(&self, from: usize, to: usize) -> Link {
        self.0.get(&(from, to)).copied().unwrap_or_default()
    }

    pub(crate) fn change(&mut self, from: usize, to: usize) -> &mut Link {
        self.0.entry((from, to)).or_default()
    }

    pub(crate) fn heal_all(&mut self) {
        self.0.clear();
    }
}
