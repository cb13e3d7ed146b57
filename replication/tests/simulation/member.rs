//! A member of a pair as a process: it opens its store and does what the deciding code says, one thing at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kahawai_journal::cut::Cut;
use kahawai_journal::journal::OpenError;
use kahawai_journal::options::JournalOptions;
use kahawai_journal::stepped::Stepped;
use kahawai_replication::frame::{Frame, FrameReader, Hello, Plan, Welcome};
use kahawai_replication::master::{Amounts, Line, Me};
use kahawai_replication::member::{Came, Course, Do, MemberCourse, NotPromoted, Opening};
use kahawai_replication::record::Record;
use kahawai_replication::slave::{self, Broken, Follower};
use kahawai_replication::standing::{Known, Standing};
use kahawai_simulation::event::Event;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Committed, Recovered, Store as _, StoreError};
use kahawai_store::names::{BatchName, Epoch};
use kahawai_store::replica::Replica;

use super::arbiter::{self, Asker, Step};
use super::broker::Stored;
use super::bug::Bug;
use super::dial::Dial;
use super::line::{SimLine, Wake};
use super::serve::Serving;
use super::setup::{Setup, timers};

/// What its store answered.
pub(crate) enum Answer {
    /// What it holds, for the course: at the start, or after a line.
    Standing(Result<Recovered, StoreError>),
    Begun(Result<Committed, StoreError>),
    Broker(Stored),
}

/// A line that is followed on.
struct Following {
    follower: Follower,
    line: Arc<SimLine>,
    reader: FrameReader,
    /// Why it ended, once all that came is in the store.
    ended: Option<(Broken, bool, Duration)>,
}

enum Doing {
    /// It waits for its store, or for a while.
    Waiting,
    Dialling(Dial),
    /// A welcome came by this connection.
    Welcomed(ConnectionId, FrameReader),
    Following(Box<Following>),
    Promoting(Asker),
    Serving(Box<Serving>),
    /// Its store is closed, and about to be opened so.
    Reopening(Opening),
    Ended,
}

pub(crate) struct Process {
    setup: Arc<Setup>,
    pub(crate) store: Option<Arc<Stepped>>,
    epoch: Epoch,
    process: u64,
    course: MemberCourse,
    doing: Doing,
    wake: Option<Arc<Wake>>,
    last_tick: Duration,
    paused_at: Option<Duration>,
    /// Up to where its store was cut, until it is known what is left.
    was_cut: Option<BatchName>,
}

fn options() -> JournalOptions {
    JournalOptions {
        journal_max_file_length: 16 << 10,
        checkpoint_bytes: 8 << 10,
        holds_back: true,
        ..JournalOptions::default()
    }
}

fn course(setup: &Setup) -> MemberCourse {
    MemberCourse::new(Course {
        me: setup.id,
        master: setup.master.clone(),
        lease: setup.lease,
        wait: setup.wait,
        has_arbiter: setup.has_arbiter,
        shutdown_on_master_failure: false,
    })
}

