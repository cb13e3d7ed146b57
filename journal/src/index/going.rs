//! What is gone for everyone who asks, and not yet taken out of the index.
//!
//! A destination or a subscription goes in one step, whatever it holds; its messages are taken out in many, by
//! [`Messages::sweep`](super::messages::Messages::sweep). Until the last of them is, all count as living bytes of their segments, and nowhere
//! else: then they die at once, so that whoever cleans is not asked for segments that cannot go yet.

use std::collections::{BTreeMap, BTreeSet};

use kahawai_store::names::DestinationId;

use super::location::Location;
use super::segments::Live;
use super::topic::Topic;

/// Where something is left to be taken out.
#[derive(Debug, Default)]
pub(super) struct Going {
    /// Destinations that were removed, with what was known of their subscriptions, which is freed in steps too.
    pub(super) destinations: BTreeMap<DestinationId, Topic>,
    /// Topics from which subscriptions went.
    pub(super) topics: BTreeSet<DestinationId>,
    /// What was taken out and still counts as living, by segment.
    pub(super) taken: BTreeMap<u64, Live>,
}

impl Going {
    pub(super) fn is_empty(&self) -> bool {
        self.destinations.is_empty() && self.topics.is_empty()
    }

    /// Notes that a message was taken out.
    pub(super) fn take(&mut self, location: &Location) {
        *self.taken.entry(location.segment).or_default() += Live::of(location);
    }
}

/// Which parts of the index may be swept now. What is swept while it is written anew has to be marked there message by message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// The table that is being written.
    pub(crate) frozen: bool,
    /// The runs.
    pub(crate) runs: bool,
}

impl Reach {
    /// All of it.
    pub(crate) const EVERYTHING: Self = Self { frozen: true, runs: true };
}

/// What was taken out.
#[derive(Clone, Copy, Debug)]
pub(super) struct TakenOut {
    /// How many messages.
    pub(super) count: usize,
    /// Whether none is left.
    pub(super) is_all: bool,
}
