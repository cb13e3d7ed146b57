//! How fast things are.

use std::time::Duration;

/// How fast things are, where nothing is wrong: each a range from which chance picks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long bytes are under way from one host to another.
    pub latency: (Duration, Duration),
    /// How long a store takes for a round.
    pub round: (Duration, Duration),
    /// After how long without work a store does what is to be done without.
    pub idle: Duration,
    /// How soon a connection is tried again where no answer comes, and bytes that were lost are sent again once a link is mended.
    pub resend: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: (Duration::from_micros(50), Duration::from_millis(1)),
            round: (Duration::from_micros(100), Duration::from_millis(2)),
            idle: Duration::from_millis(100),
            resend: Duration::from_millis(200),
        }
    }
}
