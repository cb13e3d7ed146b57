//! The core behind its lock: turns, the store's completions, and carrying out what was decided.
//!
//! A turn locks the core, decides, adds what is for clients to their outboxes and gives the store its calls, in that order;
//! then it lets go and writes to the sockets it has something for. A completion never waits for the lock: it leaves
//! its answer in the inbox, and whoever holds the core takes it before and after letting go.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kahawai_store::contract::{Committed, Completion, Page, Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::clock::now;
use super::config::BrokerConfig;
use super::gate::Gate;
use super::outbox::{Flushed, Outbox};
use super::rarely::Rarely;
use super::relay::{Guard, Relay};
use super::reports::Reports;
use super::responders::Responders;
use crate::bridge::neighbours::Neighbours;
use crate::core::Core;
use crate::core::effects::{Effects, StoreCall};
use crate::core::keys::{CommitToken, ConnectionKey, ReadToken};
use crate::openwire::advisory::Origin;
use crate::openwire::outgoing::Outgoing;
use crate::openwire::statistics::{Beside, LookBeside};

/// How many answers of the store one turn takes.
const ANSWERS_PER_TURN: usize = 1024;

/// An answer of the store's.
enum Answer {
    Commit(CommitToken, Result<Committed, StoreError>),
    Read(ReadToken, Result<Page, StoreError>),
}

/// How far the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// In good order.
    Stopping,
    /// At once, answering nobody; why, if there is a reason.
    Abandoned(Option<Arc<str>>),
}

struct Locked {
    core: Core,
    outboxes: HashMap<ConnectionKey, Arc<Outbox>>,
    dirty: Vec<Arc<Outbox>>,
}

pub(crate) struct Hub {
    pub(crate) config: BrokerConfig,
    pub(crate) origin: Arc<Origin>,
    store: Arc<dyn Store>,
    gate: Gate,
    /// Whether the store rings when it has answered a group of batches; otherwise every answer is seen to by itself.
    rings: AtomicBool,
    /// Announced are the answers in the inbox.
    relay: Relay<Locked>,
    inbox: Mutex<Vec<Answer>>,
    /// Nothing goes out any more.
    silenced: AtomicBool,
    abandoned: AtomicBool,
    phase: watch::Sender<Phase>,
    runtime: Handle,
    /// Tells that the store owes no answer any more, while the broker stops.
    idle: Notify,
    /// When the ticker wakes, in milliseconds since 1970.
    next_tick: AtomicU64,
    ticker: Notify,
    key_next: AtomicU64,
    /// What the bridges of this broker know of each other, and when that has changed.
    pub(crate) neighbours: Arc<Neighbours>,
    neighbours_changed: watch::Sender<u64>,
    /// The duplex bridges that others began.
    pub(crate) responders: Responders,
    /// What bridges tell of themselves.
    pub(crate) reports: Arc<Reports>,
    /// What refused clients were told, so that one that tries again and again does not fill the log.
    pub(crate) refusals: Rarely,
}

impl Hub {
    pub(crate) fn new(
        config: BrokerConfig,
        origin: Origin,
        store: Arc<dyn Store>,
        gate: Gate,
        core: Core,
    ) -> Arc<Self> {
        let neighbours_changed = watch::Sender::new(0);
        let changed = neighbours_changed.clone();
        let hub = Arc::new(Self {
            neighbours: Arc::new(Neighbours::new(move || changed.send_modify(|times| *times += 1))),
            neighbours_changed,
            config,
            origin: Arc::new(origin),
            store,
            gate,
            rings: AtomicBool::new(false),
            relay: Relay::new(Locked { core, outboxes: HashMap::new(), dirty: Vec::new() }),
            inbox: Mutex::new(Vec::new()),
            silenced: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            phase: watch::Sender::new(Phase::Serving),
            runtime: Handle::current(),
            idle: Notify::new(),
            next_tick: AtomicU64::new(u64::MAX),
            ticker: Notify::new(),
            key_next: AtomicU64::new(1),
            responders: Responders::default(),
            reports: Arc::default(),
            refusals: Rarely::default(),
        });
        let weak = Arc::downgrade(&hub);
        let bell = move || {
            if let Some(hub) = weak.upgrade() {
                hub.drain();
            }
        };
        hub.rings.store(hub.store.ring(Arc::new(bell)), Ordering::Release);
        hub.turn(|_| ());
        hub
    }

