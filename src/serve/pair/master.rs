//! What a master of a pair does beside serving: takes slaves that dial, lets one into the set, finds out what became of one that is gone, and tells a
//! former master that it is none.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kahawai_broker::{Slaves, TakeSlaves};
use kahawai_replication::arbiter::{self, Arbiter, ArbiterError, Held, StepError, Version};
use kahawai_replication::frame::{Asked, Frame, FrameReader, Hello, Why};
use kahawai_replication::master::{Line, LineKey, Overseer, Replicated, Spool};
use kahawai_replication::member::Came;
use kahawai_replication::oversight::{Do, Oversight};
use kahawai_replication::record::{Member, Record, Refused};
use kahawai_replication::slave;
use kahawai_replication::standing::{Known, Standing};
use kahawai_store::contract::{Completion, Store, StoreError};
use kahawai_store::election::Hold;
use kahawai_store::replica::Replica;
use tokio::sync::oneshot;

use super::hold::PairHold;
use super::line::{SocketLine, hang_up, read_frames};
use super::pairing::{LOST, Pairing};
use super::prelude::{connect, hear};
use super::spool::FileSpool;

/// How long asking a slave that is gone may take.
const ASK: Duration = Duration::from_millis(500);
/// How soon an arbiter that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// Why a master ends that had nothing wrong with its own store.
#[derive(Clone, Debug)]
pub(in crate::serve) enum PairEnd {
    /// Another is master.
    Deposed(String),
    /// Its slave is gone, and the configuration says to end then.
    SlaveGone,
    /// An operator wants the slave to take over.
    Switched,
}

/// A store that is served, with what runs beside it.
pub(in crate::serve) struct Served {
    pub(in crate::serve) store: Arc<dyn Store>,
    pub(in crate::serve) hold: Arc<dyn Hold>,
    pub(in crate::serve) slaves: Slaves,
    /// Tells when it is to end.
    pub(in crate::serve) ended: oneshot::Receiver<PairEnd>,
    pair: Arc<Pair>,
    threads: Vec<JoinHandle<()>>,
}

impl Served {
    /// The connectors are open.
    pub(in crate::serve) fn opened(&self) {
        if let Some(replicated) = self.pair.replicated() {
            replicated.look_for_others();
        }
    }

    /// Ends what runs beside, and tells why the pair ends where it does: the broker may hear that its store answers nobody any more before that is told. To be
    /// called when the store is closed. Blocks, for as long as a dial under way takes.
    pub(in crate::serve) fn end(mut self) -> Option<PairEnd> {
        self.pair.is_over.store(true, Ordering::Release);
        self.pair.tell(Told::Look);
        for thread in self.threads {
            // Whoever panicked has said so.
            let _ = thread.join();
        }
        let deposed = || match self.pair.replicated()?.ended() {
            Some(StoreError::Lost { reason, .. }) => Some(PairEnd::Deposed(reason.to_string())),
            _ => None,
        };
        self.ended.try_recv().ok().or_else(deposed)
    }
}

/// What the thread that finds out is told.
enum Told {
    Admit(Member),
    InDoubt(Known, bool),
    IsBack,
    Look,
}

struct Pair {
    this: Weak<Self>,
    pairing: Pairing,
    replicated: Mutex<Weak<Replicated>>,
    told: Sender<Told>,
    ended: Mutex<Option<oneshot::Sender<PairEnd>>>,
    lines: AtomicU64,
    is_over: AtomicBool,
    /// Whether a slave was in sync at some time.
    had_slave: AtomicBool,
}

