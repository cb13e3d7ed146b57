//! The `Store` trait: commit, read, recover.
//!
//! Calls are submitted and completed: a call returns at once, and its [`Completion`] is called exactly once,
//! on a thread of the engine's, which it must not hold up. No call blocks on the disk, the database or the network.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use thiserror::Error;

use crate::batch::{Batch, Destination, Durability, DurabilityState, Operation, Subscription};
use crate::catalog::Rejection;
use crate::codec::batch_size;
use crate::message::Message;
use crate::names::{BatchName, Cursor, DestinationId, Epoch, MessageId, SubscriptionId, Xid};

/// Where everything durable goes.
///
/// Implementations are shared among threads and order the calls themselves: batches apply in the order in
/// which `commit` was called, and their completions are called in that order.
pub trait Store: Send + Sync {
    /// Applies a batch: all of its operations or none.
    ///
    /// **Durable on completion**: when `done` is called with `Ok`, the batch survives a crash of the process and of
    /// the machine, at the batch's [`Durability`] or the engine's configured one, and mastership was proven after it was written. When it is
    /// called with an error that [leaves the outcome unknown](StoreError::outcome_unknown), the batch may or may
    /// not be found by the next master.
    ///
    /// **Concurrency**: any number of batches may be in flight; they share flushes.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] and [`StoreError::Full`] concern this batch alone and nothing of it was applied.
    /// Every other error is final: the same answer is given to every later call.
    fn commit(&self, batch: Batch, done: Completion<Committed>);

    /// Reads the next messages of a queue, or of a subscription of a topic, upward from a cursor.
    ///
    /// Shows what every batch completed before this call has done; never shows what is not yet durable, at its level.
    /// A message that a subscription has acknowledged is passed over.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where the destination or subscription does not exist; otherwise as `commit`. A message
    /// whose bytes are no longer what was written does not fail the page: it is named in [`Page::damaged`].
    fn read(&self, request: ReadRequest, done: Completion<Page>);

    /// Tells what the store holds: destinations, subscriptions, prepared transactions, tables, counts.
    ///
    /// As of every batch completed before this call. Meant for start-up and for tools; its cost grows with what
    /// exists, not with the backlog.
    fn recover(&self, done: Completion<Recovered>);

    /// What this engine can take.
    fn limits(&self) -> Limits;

    /// Gives the engine a bell to ring after each group of batches that it has answered with `Ok`, so that its caller sees to all of them at
    /// once. Tells whether it will: an engine that does not answer in groups need not. To be called once, before the first batch.
    ///
    /// **When**: after the last completion of the group was called, before the engine waits for anything again. It is no promise for reads,
    /// nor for completions that were called with an error or dropped: who waits for those sees to it in the completion.
    ///
    /// **Where**: on any thread, also inside [`Store::commit`]. What is rung must return soon and must not wait for whoever may be inside of a
    /// call of this store.
    fn ring(&self, bell: Bell) -> bool {
        let _ = bell;
        false
    }

    /// How durable what was completed is, now. Cheap: may be asked for at any time.
    fn durability(&self) -> DurabilityState {
        DurabilityState { level: Durability::Always, bytes_at_risk: 0 }
    }

    /// Closes the store in good order: batches submitted before are completed, later calls get
    /// [`StoreError::Closed`]. Blocks until everything is on disk and threads have ended. May be called twice.
    fn close(&self);
}

/// See [`Store::ring`].
pub type Bell = Arc<dyn Fn() + Send + Sync>;

/// What an engine can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that the operations of one batch may take, by [`crate::codec::batch_size`], unless the batch is a
    /// single `Enqueue` (alone or with `Put`s beside it), or a single `Prepare` of a single `Enqueue`: one message may be
    /// larger than a batch. Larger transactions go by `Prepare` in chunks and one `Decide`.
    pub batch_bytes_max: usize,
    /// The most bytes that one message may take, by [`Message::size`].
    pub message_bytes_max: usize,
}

impl Limits {
    /// Whether a batch of these operations keeps the limits. One rule for all engines.
    ///
    /// # Errors
    /// [`Rejection::TooLarge`] with what exceeded which limit.
    pub fn check(&self, operations: &[Operation]) -> Result<(), Rejection> {
        let message_max = message_size_max(operations);
        if message_max > self.message_bytes_max {
            return Err(Rejection::TooLarge { size: message_max, limit: self.message_bytes_max });
        }
        let size = batch_size(operations) - if is_one_message(operations) { message_max } else { 0 };
        if size > self.batch_bytes_max {
            return Err(Rejection::TooLarge { size, limit: self.batch_bytes_max });
        }
        Ok(())
    }
}

