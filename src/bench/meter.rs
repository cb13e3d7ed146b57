//! What is measured while a run goes on: counts, latencies, pauses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

/// Latencies are told apart to three figures, from a microsecond to an hour.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 3_600_000_000_000;
const FIGURES: u8 = 3;

/// The run's clock: nanoseconds since its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    /// The instant of a time of this clock.
    pub(super) fn instant(self, at: u64) -> Instant {
        self.0 + std::time::Duration::from_nanos(at)
    }
}

/// An empty histogram of latencies in nanoseconds.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST, HIGHEST, FIGURES)
        .unwrap_or_else(|error| unreachable!("bounds and figures are constants that fit each other: {error}"))
}

/// A time in which nothing went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// From when, in nanoseconds of the run's clock.
    pub(super) from: u64,
    /// How long, in nanoseconds.
    pub(super) length: u64,
}

/// Counts one kind of event (sends, receipts) with its latencies. Shared by all who take part.
#[derive(Debug)]
pub(super) struct Meter {
    /// All, warm-up included.
    total: AtomicU64,
    /// Those within the measured time.
    measured: AtomicU64,
    /// The measured time: begins here, ends here.
    from: AtomicU64,
    to: AtomicU64,
    latencies: Mutex<Histogram<u64>>,
    first: AtomicU64,
    last: AtomicU64,
    /// Silence of this length is noted; zero notes none.
    pause_least: u64,
    pauses: Mutex<Vec<Pause>>,
}

impl Meter {
    /// Measures nothing until [`Self::measure_from`]; notes pauses of at least so many nanoseconds, unless zero.
    pub(super) fn new(pause_least: u64) -> Self {
        Self {
            total: AtomicU64::new(0),
            measured: AtomicU64::new(0),
            from: AtomicU64::new(u64::MAX),
            to: AtomicU64::new(u64::MAX),
            latencies: Mutex::new(histogram()),
            first: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            pause_least,
            pauses: Mutex::default(),
        }
    }

    /// From this time on it is measured.
    pub(super) fn measure_from(&self, at: u64) {
        self.from.store(at, Ordering::Relaxed);
    }

    /// Up to this time it is measured.
    pub(super) fn measure_to(&self, at: u64) {
        self.to.store(at, Ordering::Relaxed);
    }

    /// So many events at this time, all with this latency in nanoseconds.
    pub(super) fn record(&self, now: u64, count: u64, latency: u64) {
        self.total.fetch_add(count, Ordering::Relaxed);
        self.first.fetch_min(now, Ordering::Relaxed);
        let before = self.last.fetch_max(now, Ordering::Relaxed);
        if self.pause_least > 0 && before > 0 && now.saturating_sub(before) >= self.pause_least {
            lock(&self.pauses).push(Pause { from: before, length: now - before });
        }
        if now >= self.from.load(Ordering::Relaxed) && now < self.to.load(Ordering::Relaxed) {
            self.measured.fetch_add(count, Ordering::Relaxed);
            lock(&self.latencies).saturating_record(latency);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(super) fn measured(&self) -> u64 {
        self.measured.load(Ordering::Relaxed)
    }

    /// When the first and the last came.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let first = self.first.load(Ordering::Relaxed);
        (first != u64::MAX).then(|| (first, self.last.load(Ordering::Relaxed)))
    }

    pub(super) fn latencies(&self) -> Histogram<u64> {
        lock(&self.latencies).clone()
    }

    /// A quantile so far, in nanoseconds; none where nothing was measured yet.
    pub(super) fn quantile(&self, quantile: f64) -> Option<u64> {
        let latencies = lock(&self.latencies);
        (!latencies.is_empty()).then(|| latencies.value_at_quantile(quantile))
    }

    pub(super) fn pauses(&self) -> Vec<Pause> {
        lock(&self.pauses).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_time_counts_for_latencies() {
        let meter = Meter::new(0);
        meter.record(5, 1, 1_000_000);
        meter.measure_from(10);
        meter.record(10, 2, 2_000_000);
        meter.measure_to(20);
        meter.record(20, 1, 9_000_000);
        assert_eq!((meter.total(), meter.measured()), (4, 2));
        let latencies = meter.latencies();
        assert_eq!(latencies.len(), 1);
        assert!((1_990_000..2_010_000).contains(&latencies.max()));
        assert_eq!(meter.span(), Some((5, 20)));
    }

    #[test]
    fn silence_is_noted_from_its_least_length_on() {
        let meter = Meter::new(100);
        for at in [1, 50, 150, 199, 400] {
            meter.record(at, 1, 0);
        }
        assert_eq!(meter.pauses(), [Pause { from: 50, length: 100 }, Pause { from: 199, length: 201 }]);
    }
}
