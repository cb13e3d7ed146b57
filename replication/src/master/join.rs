//! Lets a slave in: looks at what both have between two batches, sends what is missing or a copy, and what comes since.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, MutexGuard};

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::{Committed, Completion, Page, Recovered, StoreError};
use kahawai_store::names::{BatchName, Term, Xid};
use kahawai_store::replica::Taken;

use super::Shared;
use super::behind::Next;
use super::link::{Line, LineKey, Link, Stage};
use super::state::{Gate, State};
use crate::frame::{Frame, Hello, Plan, Refusal, VERSION, Welcome, Why};
use crate::history::{History, Step};
use crate::record::Record;
use crate::standing::{Known, Standing};

impl Shared {
    pub(super) fn accept(self: &Arc<Self>, key: LineKey, line: Arc<dyn Line>, hello: Hello) {
        let mut state = self.lock();
        let term = state.standing.term();
        let refuse = |why, text: String| {
            if why != Why::Later {
                tracing::warn!("'{}' may not be a slave: {text}", hello.name);
            }
            line.send(Frame::Refused(Refusal { why, term, text }));
            line.close();
        };
        if let Some(error) = &state.ended {
            return refuse(Why::Later, format!("this broker stops: {error}"));
        }
        if let Some(theirs) = hello.master_of {
            if hello.pair == state.standing.pair() && theirs > term {
                let reason = format!("{} became master of term {theirs} (this one's was {term})", hello.name);
                drop(state);
                refuse(Why::Later, "heard".to_owned());
                self.end(StoreError::Lost { epoch: self.me.epoch, reason: reason.into() });
                return;
            }
            return refuse(Why::Deposed, format!("{} is master of term {term}", self.me.known.name));
        }
        let theirs = hello.terms.last().map_or(hello.last.term, |start| start.term.max(hello.last.term));
        if hello.pair.is_some() && hello.pair == state.standing.pair() && theirs > term {
            let reason = format!("{} was master of term {theirs} (this one's was {term})", hello.name);
            drop(state);
            refuse(Why::Later, "heard".to_owned());
            self.end(StoreError::Lost { epoch: self.me.epoch, reason: reason.into() });
            return;
        }
        if let Some(text) = self.objection(&state, &hello) {
            return refuse(Why::Never, text);
        }
        if let Some(slave) = state.doubt {
            // What became of it is being found out; this settles it, where it is that one.
            drop(state);
            if slave == hello.member {
                self.overseer.is_back(slave);
            }
            return refuse(Why::Later, "what became of the slave before is being found out".to_owned());
        }
        if let Some(link) = &state.link {
            let old = link.key;
            let (is_same, name) = (link.hello.member == hello.member, link.hello.name.clone());
            drop(state);
            if !is_same {
                return refuse(Why::Later, format!("{name} is the slave: there can be one"));
            }
            // It may be in doubt now; it dials again soon.
            self.break_off(old, "it dialled anew");
            return refuse(Why::Later, "the line before is being given up".to_owned());
        }
        if !matches!(state.gate, Gate::Open) {
            return refuse(Why::Later, "the slave before is being let go".to_owned());
        }
        tracing::info!(slave = %hello.name, at = ?hello.addresses, "a slave joins, with everything up to batch {}", hello.last);
        state.link = Some(Link::new(key, line, hello, state.now, self.me.amounts));
        let looks = state.in_flight == 0;
        state.gate = Gate::Closed { held: VecDeque::new(), looks };
        drop(state);
        if looks {
            self.look(key);
        }
    }

    /// Why somebody can never be this master's slave.
    fn objection(&self, state: &State, hello: &Hello) -> Option<String> {
        let ours = self.inner.limits();
        let pair = state.standing.pair();
        if hello.version != VERSION {
            return Some(format!(
                "it speaks version {} of replication, this broker {VERSION}: run one program on both",
                hello.version
            ));
        }
        if hello.process == self.me.process {
            return Some("it is this broker itself: masterConnectorURI leads back here".to_owned());
        }
        if hello.member == self.me.member {
            return Some(
                "its store is a copy of this broker's files: give it one of its own, an empty one".to_owned(),
            );
        }
        if let Some(theirs) = hello.pair
            && pair.is_some_and(|ours| ours != theirs)
        {
            return Some("it belongs to another pair: give it a store of its own, an empty one".to_owned());
        }
        if hello.pair.is_some() && pair.is_none() {
            return Some(
                "it has been in a pair, and this broker in none: its messages may be newer; start it as master, or give it an \
                 empty store"
                    .to_owned(),
            );
        }
        if hello.pair.is_none() && hello.holds > 0 {
            return Some(format!(
                "its store holds {} messages of its own: consume them, or give it an empty one",
                hello.holds
            ));
        }
        let theirs = hello.limits;
        if theirs.batch_bytes_max < ours.batch_bytes_max || theirs.message_bytes_max < ours.message_bytes_max
        {
            return Some(format!(
                "its store takes batches of {} and messages of {} bytes, this broker's {} and {}: it could not take all of \
                 them",
                theirs.batch_bytes_max,
                theirs.message_bytes_max,
                ours.batch_bytes_max,
                ours.message_bytes_max
            ));
        }
        None
    }

