//! The numbers by which things are named for life.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number! {
    /// Names a stored message from its enqueue to its last acknowledgement, through every move.
    /// Given by the caller from [`crate::contract::Recovered::message_id_next`] upward; never used twice.
    MessageId
}
number! {
    /// Names a destination for as long as it exists. Given by the caller; never used twice.
    DestinationId
}
number! {
    /// Names a durable subscription for as long as it exists. Given by the caller; never used twice.
    SubscriptionId
}
number! {
    /// Numbers the masterships of one store: each is greater than all before it. Zero is nobody's.
    Epoch
}

number! {
    /// Numbers the masterships of one log, whatever copies of it there are: each is greater than all before it. It is written into each batch. Where
    /// a store has no other copy it is the epoch; an epoch guards one directory or database, and counts for that alone.
    Term
}

/// What names a batch, in the order in which they were taken: the same in each copy of one log, whichever record of whichever epoch holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchName {
    /// Under which mastership it was taken.
    pub term: Term,
    /// Its number: one more with each batch of the log, through all terms. The first of a log is number 1; 0 is none.
    pub number: u64,
}

impl BatchName {
    /// The name of the batch after this one.
    #[must_use]
    pub fn next(self, term: Term) -> Self {
        Self { term, number: self.number + 1 }
    }
}

impl fmt::Display for BatchName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.term, self.number)
    }
}

/// Where a message stands in its destination. Cursors order by rank, then by arrival; reading goes upward.
///
/// A cursor is assigned when a batch commits and stays until the message moves or goes. To a caller it is
/// opaque but for its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// Given by the caller at enqueue: 0 is read first. A destination that keeps JMS priorities in order
    /// uses 9 − priority; every other uses 0 throughout.
    pub rank: u8,
    /// Counts arrivals over the whole store, in the order of their commits.
    pub arrival: u64,
}

/// Names a transaction that is prepared before it is decided: XA's format id, global id and branch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid {
    /// XA's format id. Negative values are the broker's own, for transactions too large for one batch.
    pub format: i32,
    /// XA's global transaction id, at most 64 bytes by the standard.
    pub global: bytes::Bytes,
    /// XA's branch qualifier, at most 64 bytes by the standard.
    pub branch: bytes::Bytes,
}

impl fmt::Display for Xid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.format)?;
        for byte in &self.global {
            write!(formatter, "{byte:02x}")?;
        }
        formatter.write_str(":")?;
        for byte in &self.branch {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}
