//! ActiveMQ's typed primitive values: message properties, map and stream bodies, wire format options.
//!
//! ```text
//! map    count:i32 (-1 is null), then count times: name (u16 length, modified UTF-8), value
//! list   count:i32, then count values
//! value  type:u8, then by type; see the constants
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::DecodeError;
use crate::frame_reader::FrameReader;
use crate::modified_utf8;
use crate::text::Text;

const NULL: u8 = 0;
const BOOLEAN: u8 = 1;
const BYTE: u8 = 2;
const CHAR: u8 = 3;
const SHORT: u8 = 4;
const INTEGER: u8 = 5;
const LONG: u8 = 6;
const DOUBLE: u8 = 7;
const FLOAT: u8 = 8;
const STRING: u8 = 9;
const BYTE_ARRAY: u8 = 10;
const MAP: u8 = 11;
const LIST: u8 = 12;
const BIG_STRING: u8 = 13;

/// UTF-16 units from which ActiveMQ writes a string with a 32-bit length.
const BIG_STRING_FROM: usize = i16::MAX as usize / 4;

/// Bytes of a name at most, by its 16-bit length.
const NAME_LIMIT: usize = u16::MAX as usize;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Java's `null`.
    Null,
    /// Java's `boolean`.
    Boolean(bool),
    /// Java's `byte`.
    Byte(i8),
    /// Java's `char`: a UTF-16 code unit.
    Char(u16),
    /// Java's `short`.
    Short(i16),
    /// Java's `int`.
    Integer(i32),
    /// Java's `long`.
    Long(i64),
    /// Java's `double`.
    Double(f64),
    /// Java's `float`.
    Float(f32),
    /// A string of any length.
    Text(Text),
    /// Bytes, sharing the memory that they were read from.
    Bytes(Bytes),
    /// Names and values.
    Map(PrimitiveMap),
    /// Values.
    List(Vec<Value>),
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(
            impl From<$from> for Value {
                fn from(value: $from) -> Self {
                    Self::$variant(value.into())
                }
            }
        )*
    };
}

value_from! {
    bool => Boolean, i8 => Byte, i16 => Short, i32 => Integer, i64 => Long, f64 => Double, f32 => Float,
    &str => Text, String => Text, Text => Text, Bytes => Bytes, PrimitiveMap => Map, Vec<Value> => List,
}

/// Names and values, in the order in which they were put or read. Reading finds a name's last value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrimitiveMap {
    entries: Vec<(Text, Value)>,
}

impl PrimitiveMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Gives a name a value, in place of the value that it had.
    pub fn put(&mut self, name: impl Into<Text>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.entries.iter_mut().rev().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Takes a name and every value that it has out.
    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|(known, _)| known != name);
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<N: Into<Text>, V: Into<Value>> FromIterator<(N, V)> for PrimitiveMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        entries.into_iter().for_each(|(name, value)| map.put(name, value));
        map
    }
}

/// What reading accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of each map or list.
    pub entries_max: usize,
    /// Bytes of each name, string or byte array.
    pub bytes_max: usize,
    /// Maps and lists inside of one another, the outermost not counted.
    pub depth_max: usize,
}

impl Limits {
    /// For a message's properties and body: only what the bytes themselves allow, and not absurdly deep.
    pub const MESSAGE: Self = Self { entries_max: usize::MAX, bytes_max: usize::MAX, depth_max: 32 };

    /// For the options of a `WireFormatInfo`, which come before authentication: ActiveMQ's limits.
    pub const WIRE_FORMAT: Self = Self { entries_max: 64, bytes_max: 512, depth_max: 0 };
}

/// Writes a map; `None` is null. A name longer than 65535 bytes cannot be written: its entry is left out.
pub fn encode_map(map: Option<&PrimitiveMap>) -> Bytes {
    let mut out = BytesMut::new();
    match map {
        Some(map) => put_map(map, &mut out),
        None => out.put_i32(-1),
    }
    out.freeze()
}

/// Writes values one after the other, without a count: the body of a stream message.
pub fn encode_values(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    values.iter().for_each(|value| put_value(value, &mut out));
    out.freeze()
}

fn put_map(map: &PrimitiveMap, out: &mut BytesMut) {
    let writable =
        || map.entries.iter().filter(|(name, _)| modified_utf8::encoded_length(name) <= NAME_LIMIT);
    out.put_i32(writable().count() as i32);
    for (name, value) in writable() {
        out.put_u16(modified_utf8::encoded_length(name) as u16);
        modified_utf8::encode(name, out);
        put_value(value, out);
    }
}

