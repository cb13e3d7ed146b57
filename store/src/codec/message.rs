//! A message, encoded and decoded.

use bytes::Bytes;

use super::error::DecodeError;
use super::header;
use super::primitive::{Reader, put_bytes};
use crate::message::Message;

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
