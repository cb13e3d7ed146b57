//! What can go wrong, as values: every error carries what was found and what was expected or allowed.

use thiserror::Error;

/// Why no frame could be cut from the bytes received so far. The stream is lost: close the connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length prefix is larger than the limit in force.
    #[error("frame of {found} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Length that the peer announced, in bytes, without the prefix itself.
        found: usize,
        /// Largest length allowed, in bytes.
        limit: usize,
    },
    /// The length prefix is negative or zero: a frame has at least its type byte.
    #[error("frame length {found} is not positive")]
    NotPositive {
        /// Length that the peer announced.
        found: i32,
    },
}

/// Why a frame is not a valid command. The peers' caches may differ from now on: close the connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The frame ends inside a field.
    #[error("truncated: {needed} bytes needed at offset {at}, {available} left in the frame")]
    Truncated {
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes left.
        available: usize,
        /// Offset in the frame.
        at: usize,
    },
    /// The frame goes on after the command's last field.
    #[error("{found} bytes left after the command")]
    TrailingBytes {
        /// Bytes left.
        found: usize,
    },
    /// A length or a count is negative.
    #[error("negative length {found} at offset {at}")]
    NegativeLength {
        /// What the frame says.
        found: i32,
        /// Offset in the frame.
        at: usize,
    },
    /// No structure has this type id in this version of the protocol.
    #[error("unknown type id {type_id} in OpenWire version {version}")]
    UnknownType {
        /// What the frame says.
        type_id: u8,
        /// Version in force.
        version: u8,
    },
    /// The type id is known but does not fit this place.
    #[error("type id {found} where {expected} was expected")]
    UnexpectedType {
        /// What the frame says.
        found: u8,
        /// What may stand here.
        expected: &'static str,
    },
    /// Null where a value is needed.
    #[error("null where {expected} was expected")]
    UnexpectedNull {
        /// What must stand here.
        expected: &'static str,
    },
    /// A `WireFormatInfo` does not begin with `ActiveMQ`.
    #[error("bad magic {found:?}, expected \"ActiveMQ\"")]
    BadMagic {
        /// What the frame says.
        found: [u8; 8],
    },
    /// A string is not in Java's modified UTF-8.
    #[error("not modified UTF-8: byte {byte:#04x} at offset {at} of a string of {length} bytes")]
    BadText {
        /// Offset of the first wrong byte in the string.
        at: usize,
        /// That byte.
        byte: u8,
        /// Length of the string in bytes.
        length: usize,
    },
    /// A tight frame reads more booleans than its boolean stream has.
    #[error("boolean stream of {bytes} bytes exhausted")]
    BooleansExhausted {
        /// Length of the boolean stream in bytes.
        bytes: usize,
    },
    /// A tight frame's boolean stream has whole bytes that no field reads.
    #[error("{unread} of the {bytes} bytes of the boolean stream are left over")]
    BooleansLeftOver {
        /// Bytes not read.
        unread: usize,
        /// Length of the boolean stream in bytes.
        bytes: usize,
    },
    /// A nested object claims to carry its own marshalled form, which no known peer sends.
    #[error("nested object of type {type_id} in pre-marshalled form")]
    PreMarshalled {
        /// Type of the nested object.
        type_id: u8,
    },
    /// A cache index outside the negotiated cache.
    #[error("cache index {found} is outside the cache of {size} entries")]
    CacheIndexOutOfRange {
        /// What the frame says.
        found: i16,
        /// Entries of the cache.
        size: usize,
    },
    /// A cache index that was never given a value.
    #[error("cache index {index} was never set")]
    CacheIndexUnset {
        /// What the frame says.
        index: i16,
    },
    /// A cache index holds an object of another type than the field's.
    #[error("cache index {index} does not hold {expected}")]
    CacheTypeMismatch {
        /// What the frame says.
        index: i16,
        /// Type of the field.
        expected: &'static str,
    },
    /// The peer makes us keep more than the cache's budget.
    #[error("decode cache would hold {found} bytes, limit {limit}")]
    CacheTooLarge {
        /// Bytes that it would hold.
        found: usize,
        /// Budget in bytes.
        limit: usize,
    },
    /// Objects are nested more deeply than any real command does.
    #[error("nested more than {limit} levels deep")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// The frame holds a data structure that is not a command.
    #[error("type id {type_id} is not a command")]
    NotACommand {
        /// What the frame says.
        type_id: u8,
    },
    /// A primitive map, list or stream holds a value of unknown type.
    #[error("unknown primitive type {type_id}")]
    UnknownPrimitive {
        /// What the bytes say.
        type_id: u8,
    },
    /// A primitive map, list, string or byte array is larger than the limit in force.
    #[error("primitive value of size {found} is larger than the limit of {limit}")]
    PrimitiveTooLarge {
        /// Entries or bytes.
        found: usize,
        /// Entries or bytes allowed.
        limit: usize,
    },
}

/// Why a command cannot be written. Nothing was appended and the cache is as before: the connection stays usable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A string is too long for its 16-bit length (32766 bytes tight, 65535 loose, in modified UTF-8).
    #[error("string of {found} bytes is longer than {limit}")]
    TextTooLong {
        /// Encoded length in bytes.
        found: usize,
        /// Longest length allowed.
        limit: usize,
    },
    /// A list has more elements than its 16-bit count can say.
    #[error("list of {found} elements is longer than {limit}")]
    ListTooLong {
        /// Elements.
        found: usize,
        /// Most elements allowed.
        limit: usize,
    },
    /// A byte field or the frame is longer than a 32-bit length can say, or than the negotiated frame size.
    #[error("{found} bytes are more than the limit of {limit}")]
    TooLarge {
        /// Bytes.
        found: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The tight encoding's boolean stream is longer than its 16-bit length can say.
    #[error("boolean stream of {found} bytes is longer than {limit}")]
    BooleansTooLong {
        /// Bytes.
        found: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The structure does not exist in the version in force.
    #[error("type id {type_id} exists since OpenWire version {since}, the connection speaks {version}")]
    NotInVersion {
        /// Type of the structure.
        type_id: u8,
        /// First version that has it.
        since: u8,
        /// Version in force.
        version: u8,
    },
}

/// Why two peers cannot agree on a wire format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NegotiationError {
    /// The version that both speak is outside 1 to 12.
    #[error("OpenWire version {found} is outside {min} to {max}")]
    Version {
        /// What the peers would agree on.
        found: i32,
        /// Lowest version known.
        min: i32,
        /// Highest version known.
        max: i32,
    },
    /// The peer asks for a cache of negative size.
    #[error("cache size {found} is negative")]
    CacheSize {
        /// What the peer says.
        found: i32,
    },
    /// The peer's property map cannot be read.
    #[error("properties of the wire format: {0}")]
    Properties(#[from] DecodeError),
}
