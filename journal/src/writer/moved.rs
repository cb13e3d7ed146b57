//! What was written again and is not read there yet.

use kahawai_store::names::{MessageId, Xid};

use crate::index::state::PreparedChunk;
use crate::index::{Location, RecordAt};

/// What stands at a new place that is not known to be durable yet.
pub(super) enum Moved {
    Message { id: MessageId, from: Location, to: Location },
    Chunk { xid: Xid, from: RecordAt, chunk: PreparedChunk },
}
