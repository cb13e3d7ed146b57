//! A consumer, and what it has and waits for.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, MessageId};

use super::backlog::Backlog;
use crate::core::clients::hand::Hand;
use crate::core::dispatch::filter::Filter;
use crate::core::keys::{ConnectionKey, DestinationKey, SourceKey};
use crate::core::policy::Policy;
use crate::core::spec::ConsumerSpec;

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) connection: ConnectionKey,
    pub(crate) spec: ConsumerSpec,
    /// That of the address it consumes from.
    pub(crate) policy: Arc<Policy>,
    pub(crate) filter: Filter,
    pub(crate) hand: Hand,
    pub(crate) sources: Vec<SourceKey>,
    pub(crate) topics: Vec<DestinationKey>,
    /// What of topics waits in memory.
    pub(crate) backlog: Backlog,
    /// How many may wait there.
    pub(crate) pending_messages_max: Option<usize>,
    /// How many messages it lost as too much waited.
    pub(crate) dropped: u64,
    pub(crate) slow: Slow,
    /// Which of its topics the store keeps for it.
    pub(crate) kept: Vec<Kept>,
    /// The store had no room to keep one: it is not asked again before this.
    pub(crate) keep_refused_until: i64,
    pub(crate) browser: Option<Browser>,
}

impl Consumer {
    /// Whether it can take what comes by way of a source: what waits in its own memory is older.
    pub(crate) fn takes_stored(&self) -> bool {
        self.backlog.is_empty() && self.hand.has_credit()
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
