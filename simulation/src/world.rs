//! The world: hosts with disks, clocks and processes, a network between them, and one queue of events, all from one seed.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::disk::HostDisk;
use crate::event::Event;
use crate::fault::{Counts, Fault};
use crate::kernel::agenda::{Agenda, Due};
use crate::kernel::context::Context;
use crate::kernel::host::{Host, Running};
use crate::kernel::process::Process;
use crate::kernel::{CutNext, Kernel, note};
use crate::ledger::Ledger;
use crate::network::connection::{ConnectionId, Cut, Side, Socket};
use crate::network::link::{Links, Partition};
use crate::node::Node;
use crate::random::Random;
use crate::settings::Settings;
use crate::trace::Trace;

/// So many things at one moment are an endless loop.
const AT_ONE_MOMENT: u64 = 1_000_000;

/// What is done to a world at some time.
type Act = Box<dyn FnOnce(&mut World)>;

/// A host's process, and how it is made anew.
struct Program {
    make: Box<dyn FnMut() -> Box<dyn Node>>,
    /// `None` where none runs, and while it handles an event.
    node: Option<Box<dyn Node>>,
}

/// Hosts, their processes and disks, the network, and time. Two worlds of one seed to which the same is done are the same.
///
/// Hosts go by their names. A call that names a host which is none is a bug of the test's, and panics.
pub struct World {
    kernel: Kernel,
    /// By the number of their host.
    programs: Vec<Program>,
    acts: BTreeMap<u64, Act>,
    act_next: u64,
    at_this_moment: u64,
    seed: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let world = (self.seed, self.kernel.now);
        formatter.debug_struct("World").field("seed, now", &world).finish_non_exhaustive()
    }
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, settings: Settings) -> Self {
        let kernel = Kernel {
            now: Duration::ZERO,
            settings,
            random: Random::new(seed),
            agenda: Agenda::default(),
            hosts: Vec::new(),
            names: BTreeMap::new(),
            links: Links::default(),
            connections: BTreeMap::new(),
            connection_next: 1,
            cuts_next: Vec::new(),
            ready: std::collections::VecDeque::new(),
            ledger: Ledger::default(),
            trace: Trace::default(),
            counts: Counts::default(),
        };
        Self { kernel, programs: Vec::new(), acts: BTreeMap::new(), act_next: 0, at_this_moment: 0, seed }
    }

    /// Adds a machine that is on, with an empty disk and no process yet; `make` gives a new process for each [`World::start`].
    ///
    /// # Panics
    /// Where the name is taken.
    pub fn add<N: Node>(&mut self, name: &str, mut make: impl FnMut() -> N + 'static) {
        // Each clock shows something else: nobody may take one host's time for another's.
        let shows = self.kernel.random.between(Duration::from_secs(1), Duration::from_secs(100_000));
        let before = self.kernel.names.insert(name.to_owned(), self.kernel.hosts.len());
        assert!(before.is_none(), "there is a host {name} already");
        self.kernel.hosts.push(Host::new(name, shows));
        self.programs.push(Program { make: Box::new(move || Box::new(make())), node: None });
    }

    fn host(&self, name: &str) -> usize {
        *self.kernel.names.get(name).unwrap_or_else(|| panic!("there is no host {name}"))
    }

    fn process(&self, host: usize) -> Option<Process> {
        let running = self.kernel.hosts[host].running.as_ref()?;
        Some(Process { host, incarnation: running.incarnation })
    }

    // ---- what there is ----

    /// The time, by no host's clock.
    pub fn now(&self) -> Duration {
        self.kernel.now
    }

    /// The chance of this world, for whoever decides what happens to it.
    pub fn random(&mut self) -> &mut Random {
        &mut self.kernel.random
    }

    /// What is noted of messages.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.kernel.ledger
    }

    /// What happened.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.kernel.trace
    }

    /// How often each kind of fault had an effect so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.kernel.counts.clone();
        self.kernel.hosts.iter().for_each(|host| counts.add(&host.disk.counts()));
        counts
    }

    /// Whether a host has a process, be it one that stands still.
    pub fn runs(&self, host: &str) -> bool {
        self.kernel.hosts[self.host(host)].running.is_some()
    }

    /// A host's process, to look at it.
    pub fn node<N: Node>(&self, host: &str) -> Option<&N> {
        let node = self.programs[self.host(host)].node.as_deref()?;
        let any: &dyn Any = node;
        any.downcast_ref()
    }

    /// Has a host's process do something of its own accord; `None` where there is none of this kind.
    pub fn call<N: Node, R>(
        &mut self,
        host: &str,
        act: impl FnOnce(&mut N, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let process = self.process(self.host(host))?;
        let mut result = None;
        self.with_node(process, |node, context| {
            let any: &mut dyn Any = node;
            result = any.downcast_mut().map(|node| act(node, context));
        });
        self.handle_ready();
        result
    }

    /// A host's disk.
    pub fn disk(&self, host: &str) -> &HostDisk {
        &self.kernel.hosts[self.host(host)].disk
    }

    /// The connections between two hosts that are up at both ends: each by its dialer's end, oldest first, whoever dialled.
    pub fn connections(&self, one: &str, other: &str) -> Vec<ConnectionId> {
        let mut pair = [self.host(one), self.host(other)];
        pair.sort_unstable();
        let between = self.kernel.connections.iter().filter(|(_, connection)| {
            let mut hosts = [connection.ends[0].host, connection.ends[1].host];
            hosts.sort_unstable();
            hosts == pair && connection.ends.iter().all(|end| end.socket == Socket::Open)
        });
        between.map(|(wire, _)| ConnectionId::new(*wire, Side::Dialer)).collect()
    }

    // ---- what happens to processes and machines ----

    /// Starts a host's process where none runs and the machine is on, which is turned on if need be.
    pub fn start(&mut self, host: &str) {
        let host = self.host(host);
        let machine = &mut self.kernel.hosts[host];
        if machine.running.is_some() {
            return;
        }
        machine.is_on = true;
        machine.disk.begin();
        let incarnation = machine.incarnation_next;
        machine.incarnation_next += 1;
        machine.running = Some(Running::new(incarnation));
        let program = &mut self.programs[host];
        program.node = Some((program.make)());
        note!(self.kernel, "{} starts", self.kernel.name(host));
        self.kernel.resend();
        self.kernel.tell(Process { host, incarnation }, Event::Started);
        self.handle_ready();
    }

    /// Kills a host's process. Its kernel sends what it was given, and says that it is gone.
    pub fn kill(&mut self, host: &str) {
        let host = self.host(host);
        if self.end(host, "is killed") {
            self.kernel.counts.count(Fault::Kill);
        }
    }

    /// Takes the process from its host.
    fn end(&mut self, host: usize, how: &str) -> bool {
        let Some(process) = self.process(host) else { return false };
        note!(self.kernel, "{} {how}", self.kernel.name(host));
        let machine = &mut self.kernel.hosts[host];
        machine.disk.end();
        machine.running = None;
        self.programs[host].node = None;
        self.kernel.hang_up(process);
        true
    }

    /// The machine dies with its process: it answers nobody until it is started again, and of its disk nobody knows what was written and
    /// not synced.
    pub fn crash(&mut self, host: &str) {
        let host = self.host(host);
        let process = self.process(host);
        note!(self.kernel, "{} crashes", self.kernel.name(host));
        if let Some(process) = process {
            self.kernel.fall_silent(process);
        }
        let machine = &mut self.kernel.hosts[host];
        machine.is_on = false;
        machine.is_suspended = false;
        machine.clock.stand(self.kernel.now, false);
        machine.disk.end();
        machine.running = None;
        self.programs[host].node = None;
        machine.disk.crash(&mut self.kernel.random);
        self.kernel.counts.count(Fault::Crash);
        // Somebody may have got the last that it sent.
        self.handle_ready();
    }

    /// A host's process stands still (SIGSTOP); its kernel goes on to accept connections and to take bytes.
    pub fn pause(&mut self, host: &str) {
        let host = self.host(host);
        if let Some(running) = &mut self.kernel.hosts[host].running
            && !std::mem::replace(&mut running.is_paused, true)
        {
            self.kernel.counts.count(Fault::Pause);
            note!(self.kernel, "{} stands still", self.kernel.name(host));
        }
    }

    /// A whole machine stands still, its clock too: nothing reaches it, and it answers nobody.
    pub fn suspend(&mut self, host: &str) {
        let host = self.host(host);
        let machine = &mut self.kernel.hosts[host];
        if machine.is_on && !std::mem::replace(&mut machine.is_suspended, true) {
            machine.clock.stand(self.kernel.now, true);
            self.kernel.counts.count(Fault::Suspend);
            note!(self.kernel, "the machine of {} stands still", self.kernel.name(host));
        }
    }

    /// What stood still goes on, process or machine. Whether it sees first to its timers or to what came meanwhile, is chance.
    pub fn resume(&mut self, host: &str) {
        let host = self.host(host);
        let machine = &mut self.kernel.hosts[host];
        let was_suspended = std::mem::replace(&mut machine.is_suspended, false);
        if was_suspended {
            machine.clock.stand(self.kernel.now, false);
        }
        let Some(running) = &mut machine.running else { return };
        let was_paused = std::mem::replace(&mut running.is_paused, false);
        if !was_suspended && !was_paused {
            return;
        }
        let process = Process { host, incarnation: running.incarnation };
        let pending = std::mem::take(&mut running.pending);
        note!(self.kernel, "{} goes on", self.kernel.name(host));
        let timers_first = self.kernel.random.one_in(2);
        if timers_first {
            let asked = self.kernel.hosts[host].running.as_ref().map_or(0, |running| running.timers_asked);
            self.kernel.timers(process, asked);
        }
        self.kernel.ready.extend(pending.into_iter().map(|event| (process, event)));
        self.kernel.ask_timers(process);
        self.kernel.see_to_stores(process);
        if was_suspended {
            self.kernel.resend();
        }
        self.handle_ready();
    }

    /// A host's clock jumps ahead.
    pub fn jump_clock(&mut self, host: &str, by: Duration) {
        let host = self.host(host);
        self.kernel.hosts[host].clock.jump(self.kernel.now, by);
        self.clock_changed(host, Fault::Jump);
    }

    /// A host's clock is fast by so many parts in a million from now on, or slow.
    pub fn skew_clock(&mut self, host: &str, fast: i64) {
        let host = self.host(host);
        self.kernel.hosts[host].clock.skew(self.kernel.now, fast);
        self.clock_changed(host, Fault::Skew);
    }

    fn clock_changed(&mut self, host: usize, fault: Fault) {
        self.kernel.counts.count(fault);
        note!(self.kernel, "{}: {fault:?}", self.kernel.name(host));
        if let Some(process) = self.process(host) {
            self.kernel.ask_timers(process);
        }
    }

    // ---- what happens to the network ----

    /// Nothing passes from one host to another any more; the other way as before.
    pub fn block(&mut self, from: &str, to: &str, how: Partition) {
        let (from, to) = (self.host(from), self.host(to));
        let back = self.kernel.links.of(to, from).cut.is_some();
        let link = self.kernel.links.change(from, to);
        (link.cut, link.is_one_way) = (Some(how), !back);
        if back {
            self.kernel.links.change(to, from).is_one_way = false;
        }
        note!(self.kernel, "{} to {}: {how:?}", self.kernel.name(from), self.kernel.name(to));
    }

    /// Nothing passes between two hosts any more.
    pub fn part(&mut self, one: &str, other: &str, how: Partition) {
        self.block(one, other, how);
        self.block(other, one, how);
    }

    /// Everything from one host to another takes longer by this from now on.
    pub fn delay(&mut self, from: &str, to: &str, by: Duration) {
        let (from, to) = (self.host(from), self.host(to));
        self.kernel.links.change(from, to).delay = by;
        note!(self.kernel, "{} to {}: later by {by:?}", self.kernel.name(from), self.kernel.name(to));
    }

    /// All passes between two hosts again, both ways, and what was lost is sent again.
    pub fn heal(&mut self, one: &str, other: &str) {
        let (one, other) = (self.host(one), self.host(other));
        *self.kernel.links.change(one, other) = Default::default();
        *self.kernel.links.change(other, one) = Default::default();
        note!(self.kernel, "{} and {} are healed", self.kernel.name(one), self.kernel.name(other));
        self.kernel.resend();
    }

    /// Breaks a connection. The end that is given learns of it now.
    pub fn cut(&mut self, first: ConnectionId, cut: Cut) {
        self.kernel.cut(first, cut);
        self.handle_ready();
    }

    /// The next connection that one host dials to another is cut when this end has sent so many bytes that arrived and then another; its other end
    /// learns of it so late.
    pub fn cut_next(&mut self, dialer: &str, listener: &str, side: Side, bytes: u64, late: Duration) {
        let (dialer, listener) = (self.host(dialer), self.host(listener));
        self.kernel.cuts_next.push(CutNext { dialer, listener, side, bytes, late });
    }

    /// All is well again: links, disks, and whatever stood still or did not run. Clocks stay as they are.
    pub fn mend(&mut self) {
        note!(self.kernel, "all is mended");
        self.kernel.links.heal_all();
        self.kernel.cuts_next.clear();
        let names: Vec<String> = self.kernel.hosts.iter().map(|host| host.name.clone()).collect();
        for name in names {
            self.disk(&name).mend();
            self.resume(&name);
            self.start(&name);
        }
        self.kernel.resend();
    }

    // ---- time ----

    /// Does something to the world after so long.
    pub fn after(&mut self, time: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.acts.insert(self.act_next, Box::new(act));
        self.kernel.agenda.add(self.kernel.now + time, Due::Act(self.act_next));
        self.act_next += 1;
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until this is so, or for so long at most; tells whether it is. Asked after each thing that happens.
    pub fn run_until(&mut self, at_most: Duration, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        let end = self.kernel.now + at_most;
        loop {
            if is_so(self) {
                return true;
            }
            match self.kernel.agenda.time_next() {
                Some(at) if at <= end => self.happen(),
                _ => {
                    self.kernel.now = end;
                    return is_so(self);
                }
            }
        }
    }

    /// The next thing happens.
    fn happen(&mut self) {
        let Some((at, due)) = self.kernel.agenda.take() else { return };
        let at = at.max(self.kernel.now);
        self.at_this_moment = if at > self.kernel.now { 0 } else { self.at_this_moment + 1 };
        assert!(self.at_this_moment < AT_ONE_MOMENT, "seed {}: time does not go on at {at:?}", self.seed);
        self.kernel.now = at;
        match due {
            Due::Attempt(wire) => self.kernel.attempt(wire),
            Due::Arrive(end) => self.kernel.arrive(end),
            Due::Tell(process, event) => self.kernel.tell(process, event),
            Due::Timers(process, asked) => self.kernel.timers(process, asked),
            Due::Step(process, store) => self.kernel.step(process, store),
            Due::Idle(process, store) => self.kernel.idle(process, store),
            Due::Act(number) => {
                if let Some(act) = self.acts.remove(&number) {
                    act(self);
                }
            }
        }
        self.handle_ready();
        self.bury();
    }

    /// Processes handle what is there for them, until there is nothing.
    fn handle_ready(&mut self) {
        while let Some((process, event)) = self.kernel.ready.pop_front() {
            if !self.kernel.hears(process, &event) {
                continue;
            }
            self.with_node(process, |node, context| node.handle(event, context));
        }
    }

    fn with_node(&mut self, process: Process, act: impl FnOnce(&mut dyn Node, &mut Context<'_>)) {
        let kernel = &mut self.kernel;
        let Some(mut node) = self.programs[process.host].node.take() else { return };
        act(&mut *node, &mut Context { kernel, process });
        self.programs[process.host].node = Some(node);
        let running = kernel.hosts[process.host].process_of(process.incarnation);
        if running.is_some_and(|running| running.exits) {
            self.end(process.host, "exits");
        } else {
            kernel.see_to_stores(process);
        }
    }

    /// Processes that died at a call of their disk are no more.
    fn bury(&mut self) {
        for host in 0..self.kernel.hosts.len() {
            let machine = &self.kernel.hosts[host];
            if machine.running.is_some() && machine.disk.faults.is_dead() {
                self.end(host, "died at its disk");
            }
        }
    }
}
