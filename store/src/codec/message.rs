//! A message, encoded and decoded.

use bytes::Bytes;

use super::error::DecodeError;
use super::header;
use super::primitive::{Reader, put_bytes};
use super::span::Span;
use crate::message::Message;
use crate::names::MessageId;

/// How many bytes the checksum takes that stands before a message in a batch.
pub const MESSAGE_CHECKSUM_LENGTH: usize = 4;

/// The CRC-32 (IEEE) of a message's bytes and, after them, its id (8 bytes, little-endian).
///
/// It does not depend on where the message stands: it goes with it through every copy. With the id it tells a message from another that
/// stands where that one should.
pub fn message_checksum(id: MessageId, message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc32fast::hash(message));
    hasher.update(&id.0.to_le_bytes());
    hasher.finalize()
}

/// The bytes of the message that stands at this span of an encoded batch (or of anything in which a message's checksum stands right before
/// it); `None` where they are not what was written for that id.
pub fn checked_message(encoded: &[u8], id: MessageId, span: Span) -> Option<&[u8]> {
    let from = (span.start as usize).checked_sub(MESSAGE_CHECKSUM_LENGTH)?;
    let (checksum, message) = encoded.get(from..span.range().end)?.split_first_chunk()?;
    (message_checksum(id, message) == u32::from_le_bytes(*checksum)).then_some(message)
}

/// The CRC-32 (IEEE) of everything but the messages: of the skeleton, in which their checksums stand. `spans` are those of the messages, in
/// the order in which they stand.
pub fn skeleton_checksum(encoded: &[u8], spans: impl IntoIterator<Item = Span>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    for span in spans {
        let range = span.range();
        hasher.update(encoded.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    hasher.update(encoded.get(at..).unwrap_or_default());
    hasher.finalize()
}

/// Encodes a message, appending to `out`.
pub fn encode_message(message: &Message, out: &mut Vec<u8>) {
    header::encode(&message.header, out);
    put_bytes(out, &message.properties);
    out.extend_from_slice(&message.body);
}

/// Decodes a message; its parts share the bytes given.
///
/// # Errors
/// Where the bytes are no message.
pub fn decode_message(bytes: &Bytes) -> Result<Message, DecodeError> {
    let mut reader = Reader::new(bytes);
    let header = header::decode(&mut reader, bytes)?;
    let properties = bytes.slice(reader.bytes()?);
    let body = bytes.slice(reader.rest());
    Ok(Message { header, properties, body })
}
