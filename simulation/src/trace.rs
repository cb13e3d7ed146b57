//! What happened, in order.

use std::fmt::{self, Write};
use std::time::Duration;

/// What happened in a world: a number for all of it, and the last lines where they are kept.
#[derive(Debug)]
pub struct Trace {
    digest: u64,
    count: u64,
    line: String,
    kept: Option<Vec<String>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { digest: 0xcbf2_9ce4_8422_2325, count: 0, line: String::new(), kept: None }
    }
}

impl Trace {
    /// A number for everything that happened: two runs of one seed have the same.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many things happened.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Every line since [`Trace::keep`].
    pub fn lines(&self) -> &[String] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// Keeps every line from now on: for one seed that is looked at, since nothing bounds it.
    pub fn keep(&mut self) {
        self.kept.get_or_insert_default();
    }

    pub(crate) fn note(&mut self, now: Duration, what: fmt::Arguments<'_>) {
        self.line.clear();
        // A text takes all.
        let _ = write!(self.line, "{:>12.6} {what}", now.as_secs_f64());
        self.count += 1;
        // FNV-1a: <http://www.isthe.com/chongo/tech/comp/fnv/>.
        for byte in self.line.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.clone());
        }
    }
}
