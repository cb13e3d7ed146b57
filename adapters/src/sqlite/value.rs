//! Numbers and messages as columns.

use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::codec::{decode_message, encode_message};
use kahawai_store::message::Message;
use rusqlite::Row;

use super::error::Result;

/// The same 64 bits with a sign, as SQLite keeps integers. Equality stays; order does only below 2⁶³, so
/// nothing but arrivals, which count up from 0, is ordered by the database.
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

/// Reads columns that hold [`encode`]d parts: the CRC at `column`, the bytes behind it. `None` where they are not what
/// was written.
pub(super) fn decode(row: &Row<'_>, column: usize) -> Result<Option<Arc<Message>>> {
    // A value of another type, as of a row that is missing, is as damaged as a bit that fell over.
    let (Ok(expected), Ok(encoded)) = (row.get_ref(column)?.as_i64(), row.get_ref(column + 1)?.as_blob())
    else {
        return Ok(None);
    };
    if i64::from(crc32fast::hash(encoded)) != expected {
        return Ok(None);
    }
    Ok(decode_message(&Bytes::copy_from_slice(encoded)).ok().map(Arc::new))
}
