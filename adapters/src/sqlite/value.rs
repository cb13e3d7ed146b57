//! Numbers and messages as columns.

use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::codec::{decode_message, encode_message};
use kahawai_store::message::Message;
use rusqlite::Row;

use super::error::{Error, Result};

/// The same 64 bits with a sign, as SQLite keeps integers. Equality stays; order does only below 2⁶³, so
/// nothing but arrivals, which count up from 1, is ordered by the database.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A column of [`signed`] bits.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// A text that may hold any character, NUL too.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<bytestring::ByteString> {
    row.get::<_, String>(column).map(Into::into)
}

pub(super) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    row.get::<_, Vec<u8>>(column).map(Bytes::from)
}

/// A message as the `bodies` table keeps it: its encoding, and the encoding's CRC-32.
pub(super) fn encode(message: &Message) -> (u32, Vec<u8>) {
    let mut encoded = Vec::with_capacity(message.size());
    encode_message(message, &mut encoded);
    (crc32fast::hash(&encoded), encoded)
}

/// Reads columns that hold [`encode`]d parts: the CRC at `column`, the bytes behind it.
pub(super) fn decode(row: &Row<'_>, column: usize, id: u64) -> Result<Arc<Message>> {
    let Some(expected) = row.get::<_, Option<u32>>(column)? else {
        return Err(Error::damaged(format!("message {id} has no body")));
    };
    let encoded = bytes(row, column + 1).map_err(|error| Error::damaged(format!("message {id}: {error}")))?;
    let found = crc32fast::hash(&encoded);
    if found != expected {
        let what = format!("message {id}: its bytes have CRC {found:08x}, {expected:08x} was written");
        return Err(Error::damaged(what));
    }
    let message = decode_message(&encoded);
    message.map(Arc::new).map_err(|error| Error::damaged(format!("message {id}: {error}")))
}
