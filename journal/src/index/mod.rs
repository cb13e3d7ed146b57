//! The index: what exists, which messages live, in which order, and where their bytes are.
//!
//! Plain and synchronous: operations and places go in, places come out. The journal alone is the truth; all of this can be
//! had again by reading it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`location`] | where a message is, and what becomes of it: the words of all the others |
//! | [`state`] | what exists: small, always current |
//! | [`messages`] | which messages live, in which order |
//! | [`entries`] | where messages are held: in the table, a frozen table, runs |
//! | [`table`] | messages in memory |
//! | [`run`], [`write_run`] | messages in files that never change; writing and merging those |
//! | [`going`], [`sweep`] | what is gone for everyone and still counted; taking it out, in steps |
//! | [`topic`] | for each subscription of a topic, which messages it has acknowledged |
//! | [`segments`] | for each segment, how much of it lives |

mod entries;
pub(crate) mod going;
pub(crate) mod location;
pub(crate) mod merge_input;
pub(crate) mod messages;
pub(crate) mod run;
pub(crate) mod segments;
pub(crate) mod state;
mod sweep;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod topic;
pub(crate) mod write_run;

use kahawai_store::batch::Operation;
use kahawai_store::catalog::Rejection;
use kahawai_store::codec::Span;
use kahawai_store::contract::{DestinationState, ReadRequest, Recovered, SubscriptionState};
use kahawai_store::names::{DestinationId, Epoch, MessageId, SubscriptionId};

use crate::format::record::Trailer;
use crate::format::relocation::MESSAGE_OVERHEAD;
use crate::format::snapshot::Snapshot;
pub(crate) use location::{Found, Location, RecordAt};
use messages::Messages;
use segments::Live;
use state::State;

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
            batch_last: self.state.batch_last(),
            arrival_next: self.state.arrival_next(),
            damage,
        }
    }
}

/// What messages take in relocation records, each with its share of the record.
pub(crate) fn weight(live: Live) -> u64 {
    const SHARE: u64 = 7;
    live.bytes + live.count * (MESSAGE_OVERHEAD as u64 + SHARE)
}
