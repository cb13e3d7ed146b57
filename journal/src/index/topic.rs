//! A topic's subscriptions: for each, which of the topic's messages it has acknowledged.
//!
//! A subscription is a position and exceptions: every live message that arrived before `floor` is acknowledged (or was there
//! before the subscription), and beyond it those in `beyond`. Acknowledging in order keeps `beyond` empty. Nothing is kept for each message
//! but how many subscriptions hold it in `beyond`, and nothing is done for each subscription when a message arrives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kahawai_store::names::SubscriptionId;

/// The subscriptions of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topic {
    /// How many messages were kept here, ever.
    inserted: u64,
    subscriptions: BTreeMap<SubscriptionId, Position>,
    /// How many subscriptions have each floor.
    floors: BTreeMap<u64, u64>,
    /// How many subscriptions have each live message in `beyond`, by arrival; those among them that are leaving.
    exceptions: BTreeMap<u64, u64>,
    leaving: VecDeque<Leaving>,
}

/// A subscription that is gone, and of whose exceptions not all are struck off.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaving {
    beyond: BTreeSet<u64>,
    /// From here on exceptions of others are to be looked at: it may be the last that some of them waited for.
    from: u64,
}

/// How far a subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The arrival from which on there may be messages it has not acknowledged.
    pub(crate) floor: u64,
    /// Arrivals at or above the floor that it has acknowledged, of messages that live.
    pub(crate) beyond: BTreeSet<u64>,
    /// What `inserted` was when it began.
    pub(crate) inserted_at_start: u64,
    /// How many messages inserted since then do not wait for it any more.
    pub(crate) acknowledged: u64,
}

impl Position {
    fn waits_for(&self, arrival: u64) -> bool {
        arrival >= self.floor && !self.beyond.contains(&arrival)
    }
}

impl Topic {
    pub(super) fn subscribe(&mut self, id: SubscriptionId, start: u64) {
        let position = Position {
            floor: start,
            beyond: BTreeSet::new(),
            inserted_at_start: self.inserted,
            acknowledged: 0,
        };
        if self.subscriptions.insert(id, position).is_none() {
            *self.floors.entry(start).or_default() += 1;
        }
    }

    /// The subscriptions and their floors, in the order of their ids.
    pub(super) fn floors(&self) -> impl Iterator<Item = (SubscriptionId, u64)> {
        self.subscriptions.iter().map(|(&id, position)| (id, position.floor))
    }

    pub(super) fn floor_of(&self, id: SubscriptionId) -> Option<u64> {
        self.subscriptions.get(&id).map(|position| position.floor)
    }

    /// What is below this is waited for by nobody.
    pub(super) fn floor_lowest(&self) -> u64 {
        self.floors.first_key_value().map_or(u64::MAX, |(&floor, _)| floor)
    }

    /// Whether a message that arrives is kept: some subscription gets it.
    pub(super) fn takes(&self, arrival: u64) -> bool {
        self.floor_lowest() <= arrival
    }

    /// Counts a message that is kept.
    pub(super) fn insert(&mut self, arrival: u64) {
        // Nothing arrives below a floor, but for what is replayed in another order than it was written.
        if self.floors.last_key_value().is_some_and(|(&floor, _)| floor > arrival) {
            self.restore(arrival, &[]);
        } else {
            self.inserted += 1;
        }
    }

    /// Counts a message of earlier that is found again: only those that are at or below it and not among `acknowledged` wait for it.
    /// Tells whether anyone does.
    pub(super) fn restore(&mut self, arrival: u64, acknowledged: &[SubscriptionId]) -> bool {
        self.inserted += 1;
        for position in self.subscriptions.values_mut().filter(|position| position.floor > arrival) {
            position.acknowledged += 1;
        }
        for id in acknowledged {
            if let Some(position) = self.subscriptions.get_mut(id)
                && position.floor <= arrival
                && position.beyond.insert(arrival)
            {
                position.acknowledged += 1;
                *self.exceptions.entry(arrival).or_default() += 1;
            }
        }
        !self.is_done(arrival)
    }

