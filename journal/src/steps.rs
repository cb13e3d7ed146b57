//! The named steps of commit, take-over and recycling, at each of which a test may stop the process.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $name:literal,)*) => {
        /// A moment between two actions on the disk whose order matters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Step {
            $($(#[$doc])* $step,)*
        }

        impl Step {
            /// Every step, in the order of a life.
            pub const ALL: &'static [Self] = &[$(Self::$step,)*];

            /// The name by which a test asks for it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }
        }
    };
}

steps! {
    /// The candidate has decided to claim and has not yet.
    ClaimDecided = "claim.decided",
    /// The claim is there and durable; nothing was read.
    ClaimMade = "claim.made",
    /// The log before was read; nothing is written.
    SealRead = "seal.read",
    /// The new log's first segment is written and synced; the seal is not published.
    SealWritten = "seal.written",
    /// The seal is published; older claims and files are still there.
    SealPublished = "seal.published",
    /// A round of batches is written and not flushed.
    CommitWritten = "commit.written",
    /// A round of batches is flushed; mastership was not asked for.
    CommitFlushed = "commit.flushed",
    /// Mastership was proven after the flush; nobody was answered.
    CommitProven = "commit.proven",
    /// A full segment was flushed; the next is not begun.
    RollFlushed = "roll.flushed",
    /// The next segment has its name; nothing is written to it.
    RollRenamed = "roll.renamed",
    /// What lives at the head of the log was found; it is not written again yet.
    RelocationFound = "relocation.found",
    /// What was written again is durable and proven; it is still read from where it was.
    RelocationProven = "relocation.proven",
    /// What is to be in a checkpoint is set aside; nothing of it is published.
    CheckpointCaptured = "checkpoint.captured",
    /// A checkpoint is on the disk; what only older ones named is still there.
    CheckpointPublished = "checkpoint.published",
    /// A segment's emptiness is durable and proven; the file is untouched.
    ReleaseProven = "release.proven",
    /// An empty segment was recycled under a spare's name, or is left to be removed.
    ReleaseDone = "release.done",
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|step| step.name() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|step| step.name()).collect();
            format!("there is no step '{text}'; there are: {}", names.join(", "))
        })
    }
}

/// Whoever is told of each step, on the thread that takes it; nobody by default.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Watch {
    /// Calls this at each step.
    pub fn new(reached: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reached)))
    }

    pub(crate) fn reached(&self, step: Step) {
        if let Some(reached) = &self.0 {
            reached(step);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Watch(set)" } else { "Watch(none)" })
    }
}
