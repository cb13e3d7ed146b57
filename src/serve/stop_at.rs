//! Stops the process at a named step, for tests: `KAHAWAI_STOP_AT=STEP[:TIMES]` raises SIGSTOP when the step is reached for the
//! TIMES-th time (the first by default), once. The steps are those of `kahawai_journal::steps`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kahawai_journal::steps::{Step, Watch};
use rustix::process::{Signal, getpid, kill_process};

use crate::exit::{Exit, Failure};

const VARIABLE: &str = "KAHAWAI_STOP_AT";
/// How long a stop may take until it has reached every thread.
const STOP_GRACE: Duration = Duration::from_millis(200);

/// A watch that does what the environment asks for: mostly nothing.
pub(super) fn watch() -> Result<Watch, Failure> {
    let Ok(wanted) = std::env::var(VARIABLE) else { return Ok(Watch::default()) };
    let (step, times) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    let wrong = |problem: String| Failure::new(Exit::Other, format!("{VARIABLE}={wanted}: {problem}"));
    let step: Step = step.parse().map_err(wrong)?;
    let times: u64 = times.parse().map_err(|_| wrong("needs a whole number after ':'".to_owned()))?;
    let reached = AtomicU64::new(0);
    Ok(Watch::new(move |at| {
        if at == step && reached.fetch_add(1, Ordering::Relaxed) + 1 == times {
            tracing::warn!("stopping this process at {step}, as {VARIABLE} asks");
            if let Err(error) = kill_process(getpid(), Signal::STOP) {
                tracing::error!(%error, "cannot stop this process");
            }
            // The signal is the process's: another thread may be the first to get it, while this one runs on past the step. So it
            // waits for its own stop, and goes on at once when it is continued after that time.
            std::thread::sleep(STOP_GRACE);
        }
    }))
}
