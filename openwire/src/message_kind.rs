//! What kinds of messages there are.

use crate::text::Text;

/// What kind of message it is, with its type id on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Without a body.
    #[default]
    Plain = 23,
    /// Untyped bytes.
    Bytes = 24,
    /// Names and primitive values.
    Map = 25,
    /// A serialised Java object, opaque here.
    Object = 26,
    /// A sequence of primitive values.
    Stream = 27,
    /// A string.
    Text = 28,
    /// A body kept elsewhere.
    Blob = 29,
}

impl MessageKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Bytes, Self::Map, Self::Object, Self::Stream, Self::Text, Self::Blob];

    /// First version that has messages with a body kept elsewhere.
    pub(crate) const BLOB_SINCE: u8 = 3;

    /// The kind with this type id.
    pub fn from_type_id(type_id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == type_id)
    }
}

/// Where the body of a blob message is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobReference {
    /// URL of the body.
    pub remote_blob_url: Option<Text>,
    /// Its media type.
    pub mime_type: Option<Text>,
    /// Whether the broker deletes it when the message has gone.
    pub deleted_by_broker: bool,
}
