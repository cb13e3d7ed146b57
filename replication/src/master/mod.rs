//! The store of a master that may have a slave: every batch is its own store's and the slave's before anybody hears of it.
//!
//! It wraps a store and is one: the broker above does not know. Without a slave it passes everything on, and answers as the store does.
//!
//! | module | what it does |
//! |---|---|
//! | [`link`] | the slave that is connected: how far it is |
//! | [`state`] | who waits for what |
//! | [`answers`] | answers in the order of their calls |
//! | [`status`] | how things stand, for people |
//! | [`behind`] | what a slave is to get later |
//! | [`join`] | lets a slave in: compares, copies, catches up |
//!
//! **When an answer is given.** The store has flushed the batch; and the slave has, from the moment that it is waited for
//! ([`Stage::Closing`]) until it is known to be out of the set ([`Replicated::go_on_alone`]). Both flush at the same time: a batch is sent when the
//! store has taken it, before it is flushed.
//!
//! **What is read.** Nothing that arrived with a batch that is waited for: it might go with this machine, and come again under the same number as
//! something else.

mod answers;
mod behind;
mod join;
mod link;
mod state;
mod status;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use kahawai_store::batch::{Batch, DurabilityState, Operation};
use kahawai_store::contract::{
    Bell, Committed, Completion, Limits, Page, ReadRequest, Recovered, Store, StoreError,
};
use kahawai_store::names::{BatchName, Epoch, Term};
use kahawai_store::replica::{Replica, Taken, Tap};

use crate::frame::{Frame, Hello};
use crate::record::{Member, Record};
use crate::standing::{Known, Standing, TABLE};
pub use behind::{MemorySpool, Spool};
use link::Stage;
pub use link::{Amounts, Line, LineKey};
use state::{Gate, State};
pub use status::{SlaveStatus, Status};

/// Who a member is.
#[derive(Clone, Debug)]
pub struct Me {
    /// Its name for life.
    pub member: Member,
    /// How the others find it.
    pub known: Known,
    /// Random for each process.
    pub process: u64,
    /// The id of the pair that it would begin: random.
    pub pair: [u8; 16],
    /// How long the other may be silent.
    pub lease: Duration,
    /// The epoch of its own store, for errors.
    pub epoch: Epoch,
    /// Whether an arbiter is asked.
    pub has_arbiter: bool,
    /// How much is done for a slave that catches up.
    pub amounts: Amounts,
}

/// What a master has others do: it may ask an arbiter, or the other member. No call waits; the answers come by [`Replicated`]'s.
pub trait Overseer: Send + Sync {
    /// The slave has everything: is to be let into the set, then [`Replicated::admitted`] to be called.
    fn admit(&self, slave: Member);

    /// A slave that was waited for is gone. It is to be taken out of the set, or found to have taken over: then [`Replicated::go_on_alone`] or
    /// [`Replicated::step_down`]. `at` is where it would serve; `was_told` that it may take over.
    fn in_doubt(&self, slave: Member, at: &Known, was_told: bool);

    /// That slave is back and has not taken over, nor will it.
    fn is_back(&self, slave: Member);

    /// A copy is to wait for so long, a moment, so that those who send come to their turn; and then [`Replicated::clock`] to be called. Called
    /// within [`Replicated::received`]: whoever calls that from a thread of its own may sleep, any other returns at once.
    fn rest(&self, pause: Duration) {
        let _ = pause;
    }

    /// A place for what a slave that catches up is to get later. Called from the store's thread: a disk's speed is fine, a network's is not.
    ///
    /// # Errors
    /// Where there is none: the slave begins anew then.
    fn spool(&self) -> io::Result<Arc<dyn Spool>>;
}

/// A store that is copied to a slave while it is used.
pub struct Replicated {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Replicated {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Replicated")
    }
}

struct Shared {
    inner: Arc<dyn Replica>,
    me: Me,
    overseer: Arc<dyn Overseer>,
    state: Mutex<State>,
    /// Rung where a slave has confirmed or is gone.
    changed: Condvar,
    /// Mirrors whether batches are to be shown.
    wants: AtomicBool,
    bell: OnceLock<Bell>,
}

/// Shows batches to whoever is still there.
struct Shown(Weak<Shared>);

impl Tap for Shown {
    fn wants(&self) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.wants.load(Ordering::Acquire))
    }

    fn taken(&self, taken: Taken) {
        if let Some(shared) = self.0.upgrade() {
            shared.lock().take(taken, &|| shared.overseer.spool());
        }
    }
}