/// Serves a store as what the record says. Blocks until that is written.
pub(in crate::serve) fn serve(
    pairing: &Pairing,
    store: Arc<dyn Replica>,
    hold: Arc<dyn Hold>,
    standing: Standing,
    record: Option<Record>,
    at_a_risk: bool,
) -> Result<Served, String> {
    let (told, hears) = channel();
    let (ended, has_ended) = oneshot::channel();
    let mut pairing = pairing.clone();
    pairing.me.epoch = hold.epoch();
    let others = standing.members.iter().filter(|(member, _)| **member != pairing.me.member);
    let others: Vec<String> = others.flat_map(|(_, known)| known.addresses.clone()).collect();
    let pair = Arc::new_cyclic(|this| Pair {
        this: Weak::clone(this),
        pairing: pairing.clone(),
        replicated: Mutex::default(),
        told,
        ended: Mutex::new(Some(ended)),
        lines: AtomicU64::new(1),
        is_over: AtomicBool::new(false),
        had_slave: AtomicBool::new(false),
    });
    let overseer = Arc::new(Telling(Arc::downgrade(&pair), pairing.spools.clone()));
    let replicated = Arc::new(Replicated::new(store, pairing.me.clone(), standing, overseer));
    *pair.replicated.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&replicated);
    if let Some(record) = record {
        tracing::info!("master of the pair in term {}", record.term);
        let (sender, begun) = channel();
        replicated.begin(record, Completion::new(move |result| drop(sender.send(result))));
        let begun = begun.recv().map_err(|error| error.to_string())?;
        begun.map_err(|error| format!("the term cannot be begun: {error}"))?;
        if at_a_risk {
            replicated.doubt_others();
            // Begun anew once the connectors are open; but opening them may need an answer.
            replicated.look_for_others();
        }
    }
    let mut threads = Vec::new();
    let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| format!("cannot start a thread: {error}"))
    };
    let finding = Arc::clone(&pair);
    threads.push(start("kahawai-pair", Box::new(move || finding.find_out(&hears)))?);
    if !others.is_empty() {
        let telling = Arc::clone(&pair);
        threads.push(start("kahawai-tell", Box::new(move || telling.tell_others(&others)))?);
    }
    let hold = Arc::new(PairHold {
        own: hold,
        replicated: Arc::clone(&replicated),
        began: pairing.began,
        lease: pairing.me.lease,
    });
    Ok(Served {
        store: replicated,
        hold,
        slaves: Slaves(Some(Arc::clone(&pair) as Arc<dyn TakeSlaves>)),
        ended: has_ended,
        pair,
        threads,
    })
}

/// What the store asks for, told to the thread that finds out.
struct Telling(Weak<Pair>, PathBuf);

impl Telling {
    fn tell(&self, told: Told) {
        if let Some(pair) = self.0.upgrade() {
            pair.tell(told);
        }
    }
}

impl Overseer for Telling {
    fn admit(&self, slave: Member) {
        self.tell(Told::Admit(slave));
    }

    fn in_doubt(&self, _slave: Member, at: &Known, was_told: bool) {
        self.tell(Told::InDoubt(at.clone(), was_told));
    }

    fn is_back(&self, _slave: Member) {
        self.tell(Told::IsBack);
    }

    fn rest(&self, pause: Duration) {
        thread::sleep(pause);
        let Some(pair) = self.0.upgrade() else { return };
        if let Some(replicated) = pair.replicated() {
            replicated.clock(pair.pairing.now());
        }
    }

    fn spool(&self) -> io::Result<Arc<dyn Spool>> {
        Ok(Arc::new(FileSpool::in_directory(&self.1)?))
    }
}

impl TakeSlaves for Pair {
    fn take(&self, socket: TcpStream, from: SocketAddr, received: Bytes) {
        let Some(replicated) = self.replicated() else { return };
        let key = LineKey(self.lines.fetch_add(1, Ordering::Relaxed));
        let Some(pair) = self.this.upgrade() else { return };
        let serve = move || serve_line(&pair, &replicated, key, &socket, from, &received);
        if let Err(error) = thread::Builder::new().name("kahawai-slave".into()).spawn(serve) {
            tracing::error!("a slave at {from} cannot be taken: {error}");
        }
    }

    fn looks_for_one(&self) -> bool {
        self.replicated().is_some_and(|replicated| replicated.doubtful().is_some())
    }

