//! Numbers and messages as columns.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::codec::{decode_message, encode_message};
use kahawai_store::message::Message;
use tokio_postgres::Row;

use super::error::{Error, Result};

/// The same 64 bits with a sign, as PostgreSQL keeps integers. Equality stays; order does only below 2⁶³, so
/// nothing but arrivals, which count up from 0, is ordered by the database.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A column of [`signed`] bits.
pub(super) fn unsigned(row: &Row, column: usize) -> Result<u64> {
    Ok(row.try_get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn bytes(row: &Row, column: usize) -> Result<Bytes> {
    Ok(row.try_get::<_, Vec<u8>>(column)?.into())
}

/// A text, kept as bytes: PostgreSQL's own have no NUL.
pub(super) fn text(row: &Row, column: usize) -> Result<ByteString> {
    ByteString::try_from(bytes(row, column)?)
        .map_err(|_| Error::failed("a name in the tables is not UTF-8: something else has written to them"))
}

/// A message as the bodies' table keeps it: its encoding's CRC-32, and its encoding.
pub(super) fn encode(message: &Message) -> (i64, Vec<u8>) {
    let mut encoded = Vec::with_capacity(message.size());
    encode_message(message, &mut encoded);
    (i64::from(crc32fast::hash(&encoded)), encoded)
}

/// Reads columns that hold [`encode`]d parts: the CRC at `column`, the bytes behind it. `None` where they are not what
/// was written.
pub(super) fn decode(row: &Row, column: usize) -> Result<Option<Arc<Message>>> {
    let (expected, encoded) = (row.try_get::<_, i64>(column)?, row.try_get::<_, &[u8]>(column + 1)?);
    if i64::from(crc32fast::hash(encoded)) != expected {
        return Ok(None);
    }
    Ok(decode_message(&Bytes::copy_from_slice(encoded)).ok().map(Arc::new))
}
