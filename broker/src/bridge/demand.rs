//! Who wants what over there, and what is consumed here for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::ConsumerId;
use kahawai_openwire::text::Text;

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
    reason: Reason,
    /// Where it is durable: its name, and for whom over there it is kept, whether they are connected or not.
    durable: Option<Text>,
    subscribers: HashSet<Subscriber>,
    /// Others may join it.
    takes_others: bool,
    /// How many messages of it were forwarded and not answered.
    outstanding: usize,
    is_closing: bool,
    /// Nothing is kept for it any more when it is closed.
    is_unsubscribed: bool,
}

/// Why a subscription is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody over there wants it, and it goes when nobody does any more.
    Demand,
    /// It is included statically, and stays.
    Inclusion,
    /// It was kept from before the bridge: until it is heard that nobody wants it any more.
    Kept,
}

/// A subscription that begins.
#[derive(Debug)]
pub struct New {
    /// What it consumes.
    pub address: Address,
    /// The same as OpenWire names it.
    pub destination: Arc<Destination>,
    /// The consumer over there, if it goes with one.
    pub remote: Option<ConsumerId>,
    /// Why it is there.
    pub reason: Reason,
    /// Whether others may join it.
    pub takes_others: bool,
    /// The name of one that is durable.
    pub durable: Option<Text>,
}

/// A durable subscription over there: the client id, and the name.
pub type Subscriber = (Text, Text);

/// A subscription that is to be closed here.
#[derive(Debug, PartialEq, Eq)]
pub struct Over {
    /// Its number.
    pub number: i64,
    /// The name of a durable one of which nothing is to be kept either.
    pub unsubscribe: Option<Text>,
}

impl Subscription {
    /// From now on it is known who wants it.
    fn was_kept_for_some(&mut self) {
        if self.reason == Reason::Kept {
            self.reason = Reason::Demand;
        }
    }

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
    by_subscriber: HashMap<Subscriber, Vec<i64>>,
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
            by_subscriber: HashMap::new(),
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
        let joined = if may_join { self.covering(address) } else { Vec::new() };
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

    /// Those that others may join and that take all of this.
    fn covering(&self, address: &Address) -> Vec<i64> {
        let mut all: Vec<i64> = self.open.get(address).into_iter().flatten().copied().collect();
        let wider = |number: &&i64| {
            let one = self.subscriptions.get(number);
            one.is_some_and(|one| one.address != *address && contains(&one.address, address))
        };
        all.extend(self.patterns.iter().filter(wider));
        all
    }

    /// A durable subscription over there is for this. Where one here keeps it already, that one keeps it for it too.
    pub fn subscribes(&mut self, subscriber: &Subscriber, address: &Address) -> Comes {
        let mut covering = self.covering(address);
        covering.retain(|number| self.subscriptions.get(number).is_some_and(|one| one.durable.is_some()));
        let known = self.by_subscriber.get(subscriber);
        if known.is_some_and(|known| covering.iter().any(|number| known.contains(number))) {
            return Comes::Known;
        }
        if known.is_none() && self.by_subscriber.len() >= self.most {
            return Comes::TooMany;
        }
        for number in &covering {
            self.keep_for(*number, subscriber.clone());
        }
        if covering.is_empty() { Comes::Wanted } else { Comes::Joined }
    }

    /// One is kept for this subscriber over there.
    pub fn keep_for(&mut self, number: i64, subscriber: Subscriber) {
        if let Some(one) = self.subscriptions.get_mut(&number) {
            debug_assert!(one.durable.is_some(), "only a durable one is kept");
            one.subscribers.insert(subscriber.clone());
            self.by_subscriber.entry(subscriber).or_default().push(number);
        }
    }

    /// A durable subscription over there is no more. Gives those here that nobody wants any more and that owe no answer.
    pub fn unsubscribes(&mut self, subscriber: &Subscriber) -> Vec<Over> {
        let mut over = Vec::new();
        for number in self.by_subscriber.remove(subscriber).unwrap_or_default() {
            if let Some(one) = self.subscriptions.get_mut(&number) {
                one.subscribers.remove(subscriber);
                // For whom one was kept that was there before the bridge is not known.
                one.was_kept_for_some();
                over.extend(self.close_if_unwanted(number));
            }
        }
        over
    }

    /// The durable subscriptions over there were told in full: those here that are kept for none of them are over. Gives those that owe no answer.
    pub fn all_subscribed(&mut self, is_told: impl Fn(&Address) -> bool) -> Vec<Over> {
        let kept_for_none = |one: &Subscription| {
            one.durable.is_some() && !one.is_closing && one.subscribers.is_empty() && is_told(&one.address)
        };
        let found = self.subscriptions.iter().filter(|(_, one)| kept_for_none(one));
        let mut numbers: Vec<i64> = found.map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        let mut over = Vec::new();
        for number in numbers {
            if let Some(one) = self.subscriptions.get_mut(&number) {
                one.was_kept_for_some();
            }
            over.extend(self.close_if_unwanted(number));
        }
        over
    }

