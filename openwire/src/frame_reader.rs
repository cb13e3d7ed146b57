//! A frame being read: its bytes, how far, and how deep.

use bytes::Bytes;

use crate::error::DecodeError;

/// Levels of nested objects allowed; real commands stay below six.
const DEPTH_LIMIT: usize = 16;

#[derive(Debug)]
pub(crate) struct FrameReader {
    bytes: Bytes,
    position: usize,
    depth: usize,
}

impl FrameReader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, position: 0, depth: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn available(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The whole frame, read or not.
    pub(crate) fn all(&self) -> &[u8] {
        &self.bytes
    }

    fn truncated(&self, needed: usize) -> DecodeError {
        DecodeError::Truncated { needed, available: self.available(), at: self.position }
    }

    /// The next bytes, checked to be there before anything is done with them.
    pub(crate) fn take(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        if length > self.available() {
            return Err(self.truncated(length));
        }
        let start = self.position;
        self.position += length;
        Ok(&self.bytes[start..self.position])
    }

    /// The next bytes, sharing the frame's memory.
    pub(crate) fn slice(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.available() {
            return Err(self.truncated(length));
        }
        let start = self.position;
        self.position += length;
        Ok(self.bytes.slice(start..self.position))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = *self.bytes[self.position..].first_chunk().ok_or_else(|| self.truncated(N))?;
        self.position += N;
        Ok(array)
    }

    /// Goes into a nested object.
    pub(crate) fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= DEPTH_LIMIT {
            return Err(DecodeError::TooDeep { limit: DEPTH_LIMIT });
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes out of a nested object. After an error nobody comes out; the frame is given up then.
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        match self.available() {
            0 => Ok(()),
            found => Err(DecodeError::TrailingBytes { found }),
        }
    }
}
