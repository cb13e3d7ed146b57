//! How durable what a batch does is to be, by the destinations it concerns.

use std::collections::HashMap;

use kahawai_store::batch::{Durability, Operation};
use kahawai_store::names::DestinationId;

/// The levels that policies ask for. Where none does, nothing is looked up.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// The store's own.
    usual: Durability,
    by_destination: HashMap<DestinationId, Durability>,
}

impl Levels {
    /// None but the store's own.
    pub(crate) fn new(usual: Durability) -> Self {
        Self { usual, by_destination: HashMap::new() }
    }

    /// A destination has a name in the store, and a policy with or without a level: in place of what was noted before.
    pub(crate) fn note(&mut self, destination: DestinationId, level: Option<Durability>) {
        match level.filter(|level| *level != self.usual) {
            Some(level) => self.by_destination.insert(destination, level),
            None => self.by_destination.remove(&destination),
        };
    }

    /// A destination is gone.
    pub(crate) fn forget(&mut self, destination: DestinationId) {
        self.by_destination.remove(&destination);
    }

    /// The strongest level that the operations ask for; `None` where that is the store's own.
    pub(crate) fn of(&self, operations: &[Operation]) -> Option<Durability> {
        if self.by_destination.is_empty() {
            return None;
        }
        self.strongest(operations).filter(|level| *level != self.usual)
    }

    /// `None` where nothing of it concerns a destination.
    fn strongest(&self, operations: &[Operation]) -> Option<Durability> {
        let of =
            |destination: &DestinationId| self.by_destination.get(destination).copied().unwrap_or(self.usual);
        let levels = operations.iter().filter_map(|operation| match operation {
            Operation::Enqueue { destination, .. } | Operation::Acknowledge { destination, .. } => {
                Some(of(destination))
            }
            Operation::Move { from, to, .. } => Some(of(from).max(of(to))),
            Operation::Prepare { operations, .. } => self.strongest(operations),
            // It goes with what it was noted for.
            Operation::Put { .. } => None,
            // What exists, and what becomes of a transaction, is no single destination's.
            _ => Some(self.usual),
        });
        levels.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_level_of_a_batch_counts_and_the_stores_own_goes_without_saying() {
        use Durability::{Always, Never, Periodic};
        let (usual, weak, strong) = (DestinationId(1), DestinationId(2), DestinationId(3));
        let enqueue = |destination: DestinationId| Operation::Enqueue {
            id: kahawai_store::names::MessageId(1),
            destination,
            rank: 4,
            message: Default::default(),
        };
        let put = || Operation::Put { table: "t".into(), key: "k".into(), value: None };
        let mut levels = Levels::new(Periodic);
        assert_eq!(levels.of(&[enqueue(weak)]), None);
        levels.note(weak, Some(Never));
        levels.note(strong, Some(Always));
        levels.note(usual, None);
        for (operations, expected) in [
            (vec![enqueue(usual)], None),
            (vec![put()], None),
            (vec![enqueue(weak), put()], Some(Never)),
            (vec![enqueue(weak), enqueue(usual)], None),
            (vec![enqueue(weak), enqueue(strong)], Some(Always)),
            (vec![Operation::RemoveDestination(weak)], None),
        ] {
            assert_eq!(levels.of(&operations), expected, "{operations:?}");
        }
        levels.forget(weak);
        assert_eq!(levels.of(&[enqueue(weak)]), None);
        levels.note(strong, None);
        assert_eq!(levels.of(&[enqueue(strong)]), None, "another policy, without a level");
    }
}