    fn lets_clients_in(&self) -> bool {
        !self.pairing.config.broker.pair.wait_for_slave || self.had_slave.load(Ordering::Acquire)
    }
}

/// Serves one line of a member that dialled, until it ends.
fn serve_line(
    pair: &Pair,
    replicated: &Arc<Replicated>,
    key: LineKey,
    socket: &TcpStream,
    from: SocketAddr,
    received: &Bytes,
) {
    let pairing = &pair.pairing;
    let lease = pairing.me.lease;
    let line = socket.set_read_timeout(Some(lease)).and_then(|()| SocketLine::on(socket.try_clone()?, lease));
    let line = match line {
        Ok(line) => line,
        Err(error) => return tracing::warn!("a slave at {from} cannot be taken: {error}"),
    };
    let mut is_known = false;
    let mut reader = FrameReader::default();
    reader.push(received);
    let why = read_frames(socket, &mut reader, &mut |_, frame| {
        replicated.clock(pairing.now());
        match frame {
            Frame::Hello(hello) if !is_known => {
                is_known = true;
                if !from.ip().is_loopback() && hello.master_of.is_none() {
                    tracing::warn!(
                        "the slave '{}' at {from} gets every message, and needed no secret for that: keep others from this connector's \
                         address",
                        hello.name
                    );
                }
                replicated.accept(key, Arc::clone(&line) as Arc<dyn Line>, *hello);
                // From here on its silence is counted.
                socket.set_read_timeout(None).is_ok()
            }
            Frame::Ask(what) if !is_known => {
                is_known = true;
                line.send(Frame::Told(pair.answer(what, replicated)));
                line.close();
                true
            }
            frame if is_known => {
                replicated.received(key, &frame);
                true
            }
            _ => false,
        }
    });
    replicated.lost(key, &why);
    line.close();
    if !is_known {
        tracing::warn!("a slave at {from} did not say who it is: {why}");
        hang_up(socket);
    }
}

