//! A policy, with its defaults.

use kahawai_store::batch::Durability;

use super::dead_letters::DeadLetterStrategy;
use super::pending::PendingMessageLimit;
use super::prefetch::Prefetch;

/// What holds for a destination and for those who consume from it. It is chosen when the destination comes to be, anew when policies are replaced,
/// and once for a consumer, when it begins; see [`policies`](super::policies). Bytes are by the message's own reckoning (see [`kahawai_store::message::Message::size`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The most messages that one read asks of the store (`maxPageSize`).
    pub page_messages_max: usize,
    /// The most bytes that one read asks of the store.
    pub page_bytes_max: usize,
    /// The most bytes of waiting messages that a queue, or a topic's part of a subscription, holds in memory.
    pub window_bytes_max: usize,
    /// The most messages that wait in memory for it.
    pub window_messages_max: usize,
    /// The most bytes that wait in memory for one topic subscriber that is not durable. From half of it on the store keeps what comes. Where
    /// that cannot be (a temporary topic, no room), those who send are held back, and beyond the whole the oldest are dropped.
    pub topic_pending_bytes_max: usize,
    /// How long a slow topic subscriber may hold senders back, in milliseconds, before its messages are dropped instead.
    pub slow_subscriber_hold: i64,
    /// How many messages wait in memory for one topic subscriber that is not durable, before its oldest are dropped
    /// (`pendingMessageLimitStrategy`). What the store keeps for it is not counted.
    pub pending_message_limit: Option<PendingMessageLimit>,
    /// How often expired messages are looked for, in memory and in the store, in milliseconds; 0 for never (`expireMessagesPeriod`).
    pub expire_messages_period: i64,
    /// The most bytes of messages that it holds in memory (`memoryLimit`); where there is one, no bound of this policy in bytes is
    /// beyond it. Messages that are not persistent go by the store when a queue holds as much, until it has been emptied; to a temporary queue,
    /// which is not stored, no more can be sent then.
    pub memory_limit: Option<usize>,
    /// How many messages each kind of consumer takes in advance.
    pub prefetch: Prefetch,
    /// Whether it goes when nobody has used it for a time and it holds nothing (`gcInactiveDestinations`); looked at as often as the broker is told
    /// to (`schedulePeriodForDestinationPurge`).
    pub gc_inactive_destinations: bool,
    /// How long that time is, in milliseconds; with 0 it never goes (`inactiveTimeoutBeforeGC`).
    pub inactive_timeout_before_gc: i64,
    /// How durable what is sent to it, or taken from it, is when it is answered, where that is not as for the whole store (`journalDiskSyncStrategy`, which
    /// ActiveMQ has for a store alone). Of a batch for several destinations the strongest counts. Engines other than the journal do more.
    pub journal_disk_sync_strategy: Option<Durability>,
    /// What becomes of what expired or could not be consumed (`deadLetterStrategy`).
    pub dead_letters: DeadLetterStrategy,
}

/// The one place where defaults of policies are. They are ActiveMQ's where it has the option.
impl Default for Policy {
    fn default() -> Self {
        Self {
            page_messages_max: 200,
            page_bytes_max: 1 << 20,
            window_bytes_max: 4 << 20,
            window_messages_max: 2000,
            topic_pending_bytes_max: 8 << 20,
            slow_subscriber_hold: 10_000,
            pending_message_limit: None,
            expire_messages_period: 30_000,
            memory_limit: None,
            prefetch: Prefetch::default(),
            gc_inactive_destinations: false,
            inactive_timeout_before_gc: 60_000,
            journal_disk_sync_strategy: None,
            dead_letters: DeadLetterStrategy::default(),
        }
    }
}

impl Policy {
    /// Whether so many bytes are as much as the destination may hold.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        self.memory_limit.is_some_and(|limit| bytes >= limit)
    }

    /// The same, with every bound lowered to what bounds the whole.
    pub(super) fn bounded(self) -> Self {
        let Some(limit) = self.memory_limit else { return self };
        Self {
            window_bytes_max: self.window_bytes_max.min(limit),
            topic_pending_bytes_max: self.topic_pending_bytes_max.min(limit),
            ..self
        }
    }
}
