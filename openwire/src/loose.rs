//! The loose encoding: each field in full, in order; a boolean is a byte.

use bytes::Bytes;

use crate::cache::{Cacheable, CachedObject, DecodeCache, EncodeCache};
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Options, Structure};
use crate::frame_reader::FrameReader;
use crate::modified_utf8;
use crate::output::Output;
use crate::text::Text;

/// Longest string in bytes, by its unsigned 16-bit length.
const TEXT_LIMIT: usize = u16::MAX as usize;

pub(crate) struct LooseWriter<'a, O> {
    pub(crate) out: &'a mut O,
    pub(crate) options: Options,
    pub(crate) cache: Option<&'a mut EncodeCache>,
}

impl<O: Output> FieldWriter for LooseWriter<'_, O> {
    fn options(&self) -> Options {
        self.options
    }

    fn bool(&mut self, value: bool) {
        self.out.put(&[value.into()]);
    }

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
        self.out.put(&value.to_be_bytes());
    }

    fn text(&mut self, value: Option<&Text>) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        let Some(text) = value else { return Ok(()) };
        let found = modified_utf8::encoded_length(text);
        let length =
            u16::try_from(found).map_err(|_| EncodeError::TextTooLong { found, limit: TEXT_LIMIT })?;
        self.short(length);
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
        let Some(cache) = &mut self.cache else { return self.nested(value) };
        let (is_new, index) = match cache.find(value) {
            Some(index) => (false, index),
            None => (true, cache.add(value.map_or(CachedObject::Null, Cacheable::to_cached))),
        };
        self.bool(is_new);
        self.short(index as u16);
        if is_new { self.nested(value) } else { Ok(()) }
    }

    fn not_premarshalled(&mut self) {}
}

pub(crate) struct LooseReader<'a> {
    pub(crate) frame: FrameReader,
    pub(crate) options: Options,
    pub(crate) cache: Option<&'a mut DecodeCache>,
}

impl FieldReader for LooseReader<'_> {
    fn options(&self) -> Options {
        self.options
    }

    fn bool(&mut self) -> Result<bool, DecodeError> {
        self.byte().map(|byte| byte != 0)
    }

    fn text(&mut self) -> Result<Option<Text>, DecodeError> {
        if !self.bool()? {
            return Ok(None);
        }
        let length = self.frame.array().map(u16::from_be_bytes)?;
        modified_utf8::decode(self.frame.take(length.into())?).map(Some)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        self.frame.array().map(i64::from_be_bytes)
    }

    fn frame(&mut self) -> &mut FrameReader {
        &mut self.frame
    }

    fn cache(&mut self) -> Option<&mut DecodeCache> {
        self.cache.as_deref_mut()
    }

    fn is_premarshalled(&mut self) -> Result<bool, DecodeError> {
        Ok(false)
    }
}
