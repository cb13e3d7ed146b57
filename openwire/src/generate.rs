//! Random structures for tests, from the same table as the encodings. What a version does not have keeps its
//! absent value, so that decoding gives back exactly what was encoded.

use std::sync::Arc;

use bytes::Bytes;

use crate::text::Text;
use crate::throwable::{StackTraceElement, Throwable};

/// Structures inside of structures at most.
const DEPTH_LIMIT: usize = 3;

/// A source of random structures for one version.
pub(crate) struct Generator {
    state: u64,
    version: u8,
    stack_trace: bool,
    depth: usize,
}

/// What can be generated.
pub(crate) trait Generate {
    fn generate(generator: &mut Generator) -> Self;
}

impl Generator {
    pub(crate) fn new(seed: u64, version: u8, stack_trace: bool) -> Self {
        Self { state: seed, version, stack_trace, depth: 0 }
    }

    pub(crate) fn version(&self) -> u8 {
        self.version
    }

    /// The next number of SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub(crate) fn int(&mut self) -> i32 {
        self.long() as i32
    }

    /// Of every width that the tight encoding tells apart.
    pub(crate) fn long(&mut self) -> i64 {
        let shift = [63, 60, 48, 47, 40, 32, 31, 16, 0][self.below(9)];
        let value = (self.next() >> shift) as i64;
        if self.below(8) == 0 { value.wrapping_neg() } else { value }
    }

    pub(crate) fn name(&mut self) -> Text {
        const PIECES: [&str; 8] = ["a", "queue.", "ID:host-", "\0", "é", "€", "😀", "0123456789"];
        let pieces = match self.below(40) {
            0 => 3000,
            _ => self.below(5),
        };
        let ascii = self.bool();
        let text: String =
            (0..pieces).map(|_| PIECES[self.below(if ascii { 3 } else { PIECES.len() })]).collect();
        // Few different names, so that caches see the same objects again.
        if self.bool() { Text::from(["x", "y", "z"][self.below(3)]) } else { text.into() }
    }

    pub(crate) fn text(&mut self) -> Option<Text> {
        self.bool().then(|| self.name())
    }

    pub(crate) fn bytes(&mut self) -> Option<Bytes> {
        let length = match self.below(20) {
            0 => 5000,
            _ => self.below(20),
        };
        self.bool().then(|| (0..length).map(|_| self.byte()).collect())
    }

    pub(crate) fn octets(&mut self) -> Option<Bytes> {
        self.bytes()
    }

    pub(crate) fn nested<S: Generate>(&mut self) -> Option<S> {
        if self.depth >= DEPTH_LIMIT || self.below(3) == 0 {
            return None;
        }
        self.depth += 1;
        let structure = S::generate(self);
        self.depth -= 1;
        Some(structure)
    }

    pub(crate) fn cached<S: Generate>(&mut self) -> Option<S> {
        self.nested()
    }

    pub(crate) fn list<S: Generate>(&mut self) -> Option<Arc<[S]>> {
        if self.bool() {
            return None;
        }
        let length = if self.below(50) == 0 { 300 } else { self.below(4) };
        Some((0..length).filter_map(|_| self.nested()).collect())
    }

    pub(crate) fn throwable(&mut self) -> Option<Box<Throwable>> {
        if self.bool() {
            return None;
        }
        let mut throwable =
            Throwable { class_name: self.text(), message: self.text(), ..Throwable::default() };
        if self.stack_trace {
            throwable.stack_trace = (0..self.below(4))
                .map(|_| StackTraceElement {
                    class_name: self.text(),
                    method_name: self.text(),
                    file_name: self.text(),
                    line_number: self.int(),
                })
                .collect();
            throwable.cause = self.throwable();
        }
        Some(Box::new(throwable))
    }
}

impl<S: Generate> Generate for Arc<S> {
    fn generate(generator: &mut Generator) -> Self {
        Arc::new(S::generate(generator))
    }
}
