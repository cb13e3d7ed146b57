//! When a producer sends: by the clock, by the count, and never too far ahead of those who consume.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tokio::sync::Notify;

/// How far a producer is ahead of its consumers.
#[derive(Debug)]
pub(super) struct Credit {
    most: i64,
    ahead: AtomicI64,
    less: Notify,
}

impl Credit {
    /// So many receipts may be outstanding.
    pub(super) fn new(most: i64) -> Self {
        Self { most, ahead: AtomicI64::new(0), less: Notify::new() }
    }

    /// So many receipts are to come.
    pub(super) fn sent(&self, receipts: i64) {
        self.ahead.fetch_add(receipts, Ordering::Relaxed);
    }

    /// One came. The producer is woken when half of what it may be ahead is free, not for each.
    pub(super) fn received(&self) {
        if self.ahead.fetch_sub(1, Ordering::Relaxed) == self.most / 2 + 1 {
            self.less.notify_one();
        }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.ahead.load(Ordering::Relaxed) < self.most
    }

    /// Waits until there is room again.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            self.less.notified().await;
        }
    }
}

/// When messages are due: by the rate, or at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Nanoseconds from one message of this producer to its next; none sends at once.
    interval: Option<f64>,
    begin: u64,
}

impl Schedule {
    /// One producer's share of a rate. Producers are spread over the interval rather than sending in step.
    pub(super) fn new(rate: Option<u64>, producer: u32, producers: u32, begin: u64) -> Self {
        let interval = rate.map(|rate| 1e9 * f64::from(producers) / rate as f64);
        let offset = interval.unwrap_or(0.0) * f64::from(producer) / f64::from(producers);
        Self { interval, begin: begin + offset as u64 }
    }

    /// When the message of this number is due; none is at once.
    pub(super) fn due(&self, number: u64) -> Option<u64> {
        self.interval.map(|interval| self.begin + (interval * number as f64) as u64)
    }
}

/// Whether to go on sending: for all producers together.
#[derive(Debug)]
pub(super) struct Quota {
    left: Option<AtomicU64>,
    over: AtomicBool,
}

impl Quota {
    pub(super) fn new(count: Option<u64>) -> Self {
        Self { left: count.map(AtomicU64::new), over: AtomicBool::new(false) }
    }

    /// Whether one more may be sent; counts it.
    pub(super) fn take(&self) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return false;
        }
        let Some(left) = &self.left else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Nothing more is sent.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_share_a_rate_evenly() {
        let due = |producer, number| Schedule::new(Some(1000), producer, 4, 50).due(number).unwrap();
        assert_eq!([due(0, 0), due(1, 0), due(2, 0), due(3, 0)], [50, 1_000_050, 2_000_050, 3_000_050]);
        assert_eq!([due(0, 1), due(3, 10)], [4_000_050, 43_000_050]);
        assert_eq!(Schedule::new(None, 0, 4, 50).due(7), None);
    }

    #[test]
    fn a_quota_is_given_out_once() {
        let quota = Quota::new(Some(2));
        assert_eq!([quota.take(), quota.take(), quota.take()], [true, true, false]);
        let unlimited = Quota::new(None);
        assert!(unlimited.take());
        unlimited.end();
        assert!(!unlimited.take());
    }

    #[tokio::test]
    async fn a_producer_without_room_is_woken_when_half_is_free() {
        let credit = Credit::new(4);
        credit.sent(4);
        assert!(!credit.has_room());
        credit.received();
        credit.received();
        credit.room().await;
        assert!(credit.has_room());
    }
}
