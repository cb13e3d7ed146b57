//! What bounds the broker's memory, whatever clients do and however much is stored. What is bounded for each destination is in its
//! [`Policy`](super::policy::Policy).

/// Bounds of the broker, and of each connection. Bytes are by the message's own reckoning (see [`kahawai_store::message::Message::size`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of messages that all queues and subscriptions together hold in memory beyond one page each (`memoryUsage`).
    pub memory_bytes_max: usize,
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
    /// The most brokers and consumers together that one consumer names as those it stands for.
    pub network_names_max: usize,
    /// The longest name of a destination, client, subscription, transaction, consumer or producer, in bytes; of a composite
    /// destination the whole.
    pub name_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
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
            network_names_max: 1024,
            name_bytes_max: 4096,
        }
    }
}
