//! Runs a member's course: dials, follows, asks the arbiter, until it serves or the store has to be opened anew.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_replication::arbiter::{self, Held, StepError, Version};
use kahawai_replication::frame::{Frame, FrameReader, Welcome};
use kahawai_replication::master::Line as _;
use kahawai_replication::member::{self, Do, MemberCourse, NotPromoted, Opening};
use kahawai_replication::record::Record;
use kahawai_replication::slave::{self, Broken, Follower};
use kahawai_replication::standing::Standing;
use kahawai_store::batch::Operation;
use kahawai_store::contract::StoreWait as _;
use kahawai_store::election::{Cancel, Hold};
use kahawai_store::replica::Replica;

use super::line::{SocketLine, hang_up, read_frames};
use super::pairing::{LOST, Pairing};
use super::prelude::{connect, hear};

/// How long dialling may take, where nothing answers.
const DIAL: Duration = Duration::from_secs(1);
/// How often whoever waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(25);
/// How often the log says that nobody is found.
const REMIND: Duration = Duration::from_secs(60);

/// What a course came to.
pub(in crate::serve) enum Came {
    /// It serves: in a pair by this record, whose term is to be begun; whether another may serve that is not known of.
    Serve { standing: Box<Standing>, record: Option<Record>, at_a_risk: bool },
    /// The store is to be closed and opened so; an emptied one is to hold this, so that whoever opens it finds the others.
    Reopen(Opening, Vec<Operation>),
    /// It was asked to stop.
    Stopped,
    /// The master is gone, and the configuration says to end then.
    MasterGone,
    /// The store's own mastership is lost.
    Lost(String),
    /// The store failed.
    Failed(String),
}

/// A line on which a hello was said.
struct Dialled {
    socket: TcpStream,
    reader: FrameReader,
}

struct Run<'a> {
    pairing: &'a Pairing,
    store: &'a Arc<dyn Replica>,
    hold: &'a Arc<dyn Hold>,
    cancel: &'a Cancel,
    course: MemberCourse,
    dialled: Option<Dialled>,
    /// What was said last of nobody being found, and when.
    said: Option<(String, Instant)>,
}

/// Runs the course of a member whose store is open. Blocks; `following` is told of a master that is followed.
pub(in crate::serve) fn run(
    pairing: &Pairing,
    store: &Arc<dyn Replica>,
    hold: &Arc<dyn Hold>,
    cancel: &Cancel,
    following: &mut dyn FnMut(&str),
) -> Came {
    let course = MemberCourse::new(pairing.course());
    let mut run = Run { pairing, store, hold, cancel, course, dialled: None, said: None };
    match run.standing() {
        Ok(standing) => run.course.opened(standing, pairing.now()),
        Err(problem) => return Came::Failed(problem),
    }
    run.run(following)
}

