//! What one turn gathers, and what is done when the store has answered.

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::names::DestinationId;

use super::durable::DurableName;
use super::letters::Deferred;
use super::sent::{Sent, Settled, Waiter};
use super::transaction::Ending;
use crate::core::keys::{ConnectionKey, ConsumerKey, DestinationKey, RequestId, SourceKey};

/// What is gathered.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) sends: Vec<Operation>,
    pub(crate) sends_bytes: usize,
    /// The producer that was noted last among the sends, and where: a batch needs to say it once.
    pub(crate) noted: Option<(ByteString, usize)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) senders: Vec<Waiter>,
    pub(crate) acknowledgements: Vec<Operation>,
    pub(crate) settled: Vec<Settled>,
    pub(crate) acknowledgers: Vec<(ConnectionKey, RequestId)>,
}

/// What to do when a batch was committed.
#[derive(Debug)]
pub(crate) enum Completed {
    Nothing,
    /// A transaction that may never have got as far as the store.
    RolledBack,
    Sends {
        sent: Vec<Sent>,
        senders: Vec<Waiter>,
    },
    Acknowledgements {
        settled: Vec<Settled>,
        acknowledgers: Vec<(ConnectionKey, RequestId)>,
    },
    Created {
        destination: DestinationKey,
        id: DestinationId,
    },
    Transaction(Box<Ending>),
    /// A chunk of a large transaction.
    Chunk {
        connection: ConnectionKey,
        transaction: crate::core::spec::TransactionId,
        inflight: usize,
    },
    /// Dead letters: what left a source, and what arrived in the dead-letter queue.
    DeadLetters(Deferred),
    /// A message that was sent again: it was stored if its sequence still stands.
    Duplicate(Waiter),
    /// A commit that was sent again: it happened if it still stands.
    Recommitted {
        connection: ConnectionKey,
        request: Option<RequestId>,
        transaction: crate::core::spec::TransactionId,
    },
    Subscribed {
        connection: ConnectionKey,
        request: Option<RequestId>,
        consumer: Option<ConsumerKey>,
    },
    /// One topic of a durable subscription.
    Part {
        name: DurableName,
        source: SourceKey,
    },
    Answer {
        connection: ConnectionKey,
        request: Option<RequestId>,
    },
    /// The store keeps a topic for a subscriber that is not durable.
    Kept {
        consumer: ConsumerKey,
        source: SourceKey,
    },
    /// A client has left; what it had sent is done.
    Goodbye {
        connection: ConnectionKey,
        request: Option<RequestId>,
    },
    /// A browser may look: what was submitted before it came is done.
    Ordered(ConsumerKey),
}

/// Whom a page is for.
#[derive(Debug)]
pub(crate) enum ReadFor {
    Source(SourceKey),
    Browser(ConsumerKey, SourceKey),
    /// Expired messages are looked for.
    Sweep(SourceKey),
    /// One message that is to be buried.
    Condemned(SourceKey),
}
