//! For each segment, how many live things it holds: it may go when there are none, in it and before it.

use std::collections::HashMap;

/// Counts by segment number.
#[derive(Debug, Default)]
pub(super) struct LiveCounts(HashMap<u64, u64>);

impl LiveCounts {
    pub(super) fn add(&mut self, segment: u64) {
        *self.0.entry(segment).or_default() += 1;
    }

    pub(super) fn remove(&mut self, segment: u64) {
        if let Some(count) = self.0.get_mut(&segment) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&segment);
            }
        }
    }

    pub(super) fn of(&self, segment: u64) -> u64 {
        self.0.get(&segment).copied().unwrap_or_default()
    }
}
