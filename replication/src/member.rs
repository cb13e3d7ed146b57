//! What a member does from the moment its store is open until it serves: asks, follows, takes over. It decides; whoever runs it dials, follows and opens,
//! one thing at a time: [`MemberCourse::what_next`] says what to do, and what came of it is told before it is asked again.
//!
//! **A hello is a promise not to take over.** So a slave that lost its master dials without one first: only who has heard the master answer says hello.

use std::time::Duration;

use kahawai_store::batch::Operation;
use kahawai_store::names::{BatchName, Term};

use crate::frame::{Frame, Plan, Welcome, Why};
use crate::record::{Member, Record};
use crate::slave::Broken;
use crate::standing::Standing;
use crate::takeover::{Asked, Dialled, Next, Start, after_asking, after_loss, at_start};

/// How long a member waits before it dials again.
const PAUSE: Duration = Duration::from_millis(100);
/// The same, where somebody has to look first.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// What does not change while a process lives.
#[derive(Clone, Debug)]
pub struct Course {
    /// Who it is.
    pub me: Member,
    /// Where its file says that its master is (`masterConnectorURI`).
    pub master: Option<String>,
    /// How long the other may be silent.
    pub lease: Duration,
    /// How long is waited for another member that may have taken over, where there is no arbiter.
    pub wait: Duration,
    /// Whether there is an arbiter: then that decides who takes over.
    pub has_arbiter: bool,
    /// Whether a slave ends when its master is gone, rather than take over (`shutdownOnMasterFailure`).
    pub shutdown_on_master_failure: bool,
}

/// How a store is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// As it is.
    AsItIs,
    /// Without what stands behind this batch, which was never answered: that is set aside. Where an engine cannot, all is set aside.
    CutTo(BatchName),
    /// Empty: what is there is set aside.
    SetAside,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Connect there; once it is known that a broker is there, say hello and hear the answer: [`MemberCourse::dialled`].
    Dial(String),
    /// Follow on that line until it breaks: [`MemberCourse::followed`].
    Follow(Welcome),
    /// Hang up, close the store and open it so: [`MemberCourse::opened`].
    Reopen(Opening),
    /// Take this step at the arbiter, or where there is none, take it as taken: [`MemberCourse::promoted`].
    Promote {
        /// Where there is no arbiter: the record that it leads to.
        record: Record,
        /// Whether another may have taken over, as far as is known: then the log is to say so.
        at_a_risk: bool,
    },
    /// Serve; as a master of a pair, beginning the record's term.
    Serve(Option<Record>),
    /// Nothing, for so long.
    Wait(Duration),
    /// End: the master is gone, and the file says so.
    Stop,
    /// End: the store failed.
    Fail(String),
}

/// What came of dialling.
#[derive(Clone, Debug)]
pub enum Came {
    /// Nobody listens there.
    Refused,
    /// Nobody answered in time.
    Silent {
        /// Whether hello was said.
        said_hello: bool,
    },
    /// There is something else, for this reason; or it may not be dialled at all.
    Other(String),
    /// It answered a hello.
    Said(Frame),
}

/// Where a member is on its way.
#[derive(Debug)]
enum Stage {
    Opening,
    Asking { addresses: Vec<String>, index: usize, since: Duration },
    Following { addresses: Vec<String>, index: usize, lost: Option<Lost> },
    TakingOver { lost: Option<(Vec<String>, Lost)>, record: Record, at_a_risk: bool },
    Ready(Do),
}

/// How the last line ended.
#[derive(Clone, Debug)]
struct Lost {
    at: String,
    was_in_sync: bool,
    has_left: bool,
    /// Since when the master may have been without the line.
    last_heard: Duration,
    /// When it was dialled last.
    dialled: Option<Duration>,
}

