//! A member that serves: the store over a store, clients and lines, and what it has to ask others.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kahawai_replication::frame::{Frame, FrameReader, Hello, Why};
use kahawai_replication::master::{Line, LineKey, Me, MemorySpool, Overseer, Replicated, Spool};
use kahawai_replication::member;
use kahawai_replication::oversight::{Do, Oversight};
use kahawai_replication::record::{Member, Record};
use kahawai_replication::slave;
use kahawai_replication::standing::{Known, Standing};
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::contract::{Store as _, StoreError};
use kahawai_store::names::Term;
use kahawai_store::replica::Replica;

use super::arbiter::{Asker, Came, Step};
use super::broker::{Broker, Stored};
use super::bug::Bug;
use super::dial::Dial;
use super::line::{SimLine, Wake};
use super::member::Answer;
use super::setup::{Setup, timers};
use super::{CLIENT, GREETING, PAIR, PORT};

/// What the master asked for, by calls without a context.
enum Ask {
    Admit(Member),
    Doubt(Member, Known, bool),
    Back(Member),
}

struct Asks {
    asks: Mutex<Vec<Ask>>,
    wake: Arc<Wake>,
}

impl Asks {
    fn push(&self, ask: Ask) {
        self.asks.lock().expect("nobody panicked").push(ask);
        self.wake.ring();
    }
}

impl Overseer for Asks {
    fn admit(&self, slave: Member) {
        self.push(Ask::Admit(slave));
    }

    fn in_doubt(&self, slave: Member, at: &Known, was_told: bool) {
        self.push(Ask::Doubt(slave, at.clone(), was_told));
    }

    fn is_back(&self, slave: Member) {
        self.push(Ask::Back(slave));
    }

    fn spool(&self) -> std::io::Result<Arc<dyn Spool>> {
        Ok(Arc::new(MemorySpool::default()))
    }
}

/// Somebody who connected.
enum Caller {
    Unknown,
    Client,
    Member(LineKey, Arc<SimLine>, Box<FrameReader>),
}

struct Doubt {
    slave: Member,
    oversight: Oversight,
    dial: Option<Dial>,
}

pub(crate) struct Serving {
    setup: Arc<Setup>,
    me: Me,
    pub(crate) replicated: Arc<Replicated>,
    standing: Standing,
    asks: Arc<Asks>,
    wake: Arc<Wake>,
    callers: BTreeMap<ConnectionId, Caller>,
    key_next: u64,
    broker: Broker,
    asker: Asker,
    admits: Option<Member>,
    doubt: Option<Doubt>,
    watch: Option<Dial>,
    pub(crate) was_ready: bool,
    /// Whether another may serve that was not found.
    pub(crate) at_a_risk: bool,
    /// Until when it waits for its slave, to leave then.
    leaves_by: Option<Duration>,
}

impl Serving {
    pub(crate) fn begin(
        setup: &Arc<Setup>,
        me: &Me,
        store: Arc<dyn Replica>,
        standing: Standing,
        record: Option<Record>,
        wake: &Arc<Wake>,
        context: &mut Context<'_>,
    ) -> Self {
        let asks = Arc::new(Asks { asks: Mutex::default(), wake: Arc::clone(wake) });
        let overseer = Arc::clone(&asks) as Arc<dyn Overseer>;
        let replicated = Arc::new(Replicated::new(store, me.clone(), standing.clone(), overseer));
        let serving = Self {
            broker: Broker::new(Arc::clone(&replicated), setup.number, setup.bug),
            asker: Asker::new(setup.id, setup.lease / 2, timers::ARBITER),
            setup: Arc::clone(setup),
            me: me.clone(),
            replicated,
            standing,
            asks,
            wake: Arc::clone(wake),
            callers: BTreeMap::new(),
            key_next: 0,
            admits: None,
            doubt: None,
            watch: None,
            was_ready: false,
            leaves_by: None,
            at_a_risk: false,
        };
        serving.replicated.tick(context.now());
        match record {
            Some(record) => {
                let done = context.completion(Answer::Begun);
                serving.replicated.begin(record, done);
            }
            None => serving.broker.begin(context),
        }
        serving
    }