impl Replicated {
    /// Wraps a store that holds this. Nothing must have been committed since.
    pub fn new(inner: Arc<dyn Replica>, me: Me, standing: Standing, overseer: Arc<dyn Overseer>) -> Self {
        let wants = AtomicBool::new(standing.record.is_some());
        let shared = Arc::new(Shared {
            inner,
            state: Mutex::new(State::new(standing, me.amounts.under_way)),
            me,
            overseer,
            changed: Condvar::new(),
            wants,
            bell: OnceLock::new(),
        });
        shared.inner.tap(Arc::new(Shown(Arc::downgrade(&shared))));
        if shared.lock().standing.record.is_none() {
            shared.inner.confirmed_through(None);
        }
        Self { shared }
    }

    /// Begins a term as the master of a pair, by this record, which the arbiter holds already if there is one. To be called before anything is
    /// committed; `done` is called when the store says so.
    pub fn begin(&self, record: Record, done: Completion<Committed>) {
        let operations = {
            let mut state = self.shared.lock();
            self.shared.inner.begin_term(record.term);
            // Alone in the set: nobody else can become master with less.
            self.shared.inner.confirmed_through(None);
            self.shared.wants.store(true, Ordering::Release);
            let first = state.last_taken.number + 1;
            let terms = state.standing.begin_term(record.term, first);
            let mut operations = vec![Standing::put_record(&record), terms];
            operations.extend(state.standing.meet(self.shared.me.member, self.shared.me.known.clone()));
            operations.extend(state.standing.asked(self.shared.me.has_arbiter));
            state.standing.record = Some(record);
            operations
        };
        self.shared.inner.commit(Batch::new(operations), done);
    }

    /// Takes the other member for one that may serve since, though it was not found: nobody is answered before it was looked for once more, with this one's
    /// connectors open ([`Replicated::look_for_others`]). Two that have waited for each other in vain may begin to serve in the same moment, and each find
    /// the other's closed. To be called once the term is begun, before anything else.
    pub fn doubt_others(&self) {
        let mut state = self.shared.lock();
        let me = self.shared.me.member;
        if let Some(other) = state.standing.members.keys().copied().find(|member| *member != me) {
            state.begin_doubt(other);
        }
    }

    /// The connectors are open: has the other member looked for, if it is in doubt.
    pub fn look_for_others(&self) {
        let state = self.shared.lock();
        let Some(other) = state.doubt else { return };
        let known = state.standing.members.get(&other).cloned().unwrap_or_default();
        drop(state);
        self.shared.overseer.in_doubt(other, &known, true);
    }

    /// A member dialled.
    pub fn accept(&self, key: LineKey, line: Arc<dyn Line>, hello: Hello) {
        self.shared.accept(key, line, hello);
    }

    /// The slave said something.
    pub fn received(&self, key: LineKey, frame: &Frame) {
        self.shared.received(key, frame);
    }

    /// The line is gone.
    pub fn lost(&self, key: LineKey, why: &str) {
        self.shared.lost(key, why);
    }

    /// Time has passed: since what, is the same with each call. To be called several times in a lease, and before anything is told that was received
    /// while this process may have stood still.
    pub fn tick(&self, now: Duration) {
        self.shared.tick(now);
    }

    /// The slave is in the set: says so in the store, and to the slave.
    pub fn admitted(&self, slave: Member) {
        self.shared.admitted(slave);
    }

    /// The slave is out of the set, and has not taken over: says so in the store, and answers by that alone.
    pub fn go_on_alone(&self) {
        self.shared.go_on_alone();
    }

    /// Another is master: nobody is answered any more.
    pub fn step_down(&self, reason: &str) {
        let error = StoreError::Lost { epoch: self.shared.me.epoch, reason: reason.into() };
        self.shared.end(error);
    }

    /// It is this time now, whether or not a beat is due; see [`Replicated::tick`].
    pub fn clock(&self, now: Duration) {
        let mut state = self.shared.lock();
        state.now = state.now.max(now);
    }

    /// When the slave was heard last, if it is waited for; nothing within where it is gone and in doubt.
    pub fn heard_of_slave(&self) -> Option<Option<Duration>> {
        // Asked with everything that is written to a client.
        if !self.shared.wants.load(Ordering::Acquire) {
            return None;
        }
        let state = self.shared.lock();
        if state.doubt.is_some() {
            return Some(None);
        }
        state.link.as_ref().filter(|link| link.is_waited_for()).map(|link| Some(link.last_heard))
    }

    /// The slave that is gone and in doubt.
    pub fn doubtful(&self) -> Option<Member> {
        self.shared.lock().doubt
    }

    /// The record of the pair, as this store has it.
    pub fn record(&self) -> Option<Record> {
        self.shared.lock().standing.record.clone()
    }

