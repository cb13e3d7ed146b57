//! A message as it is stored: a protocol-neutral header, properties and body as untouched bytes.

use bytes::Bytes;
use bytestring::ByteString;

/// What a body holds, in JMS's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BodyKind {
    /// No body: a plain `Message`.
    #[default]
    Empty = 0,
    /// A `BytesMessage`.
    Bytes = 1,
    /// A `MapMessage`.
    Map = 2,
    /// An `ObjectMessage`: bytes that nobody here ever interprets.
    Object = 3,
    /// A `StreamMessage`.
    Stream = 4,
    /// A `TextMessage`.
    Text = 5,
    /// A `BlobMessage`: a reference to a body kept elsewhere.
    Blob = 6,
}

impl BodyKind {
    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Empty,
            1 => Self::Bytes,
            2 => Self::Map,
            3 => Self::Object,
            4 => Self::Stream,
            5 => Self::Text,
            6 => Self::Blob,
            _ => return None,
        })
    }
}

/// How the bytes of `properties` and `body` are written: whose bytes they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// As OpenWire marshals them: a primitive map for properties, the content of an ActiveMQ message for the body.
    #[default]
    OpenWire = 1,
}

impl Encoding {
    /// The encoding with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        (number == 1).then_some(Self::OpenWire)
    }
}

/// What every protocol has a word for. Optional texts are absent rather than empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The id that clients see (`JMSMessageID`).
    pub message_id: ByteString,
    /// When the client sent it, milliseconds since 1970 (`JMSTimestamp`); 0 where unknown.
    pub timestamp: i64,
    /// When it expires, milliseconds since 1970 (`JMSExpiration`); 0 is never.
    pub expiration: i64,
    /// `JMSPriority`, 0 to 9.
    pub priority: u8,
    /// Whether the sender asked for persistence. A non-persistent message is stored only where something else
    /// (a durable subscription that is offline) needs it.
    pub persistent: bool,
    /// What the body holds.
    pub body_kind: BodyKind,
    /// How properties and body are written.
    pub encoding: Encoding,
    /// Whether the body is compressed, by the rules of its encoding.
    pub compressed: bool,
    /// How often it was delivered and came back before it was stored here.
    pub redeliveries: u32,
    /// `JMSCorrelationID`.
    pub correlation_id: Option<ByteString>,
    /// `JMSReplyTo`, qualified: `queue://NAME`, `topic://NAME`, `temp-queue://NAME`, `temp-topic://NAME`.
    pub reply_to: Option<ByteString>,
    /// `JMSType`.
    pub message_type: Option<ByteString>,
    /// `JMSXUserID`.
    pub user_id: Option<ByteString>,
    /// `JMSXGroupID`.
    pub group_id: Option<ByteString>,
    /// `JMSXGroupSeq`; 0 where there is no group.
    pub group_sequence: i32,
    /// Where it was sent first, qualified as `reply_to`, if it has been moved since (a dead letter).
    pub original_destination: Option<ByteString>,
    /// Fields this version does not know or that only one protocol has: (tag, bytes), tags from
    /// [`crate::codec::header::EXTRA_TAG_MIN`] upward, in ascending order. Kept as they are.
    pub extras: Vec<(u32, Bytes)>,
}

impl Header {
    /// Whether it has expired at this time, in milliseconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expiration > 0 && self.expiration <= now
    }
}

/// A message as it is stored. Cheap to share, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What every protocol has a word for.
    pub header: Header,
    /// The application's properties, untouched, in the header's encoding.
    pub properties: Bytes,
    /// The body, untouched, in the header's encoding.
    pub body: Bytes,
    /// The message as engines keep it, if it was encoded beforehand: see [`crate::codec::seal`].
    pub sealed: Sealed,
}

/// A message's encoding, made where nobody waits for it. Empty unless [`crate::codec::seal`] filled it.
///
/// It says nothing of the message, so it is equal to every other; and a copy of a message has none, since copies are made to be changed.
/// Whoever changes a message in place empties it.
#[derive(Default)]
pub struct Sealed(Option<(Bytes, u32)>);

impl Sealed {
    pub(crate) fn of(encoded: Bytes, crc: u32) -> Self {
        Self(Some((encoded, crc)))
    }

    /// The encoding, and the CRC-32 of it.
    pub(crate) fn get(&self) -> Option<(&Bytes, u32)> {
        self.0.as_ref().map(|(encoded, crc)| (encoded, *crc))
    }
}

impl Clone for Sealed {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Sealed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sealed {}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "sealed" } else { "unsealed" })
    }
}

impl Message {
    /// About how many bytes the message takes in memory and in an engine: its variable parts and a fixed allowance.
    /// Used for limits, not for accounting to the byte.
    pub fn size(&self) -> usize {
        const FIXED: usize = 128;
        let optional = |text: &Option<ByteString>| text.as_ref().map_or(0, |text| text.len());
        let header = &self.header;
        FIXED
            + header.message_id.len()
            + optional(&header.correlation_id)
            + optional(&header.reply_to)
            + optional(&header.message_type)
            + optional(&header.user_id)
            + optional(&header.group_id)
            + optional(&header.original_destination)
            + header.extras.iter().map(|(_, bytes)| bytes.len() + 8).sum::<usize>()
            + self.properties.len()
            + self.body.len()
    }
}
