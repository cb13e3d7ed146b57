//! Where messages stand, followed beside a store, for tests that name messages by their ids.

use std::collections::{BTreeMap, HashMap};

use crate::batch::{Operation, Outcome};
use crate::names::{Cursor, DestinationId, MessageId, Xid};

/// Stands in an operation for the cursor of its message, until [`Places::fill`] puts it there. Nothing ever stands at it.
pub const SOMEWHERE: Cursor = Cursor { rank: u8::MAX, arrival: u64::MAX };

/// Where the messages of a store were last put, by the operations it took. It does not forget what is gone: a message is acknowledged
/// where it stood.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The arrival number to come; `None` where it is not known.
    next: Option<u64>,
    stands: HashMap<MessageId, (DestinationId, Cursor)>,
    prepared: BTreeMap<Xid, Vec<Operation>>,
}

impl Places {
    /// Whether it is known which arrival number is next: without, what a batch itself brings cannot be found in it.
    pub fn is_synchronous(&self) -> bool {
        self.next.is_some()
    }

    /// Sets the arrival number to come, as [`crate::contract::Committed::arrival_first`] of an empty batch tells it; `None` where it is
    /// not known, as after opening the store again.
    pub fn synchronize(&mut self, next: Option<u64>) {
        self.next = next;
    }

    /// Where a message was last put.
    pub fn of(&self, id: MessageId) -> Option<Cursor> {
        self.stands.get(&id).map(|(_, cursor)| *cursor)
    }

    /// The operations with the cursors that are known in place of [`SOMEWHERE`].
    pub fn fill(&self, mut operations: Vec<Operation>) -> Vec<Operation> {
        if let [operation] = &mut operations[..] {
            self.fill_one(operation);
        } else if operations.iter().any(asks) {
            let mut ahead = self.clone();
            for operation in &mut operations {
                ahead.fill_one(operation);
                ahead.follow_one(operation);
            }
        }
        operations
    }

    /// Takes note of a batch that the store took: of its operations as they were filled, and of its first arrival, `None` where the
    /// answer is still to come.
    pub fn follow(&mut self, operations: &[Operation], arrival_first: Option<u64>) {
        self.next = arrival_first.or(self.next);
        for operation in operations {
            self.follow_one(operation);
        }
    }

    fn fill_one(&self, operation: &mut Operation) {
        match operation {
            Operation::Acknowledge { id, cursor, .. } | Operation::Move { id, cursor, .. }
                if *cursor == SOMEWHERE =>
            {
                *cursor = self.of(*id).unwrap_or(SOMEWHERE);
            }
            Operation::Prepare { operations, .. } => {
                operations.iter_mut().for_each(|operation| self.fill_one(operation));
            }
            _ => {}
        }
    }

    fn follow_one(&mut self, operation: &Operation) {
        match operation {
            Operation::Enqueue { id, destination, rank, .. } => {
                let end = self.take_arrival(*rank);
                self.put(*id, *destination, end);
            }
            Operation::Move { id, from, cursor, to, rank } => {
                let end = self.take_arrival(*rank);
                if self.stands.get(id) == Some(&(*from, *cursor)) {
                    self.put(*id, *to, end);
                }
            }
            Operation::Prepare { xid, operations } => {
                self.prepared.entry(xid.clone()).or_default().extend(operations.iter().cloned());
            }
            Operation::Decide { xid, outcome } => {
                let operations = self.prepared.remove(xid).unwrap_or_default();
                if *outcome == Outcome::Commit {
                    operations.iter().for_each(|operation| self.follow_one(operation));
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, id: MessageId, destination: DestinationId, cursor: Option<Cursor>) {
        match cursor {
            Some(cursor) => self.stands.insert(id, (destination, cursor)),
            None => self.stands.remove(&id),
        };
    }

    fn take_arrival(&mut self, rank: u8) -> Option<Cursor> {
        let arrival = self.next?;
        self.next = Some(arrival + 1);
        Some(Cursor { rank, arrival })
    }
}

/// Whether an operation says [`SOMEWHERE`].
fn asks(operation: &Operation) -> bool {
    match operation {
        Operation::Acknowledge { cursor, .. } | Operation::Move { cursor, .. } => *cursor == SOMEWHERE,
        Operation::Prepare { operations, .. } => operations.iter().any(asks),
        _ => false,
    }
}
