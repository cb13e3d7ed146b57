//! The index: what exists, which messages live, in which order, and where their bytes are.
//!
//! Plain and synchronous: operations and places go in, places come out. The journal alone is the truth; all of this can be
//! had again by reading it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | what exists: small, always current |
//! | [`messages`] | which messages live, in which order |
//! | [`entries`] | where messages are held: in the table, a frozen table, runs |
//! | [`table`] | messages in memory |
//! | [`run`], [`write_run`] | messages in files that never change; writing and merging those |
//! | [`topic`] | for each subscription of a topic, which messages it has acknowledged |
//! | [`segments`] | for each segment, how much of it lives |

mod entries;
pub(crate) mod messages;
pub(crate) mod run;
pub(crate) mod segments;
pub(crate) mod state;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod topic;
pub(crate) mod write_run;

use kahawai_store::batch::{DestinationKind, Operation};
use kahawai_store::catalog::Rejection;
use kahawai_store::codec::Span;
use kahawai_store::contract::{DestinationState, ReadRequest, Recovered, SubscriptionState};
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId};

use crate::format::record::Trailer;
use crate::format::relocation::MESSAGE_OVERHEAD;
use crate::format::snapshot::Snapshot;
use messages::Messages;
use segments::Live;
use state::State;

/// Where a message's bytes are: a record, and a span of the batch in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Where the record begins in the segment.
    pub(crate) record: u64,
    /// Where the message stands in the batch.
    pub(crate) span: Span,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordAt {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// A message that was found in a destination, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: MessageId,
    pub(crate) cursor: Cursor,
    pub(crate) location: Location,
}

/// Where a message that was found by its id stands, and where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) destination: DestinationId,
    pub(crate) cursor: Cursor,
    pub(crate) location: Location,
}

/// What a batch does to messages, once its arrivals are numbered and its transactions resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A destination exists.
    Begin { destination: DestinationId, kind: DestinationKind },
    /// A destination is gone, with its messages and subscriptions.
    Remove(DestinationId),
    /// A subscription gets what arrives from `start` on.
    Subscribe { topic: DestinationId, id: SubscriptionId, start: u64 },
    /// A subscription is gone.
    Unsubscribe(SubscriptionId),
    /// A message arrives.
    Insert { destination: DestinationId, id: MessageId, cursor: Cursor, location: Location },
    /// A message is done with.
    Acknowledge { destination: DestinationId, id: MessageId, subscription: Option<SubscriptionId> },
    /// A message goes to the end of another queue.
    Move { id: MessageId, from: DestinationId, to: DestinationId, cursor: Cursor },
}

/// What lives in the store.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) state: State,
    pub(crate) messages: Messages,
}

impl Index {
    /// Whether a segment holds anything that lives.
    pub(crate) fn is_live(&self, segment: u64) -> bool {
        self.messages.live_in(segment).count > 0 || self.state.prepared_in(segment) > 0
    }

    /// What lives, in bytes of the log: each message with what a relocation record takes for it, and what is prepared.
    pub(crate) fn live_bytes(&self) -> u64 {
        weight(self.messages.live_total()) + self.state.prepared_bytes()
    }

    /// The same of one segment, but for what is prepared.
    pub(crate) fn live_bytes_in(&self, segment: u64) -> u64 {
        weight(self.messages.live_in(segment))
    }

    /// Applies a batch that stands in a record, in the order of the log. The catalogue has admitted it already.
    ///
    /// What names something unknown comes to nothing: after damage the log may hold the consequences of what was lost.
    pub(crate) fn apply(
        &mut self,
        operations: Vec<Operation<Span>>,
        at: RecordAt,
        trailer: Trailer<Vec<Operation<Span>>>,
    ) {
        let messages = &mut self.messages;
        self.state.apply(operations, at, trailer, &mut |change| messages.apply(change));
    }

    /// Brings what exists to what a snapshot says. Where the log before it was read whole, nothing changes.
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot, operations: &[Operation<Span>]) {
        let messages = &mut self.messages;
        self.state.adopt(snapshot, operations, &mut |change| messages.apply(change));
    }

    /// The next messages of a queue or a subscription, at most `messages_max`; whether more stand behind them.
    ///
    /// Messages whose arrival is not below `visible` are passed over: their batch is not durable yet.
    ///
    /// # Errors
    /// Where the request names what does not exist.
    pub(crate) fn read(&self, request: &ReadRequest, visible: u64) -> Result<(Vec<Found>, bool), Rejection> {
        self.state.catalog().check_read(request.destination, request.subscription)?;
        let wanted = request.messages_max.saturating_add(1);
        let mut found: Vec<Found> = self
            .messages
            .after(request.destination, request.subscription, request.after)
            .filter(|found| found.cursor.arrival < visible)
            .take(wanted)
            .collect();
        let end = found.len() < wanted;
        found.truncate(request.messages_max);
        Ok((found, end))
    }

    /// What the store holds, as the contract tells it.
    pub(crate) fn recovered(&self, epoch: Epoch, damage: Vec<String>) -> Recovered {
        let catalog = self.state.catalog();
        let destinations = catalog.destinations().map(|destination| DestinationState {
            destination: destination.clone(),
            messages: self.messages.count(destination.id),
        });
        let subscriptions = catalog.subscriptions().map(|subscription| SubscriptionState {
            subscription: subscription.clone(),
            messages: self.messages.waiting(subscription.id),
        });
        let (message_id_next, destination_id_next, subscription_id_next) = self.state.ids_next();
        Recovered {
            epoch,
            destinations: destinations.collect(),
            subscriptions: subscriptions.collect(),
            prepared: self.state.prepared().collect(),
            tables: self.state.tables().collect(),
            message_id_next: MessageId(message_id_next),
            destination_id_next: DestinationId(destination_id_next),
            subscription_id_next: SubscriptionId(subscription_id_next),
            damage,
        }
    }
}

/// What messages take in relocation records, each with its share of the record.
pub(crate) fn weight(live: Live) -> u64 {
    const SHARE: u64 = 7;
    live.bytes + live.count * (MESSAGE_OVERHEAD as u64 + SHARE)
}
