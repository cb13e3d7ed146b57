//! What the generator itself costs.

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this process so far, in seconds, all threads together.
pub(super) fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
