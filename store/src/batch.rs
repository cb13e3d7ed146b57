//! The operations, and the batch that applies them as one.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::message::Message;
use crate::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

/// Whether a message goes to one consumer or to every subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DestinationKind {
    /// Each message is acknowledged once and gone.
    Queue = 0,
    /// Each message is kept until every subscription it reached has acknowledged it.
    Topic = 1,
}

/// A queue or a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name for life.
    pub id: DestinationId,
    /// Queue or topic.
    pub kind: DestinationKind,
    /// Its physical name, unique among its kind.
    pub name: ByteString,
}

/// A durable subscription on one topic. A client's subscription to a pattern is one of these for each topic
/// it matches, all with the same client id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its name for life.
    pub id: SubscriptionId,
    /// The topic.
    pub destination: DestinationId,
    /// The JMS client id.
    pub client_id: ByteString,
    /// The subscription's name. Client id, name and destination together are unique.
    pub name: ByteString,
    /// Which messages it wants. The store keeps the text; whoever reads applies it.
    pub selector: Option<ByteString>,
    /// Whether messages of its own connection are left out; applied by whoever reads.
    pub no_local: bool,
}

/// How a prepared transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its operations are applied, as if they stood in the batch that decides.
    Commit,
    /// Its operations are forgotten.
    Rollback,
}

/// One change to the store.
///
/// Each `Enqueue` and each `Move`, in order, takes the store's next arrival number, also where it comes to
/// nothing (a topic without subscriptions, a message that is gone).
///
/// Whoever acknowledges or moves a message says where it stands, so that no engine needs to find a message by its id alone. The cursor is
/// the one that a page gave ([`crate::contract::StoredMessage::cursor`]), or the rank it was sent with and its arrival, counted from
/// [`crate::contract::Committed::arrival_first`]. It is known once the batch that brought the message there is answered, and so not to
/// whoever means to acknowledge in the same batch.
///
/// `M` is how the message itself is held: shared in memory, or as a [`crate::codec::Span`] of an encoded batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<M = Arc<Message>> {
    /// A destination exists from here on. Rejected if its id, or its kind and name, are in use.
    CreateDestination(Destination),
    /// A destination is gone, with its messages and subscriptions. Rejected if it does not exist or a prepared
    /// transaction names it.
    RemoveDestination(DestinationId),
    /// A subscription exists from here on and gets every message that arrives at its topic after this
    /// operation. Rejected if its id, or its client id, name and destination, are in use, or the destination
    /// is no topic.
    Subscribe(Subscription),
    /// A subscription is gone; messages that waited for it alone are gone too. Rejected if it does not exist.
    Unsubscribe(SubscriptionId),
    /// A message arrives. On a topic it is kept once, for all subscriptions of that moment; without any it is
    /// not kept. Rejected if the destination does not exist. That the id is new is the caller's promise.
    Enqueue {
        /// The message's name for life.
        id: MessageId,
        /// Where it arrives.
        destination: DestinationId,
        /// Its rank there; see [`crate::names::Cursor::rank`].
        rank: u8,
        /// The message.
        message: M,
    },
    /// A message is done with, for one subscription of a topic or for its queue. It is named by destination, cursor and id together:
    /// where the message does not stand there (any more), or the destination or the subscription is no more, this comes to nothing.
    /// Never rejected.
    Acknowledge {
        /// Where it is.
        destination: DestinationId,
        /// The message.
        id: MessageId,
        /// Where it stands there; see [`Operation`].
        cursor: Cursor,
        /// For whom; `None` on a queue.
        subscription: Option<SubscriptionId>,
    },
    /// A message goes from one queue to the end of another and keeps its name. Comes to nothing where the message
    /// does not stand in `from` at this cursor; rejected if `to` does not exist or either is a topic.
    Move {
        /// The message.
        id: MessageId,
        /// The queue it is in.
        from: DestinationId,
        /// Where it stands there; see [`Operation`].
        cursor: Cursor,
        /// The queue it goes to.
        to: DestinationId,
        /// Its rank there.
        rank: u8,
    },
    /// Operations are kept, not applied, under a transaction's id. May come several times for one transaction,
    /// in chunks. Only `Enqueue`, `Acknowledge`, `Move` and `Put` can be prepared. The messages that a prepared
    /// transaction acknowledges can still be read; whoever reads holds them back.
    Prepare {
        /// The transaction.
        xid: Xid,
        /// What it will do if it commits.
        operations: Vec<Operation<M>>,
    },
    /// A prepared transaction ends. Rejected if it is not known.
    Decide {
        /// The transaction.
        xid: Xid,
        /// How it ends.
        outcome: Outcome,
    },
    /// A value under a key in a small table, or nothing any more. For what must live with the messages: the last
    /// sequence of a producer, schedules, a bridge's position. All of it is held in memory by whoever recovers.
    Put {
        /// The table.
        table: ByteString,
        /// The key.
        key: Bytes,
        /// The value; `None` removes it.
        value: Option<Bytes>,
    },
}