    /// What tells of what is beside the core.
    pub(crate) fn look_beside(&self) -> LookBeside {
        let (store, reports) = (Arc::clone(&self.store), Arc::clone(&self.reports));
        Arc::new(move || Beside { durability: store.durability(), bridges: reports.all() })
    }

    pub(crate) fn new_key(&self) -> ConnectionKey {
        ConnectionKey(self.key_next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Tells when the bridges have to look at each other again.
    pub(crate) fn neighbours_changed(&self) -> watch::Receiver<u64> {
        self.neighbours_changed.subscribe()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            // The first reason stands, and nothing undoes an abandonment.
            let change = !matches!(now, Phase::Abandoned(_)) && *now != phase;
            if change {
                *now = phase;
            }
            change
        });
    }

    /// Nobody is answered any more.
    pub(crate) fn abandon(&self, why: Option<Arc<str>>) {
        self.silenced.store(true, Ordering::Release);
        if !self.abandoned.swap(true, Ordering::AcqRel) {
            if let Some(why) = &why {
                tracing::warn!("stepping down: {why}");
            }
            let mut locked = self.relay.hold();
            for (_, outbox) in locked.outboxes.drain() {
                outbox.break_off();
                outbox.wake.notify_one();
            }
            locked.dirty.clear();
            drop(locked);
            self.set_phase(Phase::Abandoned(why));
        }
    }

    /// A connection begins to get what the core has for it.
    pub(crate) fn register(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        self.held(|locked| {
            if !self.abandoned.load(Ordering::Acquire) {
                locked.outboxes.insert(outbox.key, Arc::clone(outbox));
            }
        });
    }

    /// A connection is gone.
    pub(crate) fn unregister(self: &Arc<Self>, key: ConnectionKey) {
        self.turn(|locked| {
            let unknown = crate::core::spec::LastDelivered::Unknown;
            locked.disconnect(key, unknown, false);
        });
        self.held(|locked| locked.outboxes.remove(&key));
    }

    /// Completes when the store owes no answer.
    pub(crate) async fn idle(self: &Arc<Self>) {
        loop {
            let notified = self.idle.notified();
            if self.held(|locked| locked.core.is_idle()) {
                return;
            }
            notified.await;
        }
    }

    /// Decides something, and carries out what follows.
    pub(crate) fn turn<T>(self: &Arc<Self>, decide: impl FnOnce(&mut Core) -> T) -> T {
        let mut locked = self.relay.hold();
        locked.core.begin_turn(now());
        self.take_answers(&mut locked.core);
        let result = decide(&mut locked.core);
        self.finish(locked);
        self.drain();
        result
    }

    /// A look at what the core is held with, outside of a turn. Answers that come meanwhile are seen to afterwards, as after a turn.
    fn held<T>(self: &Arc<Self>, look: impl FnOnce(&mut Locked) -> T) -> T {
        let result = look(&mut self.relay.hold());
        self.drain();
        result
    }

    /// Takes the store's answers, if nobody holds the core; whoever does takes them before going.
    fn drain(self: &Arc<Self>) {
        self.relay.serve(false, |mut locked| {
            locked.core.begin_turn(now());
            self.take_answers(&mut locked.core);
            self.finish(locked);
            ControlFlow::<()>::Continue(())
        });
    }

    fn take_answers(&self, core: &mut Core) {
        if !self.relay.take_on() {
            return;
        }
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = if inbox.len() <= ANSWERS_PER_TURN {
            std::mem::take(&mut *inbox)
        } else {
            // Whoever holds the core comes back for the rest when those are told who have their answers now.
            self.relay.announce();
            inbox.drain(..ANSWERS_PER_TURN).collect()
        };
        drop(inbox);
        for answer in answers {
            match answer {
                Answer::Commit(token, result) => core.committed(token, result),
                Answer::Read(token, result) => core.page(token, result),
            }
        }
    }

    fn finish(self: &Arc<Self>, mut locked: Guard<'_, Locked>) {
        locked.core.end_turn();
        let effects = locked.core.take_effects();
        if !effects.is_empty() {
            self.carry_out(&mut locked, effects);
        }
        let next_tick = u64::try_from(locked.core.next_tick()).unwrap_or(0);
        let dirty = std::mem::take(&mut locked.dirty);
        let idle = locked.core.is_idle();
        drop(locked);
        if idle && *self.phase.borrow() == Phase::Stopping {
            self.idle.notify_waiters();
        }
        if next_tick < self.next_tick.load(Ordering::Acquire) {
            self.ticker.notify_one();
        }
        for outbox in dirty {
            self.flush(&outbox);
        }
    }

