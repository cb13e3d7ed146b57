//! A policy, with its defaults.

use super::dead_letters::DeadLetterStrategy;

/// What holds for a destination and for those who consume from it. It is chosen once, when the destination comes to be or the
/// consumer begins; see [`policies`](super::policies). Bytes are by the message's own reckoning (see [`kahawai_store::message::Message::size`]).
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// How often expired messages are looked for, in memory and in the store, in milliseconds; 0 for never (`expireMessagesPeriod`).
    pub expire_messages_period: i64,
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
            expire_messages_period: 30_000,
            dead_letters: DeadLetterStrategy::default(),
        }
    }
}
