//! Commands about producers.

use std::sync::Arc;

use crate::destination::Destination;
use crate::ids::{BrokerId, ProducerId};
use crate::table::structure;

structure! {
    /// Opens a producer.
    ProducerInfo = 6, command {
        /// Name of the producer.
        producer_id: cached(Arc<ProducerId>),
        /// What it sends to; null where each message says.
        destination: cached(Arc<Destination>),
        /// Brokers passed so far.
        broker_path: list(Arc<BrokerId>),
        /// Whether the broker dispatches its messages from another thread.
        dispatch_async: bool since 2,
        /// How many bytes it may send ahead of `ProducerAck`s; 0 is no limit.
        window_size: int since 3,
    }
}

structure! {
    /// The broker has taken messages of a producer with a window.
    ProducerAck = 19 since 3, command {
        /// The producer.
        producer_id: nested(Arc<ProducerId>),
        /// Size of what was taken, in bytes.
        size: int,
    }
}
