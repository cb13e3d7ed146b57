//! What the master knows of the slave that is connected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kahawai_store::names::BatchName;
use kahawai_store::replica::Taken;

use super::behind::Behind;
use crate::frame::{Frame, Hello};
use crate::history::History;

/// The way to the other member. Frames are sent in the order of the calls; no call waits.
pub trait Line: Send + Sync {
    /// Sends a frame, now or soon. What cannot be sent is dropped: the loss of the line is told elsewhere.
    fn send(&self, frame: Frame);

    /// Sends nothing more and hangs up, once what was sent before is on its way.
    fn close(&self);
}

/// How often the log says how far a slave is that catches up.
const REMIND: Duration = Duration::from_secs(10);

/// The longest that a copy rests.
const REST_MAX: Duration = Duration::from_millis(50);

/// How much is done for a slave that catches up, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// So much is sent before the slave has confirmed it.
    pub under_way: usize,
    /// So much of what comes meanwhile is kept in memory; the rest goes to a [`super::Spool`].
    pub in_memory: usize,
    /// So much may be taken while the slave catches up before senders wait for it. Every two bytes that it confirms are worth one more:
    /// so it gets there, however much comes, and senders are held back only where they send more than half of what it takes.
    pub ahead: usize,
}

impl Default for Amounts {
    fn default() -> Self {
        Self { under_way: 2 << 20, in_memory: 16 << 20, ahead: 64 << 20 }
    }
}

/// Names a line for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey(pub u64);

/// How far a slave is.
pub(super) enum Stage {
    /// What it has is being compared with what is here.
    Joining,
    /// It gets a copy. What is taken meanwhile is kept behind.
    Copying {
        history: Box<History>,
        /// The batch as of which the copy is.
        as_of: BatchName,
        /// The number of the next part.
        part: u64,
        /// The last part, once all others were sent.
        end: Option<Taken>,
        /// Whether a page is being read.
        reads: bool,
    },
    /// It gets what is kept behind and then what is taken, and is not waited for.
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
    /// What it is to get later.
    pub(super) behind: Behind,
    /// How many bytes more may be taken before senders are held back, while it is not waited for: see [`Amounts::ahead`].
    allowance: i64,
    ahead: i64,
    /// When the copy was gone on with last, nothing being under way.
    burst: Duration,
    /// Whether anything was taken since.
    somebody_sends: bool,
    /// When it began to catch up, and how many bytes it has confirmed since.
    since: Duration,
    told: Duration,
    caught_up: u64,
    pub(super) last_heard: Duration,
}

impl Link {
    pub(super) fn new(
        key: LineKey,
        line: Arc<dyn Line>,
        hello: Hello,
        now: Duration,
        amounts: Amounts,
    ) -> Self {
        let behind = Behind::new(amounts.in_memory, hello.limits);
        Self {
            key,
            line,
            confirmed: hello.last,
            hello,
            stage: Stage::Joining,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            behind,
            allowance: amounts.ahead as i64,
            ahead: amounts.ahead as i64,
            burst: now,
            somebody_sends: false,
            since: now,
            told: now,
            caught_up: 0,
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
            self.caught_up += bytes as u64;
            self.allowance = (self.allowance + bytes as i64 / 2).min(self.ahead);
        }
    }

    /// Notes that so many bytes were taken while it catches up.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.allowance -= bytes as i64;
        self.somebody_sends = true;
    }

    /// Whether it is sent what was taken before, as far as there is room on its way.
    pub(super) fn catches_up(&self) -> bool {
        matches!(self.stage, Stage::Copying { .. } | Stage::Following)
    }

    /// How long the copy is to rest, all that was sent of it having been confirmed: as long as that took, where others send.
    pub(super) fn rest(&mut self, now: Duration) -> Duration {
        let is_copied_to = matches!(self.stage, Stage::Copying { .. });
        if !is_copied_to || !self.outstanding.is_empty() {
            return Duration::ZERO;
        }
        let somebody_sends = std::mem::take(&mut self.somebody_sends);
        if somebody_sends { now.saturating_sub(self.burst).min(REST_MAX) } else { Duration::ZERO }
    }

    /// The copy is gone on with.
    pub(super) fn begin_burst(&mut self, now: Duration) {
        if self.outstanding.is_empty() {
            self.burst = now;
        }
    }

    /// Whether senders are to wait, so that it gets nearer.
    pub(super) fn holds_senders_back(&self) -> bool {
        self.allowance < 0
    }

    /// How many bytes it is behind, of what was sent and of what is kept for it.
    pub(super) fn bytes_behind(&self) -> u64 {
        self.outstanding_bytes as u64 + self.behind.bytes()
    }

    /// How many messages of a copy it is still to get.
    pub(super) fn messages_left(&self) -> u64 {
        match &self.stage {
            Stage::Copying { history, .. } => history.messages_left(),
            _ => 0,
        }
    }

    /// Says from time to time how far a slave is that catches up.
    pub(super) fn remind(&mut self, now: Duration) {
        let catches_up = matches!(self.stage, Stage::Copying { .. } | Stage::Following);
        if !catches_up || now.saturating_sub(self.told) < REMIND {
            return;
        }
        self.told = now;
        tracing::info!(
            slave = %self.hello.name,
            "catching up: {} messages of the copy and {} bytes behind it are left, {} bytes in a second",
            self.messages_left(),
            self.bytes_behind(),
            self.bytes_per_second(now)
        );
    }

    /// How many bytes it has confirmed in a second, since it dialled.
    pub(super) fn bytes_per_second(&self, now: Duration) -> u64 {
        (self.caught_up as f64 / now.saturating_sub(self.since).as_secs_f64().max(1.0)) as u64
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
