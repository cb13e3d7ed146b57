//! A message's header: fields by tag, so that a newer one can be read and an unknown one is kept.
//!
//! ```text
//! header := length:varint, version:u8 = 1, field*      field := key:varint, value
//! key    := tag × 2 for a varint value, tag × 2 + 1 for a value of bytes
//! ```
//! Absent fields have their default: 0, or no text. Fields come in ascending order of tags.

use bytes::Bytes;
use bytestring::ByteString;

use super::error::{DecodeError, HEADER_VERSION, Problem};
use super::primitive::{Reader, put_bytes, put_varint, unzigzag, zigzag};
use crate::message::{BodyKind, Encoding, Header};

/// The smallest tag of [`Header::extras`]; smaller ones belong to this file.
pub const EXTRA_TAG_MIN: u32 = 64;

const MESSAGE_ID: u32 = 1;
const TIMESTAMP: u32 = 2;
const EXPIRATION: u32 = 3;
const PRIORITY: u32 = 4;
const FLAGS: u32 = 5;
const BODY_KIND: u32 = 6;
const ENCODING: u32 = 7;
const REDELIVERIES: u32 = 8;
const CORRELATION_ID: u32 = 9;
const REPLY_TO: u32 = 10;
const MESSAGE_TYPE: u32 = 11;
const USER_ID: u32 = 12;
const GROUP_ID: u32 = 13;
const GROUP_SEQUENCE: u32 = 14;
const ORIGINAL_DESTINATION: u32 = 15;

const FLAG_PERSISTENT: u64 = 1;
const FLAG_COMPRESSED: u64 = 2;

pub(super) fn encode(header: &Header, out: &mut Vec<u8>) {
    // The length comes first; a header is nearly always under 16 KiB, so two bytes are kept for it and
    // moved only where that was wrong.
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    out.push(HEADER_VERSION);

    let flags =
        u64::from(header.persistent) * FLAG_PERSISTENT + u64::from(header.compressed) * FLAG_COMPRESSED;
    text(out, MESSAGE_ID, Some(&header.message_id).filter(|text| !text.is_empty()));
    number(out, TIMESTAMP, zigzag(header.timestamp));
    number(out, EXPIRATION, zigzag(header.expiration));
    number(out, PRIORITY, u64::from(header.priority));
    number(out, FLAGS, flags);
    number(out, BODY_KIND, header.body_kind as u64);
    number(out, ENCODING, header.encoding as u64);
    number(out, REDELIVERIES, u64::from(header.redeliveries));
    text(out, CORRELATION_ID, header.correlation_id.as_ref());
    text(out, REPLY_TO, header.reply_to.as_ref());
    text(out, MESSAGE_TYPE, header.message_type.as_ref());
    text(out, USER_ID, header.user_id.as_ref());
    text(out, GROUP_ID, header.group_id.as_ref());
    number(out, GROUP_SEQUENCE, zigzag(i64::from(header.group_sequence)));
    text(out, ORIGINAL_DESTINATION, header.original_destination.as_ref());
    for (tag, bytes) in &header.extras {
        put_varint(out, u64::from(*tag) * 2 + 1);
        put_bytes(out, bytes);
    }

    let length = out.len() - start - 2;
    if length < 1 << 14 {
        out[start] = length as u8 | 0x80;
        out[start + 1] = (length >> 7) as u8;
    } else {
        let mut prefix = Vec::with_capacity(10);
        put_varint(&mut prefix, length as u64);
        out.splice(start..start + 2, prefix);
    }
}

fn number(out: &mut Vec<u8>, tag: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(tag) * 2);
        put_varint(out, value);
    }
}

fn text(out: &mut Vec<u8>, tag: u32, value: Option<&ByteString>) {
    if let Some(text) = value {
        put_varint(out, u64::from(tag) * 2 + 1);
        put_bytes(out, text.as_bytes());
    }
}

