//! Who wants what over there, and what is consumed here for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::ids::{BrokerId, ConsumerId};
use kahawai_openwire::text::Text;

use super::pattern::contains;
use super::ways::{Way, Ways};
use crate::core::address::Address;

/// A consumer here that stands for some over there.
#[derive(Debug)]
pub struct Subscription {
    /// What it consumes.
    pub address: Address,
    /// What was asked of the broker here.
    asked: Arc<ConsumerInfo>,
    /// Whether the broker here has let it begin.
    has_begun: bool,
    /// The consumers over there. One that is included statically stays without any.
    remotes: HashSet<ConsumerId>,
    reason: Reason,
    /// Where it is durable: for whom over there it is kept, whether they are connected or not.
    subscribers: HashSet<Subscriber>,
    /// By which ways all of those came, and its own where it does not go with them.
    ways: Ways,
    own: Option<Way>,
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
    /// What is asked of the broker here. The last broker of its path is the one at the other end.
    pub asked: Arc<ConsumerInfo>,
    /// The consumer over there, if it goes with one.
    pub remote: Option<ConsumerId>,
    /// Why it is there.
    pub reason: Reason,
    /// Whether others may join it.
    pub takes_others: bool,
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
    fn durable(&self) -> Option<&Text> {
        self.asked.subscription_name.as_ref()
    }

    /// The way that was told of it.
    fn told(&self) -> &[Arc<BrokerId>] {
        let path = self.asked.broker_path.as_deref().unwrap_or_default();
        path.split_last().map_or(&[], |(_, way)| way)
    }

    /// From now on it is known who wants it. Gives whether it was not.
    fn was_kept_for_some(&mut self) -> bool {
        let was_kept = self.reason == Reason::Kept;
        if was_kept {
            self.stays(Reason::Demand, None);
        }
        was_kept
    }

    /// Why it is there from now on, and by which way, where it does not go with who wants it.
    fn stays(&mut self, reason: Reason, own: Option<Way>) {
        self.reason = reason;
        self.ways.exchange(self.own.as_ref(), own.as_ref());
        self.own = own;
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

/// Who is known over there: by which way, if by one that reaches here, and which subscriptions are for it.
#[derive(Debug)]
struct Known {
    way: Option<Way>,
    numbers: Vec<i64>,
}

impl Known {
    /// It is told of again. Gives whether by another way.
    fn moves(&mut self, way: Option<&Way>, subscriptions: &mut HashMap<i64, Subscription>) -> bool {
        if self.way.as_ref() == way {
            return false;
        }
        for number in &self.numbers {
            if let Some(one) = subscriptions.get_mut(number) {
                one.ways.exchange(self.way.as_ref(), way);
            }
        }
        self.way = way.cloned();
        true
    }
}

/// All subscriptions of a bridge, by their numbers.
#[derive(Debug)]
pub struct Demand {
    subscriptions: HashMap<i64, Subscription>,
    /// Those that others may join, by what they consume, and those of patterns besides.
    open: HashMap<Address, BTreeSet<i64>>,
    patterns: BTreeSet<i64>,
    by_remote: HashMap<ConsumerId, Known>,
    by_subscriber: HashMap<Subscriber, Known>,
    /// Those of which something else may be to be told than was.
    changed: BTreeSet<i64>,
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
            changed: BTreeSet::new(),
            next: 1,
            most,
        }
    }

    /// How many subscriptions there are.
    pub fn count(&self) -> usize {
        self.subscriptions.len()
    }

    /// A consumer over there, which came by this way, wants this; it may join others where `may_join`.
    pub fn comes(&mut self, id: &ConsumerId, address: &Address, way: &Way, may_join: bool) -> Comes {
        let is_known = self.by_remote.get(id).is_some_and(|found| {
            found
                .numbers
                .iter()
                .any(|number| self.subscriptions.get(number).is_some_and(|one| one.address == *address))
        });
        if is_known {
            return Comes::Known;
        }
        if !self.by_remote.contains_key(id) && self.by_remote.len() >= self.most {
            return Comes::TooMany;
        }
        let mut joined = if may_join { self.covering(address) } else { Vec::new() };
        if address.kind.is_queue() {
            // Of a queue's message only one gets it, which may be over there by the way that it must not go: each way has one of its own.
            joined.retain(|number| {
                let one = self.subscriptions.get(number);
                one.is_some_and(|one| one.reason != Reason::Demand || *one.told() == **way)
            });
        }
        if joined.is_empty() {
            return Comes::Wanted;
        }
        for number in joined {
            self.join(number, id, way);
        }
        Comes::Joined
    }

