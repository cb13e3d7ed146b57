//! What messages take in memory.

use kahawai_openwire::message::Message;

/// What a message takes beside its body and properties, roughly, in bytes.
pub(crate) const MESSAGE_OVERHEAD: usize = 512;

/// What a message takes, roughly, in bytes.
pub(crate) fn weight(message: &Message) -> usize {
    let parts = [&message.content, &message.marshalled_properties];
    MESSAGE_OVERHEAD + parts.into_iter().flatten().map(bytes::Bytes::len).sum::<usize>()
}
