//! Messages in memory, in the order of their cursors and by id: what has arrived since the last freeze.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use kahawai_store::names::{Cursor, DestinationId, MessageId};

use super::location::{Found, Location, Place};

type Order = BTreeMap<Cursor, (MessageId, Location)>;

/// Messages of any destinations.
#[derive(Debug, Default)]
pub(crate) struct Table {
    orders: BTreeMap<DestinationId, Order>,
    places: HashMap<MessageId, (DestinationId, Cursor)>,
}

/// What comes after a cursor, or everything.
pub(super) fn beyond(after: Option<Cursor>) -> (Bound<Cursor>, Bound<Cursor>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

fn found((&cursor, &(id, location)): (&Cursor, &(MessageId, Location))) -> Found {
    Found { id, cursor, location }
}

impl Table {
    pub(super) fn insert(&mut self, destination: DestinationId, message: Found) {
        self.places.insert(message.id, (destination, message.cursor));
        self.orders.entry(destination).or_default().insert(message.cursor, (message.id, message.location));
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Place> {
        let (destination, cursor) = self.places.remove(&id)?;
        let order = self.orders.get_mut(&destination)?;
        let (_, location) = order.remove(&cursor)?;
        if order.is_empty() {
            self.orders.remove(&destination);
        }
        Some(Place { destination, cursor, location })
    }

    pub(super) fn place(&self, id: MessageId) -> Option<Place> {
        let &(destination, cursor) = self.places.get(&id)?;
        let &(_, location) = self.orders.get(&destination)?.get(&cursor)?;
        Some(Place { destination, cursor, location })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// A destination's messages beyond a cursor, in order.
    pub(super) fn after(
        &self,
        destination: DestinationId,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = Found> {
        self.orders.get(&destination).into_iter().flat_map(move |order| order.range(beyond(after)).map(found))
    }

    /// Of a destination's messages that arrived at or after this number, the first to arrive.
    ///
    /// Ranks are few (ten at most, for JMS), so one look for each costs less than another order kept.
    pub(super) fn next_arrival(&self, destination: DestinationId, from: u64) -> Option<Found> {
        let order = self.orders.get(&destination)?;
        let mut first: Option<Found> = None;
        let mut rank = Some(0);
        while let Some(at) = rank {
            let Some((cursor, _)) = order.range(Cursor { rank: at, arrival: 0 }..).next() else { break };
            let at = cursor.rank;
            let ends = Cursor { rank: at, arrival: u64::MAX };
            let next = order.range(Cursor { rank: at, arrival: from }..=ends).next().map(found);
            if let Some(next) = next
                && first.is_none_or(|first| next.cursor.arrival < first.cursor.arrival)
            {
                first = Some(next);
            }
            rank = at.checked_add(1);
        }
        first
    }

    /// Every message, by destination and cursor.
    pub(super) fn all(&self) -> impl Iterator<Item = (DestinationId, Found)> {
        self.orders
            .iter()
            .flat_map(|(&destination, order)| order.iter().map(move |message| (destination, found(message))))
    }

    /// The first of a destination's messages, by cursor, that arrived below this number.
    pub(super) fn first_below(&self, destination: DestinationId, below: u64) -> Option<Found> {
        let order = self.orders.get(&destination)?;
        let mut rank = 0;
        loop {
            // Within a rank they stand in the order of their arrivals.
            let (cursor, message) = order.range(Cursor { rank, arrival: 0 }..).next()?;
            if cursor.arrival < below {
                return Some(found((cursor, message)));
            }
            rank = cursor.rank.checked_add(1)?;
        }
    }

    /// Takes out up to so many of a destination's messages that arrived below this number; tells how many.
    pub(super) fn take_out(
        &mut self,
        destination: DestinationId,
        below: u64,
        most: usize,
        told: &mut impl FnMut(Found),
    ) -> usize {
        let mut count = 0;
        while count < most
            && let Some(found) = self.first_below(destination, below)
        {
            self.remove(found.id);
            told(found);
            count += 1;
        }
        count
    }
}
