//! Who wants what over there, and what is consumed here for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::ConsumerId;

use super::pattern::contains;
use crate::core::address::Address;

/// A consumer here that stands for some over there.
#[derive(Debug)]
pub struct Subscription {
    /// What it consumes.
    pub address: Address,
    /// The same as OpenWire names it.
    pub destination: Arc<Destination>,
    /// The consumers over there. One that is included statically stays without any.
    remotes: HashSet<ConsumerId>,
    is_static: bool,
    /// Others may join it.
    takes_others: bool,
    /// How many messages of it were forwarded and not answered.
    outstanding: usize,
    is_closing: bool,
}

impl Subscription {
    /// Whether it takes no more messages.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }
}

/// What a new consumer over there comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Comes {
    /// It is known.
    Known,
    /// One that is there already takes its messages.
    Joined,
    /// It needs one of its own.
    Wanted,
    /// There are too many.
    TooMany,
}

/// All subscriptions of a bridge, by their numbers.
#[derive(Debug)]
pub struct Demand {
    subscriptions: HashMap<i64, Subscription>,
    /// Those that others may join, by what they consume, and those of patterns besides.
    open: HashMap<Address, BTreeSet<i64>>,
    patterns: BTreeSet<i64>,
    by_remote: HashMap<ConsumerId, Vec<i64>>,
    next: i64,
    most: usize,
}

impl Demand {
    /// None, and how many consumers over there are known at most.
    pub fn new(most: usize) -> Self {
        Self {
            subscriptions: HashMap::new(),
            open: HashMap::new(),
            patterns: BTreeSet::new(),
            by_remote: HashMap::new(),
            next: 1,
            most,
        }
    }

    /// How many subscriptions there are.
    pub fn count(&self) -> usize {
        self.subscriptions.len()
    }

    /// A consumer over there wants this; it may join others where `may_join`.
    pub fn comes(&mut self, id: &ConsumerId, address: &Address, may_join: bool) -> Comes {
        let is_known = self.by_remote.get(id).is_some_and(|found| {
            found
                .iter()
                .any(|number| self.subscriptions.get(number).is_some_and(|one| one.address == *address))
        });
        if is_known {
            return Comes::Known;
        }
        if !self.by_remote.contains_key(id) && self.by_remote.len() >= self.most {
            return Comes::TooMany;
        }
        let mut joined: Vec<i64> = Vec::new();
        if may_join {
            joined.extend(self.open.get(address).into_iter().flatten());
            let wider = |number: &&i64| {
                self.subscriptions
                    .get(number)
                    .is_some_and(|one| one.address != *address && contains(&one.address, address))
            };
            joined.extend(self.patterns.iter().filter(wider));
        }
        for number in &joined {
            if let Some(one) = self.subscriptions.get_mut(number) {
                one.remotes.insert(id.clone());
            }
        }
        match joined.is_empty() {
            true => Comes::Wanted,
            false => {
                let known = self.by_remote.entry(id.clone()).or_default();
                known.extend(joined);
                known.sort_unstable();
                known.dedup();
                Comes::Joined
            }
        }
    }

    /// A number for a subscription, or for a consumer that is none over there.
    pub fn number(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// A subscription begins, for this consumer over there, or for nobody in particular.
    pub fn begin(
        &mut self,
        number: i64,
        address: Address,
        destination: Arc<Destination>,
        remote: Option<ConsumerId>,
        takes_others: bool,
    ) {
        if takes_others {
            if address.is_pattern() {
                self.patterns.insert(number);
            }
            self.open.entry(address.clone()).or_default().insert(number);
        }
        if let Some(remote) = &remote {
            self.by_remote.entry(remote.clone()).or_default().push(number);
        }
        let one = Subscription {
            address,
            destination,
            is_static: remote.is_none(),
            remotes: remote.into_iter().collect(),
            takes_others,
            outstanding: 0,
            is_closing: false,
        };
        let before = self.subscriptions.insert(number, one);
        debug_assert!(before.is_none(), "each number is given once");
    }

    /// The subscription of this number.
    pub fn get(&self, number: i64) -> Option<&Subscription> {
        self.subscriptions.get(&number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Whether one over there is known.
    pub fn knows(&self, id: &ConsumerId) -> bool {
        self.by_remote.contains_key(id)
    }

    /// A consumer over there is gone. Gives those of its subscriptions that nobody wants any more and that owe no answer; the others are closed when
    /// they owe none.
    pub fn goes(&mut self, id: &ConsumerId) -> Vec<i64> {
        let mut over = Vec::new();
        for number in self.by_remote.remove(id).unwrap_or_default() {
            let Some(one) = self.subscriptions.get_mut(&number) else { continue };
            one.remotes.remove(id);
            if one.remotes.is_empty() && !one.is_static {
                over.extend(self.close(number));
            }
        }
        over
    }

    /// Closes one; gives it where it owes no answer.
    pub fn close(&mut self, number: i64) -> Option<i64> {
        let one = self.subscriptions.get_mut(&number)?;
        one.is_closing = true;
        if one.takes_others {
            self.patterns.remove(&number);
            if let Some(open) = self.open.get_mut(&one.address) {
                open.remove(&number);
                if open.is_empty() {
                    self.open.remove(&one.address);
                }
            }
        }
        let is_over = one.outstanding == 0;
        if is_over {
            self.forget(number);
        }
        is_over.then_some(number)
    }

    /// Closes all; gives those that owe no answer.
    pub fn close_all(&mut self) -> Vec<i64> {
        let mut numbers: Vec<i64> = self.subscriptions.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.close(number)).collect()
    }

    /// A message of it was forwarded.
    pub fn owes(&mut self, number: i64) {
        if let Some(one) = self.subscriptions.get_mut(&number) {
            one.outstanding += 1;
        }
    }

    /// It was answered. Gives the subscription where it was closing and owes none now.
    pub fn answered(&mut self, number: i64) -> Option<i64> {
        let one = self.subscriptions.get_mut(&number)?;
        debug_assert!(one.outstanding > 0, "an answer to nothing");
        one.outstanding = one.outstanding.saturating_sub(1);
        let is_over = one.is_closing && one.outstanding == 0;
        if is_over {
            self.forget(number);
        }
        is_over.then_some(number)
    }

    fn forget(&mut self, number: i64) {
        let Some(one) = self.subscriptions.remove(&number) else { return };
        for remote in one.remotes {
            if let Some(known) = self.by_remote.get_mut(&remote) {
                known.retain(|other| *other != number);
                if known.is_empty() {
                    self.by_remote.remove(&remote);
                }
            }
        }
    }
}
