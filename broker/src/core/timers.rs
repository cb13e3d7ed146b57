//! What is to be done at a time: one set, in order. What no longer waits is taken out, so that it holds no more than there are
//! waiting consumers and wakes nobody for nothing.

use std::collections::BTreeSet;

use super::keys::ConsumerKey;

/// What is done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A consumer that asked for a message gets the answer that there is none. First, as each turn looks for these.
    Pull,
    /// A slow subscriber has held senders back for long enough.
    Hold,
    /// Expired messages are looked for.
    Sweep,
    /// The next page is asked for that may hold expired messages.
    SweepPage,
    /// Dead letters for which the store had no room are offered to it again.
    Letters,
    /// Destinations are looked for that nobody uses.
    Purge,
}

/// Stands for the consumer where it is about none.
const NOBODY: ConsumerKey = ConsumerKey(0);

/// Times are in milliseconds since 1970. See the module.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// By kind, then by time.
    due: BTreeSet<(Kind, i64, ConsumerKey)>,
}

impl Timers {
    /// Waits for a consumer.
    pub(crate) fn set(&mut self, kind: Kind, at: i64, key: ConsumerKey) {
        debug_assert!(matches!(kind, Kind::Hold | Kind::Pull), "{kind:?} is about no consumer");
        self.due.insert((kind, at, key));
    }

    /// Waits for a consumer no longer.
    pub(crate) fn clear(&mut self, kind: Kind, at: i64, key: ConsumerKey) {
        let was_set = self.due.remove(&(kind, at, key));
        debug_assert!(was_set, "{kind:?} of {key:?} at {at} was not set");
    }

    /// Waits for this time, and no other, with what is about no consumer.
    pub(crate) fn set_only(&mut self, kind: Kind, at: i64) {
        debug_assert!(!matches!(kind, Kind::Hold | Kind::Pull), "{kind:?} is about a consumer");
        while self.take_due(kind, i64::MAX).is_some() {}
        self.due.insert((kind, at, NOBODY));
    }

    /// Takes the first of a kind whose time has come.
    pub(crate) fn take_due(&mut self, kind: Kind, now: i64) -> Option<(i64, ConsumerKey)> {
        let (at, key) = self.due(kind, now).next()?;
        self.due.remove(&(kind, at, key));
        Some((at, key))
    }

    /// Whether a pull's time has come.
    pub(crate) fn has_due_pull(&self, now: i64) -> bool {
        self.due.first().is_some_and(|(kind, at, _)| *kind == Kind::Pull && *at <= now)
    }

    /// Those of a kind whose time has come, the longest overdue first.
    pub(crate) fn due(&self, kind: Kind, now: i64) -> impl Iterator<Item = (i64, ConsumerKey)> {
        let those = (kind, i64::MIN, NOBODY)..=(kind, now, ConsumerKey(u64::MAX));
        self.due.range(those).map(|(_, at, key)| (*at, *key))
    }

    /// When something is to be done next; the end of time for never. A pull that is overdue waits for a page, not for the time.
    pub(crate) fn next(&self, now: i64) -> i64 {
        let first = |kind, from| {
            let those = (kind, from, NOBODY)..=(kind, i64::MAX, ConsumerKey(u64::MAX));
            self.due.range(those).next().map_or(i64::MAX, |(_, at, _)| *at)
        };
        let others = [Kind::Hold, Kind::Sweep, Kind::SweepPage, Kind::Letters, Kind::Purge]
            .map(|kind| first(kind, i64::MIN));
        others.into_iter().fold(first(Kind::Pull, now.saturating_add(1)), i64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConsumerKey = ConsumerKey(1);
    const TWO: ConsumerKey = ConsumerKey(2);

    #[test]
    fn each_kind_comes_when_its_time_has_come_and_in_the_order_of_the_times() {
        let mut timers = Timers::default();
        timers.set(Kind::Hold, 30, ONE);
        timers.set(Kind::Hold, 20, TWO);
        timers.set(Kind::Pull, 10, ONE);
        assert_eq!(timers.take_due(Kind::Hold, 19), None);
        assert_eq!(timers.take_due(Kind::Hold, 30), Some((20, TWO)));
        assert_eq!(timers.take_due(Kind::Hold, 30), Some((30, ONE)));
        assert_eq!(timers.take_due(Kind::Hold, 30), None);
        assert_eq!(timers.due(Kind::Pull, 30).collect::<Vec<_>>(), [(10, ONE)]);
        assert!(timers.has_due_pull(10) && !timers.has_due_pull(9));
        timers.clear(Kind::Pull, 10, ONE);
        timers.set(Kind::Hold, 5, ONE);
        assert!(!timers.has_due_pull(10));
    }

    #[test]
    fn the_next_is_the_first_of_all_but_a_pull_that_is_overdue() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(0), i64::MAX);
        timers.set(Kind::Pull, 10, ONE);
        timers.set(Kind::Pull, 40, TWO);
        timers.set(Kind::Hold, 30, ONE);
        assert_eq!([timers.next(9), timers.next(10), timers.next(35)], [10, 30, 30]);
        timers.clear(Kind::Hold, 30, ONE);
        assert_eq!(timers.next(10), 40);
        assert_eq!(timers.next(i64::MAX), i64::MAX);
        timers.set_only(Kind::SweepPage, 5);
        assert_eq!(timers.next(10), 5, "what is overdue and waits for nothing else is done at once");
    }

    #[test]
    fn what_is_set_only_once_is_put_off_or_brought_forward() {
        let mut timers = Timers::default();
        timers.set_only(Kind::SweepPage, 50);
        timers.set_only(Kind::Sweep, 40);
        timers.set_only(Kind::SweepPage, 20);
        assert_eq!(timers.next(0), 20);
        assert!(timers.take_due(Kind::SweepPage, 60).is_some());
        assert_eq!(timers.take_due(Kind::SweepPage, 60), None);
        assert_eq!(timers.next(0), 40);
    }
}
