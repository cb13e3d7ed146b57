//! The numbers by which live things are named while the broker runs. None is ever used twice.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

key! {
    /// A client's connection.
    ConnectionKey
}
key! {
    /// A consumer: one subscription of one session.
    ConsumerKey
}
key! {
    /// A destination, stored or not.
    DestinationKey
}
key! {
    /// Something messages are dispatched from in order: a queue, or one topic of a durable subscription.
    SourceKey
}
key! {
    /// A batch that was given to the store.
    CommitToken
}
key! {
    /// A request to read that was given to the store.
    ReadToken
}

/// Names a client's request within its connection; the session gives it and gets it back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i32);

/// A map by a number of our own. The hash is fixed, so that iteration is the same in every run with the same inputs;
/// never use it for keys that clients choose.
pub type KeyMap<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// Multiplies by an odd constant (Fibonacci hashing): enough for numbers that count upward.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20);
    }
}
