//! What bounds the broker's memory, whatever clients do and however much is stored.

/// Bounds. Bytes are by the message's own reckoning (see [`kahawai_store::message::Message::size`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most messages that one read asks of the store (`maxPageSize`).
    pub page_messages_max: usize,
    /// The most bytes that one read asks of the store.
    pub page_bytes_max: usize,
    /// The most bytes of waiting messages that one queue or subscription holds in memory.
    pub window_bytes_max: usize,
    /// The most messages that wait in memory for one queue or subscription.
    pub window_messages_max: usize,
    /// The most bytes of messages that all of them together hold in memory beyond one page each (`memoryUsage`).
    pub memory_bytes_max: usize,
    /// The most bytes that wait in memory for one topic subscriber that is not durable. From half of it on the store keeps what comes. Where
    /// that cannot be (a temporary topic, no room), those who send are held back, and beyond the whole the oldest are dropped.
    pub topic_pending_bytes_max: usize,
    /// How long a slow topic subscriber may hold senders back, in milliseconds, before its messages are dropped instead.
    pub slow_subscriber_hold: i64,
    /// The most bytes delivered to one connection and not yet written to its socket.
    pub outbox_bytes_max: usize,
    /// The most bytes that one connection has given to the store and that are not durable yet: beyond that nothing more
    /// is read from it until some are.
    pub inflight_bytes_max: usize,
    /// The most bytes of a transaction held in memory; what exceeds them is prepared in the store in chunks.
    pub transaction_bytes_max: usize,
    /// How many producers' last sequences are remembered (`maxFailoverProducersToTrack` in KahaDB).
    pub producers_max: usize,
    /// How many connections' last commits are remembered.
    pub outcomes_max: usize,
    /// The most consumers of one connection (`maximumConsumersAllowedPerConnection`).
    pub consumers_per_connection_max: usize,
    /// The most producers of one connection (`maximumProducersAllowedPerConnection`).
    pub producers_per_connection_max: usize,
    /// The most open transactions of one connection.
    pub transactions_per_connection_max: usize,
    /// The most sessions of one connection.
    pub sessions_per_connection_max: usize,
    /// The most destinations that clients can make, those for advisories aside.
    pub destinations_max: usize,
    /// The most durable subscriptions, a pattern being one.
    pub durables_max: usize,
    /// The longest name of a destination, client, subscription, transaction, consumer or producer, in bytes; of a composite
    /// destination the whole.
    pub name_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_messages_max: 200,
            page_bytes_max: 1 << 20,
            window_bytes_max: 4 << 20,
            window_messages_max: 2000,
            memory_bytes_max: 64 << 20,
            topic_pending_bytes_max: 8 << 20,
            slow_subscriber_hold: 10_000,
            outbox_bytes_max: 2 << 20,
            inflight_bytes_max: 8 << 20,
            transaction_bytes_max: 1 << 20,
            producers_max: 4096,
            outcomes_max: 4096,
            consumers_per_connection_max: 100_000,
            producers_per_connection_max: 100_000,
            transactions_per_connection_max: 10_000,
            sessions_per_connection_max: 100_000,
            destinations_max: 100_000,
            durables_max: 100_000,
            name_bytes_max: 4096,
        }
    }
}
