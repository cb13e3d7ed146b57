//! How far a command has come: a bar on standard error, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kahawai_journal::inspect::Progress;

/// A bar, or nothing where nobody watches.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar for this step.
    pub(super) fn new(doing: &'static str) -> Self {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = "{msg:12} [{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(doing);
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Shows how far it has come.
    pub(super) fn show(&self, progress: Progress) {
        self.0.set_length(progress.total);
        self.0.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
