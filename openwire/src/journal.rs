//! Records that ActiveMQ's old journals hold in OpenWire; no peer sends them.

use crate::destination::Destination;
use crate::ids::MessageId;
use crate::message_ack::MessageAck;
use crate::table::structure;
use crate::transaction::TransactionId;

structure! {
    /// A durable subscription's acknowledgement.
    JournalTopicAck = 50 {
        /// The topic.
        destination: nested(Destination),
        /// The message.
        message_id: nested(MessageId),
        /// Number of the message in the journal.
        message_sequence_id: long,
        /// Name of the subscription.
        subscription_name: text,
        /// Client id of the subscription.
        client_id: text,
        /// Transaction in which it was acknowledged.
        transaction_id: nested(TransactionId),
    }
}

structure! {
    /// A message's removal from a queue.
    JournalQueueAck = 52 {
        /// The queue.
        destination: nested(Destination),
        /// The acknowledgement.
        message_ack: nested(MessageAck),
    }
}

structure! {
    /// A remark.
    JournalTrace = 53 {
        /// The remark.
        message: text,
    }
}

structure! {
    /// A transaction's step.
    JournalTransaction = 54 {
        /// The transaction.
        transaction_id: nested(TransactionId),
        /// One of the constants below.
        operation: byte,
        /// Whether it was prepared before.
        was_prepared: bool,
    }
}

impl JournalTransaction {
    /// A distributed transaction was prepared.
    pub const XA_PREPARE: u8 = 1;
    /// A distributed transaction was committed.
    pub const XA_COMMIT: u8 = 2;
    /// A distributed transaction was rolled back.
    pub const XA_ROLLBACK: u8 = 3;
    /// A local transaction was committed.
    pub const LOCAL_COMMIT: u8 = 4;
    /// A local transaction was rolled back.
    pub const LOCAL_ROLLBACK: u8 = 5;
}
