//! How much a broker may send ahead.

/// How many messages a broker may send to a consumer ahead of acknowledgement, by what it consumes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefetchPolicy {
    /// For queues.
    pub queue: u32,
    /// For topics.
    pub topic: u32,
    /// For durable subscriptions.
    pub durable_topic: u32,
}

impl PrefetchPolicy {
    /// Largest prefetch (ActiveMQ's `MAX_PREFETCH_SIZE`).
    pub const LIMIT: u32 = 32_767;

    /// The same for all.
    pub fn all(prefetch: u32) -> Self {
        Self { queue: prefetch, topic: prefetch, durable_topic: prefetch }
    }
}

impl Default for PrefetchPolicy {
    /// ActiveMQ's: 1000, 32767 and 100.
    fn default() -> Self {
        Self { queue: 1000, topic: Self::LIMIT, durable_topic: 100 }
    }
}