impl Lost {
    /// Whether this member, awake all the time, looked for its master so soon and so often that it would have found one that went on alone: that waits
    /// for a lease before ([`crate::oversight`]). Where it was not, nothing tells but an arbiter.
    fn was_awake(&mut self, came: Dialled, now: Duration, lease: Duration) -> bool {
        let (since, at_most) = match (self.dialled.replace(now), came) {
            (Some(before), _) => (before, lease / 2),
            // That it is silent took a moment to be known.
            (None, Dialled::Silent) => (self.last_heard, lease / 10 * 11),
            (None, _) => (self.last_heard, lease / 5 * 4),
        };
        now.saturating_sub(since) <= at_most
    }
}

/// The course of a member: see the module.
#[derive(Debug)]
pub struct MemberCourse {
    course: Course,
    standing: Standing,
    stage: Stage,
    /// To be waited before anything else.
    pause: Option<Duration>,
    /// Where the line leads that is followed on.
    followed_at: String,
    /// Where else a master may be, while it follows.
    /// Whether it serves though another may.
    is_at_a_risk: bool,
    kept: Option<(Vec<String>, usize)>,
}

impl MemberCourse {
    /// Of a member whose store is being opened.
    pub fn new(course: Course) -> Self {
        Self {
            course,
            standing: Standing::default(),
            stage: Stage::Opening,
            pause: None,
            followed_at: String::new(),
            is_at_a_risk: false,
            kept: None,
        }
    }

    /// The store is open, and says this.
    pub fn opened(&mut self, standing: Standing, now: Duration) {
        self.standing = standing;
        let serve = |term: Term, me| Stage::TakingOver {
            lost: None,
            record: alone(&self.standing, term, me),
            at_a_risk: false,
        };
        self.stage = match at_start(self.course.me, &self.standing, self.course.master.as_deref()) {
            Start::Alone => Stage::Ready(Do::Serve(None)),
            Start::Serve(term) => serve(term, self.course.me),
            // It may have been promoted there, and not have got to serve: then nobody else is.
            Start::Follow(addresses)
                if self.course.has_arbiter
                    && self.standing.record.is_some()
                    && !self.standing.is_broken_off =>
            {
                Stage::Asking { addresses, index: 0, since: now }
            }
            Start::Follow(addresses) => Stage::Following { addresses, index: 0, lost: None },
            Start::Ask(addresses) => Stage::Asking { addresses, index: 0, since: now },
        };
    }

    /// Whether another may serve that this member does not know of, when it is to serve: [`crate::master::Replicated::doubt_others`].
    pub fn is_at_a_risk(&self) -> bool {
        self.is_at_a_risk
    }

    /// What the store says, as far as is known.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What an empty store has to hold, before it takes the place of the one that is set aside, so that whoever opens it next follows too, also after
    /// a crash: how the others are found. Without it, a former master whose file names no master would serve alone, with nothing.
    pub fn remembered(&self) -> Vec<Operation> {
        self.standing.remembered().into_iter().collect()
    }

    /// Whether it waits for others to be found: for the log.
    pub fn waits_for(&self) -> Option<&[String]> {
        match &self.stage {
            Stage::Asking { addresses, .. } | Stage::Following { addresses, .. } => Some(addresses),
            _ => None,
        }
    }

    /// What to do next.
    pub fn what_next(&mut self) -> Do {
        if let Some(pause) = self.pause.take() {
            return Do::Wait(pause);
        }
        match &self.stage {
            Stage::Opening => Do::Wait(PAUSE),
            Stage::Asking { addresses, index, .. } => match addresses.get(*index) {
                Some(address) => Do::Dial(address.clone()),
                None => Do::Wait(PAUSE),
            },
            Stage::Following { lost: Some(lost), .. } if lost.has_left && lost.was_in_sync => {
                self.take_over();
                self.what_next()
            }
            // Whoever it followed is what it has to know about.
            Stage::Following { lost: Some(lost), .. } if lost.was_in_sync => Do::Dial(lost.at.clone()),
            Stage::Following { addresses, index, .. } => match addresses.get(*index % addresses.len().max(1))
            {
                Some(address) => Do::Dial(address.clone()),
                None => Do::Wait(LONG_PAUSE),
            },
            Stage::TakingOver { record, at_a_risk, .. } => {
                Do::Promote { record: record.clone(), at_a_risk: *at_a_risk }
            }
            Stage::Ready(what) => what.clone(),
        }
    }

