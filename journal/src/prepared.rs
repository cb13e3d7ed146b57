//! Reads what a prepared transaction will do, with its messages, from wherever the log holds it.

use std::sync::Arc;

use kahawai_store::batch::Operation;
use kahawai_store::catalog::Rejection;
use kahawai_store::codec::{self, Span};
use kahawai_store::contract::StoreError;
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, MessageId, Xid};

use crate::index::RecordAt;
use crate::index::location::{Found, Location};
use crate::shared::Shared;

/// Why a chunk was not read.
enum NotRead {
    /// Its segment was given up meanwhile: another look tells where it stands now.
    GivenUp,
    Failed(StoreError),
}

/// All chunks of a prepared transaction, in their order.
pub(crate) fn read(shared: &Shared, xid: &Xid) -> Result<Vec<Vec<Operation>>, StoreError> {
    loop {
        if let Some(error) = shared.ended() {
            return Err(error.clone());
        }
        let chunks = shared.index().state.chunks_of(xid);
        let chunks = chunks.ok_or_else(|| Rejection::NotPrepared(xid.clone()))?;
        let read = chunks.into_iter().map(|(at, operations)| read_chunk(shared, at, operations));
        match read.collect() {
            Ok(chunks) => return Ok(chunks),
            Err(NotRead::GivenUp) => {}
            Err(NotRead::Failed(error)) => return Err(error),
        }
    }
}

fn read_chunk(
    shared: &Shared,
    at: RecordAt,
    operations: Vec<Operation<Span>>,
) -> Result<Vec<Operation>, NotRead> {
    let mut message = |id, span| read_message(shared, at, id, span);
    operations.into_iter().map(|operation| operation.try_map_message(&mut message)).collect()
}

fn read_message(shared: &Shared, at: RecordAt, id: MessageId, span: Span) -> Result<Arc<Message>, NotRead> {
    let segment = shared.segments().get(&at.segment).cloned().ok_or(NotRead::GivenUp)?;
    let location = Location { segment: at.segment, record: at.offset, span };
    let found = Found { id, cursor: Cursor { rank: 0, arrival: 0 }, location };
    let bytes = match segment.read_message(&found) {
        Err(error) if shared.is_given_up(at.segment, &error) => return Err(NotRead::GivenUp),
        read => {
            read.map_err(|error| NotRead::Failed(shared.end(shared.failed("read", at.segment, &error))))?
        }
    };
    let message = bytes.and_then(|bytes| codec::decode_message(&bytes).ok());
    let damaged = || {
        let problem =
            format!("message {id} of a prepared transaction cannot be read; see `kahawai store verify`");
        NotRead::Failed(StoreError::Failed(problem.into()))
    };
    message.map(Arc::new).ok_or_else(damaged)
}