impl Pair {
    fn replicated(&self) -> Option<Arc<Replicated>> {
        self.replicated.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    fn tell(&self, told: Told) {
        // Nobody hears once it is over.
        let _ = self.told.send(told);
    }

    fn end(&self, end: PairEnd) {
        if let Some(ended) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = ended.send(end);
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Finds out what became of slaves, and says that time passes.
    fn find_out(&self, hears: &Receiver<Told>) {
        let lease = self.pairing.me.lease;
        let beat = lease / 4;
        let mut last = Instant::now();
        let mut paused_at: Option<Instant> = None;
        let mut admitting = None;
        let mut doubt: Option<Oversight> = None;
        // Whether the slave that is in doubt has said hello since: a promise that it takes over no more.
        let mut is_back = false;
        let mut until = Instant::now();
        while !self.is_over() {
            let Some(replicated) = self.replicated() else { return };
            if last.elapsed() >= beat {
                if last.elapsed() > lease / 2 {
                    paused_at = Some(Instant::now());
                }
                last = Instant::now();
                replicated.tick(self.pairing.now());
            }
            if let Some(error) = replicated.ended() {
                self.end(PairEnd::Deposed(error.to_string()));
            }
            let is_waiting = admitting.is_none() && doubt.is_none();
            let patience = match is_waiting {
                true => beat.saturating_sub(last.elapsed()),
                false => {
                    until.saturating_duration_since(Instant::now()).min(beat.saturating_sub(last.elapsed()))
                }
            };
            match hears.recv_timeout(patience) {
                Ok(Told::Admit(slave)) => {
                    admitting = Some(slave);
                    until = Instant::now();
                }
                Ok(Told::InDoubt(at, was_told)) => {
                    (admitting, is_back) = (None, false);
                    if self.pairing.config.broker.pair.shutdown_on_slave_failure && was_told {
                        replicated.step_down("the slave is gone (shutdownOnSlaveFailure)");
                        self.end(PairEnd::SlaveGone);
                        continue;
                    }
                    let was_paused =
                        paused_at.is_some_and(|at| at.elapsed() <= lease) || last.elapsed() > lease / 2;
                    let has_arbiter = self.pairing.arbiter.is_some();
                    doubt = Some(Oversight::new(
                        has_arbiter,
                        &at,
                        was_told,
                        was_paused,
                        self.pairing.now(),
                        lease,
                        self.pairing.course().wait,
                    ));
                    until = Instant::now();
                }
                Ok(Told::IsBack) => {
                    is_back = true;
                    if let Some(doubt) = &mut doubt {
                        doubt.is_back();
                    }
                }
                Ok(Told::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() < until {
                continue;
            }
            if let Some(slave) = admitting {
                match self.admit(slave, &replicated) {
                    Ok(()) => {
                        admitting = None;
                        self.had_slave.store(true, Ordering::Release);
                        replicated.admitted(slave);
                    }
                    Err(()) => until = Instant::now() + AGAIN,
                }
            }
            let Some(oversight) = &mut doubt else { continue };
            match oversight.next() {
                Do::Wait(pause) => {
                    until = Instant::now() + pause;
                    oversight.waited();
                }
                Do::CutOff => {
                    let result = self.cut_off(&replicated, is_back);
                    oversight.cut_off(result);
                }
                Do::Dial(address) => {
                    let came = self.ask(&address, &replicated);
                    oversight.dialled(&came, self.pairing.now());
                }
                Do::GoOnAlone { at_a_risk } => {
                    if at_a_risk {
                        tracing::warn!(
                            "the slave did not answer: it may have taken over and be parted from this broker, which goes on all the same; \
                             name an arbiter for both to be sure"
                        );
                    }
                    doubt = None;
                    replicated.go_on_alone();
                }
                Do::StepDown(reason) => {
                    doubt = None;
                    replicated.step_down(&reason);
                    self.end(PairEnd::Deposed(reason));
                }
            }
        }
    }

    /// Answers an operator.
    fn answer(&self, what: Asked, replicated: &Replicated) -> Vec<(String, String)> {
        let status = replicated.status();
        let known = &self.pairing.me.known;
        let mut told = vec![
            ("broker".to_owned(), known.name.clone()),
            ("role".to_owned(), "master".to_owned()),
            (
                "term".to_owned(),
                status
                    .term
                    .map_or_else(|| "none: it has had no slave yet".to_owned(), |term| term.to_string()),
            ),
            ("last batch".to_owned(), status.last.to_string()),
        ];
        told.push(("arbiter".to_owned(), self.pairing.arbiter().unwrap_or("none").to_owned()));
        let is_in_sync = status.slave.as_ref().is_some_and(|slave| slave.state == "in sync");
        match status.slave {
            Some(slave) => {
                told.push(("slave".to_owned(), slave.name));
                told.push(("slave's state".to_owned(), slave.state.to_owned()));
                told.push(("slave's last batch".to_owned(), slave.confirmed.to_string()));
                told.push(("slave's bytes behind".to_owned(), slave.bytes_behind.to_string()));
                if matches!(slave.state, "copying" | "catching up") {
                    told.push(("slave's messages left to copy".to_owned(), slave.messages_left.to_string()));
                    told.push(("slave's bytes per second".to_owned(), slave.bytes_per_second.to_string()));
                }
            }
            None => told.push(("slave".to_owned(), "none".to_owned())),
        }
        if what == Asked::Switch {
            let answer = match is_in_sync {
                true => "begun: the slave takes over",
                false => "refused: the slave is not in sync",
            };
            told.push(("switch".to_owned(), answer.to_owned()));
            if is_in_sync {
                self.end(PairEnd::Switched);
            }
        }
        told
    }

    /// Takes a step at the arbiter. Where that has no record, it is begun: if this arbiter never had one, or the slave is here and so has not taken over.
    fn step(
        &self,
        arbiter: &dyn Arbiter,
        replicated: &Replicated,
        slave_is_here: bool,
        decide: impl Fn(&Record) -> Result<Record, Refused>,
    ) -> Result<(), StepError> {
        if let Held { record: None, .. } = arbiter.read()?
            && let Some(record) = replicated.record()
        {
            if replicated.has_asked() && !slave_is_here {
                return Err(StepError::Arbiter(ArbiterError::Damaged(LOST.to_owned())));
            }
            // Whoever else began it is found by the step.
            let _ = arbiter.replace(Version::default(), &record)?;
        }
        arbiter::step(arbiter, decide).map(drop)
    }

    /// Lets a slave into the set; an error where that is not known yet.
    fn admit(&self, slave: Member, replicated: &Replicated) -> Result<(), ()> {
        let Some(arbiter) = &self.pairing.arbiter else { return Ok(()) };
        let Some(term) = replicated.status().term else { return Err(()) };
        let me = self.pairing.me.member;
        match self.step(&**arbiter, replicated, true, |record| record.admit(me, term, slave)) {
            Ok(()) => Ok(()),
            Err(StepError::Refused(refused)) => {
                replicated.step_down(&refused.to_string());
                self.end(PairEnd::Deposed(refused.to_string()));
                Err(())
            }
            Err(error) => {
                tracing::warn!(
                    "the slave has everything, and cannot be let in until the arbiter answers: {error}"
                );
                Err(())
            }
        }
    }

    /// Takes the slave out of the set.
    fn cut_off(&self, replicated: &Replicated, is_back: bool) -> Result<(), Option<String>> {
        let Some(arbiter) = &self.pairing.arbiter else { return Ok(()) };
        let status = replicated.status();
        let (Some(slave), Some(term)) = (replicated.doubtful(), status.term) else { return Ok(()) };
        let me = self.pairing.me.member;
        let cut = self.step(&**arbiter, replicated, is_back, |record| record.cut_off(me, term, slave));
        match cut {
            Ok(()) => Ok(()),
            Err(StepError::Refused(refused)) => Err(Some(refused.to_string())),
            Err(error) => {
                tracing::error!(
                    "the slave is gone and the arbiter does not answer: nobody is answered until it does: {error}"
                );
                Err(None)
            }
        }
    }

    /// Asks whoever is there whether it is master.
    fn ask(&self, address: &str, replicated: &Replicated) -> Came {
        let me = &self.pairing.me;
        let connected = match connect(address, &me.known.name, ASK.min(me.lease / 4)) {
            Ok(connected) => connected,
            Err(came) => return came,
        };
        let status = replicated.status();
        let standing = Standing { last: status.last, record: replicated.record(), ..Standing::default() };
        let hello = slave::hello(&standing, me, replicated.limits());
        let hello = Hello { master_of: status.term, ..hello };
        let heard = hear(&connected, &Frame::Hello(Box::new(hello)), ASK.min(me.lease / 4));
        heard.map_or(Came::Silent { said_hello: true }, |(answer, _)| Came::Said(answer))
    }

    /// Tells the other member, wherever it may serve, that this is master, until it is the slave.
    fn tell_others(&self, addresses: &[String]) {
        let pause = (self.pairing.me.lease / 2).max(Duration::from_millis(250));
        while !self.is_over() {
            let Some(replicated) = self.replicated() else { return };
            let is_there = replicated.status().slave.is_some_and(|slave| slave.state != "cut off");
            if !is_there {
                for address in addresses {
                    let came = self.ask(address, &replicated);
                    if let Came::Said(Frame::Refused(refusal)) = &came
                        && refusal.why == Why::Deposed
                    {
                        replicated.step_down(&refusal.text);
                        self.end(PairEnd::Deposed(refusal.text.clone()));
                    }
                }
            }
            drop(replicated);
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.is_over() {
                thread::sleep(Duration::from_millis(25));
            }
        }
    }
}