    /// What came of dialling there.
    pub fn dialled(&mut self, address: &str, came: Came, now: Duration) {
        if let Came::Said(_) | Came::Silent { said_hello: true } = came
            && let Stage::Following { lost, .. } = &mut self.stage
            && !self.course.has_arbiter
        {
            // A hello was said: it will not take over. Where there is an arbiter, that says whether it may.
            *lost = None;
        }
        match came {
            Came::Said(Frame::Welcome(welcome)) => self.welcomed(address, welcome),
            Came::Said(Frame::Refused(refusal)) => {
                self.pause = Some(if refusal.why == Why::Never { LONG_PAUSE } else { PAUSE });
                // A master is there, whatever it has against this one: nobody else serves. Where there is an arbiter, it may be none any more, and not know.
                if refusal.term >= self.standing.term()
                    && !self.course.has_arbiter
                    && let Stage::Asking { addresses, .. } = &mut self.stage
                {
                    let addresses = std::mem::take(addresses);
                    self.stage = Stage::Following { addresses, index: 0, lost: None };
                }
            }
            Came::Refused => self.nobody(Dialled::Refused, now),
            Came::Silent { .. } => self.nobody(Dialled::Silent, now),
            Came::Said(_) | Came::Other(_) => {
                self.pause = Some(LONG_PAUSE.min(self.course.lease));
                self.nobody(Dialled::Answered, now);
            }
        }
    }

    fn welcomed(&mut self, address: &str, welcome: Welcome) {
        if welcome.term < self.standing.term() {
            // It is behind what is here: it has heard so by the hello.
            self.pause = Some(PAUSE);
            return;
        }
        let addresses = match &mut self.stage {
            Stage::Asking { addresses, .. } | Stage::Following { addresses, .. } => std::mem::take(addresses),
            _ => vec![address.to_owned()],
        };
        self.followed_at = address.to_owned();
        self.stage = match welcome.plan {
            Plan::Cut(to) => Stage::Ready(Do::Reopen(Opening::CutTo(to))),
            Plan::Copy if !self.standing.is_untouched => Stage::Ready(Do::Reopen(Opening::SetAside)),
            Plan::Follow | Plan::Copy => {
                let index = addresses.iter().position(|other| other == address).unwrap_or(0);
                self.stage = Stage::Following { addresses, index, lost: None };
                // Given once: then what came of it is told.
                return self.ready_to_follow(welcome);
            }
        };
    }

    fn ready_to_follow(&mut self, welcome: Welcome) {
        let Stage::Following { addresses, index, .. } = &mut self.stage else { return };
        let (addresses, index) = (std::mem::take(addresses), *index);
        self.stage = Stage::Ready(Do::Follow(welcome));
        self.kept = Some((addresses, index));
    }

    /// Nobody who would answer is there.
    fn nobody(&mut self, dialled: Dialled, now: Duration) {
        match &mut self.stage {
            Stage::Asking { addresses, index, since } => {
                *index += 1;
                if *index < addresses.len() {
                    return;
                }
                *index = 0;
                let asked_for = now.saturating_sub(*since);
                let asked = after_asking(self.course.me, &self.standing, asked_for, self.course.wait);
                let at_a_risk = match (self.course.has_arbiter, asked) {
                    // That decides, and only that.
                    (true, _) | (false, Asked::Serve) => false,
                    (false, Asked::ServeAtARisk) => true,
                    (false, Asked::AskAgain) => {
                        self.pause.get_or_insert(PAUSE);
                        return;
                    }
                };
                let record = alone(&self.standing, self.standing.term(), self.course.me);
                self.stage = Stage::TakingOver { lost: None, record, at_a_risk };
            }
            Stage::Following { index, lost, .. } => {
                *index += 1;
                self.pause.get_or_insert(PAUSE);
                let Some(lost) = lost else { return };
                if !lost.was_awake(dialled, now, self.course.lease) && !self.course.has_arbiter {
                    lost.was_in_sync = false;
                }
                let silent = now.saturating_sub(lost.last_heard);
                let next =
                    after_loss(lost.was_in_sync, lost.has_left, Some(dialled), silent, self.course.lease);
                if next == Next::TakeOver {
                    self.pause = None;
                    self.take_over();
                }
            }
            _ => {}
        }
    }

