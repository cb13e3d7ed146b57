//! The tight encoding's boolean stream: all booleans of a command, packed eight to a byte, lowest bit first,
//! before its other fields.
//!
//! ```text
//! length in bytes: 0..=63   one byte
//!                  64..=255 C0, one byte
//!                  beyond   80, two bytes
//! ```

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};

const ONE_BYTE_FOLLOWS: u8 = 0xc0;
const TWO_BYTES_FOLLOW: u8 = 0x80;

/// Collects booleans; kept and reused from command to command.
#[derive(Debug, Default)]
pub(crate) struct BooleanWriter {
    /// Full bytes, and the last one once `finish` was called.
    bytes: Vec<u8>,
    last: u8,
    /// Booleans in `last`, 0 to 7.
    last_bits: u8,
}

impl BooleanWriter {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.last = 0;
        self.last_bits = 0;
    }

    #[inline]
    pub(crate) fn push(&mut self, value: bool) {
        self.last |= u8::from(value) << self.last_bits;
        self.last_bits += 1;
        if self.last_bits == 8 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes.push(self.last);
        self.last = 0;
        self.last_bits = 0;
    }

    /// Ends the stream, before its length is asked for.
    pub(crate) fn finish(&mut self) {
        if self.last_bits > 0 {
            self.flush();
        }
    }

    /// Bytes that [`Self::write`] appends.
    ///
    /// # Errors
    /// Where the stream is longer than its length can say.
    pub(crate) fn encoded_length(&self) -> Result<usize, EncodeError> {
        match self.bytes.len() {
            length @ 0..=63 => Ok(1 + length),
            length @ 64..=255 => Ok(2 + length),
            length if length <= i16::MAX as usize => Ok(3 + length),
            found => Err(EncodeError::BooleansTooLong { found, limit: i16::MAX as usize }),
        }
    }

    /// Appends length and booleans; `encoded_length` must have succeeded.
    pub(crate) fn write(&self, out: &mut impl BufMut) {
        match self.bytes.len() {
            length @ 0..=63 => out.put_u8(length as u8),
            length @ 64..=255 => out.put_slice(&[ONE_BYTE_FOLLOWS, length as u8]),
            length => {
                out.put_u8(TWO_BYTES_FOLLOW);
                out.put_u16(length as u16);
            }
        }
        out.put_slice(&self.bytes);
    }
}

/// Where a frame's booleans are, and how many were read. The frame stays with its reader.
#[derive(Debug)]
pub(crate) struct BooleanReader {
    start: usize,
    length: usize,
    position: usize,
}

impl BooleanReader {
    /// Finds the stream that begins at `offset` of a frame, and where it ends.
    pub(crate) fn find(frame: &[u8], offset: usize) -> Result<(Self, usize), DecodeError> {
        let rest = frame.get(offset..).unwrap_or_default();
        let truncated = |needed| DecodeError::Truncated { needed, available: rest.len(), at: offset };
        let (head, length) = match *rest {
            [ONE_BYTE_FOLLOWS, length, ..] => (2, usize::from(length)),
            [TWO_BYTES_FOLLOW, high, low, ..] => {
                let found = i16::from_be_bytes([high, low]);
                let length = usize::try_from(found)
                    .map_err(|_| DecodeError::NegativeLength { found: found.into(), at: offset })?;
                (3, length)
            }
            [ONE_BYTE_FOLLOWS] => return Err(truncated(2)),
            [TWO_BYTES_FOLLOW, ..] => return Err(truncated(3)),
            [length, ..] => (1, usize::from(length)),
            [] => return Err(truncated(1)),
        };
        if rest.len() < head + length {
            return Err(truncated(head + length));
        }
        Ok((Self { start: offset + head, length, position: 0 }, offset + head + length))
    }

    pub(crate) fn next(&mut self, frame: &[u8]) -> Result<bool, DecodeError> {
        let byte = self.position / 8;
        let exhausted = DecodeError::BooleansExhausted { bytes: self.length };
        if byte >= self.length {
            return Err(exhausted);
        }
        let byte = frame.get(self.start + byte).ok_or(exhausted)?;
        let value = byte >> (self.position % 8) & 1 != 0;
        self.position += 1;
        Ok(value)
    }

    /// No whole byte may be left.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        let unread = self.length - self.position.div_ceil(8);
        if unread > 0 {
            return Err(DecodeError::BooleansLeftOver { unread, bytes: self.length });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_every_length_form_are_read_back() {
        for count in [0, 1, 7, 8, 9, 63 * 8, 63 * 8 + 1, 64 * 8, 255 * 8, 255 * 8 + 1, 1000 * 8] {
            let mut writer = BooleanWriter::default();
            let values: Vec<bool> = (0..count).map(|index| index % 3 == 0).collect();
            values.iter().for_each(|value| writer.push(*value));
            writer.finish();
            let mut frame = vec![9];
            writer.write(&mut frame);
            assert_eq!(frame.len(), 1 + writer.encoded_length().unwrap());
            let (mut reader, end) = BooleanReader::find(&frame, 1).unwrap();
            assert_eq!(end, frame.len());
            let read: Vec<bool> = (0..count).map(|_| reader.next(&frame).unwrap()).collect();
            assert_eq!(read, values);
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn damaged_streams_are_refused() {
        let find = |frame: &[u8]| BooleanReader::find(frame, 0).map(|_| ());
        assert_eq!(find(&[]), Err(DecodeError::Truncated { needed: 1, available: 0, at: 0 }));
        assert_eq!(find(&[2, 0]), Err(DecodeError::Truncated { needed: 3, available: 2, at: 0 }));
        assert_eq!(find(&[0xc0]), Err(DecodeError::Truncated { needed: 2, available: 1, at: 0 }));
        assert_eq!(find(&[0x80, 0]), Err(DecodeError::Truncated { needed: 3, available: 2, at: 0 }));
        assert_eq!(find(&[0x80, 0xff, 0xff]), Err(DecodeError::NegativeLength { found: -1, at: 0 }));
        let frame = [2, 0, 0];
        let (mut reader, _) = BooleanReader::find(&frame, 0).unwrap();
        assert_eq!(reader.finish(), Err(DecodeError::BooleansLeftOver { unread: 2, bytes: 2 }));
        (0..16).for_each(|_| assert_eq!(reader.next(&frame), Ok(false)));
        assert_eq!(reader.next(&frame), Err(DecodeError::BooleansExhausted { bytes: 2 }));
    }
}
