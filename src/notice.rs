//! The lines an operator and a script read on standard output, and systemd's notices.

use std::io::Write as _;

use sd_notify::NotifyState;

/// Says one fact, `what: value`.
pub(crate) fn say(line: &str) {
    // A closed standard output is no reason to stop serving.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Tells systemd, where that started this process.
pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell systemd the state of the service");
    }
}