/// Operations that apply together or not at all, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// Whether somebody waits for it. Not kept: it says nothing of what is stored.
    pub urgency: Urgency,
    /// How durable it is to be when it completes; `None` as the store is configured. Not kept either. An engine may do more.
    pub durability: Option<Durability>,
}

/// How durable a batch is when it completes. The names are those of KahaDB's `journalDiskSyncStrategy`.
///
/// What is less than [`Durability::Always`] survives the death of the process, and may be lost with the machine's: the last of it, and
/// never a part of a batch, nor one before another that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// It is given to the operating system, which writes it when it likes.
    Never,
    /// The same, and it is flushed within an interval.
    Periodic,
    /// It is on the disk.
    #[default]
    Always,
}

impl std::fmt::Display for Durability {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Never => "never",
            Self::Periodic => "periodic",
            Self::Always => "always",
        })
    }
}

/// How durable what a store completed is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurabilityState {
    /// The level of batches that name none.
    pub level: Durability,
    /// How many bytes of the log were completed and are not on the disk: lost if the machine died now. Zero where no batch asked for
    /// less than [`Durability::Always`].
    pub bytes_at_risk: u64,
}

/// Whether somebody waits for a batch to be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody does: the engine makes it durable as soon as it can.
    #[default]
    Now,
    /// Nobody does (an acknowledgement without an answer): the engine may let it share the next flush that somebody waits
    /// for, but completes it within some milliseconds. Order and atomicity are the same.
    Soon,
}

impl Batch {
    /// A batch of these operations, for which somebody waits.
    pub fn new(operations: Vec<Operation>) -> Self {
        Self { operations, urgency: Urgency::Now, durability: None }
    }

    /// A batch of these operations, for which nobody waits.
    pub fn unhurried(operations: Vec<Operation>) -> Self {
        Self { operations, urgency: Urgency::Soon, durability: None }
    }

    /// The same batch, to be as durable as this when it completes: the strongest level of the destinations it concerns.
    #[must_use]
    pub fn durable(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }
}

impl From<Operation> for Batch {
    fn from(operation: Operation) -> Self {
        Self::new(vec![operation])
    }
}

/// The messages that operations bring, prepared ones included, in their order: id, destination, and the message.
pub fn messages_of<M>(operations: &[Operation<M>]) -> impl Iterator<Item = (MessageId, DestinationId, &M)> {
    // Prepared operations hold nothing prepared: two levels, and nothing to recurse into.
    operations
        .iter()
        .flat_map(|operation| match operation {
            Operation::Prepare { operations, .. } => operations.as_slice(),
            operation => std::slice::from_ref(operation),
        })
        .filter_map(|operation| match operation {
            Operation::Enqueue { id, destination, message, .. } => Some((*id, *destination, message)),
            _ => None,
        })
}

impl<M> Operation<M> {
    /// The same operation with its messages held another way; `change` is told whose each is.
    ///
    /// # Errors
    /// The first that `change` gives.
    pub fn try_map_message<N, E>(
        self,
        change: &mut impl FnMut(MessageId, M) -> Result<N, E>,
    ) -> Result<Operation<N>, E> {
        Ok(match self {
            Self::Enqueue { id, destination, rank, message } => {
                Operation::Enqueue { id, destination, rank, message: change(id, message)? }
            }
            Self::Prepare { xid, operations } => {
                let operations = operations
                    .into_iter()
                    .map(|operation| operation.try_map_message(change))
                    .collect::<Result<_, _>>()?;
                Operation::Prepare { xid, operations }
            }
            Self::CreateDestination(destination) => Operation::CreateDestination(destination),
            Self::RemoveDestination(id) => Operation::RemoveDestination(id),
            Self::Subscribe(subscription) => Operation::Subscribe(subscription),
            Self::Unsubscribe(id) => Operation::Unsubscribe(id),
            Self::Acknowledge { destination, id, cursor, subscription } => {
                Operation::Acknowledge { destination, id, cursor, subscription }
            }
            Self::Move { id, from, cursor, to, rank } => Operation::Move { id, from, cursor, to, rank },
            Self::Decide { xid, outcome } => Operation::Decide { xid, outcome },
            Self::Put { table, key, value } => Operation::Put { table, key, value },
        })
    }
}
