//! Bodies and properties of messages, for those who look into them: tools, tests, clients. A broker passes them on
//! untouched.

use bytes::{BufMut, Bytes, BytesMut};

use crate::command::Message;
use crate::error::DecodeError;
use crate::frame_reader::FrameReader;
use crate::message_kind::MessageKind;
use crate::modified_utf8;
use crate::primitive::{self, Limits, PrimitiveMap, Value};
use crate::text::Text;

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing: a plain message, or any other without content.
    Empty,
    /// A string.
    Text(Text),
    /// Untyped bytes.
    Bytes(Bytes),
    /// Names and values.
    Map(PrimitiveMap),
    /// Values in sequence.
    Stream(Vec<Value>),
    /// A serialised Java object, not looked into.
    Object(Bytes),
    /// Compressed content, not looked into.
    Compressed(Bytes),
}

impl Body {
    /// Reads a message's body by its kind.
    ///
    /// # Errors
    /// [`DecodeError`] where the content is not what the kind says.
    pub fn of(message: &Message) -> Result<Self, DecodeError> {
        let Some(content) = message.content.as_ref().filter(|content| !content.is_empty()) else {
            return Ok(Self::Empty);
        };
        Ok(match message.kind {
            _ if message.compressed => Self::Compressed(content.clone()),
            MessageKind::Text => decode_text(content)?.map_or(Self::Empty, Self::Text),
            MessageKind::Map => Self::Map(primitive::decode_map(content, &Limits::MESSAGE)?),
            MessageKind::Stream => Self::Stream(primitive::decode_values(content, &Limits::MESSAGE)?),
            MessageKind::Object => Self::Object(content.clone()),
            MessageKind::Bytes | MessageKind::Plain | MessageKind::Blob => Self::Bytes(content.clone()),
        })
    }

    /// The content that says it, for a message of the fitting kind.
    pub fn to_content(&self) -> Option<Bytes> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(encode_text(text)),
            Self::Map(map) => Some(primitive::encode_map(Some(map))),
            Self::Stream(values) => Some(primitive::encode_values(values)),
            Self::Bytes(bytes) | Self::Object(bytes) | Self::Compressed(bytes) => Some(bytes.clone()),
        }
    }
}

/// The content of a text message: a 32-bit length, then modified UTF-8.
pub fn encode_text(text: &str) -> Bytes {
    let length = modified_utf8::encoded_length(text);
    let mut out = BytesMut::with_capacity(4 + length);
    out.put_u32(length as u32);
    modified_utf8::encode(text, &mut out);
    out.freeze()
}

/// The text of a text message's content; `None` is Java's null.
///
/// # Errors
/// [`DecodeError`] where the length is not the content's or the text is not modified UTF-8.
pub fn decode_text(content: &Bytes) -> Result<Option<Text>, DecodeError> {
    let mut frame = FrameReader::new(content.clone());
    let found = frame.array().map(i32::from_be_bytes)?;
    let text = match usize::try_from(found) {
        Ok(length) => Some(modified_utf8::decode(frame.take(length)?)?),
        Err(_) if found == -1 => None,
        Err(_) => return Err(DecodeError::NegativeLength { found, at: 0 }),
    };
    frame.finish()?;
    Ok(text)
}

/// A message's properties.
///
/// # Errors
/// [`DecodeError`] where they are not a primitive map.
pub fn properties(message: &Message) -> Result<PrimitiveMap, DecodeError> {
    match &message.marshalled_properties {
        Some(bytes) => primitive::decode_map(bytes, &Limits::MESSAGE),
        None => Ok(PrimitiveMap::new()),
    }
}

/// A message's `marshalled_properties`.
pub fn encode_properties(properties: &PrimitiveMap) -> Bytes {
    primitive::encode_map(Some(properties))
}