    /// Nothing is in flight: what is there now, is there as of the last batch.
    pub(super) fn look(self: &Arc<Self>, key: LineKey) {
        if self.lock().standing.record.is_some() {
            self.meet(key);
            return;
        }
        // The first slave ever: from here on this is a pair.
        let record = Record::begin(self.me.pair, self.me.member);
        let shared = Arc::clone(self);
        let recovered = Completion::new(move |result: Result<Recovered, StoreError>| {
            let recovered = match result {
                Ok(recovered) => recovered,
                Err(error) => return shared.look_failed(key, &error),
            };
            let mut state = shared.lock();
            let record = Record { term: Term(recovered.batch_last.term.0 + 1), ..record };
            let term = record.term;
            shared.inner.begin_term(term);
            let mut operations = vec![
                Standing::put_record(&record),
                state.standing.begin_term(term, recovered.batch_last.number + 1),
            ];
            operations.extend(state.standing.meet(shared.me.member, shared.me.known.clone()));
            state.standing.record = Some(record);
            drop(state);
            shared.wants.store(true, std::sync::atomic::Ordering::Release);
            shared.commit_own(operations, move |shared, result| match result {
                Ok(_) => shared.meet(key),
                Err(error) => {
                    shared.lock().standing.record = None;
                    shared.look_failed(key, &error);
                }
            });
        });
        self.inner.recover(recovered);
    }

    /// Writes down how the slave is found, before anything that it has to have to be let in: once it may take over, no cut of this store takes that away.
    fn meet(self: &Arc<Self>, key: LineKey) {
        let mut state = self.lock();
        let Some(link) = state.link.as_ref().filter(|link| link.key == key) else { return };
        let slave = link.hello.member;
        let known = Known { name: link.hello.name.clone(), addresses: link.hello.addresses.clone() };
        let before = state.standing.members.clone();
        let Some(met) = state.standing.meet(slave, known) else {
            drop(state);
            self.look_at_store(key);
            return;
        };
        drop(state);
        self.commit_own(vec![met], move |shared, result| match result {
            Ok(_) => shared.look_at_store(key),
            Err(error) => {
                shared.lock().standing.members = before;
                shared.look_failed(key, &error);
            }
        });
    }

    fn look_at_store(self: &Arc<Self>, key: LineKey) {
        let shared = Arc::clone(self);
        self.inner.recover(Completion::new(move |result: Result<Recovered, StoreError>| match result {
            Ok(recovered) => shared.plan(key, recovered),
            Err(error) => shared.look_failed(key, &error),
        }));
    }

    fn look_failed(self: &Arc<Self>, key: LineKey, error: &StoreError) {
        self.break_off(key, &format!("the store could not be looked at: {error}"));
    }

