//! What clients, brokers and the arbiter say to each other: frames of a length, a kind, a number and bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A client is here: the number says which.
    Client,
    /// Keep this wish; its number is the client's.
    Keep,
    /// It is kept.
    Kept,
    /// It is not.
    Refused,
    /// Give me a message of this subscription, or of the queue.
    Fetch,
    /// Here is one that nobody got before; its number is the broker's.
    Message,
    /// Here is one that somebody may have got before.
    Again,
    /// There is none.
    Empty,
    /// I am done with it.
    Done,
    /// It is gone.
    Gone,
    /// What does the arbiter hold?
    Read,
    /// This record, of this version.
    Held,
    /// Put this record in the place of that of this version.
    Replace,
    /// It was, if the number is 1.
    Replaced,
}

const KINDS: [Kind; 14] = [
    Kind::Client,
    Kind::Keep,
    Kind::Kept,
    Kind::Refused,
    Kind::Fetch,
    Kind::Message,
    Kind::Again,
    Kind::Empty,
    Kind::Done,
    Kind::Gone,
    Kind::Read,
    Kind::Held,
    Kind::Replace,
    Kind::Replaced,
];

/// A frame's bytes.
pub(crate) fn frame(kind: Kind, number: u64, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(9 + body.len() as u32);
    bytes.put_u8(kind as u8);
    bytes.put_u64(number);
    bytes.put_slice(body);
    bytes.freeze()
}

/// Cuts frames out of bytes that come cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.put_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Option<(Kind, u64, Bytes)> {
        let length = u32::from_be_bytes(*self.0.first_chunk()?) as usize;
        if self.0.len() < 4 + length {
            return None;
        }
        self.0.advance(4);
        let mut frame = self.0.split_to(length).freeze();
        let kind = KINDS[usize::from(frame.get_u8())];
        Some((kind, frame.get_u64(), frame))
    }
}