    pub(crate) fn begun(&mut self, context: &mut Context<'_>) {
        if self.at_a_risk {
            self.replicated.doubt_others();
        }
        self.broker.begin(context);
    }

    pub(crate) fn stored(&mut self, stored: Stored, context: &mut Context<'_>) -> Result<(), StoreError> {
        if self.broker.stored(stored, context)? {
            context.listen(PORT);
            if self.at_a_risk {
                self.replicated.look_for_others();
            }
            self.was_ready = true;
            context.note(format_args!("serves {:?}", self.replicated.status()));
            self.watch_on(context);
        }
        Ok(())
    }

    fn term(&self) -> Term {
        self.replicated.status().term.unwrap_or_default()
    }

    /// Its record, as it alone would have it.
    fn alone(&self) -> Record {
        let pair = self.standing.pair().unwrap_or(self.me.pair);
        Record { pair, term: self.term(), master: self.setup.id, in_sync: [self.setup.id].into() }
    }

    /// What it says to another as a master.
    fn hello(&self) -> Hello {
        let mut hello = slave::hello(&self.standing, &self.me, self.replicated.limits());
        hello.pair.get_or_insert(self.me.pair);
        hello.master_of = Some(self.term());
        hello
    }

    // ---- who connects ----

    pub(crate) fn accepted(&mut self, connection: ConnectionId, context: &mut Context<'_>) {
        self.callers.insert(connection, Caller::Unknown);
        context.send(connection, vec![GREETING]);
    }

    pub(crate) fn ended(&mut self, connection: ConnectionId) {
        match self.callers.remove(&connection) {
            Some(Caller::Client) => self.broker.ended(connection),
            Some(Caller::Member(key, _, _)) => self.replicated.lost(key, "the connection is gone"),
            _ => {}
        }
    }

    pub(crate) fn received(&mut self, connection: ConnectionId, mut bytes: &[u8], context: &mut Context<'_>) {
        // What it says was said a while ago, where this process stood still.
        self.replicated.tick(context.now());
        let Some(caller) = self.callers.get_mut(&connection) else { return };
        if let Caller::Unknown = caller {
            let Some((first, rest)) = bytes.split_first() else { return };
            bytes = rest;
            *caller = match *first {
                CLIENT => Caller::Client,
                PAIR => {
                    self.key_next += 1;
                    let line = Arc::new(SimLine::new(connection, Arc::clone(&self.wake)));
                    let mut reader = Box::new(FrameReader::default());
                    reader.expect_batches(self.replicated.limits());
                    Caller::Member(LineKey(self.key_next), line, reader)
                }
                other => unreachable!("nobody says {other}"),
            };
        }
        match caller {
            Caller::Client => self.broker.received(connection, bytes, context),
            Caller::Member(key, line, reader) => {
                reader.push(bytes);
                let (key, line) = (*key, Arc::clone(line));
                let mut frames = Vec::new();
                while let Some(frame) = reader.take().expect("the network changes nothing") {
                    frames.push(frame);
                }
                for frame in frames {
                    match frame {
                        Frame::Hello(hello) => {
                            self.replicated.accept(key, Arc::clone(&line) as Arc<dyn Line>, *hello);
                        }
                        frame => self.replicated.received(key, &frame),
                    }
                }
            }
            Caller::Unknown => {}
        }
    }

    // ---- what it has to do ----

