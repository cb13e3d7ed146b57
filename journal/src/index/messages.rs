//! Which messages live, in which order, and where their bytes are.
//!
//! Large, and behind [`super::state::State`] while it is rebuilt. It follows [`Change`]s in the order of the log.

use std::collections::HashMap;
use std::sync::Arc;

use kahawai_store::batch::DestinationKind;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};

use super::entries::Entries;
use super::going::Going;
use super::location::{Change, Found, Location, Place, RecordAt};
use super::merge_input::MergeInput;
use super::run::{Fault, Run};
use super::segments::{Live, LiveCounts};
use super::table::Table;
use super::topic::Topic;
use crate::format::name::FileName;
use crate::format::relocation::Relocation;

/// The live messages of all destinations.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(super) entries: Entries,
    /// How many messages each destination that exists has; on a topic also those that are going.
    pub(super) counts: HashMap<DestinationId, u64>,
    pub(super) topics: HashMap<DestinationId, Topic>,
    topic_of: HashMap<SubscriptionId, DestinationId>,
    /// What lives, and what is going.
    pub(super) live: LiveCounts,
    pub(super) going: Going,
    /// Whether what goes is taken out by and by.
    pub(super) sweeps_later: bool,
}

/// What a checkpoint keeps beside the runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) counts: HashMap<DestinationId, u64>,
    pub(crate) topics: HashMap<DestinationId, Topic>,
    pub(crate) live: LiveCounts,
}