fn put_value(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Null => out.put_u8(NULL),
        Value::Boolean(value) => out.put_slice(&[BOOLEAN, u8::from(*value)]),
        Value::Byte(value) => {
            out.put_u8(BYTE);
            out.put_i8(*value);
        }
        Value::Char(value) => {
            out.put_u8(CHAR);
            out.put_u16(*value);
        }
        Value::Short(value) => {
            out.put_u8(SHORT);
            out.put_i16(*value);
        }
        Value::Integer(value) => {
            out.put_u8(INTEGER);
            out.put_i32(*value);
        }
        Value::Long(value) => {
            out.put_u8(LONG);
            out.put_i64(*value);
        }
        Value::Double(value) => {
            out.put_u8(DOUBLE);
            out.put_f64(*value);
        }
        Value::Float(value) => {
            out.put_u8(FLOAT);
            out.put_f32(*value);
        }
        Value::Text(value) => {
            let length = modified_utf8::encoded_length(value);
            if modified_utf8::utf16_length(value) < BIG_STRING_FROM {
                out.put_u8(STRING);
                out.put_u16(length as u16);
            } else {
                out.put_u8(BIG_STRING);
                out.put_u32(length as u32);
            }
            modified_utf8::encode(value, out);
        }
        Value::Bytes(value) => {
            out.put_u8(BYTE_ARRAY);
            out.put_u32(value.len() as u32);
            out.put_slice(value);
        }
        Value::Map(value) => {
            out.put_u8(MAP);
            put_map(value, out);
        }
        Value::List(value) => {
            out.put_u8(LIST);
            out.put_u32(value.len() as u32);
            value.iter().for_each(|value| put_value(value, out));
        }
    }
}

/// Reads a map that takes all of `bytes`; null and no bytes at all give an empty map.
///
/// # Errors
/// [`DecodeError`] where the bytes are not a map or go beyond `limits`.
pub fn decode_map(bytes: &Bytes, limits: &Limits) -> Result<PrimitiveMap, DecodeError> {
    if bytes.is_empty() {
        return Ok(PrimitiveMap::new());
    }
    let mut reader = Reader { frame: FrameReader::new(bytes.clone()), limits };
    let map = reader.map(0)?;
    reader.frame.finish()?;
    Ok(map)
}

/// Reads values up to the end of `bytes`: the body of a stream message.
///
/// # Errors
/// [`DecodeError`] where the bytes are not values or go beyond `limits`.
pub fn decode_values(bytes: &Bytes, limits: &Limits) -> Result<Vec<Value>, DecodeError> {
    let mut reader = Reader { frame: FrameReader::new(bytes.clone()), limits };
    let mut values = Vec::new();
    while reader.frame.finish().is_err() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    frame: FrameReader,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn count(&mut self) -> Result<i32, DecodeError> {
        self.frame.array().map(i32::from_be_bytes)
    }

    fn length(&mut self, limit: usize) -> Result<usize, DecodeError> {
        let at = self.frame.position();
        let found = self.count()?;
        let found = usize::try_from(found).map_err(|_| DecodeError::NegativeLength { found, at })?;
        check(found, limit)
    }

    fn map(&mut self, depth: usize) -> Result<PrimitiveMap, DecodeError> {
        if depth > self.limits.depth_max {
            return Err(DecodeError::TooDeep { limit: self.limits.depth_max });
        }
        let mut map = PrimitiveMap::new();
        let Ok(count) = usize::try_from(self.count()?) else { return Ok(map) };
        for _ in 0..check(count, self.limits.entries_max)? {
            let length = self.frame.array().map(u16::from_be_bytes)?;
            let name = self.text(length.into())?;
            let value = self.value(depth + 1)?;
            map.entries.push((name, value));
        }
        Ok(map)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, DecodeError> {
        if depth > self.limits.depth_max {
            return Err(DecodeError::TooDeep { limit: self.limits.depth_max });
        }
        let mut values = Vec::new();
        for _ in 0..self.length(self.limits.entries_max)? {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    fn text(&mut self, length: usize) -> Result<Text, DecodeError> {
        modified_utf8::decode(self.frame.take(check(length, self.limits.bytes_max)?)?)
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let [type_id] = self.frame.array()?;
        Ok(match type_id {
            NULL => Value::Null,
            BOOLEAN => Value::Boolean(self.frame.array::<1>()? != [0]),
            BYTE => Value::Byte(i8::from_be_bytes(self.frame.array()?)),
            CHAR => Value::Char(u16::from_be_bytes(self.frame.array()?)),
            SHORT => Value::Short(i16::from_be_bytes(self.frame.array()?)),
            INTEGER => Value::Integer(i32::from_be_bytes(self.frame.array()?)),
            LONG => Value::Long(i64::from_be_bytes(self.frame.array()?)),
            DOUBLE => Value::Double(f64::from_be_bytes(self.frame.array()?)),
            FLOAT => Value::Float(f32::from_be_bytes(self.frame.array()?)),
            STRING => {
                let length = self.frame.array().map(u16::from_be_bytes)?;
                Value::Text(self.text(length.into())?)
            }
            BIG_STRING => {
                let length = self.length(self.limits.bytes_max)?;
                Value::Text(self.text(length)?)
            }
            BYTE_ARRAY => {
                let length = self.length(self.limits.bytes_max)?;
                Value::Bytes(self.frame.slice(length)?)
            }
            MAP => Value::Map(self.map(depth)?),
            LIST => Value::List(self.list(depth)?),
            type_id => return Err(DecodeError::UnknownPrimitive { type_id }),
        })
    }
}

fn check(found: usize, limit: usize) -> Result<usize, DecodeError> {
    if found > limit { Err(DecodeError::PrimitiveTooLarge { found, limit }) } else { Ok(found) }
}
