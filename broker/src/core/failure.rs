//! Why a client's request came to nothing, in words of no protocol.

use std::fmt;

/// What kind of failure it is; a session chooses its protocol's word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The client broke an order of calls, or named what does not exist.
    IllegalState,
    /// The client id is in use or missing.
    InvalidClientId,
    /// The destination was never there, or is there no more: a temporary one, as others are made when named.
    /// Its message is the name alone: ActiveMQ's clients put the sentence around it, and a bridge looks at how it begins.
    NoDestination,
    /// The destination cannot be used so, or belongs to another connection.
    InvalidDestination,
    /// The selector cannot be used.
    InvalidSelector,
    /// There is no room: try again later.
    ResourceAllocation,
    /// The transaction was rolled back instead of committed.
    TransactionRolledBack,
    /// This broker does not do that yet.
    NotSupported,
    /// Anything else.
    General,
}

/// A failure and what to tell the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// The message for people.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
