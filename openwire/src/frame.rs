//! Cutting the byte stream into frames: a big-endian 32-bit length, then that many bytes.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::FrameError;

/// A sensible frame limit, in bytes, before a peer has authenticated: commands up to then are small.
pub const FRAME_LIMIT_BEFORE_AUTHENTICATION: usize = 64 * 1024;

/// ActiveMQ's default `maxFrameSize` of a transport connector, in bytes (100 MiB).
pub const FRAME_LIMIT_DEFAULT: usize = 104_857_600;

/// Bytes of the length prefix.
pub const FRAME_PREFIX_LENGTH: usize = 4;

/// Cuts the next whole frame off the front of `received`, without its length prefix and without copying.
///
/// `Ok(None)` means that more bytes are needed; nothing was consumed and no memory reserved. Use
/// [`frame_bytes_missing`] to know how many.
///
/// # Errors
/// [`FrameError`] as soon as the length prefix is there and is not positive or is beyond `limit` (bytes, the
/// prefix not counted), before memory is taken for the frame.
pub fn take_frame(received: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = frame_length(received, limit)? else { return Ok(None) };
    if received.len() - FRAME_PREFIX_LENGTH < length {
        return Ok(None);
    }
    received.advance(FRAME_PREFIX_LENGTH);
    Ok(Some(received.split_to(length).freeze()))
}

/// How many bytes are missing until [`take_frame`] gives a frame: at least this many are worth reading.
///
/// # Errors
/// As [`take_frame`].
pub fn frame_bytes_missing(received: &[u8], limit: usize) -> Result<usize, FrameError> {
    Ok(match frame_length(received, limit)? {
        None => FRAME_PREFIX_LENGTH - received.len(),
        Some(length) => (length + FRAME_PREFIX_LENGTH).saturating_sub(received.len()),
    })
}

fn frame_length(received: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = received.first_chunk::<FRAME_PREFIX_LENGTH>() else { return Ok(None) };
    let found = i32::from_be_bytes(*prefix);
    let length = match usize::try_from(found) {
        Ok(length) if length > 0 => length,
        _ => return Err(FrameError::NotPositive { found }),
    };
    if length > limit {
        return Err(FrameError::TooLarge { found: length, limit });
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let stream = [0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9];
        let mut received = BytesMut::new();
        let mut frames = Vec::new();
        for byte in stream {
            received.extend_from_slice(&[byte]);
            frames.extend(take_frame(&mut received, 2).unwrap());
        }
        assert_eq!(frames, [Bytes::from_static(&[7, 8]), Bytes::from_static(&[9])]);
        assert!(received.is_empty());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_from_its_prefix_alone() {
        let mut received = BytesMut::from(&[0, 0, 0, 3][..]);
        let capacity = received.capacity();
        assert_eq!(take_frame(&mut received, 2), Err(FrameError::TooLarge { found: 3, limit: 2 }));
        assert_eq!(received.capacity(), capacity);
        let mut received = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert_eq!(take_frame(&mut received, 2), Err(FrameError::NotPositive { found: -1 }));
        let mut received = BytesMut::from(&[0, 0, 0, 0, 1][..]);
        assert_eq!(take_frame(&mut received, 2), Err(FrameError::NotPositive { found: 0 }));
    }

    #[test]
    fn the_missing_bytes_are_told() {
        assert_eq!(frame_bytes_missing(&[], 9), Ok(4));
        assert_eq!(frame_bytes_missing(&[0, 0], 9), Ok(2));
        assert_eq!(frame_bytes_missing(&[0, 0, 0, 9, 1], 9), Ok(8));
        assert_eq!(frame_bytes_missing(&[0, 0, 0, 1, 1, 1, 1], 9), Ok(0));
    }
}
