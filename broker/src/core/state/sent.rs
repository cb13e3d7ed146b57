//! What a batch holds, and who waits for it.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::message::Message;
use kahawai_store::names::MessageId;

use crate::core::keys::{ConnectionKey, DestinationKey, RequestId, SourceKey};

/// A message that was given to the store.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) destination: DestinationKey,
    pub(crate) id: MessageId,
    pub(crate) message: Arc<Message>,
    /// The connection that sent it, if one did.
    pub(crate) sender: Option<ConnectionKey>,
}

/// A message that an acknowledgement takes out of a source once it is durable.
pub(crate) type Settled = (SourceKey, MessageId);

/// Somebody who is told when a batch is durable.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) connection: ConnectionKey,
    pub(crate) request: Option<RequestId>,
    pub(crate) producer: Option<ByteString>,
    pub(crate) sequence: Option<i64>,
    pub(crate) window_bytes: u32,
    /// Bytes that stop counting against the connection then.
    pub(crate) inflight: usize,
}
