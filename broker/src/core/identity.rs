//! Where new numbers come from.

use bytes::Bytes;
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId, Xid};

/// Marks the ids of messages that are only in memory, which must never be taken for a stored one's: an
/// acknowledgement for what a former master had in memory may reach its successor.
const TRANSIENT: u64 = 1 << 62;
/// How many bits of such an id count; the epoch is above them.
const TRANSIENT_COUNTER_BITS: u32 = 40;

#[derive(Debug)]
pub(crate) struct Identities {
    pub(crate) epoch: u64,
    pub(crate) message_next: u64,
    pub(crate) destination_next: u64,
    pub(crate) subscription_next: u64,
    transient_next: u64,
    key_next: u64,
}

impl Identities {
    pub(crate) fn new(
        epoch: u64,
        message: MessageId,
        destination: DestinationId,
        subscription: SubscriptionId,
    ) -> Self {
        Self {
            epoch,
            // Zero means "none" on the wire.
            message_next: message.0.max(1),
            destination_next: destination.0,
            subscription_next: subscription.0,
            transient_next: 0,
            key_next: 1,
        }
    }

    pub(crate) fn key(&mut self) -> u64 {
        next(&mut self.key_next)
    }

    pub(crate) fn message(&mut self) -> MessageId {
        MessageId(next(&mut self.message_next))
    }

    pub(crate) fn destination(&mut self) -> DestinationId {
        DestinationId(next(&mut self.destination_next))
    }

    pub(crate) fn subscription(&mut self) -> SubscriptionId {
        SubscriptionId(next(&mut self.subscription_next))
    }

    pub(crate) fn transient(&mut self) -> MessageId {
        let epoch = (self.epoch << TRANSIENT_COUNTER_BITS) & (TRANSIENT - 1);
        MessageId(TRANSIENT | epoch | next(&mut self.transient_next))
    }

    pub(crate) fn xid(&mut self) -> Xid {
        spooled_xid(self.epoch, next(&mut self.key_next))
    }
}

fn next(counter: &mut u64) -> u64 {
    let number = *counter;
    *counter += 1;
    number
}

/// The XA format of the broker's own prepared transactions.
pub(super) const SPOOLED_FORMAT: i32 = -1;

pub(crate) fn spooled_xid(epoch: u64, number: u64) -> Xid {
    let mut global = Vec::with_capacity(16);
    global.extend_from_slice(&epoch.to_be_bytes());
    global.extend_from_slice(&number.to_be_bytes());
    Xid { format: SPOOLED_FORMAT, global: Bytes::from(global), branch: Bytes::new() }
}
