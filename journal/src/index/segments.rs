//! For each segment, how many live messages it holds and how many bytes they take: it may go when there are none, in it and before it.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::location::Location;

/// How much lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// How many messages.
    pub(crate) count: u64,
    /// The sum of their encoded sizes.
    pub(crate) bytes: u64,
}

impl Live {
    /// One message.
    pub(super) fn of(location: &Location) -> Self {
        Self { count: 1, bytes: location.span.length.into() }
    }
}

impl AddAssign for Live {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// What lives, by segment number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveCounts {
    segments: BTreeMap<u64, Live>,
    total: Live,
}

impl LiveCounts {
    pub(super) fn add(&mut self, location: &Location) {
        let more = Live::of(location);
        *self.segments.entry(location.segment).or_default() += more;
        self.total += more;
    }

    pub(super) fn remove(&mut self, location: &Location) {
        self.remove_many(location.segment, Live::of(location));
    }

    /// Notes that so much of a segment died.
    pub(super) fn remove_many(&mut self, segment: u64, died: Live) {
        if let Some(live) = self.segments.get_mut(&segment) {
            live.count -= died.count;
            live.bytes -= died.bytes;
            self.total.count -= died.count;
            self.total.bytes -= died.bytes;
            if live.count == 0 {
                self.segments.remove(&segment);
            }
        }
    }

    pub(super) fn of(&self, segment: u64) -> Live {
        self.segments.get(&segment).copied().unwrap_or_default()
    }

    /// What lives in the segments up to this number.
    pub(super) fn up_to(&self, segment: u64) -> Live {
        let mut sum = Live::default();
        self.segments.range(..=segment).for_each(|(_, live)| sum += *live);
        sum
    }

    /// What lives, segment by segment.
    pub(crate) fn by_segment(&self) -> impl ExactSizeIterator<Item = (u64, Live)> {
        self.segments.iter().map(|(&number, &live)| (number, live))
    }

    /// The counts of which this was kept.
    pub(crate) fn of_segments(segments: BTreeMap<u64, Live>) -> Self {
        let mut total = Live::default();
        segments.values().for_each(|live| total += *live);
        Self { segments, total }
    }

    pub(super) fn total(&self) -> Live {
        self.total
    }
}
