//! A host's clock: monotonic, and as wrong as a test wants.

use std::time::Duration;

/// Parts in a million.
const MILLION: i128 = 1_000_000;

/// A monotonic clock. It may run fast or slow, jump ahead, and stand still with its machine; it never goes back.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The world's time at which it was set last, and what it showed.
    set: (Duration, Duration),
    /// By how many parts in a million it is fast.
    fast: i64,
    stands: bool,
}

impl Clock {
    /// A clock that shows this at the world's beginning, and is right from there on.
    pub fn new(shows: Duration) -> Self {
        Self { set: (Duration::ZERO, shows), fast: 0, stands: false }
    }

    /// What it shows.
    pub fn read(&self, world: Duration) -> Duration {
        let since = world.saturating_sub(self.set.0);
        let gone = since.as_nanos() as i128 * self.rate() / MILLION;
        self.set.1 + nanos(gone)
    }

    /// When it will show this, in the world's time: now where it does already, `None` while it stands still.
    pub fn when(&self, shows: Duration, world: Duration) -> Option<Duration> {
        let left = shows.saturating_sub(self.read(world));
        if left.is_zero() {
            return Some(world);
        }
        let rate = self.rate();
        if rate == 0 {
            return None;
        }
        // From where it was set, so that rounding cannot add up; up, so that then it does show it.
        let needed = shows.saturating_sub(self.set.1).as_nanos() as i128 * MILLION;
        Some((self.set.0 + nanos((needed + rate - 1) / rate)).max(world))
    }

    /// It jumps ahead.
    pub fn jump(&mut self, world: Duration, by: Duration) {
        self.set = (world, self.read(world) + by);
    }

    /// From now on it is fast by so many parts in a million; slow where that is negative, and never below a millionth of the right rate.
    pub fn skew(&mut self, world: Duration, fast: i64) {
        self.set = (world, self.read(world));
        self.fast = fast.max(1 - MILLION as i64);
    }

    /// It stands still, or goes on.
    pub(crate) fn stand(&mut self, world: Duration, stands: bool) {
        self.set = (world, self.read(world));
        self.stands = stands;
    }

    fn rate(&self) -> i128 {
        if self.stands { 0 } else { MILLION + i128::from(self.fast) }
    }
}

fn nanos(count: i128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_clock_goes_on_from_what_it_showed_whatever_is_done_to_it() {
        let mut clock = Clock::new(seconds(100));
        assert_eq!(clock.read(seconds(10)), seconds(110));
        clock.skew(seconds(10), 500_000);
        assert_eq!(clock.read(seconds(10)), seconds(110));
        assert_eq!(clock.read(seconds(12)), seconds(113));
        clock.skew(seconds(12), -500_000);
        assert_eq!(clock.read(seconds(14)), seconds(114));
        clock.jump(seconds(14), seconds(1000));
        assert_eq!(clock.read(seconds(14)), seconds(1114));
        clock.stand(seconds(14), true);
        assert_eq!(clock.read(seconds(50)), seconds(1114));
        clock.stand(seconds(50), false);
        assert_eq!(clock.read(seconds(52)), seconds(1115));
    }

    #[test]
    fn when_it_shows_something_it_does_show_it() {
        for fast in [-999_999, -333_333, -1, 0, 1, 7, 100_003, 5_000_000] {
            let mut clock = Clock::new(Duration::from_nanos(17));
            clock.skew(Duration::from_nanos(1001), fast);
            let now = Duration::from_nanos(1_000_003);
            for ahead in [0, 1, 2, 999, 1_000_001] {
                let shows = clock.read(now) + Duration::from_nanos(ahead);
                let then = clock.when(shows, now).expect("it goes");
                assert!(clock.read(then) >= shows && then >= now, "fast {fast}, ahead {ahead}");
            }
        }
    }

    #[test]
    fn one_that_stands_never_shows_more() {
        let mut clock = Clock::new(seconds(1));
        clock.stand(seconds(5), true);
        assert_eq!(clock.when(seconds(6), seconds(9)), Some(seconds(9)));
        assert_eq!(clock.when(seconds(7), seconds(9)), None);
    }
}