/// Reads a header with its length; `whole` is what `reader` reads, for fields to share.
pub(super) fn decode(reader: &mut Reader<'_>, whole: &Bytes) -> Result<Header, DecodeError> {
    let range = reader.bytes()?;
    let base = range.start;
    decode_fields(&whole.slice(range)).map_err(|mut error| {
        error.at += base;
        error
    })
}

/// The id that clients see (`JMSMessageID`) of an encoded message, as far as that can be read: what stands behind it may be damaged. For
/// whoever names what cannot be read.
pub fn message_id(message: &[u8]) -> Option<ByteString> {
    let mut reader = Reader::new(message);
    reader.varint().ok()?;
    let version = reader.u8().ok()?;
    if version != HEADER_VERSION {
        return None;
    }
    loop {
        let key = reader.varint().ok()?;
        match (key % 2, key / 2) {
            (0, _) => {
                reader.varint().ok()?;
            }
            (_, tag) if tag == u64::from(MESSAGE_ID) => return reader.text_copied().ok(),
            _ => {
                reader.bytes().ok()?;
            }
        }
    }
}

fn decode_fields(bytes: &Bytes) -> Result<Header, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut header = Header::default();
    let version = reader.u8()?;
    if version != HEADER_VERSION {
        return Err(DecodeError {
            problem: Problem::Version { found: version, reads: HEADER_VERSION },
            at: 0,
        });
    }
    while reader.left() > 0 {
        let key: u64 = reader.varint()?;
        let tag = u32::try_from(key / 2).map_err(|_| reader.fail(Problem::Number))?;
        if key.is_multiple_of(2) {
            let value = reader.varint()?;
            set_number(&mut header, tag, value).map_err(|problem| reader.fail(problem))?;
        } else {
            let value = bytes.slice(reader.bytes()?);
            set_bytes(&mut header, tag, value).map_err(|problem| reader.fail(problem))?;
        }
    }
    Ok(header)
}

fn set_number(header: &mut Header, tag: u32, value: u64) -> Result<(), Problem> {
    let unknown = |what| Problem::Unknown { what, found: value };
    match tag {
        TIMESTAMP => header.timestamp = unzigzag(value),
        EXPIRATION => header.expiration = unzigzag(value),
        PRIORITY => header.priority = u8::try_from(value).map_err(|_| Problem::Number)?,
        FLAGS => {
            header.persistent = value & FLAG_PERSISTENT != 0;
            header.compressed = value & FLAG_COMPRESSED != 0;
        }
        BODY_KIND => {
            let kind = u8::try_from(value).ok().and_then(BodyKind::from_number);
            header.body_kind = kind.ok_or_else(|| unknown("body kind"))?;
        }
        ENCODING => {
            let encoding = u8::try_from(value).ok().and_then(Encoding::from_number);
            header.encoding = encoding.ok_or_else(|| unknown("encoding"))?;
        }
        REDELIVERIES => header.redeliveries = u32::try_from(value).map_err(|_| Problem::Number)?,
        GROUP_SEQUENCE => {
            header.group_sequence = i32::try_from(unzigzag(value)).map_err(|_| Problem::Number)?;
        }
        _ => return Err(Problem::Unknown { what: "numeric header field", found: u64::from(tag) }),
    }
    Ok(())
}

fn set_bytes(header: &mut Header, tag: u32, value: Bytes) -> Result<(), Problem> {
    if tag >= EXTRA_TAG_MIN {
        header.extras.push((tag, value));
        return Ok(());
    }
    let text = ByteString::try_from(value).map_err(|_| Problem::Text)?;
    match tag {
        MESSAGE_ID => header.message_id = text,
        CORRELATION_ID => header.correlation_id = Some(text),
        REPLY_TO => header.reply_to = Some(text),
        MESSAGE_TYPE => header.message_type = Some(text),
        USER_ID => header.user_id = Some(text),
        GROUP_ID => header.group_id = Some(text),
        ORIGINAL_DESTINATION => header.original_destination = Some(text),
        _ => return Err(Problem::Unknown { what: "header field", found: u64::from(tag) }),
    }
    Ok(())
}
