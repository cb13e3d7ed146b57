//! A machine, and what its kernel has of the process on it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kahawai_journal::stepped::Stepped;

use crate::clock::Clock;
use crate::disk::HostDisk;
use crate::event::Event;
use crate::network::connection::ConnectionId;

/// Answers of a process's stores that it was not told yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<Box<dyn Any + Send>>>>);

impl Inbox {
    pub(crate) fn push(&self, done: Box<dyn Any + Send>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }

    pub(crate) fn take(&self) -> Vec<Box<dyn Any + Send>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A store that a process opened.
pub(crate) struct OpenStore {
    pub(crate) stepped: Arc<Stepped>,
    pub(crate) will_step: bool,
    pub(crate) will_idle: bool,
    pub(crate) is_closed: bool,
}

/// A process that runs, or stands still; the state machine itself is the world's.
pub(crate) struct Running {
    pub(crate) incarnation: u64,
    /// What it was not told yet since it stands still.
    pub(crate) pending: VecDeque<Event>,
    pub(crate) is_paused: bool,
    pub(crate) exits: bool,
    /// The connections that it closed: it hears no more of them.
    pub(crate) closed: BTreeSet<ConnectionId>,
    pub(crate) ports: BTreeSet<u16>,
    /// When each timer goes off, by the host's clock.
    pub(crate) timers: BTreeMap<u64, Duration>,
    pub(crate) timers_asked: u64,
    pub(crate) stores: Vec<OpenStore>,
    pub(crate) inbox: Inbox,
}

impl Running {
    pub(crate) fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            pending: VecDeque::new(),
            is_paused: false,
            exits: false,
            closed: BTreeSet::new(),
            ports: BTreeSet::new(),
            timers: BTreeMap::new(),
            timers_asked: 0,
            stores: Vec::new(),
            inbox: Inbox::default(),
        }
    }
}

/// A machine.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) disk: HostDisk,
    pub(crate) is_on: bool,
    pub(crate) is_suspended: bool,
    pub(crate) running: Option<Running>,
    pub(crate) incarnation_next: u64,
    /// How many epochs of its store directory were claimed.
    pub(crate) epochs: u64,
}

impl Host {
    pub(crate) fn new(name: &str, shows: Duration) -> Self {
        Self {
            name: name.to_owned(),
            clock: Clock::new(shows),
            disk: HostDisk::default(),
            is_on: true,
            is_suspended: false,
            running: None,
            incarnation_next: 1,
            epochs: 0,
        }
    }

    /// The process, if it is this one.
    pub(crate) fn process_of(&mut self, incarnation: u64) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.incarnation == incarnation)
    }

    /// Whether its process does nothing now, whatever comes.
    pub(crate) fn stands(&self) -> bool {
        self.is_suspended || self.running.as_ref().is_some_and(|running| running.is_paused)
    }

    /// Whether its kernel answers the network.
    pub(crate) fn is_reachable(&self) -> bool {
        self.is_on && !self.is_suspended
    }
}
