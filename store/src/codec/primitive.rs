//! Numbers, bytes and texts, and the reader that never reads past the end.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::error::{DecodeError, Problem};

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Folds the sign into the lowest bit, so that small negative numbers stay short.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads from the front; each call takes what it names or fails and says where.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn fail(&self, problem: Problem) -> DecodeError {
        DecodeError { problem, at: self.at }
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        match self.bytes.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(self.fail(Problem::Truncated { needed: 1, left: 0 })),
        }
    }

    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.fail(Problem::Number));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fail(Problem::Number))
    }

    /// The range of a length-prefixed run of bytes, checked to be there.
    pub(super) fn bytes(&mut self) -> Result<Range<usize>, DecodeError> {
        self.bytes_behind(0)
    }

    /// The same, where so many more bytes stand between the length and the run.
    pub(super) fn bytes_behind(&mut self, between: usize) -> Result<Range<usize>, DecodeError> {
        let length = self.varint()?;
        let needed = length.saturating_add(between as u64);
        let left = self.left();
        if needed > left as u64 {
            return Err(self.fail(Problem::Truncated { needed, left }));
        }
        let start = self.at + between;
        self.at = start + length as usize;
        Ok(start..self.at)
    }

    /// The same, copied out: for small things that outlive the bytes read.
    pub(super) fn bytes_copied(&mut self) -> Result<Bytes, DecodeError> {
        let range = self.bytes()?;
        Ok(Bytes::copy_from_slice(&self.bytes[range]))
    }

    pub(super) fn text_copied(&mut self) -> Result<ByteString, DecodeError> {
        let at = self.at;
        let bytes = self.bytes_copied()?;
        ByteString::try_from(bytes).map_err(|_| DecodeError { problem: Problem::Text, at })
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> Range<usize> {
        let start = self.at;
        self.at = self.bytes.len();
        start..self.at
    }

    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.fail(Problem::Trailing(left))),
        }
    }
}
