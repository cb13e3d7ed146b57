//! What there is to say of a single thing that somebody wrote, and that this program does not do just so.

use std::fmt;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It is ignored, and nothing is lost by that.
    Harmless,
    /// The broker does less for now.
    NotYet,
    /// The broker does it in another way.
    Warning,
    /// No broker starts with it: a door would be open, there would be a second master, or it is wrong.
    Refused,
}

impl Severity {
    /// Its word, for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::NotYet => "not yet",
            Self::Warning => "warning",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// One of them. It has no place: whoever reads the file adds that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about, as it was written: an option, a property.
    pub what: String,
    /// Why, and what to write instead. Without secrets.
    pub why: String,
}

impl Remark {
    /// A remark.
    pub fn new(severity: Severity, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { severity, what: what.into(), why: why.into() }
    }
}