/// Whether a batch brings one message and nothing else of any size, so that the message alone decides how large it is.
fn is_one_message(operations: &[Operation]) -> bool {
    if let [Operation::Prepare { operations, .. }] = operations {
        return matches!(operations[..], [Operation::Enqueue { .. }]);
    }
    let enqueues =
        operations.iter().filter(|operation| matches!(operation, Operation::Enqueue { .. })).count();
    let puts = operations.iter().filter(|operation| matches!(operation, Operation::Put { .. })).count();
    enqueues == 1 && enqueues + puts == operations.len()
}

/// The size of the largest message among the operations, prepared ones included.
fn message_size_max(operations: &[Operation]) -> usize {
    let sizes = operations.iter().map(|operation| match operation {
        Operation::Enqueue { message, .. } => message.size(),
        Operation::Prepare { operations, .. } => message_size_max(operations),
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}

/// What a batch got when it committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The arrival number of the batch's first `Enqueue` or `Move` (where it has none, of the next to come); the following ones count up from it, those of
    /// a transaction decided in the batch standing where `Decide` stands.
    pub arrival_first: u64,
    /// What the batch is called, in each copy of the store. None where the engine names no batches, before it was told a term: see
    /// [`crate::replica::Replica::begin_term`].
    pub name: BatchName,
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The queue or topic.
    pub destination: DestinationId,
    /// The subscription, for a topic.
    pub subscription: Option<SubscriptionId>,
    /// Messages beyond this cursor only; `None` from the start.
    pub after: Option<Cursor>,
    /// At most this many messages. Zero is answered with an empty page.
    pub messages_max: usize,
    /// Stops before the message that would exceed this sum of [`Message::size`], but gives at least one.
    pub bytes_max: usize,
}

/// A message found by reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its name.
    pub id: MessageId,
    /// Where it stands.
    pub cursor: Cursor,
    /// The message.
    pub message: Arc<Message>,
}

/// What a read found, in the order of cursors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<StoredMessage>,
    /// Whether nothing stood behind the last of them at the time.
    pub end: bool,
    /// Messages that stand in this page and cannot be read, because their bytes are not what was written. They stay where
    /// they are for the tools; whoever reads passes them over and says so.
    pub damaged: Vec<(MessageId, Cursor)>,
}

impl Page {
    /// The last cursor of the page, that of a damaged message included: where the next page goes on. `None` where the
    /// page is empty.
    pub fn cursor_last(&self) -> Option<Cursor> {
        let readable = self.messages.last().map(|stored| stored.cursor);
        readable.max(self.damaged.last().map(|(_, cursor)| *cursor))
    }
}

/// A destination and what waits in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationState {
    /// The destination.
    pub destination: Destination,
    /// Messages that are kept: on a queue those not acknowledged, on a topic those at least one subscription
    /// has not acknowledged.
    pub messages: u64,
}

/// A durable subscription and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// The subscription.
    pub subscription: Subscription,
    /// Messages that it has not acknowledged (before any selector).
    pub messages: u64,
}

/// A transaction that is prepared and not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its id.
    pub xid: Xid,
    /// What it acknowledges or moves away if it commits: to be held back from delivery. Each once.
    pub acknowledges: Vec<(DestinationId, MessageId, Option<SubscriptionId>)>,
    /// How many messages it sends if it commits.
    pub enqueues: u64,
}

impl Prepared {
    /// What these prepared operations will do, whatever holds their messages.
    pub fn of<'a, M: 'a>(xid: &Xid, operations: impl IntoIterator<Item = &'a Operation<M>>) -> Self {
        let mut prepared = Self { xid: xid.clone(), acknowledges: Vec::new(), enqueues: 0 };
        for operation in operations {
            match operation {
                Operation::Enqueue { .. } => prepared.enqueues += 1,
                Operation::Acknowledge { destination, id, subscription, .. } => {
                    prepared.acknowledges.push((*destination, *id, *subscription));
                }
                Operation::Move { id, from, .. } => prepared.acknowledges.push((*from, *id, None)),
                _ => {}
            }
        }
        prepared.acknowledges.sort_unstable();
        prepared.acknowledges.dedup();
        prepared
    }
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// The table.
    pub table: ByteString,
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// What a store holds. Every list is in ascending order of its ids or keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The epoch under which the store is open.
    pub epoch: Epoch,
    /// The destinations.
    pub destinations: Vec<DestinationState>,
    /// The durable subscriptions.
    pub subscriptions: Vec<SubscriptionState>,
    /// The transactions that wait for a decision.
    pub prepared: Vec<Prepared>,
    /// The tables' entries, by table and key.
    pub tables: Vec<TableEntry>,
    /// Greater than every message id the store has ever been given.
    pub message_id_next: MessageId,
    /// Greater than every destination id the store has ever been given.
    pub destination_id_next: DestinationId,
    /// Greater than every subscription id the store has ever been given.
    pub subscription_id_next: SubscriptionId,
    /// The name of the last batch, or of the last that was named; see [`Committed::name`].
    pub batch_last: BatchName,
    /// Greater than every arrival number the store has ever given.
    pub arrival_next: u64,
    /// What recovery found damaged, in words for an operator: place, destination, message ids. Empty when sound.
    pub damage: Vec<String>,
}