impl Messages {
    /// Follows a change.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Begin { destination, kind } => {
                // No number is given twice, says the contract; were one, what it named before is not to come back.
                self.sweep_destination_whole(destination);
                self.counts.entry(destination).or_default();
                if kind == DestinationKind::Topic {
                    self.topics.entry(destination).or_default();
                }
            }
            Change::Remove(destination) => self.remove_destination(destination),
            Change::Subscribe { topic, id, start } => {
                if let Some(found) = self.topics.get_mut(&topic) {
                    found.subscribe(id, start);
                    self.topic_of.insert(id, topic);
                }
            }
            Change::Unsubscribe(id) => self.unsubscribe(id),
            Change::Insert { destination, id, cursor, location } => {
                self.insert(destination, Found { id, cursor, location });
            }
            Change::Acknowledge { destination, id, cursor, subscription: None } => {
                self.take_from_queue(destination, id, cursor);
            }
            Change::Acknowledge { destination, id, cursor, subscription: Some(subscription) } => {
                self.acknowledge(destination, id, cursor, subscription);
            }
            Change::Move { id, from, cursor, to, end } => {
                if self.is_queue(to)
                    && let Some(location) = self.take_from_queue(from, id, cursor)
                {
                    self.keep(to, Found { id, cursor: end, location });
                }
            }
        }
    }

    /// Where a live message stands.
    pub(crate) fn place(&self, id: MessageId) -> Option<Place> {
        self.entries.place(id).filter(|place| self.is_kept(place.destination, place.cursor.arrival))
    }

    /// Whether a message that is there is not going.
    fn is_kept(&self, destination: DestinationId, arrival: u64) -> bool {
        self.going.is_empty()
            || match self.topics.get(&destination) {
                Some(topic) => topic.floor_lowest() <= arrival,
                None => self.counts.contains_key(&destination),
            }
    }

    /// Notes that a live message's bytes are elsewhere now, unless they are not where they were thought to be; tells whether.
    pub(crate) fn relocate(&mut self, id: MessageId, from: &Location, to: Location) -> bool {
        let Some(place) = self.place(id).filter(|place| place.location == *from) else { return false };
        self.entries.remove(id);
        self.live.remove(from);
        self.live.add(&to);
        self.entries.insert(place.destination, Found { id, cursor: place.cursor, location: to });
        true
    }

    /// Takes in a message again that stood in a part of the log that is gone, as a relocation of it says. `acknowledged` names the
    /// subscriptions of its topic at or above whose floor it lies and that have acknowledged it.
    pub(crate) fn restore(
        &mut self,
        destination: DestinationId,
        message: Found,
        acknowledged: &[SubscriptionId],
    ) {
        if !self.counts.contains_key(&destination) || self.entries.place(message.id).is_some() {
            return;
        }
        let arrival = message.cursor.arrival;
        if let Some(topic) = self.topics.get_mut(&destination)
            && !topic.restore(arrival, acknowledged)
        {
            topic.forget(arrival);
            return;
        }
        self.keep(destination, message);
    }

    /// Follows a relocation record: what is known is found there from now on, and what is not, since the segment that held it is gone,
    /// begins there.
    pub(crate) fn follow(&mut self, relocation: &Relocation, at: RecordAt) {
        for (subscription, floor) in &relocation.floors {
            self.set_floor(*subscription, *floor);
        }
        for message in &relocation.messages {
            let location = Location { segment: at.segment, record: at.offset, span: message.span };
            match self.place(message.id) {
                Some(place) => {
                    self.relocate(message.id, &place.location, location);
                }
                None => {
                    let found = Found { id: message.id, cursor: message.cursor, location };
                    self.restore(message.destination, found, &message.acknowledged);
                }
            }
        }
    }

    /// Forgets a message whose bytes are lost.
    pub(crate) fn lose(&mut self, id: MessageId) {
        if let Some(place) = self.drop_message(id)
            && let Some(topic) = self.topics.get_mut(&place.destination)
        {
            topic.lose(place.cursor.arrival);
        }
    }

    /// Every message that lives in a segment, found by looking at all of them: for a segment whose own bytes do not tell any more.
    pub(crate) fn living_in(&self, segment: u64) -> Vec<(DestinationId, MessageId)> {
        let within = self.entries.within(segment).into_iter();
        let is_kept =
            |destination: &DestinationId, found: &Found| self.is_kept(*destination, found.cursor.arrival);
        let all = within
            .filter(|(destination, found)| found.location.segment == segment && is_kept(destination, found));
        all.map(|(destination, found)| (destination, found.id)).collect()
    }

    /// Brings a subscription's floor to where a relocation says it was.
    ///
    /// Reading the log, a floor may have risen too far: over messages that were not known yet, as the segments that held them are
    /// gone and their relocation is still to come.
    fn set_floor(&mut self, subscription: SubscriptionId, floor: u64) {
        let Some(destination) = self.topic_of.get(&subscription).copied() else { return };
        let Some(topic) = self.topics.get_mut(&destination) else { return };
        let Some(risen) = topic.floor_of(subscription) else { return };
        if risen <= floor {
            return self.raise_floor(subscription, floor);
        }
        let mut between = Vec::new();
        let mut from = floor;
        while let Some(next) = self.entries.next_arrival(destination, from)
            && next.cursor.arrival < risen
        {
            between.push(next.cursor.arrival);
            from = next.cursor.arrival + 1;
        }
        topic.lower_floor(subscription, floor, between);
    }

    /// Raises a subscription's floor: what lies below it is acknowledged.
    pub(crate) fn raise_floor(&mut self, subscription: SubscriptionId, floor: u64) {
        let Some(destination) = self.topic_of.get(&subscription).copied() else { return };
        let Some(mut from) = self.topics.get(&destination).and_then(|topic| topic.floor_of(subscription))
        else {
            return;
        };
        while let Some(next) = self.entries.next_arrival(destination, from)
            && next.cursor.arrival < floor
        {
            from = next.cursor.arrival + 1;
            if let Some(topic) = self.topics.get_mut(&destination) {
                topic.acknowledge(subscription, next.cursor.arrival);
            }
        }
        let lowest = self.topics.get(&destination).map_or(0, Topic::floor_lowest);
        if let Some(topic) = self.topics.get_mut(&destination) {
            topic.raise_floor(subscription, floor);
        }
        self.drop_below_floors(destination, lowest);
    }

    /// The subscriptions of a topic and their floors, in the order of their ids: below its floor, a subscription waits for nothing.
    pub(crate) fn floors(&self, topic: DestinationId) -> impl Iterator<Item = (SubscriptionId, u64)> {
        self.topics.get(&topic).into_iter().flat_map(Topic::floors)
    }

    /// The subscriptions of a topic at or above whose floor a message lies and that have acknowledged it.
    pub(crate) fn acknowledged_by(&self, topic: DestinationId, arrival: u64) -> Vec<SubscriptionId> {
        self.topics.get(&topic).map_or_else(Vec::new, |topic| topic.acknowledged_by(arrival))
    }

    /// What lives in a segment.
    pub(crate) fn live_in(&self, segment: u64) -> Live {
        self.live.of(segment)
    }

    /// What lives in all of them.
    pub(crate) fn live_total(&self) -> Live {
        self.live.total()
    }

    /// How many messages a destination has: on a topic those that some subscription waits for, and what is going.
    pub(crate) fn count(&self, destination: DestinationId) -> u64 {
        self.counts.get(&destination).copied().unwrap_or_default()
    }

    /// How many messages wait for a subscription.
    pub(crate) fn waiting(&self, subscription: SubscriptionId) -> u64 {
        let topic = self.topic_of.get(&subscription).and_then(|topic| self.topics.get(topic));
        topic.map_or(0, |topic| topic.waiting(subscription))
    }

    /// A queue's messages, or those that wait for a subscription, beyond a cursor, in order.
    pub(crate) fn after(
        &self,
        destination: DestinationId,
        subscription: Option<SubscriptionId>,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = Found> {
        let waits_for = move |arrival| match subscription {
            None => true,
            Some(id) => self.topics.get(&destination).is_some_and(|topic| topic.waits_for(id, arrival)),
        };
        self.entries.after(destination, after).filter(move |found| waits_for(found.cursor.arrival))
    }

    /// How many messages the table in memory holds.
    pub(crate) fn table_count(&self) -> usize {
        self.entries.table_count()
    }

    /// What was found wrong with the index on disk, if anything: then nothing it says may be used.
    pub(crate) fn fault(&self) -> &Fault {
        self.entries.fault()
    }

    /// Sets the table aside to be written into a run; see [`Self::install`].
    pub(crate) fn freeze(&mut self) -> Option<Arc<Table>> {
        self.entries.freeze()
    }

    /// The frozen table could not be written, and nothing has happened since: it is the table again.
    pub(crate) fn thaw(&mut self) {
        self.entries.thaw();
    }

    /// The frozen table is in this run now. Gives the table back, to be dropped where that holds nobody up.
    pub(crate) fn install(&mut self, run: Arc<Run>) -> Option<Arc<Table>> {
        self.entries.install(run)
    }

    /// The runs in use, with what is gone from them.
    pub(crate) fn runs(&self) -> Vec<MergeInput> {
        self.entries.runs()
    }

    /// How many bytes the runs in use take.
    pub(crate) fn run_bytes(&self) -> u64 {
        self.entries.run_bytes()
    }

    /// The names of the runs in use.
    pub(crate) fn run_names(&self) -> Vec<FileName> {
        self.entries.run_names()
    }

    /// Runs to be merged, if that is worth it.
    pub(crate) fn choose_merge(&mut self) -> Vec<MergeInput> {
        self.entries.choose_merge()
    }

    /// These runs were merged into this one.
    pub(crate) fn install_merged(&mut self, inputs: &[MergeInput], run: Arc<Run>) {
        self.entries.install_merged(inputs, run);
    }

    /// What a checkpoint keeps of this beside the runs.
    pub(crate) fn kept(&self) -> Kept {
        debug_assert!(self.going.is_empty(), "a checkpoint holds nothing that is gone");
        Kept { counts: self.counts.clone(), topics: self.topics.clone(), live: self.live.clone() }
    }

    /// Takes over what a checkpoint kept. Destinations and subscriptions are there already.
    pub(crate) fn adopt(&mut self, kept: Kept, runs: Vec<(Arc<Run>, Vec<u64>)>) {
        let Kept { counts, topics, live } = kept;
        (self.counts, self.topics, self.live) = (counts, topics, live);
        self.topic_of.clear();
        for (&destination, topic) in &self.topics {
            self.topic_of.extend(topic.floors().map(|(id, _)| (id, destination)));
        }
        for (run, gone) in runs {
            self.entries.adopt(run, gone);
        }
    }

    /// Drops what stands in segments up to this number: they were released, so that all of it was done with.
    pub(crate) fn drop_released(&mut self, segment: u64) {
        if self.live.up_to(segment).count == 0 {
            return;
        }
        for (destination, found) in self.entries.within(segment) {
            if let Some(topic) = self.topics.get_mut(&destination) {
                topic.acknowledge_for_all(found.cursor.arrival);
            }
            self.drop_published(destination, found.cursor.arrival, found.id);
        }
    }

    fn is_queue(&self, destination: DestinationId) -> bool {
        self.counts.contains_key(&destination) && !self.topics.contains_key(&destination)
    }

    fn insert(&mut self, destination: DestinationId, message: Found) {
        let arrival = message.cursor.arrival;
        if let Some(topic) = self.topics.get_mut(&destination) {
            if !topic.takes(arrival) {
                return;
            }
            topic.insert(arrival);
        } else if !self.counts.contains_key(&destination) {
            return;
        }
        self.keep(destination, message);
    }

    fn keep(&mut self, destination: DestinationId, message: Found) {
        self.live.add(&message.location);
        *self.counts.entry(destination).or_default() += 1;
        self.entries.insert(destination, message);
    }

    /// Removes a message that is done.
    fn drop_message(&mut self, id: MessageId) -> Option<Place> {
        let place = self.entries.remove(id)?;
        self.live.remove(&place.location);
        if let Some(count) = self.counts.get_mut(&place.destination) {
            *count -= 1;
        }
        Some(place)
    }

    /// Whether a live message stands there, and not elsewhere.
    fn stands(&self, destination: DestinationId, id: MessageId, cursor: Cursor) -> bool {
        self.place(id).is_some_and(|place| place.destination == destination && place.cursor == cursor)
    }

    fn take_from_queue(&mut self, queue: DestinationId, id: MessageId, cursor: Cursor) -> Option<Location> {
        if !self.is_queue(queue) || !self.stands(queue, id, cursor) {
            return None;
        }
        self.drop_message(id).map(|place| place.location)
    }

    fn acknowledge(
        &mut self,
        destination: DestinationId,
        id: MessageId,
        cursor: Cursor,
        subscription: SubscriptionId,
    ) {
        if !self.stands(destination, id, cursor) {
            return;
        }
        let Some(topic) = self.topics.get_mut(&destination) else { return };
        let arrival = cursor.arrival;
        if !topic.acknowledge(subscription, arrival) {
            return;
        }
        let lowest = topic.floor_lowest();
        self.advance_floor(destination, subscription);
        self.drop_below_floors(destination, lowest);
        if self.topics.get(&destination).is_some_and(|topic| topic.is_done(arrival)) {
            self.drop_published(destination, arrival, id);
        }
    }

    /// Raises a subscription's floor to the next live message that it has not acknowledged.
    fn advance_floor(&mut self, destination: DestinationId, subscription: SubscriptionId) {
        let Some(topic) = self.topics.get(&destination) else { return };
        let Some(mut floor) = topic.floor_of(subscription) else { return };
        while let Some(next) = self.entries.next_arrival(destination, floor) {
            let arrival = next.cursor.arrival;
            if !topic.has_exception(subscription, arrival) {
                floor = arrival;
                break;
            }
            floor = arrival.saturating_add(1);
        }
        if let Some(topic) = self.topics.get_mut(&destination) {
            topic.raise_floor(subscription, floor);
        }
    }

    /// Drops the messages between the lowest floor as it was and as it is.
    fn drop_below_floors(&mut self, destination: DestinationId, from: u64) {
        let lowest = self.topics.get(&destination).map_or(0, Topic::floor_lowest);
        let mut from = from;
        while from < lowest
            && let Some(next) = self.entries.next_arrival(destination, from)
            && next.cursor.arrival < lowest
        {
            from = next.cursor.arrival + 1;
            self.drop_published(destination, next.cursor.arrival, next.id);
        }
    }

    fn drop_published(&mut self, destination: DestinationId, arrival: u64, id: MessageId) {
        self.drop_message(id);
        if let Some(topic) = self.topics.get_mut(&destination) {
            topic.forget(arrival);
        }
    }

    fn unsubscribe(&mut self, id: SubscriptionId) {
        let Some(destination) = self.topic_of.remove(&id) else { return };
        let Some(topic) = self.topics.get_mut(&destination) else { return };
        if topic.unsubscribe(id) {
            self.going.topics.insert(destination);
            self.sweep_unless_later();
        }
    }

    fn remove_destination(&mut self, destination: DestinationId) {
        if self.counts.remove(&destination).is_none() {
            return;
        }
        let topic = self.topics.remove(&destination);
        if topic.is_some() {
            self.topic_of.retain(|_, topic| *topic != destination);
        }
        self.going.topics.remove(&destination);
        self.going.destinations.insert(destination, topic.unwrap_or_default());
        self.sweep_unless_later();
    }

    fn sweep_unless_later(&mut self) {
        if !self.sweeps_later {
            self.sweep_all();
        }
    }
}
