//! A consumer, and what it has and waits for.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, MessageId};

use crate::core::address::Address;
use crate::core::dispatch::filter::Filter;
use crate::core::dispatch::window::Position;
use crate::core::effects::Payload;
use crate::core::keys::{ConnectionKey, DestinationKey, SourceKey};
use crate::core::spec::ConsumerSpec;

/// A message that a consumer has and has not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Dispatched {
    pub(crate) id: MessageId,
    /// Counts deliveries to this consumer.
    pub(crate) serial: u64,
    /// Where it goes back to; topics take nothing back.
    pub(crate) source: Option<SourceKey>,
    pub(crate) position: Position,
    /// `None` where memory is short: it is read again when needed.
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) redeliveries: u32,
    pub(crate) stored: bool,
    /// The client had it before it lost its last connection, and has said that it keeps it.
    pub(crate) replayed: bool,
}

/// What waits for a topic's subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: MessageId,
    pub(crate) destination: Arc<Address>,
    pub(crate) payload: Payload,
}

/// A request for one message, of a consumer without prefetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull {
    /// When it ends with nothing; `None` for never.
    pub(crate) deadline: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) connection: ConnectionKey,
    pub(crate) spec: ConsumerSpec,
    pub(crate) filter: Filter,
    pub(crate) prefetch: usize,
    /// How many of the dispatched messages do not count against the prefetch: the client has them in hand.
    pub(crate) extension: usize,
    pub(crate) pull: Option<Pull>,
    pub(crate) sources: Vec<SourceKey>,
    pub(crate) topics: Vec<DestinationKey>,
    pub(crate) dispatched: VecDeque<Dispatched>,
    pub(crate) serial: u64,
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) pending_bytes: usize,
    pub(crate) dropped: u64,
    pub(crate) slow: Slow,
    /// Which of its topics the store keeps for it.
    pub(crate) kept: Vec<Kept>,
    /// The store had no room to keep one: it is not asked again before this.
    pub(crate) keep_refused_until: i64,
    pub(crate) browser: Option<Browser>,
}

impl Consumer {
    pub(crate) fn has_credit(&self) -> bool {
        if self.prefetch == 0 {
            self.pull.is_some()
        } else {
            self.dispatched.len() < self.prefetch.saturating_add(self.extension)
        }
    }

    /// Whether it can take what comes by way of a source: what waits in its own memory is older.
    pub(crate) fn takes_stored(&self) -> bool {
        self.pending.is_empty() && self.has_credit()
    }

    /// Whether what is stored of a topic comes to it by way of the store.
    pub(crate) fn is_kept(&self, topic: DestinationKey) -> bool {
        self.kept.iter().any(|kept| kept.topic == topic && kept.active)
    }
}

/// How far a browser has got.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    /// Which of the consumer's queues is being shown.
    pub(crate) source: usize,
    pub(crate) after: Option<Cursor>,
    /// Everything that the store was given before it is answered.
    pub(crate) ordered: bool,
    pub(crate) reading: bool,
    /// What the store holds of this queue was read.
    pub(crate) stored_seen: bool,
    /// Read and not shown yet.
    pub(crate) buffer: VecDeque<(SourceKey, MessageId, Arc<Message>)>,
    pub(crate) ended: bool,
}

impl Browser {
    /// Whether the store was asked for something, a page or to come after what is under way, and has not answered.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading
    }
}

/// A topic of a subscriber, as far as the store keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) topic: DestinationKey,
    pub(crate) source: SourceKey,
    /// The store has the subscription: what is committed from now on comes by it.
    pub(crate) active: bool,
}

/// A slow subscriber's part in holding senders back.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    /// The connections it holds back.
    pub(crate) senders: BTreeSet<ConnectionKey>,
    /// When it began to.
    pub(crate) deadline: Option<i64>,
    /// It did not catch up in time.
    pub(crate) given_up: bool,
}