    /// Decides from where the slave goes on.
    fn plan(self: &Arc<Self>, key: LineKey, recovered: Recovered) {
        let mut guard = self.lock();
        let state = &mut *guard;
        // Whoever lost the line has opened the gate; it may be another's by now.
        let Some(link) = state.link.as_mut().filter(|link| link.key == key) else { return };
        state.last_taken = state.last_taken.max(recovered.batch_last);
        state.standing.last = state.last_taken;
        let hello = &link.hello;
        // What it holds may be how the others are found. One that holds more hangs up, and comes again with an empty store.
        let is_empty = hello.pair.is_none() && hello.last.term == Term(0) && hello.holds == 0 && hello.whole;
        let common = state.standing.common(&hello.terms, hello.last);
        let common = common.filter(|_| hello.whole && hello.pair == state.standing.pair());
        let behind = common.and_then(|common| state.window.behind(common, state.last_taken));
        let plan = match (common, &behind) {
            (Some(common), Some(_)) if common == hello.last => Plan::Follow,
            (Some(common), Some(_)) => Plan::Cut(common),
            _ => Plan::Copy,
        };
        let welcome = Welcome {
            pair: state.standing.pair().unwrap_or_default(),
            member: self.me.member,
            name: self.me.known.name.clone(),
            term: state.standing.term(),
            plan,
            lease: self.me.lease.as_millis() as u64,
        };
        match plan {
            Plan::Follow => {
                link.line.send(Frame::Welcome(welcome));
                let behind = behind.unwrap_or_default();
                tracing::info!(slave = %link.hello.name, "catching up: {} batches are missing there", behind.len());
                let make = || self.overseer.spool();
                let kept = behind.into_iter().try_for_each(|taken| link.behind.push(taken, make));
                if let Err(error) = kept {
                    drop(guard);
                    return self
                        .break_off(key, &format!("what is missing there cannot be kept for it: {error}"));
                }
                link.stage = Stage::Following;
                let confirmed = link.confirmed;
                let has_everything = state.confirm(confirmed);
                self.hold_back(state);
                let slave = state.link.as_ref().map(|link| link.hello.member);
                drop(guard);
                self.open_gate();
                match slave {
                    Some(slave) if has_everything => self.overseer.admit(slave),
                    _ => self.send_on(key),
                }
            }
            Plan::Copy if is_empty => {
                link.line.send(Frame::Welcome(welcome));
                drop(guard);
                let xids = recovered.prepared.iter().map(|prepared| prepared.xid.clone()).collect();
                self.gather_prepared(key, recovered, xids, Vec::new());
            }
            Plan::Cut(_) | Plan::Copy => {
                // It has to open its store anew for that.
                tracing::info!(
                    slave = %link.hello.name,
                    "the slave has what was never answered, or is too far behind: {}",
                    if let Plan::Cut(to) = plan { format!("it is to cut its store to batch {to}") } else { "it is to begin anew".to_owned() }
                );
                link.line.send(Frame::Welcome(welcome));
                let line = Arc::clone(&link.line);
                state.link = None;
                drop(guard);
                line.close();
                self.open_gate();
            }
        }
    }

    /// Reads what is prepared, one transaction after the other, and then begins the copy.
    fn gather_prepared(
        self: &Arc<Self>,
        key: LineKey,
        recovered: Recovered,
        mut xids: VecDeque<Xid>,
        mut gathered: Vec<(Xid, Vec<Vec<Operation>>)>,
    ) {
        let Some(xid) = xids.pop_front() else {
            self.begin_copy(key, &recovered, gathered);
            return;
        };
        let shared = Arc::clone(self);
        let asked = xid.clone();
        self.inner.prepared(
            asked,
            Completion::new(move |result: Result<Vec<Vec<Operation>>, StoreError>| match result {
                Ok(chunks) => {
                    gathered.push((xid, chunks));
                    shared.gather_prepared(key, recovered, xids, gathered);
                }
                Err(error) => shared.look_failed(key, &error),
            }),
        );
    }

    fn begin_copy(
        self: &Arc<Self>,
        key: LineKey,
        recovered: &Recovered,
        prepared: Vec<(Xid, Vec<Vec<Operation>>)>,
    ) {
        let moves = prepared.iter().flat_map(|(_, chunks)| chunks).flatten();
        if moves.clone().any(|operation| matches!(operation, Operation::Move { .. })) {
            tracing::warn!(
                "a prepared transaction moves messages: a copy is possible only once it is decided"
            );
            self.break_off(key, "it cannot be copied to yet");
            return;
        }
        let history = Box::new(History::of(recovered, prepared, self.inner.limits()));
        let as_of = recovered.batch_last;
        let mut state = self.lock();
        // Whoever lost the line has opened the gate.
        let Some(link) = state.link.as_mut().filter(|link| link.key == key) else { return };
        let messages = history.messages_left();
        tracing::info!(slave = %link.hello.name, "copying {messages} messages, as of batch {as_of}");
        let part = link.hello.last.number + 1;
        link.stage = Stage::Copying { history, as_of, part, end: None, reads: false };
        drop(state);
        self.open_gate();
        self.send_on(key);
    }

