//! What the master knows of the slave that is connected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kahawai_store::names::BatchName;
use kahawai_store::replica::Taken;

use crate::frame::{Frame, Hello};
use crate::history::History;

/// The way to the other member. Frames are sent in the order of the calls; no call waits.
pub trait Line: Send + Sync {
    /// Sends a frame, now or soon. What cannot be sent is dropped: the loss of the line is told elsewhere.
    fn send(&self, frame: Frame);

    /// Sends nothing more and hangs up, once what was sent before is on its way.
    fn close(&self);
}

/// Names a line for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey(pub u64);

/// How far a slave is.
pub(super) enum Stage {
    /// What it has is being compared with what is here.
    Joining,
    /// It gets a copy. What is taken meanwhile is kept.
    Copying {
        history: Box<History>,
        /// The batch as of which the copy is.
        as_of: BatchName,
        /// The number of the next part.
        part: u64,
        /// The last part, once all others were sent.
        end: Option<Taken>,
        behind: VecDeque<Taken>,
        behind_bytes: usize,
        /// Whether a page is being read.
        reads: bool,
    },
    /// It gets what is taken, and is not waited for.
    Following,
    /// It is waited for; once it has everything up to this batch, it is to be admitted.
    Closing(BatchName),
    /// It has everything, and the arbiter and the record are to say so.
    Admitting,
    /// It may take over.
    InSync,
}

/// The slave that is connected.
pub(super) struct Link {
    pub(super) key: LineKey,
    pub(super) line: Arc<dyn Line>,
    pub(super) hello: Hello,
    pub(super) stage: Stage,
    /// All up to this batch is durable there.
    pub(super) confirmed: BatchName,
    /// What was sent and is not confirmed, with its size.
    outstanding: VecDeque<(BatchName, usize)>,
    outstanding_bytes: usize,
    pub(super) last_heard: Duration,
}

impl Link {
    pub(super) fn new(key: LineKey, line: Arc<dyn Line>, hello: Hello, now: Duration) -> Self {
        Self {
            key,
            line,
            confirmed: hello.last,
            hello,
            stage: Stage::Joining,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            last_heard: now,
        }
    }

    pub(super) fn send(&mut self, taken: Taken) {
        self.outstanding.push_back((taken.name, taken.encoded.len()));
        self.outstanding_bytes += taken.encoded.len();
        self.line.send(Frame::Batch(taken));
    }

    pub(super) fn confirm(&mut self, name: BatchName) {
        self.confirmed = self.confirmed.max(name);
        while let Some((first, bytes)) = self.outstanding.front().copied()
            && first <= self.confirmed
        {
            self.outstanding.pop_front();
            self.outstanding_bytes -= bytes;
        }
    }

    /// How many bytes it is behind, of what was sent and of what is kept for it.
    pub(super) fn bytes_behind(&self) -> usize {
        let kept = match &self.stage {
            Stage::Copying { behind_bytes, .. } => *behind_bytes,
            _ => 0,
        };
        self.outstanding_bytes + kept
    }

    pub(super) fn bytes_outstanding(&self) -> usize {
        self.outstanding_bytes
    }

    pub(super) fn batches_outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether senders wait for it.
    pub(super) fn is_waited_for(&self) -> bool {
        matches!(self.stage, Stage::Closing(_) | Stage::Admitting | Stage::InSync)
    }
}