/// Why a call came to nothing, and what that asks of the caller.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The batch or request breaks a rule of the contract. Nothing of it was applied; the store goes on. A bug of the caller's.
    #[error("rejected: {0}")]
    Rejected(#[from] Rejection),
    /// There is no room. Nothing of the batch was applied; batches that only acknowledge go on being taken. Hold senders back and try
    /// again later.
    #[error("store full: {0}")]
    Full(Arc<str>),
    /// Another master has claimed the store, or mastership could not be proven. Answer nobody and step down.
    #[error("mastership of epoch {epoch} lost: {reason}")]
    Lost {
        /// The epoch that was ours.
        epoch: Epoch,
        /// What was found.
        reason: Arc<str>,
    },
    /// A write or flush failed. Nothing more is written. Answer nobody, step down, let another open the store.
    #[error("store failed and was stopped: {0}")]
    Failed(Arc<str>),
    /// The store was closed.
    #[error("store closed")]
    Closed,
}

impl StoreError {
    /// Whether a batch answered with this error may nevertheless be found by the next master.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Failed(_) | Self::Closed)
    }
}

/// What to call with the answer: exactly once, on any thread. Dropped uncalled, it answers [`StoreError::Closed`],
/// so that an engine that dies owes nobody an answer.
pub struct Completion<T>(Option<Answer<T>>);

type Answer<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

impl<T> Completion<T> {
    /// Calls this with the answer. It runs on a thread of the engine's: it must return soon and must not wait
    /// for another call of the same store.
    pub fn new(answer: impl FnOnce(Result<T, StoreError>) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// Gives the answer.
    pub fn complete(mut self, result: Result<T, StoreError>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(StoreError::Closed));
        }
    }
}

impl<T> std::fmt::Debug for Completion<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Completion")
    }
}

/// Conveniences over [`Store`] for callers that may block: tests, tools, start-up. Never for the broker's executor.
pub trait StoreWait: Store {
    /// Commits and waits.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn commit_wait(&self, batch: Batch) -> Result<Committed, StoreError> {
        wait(|done| self.commit(batch, done))
    }

    /// Reads and waits.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn read_wait(&self, request: ReadRequest) -> Result<Page, StoreError> {
        wait(|done| self.read(request, done))
    }

    /// Recovers and waits.
    ///
    /// # Errors
    /// As [`Store::recover`].
    fn recover_wait(&self) -> Result<Recovered, StoreError> {
        wait(|done| self.recover(done))
    }
}

impl<S: Store + ?Sized> StoreWait for S {}

pub(crate) fn wait<T: Send + 'static>(submit: impl FnOnce(Completion<T>)) -> Result<T, StoreError> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    submit(Completion::new(move |result| {
        let _ = sender.send(result);
    }));
    receiver.recv().unwrap_or(Err(StoreError::Closed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Outcome;

    #[test]
    fn one_message_may_be_larger_than_a_batch_and_two_may_not() {
        let limits = Limits { batch_bytes_max: 1000, message_bytes_max: 10_000 };
        let enqueue = |bytes: usize| {
            let message = Message { body: vec![0; bytes].into(), ..Message::default() };
            let (id, destination) = (MessageId(1), DestinationId(1));
            Operation::Enqueue { id, destination, rank: 0, message: Arc::new(message) }
        };
        let xid = || Xid { format: 1, global: Bytes::from_static(b"g"), branch: Bytes::new() };
        let prepare = |operations| Operation::Prepare { xid: xid(), operations };
        let put = Operation::Put { table: "t".into(), key: Bytes::new(), value: None };
        let acknowledge = Operation::Acknowledge {
            destination: DestinationId(1),
            id: MessageId(2),
            cursor: Cursor { rank: 0, arrival: 2 },
            subscription: None,
        };
        let decide = Operation::Decide { xid: xid(), outcome: Outcome::Commit };
        for (operations, fits) in [
            (vec![enqueue(5000)], true),
            (vec![enqueue(5000), put.clone()], true),
            (vec![prepare(vec![enqueue(5000)])], true),
            (vec![enqueue(5000), acknowledge.clone()], false),
            (vec![enqueue(5000), enqueue(1)], false),
            (vec![prepare(vec![enqueue(5000), put])], false),
            (vec![prepare(vec![enqueue(5000), acknowledge])], false),
            (vec![prepare(vec![enqueue(5000)]), decide], false),
            (vec![prepare(vec![enqueue(5000)]), prepare(vec![enqueue(5000)])], false),
            (vec![prepare(vec![enqueue(11_000)])], false),
            (vec![prepare(vec![enqueue(100), enqueue(100)])], true),
        ] {
            assert_eq!(limits.check(&operations).is_ok(), fits, "{operations:?}");
        }
    }
}
