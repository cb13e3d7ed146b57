//! What the generator writes at the head of each body, so that every message can be accounted for.
//!
//! ```text
//! 0   magic     "KAHABNCH"
//! 8   run       u64, random: which run sent it
//! 16  producer  u32: which of the run's producers
//! 20  (zeros)   u32
//! 24  sequence  u64: its number among that producer's, from 0
//! 32  due       u64: when it was to be sent, nanoseconds since the run's beginning
//! 40  filler    to the size asked for
//! ```
//!
//! All numbers little-endian. One process sends and receives, so one clock tells the time on the way.

use bytes::{BufMut as _, Bytes, BytesMut};

const MAGIC: [u8; 8] = *b"KAHABNCH";

/// Bytes of a stamp: the least that a message can have.
pub(super) const STAMP_BYTES: usize = 40;

/// Bodies are cut from pieces of this many bytes: an allocation for each would cost more than the body.
const CHUNK_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) run: u64,
    pub(super) producer: u32,
    pub(super) sequence: u64,
    /// Nanoseconds since the run's beginning.
    pub(super) due: u64,
}

impl Stamp {
    /// Reads a body's stamp; `None` where it has none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let head = body.get(..STAMP_BYTES)?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&head[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        if head[..8] != MAGIC {
            return None;
        }
        let producer = u32::try_from(number(16)).ok()?;
        Some(Self { run: number(8), producer, sequence: number(24), due: number(32) })
    }
}

/// Makes bodies of one size.
#[derive(Debug)]
pub(super) struct Bodies {
    size: usize,
    filler: Vec<u8>,
    chunk: BytesMut,
}

impl Bodies {
    /// Bodies of this many bytes, at least a stamp's.
    pub(super) fn new(size: usize) -> Self {
        let size = size.max(STAMP_BYTES);
        // Not all the same byte: what compresses on the way must not look faster than it is.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let filler = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        Self { size, filler: filler.take(size - STAMP_BYTES).collect(), chunk: BytesMut::new() }
    }

    /// A body with this stamp.
    pub(super) fn stamped(&mut self, stamp: Stamp) -> Bytes {
        if self.chunk.capacity() < self.size {
            self.chunk = BytesMut::with_capacity(CHUNK_BYTES.max(self.size));
        }
        self.chunk.put_slice(&MAGIC);
        self.chunk.put_u64_le(stamp.run);
        self.chunk.put_u64_le(stamp.producer.into());
        self.chunk.put_u64_le(stamp.sequence);
        self.chunk.put_u64_le(stamp.due);
        self.chunk.put_slice(&self.filler);
        self.chunk.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_a_body_of_any_size() {
        for size in [0, STAMP_BYTES, 41, 1024, 1 << 20] {
            let mut bodies = Bodies::new(size);
            for sequence in [0, 1, u64::MAX] {
                let stamp = Stamp { run: 7, producer: u32::MAX, sequence, due: 12 };
                let body = bodies.stamped(stamp);
                assert_eq!(body.len(), size.max(STAMP_BYTES));
                assert_eq!(Stamp::read(&body), Some(stamp));
            }
        }
    }

    #[test]
    fn what_others_send_has_no_stamp() {
        assert_eq!(Stamp::read(b""), None);
        assert_eq!(Stamp::read(&[0; 1024]), None);
        assert_eq!(Stamp::read(&MAGIC), None);
    }
}