    /// One is for this consumer over there too.
    fn join(&mut self, number: i64, id: &ConsumerId, way: &Way) {
        let Some(one) = self.subscriptions.get_mut(&number) else { return };
        let known = self.by_remote.entry(id.clone());
        let known = known.or_insert_with(|| Known { way: Some(Arc::clone(way)), numbers: Vec::new() });
        if one.remotes.insert(id.clone()) {
            known.numbers.push(number);
            if one.ways.exchange(None, known.way.as_ref()) {
                self.changed.insert(number);
            }
        }
    }

    /// A consumer over there is told of again, by this way. Gives whether it is known by another one.
    pub fn moves(&mut self, id: &ConsumerId, way: &Way) -> bool {
        let Some(known) = self.by_remote.get_mut(id) else { return false };
        let moves = known.moves(Some(way), &mut self.subscriptions);
        if moves {
            self.changed.extend(&known.numbers);
        }
        moves
    }

    /// Whether the broker here may have to be told something anew.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The next subscription that the broker here is to be told of anew, as those that it stands for are reached by another way than was said. Each is given
    /// once.
    pub fn next_change(&mut self, peer: &Arc<BrokerId>) -> Option<ConsumerInfo> {
        while let Some(number) = self.changed.pop_first() {
            let Some(one) = self.subscriptions.get_mut(&number) else { continue };
            // One that begins is looked at again when it has.
            if one.is_closing || !one.has_begun {
                continue;
            }
            let Some(way) = one.ways.nearest(one.told()).filter(|way| ***way != *one.told()) else {
                continue;
            };
            let path = way.iter().chain([peer]).map(Arc::clone).collect();
            let asked = ConsumerInfo { broker_path: Some(path), ..ConsumerInfo::clone(&one.asked) };
            one.asked = Arc::new(asked.clone());
            return Some(asked);
        }
        None
    }

