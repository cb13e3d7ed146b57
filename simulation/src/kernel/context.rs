//! What a process can do while it handles an event.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kahawai_journal::cut::Cut;
use kahawai_journal::journal::OpenError;
use kahawai_journal::options::JournalOptions;
use kahawai_journal::stepped::Stepped;
use kahawai_store::contract::{Bell, Completion, Store as _, StoreError};
use kahawai_store::election::Hold;
use kahawai_store::names::Epoch;

use super::host::{OpenStore, Running};
use super::process::Process;
use super::{Kernel, note};
use crate::ledger::Ledger;
use crate::network::connection::{ConnectionId, Ending};
use crate::random::Random;

/// What a process can do. What it does takes effect in the order in which it does it; nothing blocks.
pub struct Context<'a> {
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) process: Process,
}

impl Context<'_> {
    fn running(&mut self) -> Option<&mut Running> {
        self.kernel.hosts[self.process.host].process_of(self.process.incarnation)
    }

    /// The name of its host.
    pub fn host(&self) -> &str {
        self.kernel.name(self.process.host)
    }

    /// What its host's clock shows: monotonic, and comparable with no other host's.
    pub fn now(&self) -> Duration {
        self.kernel.hosts[self.process.host].clock.read(self.kernel.now)
    }

    /// Chance, the world's.
    pub fn random(&mut self) -> &mut Random {
        &mut self.kernel.random
    }

    /// What is noted of messages, for the judges.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.kernel.ledger
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, what: std::fmt::Arguments<'_>) {
        note!(self.kernel, "{}: {what}", self.kernel.hosts[self.process.host].name);
    }

    /// Listens on a port. From now on its kernel accepts connections there, also while the process stands still.
    pub fn listen(&mut self, port: u16) {
        if let Some(running) = self.running() {
            running.ports.insert(port);
        }
    }

    /// Listens there no longer. Connections that were accepted stay.
    pub fn stop_listening(&mut self, port: u16) {
        if let Some(running) = self.running() {
            running.ports.remove(&port);
        }
    }

    /// Connects to a port of a host. It is told by [`crate::event::Event::Connected`] or [`crate::event::Event::Refused`], or never: where nothing
    /// answers, a timer is its own business.
    pub fn connect(&mut self, host: &str, port: u16) -> ConnectionId {
        self.kernel.connect(self.process, host, port)
    }

    fn holds(&self, id: ConnectionId) -> bool {
        let end = self.kernel.connections.get(&id.wire).map(|found| found.end(id.side()));
        end.is_some_and(|end| (end.host, end.incarnation) == (self.process.host, self.process.incarnation))
    }

    /// Sends bytes behind those that were sent before. By a connection that is no more they go nowhere: that it is, is told.
    pub fn send(&mut self, connection: ConnectionId, bytes: impl Into<Bytes>) {
        if self.holds(connection) {
            self.kernel.send(self.process, connection, bytes.into());
        }
    }

    /// How many bytes it sent by a connection that the other process does not have yet: what a socket's buffers would hold.
    pub fn under_way(&self, connection: ConnectionId) -> u64 {
        self.kernel.connections.get(&connection.wire).filter(|_| self.holds(connection)).map_or(0, |found| {
            let stream = found.stream(connection.side());
            stream.sent - stream.taken
        })
    }

    /// Closes a connection, one that is not up yet too. What was sent comes before the end; nothing more is heard of it.
    pub fn close(&mut self, connection: ConnectionId) {
        if self.holds(connection) {
            self.kernel.finish(connection, Ending::Closed);
        }
        if let Some(running) = self.running() {
            running.closed.insert(connection);
        }
    }

    /// Sets a timer, in place of one of the same token: it goes off after so long by the host's clock.
    pub fn set_timer(&mut self, token: u64, after: Duration) {
        let at = self.now() + after;
        if let Some(running) = self.running() {
            running.timers.insert(token, at);
        }
        self.kernel.ask_timers(self.process);
    }

    /// Takes a timer back.
    pub fn cancel_timer(&mut self, token: u64) {
        if let Some(running) = self.running() {
            running.timers.remove(&token);
        }
        self.kernel.ask_timers(self.process);
    }

    /// Claims the next epoch of its host's store directory, as an election on its files would: durable on return.
    pub fn claim_epoch(&mut self) -> Epoch {
        let host = &mut self.kernel.hosts[self.process.host];
        host.epochs += 1;
        Epoch(host.epochs)
    }

    /// Opens the store on its host's disk under a mastership, beginning one where there is none. It works by itself from then on, a little after
    /// something was submitted; its answers come by [`Context::completion`].
    ///
    /// # Errors
    /// As [`Stepped::open`].
    pub fn open_store(
        &mut self,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
    ) -> Result<Arc<Stepped>, OpenError> {
        self.open_store_cut(hold, options, None)
    }

    /// The same, leaving out what of the log before is to be cut.
    ///
    /// # Errors
    /// As [`Stepped::open_cut`].
    pub fn open_store_cut(
        &mut self,
        hold: Arc<dyn Hold>,
        options: JournalOptions,
        cut: Option<Cut>,
    ) -> Result<Arc<Stepped>, OpenError> {
        let seed = self.kernel.random.number();
        let disk = self.kernel.hosts[self.process.host].disk.disk();
        let stepped = Arc::new(Stepped::open_cut(&disk, hold, options, cut, seed)?);
        if let Some(running) = self.running() {
            let stepped = Arc::clone(&stepped);
            running.stores.push(OpenStore { stepped, will_step: false, will_idle: false, is_closed: false });
        }
        Ok(stepped)
    }

    /// Closes a store in good order: it makes its last steps, and works no more.
    pub fn close_store(&mut self, store: &Arc<Stepped>) {
        store.close();
        let running = self.running().into_iter().flat_map(|running| &mut running.stores);
        for open in running.filter(|open| Arc::ptr_eq(&open.stepped, store)) {
            open.is_closed = true;
        }
    }

    /// A completion for a call of a store: what `make` gives comes as [`crate::event::Event::Done`], in the order of the answers.
    pub fn completion<T: 'static, D: Send + 'static>(
        &mut self,
        make: impl FnOnce(Result<T, StoreError>) -> D + Send + 'static,
    ) -> Completion<T> {
        let inbox = self.running().map(|running| running.inbox.clone()).unwrap_or_default();
        let faults = Arc::clone(&self.kernel.hosts[self.process.host].disk.faults);
        Completion::new(move |result| {
            // What is answered after its death was never answered.
            if !faults.is_dead() {
                inbox.push(Box::new(make(result)));
            }
        })
    }

    /// A bell that may be rung from within a store's answer, where there is no context: each ringing comes as [`crate::event::Event::Done`] of
    /// `()`, in the order of the answers.
    pub fn bell(&mut self) -> Bell {
        let inbox = self.running().map(|running| running.inbox.clone()).unwrap_or_default();
        let faults = Arc::clone(&self.kernel.hosts[self.process.host].disk.faults);
        Arc::new(move || {
            if !faults.is_dead() {
                inbox.push(Box::new(()));
            }
        })
    }

    /// Ends the process, once this event is handled: as a kill, by its own will.
    pub fn exit(&mut self) {
        if let Some(running) = self.running() {
            running.exits = true;
        }
    }
}