    fn take_over(&mut self) {
        if self.course.shutdown_on_master_failure {
            self.stage = Stage::Ready(Do::Stop);
            return;
        }
        let Stage::Following { addresses, lost, .. } = &mut self.stage else { return };
        let lost = lost.take().map(|lost| (std::mem::take(addresses), lost));
        let record = alone(&self.standing, self.standing.term(), self.course.me);
        self.stage = Stage::TakingOver { lost, record, at_a_risk: false };
    }

    /// It follows no more; all that came is appended, and the store says this now.
    pub fn followed(&mut self, broken: Broken, was_in_sync: bool, last_heard: Duration, standing: Standing) {
        self.standing = standing;
        let (addresses, index) = self.kept.take().unwrap_or_default();
        let at = self.followed_at.clone();
        let lost = |has_left| Some(Lost { at, was_in_sync, has_left, last_heard, dialled: None });
        if !was_in_sync {
            self.pause = Some(PAUSE);
        }
        self.stage = match broken {
            Broken::Line(_) => Stage::Following { lost: lost(false), addresses, index },
            Broken::Left => Stage::Following { lost: lost(true), addresses, index },
            Broken::Full(_) => {
                self.pause = Some(LONG_PAUSE);
                Stage::Following { lost: lost(false), addresses, index }
            }
            Broken::Diverged(_) => Stage::Ready(Do::Reopen(Opening::SetAside)),
            Broken::Failed(error) => Stage::Ready(Do::Fail(error.to_string())),
        };
    }

    /// What came of the step at the arbiter, or without one.
    pub fn promoted(&mut self, result: Result<Record, NotPromoted>, now: Duration) {
        let Stage::TakingOver { lost, at_a_risk, .. } = &mut self.stage else { return };
        match result {
            Ok(record) => {
                self.is_at_a_risk = *at_a_risk;
                self.stage = Stage::Ready(Do::Serve(Some(record)));
            }
            Err(NotPromoted::Unreachable) => {
                self.pause = Some(PAUSE * 5);
                // The master may come back meanwhile.
                if let Some((addresses, lost)) = lost.take() {
                    self.stage = Stage::Following { addresses, index: 0, lost: Some(lost) };
                } else {
                    self.opened(self.standing.clone(), now);
                }
            }
            Err(NotPromoted::Refused) => {
                self.pause = Some(LONG_PAUSE.min(self.course.lease));
                match lost.take() {
                    Some((addresses, _)) => {
                        self.stage = Stage::Following { addresses, index: 0, lost: None };
                    }
                    None => self.opened(self.standing.clone(), now),
                }
            }
        }
    }
}

/// Why a member may not serve yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPromoted {
    /// The arbiter cannot be asked.
    Unreachable,
    /// It was not in sync, by the arbiter.
    Refused,
}

/// The record of a member that serves in its next term, alone in the set.
///
/// Without an arbiter the two of a pair may come to serve without knowing of each other. So that their terms differ even then, and the stores are not
/// taken for the same, one of them has the odd terms and the other the even ones: the master by the record goes on in every other term.
fn alone(standing: &Standing, term: Term, me: Member) -> Record {
    let was_master = standing.record.as_ref().is_some_and(|record| record.master == me);
    let term = Term(term.max(standing.term()).0 + if was_master { 2 } else { 1 });
    let pair = standing.pair().unwrap_or_default();
    Record { pair, term, master: me, in_sync: [me].into() }
}