    fn carry_out(self: &Arc<Self>, locked: &mut Locked, effects: Effects) {
        if self.silenced.load(Ordering::Acquire) {
            return;
        }
        for notice in effects.notices {
            tracing::warn!("{}", notice.text);
        }
        let Locked { core, outboxes, dirty } = locked;
        let mut last: Option<ConnectionKey> = None;
        for (key, event) in effects.events {
            let Some(outbox) = outboxes.get(&key) else { continue };
            outbox.push(Outgoing::Event(event));
            if last != Some(key) {
                last = Some(key);
                if !dirty.iter().any(|known| known.key == key) {
                    dirty.push(Arc::clone(outbox));
                }
            }
        }
        for outbox in dirty.iter() {
            outbox.congested.store(core.is_congested(outbox.key), Ordering::Release);
        }
        for call in effects.store {
            match call {
                StoreCall::Commit(token, batch) => {
                    let hub = Arc::clone(self);
                    let done = Completion::new(move |result| hub.answer(Answer::Commit(token, result)));
                    self.store.commit(batch, done);
                }
                StoreCall::Read(token, request) => {
                    let hub = Arc::clone(self);
                    let done = Completion::new(move |result| hub.answer(Answer::Read(token, result)));
                    self.store.read(request, done);
                }
            }
        }
    }

    /// The store answers, on a thread of its own.
    fn answer(self: &Arc<Self>, answer: Answer) {
        let error = match &answer {
            Answer::Commit(_, Err(error)) | Answer::Read(_, Err(error)) => Some(error),
            _ => None,
        };
        if let Some(error) = error.filter(|error| error.outcome_unknown()) {
            // The core may be held by the caller, and the lock is needed to silence everyone: not here.
            self.abandon_from_anywhere(error.to_string().into());
            return;
        }
        let in_group = matches!(answer, Answer::Commit(_, Ok(_))) && self.rings.load(Ordering::Acquire);
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        self.relay.announce();
        if !in_group {
            self.drain();
        }
    }

    /// The same from a place where the core may be held: silent at once, the rest elsewhere.
    pub(crate) fn abandon_from_anywhere(self: &Arc<Self>, why: Arc<str>) {
        if self.silenced.swap(true, Ordering::AcqRel) {
            return;
        }
        let hub = Arc::clone(self);
        self.runtime.spawn_blocking(move || hub.abandon(Some(why)));
    }

    /// Writes what waits for a connection, and sees to what follows.
    pub(crate) fn flush(self: &Arc<Self>, outbox: &Arc<Outbox>) -> Flushed {
        if self.silenced.load(Ordering::Acquire) {
            return Flushed::Broken;
        }
        let flushed = outbox.flush(&self.gate);
        if flushed == Flushed::Unproven {
            self.prove();
        }
        if outbox.congested.load(Ordering::Acquire) && outbox.has_written() {
            // The core waits to hear of it. Its task tells: this may be the store's thread, which has more to do.
            outbox.wake.notify_one();
        }
        flushed
    }

    /// Asks for a proof of mastership, off the executor; then writes what waited for it.
    fn prove(self: &Arc<Self>) {
        if !self.gate.begin_proof() {
            return;
        }
        let hub = Arc::clone(self);
        self.runtime.spawn_blocking(move || match hub.gate.prove() {
            Err(lost) => hub.abandon(Some(lost.to_string().into())),
            Ok(()) => {
                let outboxes: Vec<_> = hub.held(|locked| locked.outboxes.values().cloned().collect());
                for outbox in outboxes {
                    hub.flush(&outbox);
                }
            }
        });
    }

    /// Calls the core when time itself makes something due. Ends when the broker does.
    pub(crate) async fn run_ticker(self: Arc<Self>) {
        let mut phase = self.phase();
        loop {
            let next = self.turn(|core| {
                core.tick();
                core.next_tick()
            });
            let next = u64::try_from(next).unwrap_or(0);
            self.next_tick.store(next, Ordering::Release);
            let wait = next.saturating_sub(now().unsigned_abs()).clamp(1, 60_000);
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(wait)) => {}
                () = self.ticker.notified() => {}
                _ = phase.wait_for(|phase| matches!(phase, Phase::Abandoned(_))) => return,
            }
        }
    }
}