    /// The broker here has let one begin.
    pub fn has_begun(&mut self, number: i64) {
        if let Some(one) = self.subscriptions.get_mut(&number) {
            one.has_begun = true;
            self.changed.insert(number);
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

    /// Whether one that others may join takes all of this, and if so, whether it has begun.
    pub fn takes(&self, address: &Address) -> Option<bool> {
        let numbers = self.covering(address);
        let all = numbers.iter().filter_map(|number| self.subscriptions.get(number));
        all.map(|one| one.has_begun).reduce(|one, other| one || other)
    }

    /// A durable subscription over there is for this, and came by this way, or by whichever. Where one here keeps it already, that one keeps it for it too.
    pub fn subscribes(&mut self, subscriber: &Subscriber, address: &Address, way: Option<&Way>) -> Comes {
        let mut covering = self.covering(address);
        covering.retain(|number| self.subscriptions.get(number).is_some_and(|one| one.durable().is_some()));
        let known = self.by_subscriber.get(subscriber);
        if known.is_some_and(|known| covering.iter().any(|number| known.numbers.contains(number))) {
            if way.is_some() {
                self.subscriber_moves(subscriber, way);
            }
            return Comes::Known;
        }
        if known.is_none() && self.by_subscriber.len() >= self.most {
            return Comes::TooMany;
        }
        let way = way.cloned().unwrap_or_default();
        for number in &covering {
            self.keep_for(*number, subscriber.clone(), Some(&way));
        }
        if covering.is_empty() { Comes::Wanted } else { Comes::Joined }
    }

    fn subscriber_moves(&mut self, subscriber: &Subscriber, way: Option<&Way>) {
        if let Some(known) = self.by_subscriber.get_mut(subscriber)
            && known.moves(way, &mut self.subscriptions)
        {
            self.changed.extend(&known.numbers);
        }
    }

    /// A durable subscription over there is for this, and is not reached from here. What is kept for it, if it was, is kept until it ends, as that may be all
    /// there is. And where it is not known for whom one is kept, it may be for one that is too far: it is for none whose way leads through here.
    pub fn strays(&mut self, subscriber: &Subscriber, topics: &[Address], is_far: bool) {
        self.subscriber_moves(subscriber, None);
        if is_far {
            self.may_be_kept_for(subscriber, topics, None);
        }
    }

    /// Where it is not known for whom one is kept, it may be for this durable subscription over there, which came by this way if it is near enough.
    pub fn may_be_kept_for(&mut self, subscriber: &Subscriber, topics: &[Address], way: Option<&Way>) {
        if self.by_subscriber.contains_key(subscriber) || self.by_subscriber.len() >= self.most {
            return;
        }
        let is_kept =
            |number: &i64| self.subscriptions.get(number).is_some_and(|one| one.reason == Reason::Kept);
        let all = topics.iter().flat_map(|topic| self.covering(topic));
        let kept: Vec<_> = all.filter(is_kept).collect();
        for number in kept {
            self.keep_for(number, subscriber.clone(), way);
        }
    }

    /// One is kept for this subscriber over there, by this way if it reaches here.
    pub fn keep_for(&mut self, number: i64, subscriber: Subscriber, way: Option<&Way>) {
        let Some(one) = self.subscriptions.get_mut(&number) else { return };
        debug_assert!(one.durable().is_some(), "only a durable one is kept");
        let known = self.by_subscriber.entry(subscriber.clone());
        let known = known.or_insert_with(|| Known { way: way.cloned(), numbers: Vec::new() });
        if one.subscribers.insert(subscriber) {
            known.numbers.push(number);
            if one.ways.exchange(None, known.way.as_ref()) {
                self.changed.insert(number);
            }
        }
    }

    /// A durable subscription over there is no more. Gives those here that nobody wants any more and that owe no answer.
    pub fn unsubscribes(&mut self, subscriber: &Subscriber) -> Vec<Over> {
        let mut over = Vec::new();
        let Some(Known { way, numbers }) = self.by_subscriber.remove(subscriber) else { return over };
        for number in numbers {
            if let Some(one) = self.subscriptions.get_mut(&number) {
                one.subscribers.remove(subscriber);
                let is_last = one.ways.exchange(way.as_ref(), None);
                // For whom one was kept that was there before the bridge is not known.
                if one.was_kept_for_some() || is_last {
                    self.changed.insert(number);
                }
                over.extend(self.close_if_unwanted(number));
            }
        }
        over
    }

    /// The durable subscriptions over there were told in full, as far as these here are concerned: of those it is known for whom they are kept, and which are
    /// kept for none is over. Gives those that owe no answer.
    pub fn all_subscribed(&mut self, is_told: impl Fn(i64, &Address) -> bool) -> Vec<Over> {
        let is_known = |(number, one): &(&i64, &Subscription)| {
            one.durable().is_some() && !one.is_closing && is_told(**number, &one.address)
        };
        let mut numbers: Vec<i64> =
            self.subscriptions.iter().filter(is_known).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        let mut over = Vec::new();
        for number in numbers {
            if self.subscriptions.get_mut(&number).is_some_and(Subscription::was_kept_for_some) {
                self.changed.insert(number);
            }
            over.extend(self.close_if_unwanted(number));
        }
        over
    }

    /// The ones of this that are not durable, which a durable one takes the place of.
    pub fn fleeting(&self, address: &Address) -> Vec<i64> {
        let all = self.open.get(address).into_iter().flatten().copied();
        all.filter(|number| self.subscriptions.get(number).is_some_and(|one| one.durable().is_none()))
            .collect()
    }

    /// What one was for is another's from now on; it is closed. Gives it where it owes no answer.
    pub fn give_over(&mut self, from: i64, to: i64) -> Option<Over> {
        let one = self.subscriptions.get_mut(&from)?;
        let (remotes, reason) = (std::mem::take(&mut one.remotes), one.reason);
        one.ways = Ways::default();
        if let Some(other) = self.subscriptions.get_mut(&to)
            && reason == Reason::Inclusion
        {
            other.stays(reason, Some(Way::default()));
            self.changed.insert(to);
        }
        for remote in remotes {
            if let Some(known) = self.by_remote.get_mut(&remote) {
                known.numbers.retain(|number| *number != from);
                let way = known.way.clone().unwrap_or_default();
                self.join(to, &remote, &way);
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
        let New { address, asked, remote, reason, takes_others } = new;
        if takes_others {
            if address.is_pattern() {
                self.patterns.insert(number);
            }
            self.open.entry(address.clone()).or_default().insert(number);
        }
        let mut one = Subscription {
            address,
            asked,
            has_begun: false,
            reason: Reason::Demand,
            subscribers: HashSet::new(),
            remotes: HashSet::new(),
            ways: Ways::default(),
            own: None,
            takes_others,
            outstanding: 0,
            is_closing: false,
            is_unsubscribed: false,
        };
        let way = Way::from(one.told());
        if reason != Reason::Demand {
            one.stays(reason, Some(Way::clone(&way)));
        }
        let before = self.subscriptions.insert(number, one);
        debug_assert!(before.is_none(), "each number is given once");
        if let Some(remote) = remote {
            self.join(number, &remote, &way);
        }
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
        let Some(Known { way, numbers }) = self.by_remote.remove(id) else { return over };
        for number in numbers {
            let Some(one) = self.subscriptions.get_mut(&number) else { continue };
            one.remotes.remove(id);
            if one.ways.exchange(way.as_ref(), None) {
                self.changed.insert(number);
            }
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
                known.numbers.retain(|other| *other != number);
                if known.numbers.is_empty() {
                    self.by_subscriber.remove(&subscriber);
                }
            }
        }
        for remote in one.remotes {
            if let Some(known) = self.by_remote.get_mut(&remote) {
                known.numbers.retain(|other| *other != number);
                if known.numbers.is_empty() {
                    self.by_remote.remove(&remote);
                }
            }
        }
        let name = one.asked.subscription_name.clone();
        Some(Over { number, unsubscribe: name.filter(|_| one.is_unsubscribed) })
    }
}
