//! What consumers are dispatched from.

use std::sync::Arc;

use kahawai_store::names::{DestinationId, SubscriptionId};

use super::letters::Condemned;
use crate::core::dispatch::window::Window;
use crate::core::keys::{ConsumerKey, DestinationKey};
use crate::core::memory::Counted;
use crate::core::policy::Policy;

/// A queue, or one topic of a durable subscription.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) destination: DestinationKey,
    /// Its destination's.
    pub(crate) policy: Arc<Policy>,
    /// Its destination's name in the store.
    pub(crate) stored: Option<DestinationId>,
    pub(crate) subscription: Option<SubscriptionId>,
    pub(crate) window: Counted<Window>,
    /// What is to be buried and has to be read for that.
    pub(crate) condemned: Condemned,
    /// Highest priority first; among equals the oldest.
    pub(crate) consumers: Vec<ConsumerKey>,
    /// How many of them want to be the only one served.
    pub(crate) exclusives: usize,
    /// Where the next round begins.
    pub(crate) next: usize,
    /// The consumers that had room when messages were passed over: they wanted none of them.
    pub(crate) refusers: Vec<ConsumerKey>,
    /// It is part of a subscriber that is not durable, which has more to take than fits in memory; see [`crate::core::durable::overflow`].
    pub(crate) kept: bool,
    /// A queue's messages go by the store though they need not, as memory was short.
    pub(crate) spooled: bool,
    /// A topic's subscription is in the store: what is committed comes by it.
    pub(crate) active: bool,
    /// Nothing of what the store holds for it expires before this, as far as anybody knows; see [`crate::core::dispatch::expiry`].
    pub(crate) expires_from: i64,
    /// Whether it is on the list of those to look at before the turn ends.
    pub(crate) touched: bool,
}

impl Source {
    pub(crate) fn new(
        destination: DestinationKey,
        policy: Arc<Policy>,
        stored: Option<(DestinationId, SubscriptionId)>,
        window: Window,
    ) -> Self {
        Self {
            destination,
            policy,
            kept: false,
            spooled: false,
            active: false,
            // Of what a store holds that was there before us nobody knows.
            expires_from: if window.is_behind() { i64::MIN } else { i64::MAX },
            stored: stored.map(|(destination, _)| destination),
            subscription: stored.map(|(_, subscription)| subscription),
            window: Counted::new(window),
            condemned: Condemned::default(),
            consumers: Vec::new(),
            exclusives: 0,
            next: 0,
            refusers: Vec::new(),
            touched: false,
        }
    }
}
