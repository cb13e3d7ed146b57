//! What happens again and again is said ever more rarely: the first time, the second, the fourth, the eighth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many different things are counted; beyond that, counting begins anew.
const KNOWN_MAX: usize = 1024;
/// The most bytes of what is remembered of each.
const BYTES_MAX: usize = 256;

/// Counts what is said, by what it says.
#[derive(Debug, Default)]
pub(crate) struct Rarely(Mutex<HashMap<String, u64>>);

impl Rarely {
    /// Whether to say this now: how many times it has been so by now.
    pub(crate) fn now(&self, what: &str) -> Option<u64> {
        let what = &what[..what.floor_char_boundary(BYTES_MAX)];
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX && !known.contains_key(what) {
            known.clear();
        }
        let times = known.entry(what.to_owned()).or_default();
        *times += 1;
        times.is_power_of_two().then_some(*times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_ever_more_rarely() {
        let rarely = Rarely::default();
        let said: Vec<_> = (0..27).filter_map(|_| rarely.now("a")).collect();
        assert_eq!(said, [1, 2, 4, 8, 16]);
        assert_eq!(rarely.now("b"), Some(1), "another is another");
    }

    #[test]
    fn memory_is_bounded_whatever_is_said() {
        let rarely = Rarely::default();
        for number in 0..5000 {
            rarely.now(&format!("{number} {}", "é".repeat(10_000)));
        }
        let known = rarely.0.lock().expect("the counts");
        assert!(known.len() <= KNOWN_MAX && known.keys().all(|key| key.len() <= BYTES_MAX));
    }
}
