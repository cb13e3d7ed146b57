//! A message that a consumer has.

use std::sync::Arc;

use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::MessageId;
use kahawai_openwire::message::Message;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    /// Where it was dispatched from: with wildcards and composites another than the consumer's own.
    pub(crate) destination: Arc<Destination>,
    pub(crate) redeliveries: u32,
}

pub(crate) fn id(entry: &Entry) -> Option<&MessageId> {
    entry.message.message_id.as_ref()
}
