//! What the writer keeps of checkpoints, and of the one under way.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::background::{Background, Task};
use crate::format::checkpoint::Checkpoint;
use crate::format::name::FileName;
use crate::index::merge_input::MergeInput;
use crate::index::run::{Run, RunError};
use crate::index::table::Table;
use crate::index::write_run::RunsOf;

pub(super) type Written = Task<Result<Arc<Run>, RunError>>;

/// The checkpoint under way.
#[derive(Debug)]
pub(super) enum Stage {
    Rest,
    /// The table is being written into a run.
    Writing {
        captured: Option<Box<Checkpoint>>,
        table: Arc<Table>,
        task: Written,
    },
    /// The table found no room.
    NoRoom {
        table: Arc<Table>,
    },
    /// The log does not say yet that the place is durable.
    Waiting(Box<Checkpoint>),
    Publishing {
        published: Published,
        task: Task<io::Result<()>>,
    },
}

/// A checkpoint that is on the disk, and the runs it names.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) name: FileName,
    pub(super) runs: BTreeSet<FileName>,
}

/// What the writer keeps of checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    pub(super) background: Background,
    pub(super) runs: RunsOf,
    pub(super) number_next: u64,
    pub(super) stage: Stage,
    pub(super) merge: Option<(Vec<MergeInput>, FileName, Written)>,
    /// The last two.
    pub(super) published: VecDeque<Published>,
    /// Run files that are there and that this epoch is to remove once nothing names them.
    pub(super) files: BTreeSet<FileName>,
    /// What `Writer::appended` was at the last capture.
    pub(super) captured_at: u64,
    pub(super) captured_when: Instant,
    pub(super) full_until: Option<Instant>,
}

impl Checkpoints {
    /// Begins after a recovery that used this checkpoint and these runs.
    pub(super) fn new(
        runs: RunsOf,
        threaded: bool,
        adopted: Option<Published>,
        files: Vec<FileName>,
    ) -> Self {
        Self {
            background: Background::new(threaded),
            runs,
            number_next: 1,
            stage: Stage::Rest,
            merge: None,
            published: adopted.into_iter().collect(),
            files: files.into_iter().collect(),
            captured_at: 0,
            captured_when: Instant::now(),
            full_until: None,
        }
    }

    /// The files that are kept.
    pub(super) fn names(&self) -> impl Iterator<Item = FileName> {
        let checkpoints = self.published.iter().map(|published| published.name);
        checkpoints.chain(self.files.iter().copied())
    }

    /// Whether a checkpoint waits for the log to say more than that it is durable up to this sequence.
    pub(super) fn waits_for_more_than(&self, said: u64) -> bool {
        matches!(&self.stage, Stage::Waiting(captured) if captured.through.sequence > said)
    }

    /// Whether the table that was set aside is being written.
    pub(super) fn is_writing_run(&self) -> bool {
        matches!(self.stage, Stage::Writing { .. })
    }

    /// Whether runs are being merged.
    pub(super) fn is_merging(&self) -> bool {
        self.merge.is_some()
    }

    pub(super) fn rests(&mut self) -> bool {
        let rests = self.full_until.is_some_and(|until| Instant::now() < until);
        if !rests {
            self.full_until = None;
        }
        rests
    }
}