    /// Sends what was said, and sees to what was asked.
    pub(crate) fn look_after(&mut self, was_paused: bool, context: &mut Context<'_>) {
        let asks = mem::take(&mut *self.asks.asks.lock().expect("nobody panicked"));
        for ask in asks {
            match ask {
                Ask::Admit(slave) => {
                    self.admits = Some(slave);
                    self.admit(context);
                }
                Ask::Doubt(slave, at, was_told) => {
                    context.note(format_args!("in doubt, told: {was_told}, paused: {was_paused}"));
                    self.admits = None;
                    let (has_arbiter, now) = (self.setup.has_arbiter, context.now());
                    let was_told = was_told && self.setup.bug != Bug::GoesOnUnasked;
                    let (lease, wait) = (self.setup.lease, self.setup.wait);
                    let oversight = Oversight::new(has_arbiter, &at, was_told, was_paused, now, lease, wait);
                    self.doubt = Some(Doubt { slave, oversight, dial: None });
                    self.oversee(context);
                }
                Ask::Back(slave) => {
                    if let Some(doubt) = self.doubt.as_mut().filter(|doubt| doubt.slave == slave) {
                        doubt.oversight.is_back();
                        if !self.setup.has_arbiter {
                            if let Some(dial) = doubt.dial.take() {
                                dial.refused(context);
                            }
                            self.oversee(context);
                        }
                    }
                }
            }
        }
        self.callers.retain(|_, caller| match caller {
            Caller::Member(_, line, _) => !line.flush(context),
            _ => true,
        });
    }

    /// An operator wants the slave to take over.
    pub(crate) fn switch(&mut self, context: &mut Context<'_>) {
        let status = self.replicated.status();
        if !self.was_ready || status.slave.is_none_or(|slave| slave.state != "in sync") {
            return;
        }
        context.note(format_args!("is to leave"));
        context.stop_listening(PORT);
        if self.setup.bug == Bug::LeavesEarly {
            self.broker.answer_all(context);
        }
        let clients = self.callers.iter().filter(|(_, caller)| !matches!(caller, Caller::Member(..)));
        let clients: Vec<_> = clients.map(|(connection, _)| *connection).collect();
        for connection in clients {
            context.close(connection);
            self.ended(connection);
        }
        self.leaves_by = Some(context.now() + self.setup.lease);
    }

    /// Takes leave once the slave has everything, or is not there; whether it did.
    pub(crate) fn leaves(&self, context: &mut Context<'_>) -> bool {
        let Some(by) = self.leaves_by else { return false };
        let status = self.replicated.status();
        let has_everything = status.slave.is_none_or(|slave| slave.confirmed >= status.last);
        if !has_everything && context.now() < by && self.setup.bug != Bug::LeavesEarly {
            return false;
        }
        for caller in self.callers.values() {
            if let Caller::Member(_, line, _) = caller {
                line.send(Frame::Leaving);
                line.close();
                line.flush(context);
            }
        }
        true
    }

    pub(crate) fn tick(&mut self, context: &mut Context<'_>) {
        self.replicated.tick(context.now());
    }

    fn admit(&mut self, context: &mut Context<'_>) {
        let Some(slave) = self.admits else { return };
        if self.setup.has_arbiter {
            let record = self.alone();
            self.asker.begin(Step::Admit { record, slave }, context);
        } else {
            self.admits = None;
            self.replicated.admitted(slave);
        }
    }

    /// Goes on finding out what became of a slave.
    fn oversee(&mut self, context: &mut Context<'_>) {
        let Some(doubt) = &self.doubt else { return };
        let next = doubt.oversight.next();
        match next {
            Do::CutOff if self.setup.bug == Bug::SkipsRecord => {
                self.doubt = None;
                self.replicated.go_on_alone();
            }
            Do::CutOff => {
                let step = Step::CutOff { record: self.alone(), slave: doubt.slave };
                self.asker.begin(step, context);
            }
            Do::Dial(address) => {
                let (hello, patience) = (self.hello(), self.setup.lease / 4);
                let dial = Dial::begin(&address, hello, timers::OVERSIGHT_DIAL, patience, false, context);
                if let Some(doubt) = &mut self.doubt {
                    doubt.dial = Some(dial);
                }
            }
            Do::Wait(pause) => context.set_timer(timers::OVERSIGHT, pause),
            Do::GoOnAlone { at_a_risk } => {
                context.note(format_args!("goes on alone, at a risk: {at_a_risk}"));
                self.doubt = None;
                self.replicated.go_on_alone();
            }
            Do::StepDown(reason) => {
                context.note(format_args!("steps down: {reason}"));
                self.doubt = None;
                self.replicated.step_down(&reason);
            }
        }
    }

