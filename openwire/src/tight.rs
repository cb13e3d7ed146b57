//! The tight encoding: all booleans packed in front, small numbers short, plain ASCII strings marked.
//!
//! Writing takes two passes over the structure. The first collects booleans, adds up the size and asks the cache;
//! what it found out that the second needs again (string lengths, cache indexes) it leaves as notes, in order.

use std::slice;

use bytes::Bytes;

use crate::boolean_stream::{BooleanReader, BooleanWriter};
use crate::cache::{Cacheable, CachedObject, DecodeCache, EncodeCache};
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Options, Structure};
use crate::frame_reader::FrameReader;
use crate::modified_utf8;
use crate::output::Output;
use crate::text::Text;

/// Longest string in bytes: ActiveMQ refuses 32767 and more.
const TEXT_LIMIT: usize = i16::MAX as usize - 1;

/// In a cache's note: the object is new to the peer and follows.
const IS_NEW: u32 = 1 << 16;

/// What the first pass leaves for the second; kept and reused from command to command.
#[derive(Debug, Default)]
pub(crate) struct TightPlan {
    pub(crate) booleans: BooleanWriter,
    notes: Vec<u32>,
    size: usize,
}

impl TightPlan {
    pub(crate) fn clear(&mut self) {
        self.booleans.clear();
        self.notes.clear();
        self.size = 0;
    }

    /// Bytes of the fields, without type and boolean stream.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// A writer for the second pass.
    pub(crate) fn writer<'a, O: Output>(
        &'a self,
        out: &'a mut O,
        options: Options,
        is_caching: bool,
    ) -> TightWriter<'a, O> {
        TightWriter { out, options, is_caching, notes: self.notes.iter() }
    }
}

/// The first pass.
pub(crate) struct TightSizer<'a> {
    pub(crate) plan: &'a mut TightPlan,
    pub(crate) options: Options,
    pub(crate) cache: Option<&'a mut EncodeCache>,
}

impl FieldWriter for TightSizer<'_> {
    fn options(&self) -> Options {
        self.options
    }

    fn bool(&mut self, value: bool) {
        self.plan.booleans.push(value);
    }

    fn byte(&mut self, _: u8) {
        self.plan.size += 1;
    }

    fn short(&mut self, _: u16) {
        self.plan.size += 2;
    }

    fn int(&mut self, _: i32) {
        self.plan.size += 4;
    }

    fn long(&mut self, value: i64) {
        let width = LongWidth::of(value);
        let (first, second) = width.booleans();
        self.bool(first);
        self.bool(second);
        self.plan.size += width.bytes();
    }

    fn text(&mut self, value: Option<&Text>) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        let Some(text) = value else { return Ok(()) };
        let is_plain = modified_utf8::is_plain(text);
        let found = if is_plain { text.len() } else { modified_utf8::encoded_length(text) };
        if found > TEXT_LIMIT {
            return Err(EncodeError::TextTooLong { found, limit: TEXT_LIMIT });
        }
        self.bool(is_plain);
        self.plan.notes.push(found as u32);
        self.plan.size += 2 + found;
        Ok(())
    }

    fn fixed(&mut self, value: &[u8]) {
        self.plan.size += value.len();
    }

    fn shared(&mut self, value: &Bytes) {
        self.plan.size += value.len();
    }

    fn cached<S: Structure + Cacheable>(&mut self, value: Option<&S>) -> Result<(), EncodeError> {
        let Some(cache) = &mut self.cache else { return self.nested(value) };
        let known = cache.find(value);
        self.bool(known.is_none());
        self.plan.size += 2;
        if let Some(index) = known {
            self.plan.notes.push(u32::from(index as u16));
            return Ok(());
        }
        // The index is taken after those of objects inside, as ActiveMQ does, but its note stands before theirs.
        let note = self.plan.notes.len();
        self.plan.notes.push(0);
        self.nested(value)?;
        if let Some(cache) = &mut self.cache {
            let index = cache.add(value.map_or(CachedObject::Null, Cacheable::to_cached));
            self.plan.notes[note] = IS_NEW | u32::from(index as u16);
        }
        Ok(())
    }

    fn not_premarshalled(&mut self) {
        self.bool(false);
    }
}