    /// Whether a subscription has not acknowledged a message that lives.
    pub(super) fn waits_for(&self, id: SubscriptionId, arrival: u64) -> bool {
        self.subscriptions.get(&id).is_some_and(|position| position.waits_for(arrival))
    }

    /// The subscriptions at or above whose floor a message lies and that have acknowledged it.
    pub(super) fn acknowledged_by(&self, arrival: u64) -> Vec<SubscriptionId> {
        if !self.exceptions.contains_key(&arrival) {
            return Vec::new();
        }
        let have = self.subscriptions.iter().filter(|(_, position)| position.beyond.contains(&arrival));
        have.map(|(&id, _)| id).collect()
    }

    /// Notes the acknowledgement of a message that lives; tells whether the subscription waited for it.
    pub(super) fn acknowledge(&mut self, id: SubscriptionId, arrival: u64) -> bool {
        let Some(position) = self.subscriptions.get_mut(&id) else { return false };
        if !position.waits_for(arrival) {
            return false;
        }
        position.acknowledged += 1;
        position.beyond.insert(arrival);
        *self.exceptions.entry(arrival).or_default() += 1;
        true
    }

    /// Whether nobody waits for a message: of those at or below it, as many have acknowledged it as there are.
    pub(super) fn is_done(&self, arrival: u64) -> bool {
        let have = self.have(arrival);
        let mut could = 0;
        for count in self.floors.range(..=arrival).map(|(_, count)| count) {
            could += count;
            if could > have {
                return false;
            }
        }
        true
    }

    /// How many of the subscriptions that there are have a message in `beyond`.
    fn have(&self, arrival: u64) -> u64 {
        let have = self.exceptions.get(&arrival).copied().unwrap_or_default();
        let left = self.leaving.iter().filter(|leaving| leaving.beyond.contains(&arrival)).count();
        have.saturating_sub(left as u64)
    }

    /// Notes that nobody waits for a message any more.
    pub(super) fn acknowledge_for_all(&mut self, arrival: u64) {
        for position in self.subscriptions.values_mut().filter(|position| position.waits_for(arrival)) {
            position.acknowledged += 1;
        }
    }

    /// What is kept of this: how many messages there ever were, and the positions.
    pub(crate) fn parts(&self) -> (u64, &BTreeMap<SubscriptionId, Position>) {
        (self.inserted, &self.subscriptions)
    }

    /// The topic of which this was kept.
    pub(crate) fn of_parts(inserted: u64, subscriptions: BTreeMap<SubscriptionId, Position>) -> Self {
        let mut topic = Self { inserted, subscriptions, ..Self::default() };
        for position in topic.subscriptions.values() {
            *topic.floors.entry(position.floor).or_default() += 1;
            for &arrival in &position.beyond {
                *topic.exceptions.entry(arrival).or_default() += 1;
            }
        }
        topic
    }

    /// Forgets a message that is done. As much work as the acknowledgements that made it so.
    pub(super) fn forget(&mut self, arrival: u64) {
        if self.exceptions.remove(&arrival).is_some() {
            for position in self.subscriptions.values_mut() {
                position.beyond.remove(&arrival);
            }
        }
    }

    /// Whether a subscription has acknowledged a message that is not below its floor.
    pub(super) fn has_exception(&self, id: SubscriptionId, arrival: u64) -> bool {
        self.subscriptions.get(&id).is_some_and(|position| position.beyond.contains(&arrival))
    }

    /// Raises a subscription's floor; every message below it is acknowledged.
    pub(super) fn raise_floor(&mut self, id: SubscriptionId, floor: u64) {
        let Some(position) = self.subscriptions.get_mut(&id) else { return };
        if floor <= position.floor {
            return;
        }
        drop_floor(&mut self.floors, position.floor);
        *self.floors.entry(floor).or_default() += 1;
        position.floor = floor;
        let kept = position.beyond.split_off(&floor);
        for arrival in std::mem::replace(&mut position.beyond, kept) {
            drop_exception(&mut self.exceptions, arrival);
        }
    }

