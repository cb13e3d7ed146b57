//! Bytes that are no batch or no message.

use thiserror::Error;

use crate::names::MessageId;

/// The version of a batch that this code writes, and the only one it reads: version 1 was never released.
pub const VERSION: u8 = 2;

/// The version of a message's header that this code writes, and the only one there is.
pub const HEADER_VERSION: u8 = 1;

/// Bytes that are no batch or no message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem} at byte {at}")]
pub struct DecodeError {
    /// What is wrong.
    pub problem: Problem,
    /// Where, counted from the first byte given.
    pub at: usize,
}

/// What can be wrong with encoded bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Another version wrote this.
    #[error("version {found}, but this program reads version {reads}")]
    Version {
        /// The version found.
        found: u8,
        /// The version it should be.
        reads: u8,
    },
    /// More bytes are promised than there are.
    #[error("{needed} bytes needed, {left} left")]
    Truncated {
        /// How many were promised.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// A number of more than 64 bits.
    #[error("number exceeds its range")]
    Number,
    /// A text that is not UTF-8.
    #[error("text is not UTF-8")]
    Text,
    /// A tag or an enumerated value that this version does not know.
    #[error("unknown {what} {found}")]
    Unknown {
        /// Of what.
        what: &'static str,
        /// The value found.
        found: u64,
    },
    /// Bytes are left over.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// A message is not what was written for its id.
    #[error("message {0} is not what was written")]
    Checksum(MessageId),
    /// A prepared transaction inside a prepared transaction.
    #[error("prepared transactions nest")]
    Nested,
}