/// The second pass.
pub(crate) struct TightWriter<'a, O> {
    out: &'a mut O,
    options: Options,
    is_caching: bool,
    notes: slice::Iter<'a, u32>,
}

impl<O: Output> TightWriter<'_, O> {
    fn note(&mut self) -> u32 {
        // Both passes walk the same structure, so there is a note for each who asks.
        self.notes.next().copied().unwrap_or_default()
    }
}

impl<O: Output> FieldWriter for TightWriter<'_, O> {
    fn options(&self) -> Options {
        self.options
    }

    fn bool(&mut self, _: bool) {}

    fn byte(&mut self, value: u8) {
        self.out.put(&[value]);
    }

    fn short(&mut self, value: u16) {
        self.out.put(&value.to_be_bytes());
    }

    fn int(&mut self, value: i32) {
        self.out.put(&value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        match LongWidth::of(value) {
            LongWidth::Zero => {}
            LongWidth::Short => self.out.put(&(value as u16).to_be_bytes()),
            LongWidth::Int => self.out.put(&(value as u32).to_be_bytes()),
            LongWidth::Long => self.out.put(&value.to_be_bytes()),
        }
    }

    fn text(&mut self, value: Option<&Text>) -> Result<(), EncodeError> {
        let Some(text) = value else { return Ok(()) };
        let length = self.note();
        self.short(length as u16);
        modified_utf8::encode(text, self.out.buffer());
        Ok(())
    }

    fn fixed(&mut self, value: &[u8]) {
        self.out.put(value);
    }

    fn shared(&mut self, value: &Bytes) {
        self.out.put_shared(value);
    }

    fn cached<S: Structure + Cacheable>(&mut self, value: Option<&S>) -> Result<(), EncodeError> {
        if !self.is_caching {
            return self.nested(value);
        }
        let note = self.note();
        self.short(note as u16);
        if note & IS_NEW != 0 { self.nested(value) } else { Ok(()) }
    }

    fn not_premarshalled(&mut self) {}
}

/// How many bytes a long takes, told by two booleans.
enum LongWidth {
    Zero,
    Short,
    Int,
    Long,
}

impl LongWidth {
    fn of(value: i64) -> Self {
        match value as u64 {
            0 => Self::Zero,
            1..=0xffff => Self::Short,
            0x1_0000..=0xffff_ffff => Self::Int,
            _ => Self::Long,
        }
    }

    fn booleans(&self) -> (bool, bool) {
        match self {
            Self::Zero => (false, false),
            Self::Short => (false, true),
            Self::Int => (true, false),
            Self::Long => (true, true),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Zero => 0,
            Self::Short => 2,
            Self::Int => 4,
            Self::Long => 8,
        }
    }
}

pub(crate) struct TightReader<'a> {
    pub(crate) frame: FrameReader,
    pub(crate) booleans: BooleanReader,
    pub(crate) options: Options,
    pub(crate) cache: Option<&'a mut DecodeCache>,
}

impl FieldReader for TightReader<'_> {
    fn options(&self) -> Options {
        self.options
    }

    fn bool(&mut self) -> Result<bool, DecodeError> {
        self.booleans.next(self.frame.all())
    }

    fn text(&mut self) -> Result<Option<Text>, DecodeError> {
        if !self.bool()? {
            return Ok(None);
        }
        let is_plain = self.bool()?;
        let length = self.frame.array().map(u16::from_be_bytes)?;
        let bytes = self.frame.take(length.into())?;
        if is_plain && let Some(at) = bytes.iter().position(|byte| !byte.is_ascii()) {
            return Err(DecodeError::BadText { at, byte: bytes[at], length: bytes.len() });
        }
        modified_utf8::decode(bytes).map(Some)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        Ok(match (self.bool()?, self.bool()?) {
            (false, false) => 0,
            (false, true) => self.frame.array().map(u16::from_be_bytes)?.into(),
            (true, false) => self.frame.array().map(u32::from_be_bytes)?.into(),
            (true, true) => self.frame.array().map(i64::from_be_bytes)?,
        })
    }

    fn frame(&mut self) -> &mut FrameReader {
        &mut self.frame
    }

    fn cache(&mut self) -> Option<&mut DecodeCache> {
        self.cache.as_deref_mut()
    }

    fn is_premarshalled(&mut self) -> Result<bool, DecodeError> {
        self.bool()
    }
}
