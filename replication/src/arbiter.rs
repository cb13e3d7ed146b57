//! The one place where a pair's record stands.
//!
//! It is changed by comparing and setting alone: whoever changes it names the version that it read. A change that was made is durable, and seen by
//! every later one.

use thiserror::Error;

use crate::record::{Member, Record, Refused};

/// Counts the changes of a record; 0 where there is none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// What an arbiter holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its version, which a change has to name.
    pub version: Version,
    /// The record; none before the first.
    pub record: Option<Record>,
}

/// Why an arbiter did not answer. **A change may have been made all the same**: whoever asked has to read again before it goes on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ArbiterError {
    /// It cannot be reached, or what it is on fails.
    #[error("the arbiter cannot be reached: {0}")]
    Unreachable(String),
    /// What it holds cannot be read. Nothing older is taken in its stead.
    #[error("the arbiter is damaged: {0}")]
    Damaged(String),
}

/// Holds the record of one pair. Calls block, and may be made from any thread.
pub trait Arbiter: Send + Sync {
    /// What it holds. It may be a moment old: only a change tells for certain that nobody else made one.
    ///
    /// # Errors
    /// [`ArbiterError`].
    fn read(&self) -> Result<Held, ArbiterError>;

    /// Puts a record in the place of the one of this version. `true`: it was made, is durable, and the version is one more. `false`: there was
    /// another change before it, or behind it by now.
    ///
    /// # Errors
    /// [`ArbiterError`].
    fn replace(&self, version: Version, record: &Record) -> Result<bool, ArbiterError>;
}

/// Why a step was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StepError {
    /// It may have been taken, and it may not.
    #[error(transparent)]
    Arbiter(#[from] ArbiterError),
    /// It cannot be taken from where things stand.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no record to take it from.
    #[error("the arbiter holds nothing: it is new, or not the one that this pair has")]
    Nothing,
}

/// The record that a member may begin at an arbiter that holds none, when it is to be promoted: its own; `None` where it may not.
///
/// **An arbiter that never was this pair's** knows nothing that a member does not. **One that has lost what it held** may have known that a member is out, which
/// that one does not: then only who was master and alone in the set by its own record may begin. The others wait until both are there, and one is let in
/// by the other.
pub fn begins(own: Option<&Record>, me: Member, was_asked: bool) -> Option<&Record> {
    let may = |own: &&Record| match was_asked {
        false => own.in_sync.contains(&me),
        true => own.master == me && own.in_sync.len() == 1,
    };
    own.filter(may)
}

/// Takes a step from whatever stands there; again, where somebody else was faster. Gives what stands there then.
///
/// # Errors
/// [`StepError`].
pub fn step(
    arbiter: &dyn Arbiter,
    decide: impl Fn(&Record) -> Result<Record, Refused>,
) -> Result<Record, StepError> {
    loop {
        let held = arbiter.read()?;
        let record = held.record.ok_or(StepError::Nothing)?;
        let next = decide(&record)?;
        // What stands there already was compared by nobody but by this call: it is set again.
        if arbiter.replace(held.version, &next)? {
            return Ok(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_arbiter_has_lost_is_begun_anew_only_by_who_was_alone() {
        let (a, b) = (Member([1; 16]), Member([2; 16]));
        let alone = Record::begin([7; 16], a);
        let both = alone.admit(a, alone.term, b).expect("it is the master");
        for (own, me, new, lost) in [
            (None, a, false, false),
            (Some(&alone), a, true, true),
            (Some(&alone), b, false, false),
            (Some(&both), a, true, false),
            (Some(&both), b, true, false),
        ] {
            assert_eq!(begins(own, me, false), own.filter(|_| new), "{own:?} {me}");
            assert_eq!(begins(own, me, true), own.filter(|_| lost), "{own:?} {me}");
        }
    }
}
