//! A queue's messages in the order of their cursors.

use std::collections::BTreeMap;
use std::ops::Bound;

use kahawai_store::names::{Cursor, MessageId};

use super::{Found, Location};

/// The live messages of one queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<Cursor, (MessageId, Location)>,
}

/// What comes after a cursor, or everything.
pub(super) fn beyond(after: Option<Cursor>) -> (Bound<Cursor>, Bound<Cursor>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

impl Queue {
    pub(super) fn insert(&mut self, found: Found) {
        self.order.insert(found.cursor, (found.id, found.location));
    }

    pub(super) fn remove(&mut self, cursor: Cursor) -> Option<Location> {
        self.order.remove(&cursor).map(|(_, location)| location)
    }

    pub(super) fn after(&self, after: Option<Cursor>) -> impl Iterator<Item = Found> {
        self.order.range(beyond(after)).map(|(&cursor, &(id, location))| Found { id, cursor, location })
    }

    pub(super) fn count(&self) -> u64 {
        self.order.len() as u64
    }

    pub(super) fn into_found(self) -> Vec<Found> {
        self.after(None).collect()
    }
}
