//! How long a broker that has lost the mastership waits before it tries for it again.
//!
//! Each mastership leaves files behind, and costs every client its connection. What makes one end soon may make the next one end soon too:
//! so the pause grows, until a mastership has lasted.

use std::time::Duration;

/// The first pause: shorter than anybody waits, long enough that another broker on the same store is first.
const FIRST: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);
/// A mastership that lasted so long was none of a series.
const LASTED: Duration = Duration::from_secs(60);

/// Decides the pauses of one broker.
#[derive(Debug, Default)]
pub(super) struct Pause {
    last: Option<Duration>,
}

impl Pause {
    /// How long to wait after a mastership that lasted so long.
    pub(super) fn after(&mut self, lasted: Duration) -> Duration {
        let next = match self.last {
            Some(last) if lasted < LASTED => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_masterships_are_short_and_begin_anew_when_one_has_lasted() {
        let mut pause = Pause::default();
        let short = Duration::from_millis(250);
        let pauses: Vec<_> = (0..12).map(|_| pause.after(short)).collect();
        assert_eq!(pauses[..4], [1, 2, 4, 8].map(|times| FIRST * times));
        assert_eq!(pauses[11], LONGEST);
        // Three minutes of masterships that end at once are no more than these.
        let mut pause = Pause::default();
        let (mut time, mut count) = (Duration::ZERO, 0);
        while time < Duration::from_secs(180) {
            time += short + pause.after(short);
            count += 1;
        }
        assert!(count <= 15, "{count}");
        assert_eq!(pause.after(LASTED), FIRST);
    }
}
