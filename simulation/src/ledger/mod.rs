//! What was sent, answered and received, as those saw it who did it; and by which laws it is judged.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tag`] | what a message is known by, in its body |
//! | [`entry`] | what is noted |
//! | [`law`] | the laws, each with what breaks it |
//!
//! A **group** is whoever gets each message once: a queue, or one subscription of a topic.

pub mod entry;
pub mod law;
pub mod tag;

use entry::Entry;
use law::{Law, Violation};

/// Everything that happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// Notes something.
    pub fn note(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Everything, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries are of a kind.
    pub fn count(&self, is_counted: impl Fn(&Entry) -> bool) -> usize {
        self.entries.iter().filter(|entry| is_counted(entry)).count()
    }

    /// Every breach of these laws. To be asked in the end, when what is left was noted.
    pub fn judge(&self, laws: &[Law]) -> Vec<Violation> {
        laws.iter().flat_map(|law| law.breaches(&self.entries)).collect()
    }
}
