//! A message, encoded and decoded.

use bytes::Bytes;

use super::error::DecodeError;
use super::header;
use super::primitive::{Reader, put_varint};
use super::span::Span;
use crate::message::{Message, Sealed};
use crate::names::MessageId;

/// Room for most headers.
const HEAD_ROOM: usize = 256;

/// How many bytes the checksum takes that stands before a message in a batch.
pub const MESSAGE_CHECKSUM_LENGTH: usize = 4;

/// The CRC-32 (IEEE) of a message's bytes and, after them, its id (8 bytes, little-endian).
///
/// It does not depend on where the message stands: it goes with it through every copy. With the id it tells a message from another that
/// stands where that one should.
pub fn message_checksum(id: MessageId, message: &[u8]) -> u32 {
    with_id(crc32fast::hash(message), id)
}

fn with_id(crc: u32, id: MessageId) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc);
    hasher.update(&id.0.to_le_bytes());
    hasher.finalize()
}

/// The bytes of the message that stands at this span of an encoded batch (or of anything in which a message's checksum stands right before
/// it); `None` where they are not what was written for that id.
pub fn checked_message(encoded: &[u8], id: MessageId, span: Span) -> Option<&[u8]> {
    let (checksum, message) = message_with_checksum(encoded, span)?;
    (message_checksum(id, message) == checksum).then_some(message)
}

/// The same bytes and the checksum before them, whether or not they agree; `None` where they do not stand there whole.
pub fn message_with_checksum(encoded: &[u8], span: Span) -> Option<(u32, &[u8])> {
    let from = (span.start as usize).checked_sub(MESSAGE_CHECKSUM_LENGTH)?;
    let (checksum, message) = encoded.get(from..span.range().end)?.split_first_chunk()?;
    Some((u32::from_le_bytes(*checksum), message))
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
    let Some((encoded, _)) = message.sealed.get() else { return encode_anew(message, out) };
    debug_assert!(is_what_it_says(message, encoded), "a message was changed after it was sealed");
    out.extend_from_slice(encoded);
}

/// The same; gives the message's checksum for this id.
pub(super) fn encode_with_checksum(message: &Message, id: MessageId, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    encode_message(message, out);
    let crc = message.sealed.get().map_or_else(|| crc32fast::hash(&out[start..]), |(_, crc)| crc);
    with_id(crc, id)
}

/// Encodes a message and sums it up beforehand, so that whoever commits it copies bytes and does nothing else. All its parts are from then on
/// parts of its encoding, which is one allocation; what they were parts of is let go.
pub fn seal(message: Message) -> Message {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    encode_head(&message, &mut head);
    let mut encoded = Vec::with_capacity(head.len() + message.properties.len() + message.body.len());
    encoded.extend_from_slice(&head);
    encoded.extend_from_slice(&message.properties);
    encoded.extend_from_slice(&message.body);
    let encoded = Bytes::from(encoded);
    let crc = crc32fast::hash(&encoded);
    let decoded = decode_message(&encoded);
    debug_assert_eq!(decoded.as_ref(), Ok(&message), "what was encoded reads otherwise");
    Message { sealed: Sealed::of(encoded, crc), ..decoded.unwrap_or(message) }
}

fn is_what_it_says(message: &Message, encoded: &[u8]) -> bool {
    let mut anew = Vec::with_capacity(encoded.len());
    encode_anew(message, &mut anew);
    anew == encoded
}

fn encode_anew(message: &Message, out: &mut Vec<u8>) {
    encode_head(message, out);
    out.extend_from_slice(&message.properties);
    out.extend_from_slice(&message.body);
}

/// What stands before the properties: the header, and how long they are.
fn encode_head(message: &Message, out: &mut Vec<u8>) {
    header::encode(&message.header, out);
    put_varint(out, message.properties.len() as u64);
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
    Ok(Message { header, properties, body, sealed: Sealed::default() })
}
