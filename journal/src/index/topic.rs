//! A topic's messages, each held once, and for each subscription which of them it has acknowledged.
//!
//! A subscription is a position and exceptions: every live message that arrived before `floor` is acknowledged (or was there
//! before the subscription), and beyond it those in `beyond`. Acknowledging in order keeps `beyond` empty.

use std::collections::{BTreeMap, BTreeSet};

use kahawai_store::names::{Cursor, MessageId, SubscriptionId};

use super::queue::beyond;
use super::{Found, Location};

/// The live messages of one topic and its subscriptions.
#[derive(Debug, Default)]
pub(super) struct Topic {
    order: BTreeMap<Cursor, Message>,
    /// Arrival to rank: the other half of each cursor, to walk in the order of arrival.
    arrivals: BTreeMap<u64, u8>,
    subscriptions: BTreeMap<SubscriptionId, Position>,
}

#[derive(Debug)]
struct Message {
    id: MessageId,
    location: Location,
    /// How many subscriptions have not acknowledged it; at zero it goes.
    waiting: usize,
}

#[derive(Debug)]
struct Position {
    /// The arrival from which on the subscription gets messages.
    start: u64,
    floor: u64,
    beyond: BTreeSet<u64>,
    /// How many live messages it has not acknowledged.
    waiting: u64,
}

impl Position {
    fn waits_for(&self, arrival: u64) -> bool {
        arrival >= self.floor && !self.beyond.contains(&arrival)
    }
}

impl Topic {
    pub(super) fn subscribe(&mut self, id: SubscriptionId, start: u64) {
        self.subscriptions.insert(id, Position { start, floor: start, beyond: BTreeSet::new(), waiting: 0 });
    }

    pub(super) fn has(&self, id: SubscriptionId) -> bool {
        self.subscriptions.contains_key(&id)
    }

    pub(super) fn start_of(&self, id: SubscriptionId) -> Option<u64> {
        self.subscriptions.get(&id).map(|position| position.start)
    }

    /// Takes a message for every subscription; tells whether there is any, for otherwise it is not kept.
    pub(super) fn insert(&mut self, found: Found) -> bool {
        let arrival = found.cursor.arrival;
        let mut waiting = 0;
        for position in self.subscriptions.values_mut().filter(|position| position.waits_for(arrival)) {
            position.waiting += 1;
            waiting += 1;
        }
        if waiting > 0 {
            self.order.insert(found.cursor, Message { id: found.id, location: found.location, waiting });
            self.arrivals.insert(arrival, found.cursor.rank);
        }
        waiting > 0
    }

    /// Notes an acknowledgement; gives the message back when it was the last that was waited for.
    pub(super) fn acknowledge(&mut self, id: SubscriptionId, cursor: Cursor) -> Option<Found> {
        let position = self.subscriptions.get_mut(&id)?;
        if !self.order.contains_key(&cursor) || !position.waits_for(cursor.arrival) {
            return None;
        }
        position.waiting -= 1;
        position.beyond.insert(cursor.arrival);
        // The floor rises to the first live message that is still waited for; what is below needs no mention.
        let next = self.arrivals.range(position.floor..).map(|(&arrival, _)| arrival);
        let mut floor = cursor.arrival.saturating_add(1);
        for arrival in next {
            if !position.beyond.contains(&arrival) {
                floor = arrival;
                break;
            }
            floor = floor.max(arrival.saturating_add(1));
        }
        if floor > position.floor {
            position.floor = floor;
            position.beyond = position.beyond.split_off(&floor);
        }
        self.release(cursor)
    }

    /// Removes a subscription; gives the messages back that were waiting for it alone.
    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) -> Vec<Found> {
        let Some(position) = self.subscriptions.remove(&id) else { return Vec::new() };
        let waited: Vec<Cursor> = self
            .arrivals
            .range(position.floor..)
            .filter(|(arrival, _)| position.waits_for(**arrival))
            .map(|(&arrival, &rank)| Cursor { rank, arrival })
            .collect();
        waited.into_iter().filter_map(|cursor| self.release(cursor)).collect()
    }

    /// One subscription less waits for a message.
    fn release(&mut self, cursor: Cursor) -> Option<Found> {
        let message = self.order.get_mut(&cursor)?;
        message.waiting -= 1;
        if message.waiting > 0 {
            return None;
        }
        let message = self.order.remove(&cursor)?;
        self.arrivals.remove(&cursor.arrival);
        Some(Found { id: message.id, cursor, location: message.location })
    }

    pub(super) fn after(&self, id: SubscriptionId, after: Option<Cursor>) -> impl Iterator<Item = Found> {
        let position = self.subscriptions.get(&id);
        self.order
            .range(beyond(after))
            .filter(move |(cursor, _)| position.is_some_and(|position| position.waits_for(cursor.arrival)))
            .map(|(&cursor, message)| Found { id: message.id, cursor, location: message.location })
    }

    pub(super) fn count(&self) -> u64 {
        self.order.len() as u64
    }

    pub(super) fn count_for(&self, id: SubscriptionId) -> u64 {
        self.subscriptions.get(&id).map_or(0, |position| position.waiting)
    }

    pub(super) fn into_found(self) -> Vec<Found> {
        let found = |(cursor, message): (Cursor, Message)| Found {
            id: message.id,
            cursor,
            location: message.location,
        };
        self.order.into_iter().map(found).collect()
    }
}
