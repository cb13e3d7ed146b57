//! Where an encoded message stands.

use std::ops::Range;

/// Where an encoded message stands in its batch: a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte, counted from the batch's first.
    pub start: u32,
    /// How many bytes.
    pub length: u32,
}

impl Span {
    /// The same as a range of indexes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}
