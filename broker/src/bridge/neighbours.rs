//! What the bridges of one broker know of each other: who of them serves which consumers, so that one that can be reached over two of them is served over
//! one (`suppressDuplicateTopicSubscriptions`, `suppressDuplicateQueueSubscriptions`).
//!
//! Of two the nearer one serves, as `messageTTL` may keep messages from the other; of two as near the one of higher priority, and of two of one priority
//! the one that was first. (ActiveMQ looks at priorities alone, which are equal in 5.17 unless `decreaseNetworkConsumerPriority` is set.)

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::ids::ConsumerId;

use crate::core::address::Address;

/// See the module. Each bridge has a number here as long as it is there.
pub struct Neighbours {
    claims: Mutex<Claims>,
    /// Called when something has changed, for the bridges to look again; while nothing here is held.
    tell: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Claims {
    by_address: HashMap<Address, Vec<Claim>>,
    bridges: u64,
    claims: u64,
    /// How many consumers are not served as another bridge serves them.
    suppressed: usize,
}

/// By what one is preferred to another: the least one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// How many brokers are between.
    pub(super) hops: usize,
    pub(super) priority: Reverse<i8>,
}

struct Claim {
    bridge: u64,
    /// The consumer at the other end of the bridge.
    remote: ConsumerId,
    rank: Rank,
    since: u64,
    /// It, and those that it stands for.
    consumers: HashSet<ConsumerId>,
}

/// What one bridge knows of this.
#[derive(Default)]
pub(super) struct Rivals {
    /// The others, and its own number among them.
    pub(super) neighbours: Option<(Arc<Neighbours>, u64)>,
    /// Whom it serves over there.
    pub(super) served: HashMap<ConsumerId, Vec<(Address, Arc<ConsumerInfo>)>>,
    /// Whom it will when these subscriptions have begun.
    pub(super) beginning: HashMap<i64, (Address, Arc<ConsumerInfo>)>,
    /// Whom it does not, as another does.
    pub(super) suppressed: HashMap<(Address, ConsumerId), Arc<ConsumerInfo>>,
}

impl Neighbours {
    /// None yet. `tell` is called when something has changed.
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self { claims: Mutex::default(), tell: Box::new(tell) }
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bridge comes. Gives its number.
    pub(super) fn join(&self) -> u64 {
        let mut claims = self.lock();
        claims.bridges += 1;
        claims.bridges
    }

    /// A bridge is gone.
    pub(super) fn leave(&self, bridge: u64) {
        let mut claims = self.lock();
        claims.by_address.retain(|_, all| {
            all.retain(|claim| claim.bridge != bridge);
            !all.is_empty()
        });
        let matters = claims.suppressed > 0;
        drop(claims);
        if matters {
            (self.tell)();
        }
    }

    /// So many more, or fewer, consumers are not served as another bridge serves them.
    pub(super) fn suppressed(&self, more: usize, fewer: usize) {
        let mut claims = self.lock();
        claims.suppressed = (claims.suppressed + more).saturating_sub(fewer);
    }

    /// A bridge serves a consumer there, and those that it stands for.
    pub(super) fn claim(
        &self,
        bridge: u64,
        address: &Address,
        remote: &ConsumerId,
        rank: Rank,
        consumers: HashSet<ConsumerId>,
    ) {
        let mut claims = self.lock();
        claims.claims += 1;
        let since = claims.claims;
        let all = claims.by_address.entry(address.clone()).or_default();
        let shares = |claim: &Claim| claim.bridge != bridge && !claim.consumers.is_disjoint(&consumers);
        let matters = all.iter().any(shares);
        if !all.iter().any(|claim| claim.bridge == bridge && claim.remote == *remote) {
            all.push(Claim { bridge, remote: remote.clone(), rank, since, consumers });
        }
        drop(claims);
        if matters {
            (self.tell)();
        }
    }

    /// It does no more.
    pub(super) fn withdraw(&self, bridge: u64, address: &Address, remote: &ConsumerId) {
        let mut claims = self.lock();
        let Some(all) = claims.by_address.get_mut(address) else { return };
        all.retain(|claim| claim.bridge != bridge || claim.remote != *remote);
        if all.is_empty() {
            claims.by_address.remove(address);
        }
        let matters = claims.suppressed > 0;
        drop(claims);
        if matters {
            (self.tell)();
        }
    }

    /// Whether another bridge serves one of these, and goes before this one.
    pub(super) fn is_beaten(
        &self,
        bridge: u64,
        address: &Address,
        remote: &ConsumerId,
        rank: Rank,
        consumers: &HashSet<ConsumerId>,
    ) -> bool {
        let claims = self.lock();
        let Some(all) = claims.by_address.get(address) else { return false };
        let own = all.iter().find(|claim| claim.bridge == bridge && claim.remote == *remote);
        let since = own.map_or(u64::MAX, |own| own.since);
        all.iter().any(|claim| {
            claim.bridge != bridge
                && (claim.rank, claim.since) < (rank, since)
                && !claim.consumers.is_disjoint(consumers)
        })
    }
}