    /// Whether an arbiter has held that record.
    pub fn has_asked(&self) -> bool {
        self.shared.lock().standing.has_asked
    }

    /// Why nothing works any more.
    pub fn ended(&self) -> Option<StoreError> {
        self.shared.lock().ended.clone()
    }

    /// How things stand, for people.
    pub fn status(&self) -> Status {
        status::status(&self.shared.lock(), self.shared.me.member)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives every answer that is due; `rings` where nobody else will.
    fn give<'a>(&'a self, mut state: MutexGuard<'a, State>, rings: bool) {
        loop {
            let through = state.may_answer_through();
            let due = state.answers.due(through);
            let error = state.ended.clone();
            if due.is_empty() {
                self.changed.notify_all();
                return;
            }
            drop(state);
            for give in due {
                give(error.clone());
            }
            if rings && let Some(bell) = self.bell.get() {
                bell();
            }
            state = self.lock();
            state.answers.given();
        }
    }

    fn end(&self, error: StoreError) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.ended = Some(error);
        }
        let link = state.link.take();
        let held = match std::mem::replace(&mut state.gate, Gate::Open) {
            Gate::Open => Default::default(),
            Gate::Closed { held, .. } | Gate::Draining { held } => held,
        };
        let error = state.ended.clone().unwrap_or(StoreError::Closed);
        self.give(state, true);
        for (_, done) in held {
            done.complete(Err(error.clone()));
        }
        if let Some(link) = link {
            link.line.close();
        }
    }

    fn commit(self: &Arc<Self>, batch: Batch, done: Completion<Committed>) {
        let mut state = self.lock();
        if let Some(error) = state.ended.clone() {
            drop(state);
            done.complete(Err(error));
            return;
        }
        if let Gate::Closed { held, .. } | Gate::Draining { held } = &mut state.gate {
            held.push_back((batch, done));
            return;
        }
        state.in_flight += 1;
        self.forbid_moves(&mut state, &batch);
        drop(state);
        self.commit_inner(batch, done);
    }

    fn commit_inner(self: &Arc<Self>, batch: Batch, done: Completion<Committed>) {
        let shared = Arc::clone(self);
        self.inner.commit(batch, Completion::new(move |result| shared.committed(result, done)));
    }

    /// The store has answered a batch of somebody's.
    fn committed(self: &Arc<Self>, result: Result<Committed, StoreError>, done: Completion<Committed>) {
        let mut state = self.lock();
        state.in_flight -= 1;
        if let Err(error) = &result
            && error.outcome_unknown()
            && state.ended.is_none()
        {
            state.ended = Some(error.clone());
        }
        let name = result.as_ref().map_or(BatchName::default(), |committed| committed.name);
        state.answers.push(name, Box::new(move |error| done.complete(error.map_or(result, Err))));
        let is_quiet = state.in_flight == 0;
        let state_mut = &mut *state;
        let looks = match &mut state_mut.gate {
            Gate::Closed { looks, .. } if is_quiet && !*looks => {
                *looks = true;
                state_mut.link.as_ref().map(|link| link.key)
            }
            _ => None,
        };
        self.give(state, false);
        if let Some(key) = looks {
            self.look(key);
        }
    }

    /// Commits what is ours: not through the gate, and answered as the store answers.
    fn commit_own(
        self: &Arc<Self>,
        operations: Vec<Operation>,
        then: impl FnOnce(&Arc<Self>, Result<Committed, StoreError>) + Send + 'static,
    ) {
        let shared = Arc::clone(self);
        self.inner.commit(Batch::new(operations), Completion::new(move |result| then(&shared, result)));
    }

    fn received(self: &Arc<Self>, key: LineKey, frame: &Frame) {
        let mut state = self.lock();
        let now = state.now;
        let Some(link) = state.link.as_mut().filter(|link| link.key == key) else { return };
        link.last_heard = now;
        match frame {
            Frame::Confirmed(name) => {
                if *name > state.last_taken {
                    drop(state);
                    self.break_off(key, &format!("it confirmed {name}, which it was never sent"));
                    return;
                }
                let has_everything = state.confirm(*name);
                self.hold_back(&state);
                let slave = state.link.as_ref().map(|link| (link.hello.member, link.catches_up()));
                self.give(state, true);
                match slave {
                    Some((slave, _)) if has_everything => self.overseer.admit(slave),
                    Some((_, true)) => self.rest_and_send_on(key),
                    // One in sync gets what is taken as it is taken.
                    _ => {}
                }
            }
            // Answered and never said unasked: so the slave knows since when this line may be gone.
            Frame::SignOfLife => link.line.send(Frame::SignOfLife),
            Frame::Leaving => {
                let slave = link.hello.member;
                drop(state);
                self.break_off(key, "it was stopped");
                // It goes, and does not take over.
                self.overseer.is_back(slave);
            }
            other => {
                let said = format!("it said what a slave does not say ({})", other.kind());
                drop(state);
                self.break_off(key, &said);
            }
        }
    }

    /// Half of the time of a copy is for those who send meanwhile.
    fn rest_and_send_on(self: &Arc<Self>, key: LineKey) {
        let rest = {
            let mut state = self.lock();
            let now = state.now;
            state.link.as_mut().filter(|link| link.key == key).map_or(Duration::ZERO, |link| link.rest(now))
        };
        if !rest.is_zero() {
            self.overseer.rest(rest);
        }
        self.send_on(key);
    }

    /// Says what the store may be cut to later: a slave in the set may take over with no more than it has confirmed.
    fn hold_back(&self, state: &State) {
        self.inner.confirmed_through(state.waits.then_some(state.confirmed()));
    }

    /// Hangs up.
    fn break_off(self: &Arc<Self>, key: LineKey, why: &str) {
        let line =
            self.lock().link.as_ref().filter(|link| link.key == key).map(|link| Arc::clone(&link.line));
        self.lost(key, why);
        if let Some(line) = line {
            line.close();
        }
    }

    fn lost(self: &Arc<Self>, key: LineKey, why: &str) {
        let mut state = self.lock();
        let Some(link) = state.link.take_if(|link| link.key == key) else { return };
        let slave = link.hello.member;
        let known = Known { name: link.hello.name.clone(), addresses: link.hello.addresses.clone() };
        if state.ended.is_some() {
            return;
        }
        if link.is_waited_for() {
            tracing::warn!(
                slave = %known.name,
                "the slave is gone ({why}): answers wait until it is known whether it has taken over"
            );
            state.doubt = Some(slave);
            drop(state);
            let was_told = matches!(link.stage, Stage::InSync);
            self.overseer.in_doubt(slave, &known, was_told);
            return;
        }
        tracing::warn!(slave = %known.name, "the slave is gone ({why}); it was not in sync, and nobody waited for it");
        self.give(state, true);
        self.open_gate();
    }

    fn tick(self: &Arc<Self>, now: Duration) {
        let mut state = self.lock();
        state.now = now;
        if state.goes_on_alone {
            drop(state);
            self.go_on_alone();
            return;
        }
        let Some(link) = &mut state.link else { return };
        link.remind(now);
        // Whoever joins says nothing until it is answered. From any other this is sooner than it may take over: what it confirmed before that
        // is not taken for a proof when it is read after it.
        let at_most = if let Stage::Joining = link.stage { self.me.lease } else { self.me.lease / 2 };
        if now.saturating_sub(link.last_heard) > at_most {
            let key = link.key;
            drop(state);
            self.break_off(key, &format!("it was silent for more than {} ms", at_most.as_millis()));
        }
    }

    fn admitted(self: &Arc<Self>, slave: Member) {
        let mut state = self.lock();
        let member = self.me.member;
        let Some(link) = state.link.as_ref().filter(|link| link.hello.member == slave) else { return };
        if !matches!(link.stage, Stage::Admitting) {
            return;
        }
        let key = link.key;
        let known = Known { name: link.hello.name.clone(), addresses: link.hello.addresses.clone() };
        let step = |record: &Record| record.admit(member, record.term, slave);
        let record = match state.standing.record.as_ref().map(step) {
            Some(Ok(record)) => record,
            refused => {
                drop(state);
                debug_assert!(false, "a master is one by its record: {refused:?}");
                self.break_off(key, "the record of the pair names another master");
                return;
            }
        };
        let term = record.term;
        let mut operations = vec![Standing::put_record(&record)];
        state.standing.keep_only(&[member, slave]);
        operations.extend(state.standing.meet(slave, known));
        operations.extend(state.standing.asked(self.me.has_arbiter));
        state.standing.record = Some(record);
        drop(state);
        self.commit_own(operations, move |shared, result| {
            // It is in sync once it has flushed this too.
            let told = Arc::clone(shared);
            let mut state = shared.lock();
            match result {
                Ok(committed) => {
                    let tell = Box::new(move |error: Option<StoreError>| {
                        if error.is_none() {
                            told.tell_in_sync(key, term);
                        }
                    });
                    state.answers.push(committed.name, tell);
                    shared.give(state, true);
                }
                Err(error) => {
                    drop(state);
                    shared.break_off(key, &format!("the record of the pair could not be written: {error}"));
                }
            }
        });
    }

    fn tell_in_sync(&self, key: LineKey, term: Term) {
        let mut state = self.lock();
        let Some(link) = state.link.as_mut().filter(|link| link.key == key) else { return };
        link.stage = Stage::InSync;
        link.line.send(Frame::InSync(term));
        tracing::info!(slave = %link.hello.name, "in sync: the slave {} has everything and would take over (term {term})", link.hello.name);
    }

    fn go_on_alone(self: &Arc<Self>) {
        let mut state = self.lock();
        let member = self.me.member;
        state.goes_on_alone = false;
        let Some(slave) = state.doubt else { return };
        let step = |record: &Record| record.cut_off(member, record.term, slave).ok();
        let Some(record) = state.standing.record.as_ref().and_then(step) else {
            debug_assert!(false, "a master is one by its record");
            return;
        };
        drop(state);
        self.commit_own(vec![Standing::put_record(&record)], move |shared, result| {
            let mut state = shared.lock();
            match result {
                Ok(_) => state.standing.record = Some(record),
                Err(error) if error.outcome_unknown() => {
                    drop(state);
                    shared.end(error);
                    return;
                }
                // Started anew, it would take the slave for one that may have taken over; and that one, it for one that was only followed.
                Err(error) => {
                    tracing::error!(
                        "the slave is out, and nobody is answered before that is written down, which is tried again: {error}"
                    );
                    state.goes_on_alone = true;
                    return;
                }
            }
            if state.doubt != Some(slave) {
                return;
            }
            state.stop_waiting();
            shared.hold_back(&state);
            tracing::warn!(
                "cut off: the slave is out, and what is sent from now on is on this machine alone until it is back"
            );
            shared.give(state, true);
        });
    }

    /// Everything of a page that may be seen.
    fn show(self: &Arc<Self>, request: ReadRequest, done: Completion<Page>) {
        let shared = Arc::clone(self);
        self.inner.read(
            request,
            Completion::new(move |result: Result<Page, StoreError>| {
                let hidden_from = shared.lock().hidden_from();
                let (mut page, from) = match (result, hidden_from) {
                    (Ok(page), Some(from)) => (page, from),
                    (result, _) => return done.complete(result),
                };
                let (last, found) = (page.cursor_last(), page.messages.len() + page.damaged.len());
                page.messages.retain(|stored| stored.cursor.arrival < from);
                page.damaged.retain(|(_, cursor)| cursor.arrival < from);
                let is_bare = page.messages.is_empty() && page.damaged.is_empty();
                if is_bare && found > 0 && !page.end {
                    // All of it is hidden; what stands behind it need not be.
                    shared.show(ReadRequest { after: last, ..request }, done);
                    return;
                }
                done.complete(Ok(page));
            }),
        );
    }

    /// Waits until all that was taken is on both sides, or the slave is gone, or for a lease; then takes leave.
    fn leave(&self) {
        let state = self.lock();
        let waits = |state: &mut State| {
            state.ended.is_none() && state.doubt.is_none() && state.waits && state.hidden_from().is_some()
        };
        let waited = self.changed.wait_timeout_while(state, self.me.lease, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = state.link.take() {
            link.line.send(Frame::Leaving);
            link.line.close();
        }
    }
}