impl Process {
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        Self {
            course: course(&setup),
            setup,
            store: None,
            epoch: Epoch(0),
            process: 0,
            doing: Doing::Waiting,
            wake: None,
            last_tick: Duration::ZERO,
            paused_at: None,
            was_cut: None,
        }
    }

    /// Its master's side, if it serves.
    pub(crate) fn serving(&self) -> Option<&Serving> {
        match &self.doing {
            Doing::Serving(serving) if serving.was_ready => Some(serving),
            _ => None,
        }
    }

    /// Whether it follows, and may take over.
    pub(crate) fn is_in_sync(&self) -> bool {
        matches!(&self.doing, Doing::Following(following) if following.follower.is_in_sync())
    }

    /// An operator wants its slave to take over.
    pub(crate) fn switch(&mut self, context: &mut Context<'_>) {
        if let Doing::Serving(serving) = &mut self.doing {
            serving.switch(context);
            self.wake().ring();
        }
    }

    /// Whether it is about to cut its store.
    pub(crate) fn is_about_to_cut(&self) -> bool {
        matches!(self.doing, Doing::Reopening(Opening::CutTo(_)))
    }

    fn me(&self) -> Me {
        Me {
            member: self.setup.id,
            known: Known { name: self.setup.name.to_owned(), addresses: vec![self.setup.name.to_owned()] },
            process: self.process,
            pair: [7; 16],
            lease: self.setup.lease,
            epoch: self.epoch,
            has_arbiter: self.setup.has_arbiter,
            // So little that all of it is needed, and senders are held back.
            amounts: Amounts { under_way: 2048, in_memory: 2048, ahead: 4096 },
        }
    }

    fn store(&self) -> Arc<Stepped> {
        Arc::clone(self.store.as_ref().expect("it is open"))
    }

    fn replica(&self) -> Arc<dyn Replica> {
        self.store()
    }

    fn wake(&self) -> Arc<Wake> {
        Arc::clone(self.wake.as_ref().expect("it has started"))
    }

    /// Ends, to be started again by whoever supervises it.
    fn exit(&mut self, why: &str, context: &mut Context<'_>) {
        context.note(format_args!("ends: {why}"));
        self.doing = Doing::Ended;
        self.setup.again.store(true, Ordering::Relaxed);
        context.exit();
    }

    /// Closes its store, to open it otherwise.
    fn reopen(&mut self, opening: Opening, context: &mut Context<'_>) {
        context.close_store(&self.store());
        self.doing = Doing::Reopening(opening);
        context.set_timer(timers::REOPEN, self.setup.lease / 100);
    }

    /// As `open_journal` of the program's `place.rs` does.
    fn open(&mut self, opening: Opening, context: &mut Context<'_>) {
        self.epoch = context.claim_epoch();
        let hold = Arc::new(FixedHold::new(self.epoch));
        let first = match self.setup.bug {
            Bug::ForgetsPair => Vec::new(),
            _ => self.course.remembered(),
        };
        self.course = course(&self.setup);
        let options = JournalOptions { first, ..options() };
        let cut = match opening {
            Opening::AsItIs => None,
            Opening::CutTo(last) => self.cut_to(last),
            Opening::SetAside => Some(Cut::All),
        };
        let mut opened = context.open_store_cut(hold.clone(), options.clone(), cut);
        let openings = &self.setup.openings;
        match (&opened, opening) {
            (Ok(_), Opening::CutTo(last)) => {
                openings.cut.fetch_add(1, Ordering::Relaxed);
                context.note(format_args!("cut its store to {last}"));
                self.was_cut = Some(last);
            }
            (Err(OpenError::CannotCut(why)), _) => {
                openings.not_cut.fetch_add(1, Ordering::Relaxed);
                context.note(format_args!("sets its store aside: {why}"));
                opened = context.open_store_cut(hold, options, Some(Cut::All));
            }
            _ => {}
        }
        match opened {
            Ok(store) => {
                self.store = Some(store);
                self.recover(context);
            }
            Err(error) => self.exit(&error.to_string(), context),
        }
    }

    fn cut_to(&self, last: BatchName) -> Option<Cut> {
        let number = match self.setup.bug {
            Bug::LeavesTail => return None,
            Bug::CutsTooLittle => last.number + 1,
            Bug::CutsTooMuch => last.number - 1,
            _ => last.number,
        };
        Some(Cut::Behind(BatchName { number, ..last }))
    }

    /// A store that was cut ends with the batch to which it was to be.
    fn check_cut(&mut self, standing: &Standing) {
        if let Some(last) = self.was_cut.take()
            && standing.last != last
        {
            let wrong =
                format!("{} was to be cut to {last}, and ends with {}", self.setup.name, standing.last);
            self.setup.openings.wrong.lock().expect("nobody panicked").push(wrong);
        }
    }

    fn recover(&mut self, context: &mut Context<'_>) {
        self.doing = Doing::Waiting;
        let done = context.completion(Answer::Standing);
        self.store().recover(done);
    }

    fn hello(&self) -> Hello {
        slave::hello(self.course.standing(), &self.me(), self.store().limits())
    }

    /// Does what comes next, until that takes time.
    fn go_on(&mut self, context: &mut Context<'_>) {
        let next = self.course.what_next();
        context.note(format_args!("does {next:?}"));
        match next {
            Do::Dial(address) => {
                let (hello, patience) = (self.hello(), self.setup.lease / 4);
                let denies = self.setup.bug == Bug::HelloIsNoPromise;
                let dial = Dial::begin(&address, hello, timers::DIAL, patience, denies, context);
                self.doing = Doing::Dialling(dial);
            }
            Do::Follow(welcome) => self.follow(welcome, context),
            Do::Reopen(opening) => self.reopen(opening, context),
            Do::Promote { record, at_a_risk } => {
                context.note(format_args!("takes over, at a risk: {at_a_risk}"));
                if self.setup.has_arbiter && self.setup.bug != Bug::PromotesItself {
                    let mut asker = Asker::new(self.setup.id, self.setup.lease / 2, timers::ARBITER);
                    asker.begin(Step::Promote(self.course.standing().record.clone()), context);
                    self.doing = Doing::Promoting(asker);
                } else {
                    self.course.promoted(Ok(record), context.now());
                    self.go_on(context);
                }
            }
            Do::Serve(record) => self.serve(record, context),
            Do::Wait(pause) => {
                self.doing = Doing::Waiting;
                context.set_timer(timers::WAIT, pause);
            }
            Do::Stop => self.exit("its master is gone", context),
            Do::Fail(error) => self.exit(&error, context),
        }
    }

    fn follow(&mut self, welcome: Welcome, context: &mut Context<'_>) {
        let Doing::Welcomed(connection, mut reader) = std::mem::replace(&mut self.doing, Doing::Waiting)
        else {
            unreachable!("nobody follows without a welcome")
        };
        let line = Arc::new(SimLine::new(connection, self.wake()));
        reader.expect_batches(self.store().limits());
        let to = Arc::clone(&line) as Arc<dyn Line>;
        // It has nothing that its master has not.
        self.store().confirmed_through(None);
        let follower = Follower::new(self.replica(), to, welcome, context.now());
        self.doing = Doing::Following(Box::new(Following { follower, line, reader, ended: None }));
        self.followed_on(&[]);
        self.look_after(context);
    }

    /// More came by the line.
    fn followed_on(&mut self, bytes: &[u8]) {
        let Doing::Following(following) = &mut self.doing else { return };
        following.reader.push(bytes);
        while let Some(frame) = following.reader.take().expect("the network changes nothing") {
            following.follower.received(self.setup.bug.changed(frame));
        }
    }

    fn serve(&mut self, mut record: Option<Record>, context: &mut Context<'_>) {
        if let (Bug::SharesTerm, Some(record)) = (self.setup.bug, &mut record) {
            record.term.0 -= 1;
        }
        let standing = self.course.standing().clone();
        let (me, store, wake) = (self.me(), self.replica(), self.wake());
        let mut serving = Serving::begin(&self.setup, &me, store, standing, record, &wake, context);
        serving.at_a_risk = self.course.is_at_a_risk();
        self.doing = Doing::Serving(Box::new(serving));
    }

    fn dialled(&mut self, came: Came, context: &mut Context<'_>) {
        let Doing::Dialling(dial) = std::mem::replace(&mut self.doing, Doing::Waiting) else { return };
        let (address, connection) = (dial.address.clone(), dial.connection);
        context.note(format_args!("heard from {address}: {came:?}"));
        match &came {
            Came::Said(Frame::Welcome(welcome)) if welcome.plan != Plan::Copy || self.hello().whole => {
                self.doing = Doing::Welcomed(connection, dial.into_reader());
            }
            _ => context.close(connection),
        }
        self.course.dialled(&address, came, context.now());
        self.go_on(context);
    }

    /// Sees to what was left by those who have no context.
    fn look_after(&mut self, context: &mut Context<'_>) {
        self.wake().looked();
        let lease = self.setup.lease;
        let now = context.now();
        let was_paused = self.paused_at.is_some_and(|at| now.saturating_sub(at) <= lease);
        match &mut self.doing {
            Doing::Following(following) => {
                following.line.flush(context);
                let follower = &following.follower;
                if following.ended.is_none()
                    && let Some(broken) = follower.broken()
                    && follower.is_settled()
                {
                    let in_sync = follower.is_in_sync() || self.setup.bug == Bug::NeverInSync;
                    context.note(format_args!("follows no more: {broken:?}, in sync: {in_sync}"));
                    following.ended = Some((broken, in_sync, follower.last_answered()));
                    let done = context.completion(Answer::Standing);
                    self.store().recover(done);
                }
            }
            Doing::Serving(serving) => {
                serving.look_after(was_paused, context);
                if serving.leaves(context) {
                    self.exit("the slave takes over, as it was asked to", context);
                } else if let Some(error) = serving.replicated.ended() {
                    self.exit(&error.to_string(), context);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), StoreError> {
        match answer {
            Answer::Standing(found) => {
                let standing = Standing::of(&found?).expect("it was written so");
                self.check_cut(&standing);
                let ended = match &mut self.doing {
                    Doing::Following(following) => following.ended.take(),
                    _ => None,
                };
                match ended {
                    Some((broken, in_sync, last_heard)) => {
                        self.doing = Doing::Waiting;
                        self.course.followed(broken, in_sync, last_heard, standing);
                    }
                    None => self.course.opened(standing, context.now()),
                }
                self.go_on(context);
            }
            Answer::Begun(begun) => match (begun, &mut self.doing) {
                (Ok(_), Doing::Serving(serving)) => serving.begun(context),
                (Err(error), _) => return Err(error),
                _ => {}
            },
            Answer::Broker(stored) => {
                if let Doing::Serving(serving) = &mut self.doing {
                    serving.stored(stored, context)?;
                }
            }
        }
        Ok(())
    }

    /// Ticks, and notes where it stood still.
    fn tick(&mut self, context: &mut Context<'_>) {
        context.set_timer(timers::TICK, self.setup.lease / 10);
        match &mut self.doing {
            Doing::Following(following) => following.follower.tick(context.now(), self.setup.lease),
            Doing::Serving(serving) => serving.tick(context),
            _ => {}
        }
    }

    fn timer(&mut self, timer: u64, context: &mut Context<'_>) {
        match (timer, &mut self.doing) {
            (timers::TICK, _) => self.tick(context),
            (timers::WAIT, Doing::Waiting) => self.go_on(context),
            (timers::REOPEN, Doing::Reopening(opening)) => {
                let opening = *opening;
                self.open(opening, context);
            }
            (timers::DIAL, Doing::Dialling(dial)) => {
                let came = dial.silent(context);
                self.dialled(came, context);
            }
            (_, Doing::Serving(serving)) => serving.timer(timer, context),
            _ => {}
        }
    }

    /// Something of the network's, for whoever it is about.
    fn network(&mut self, event: Event, context: &mut Context<'_>) {
        match (&mut self.doing, event) {
            (Doing::Dialling(dial), Event::Refused(at)) if dial.connection == at => {
                let came = dial.refused(context);
                self.dialled(came, context);
            }
            (Doing::Dialling(dial), Event::Ended { connection, .. }) if dial.connection == connection => {
                let came = dial.silent(context);
                self.dialled(came, context);
            }
            (Doing::Dialling(dial), Event::Received { connection, bytes })
                if dial.connection == connection =>
            {
                if let Some(came) = dial.received(bytes, context) {
                    self.dialled(came, context);
                }
            }
            (Doing::Following(following), Event::Received { connection, bytes })
                if following.line.connection == connection =>
            {
                self.followed_on(&bytes);
            }
            (Doing::Following(following), Event::Ended { connection, .. })
                if following.line.connection == connection =>
            {
                following.follower.lost("the connection is gone");
            }
            (Doing::Serving(serving), Event::Accepted { connection, .. }) => {
                serving.accepted(connection, context);
            }
            (Doing::Serving(serving), Event::Refused(connection)) => {
                serving.dialled(connection, context, |dial, context| Some(dial.refused(context)));
            }
            (Doing::Serving(serving), Event::Ended { connection, .. }) => {
                let is_a_dial =
                    serving.dialled(connection, context, |dial, context| Some(dial.silent(context)));
                if !is_a_dial {
                    serving.ended(connection);
                }
            }
            (Doing::Serving(serving), Event::Received { connection, bytes }) => {
                let given = bytes.clone();
                if !serving.dialled(connection, context, |dial, context| dial.received(given, context)) {
                    serving.received(connection, &bytes, context);
                }
            }
            _ => {}
        }
    }

    fn promoted(&mut self, came: arbiter::Came, context: &mut Context<'_>) {
        context.note(format_args!("the arbiter: {came:?}"));
        let result = match came {
            arbiter::Came::Taken(record) => Ok(record),
            arbiter::Came::Refused(_) => Err(NotPromoted::Refused),
            arbiter::Came::Unreachable => Err(NotPromoted::Unreachable),
        };
        self.course.promoted(result, context.now());
        self.go_on(context);
    }
}

impl Node for Process {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        if let Doing::Ended = self.doing {
            return;
        }
        let now = context.now();
        if now.saturating_sub(self.last_tick) > self.setup.lease / 2 && self.wake.is_some() {
            self.paused_at = Some(now);
        }
        self.last_tick = now;
        let mut promoted = None;
        let is_arbiters = match &mut self.doing {
            Doing::Promoting(asker) => {
                let (is_its, came) = asker.handle(&event, context);
                promoted = came;
                is_its
            }
            Doing::Serving(serving) => serving.asked(&event, context),
            _ => false,
        };
        if let Some((_, came)) = promoted {
            self.promoted(came, context);
        }
        if !is_arbiters {
            match event {
                Event::Started => {
                    self.wake = Some(Arc::new(Wake::new(context.bell())));
                    self.process = context.random().number();
                    self.tick(context);
                    self.open(Opening::AsItIs, context);
                }
                Event::Timer(timer) => self.timer(timer, context),
                Event::Done(done) => {
                    if let Ok(answer) = done.downcast::<Answer>()
                        && let Err(error) = self.answered(*answer, context)
                    {
                        self.exit(&error.to_string(), context);
                    }
                }
                event => self.network(event, context),
            }
        }
        if self.wake.is_some() && !matches!(self.doing, Doing::Ended) {
            self.look_after(context);
        }
    }
}
