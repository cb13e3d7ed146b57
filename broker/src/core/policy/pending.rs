//! How many messages may wait for a topic subscriber that is slow (`pendingMessageLimitStrategy`).

/// How many messages wait for a topic subscriber that is not durable, beyond those that it takes in advance, before the oldest are
/// dropped (`oldestMessageEvictionStrategy`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PendingMessageLimit {
    /// `constantPendingMessageLimitStrategy`: so many (`limit`); below 0 any number.
    Constant(i32),
    /// `prefetchRatePendingMessageLimitStrategy`: its prefetch times this (`multiplier`).
    PrefetchRate(f64),
}

impl PendingMessageLimit {
    /// How many may wait for a subscriber with this prefetch that wants no more than `own` to wait for it (0 where it did not
    /// say); `None` for any number.
    pub(crate) fn of(self, prefetch: u32, own: u32) -> Option<usize> {
        let limit = match self {
            Self::Constant(limit) => i64::from(limit),
            // As Java casts: towards zero, and what is not a number is zero.
            Self::PrefetchRate(multiplier) => (f64::from(prefetch) * multiplier) as i64,
        };
        let limit = match i64::from(own) {
            own @ 1.. if limit < 0 || own < limit => own,
            _ => limit,
        };
        usize::try_from(limit).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_one_of_the_strategys_limit_and_the_subscribers_own_counts() {
        use PendingMessageLimit::{Constant, PrefetchRate};
        for (strategy, prefetch, own, expected) in [
            (Constant(10), 1, 0, Some(10)),
            (Constant(10), 1, 3, Some(3)),
            (Constant(10), 1, 11, Some(10)),
            (Constant(0), 1, 5, Some(0)),
            (Constant(-1), 1, 0, None),
            (Constant(-1), 1, 5, Some(5)),
            (PrefetchRate(2.5), 3, 0, Some(7)),
            (PrefetchRate(2.5), 3, 6, Some(6)),
            (PrefetchRate(-1.0), 3, 0, None),
            (PrefetchRate(f64::NAN), 3, 0, Some(0)),
        ] {
            assert_eq!(strategy.of(prefetch, own), expected, "{strategy:?} of {prefetch}, {own}");
        }
    }
}
