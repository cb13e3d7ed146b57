//! Texts that are shown nowhere.

use std::fmt;

/// A text that may hold a password: no log line, error or report has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// Where a secret is, for a configuration that does not hold it itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// On the first line of a file.
    File(String),
    /// In a file of Java's properties.
    Property {
        /// The file.
        file: String,
        /// The property's name.
        name: String,
    },
    /// In a variable of the environment.
    Variable(String),
}

/// How a secret was written where it could have been referred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Itself, for all to read.
    Clear,
    /// By where it is.
    Reference(Reference),
    /// In a way that nothing but its writer can say again.
    Elsewhere,
}