    /// Sends what may be under way, of the copy and then of what came since, reading as far as that needs.
    pub(super) fn send_on(self: &Arc<Self>, key: LineKey) {
        let mut guard = self.lock();
        loop {
            let state = &mut *guard;
            let Some(link) = state.link.as_mut().filter(|link| link.key == key) else { return };
            if link.bytes_outstanding() >= self.me.amounts.under_way {
                return;
            }
            link.begin_burst(state.now);
            let is_flushed = link.batches_outstanding() == 0;
            let Stage::Copying { history, as_of, part, end, reads } = &mut link.stage else {
                break;
            };
            if *reads || (end.is_some() && !is_flushed) {
                return;
            }
            if let Some(end) = end.take() {
                link.send(end);
                continue;
            }
            match history.step() {
                Step::Batch { arrival_first, operations, is_last } => {
                    let name = if is_last { *as_of } else { BatchName { term: Term(0), number: *part } };
                    *part += 1;
                    let taken = Taken::of(Committed { arrival_first, name }, Batch::new(operations));
                    if is_last {
                        // It says that the copy is whole: not before the slave has all of the rest, for which it may have no room.
                        *end = Some(taken);
                    } else {
                        link.send(taken);
                    }
                }
                Step::Read(request) => {
                    *reads = true;
                    drop(guard);
                    let shared = Arc::clone(self);
                    self.inner.read(
                        request,
                        Completion::new(move |result: Result<Page, StoreError>| match result {
                            Ok(page) => shared.feed(key, page),
                            // The destination was removed meanwhile: what was in it goes with it.
                            Err(StoreError::Rejected(_)) => {
                                shared.feed(key, Page { end: true, ..Page::default() });
                            }
                            Err(error) => {
                                shared.break_off(key, &format!("the store cannot be read: {error}"))
                            }
                        }),
                    );
                    return;
                }
                Step::Done => {
                    let damaged: BTreeSet<_> = history.damaged().iter().copied().collect();
                    for (destination, id) in damaged {
                        tracing::error!(
                            "message {id} of destination {destination} cannot be read: the slave's copy is without it"
                        );
                    }
                    link.stage = Stage::Following;
                    let (behind, rate) = (link.behind.bytes(), link.bytes_per_second(state.now));
                    tracing::info!(
                        slave = %link.hello.name,
                        "copied, {rate} bytes in a second: {behind} bytes came since"
                    );
                }
            }
        }
        self.send_behind(key, guard);
    }

    /// Sends of what is kept for a slave that follows what may be under way.
    fn send_behind<'a>(self: &'a Arc<Self>, key: LineKey, mut guard: MutexGuard<'a, State>) {
        loop {
            let Some(link) = guard.link.as_mut().filter(|link| link.key == key) else { return };
            let may_send = matches!(link.stage, Stage::Following)
                && link.bytes_outstanding() < self.me.amounts.under_way;
            if !may_send {
                return;
            }
            let read = match link.behind.next() {
                Ok(Next::Batch(taken)) => {
                    link.send(taken);
                    continue;
                }
                Ok(Next::Read(piece)) => {
                    // The disk may be slow, and senders need the lock.
                    drop(guard);
                    let read = piece.read();
                    guard = self.lock();
                    read
                }
                Ok(Next::Wait | Next::Nothing) => return,
                Err(error) => Err(error),
            };
            match read {
                Ok(bytes) => {
                    let Some(link) = guard.link.as_mut().filter(|link| link.key == key) else { return };
                    link.behind.feed(&bytes);
                }
                Err(error) => {
                    drop(guard);
                    return self.break_off(key, &format!("what was kept for it cannot be read: {error}"));
                }
            }
        }
    }

    fn feed(self: &Arc<Self>, key: LineKey, page: Page) {
        {
            let mut state = self.lock();
            let Some(link) = state.link.as_mut().filter(|link| link.key == key) else { return };
            let Stage::Copying { history, reads, .. } = &mut link.stage else { return };
            *reads = false;
            history.feed(page);
        }
        self.send_on(key);
    }

    /// Gives the store what was kept meanwhile, in its order.
    pub(super) fn open_gate(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let held = match &mut state.gate {
                Gate::Open => return,
                Gate::Closed { held, .. } | Gate::Draining { held } => held,
            };
            let Some((batch, done)) = held.pop_front() else {
                state.gate = Gate::Open;
                return;
            };
            let held = std::mem::take(held);
            state.gate = Gate::Draining { held };
            state.in_flight += 1;
            self.forbid_moves(&mut state, &batch);
            drop(state);
            self.commit_inner(batch, done);
        }
    }

    /// A message that is moved while a copy is made might be missed by it: the copy begins anew then.
    pub(super) fn forbid_moves(&self, state: &mut State, batch: &Batch) {
        let Some(link) = state.link.as_ref().filter(|link| matches!(link.stage, Stage::Copying { .. }))
        else {
            return;
        };
        let moves = |operation: &Operation| match operation {
            Operation::Move { .. } => true,
            Operation::Prepare { operations, .. } => {
                operations.iter().any(|operation| matches!(operation, Operation::Move { .. }))
            }
            _ => false,
        };
        if batch.operations.iter().any(moves) {
            tracing::warn!(slave = %link.hello.name, "messages are moved while they are copied: the copy begins anew");
            link.line.close();
            state.link = None;
        }
    }
}
