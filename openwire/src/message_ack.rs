//! Acknowledgements of messages, and what a master tells its slave.

use std::sync::Arc;

use crate::destination::Destination;
use crate::ids::{ConsumerId, MessageId};
use crate::table::structure;
use crate::transaction::TransactionId;

structure! {
    /// A consumer acknowledges messages; `ack_type` says how.
    MessageAck = 22, command {
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// Transaction in which it acknowledges.
        transaction_id: cached(Arc<TransactionId>),
        /// The consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// One of the constants below.
        ack_type: byte,
        /// First message of the range; null where the range goes from the oldest dispatched.
        first_message_id: nested(MessageId),
        /// Last message of the range.
        last_message_id: nested(MessageId),
        /// How many messages the range has.
        message_count: int,
        /// Why a message is poison.
        poison_cause: throwable since 7,
    }
}

impl MessageAck {
    /// Delivered to the client, not yet consumed: more may be dispatched.
    pub const DELIVERED: u8 = 0;
    /// Poison: for the dead-letter queue.
    pub const POISON: u8 = 1;
    /// Consumed.
    pub const STANDARD: u8 = 2;
    /// Delivered once more by the client itself; `message_count` says how often.
    pub const REDELIVERED: u8 = 3;
    /// Consumed, this message only, whatever came before it.
    pub const INDIVIDUAL: u8 = 4;
    /// Not matched by a durable subscription's selector.
    pub const UNMATCHED: u8 = 5;
    /// Expired before the client consumed it.
    pub const EXPIRED: u8 = 6;
}

structure! {
    /// A master tells its slave that it dispatched a message.
    MessageDispatchNotification = 90, command {
        /// The consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// Number of the delivery.
        delivery_sequence_id: long,
        /// The message.
        message_id: nested(MessageId),
    }
}
