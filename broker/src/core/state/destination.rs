//! A queue or topic.

use std::sync::Arc;

use bytestring::ByteString;

use kahawai_store::names::DestinationId;

use crate::core::address::Address;
use crate::core::keys::{ConnectionKey, ConsumerKey, SourceKey};
use crate::core::policy::Policy;

/// A queue or topic that exists.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) address: Arc<Address>,
    pub(crate) policy: Arc<Policy>,
    /// It was found unused then, and has not been used since.
    pub(crate) unused_since: Option<i64>,
    /// The connection it belongs to, if it is temporary.
    pub(crate) owner: Option<ConnectionKey>,
    /// The brokers that a temporary one was heard of by, if it is of a client elsewhere.
    pub(crate) passed: Option<Arc<[ByteString]>>,
    /// Its name in the store, once it is there.
    pub(crate) stored: Option<DestinationId>,
    /// What a queue is dispatched from.
    pub(crate) queue: Option<SourceKey>,
    /// The subscribers of a topic that are not durable.
    pub(crate) subscribers: Vec<ConsumerKey>,
    /// What of a topic is stored for somebody: its parts of durable subscriptions, and those of subscribers that are slow.
    pub(crate) durables: Vec<SourceKey>,
    /// How many messages the store was given and has not answered that those behind them must not overtake, but have to go the same
    /// way: all of a topic, of a queue those that need not be stored.
    pub(crate) under_way: usize,
}

impl Destination {
    fn counts(&self, persistent: bool) -> bool {
        self.queue.is_none() || !persistent
    }

    /// The store is given a message for this destination.
    pub(crate) fn goes_under_way(&mut self, persistent: bool) {
        if self.counts(persistent) {
            self.under_way += 1;
        }
    }

    /// The store has answered for something that it was given for this destination.
    pub(crate) fn is_answered(&mut self, persistent: bool) {
        if self.counts(persistent) {
            debug_assert!(self.under_way > 0, "an answer for what was not given");
            self.under_way = self.under_way.saturating_sub(1);
        }
    }
}
