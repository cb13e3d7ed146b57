//! The live view of a run, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::bench::outcome::Sample;
use crate::bench::run::Run;
use crate::figures::{grouped, microseconds};

/// How many samples back the rates shown look: a second's.
const LOOK_BACK: usize = 10;

/// A line on standard error that shows how a run goes; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows where the run is.
    pub(super) fn show(&self, run: &Run, course: &[Sample]) {
        if self.0.is_hidden() {
            return;
        }
        let Some(now) = course.last() else { return };
        let before = course.len().checked_sub(1 + LOOK_BACK).and_then(|at| course.get(at)).or(course.first());
        let rate = |of: fn(&Sample) -> u64| {
            before.map_or(0.0, |before| {
                (of(now) - of(before)) as f64 / (now.seconds - before.seconds).max(0.001)
            })
        };
        let latency = run.receipts.quantile(0.99).or_else(|| run.sends.quantile(0.99));
        let latency = latency.map_or(String::new(), |ns| format!(", p99 {}", microseconds(ns as f64 / 1e3)));
        self.0.set_message(format!(
            "{}: {} sent/s, {} received/s{latency}, {} on the way",
            run.plan.scenario.name(),
            grouped(rate(|sample| sample.sent)),
            grouped(rate(|sample| sample.received)),
            grouped((now.sent * u64::from(run.plan.subscriptions())).saturating_sub(now.received) as f64),
        ));
        self.0.tick();
    }

    /// Makes room for the results.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
