//! A transaction, and what remains of it while the store answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::message::Message;
use kahawai_store::names::Xid;

use super::dispatched::Dispatched;
use super::sent::{Sent, Settled};
use crate::core::address::Address;
use crate::core::failure::Failure;
use crate::core::keys::{ConnectionKey, ConsumerKey, DestinationKey, RequestId};
use crate::core::spec::TransactionId;

#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) address: Address,
    pub(crate) message: Arc<Message>,
}

#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) sends: Vec<Prepared>,
    pub(crate) bytes: usize,
    pub(crate) acknowledged: Vec<(ConsumerKey, Dispatched)>,
    /// How many of them were prepared already.
    pub(crate) acknowledged_spooled: usize,
    pub(crate) sequences: Vec<(ByteString, i64)>,
    /// What was prepared in the store already.
    pub(crate) spooled: Option<Spooled>,
    /// Chunks that the store has not answered. The decision waits for them: it must not commit what one of them lacks.
    pub(crate) chunks: usize,
    /// The request to commit that waits so.
    pub(crate) committing: Option<Option<RequestId>>,
    /// Why it can only be rolled back.
    pub(crate) spoiled: Option<Failure>,
}

impl Transaction {
    /// Whether nothing was ever said in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty()
            && self.acknowledged.is_empty()
            && self.sequences.is_empty()
            && self.spooled.is_none()
            && self.spoiled.is_none()
    }
}

/// What remains to be done when a transaction's batch has been answered.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) connection: ConnectionKey,
    pub(crate) transaction: TransactionId,
    pub(crate) request: Option<RequestId>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) memory_only: Vec<(DestinationKey, Arc<Message>)>,
    pub(crate) settled: Vec<Settled>,
    pub(crate) acknowledged: Vec<(ConsumerKey, Dispatched)>,
    pub(crate) spooled: Option<Spooled>,
    pub(crate) inflight: usize,
    pub(crate) sequences: Vec<(ByteString, i64)>,
}

#[derive(Debug)]
pub(crate) struct Spooled {
    pub(crate) xid: Xid,
    /// Whether the store was given anything of it.
    pub(crate) prepared: bool,
    /// Whatever it names: those where something arrives, and those of what it acknowledges.
    pub(crate) destinations: BTreeSet<DestinationKey>,
    /// What is not stored, and what topics' subscribers get, who are not served from the store.
    pub(crate) publish: Vec<Published>,
    pub(crate) publish_bytes: usize,
    pub(crate) enqueues: u64,
}

/// What is given out by memory when a transaction is committed.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) destination: DestinationKey,
    pub(crate) message: Arc<Message>,
    /// The store has it too.
    pub(crate) stored: bool,
}