    /// The ones of this that are not durable, which a durable one takes the place of.
    pub fn fleeting(&self, address: &Address) -> Vec<i64> {
        let all = self.open.get(address).into_iter().flatten().copied();
        all.filter(|number| self.subscriptions.get(number).is_some_and(|one| one.durable.is_none())).collect()
    }

    /// What one was for is another's from now on; it is closed. Gives it where it owes no answer.
    pub fn give_over(&mut self, from: i64, to: i64) -> Option<Over> {
        let one = self.subscriptions.get_mut(&from)?;
        let (remotes, reason) = (std::mem::take(&mut one.remotes), one.reason);
        if let Some(other) = self.subscriptions.get_mut(&to) {
            if reason == Reason::Inclusion {
                other.reason = reason;
            }
            other.remotes.extend(remotes.iter().cloned());
        }
        for remote in remotes {
            if let Some(known) = self.by_remote.get_mut(&remote) {
                known.retain(|number| *number != from && *number != to);
                known.push(to);
            }
        }
        self.close(from, false)
    }

    fn close_if_unwanted(&mut self, number: i64) -> Option<Over> {
        let one = self.subscriptions.get(&number)?;
        let is_unwanted = one.remotes.is_empty()
            && one.subscribers.is_empty()
            && one.reason == Reason::Demand
            && !one.is_closing;
        if is_unwanted { self.close(number, true) } else { None }
    }

    /// A number for a subscription, or for a consumer that is none over there.
    pub fn number(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// A subscription begins.
    pub fn begin(&mut self, number: i64, new: New) {
        let New { address, destination, remote, reason, takes_others, durable } = new;
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
            reason,
            durable,
            subscribers: HashSet::new(),
            remotes: remote.into_iter().collect(),
            takes_others,
            outstanding: 0,
            is_closing: false,
            is_unsubscribed: false,
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
    pub fn goes(&mut self, id: &ConsumerId) -> Vec<Over> {
        let mut over = Vec::new();
        for number in self.by_remote.remove(id).unwrap_or_default() {
            let Some(one) = self.subscriptions.get_mut(&number) else { continue };
            one.remotes.remove(id);
            over.extend(self.close_if_unwanted(number));
        }
        over
    }

    /// Closes one; gives it where it owes no answer. `unsubscribe` where nothing is to be kept for a durable one.
    pub fn close(&mut self, number: i64, unsubscribe: bool) -> Option<Over> {
        let one = self.subscriptions.get_mut(&number)?;
        one.is_closing = true;
        one.is_unsubscribed = unsubscribe;
        if one.takes_others {
            self.patterns.remove(&number);
            if let Some(open) = self.open.get_mut(&one.address) {
                open.remove(&number);
                if open.is_empty() {
                    self.open.remove(&one.address);
                }
            }
        }
        if one.outstanding == 0 { self.forget(number) } else { None }
    }

    /// Closes all, keeping what is durable; gives those that owe no answer.
    pub fn close_all(&mut self) -> Vec<Over> {
        let mut numbers: Vec<i64> = self.subscriptions.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.close(number, false)).collect()
    }

    /// A message of it was forwarded.
    pub fn owes(&mut self, number: i64) {
        if let Some(one) = self.subscriptions.get_mut(&number) {
            one.outstanding += 1;
        }
    }

    /// It was answered. Gives the subscription where it was closing and owes none now.
    pub fn answered(&mut self, number: i64) -> Option<Over> {
        let one = self.subscriptions.get_mut(&number)?;
        debug_assert!(one.outstanding > 0, "an answer to nothing");
        one.outstanding = one.outstanding.saturating_sub(1);
        if one.is_closing && one.outstanding == 0 { self.forget(number) } else { None }
    }

    fn forget(&mut self, number: i64) -> Option<Over> {
        let one = self.subscriptions.remove(&number)?;
        for subscriber in one.subscribers {
            if let Some(known) = self.by_subscriber.get_mut(&subscriber) {
                known.retain(|other| *other != number);
                if known.is_empty() {
                    self.by_subscriber.remove(&subscriber);
                }
            }
        }
        for remote in one.remotes {
            if let Some(known) = self.by_remote.get_mut(&remote) {
                known.retain(|other| *other != number);
                if known.is_empty() {
                    self.by_remote.remove(&remote);
                }
            }
        }
        Some(Over { number, unsubscribe: one.durable.filter(|_| one.is_unsubscribed) })
    }
}
