//! How many bytes of messages wait in memory, and how many may.

use std::ops::{Deref, DerefMut};

/// What holds messages in memory and knows how many bytes they take.
pub(crate) trait Holds {
    /// How many bytes are held now.
    fn bytes(&self) -> usize;
}

/// The sum over everything that is [`Counted`], and its bound. Nobody else adds or subtracts.
#[derive(Debug)]
pub(crate) struct Memory {
    used: usize,
    max: usize,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: 0, max }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Whether nothing more should be taken in.
    pub(crate) fn is_full(&self) -> bool {
        self.used >= self.max
    }

    /// Whether something should be let go.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used > self.max
    }

    /// Whether less than half of it is used.
    pub(crate) fn is_plenty(&self) -> bool {
        self.used < self.max / 2
    }

    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used.saturating_add(bytes) <= self.max
    }

    fn replace(&mut self, before: usize, after: usize) {
        debug_assert!(self.used >= before, "{before} bytes go of {}", self.used);
        self.used = self.used.saturating_sub(before) + after;
    }
}

/// What holds messages, so that each change of what it holds is a change of the sum: it cannot be changed otherwise.
#[derive(Debug)]
pub(crate) struct Counted<H>(H);

impl<H: Holds> Counted<H> {
    /// Counts what holds nothing yet.
    pub(crate) fn new(empty: H) -> Self {
        debug_assert_eq!(empty.bytes(), 0, "these bytes were never counted");
        Self(empty)
    }

    /// Lets it be changed; what came of it is counted when the change is dropped.
    pub(crate) fn change<'a>(&'a mut self, memory: &'a mut Memory) -> Change<'a, H> {
        Change { before: self.0.bytes(), held: &mut self.0, memory }
    }

    /// It goes with everything in it.
    pub(crate) fn end(self, memory: &mut Memory) {
        memory.replace(self.0.bytes(), 0);
    }
}

impl<H> Deref for Counted<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.0
    }
}

/// A change of what is held.
#[derive(Debug)]
pub(crate) struct Change<'a, H: Holds> {
    before: usize,
    held: &'a mut H,
    memory: &'a mut Memory,
}

impl<H: Holds> Deref for Change<'_, H> {
    type Target = H;

    fn deref(&self) -> &H {
        self.held
    }
}

impl<H: Holds> DerefMut for Change<'_, H> {
    fn deref_mut(&mut self) -> &mut H {
        self.held
    }
}

impl<H: Holds> Drop for Change<'_, H> {
    fn drop(&mut self) {
        self.memory.replace(self.before, self.held.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Holds for Vec<u8> {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn every_change_is_counted_whatever_it_is_and_an_end_leaves_nothing() {
        let mut memory = Memory::new(10);
        let (mut one, mut two) = (Counted::new(Vec::new()), Counted::new(Vec::new()));
        one.change(&mut memory).extend([0; 6]);
        two.change(&mut memory).extend([0; 5]);
        assert_eq!(memory.used(), 11);
        one.change(&mut memory).truncate(2);
        assert_eq!((memory.used(), one.len()), (7, 2));
        one.change(&mut memory).push(0);
        assert_eq!(memory.used(), 8);
        two.end(&mut memory);
        assert_eq!(memory.used(), 3);
        one.end(&mut memory);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_change_is_counted_where_its_maker_returns_in_the_middle() {
        fn first(bytes: &mut Counted<Vec<u8>>, memory: &mut Memory) -> Option<u8> {
            let mut change = bytes.change(memory);
            change.push(7);
            let first = change.iter().copied().find(|byte| *byte > 7)?;
            change.clear();
            Some(first)
        }
        let mut memory = Memory::new(10);
        let mut bytes = Counted::new(Vec::new());
        assert_eq!(first(&mut bytes, &mut memory), None);
        assert_eq!(memory.used(), 1);
    }

    #[test]
    fn the_bounds_stand_where_they_are_said_to() {
        let mut memory = Memory::new(10);
        let mut bytes = Counted::new(Vec::new());
        let mut at = |count: usize| {
            bytes.change(&mut memory).resize(count, 0);
            (memory.is_plenty(), memory.is_full(), memory.is_exceeded(), memory.has_room(1))
        };
        assert_eq!(at(4), (true, false, false, true));
        assert_eq!(at(5), (false, false, false, true));
        assert_eq!(at(9), (false, false, false, true));
        assert_eq!(at(10), (false, true, false, false));
        assert_eq!(at(11), (false, true, true, false));
        assert!(!memory.has_room(usize::MAX));
    }
}
