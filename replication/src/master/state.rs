//! What a master keeps in mind beside its store: who waits for what.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use kahawai_store::batch::Batch;
use kahawai_store::contract::{Committed, Completion, StoreError};
use kahawai_store::names::{BatchName, Term};
use kahawai_store::replica::Taken;

use super::answers::Answers;
use super::behind::Spool;
use super::link::{Link, Stage};
use crate::record::Member;
use crate::standing::Standing;

/// Of the batches that were taken last so many bytes are kept, for a slave that was away for a moment.
const WINDOW_BYTES: usize = 16 << 20;

/// Nearer than this, a slave that catches up is waited for, so that it gets there.
const NEAR_BYTES: usize = 1 << 20;
const NEAR_BATCHES: usize = 1000;

/// The last name there can be.
const ALL: BatchName = BatchName { term: Term(u64::MAX), number: u64::MAX };

pub(super) struct State {
    /// What the store says of the pair; `last` is as of the start.
    pub(super) standing: Standing,
    pub(super) ended: Option<StoreError>,
    /// As of the last tick.
    pub(super) now: Duration,
    pub(super) answers: Answers,
    /// Whether answers wait for the slave: until it has flushed too, or is known to be out.
    pub(super) waits: bool,
    /// A slave that was waited for is gone: until it is known what became of it, nobody is answered.
    pub(super) doubt: Option<Member>,
    /// It is known to be out, and that could not be written down yet.
    pub(super) goes_on_alone: bool,
    /// What was taken since the slave is waited for, and is not confirmed by it; with its first arrival.
    unconfirmed: VecDeque<(BatchName, u64)>,
    pub(super) last_taken: BatchName,
    /// What the slave has flushed, since it is waited for.
    confirmed: BatchName,
    pub(super) link: Option<Link>,
    pub(super) window: Window,
    pub(super) gate: Gate,
    /// Batches of others that the store was given and has not answered.
    pub(super) in_flight: usize,
    /// [`super::Amounts::under_way`].
    under_way: usize,
}

/// Whether the store is given batches.
pub(super) enum Gate {
    Open,
    /// They are kept: it is looked at what there is, between two of them. Whether that has begun: once none is in flight.
    Closed {
        held: VecDeque<(Batch, Completion<Committed>)>,
        looks: bool,
    },
    /// Those that were kept are being given to it; what comes meanwhile comes behind them.
    Draining {
        held: VecDeque<(Batch, Completion<Committed>)>,
    },
}

impl State {
    pub(super) fn new(standing: Standing, under_way: usize) -> Self {
        let last = standing.last;
        Self {
            standing,
            ended: None,
            now: Duration::ZERO,
            answers: Answers::default(),
            waits: false,
            doubt: None,
            goes_on_alone: false,
            unconfirmed: VecDeque::new(),
            last_taken: last,
            confirmed: BatchName::default(),
            link: None,
            window: Window::default(),
            gate: Gate::Open,
            in_flight: 0,
            under_way,
        }
    }

    /// Answers may be given for all up to this batch.
    pub(super) fn may_answer_through(&self) -> BatchName {
        let is_too_far_ahead = || self.link.as_ref().is_some_and(Link::holds_senders_back);
        match () {
            () if self.ended.is_some() => ALL,
            () if self.waits => self.confirmed,
            () if is_too_far_ahead() => BatchName::default(),
            () => ALL,
        }
    }

    /// Arrivals from here on are not to be seen yet.
    pub(super) fn hidden_from(&self) -> Option<u64> {
        self.unconfirmed.front().map(|(_, arrival_first)| *arrival_first)
    }

    /// Notes a batch that was taken, and sends it where it belongs; `make` makes a spool where one is needed.
    pub(super) fn take(&mut self, taken: Taken, make: &dyn Fn() -> io::Result<Arc<dyn Spool>>) {
        self.last_taken = taken.name;
        if self.waits {
            self.unconfirmed.push_back((taken.name, taken.arrival_first));
        }
        self.window.push(taken.clone());
        let Some(link) = &mut self.link else { return };
        match &mut link.stage {
            Stage::Joining => {}
            Stage::Copying { .. } | Stage::Following => {
                link.spend(taken.encoded.len());
                let is_near = matches!(link.stage, Stage::Following) && link.behind.is_empty();
                if is_near && link.bytes_outstanding() < self.under_way {
                    link.send(taken);
                } else if let Err(error) = link.behind.push(taken, make) {
                    tracing::error!(
                        slave = %link.hello.name,
                        "what is sent while the slave catches up cannot be kept for it, and it begins anew: {error}"
                    );
                    link.line.close();
                    self.link = None;
                }
            }
            Stage::Closing(_) | Stage::Admitting | Stage::InSync => link.send(taken),
        }
    }

    /// Notes how far the slave is. `true` where it has just got everything that it was waited for.
    pub(super) fn confirm(&mut self, name: BatchName) -> bool {
        let Some(link) = &mut self.link else { return false };
        link.confirm(name);
        if let Stage::Following = link.stage
            && link.behind.is_empty()
            && link.bytes_outstanding() <= NEAR_BYTES
            && link.batches_outstanding() <= NEAR_BATCHES
        {
            link.stage = Stage::Closing(self.last_taken);
            self.waits = true;
        }
        if link.is_waited_for() {
            self.confirmed = self.confirmed.max(link.confirmed);
            while self.unconfirmed.front().is_some_and(|(name, _)| *name <= self.confirmed) {
                self.unconfirmed.pop_front();
            }
        }
        if let Stage::Closing(through) = link.stage
            && link.confirmed >= through
        {
            link.stage = Stage::Admitting;
            return true;
        }
        false
    }

    /// What the slave has confirmed, since it is waited for.
    pub(super) fn confirmed(&self) -> BatchName {
        self.confirmed
    }

    /// What was taken so far is here; for what comes from now on, somebody is waited for that is not there.
    pub(super) fn begin_doubt(&mut self, slave: Member) {
        self.confirmed = self.last_taken;
        self.waits = true;
        self.doubt = Some(slave);
    }

    /// The slave is out: nobody waits for it any more.
    pub(super) fn stop_waiting(&mut self) {
        self.waits = false;
        self.doubt = None;
        self.unconfirmed.clear();
    }
}

/// The batches that were taken last.
#[derive(Default)]
pub(super) struct Window {
    batches: VecDeque<Taken>,
    bytes: usize,
}

impl Window {
    fn push(&mut self, taken: Taken) {
        self.bytes += taken.encoded.len();
        self.batches.push_back(taken);
        while self.bytes > WINDOW_BYTES
            && let Some(first) = self.batches.pop_front()
        {
            self.bytes -= first.encoded.len();
        }
    }

    /// Everything behind this batch, if it is there; `last` is the last that was taken.
    pub(super) fn behind(&self, name: BatchName, last: BatchName) -> Option<Vec<Taken>> {
        if name == last {
            return Some(Vec::new());
        }
        let reaches = self.batches.front().is_some_and(|first| first.name.number <= name.number + 1);
        reaches.then(|| self.batches.iter().filter(|taken| taken.name > name).cloned().collect())
    }
}
