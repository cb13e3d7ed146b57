//! What a message is known by.

use bytes::{BufMut, Bytes, BytesMut};

use crate::random::Random;

/// A message: the so-manieth of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The producer.
    pub producer: u32,
    /// Its number there, ascending in the order of sending.
    pub number: u64,
}

/// How many bytes say which message it is and how long, and that they are right.
const HEAD: usize = 24;

impl Tag {
    /// A body of about so many bytes, every one of which follows from the message.
    pub fn body(self, length: usize) -> Bytes {
        let length = length.max(HEAD);
        let mut body = BytesMut::with_capacity(length);
        body.put_u32(self.producer);
        body.put_u64(self.number);
        body.put_u32(length as u32);
        let mut random = Random::new(self.number ^ u64::from(self.producer) << 32);
        while body.len() + 8 <= length {
            body.put_u64(random.number());
        }
        body.resize(length, 0xa5);
        body.freeze()
    }

    /// Which message's body this is, if every byte is as it was made.
    pub fn of(body: &[u8]) -> Option<Self> {
        let (producer, rest) = body.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (length, _) = rest.split_first_chunk()?;
        let tag = Self { producer: u32::from_be_bytes(*producer), number: u64::from_be_bytes(*number) };
        let is_whole = u32::from_be_bytes(*length) as usize == body.len();
        (is_whole && tag.body(body.len()) == body).then_some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_whose_it_is_unless_anything_of_it_is_changed() {
        let tag = Tag { producer: 3, number: 77 };
        for length in [0, 24, 25, 31, 32, 100] {
            let body = tag.body(length);
            assert_eq!((Tag::of(&body), body.len()), (Some(tag), length.max(HEAD)));
            for at in 0..body.len() {
                let mut changed = body.to_vec();
                changed[at] ^= 1;
                assert_eq!(Tag::of(&changed), None, "byte {at} of {length}");
            }
            assert_eq!(Tag::of(&body[..body.len() - 1]), None);
        }
    }
}
