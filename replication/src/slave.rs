//! A slave: appends what its master sends to its own store, and says what is durable there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kahawai_store::contract::{Committed, Completion, StoreError};
use kahawai_store::names::BatchName;
use kahawai_store::replica::{Replica, Taken};

use crate::frame::{Frame, Hello, VERSION, Welcome};
use crate::master::{Line, Me};
use crate::standing::Standing;

/// Why a slave follows no more on a line.
#[derive(Clone, Debug)]
pub enum Broken {
    /// The line is gone, for this reason.
    Line(String),
    /// The master was stopped in good order.
    Left,
    /// What the master sends does not follow on what is here: this is no copy, and is to be set aside.
    Diverged(String),
    /// There is no room here; nothing is wrong with what is.
    Full(String),
    /// The store here failed.
    Failed(StoreError),
}

/// What a slave's store says when it dials.
pub fn hello(standing: &Standing, me: &Me, limits: kahawai_store::contract::Limits) -> Hello {
    Hello {
        version: VERSION,
        pair: standing.pair(),
        member: me.member,
        process: me.process,
        name: me.known.name.clone(),
        addresses: me.known.addresses.clone(),
        last: standing.last,
        terms: standing.terms.clone(),
        whole: !standing.is_broken_off,
        holds: standing.holds,
        master_of: None,
        limits,
    }
}

/// Follows a master on one line.
pub struct Follower {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Follower")
    }
}

struct Shared {
    store: Arc<dyn Replica>,
    line: Arc<dyn Line>,
    welcome: Welcome,
    state: Mutex<State>,
}

struct State {
    is_in_sync: bool,
    broken: Option<Broken>,
    /// How many batches the store was given and has not answered.
    in_flight: usize,
    confirmed: BatchName,
    batches: u64,
    now: Duration,
    last_heard: Duration,
    /// When the signs of life were said that are not answered yet.
    signs: VecDeque<Duration>,
    /// When the last of those was said that are.
    last_answered: Duration,
}

impl Follower {
    /// Follows whoever said this welcome on this line, from now on.
    pub fn new(store: Arc<dyn Replica>, line: Arc<dyn Line>, welcome: Welcome, now: Duration) -> Self {
        let state = State {
            is_in_sync: false,
            broken: None,
            in_flight: 0,
            confirmed: BatchName::default(),
            batches: 0,
            now,
            last_heard: now,
            signs: VecDeque::new(),
            last_answered: now,
        };
        Self { shared: Arc::new(Shared { store, line, welcome, state: Mutex::new(state) }) }
    }

    /// The master said something.
    pub fn received(&self, frame: Frame) {
        self.shared.received(frame);
    }

    /// The line is gone.
    pub fn lost(&self, why: &str) {
        self.shared.break_off(Broken::Line(why.to_owned()));
    }

    /// Time has passed: since what, is the same with each call. Says that somebody is here, and hangs up on a master that was silent for half a
    /// lease: in the other half it is dialled, so that one that lives is found before it goes on alone.
    pub fn tick(&self, now: Duration, lease: Duration) {
        let mut state = self.shared.lock();
        state.now = now;
        let silent = now.saturating_sub(state.last_heard);
        let is_silent = silent > lease / 2;
        if !is_silent && state.broken.is_none() {
            state.signs.push_back(now);
        }
        drop(state);
        if is_silent {
            let why = format!("the master was silent for more than {} ms", (lease / 2).as_millis());
            self.shared.break_off(Broken::Line(why));
            return;
        }
        self.shared.line.send(Frame::SignOfLife);
    }

    /// Why it follows no more, once it does not.
    pub fn broken(&self) -> Option<Broken> {
        self.shared.lock().broken.clone()
    }

    /// Whether the master said, on this line, that this slave may take over.
    pub fn is_in_sync(&self) -> bool {
        self.shared.lock().is_in_sync
    }

    /// Since when the master may have been without this line: when the last sign of life was said that it answered. What it said unasked may have
    /// been under way for long.
    pub fn last_answered(&self) -> Duration {
        self.shared.lock().last_answered
    }

    /// What is durable here, and how many batches came on this line.
    pub fn progress(&self) -> (BatchName, u64) {
        let state = self.shared.lock();
        (state.confirmed, state.batches)
    }

    /// Whether the store has answered all that it was given: then it may be used otherwise. Nothing is given to it once the line is broken.
    pub fn is_settled(&self) -> bool {
        self.shared.lock().in_flight == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn break_off(&self, why: Broken) {
        let mut state = self.lock();
        state.broken.get_or_insert(why);
        drop(state);
        self.line.close();
    }

    fn received(self: &Arc<Self>, frame: Frame) {
        let mut state = self.lock();
        if state.broken.is_some() {
            return;
        }
        state.last_heard = state.now;
        match frame {
            Frame::Batch(taken) => {
                state.batches += 1;
                drop(state);
                self.append(&taken);
            }
            Frame::InSync(term) if term == self.welcome.term => {
                state.is_in_sync = true;
                tracing::info!(
                    master = %self.welcome.name,
                    "in sync with {}, master of term {term}: takes over when that is gone", self.welcome.name
                );
            }
            Frame::SignOfLife => state.last_answered = state.signs.pop_front().unwrap_or(state.last_answered),
            Frame::Leaving => {
                drop(state);
                self.break_off(Broken::Left);
            }
            other => {
                drop(state);
                self.break_off(Broken::Line(format!(
                    "the master said what it does not say here ({})",
                    other.kind()
                )));
            }
        }
    }

    fn append(self: &Arc<Self>, taken: &Taken) {
        let name = taken.name;
        if name.term > self.welcome.term {
            self.break_off(Broken::Line(format!("batch {name} is of no term of this master's")));
            return;
        }
        let copied = match taken.copied() {
            Ok(copied) => copied,
            Err(error) => {
                return self.break_off(Broken::Line(format!("batch {name} cannot be read: {error}")));
            }
        };
        let arrival_first = copied.arrival_first;
        let shared = Arc::clone(self);
        let done = move |result: Result<Committed, StoreError>| shared.appended(name, arrival_first, result);
        self.lock().in_flight += 1;
        self.store.append(copied, Completion::new(done));
    }

    fn appended(&self, name: BatchName, arrival_first: u64, result: Result<Committed, StoreError>) {
        self.lock().in_flight -= 1;
        match result {
            Ok(committed) if committed.arrival_first == arrival_first => {
                self.lock().confirmed = name;
                self.line.send(Frame::Confirmed(name));
            }
            Ok(committed) => self.break_off(Broken::Diverged(format!(
                "batch {name} arrived at {} here and at {arrival_first} there",
                committed.arrival_first
            ))),
            // Behind one for which there was no room, this says nothing of what is here.
            Err(StoreError::Rejected(rejection)) => {
                self.break_off(Broken::Diverged(format!("batch {name}: {rejection}")));
            }
            Err(StoreError::Full(why)) => self.break_off(Broken::Full(why.to_string())),
            Err(error) => self.break_off(Broken::Failed(error)),
        }
    }
}
