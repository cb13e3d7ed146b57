//! Faults in what is applied.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, Mutant};
use crate::batch::{Batch, Operation, Outcome};
use crate::conformance::places::SOMEWHERE;
use crate::contract::{Committed, Completion};
use crate::names::{MessageId, Xid};

/// Far beyond the ids that the suite gives.
const COPY: u64 = 1 << 50;

impl Mutant {
    /// The operations that are applied in place of these.
    pub(super) fn change(&self, mut operations: Vec<Operation>) -> Vec<Operation> {
        match self.fault {
            Fault::Lost if is_sending(&operations) && self.is_time() => Vec::new(),
            Fault::Half if operations.len() > 1 && self.is_time() => {
                operations.truncate(operations.len() / 2);
                operations
            }
            _ => operations.into_iter().flat_map(|operation| self.change_one(operation)).collect(),
        }
    }

    /// Says where the messages stand that the operations in place of others name by their ids alone.
    pub(super) fn follow(&self, batch: &mut Batch, done: Completion<Committed>) -> Completion<Committed> {
        if !matches!(self.fault, Fault::CursorUnchecked | Fault::SubscriptionOffByOne) {
            return done;
        }
        batch.operations = lock(&self.places).fill(std::mem::take(&mut batch.operations));
        let (places, operations) = (self.places.clone(), batch.operations.clone());
        Completion::new(move |result: Result<Committed, _>| {
            if let Ok(committed) = &result {
                lock(&places).follow(&operations, Some(committed.arrival_first));
            }
            done.complete(result);
        })
    }

    fn change_one(&self, operation: Operation) -> Vec<Operation> {
        match (self.fault, operation) {
            (Fault::DuplicatedEnqueue, Operation::Enqueue { id, destination, rank, message }) => {
                let copy = Operation::Enqueue {
                    id: MessageId(id.0 + COPY),
                    destination,
                    rank,
                    message: message.clone(),
                };
                let sent = Operation::Enqueue { id, destination, rank, message };
                if self.is_time() { vec![sent, copy] } else { vec![sent] }
            }
            (Fault::ForgottenAcknowledgement, Operation::Acknowledge { .. }) if self.is_time() => vec![],
            (Fault::SubscriptionOffByOne, operation) => self.skip_first(operation),
            (Fault::RankForgotten, Operation::Enqueue { id, destination, message, .. }) => {
                vec![Operation::Enqueue { id, destination, rank: 0, message }]
            }
            (Fault::RankForgotten, Operation::Move { id, from, cursor, to, .. }) => {
                vec![Operation::Move { id, from, cursor, to, rank: 0 }]
            }
            (Fault::MoveInPlace, Operation::Move { from, to, .. }) if from == to => vec![],
            (Fault::CursorUnchecked, operation) => vec![forget_cursor(operation)],
            (Fault::ChunkLost, Operation::Prepare { xid, operations }) => {
                let first = self.note_prepared(&xid);
                let operations = if first { operations } else { vec![] };
                vec![Operation::Prepare { xid, operations }]
            }
            (Fault::ChunkLost, Operation::Decide { xid, outcome }) => {
                lock(&self.held).prepared.retain(|other| *other != xid);
                vec![Operation::Decide { xid, outcome }]
            }
            (Fault::RollbackIgnored, Operation::Decide { xid, .. }) => {
                vec![Operation::Decide { xid, outcome: Outcome::Commit }]
            }
            (Fault::EntryKept, Operation::Put { value: None, .. }) => vec![],
            (_, operation) => vec![operation],
        }
    }

    fn skip_first(&self, operation: Operation) -> Vec<Operation> {
        let mut subscribed = lock(&self.subscribed);
        match operation {
            Operation::Subscribe(subscription) => {
                subscribed.push(subscription.clone());
                vec![Operation::Subscribe(subscription)]
            }
            Operation::Enqueue { id, destination, rank, message } => {
                let mut changed = vec![Operation::Enqueue { id, destination, rank, message }];
                subscribed.retain(|subscription| {
                    let meant = subscription.destination == destination;
                    if meant {
                        let subscription = Some(subscription.id);
                        let cursor = SOMEWHERE;
                        changed.push(Operation::Acknowledge { destination, id, cursor, subscription });
                    }
                    !meant
                });
                changed
            }
            operation => vec![operation],
        }
    }

    fn note_prepared(&self, xid: &Xid) -> bool {
        let mut held = lock(&self.held);
        let first = !held.prepared.contains(xid);
        held.prepared.push(xid.clone());
        first
    }
}

fn forget_cursor(mut operation: Operation) -> Operation {
    match &mut operation {
        Operation::Acknowledge { cursor, .. } | Operation::Move { cursor, .. } => *cursor = SOMEWHERE,
        Operation::Prepare { operations, .. } => {
            *operations = std::mem::take(operations).into_iter().map(forget_cursor).collect();
        }
        _ => {}
    }
    operation
}

pub(super) fn is_sending(operations: &[Operation]) -> bool {
    !operations.is_empty()
        && operations.iter().all(|operation| matches!(operation, Operation::Enqueue { .. }))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
