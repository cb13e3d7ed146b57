//! A progress bar on standard error, where that is a terminal and the work takes long enough to need one.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done sooner needs no bar.
const QUIET: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// For work of which so much is to be done, where that is known.
    pub(super) fn new(done: &'static str, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match total {
            Some(_) => "{wide_bar} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left",
            None => "{spinner} {human_pos} {msg}, {per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(done);
        Self { bar, started: Instant::now() }
    }

    /// So much is done.
    pub(super) fn set(&self, done: u64) {
        if self.bar.is_hidden() && self.started.elapsed() >= QUIET {
            // Hidden still where standard error is no terminal; asked for once a bar is due.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }

    /// Makes room for what is said next.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