impl Run<'_> {
    fn run(&mut self, following: &mut dyn FnMut(&str)) -> Came {
        loop {
            if self.cancel.is_cancelled() {
                return Came::Stopped;
            }
            match self.course.what_next() {
                Do::Serve(record) => {
                    let standing = Box::new(self.course.standing().clone());
                    return Came::Serve { standing, record, at_a_risk: self.course.is_at_a_risk() };
                }
                Do::Reopen(opening) => return Came::Reopen(opening, self.course.remembered()),
                Do::Stop => return Came::MasterGone,
                Do::Fail(problem) => return Came::Failed(problem),
                Do::Wait(pause) => self.wait(pause),
                Do::Dial(address) => {
                    let came = self.dial(&address);
                    self.tell(&address, &came);
                    self.course.dialled(&address, came, self.pairing.now());
                }
                Do::Promote { record, at_a_risk } => {
                    let promoted = self.promote(record, at_a_risk);
                    self.course.promoted(promoted, self.pairing.now());
                }
                Do::Follow(welcome) => {
                    following(&welcome.name);
                    // It has nothing that its master has not.
                    self.store.confirmed_through(None);
                    if let Some(lost) = self.follow(welcome) {
                        return lost;
                    }
                }
            }
            if let Err(lost) = self.hold.prove() {
                return Came::Lost(lost.reason.to_string());
            }
        }
    }

    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.cancel.is_cancelled() {
            thread::sleep(LOOK.min(pause));
        }
    }

    fn standing(&self) -> Result<Standing, String> {
        let recovered = self.store.recover_wait().map_err(|error| error.to_string())?;
        Standing::of(&recovered).map_err(|error| error.to_string())
    }

    /// Connects, says hello and hears the answer.
    fn dial(&mut self, address: &str) -> member::Came {
        let me = &self.pairing.me;
        // Several times in the half of a lease in which a master is looked for that was silent for the other.
        let within = DIAL.min(me.lease / 4);
        let connected = match connect(address, &me.known.name, within) {
            Ok(connected) => connected,
            Err(came) => return came,
        };
        let standing = match self.standing() {
            Ok(standing) => standing,
            Err(problem) => return member::Came::Other(problem),
        };
        let hello = Frame::Hello(Box::new(slave::hello(&standing, me, self.store.limits())));
        // What is in flight at the master is waited for, before it says from where to go on.
        let Some((answer, mut reader)) = hear(&connected, &hello, me.lease.max(DIAL)) else {
            return member::Came::Silent { said_hello: true };
        };
        reader.expect_batches(self.store.limits());
        self.dialled = Some(Dialled { socket: connected.socket, reader });
        member::Came::Said(answer)
    }

    /// Follows on the line that was dialled last, until it breaks.
    fn follow(&mut self, welcome: Welcome) -> Option<Came> {
        let Some(Dialled { socket, mut reader }) = self.dialled.take() else {
            debug_assert!(false, "a welcome came on a line");
            return None;
        };
        let lease = self.pairing.me.lease;
        let line = socket.try_clone().and_then(|socket| SocketLine::on(socket, lease));
        let line = match line.and_then(|line| socket.set_read_timeout(None).map(|()| line)) {
            Ok(line) => line,
            Err(error) => return Some(Came::Failed(format!("cannot follow: {error}"))),
        };
        let sender = Arc::clone(&line) as Arc<dyn kahawai_replication::master::Line>;
        let follower = Arc::new(Follower::new(Arc::clone(self.store), sender, welcome, self.pairing.now()));
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let why = read_frames(&socket, &mut reader, &mut |_, frame| {
                    follower.received(frame);
                    follower.broken().is_none()
                });
                follower.lost(&why);
                ended.store(true, Ordering::Release);
            });
            let mut last_tick = Instant::now();
            while !ended.load(Ordering::Acquire) {
                if self.cancel.is_cancelled() {
                    line.send(Frame::Leaving);
                    // It hangs up once that is written.
                    line.close();
                } else if last_tick.elapsed() >= lease / 10 {
                    last_tick = Instant::now();
                    follower.tick(self.pairing.now(), lease);
                    if follower.broken().is_some() {
                        hang_up(&socket);
                    }
                }
                thread::sleep(LOOK.min(lease / 8));
            }
        });
        // All that came is here before anything else is done with the store.
        while !follower.is_settled() {
            thread::sleep(Duration::from_millis(1));
        }
        let broken = follower.broken().unwrap_or(Broken::Left);
        if self.cancel.is_cancelled() {
            return Some(Came::Stopped);
        }
        match &broken {
            Broken::Line(why) => tracing::warn!("the master is gone: {why}"),
            Broken::Left => tracing::warn!("the master was stopped"),
            Broken::Diverged(why) => {
                tracing::error!("this store is no copy of the master's, and is set aside: {why}")
            }
            Broken::Full(why) => tracing::error!("this slave has no room for what the master sends: {why}"),
            Broken::Failed(why) => tracing::error!("this slave's store failed: {why}"),
        }
        self.said = None;
        let standing = match self.standing() {
            Ok(standing) => standing,
            Err(problem) => return Some(Came::Failed(problem)),
        };
        self.course.followed(broken, follower.is_in_sync(), follower.last_answered(), standing);
        None
    }

    /// Takes the step that makes a master.
    fn promote(&self, record: Record, at_a_risk: bool) -> Result<Record, NotPromoted> {
        let me = self.pairing.me.member;
        let Some(arbiter) = &self.pairing.arbiter else {
            if at_a_risk {
                tracing::warn!(
                    "nobody was found for {} ms (waitForOther): this broker serves, though the other one of the pair may have \
                     taken over and been parted from this one; name an arbiter for both to be sure",
                    self.pairing.course().wait.as_millis()
                );
            }
            return Ok(record);
        };
        let held = arbiter.read().map_err(|error| self.unreachable(&error))?;
        if let Held { record: None, .. } = held {
            let standing = self.course.standing();
            if arbiter::begins(standing.record.as_ref(), me, standing.has_asked).is_none() {
                if standing.has_asked {
                    return Err(self.unreachable(&LOST));
                }
                return Err(NotPromoted::Refused);
            }
            return match arbiter.replace(Version::default(), &record) {
                Ok(true) => Ok(record),
                Ok(false) => Err(NotPromoted::Unreachable),
                Err(error) => Err(self.unreachable(&error)),
            };
        }
        match arbiter::step(&**arbiter, |found| {
            found.promote(me).map(|promoted| Record { term: promoted.term.max(record.term), ..promoted })
        }) {
            Ok(promoted) => Ok(promoted),
            Err(StepError::Arbiter(error)) => Err(self.unreachable(&error)),
            Err(error) => {
                tracing::warn!("the arbiter does not let this broker serve: {error}");
                Err(NotPromoted::Refused)
            }
        }
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> NotPromoted {
        tracing::error!("nobody can take over until the arbiter answers: {error}");
        NotPromoted::Unreachable
    }

    /// Says what came of dialling, where that is news.
    fn tell(&mut self, address: &str, came: &member::Came) {
        let text = match came {
            member::Came::Said(Frame::Refused(refusal)) => {
                format!("{address} does not let this broker in: {}", refusal.text)
            }
            member::Came::Said(_) => return,
            member::Came::Refused => format!("nobody listens at {address}"),
            member::Came::Silent { .. } => format!("nobody answers at {address}"),
            member::Came::Other(why) => format!("{address} cannot be followed: {why}"),
        };
        let is_news = self.said.as_ref().is_none_or(|(said, when)| *said != text || when.elapsed() > REMIND);
        if is_news {
            tracing::warn!("{text}; this broker goes on looking for its master");
            self.said = Some((text, Instant::now()));
        }
    }
}
