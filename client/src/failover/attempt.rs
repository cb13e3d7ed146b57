//! Attempts to reach a broker, and the wait between them.

use std::time::Duration;

use crate::url::FailoverOptions;

/// One attempt to reach a broker, and the transport that came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Attempt(pub(crate) u64);

/// The wait after this one.
pub(crate) fn lengthened(options: &FailoverOptions, delay: Duration) -> Duration {
    if !options.use_exponential_back_off {
        return options.initial_reconnect_delay;
    }
    // From no wait at all no factor leads anywhere: a broker that is down must not be asked without end.
    let seconds = delay.max(Duration::from_millis(1)).as_secs_f64() * options.reconnect_delay_exponent;
    Duration::try_from_secs_f64(seconds)
        .map_or(options.max_reconnect_delay, |delay| delay.min(options.max_reconnect_delay))
}
