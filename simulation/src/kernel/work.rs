//! Timers and stores of processes.

use super::agenda::Due;
use super::host::Inbox;
use super::process::Process;
use super::{Kernel, note};
use crate::event::Event;

impl Kernel {
    /// Has the timers of a process go off when its clock says so; to be called whenever one of the two changes.
    pub(crate) fn ask_timers(&mut self, process: Process) {
        let now = self.now;
        let host = &mut self.hosts[process.host];
        let clock = host.clock.clone();
        let Some(running) = host.process_of(process.incarnation) else { return };
        running.timers_asked += 1;
        let first = running.timers.values().min();
        if let Some(at) = first.and_then(|shows| clock.when(*shows, now)) {
            self.agenda.add(at, Due::Timers(process, running.timers_asked));
        }
    }

    /// Timers that are due go off, in the order in which they were to.
    pub(crate) fn timers(&mut self, process: Process, asked: u64) {
        let host = &mut self.hosts[process.host];
        let shows = host.clock.read(self.now);
        let stands = host.stands();
        let Some(running) = host.process_of(process.incarnation) else { return };
        // One that stands still sees to its timers when it goes on.
        if stands || running.timers_asked != asked {
            return;
        }
        let mut due: Vec<_> =
            running.timers.iter().filter(|(_, at)| **at <= shows).map(|(token, at)| (*at, *token)).collect();
        due.sort_unstable();
        running.timers.retain(|_, at| *at > shows);
        for (_, token) in due {
            note!(self, "{} timer {token}", self.name(process.host));
            self.tell(process, Event::Timer(token));
        }
        self.ask_timers(process);
    }

    /// Has the stores of a process work where there is something to do; and the process told of their answers.
    pub(crate) fn see_to_stores(&mut self, process: Process) {
        let host = &mut self.hosts[process.host];
        if host.stands() {
            return;
        }
        let Some(running) = host.process_of(process.incarnation) else { return };
        let inbox: Inbox = running.inbox.clone();
        for (number, store) in running.stores.iter_mut().enumerate().filter(|(_, store)| !store.is_closed) {
            if store.stepped.has_submitted() && !std::mem::replace(&mut store.will_step, true) {
                let takes = self.random.between(self.settings.round.0, self.settings.round.1);
                self.agenda.add(self.now + takes, Due::Step(process, number));
            }
        }
        for done in inbox.take() {
            self.tell(process, Event::Done(done));
        }
    }

    /// A store makes a round.
    pub(crate) fn step(&mut self, process: Process, number: usize) {
        let idle = self.now + self.settings.idle;
        let host = &mut self.hosts[process.host];
        let stands = host.stands();
        let Some(store) =
            host.process_of(process.incarnation).and_then(|running| running.stores.get_mut(number))
        else {
            return;
        };
        store.will_step = false;
        if stands || store.is_closed {
            return;
        }
        store.stepped.step();
        if !std::mem::replace(&mut store.will_idle, true) {
            self.agenda.add(idle, Due::Idle(process, number));
        }
        note!(self, "{} store worked", self.name(process.host));
        self.see_to_stores(process);
    }

    /// A store has had nothing to do for a while.
    pub(crate) fn idle(&mut self, process: Process, number: usize) {
        let idle = self.now + self.settings.idle;
        let host = &mut self.hosts[process.host];
        let stands = host.stands();
        let Some(store) =
            host.process_of(process.incarnation).and_then(|running| running.stores.get_mut(number))
        else {
            return;
        };
        store.will_idle = !stands && !store.is_closed && store.stepped.idle();
        if store.will_idle {
            self.agenda.add(idle, Due::Idle(process, number));
        }
        self.see_to_stores(process);
    }
}
