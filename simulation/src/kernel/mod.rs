//! What moves: the agenda, the hosts and their processes, and the bytes between them.
//!
//! | module | what it does |
//! |---|---|
//! | [`agenda`] | what is to happen, by time |
//! | [`host`] | a machine and the process on it |
//! | [`process`] | which process |
//! | [`wire`] | moves bytes, opens and ends connections |
//! | [`work`] | timers and stores |
//! | [`context`] | what a process can do |
//!
//! It knows neither scenarios nor judges.

pub(crate) mod agenda;
pub mod context;
pub(crate) mod host;
pub(crate) mod process;
mod wire;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::event::Event;
use crate::fault::Counts;
use crate::kernel::agenda::Agenda;
use crate::kernel::host::Host;
use crate::kernel::process::Process;
use crate::ledger::Ledger;
use crate::network::connection::{Connection, Side};
use crate::network::link::Links;
use crate::random::Random;
use crate::settings::Settings;
use crate::trace::Trace;

/// A connection that is to be cut once it is there: who dials whom, and after how many bytes of which end, with what delay for the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutNext {
    pub(crate) dialer: usize,
    pub(crate) listener: usize,
    pub(crate) side: Side,
    pub(crate) bytes: u64,
    pub(crate) late: Duration,
}

/// Everything but what is done to it.
pub(crate) struct Kernel {
    pub(crate) now: Duration,
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) agenda: Agenda,
    pub(crate) hosts: Vec<Host>,
    pub(crate) names: BTreeMap<String, usize>,
    pub(crate) links: Links,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) connection_next: u64,
    pub(crate) cuts_next: Vec<CutNext>,
    /// What is to be handled now.
    pub(crate) ready: VecDeque<(Process, Event)>,
    pub(crate) ledger: Ledger,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
}

impl Kernel {
    /// Gives an event to a process, or keeps it for one that stands still.
    pub(crate) fn tell(&mut self, process: Process, event: Event) {
        let host = &mut self.hosts[process.host];
        let stands = host.stands();
        match host.process_of(process.incarnation) {
            Some(running) if stands => running.pending.push_back(event),
            Some(_) => self.ready.push_back((process, event)),
            None => {}
        }
    }

    /// Whether a process is to hear of this: not of a connection that it closed. What it hears was taken out of its kernel.
    pub(crate) fn hears(&mut self, process: Process, event: &Event) -> bool {
        let Some(running) = self.hosts[process.host].process_of(process.incarnation) else { return false };
        let (id, count) = match event {
            Event::Received { connection, bytes } => (connection, bytes.len() as u64),
            Event::Connected(connection)
            | Event::Refused(connection)
            | Event::Accepted { connection, .. }
            | Event::Ended { connection, .. } => (connection, 0),
            Event::Started | Event::Timer(_) | Event::Done(_) => return true,
        };
        if let Some(found) = self.connections.get_mut(&id.wire) {
            found.stream_mut(id.side().other()).taken += count;
        }
        !running.closed.contains(id)
    }

    pub(crate) fn name(&self, host: usize) -> &str {
        &self.hosts[host].name
    }
}

/// Notes in the trace what happened.
macro_rules! note {
    ($kernel:expr, $($what:tt)*) => {{
        // Taken out meanwhile, so that what is noted may be asked of the kernel.
        let mut trace = std::mem::take(&mut $kernel.trace);
        trace.note($kernel.now, format_args!($($what)*));
        $kernel.trace = trace;
    }};
}
pub(crate) use note;