    pub(crate) fn timer(&mut self, timer: u64, context: &mut Context<'_>) {
        match timer {
            timers::OVERSIGHT => {
                if let Some(doubt) = &mut self.doubt {
                    doubt.oversight.waited();
                    self.oversee(context);
                }
            }
            timers::ADMIT => self.admit(context),
            timers::WATCH => self.watch_on(context),
            timers::OVERSIGHT_DIAL => {
                if let Some(dial) = self.doubt.as_mut().and_then(|doubt| doubt.dial.take()) {
                    let came = dial.silent(context);
                    self.overseen(&came, context);
                }
            }
            timers::WATCH_DIAL => {
                if let Some(dial) = self.watch.take() {
                    dial.silent(context);
                }
            }
            _ => {}
        }
    }

    fn overseen(&mut self, came: &member::Came, context: &mut Context<'_>) {
        if let Some(doubt) = &mut self.doubt {
            doubt.oversight.dialled(came, context.now());
            self.oversee(context);
        }
    }

    /// Dials a former master until that is its slave.
    fn watch_on(&mut self, context: &mut Context<'_>) {
        context.set_timer(timers::WATCH, self.setup.lease / 2);
        let status = self.replicated.status();
        let is_there = status.slave.is_some_and(|slave| !matches!(slave.state, "cut off" | "in doubt"));
        if is_there || self.watch.is_some() {
            return;
        }
        let others = self.standing.members.iter().filter(|(member, _)| **member != self.setup.id);
        let Some(address) = others.flat_map(|(_, known)| &known.addresses).next().cloned() else { return };
        let patience = self.setup.lease / 4;
        let hello = self.hello();
        self.watch = Some(Dial::begin(&address, hello, timers::WATCH_DIAL, patience, false, context));
    }

    fn watched(&mut self, came: &member::Came) {
        if let member::Came::Said(Frame::Refused(refusal)) = came
            && refusal.why == Why::Deposed
            && refusal.term > self.term()
        {
            self.replicated.step_down(&refusal.text);
        }
    }

    /// The dial whose connection this is, if any: by whom.
    pub(crate) fn dialled(
        &mut self,
        connection: ConnectionId,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut Dial, &mut Context<'_>) -> Option<member::Came>,
    ) -> bool {
        let doubtful = self.doubt.as_mut().map(|doubt| &mut doubt.dial);
        if let Some(dial) = doubtful
            && let Some(found) = dial.as_mut().filter(|found| found.connection == connection)
        {
            if let Some(came) = act(found, context) {
                if let Some(dial) = dial.take() {
                    context.close(dial.connection);
                }
                self.overseen(&came, context);
            }
            return true;
        }
        let Some(found) = self.watch.as_mut().filter(|found| found.connection == connection) else {
            return false;
        };
        if let Some(came) = act(found, context) {
            self.watch = None;
            context.close(connection);
            self.watched(&came);
        }
        true
    }

    /// Something of the arbiter's, perhaps; whether it was.
    pub(crate) fn asked(
        &mut self,
        event: &kahawai_simulation::event::Event,
        context: &mut Context<'_>,
    ) -> bool {
        let (is_its, came) = self.asker.handle(event, context);
        let Some((step, came)) = came else { return is_its };
        context.note(format_args!("the arbiter: {came:?}"));
        match (step, came) {
            (Step::Admit { slave, .. }, Came::Taken(_)) => {
                if self.admits.take_if(|admits| *admits == slave).is_some() {
                    self.replicated.admitted(slave);
                }
            }
            (Step::Admit { .. }, Came::Unreachable) => {
                context.set_timer(timers::ADMIT, self.setup.lease / 5);
            }
            (_, Came::Refused(reason)) => match &mut self.doubt {
                Some(doubt) => {
                    doubt.oversight.cut_off(Err(Some(reason)));
                    self.oversee(context);
                }
                None => self.replicated.step_down(&reason),
            },
            (_, came) => {
                if let Some(doubt) = &mut self.doubt {
                    let result = if let Came::Taken(_) = came { Ok(()) } else { Err(None) };
                    doubt.oversight.cut_off(result);
                    self.oversee(context);
                }
            }
        }
        true
    }
}