impl Store for Replicated {
    fn commit(&self, batch: Batch, done: Completion<Committed>) {
        self.shared.commit(batch, done);
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        self.shared.show(request, done);
    }

    fn recover(&self, done: Completion<Recovered>) {
        let shared = Arc::clone(&self.shared);
        self.shared.inner.recover(Completion::new(move |result: Result<Recovered, StoreError>| {
            let result = result.map(|mut recovered| {
                recovered.tables.retain(|entry| entry.table != TABLE);
                recovered
            });
            // As of batches that are completed here, and not yet for those above: they wait for the slave.
            let mut state = shared.lock();
            let name = if state.waits { state.last_taken } else { BatchName::default() };
            state.answers.push(name, Box::new(move |error| done.complete(error.map_or(result, Err))));
            shared.give(state, true);
        }));
    }

    fn limits(&self) -> Limits {
        self.shared.inner.limits()
    }

    fn ring(&self, bell: Bell) -> bool {
        // Where the store does not ring, answers speak for themselves.
        self.shared.inner.ring(Arc::clone(&bell)) && self.shared.bell.set(bell).is_ok()
    }

    fn durability(&self) -> DurabilityState {
        self.shared.inner.durability()
    }

    fn close(&self) {
        self.shared.leave();
        self.shared.inner.close();
        self.shared.end(StoreError::Closed);
    }
}
