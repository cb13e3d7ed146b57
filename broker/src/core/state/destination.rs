//! A queue or topic.

use std::sync::Arc;

use kahawai_store::names::DestinationId;

use crate::core::address::Address;
use crate::core::keys::{ConnectionKey, ConsumerKey, SourceKey};
use crate::core::policy::Policy;

/// A queue or topic that exists.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) address: Arc<Address>,
    pub(crate) policy: Arc<Policy>,
    /// The connection it belongs to, if it is temporary.
    pub(crate) owner: Option<ConnectionKey>,
    /// Its name in the store, once it is there.
    pub(crate) stored: Option<DestinationId>,
    /// What a queue is dispatched from.
    pub(crate) queue: Option<SourceKey>,
    /// The subscribers of a topic that are not durable.
    pub(crate) subscribers: Vec<ConsumerKey>,
    /// What of a topic is stored for somebody: its parts of durable subscriptions, and those of subscribers that are slow.
    pub(crate) durables: Vec<SourceKey>,
    /// How many of a topic's messages the store was given and has not answered: what comes after them goes the same way.
    pub(crate) under_way: usize,
}

impl Destination {
    /// The store has answered for something that it was given for this destination.
    pub(crate) fn is_answered(&mut self) {
        if self.queue.is_none() {
            debug_assert!(self.under_way > 0, "an answer for what was not given");
            self.under_way = self.under_way.saturating_sub(1);
        }
    }
}
