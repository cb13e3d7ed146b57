//! What is to happen, by time; at one time in the order in which it was asked for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::process::Process;
use crate::event::Event;
use crate::network::connection::ConnectionId;

/// Something to happen.
#[derive(Debug)]
pub(crate) enum Due {
    /// A connection's first packet arrives.
    Attempt(u64),
    /// What this end sent may arrive at the other.
    Arrive(ConnectionId),
    /// A process is told.
    Tell(Process, Event),
    /// A timer of a process may go off; only the youngest of these counts.
    Timers(Process, u64),
    /// A store of a process works.
    Step(Process, usize),
    /// A store of a process has had nothing to do for a while.
    Idle(Process, usize),
    /// Something is done to the world, of this number.
    Act(u64),
}

/// Everything that is to happen.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    times: BinaryHeap<Reverse<(Duration, u64)>>,
    due: BTreeMap<u64, Due>,
    next: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Duration, due: Due) {
        self.times.push(Reverse((at, self.next)));
        self.due.insert(self.next, due);
        self.next += 1;
    }

    /// When the next is.
    pub(crate) fn time_next(&self) -> Option<Duration> {
        self.times.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next.
    pub(crate) fn take(&mut self) -> Option<(Duration, Due)> {
        let Reverse((at, number)) = self.times.pop()?;
        let due = self.due.remove(&number);
        debug_assert!(due.is_some(), "each time has something that is due");
        due.map(|due| (at, due))
    }
}