    /// Lowers a subscription's floor. `between` are the arrivals of the live messages that it passes; the subscription has acknowledged
    /// them.
    pub(super) fn lower_floor(
        &mut self,
        id: SubscriptionId,
        floor: u64,
        between: impl IntoIterator<Item = u64>,
    ) {
        let Some(position) = self.subscriptions.get_mut(&id) else { return };
        drop_floor(&mut self.floors, position.floor);
        *self.floors.entry(floor).or_default() += 1;
        position.floor = floor;
        for arrival in between {
            if position.beyond.insert(arrival) {
                *self.exceptions.entry(arrival).or_default() += 1;
            }
        }
    }

    /// Forgets a message that some still wait for.
    pub(super) fn lose(&mut self, arrival: u64) {
        for position in self.subscriptions.values_mut().filter(|position| position.waits_for(arrival)) {
            position.acknowledged += 1;
        }
        self.forget(arrival);
    }

    /// Removes a subscription; what is done with it is found by [`Self::strike_off`]. Tells whether it was there.
    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) -> bool {
        let Some(position) = self.subscriptions.remove(&id) else { return false };
        drop_floor(&mut self.floors, position.floor);
        self.leaving.push_back(Leaving { beyond: position.beyond, from: position.floor });
        true
    }

    /// Whether there are subscriptions that are gone, and of whose exceptions not all are struck off.
    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Strikes off about so many exceptions of subscriptions that are gone. Tells how many it looked at, and gives the arrivals of messages
    /// for which nobody waits now, beside those below the lowest floor.
    pub(super) fn strike_off(&mut self, most: usize) -> (usize, Vec<u64>) {
        let mut left = most;
        let mut done = Vec::new();
        while left > 0
            && let Some(leaving) = self.leaving.front_mut()
        {
            while left > 0
                && let Some(arrival) = leaving.beyond.pop_first()
            {
                drop_exception(&mut self.exceptions, arrival);
                left -= 1;
            }
            let from = leaving.from;
            let looked_at: Vec<u64> =
                self.exceptions.range(from..).take(left).map(|(&arrival, _)| arrival).collect();
            left -= looked_at.len();
            match looked_at.last() {
                Some(last) => {
                    if let Some(leaving) = self.leaving.front_mut() {
                        leaving.from = last.saturating_add(1);
                    }
                    done.extend(looked_at.into_iter().filter(|&arrival| self.is_done(arrival)));
                }
                None if left > 0 => drop(self.leaving.pop_front()),
                None => {}
            }
        }
        (most - left, done)
    }

    /// Frees about so many entries of a topic that nobody asks any more; tells how many.
    pub(super) fn free(&mut self, most: usize) -> usize {
        let mut left = most;
        let positions = self.subscriptions.values_mut().map(|position| &mut position.beyond);
        for beyond in positions.chain(self.leaving.iter_mut().map(|leaving| &mut leaving.beyond)) {
            while left > 0 && beyond.pop_first().is_some() {
                left -= 1;
            }
        }
        while left > 0 && self.exceptions.pop_first().is_some() {
            left -= 1;
        }
        most - left
    }

    /// Whether little is left to be freed.
    pub(super) fn is_free(&self) -> bool {
        self.exceptions.is_empty()
    }

    /// How many live messages a subscription has not acknowledged.
    pub(super) fn waiting(&self, id: SubscriptionId) -> u64 {
        let waiting = |position: &Position| {
            self.inserted.saturating_sub(position.inserted_at_start).saturating_sub(position.acknowledged)
        };
        self.subscriptions.get(&id).map_or(0, waiting)
    }
}

fn drop_floor(floors: &mut BTreeMap<u64, u64>, floor: u64) {
    if let Some(count) = floors.get_mut(&floor) {
        *count -= 1;
        if *count == 0 {
            floors.remove(&floor);
        }
    }
}

fn drop_exception(exceptions: &mut BTreeMap<u64, u64>, arrival: u64) {
    if let Some(count) = exceptions.get_mut(&arrival) {
        *count -= 1;
        if *count == 0 {
            exceptions.remove(&arrival);
        }
    }
}
