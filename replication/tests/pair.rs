//! A master and its slave, with stores in memory and a line that the test carries frames over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use kahawai_replication::frame::{Frame, FrameReader, Hello, Plan, Refusal, Welcome, Why};
use kahawai_replication::master::{Amounts, Line, LineKey, Me, MemorySpool, Overseer, Replicated, Spool};
use kahawai_replication::record::Member;
use kahawai_replication::slave::{self, Follower};
use kahawai_replication::standing::{Known, Standing};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::replica::fill_at_random;
use kahawai_store::contract::{Committed, Completion, ReadRequest, Recovered, Store, StoreError, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::model::{Contents, Memory, Model};
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, Term};
use kahawai_store::replica::Replica;

const QUEUE: DestinationId = DestinationId(1);
const LEASE: Duration = Duration::from_secs(5);
const A: Member = Member([1; 16]);
const B: Member = Member([2; 16]);

fn me(member: Member) -> Me {
    let name = if member == A { "a" } else { "b" };
    Me {
        member,
        known: Known { name: name.to_owned(), addresses: vec![format!("tcp://{name}:61616")] },
        process: u64::from(member.0[0]),
        pair: [7; 16],
        lease: LEASE,
        epoch: Epoch(1),
        has_arbiter: false,
        amounts: Amounts { under_way: 1 << 20, in_memory: 1 << 20, ahead: 4 << 20 },
    }
}

/// One direction of a line: frames as bytes, until it is closed.
#[derive(Default)]
struct Half(Mutex<(Vec<u8>, bool)>);

impl Line for Half {
    fn send(&self, frame: Frame) {
        let mut half = self.0.lock().unwrap();
        if !half.1 {
            frame.encode(&mut half.0);
        }
    }

    fn close(&self) {
        self.0.lock().unwrap().1 = true;
    }
}

impl Half {
    fn take(&self, reader: &mut FrameReader) -> VecDeque<Frame> {
        reader.push(&std::mem::take(&mut self.0.lock().unwrap().0));
        std::iter::from_fn(|| reader.take().unwrap()).collect()
    }

    fn is_closed(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

/// What the master asked for.
#[derive(Default)]
struct Asked {
    log: Mutex<Vec<&'static str>>,
    master: OnceLock<Weak<Replicated>>,
}

impl Asked {
    fn master(&self) -> Arc<Replicated> {
        self.master.get().unwrap().upgrade().unwrap()
    }
}

impl Overseer for Asked {
    fn admit(&self, slave: Member) {
        self.log.lock().unwrap().push("admit");
        self.master().admitted(slave);
    }

    fn in_doubt(&self, _: Member, at: &Known, was_told: bool) {
        assert_eq!(at.addresses.len(), 1);
        self.log.lock().unwrap().push(if was_told { "in doubt" } else { "gone" });
    }

    fn is_back(&self, _: Member) {
        self.log.lock().unwrap().push("back");
        self.master().go_on_alone();
    }

    fn spool(&self) -> io::Result<Arc<dyn Spool>> {
        self.log.lock().unwrap().push("spool");
        let master = self.master.get().unwrap().clone();
        Ok(Arc::new(Busy { spool: MemorySpool::default(), master, sends: Mutex::new(Some(1000)) }))
    }
}

/// A spool from which nothing is read before something more was sent.
struct Busy {
    spool: MemorySpool,
    master: Weak<Replicated>,
    sends: Mutex<Option<u64>>,
}

impl Spool for Busy {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.spool.append(bytes)
    }

    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        if let Some(id) = self.sends.lock().unwrap().take() {
            let master = self.master.upgrade().unwrap();
            let before = master.status().last;
            let _ = send(&*master, id);
            until("taken", || master.status().last > before);
        }
        self.spool.read(at, length)
    }
}

struct Master {
    store: Arc<Model>,
    replicated: Arc<Replicated>,
    asked: Arc<Asked>,
}

fn standing(store: &dyn Store) -> Standing {
    Standing::of(&store.recover_wait().unwrap()).unwrap()
}

fn master(member: Member, store: Arc<Model>) -> Master {
    let asked = Arc::new(Asked::default());
    let inner = Arc::clone(&store) as Arc<dyn Replica>;
    let replicated = Arc::new(Replicated::new(
        inner,
        me(member),
        standing(&*store),
        Arc::clone(&asked) as Arc<dyn Overseer>,
    ));
    asked.master.set(Arc::downgrade(&replicated)).unwrap();
    Master { store, replicated, asked }
}

/// A line between a master and a slave, that carries what it is told to.
struct Linked<'a> {
    master: &'a Master,
    key: LineKey,
    to_slave: Arc<Half>,
    to_master: Arc<Half>,
    readers: (FrameReader, FrameReader),
    slave: Arc<Model>,
    follower: Option<Follower>,
    welcome: Option<Welcome>,
    refused: Option<Refusal>,
}

impl<'a> Linked<'a> {
    fn dial(master: &'a Master, key: u64, slave: &Arc<Model>, change: impl FnOnce(&mut Hello)) -> Self {
        let (to_slave, to_master) = (Arc::new(Half::default()), Arc::new(Half::default()));
        let mut hello = slave::hello(&standing(&**slave), &me(B), slave.limits());
        change(&mut hello);
        master.replicated.accept(LineKey(key), Arc::clone(&to_slave) as Arc<dyn Line>, hello);
        let mut readers = (FrameReader::default(), FrameReader::default());
        readers.0.expect_batches(slave.limits());
        let slave = Arc::clone(slave);
        let key = LineKey(key);
        Self {
            master,
            key,
            to_slave,
            to_master,
            readers,
            slave,
            follower: None,
            welcome: None,
            refused: None,
        }
    }

    fn carry_to_slave(&mut self) {
        for frame in self.to_slave.take(&mut self.readers.0) {
            match (frame, &self.follower) {
                (Frame::Welcome(welcome), None) => {
                    self.welcome = Some(welcome.clone());
                    let line = Arc::clone(&self.to_master) as Arc<dyn Line>;
                    let store = Arc::clone(&self.slave) as Arc<dyn Replica>;
                    self.follower = Some(Follower::new(store, line, welcome, Duration::ZERO));
                }
                (Frame::Refused(refusal), None) => self.refused = Some(refusal),
                (frame, Some(follower)) => follower.received(frame),
                (frame, None) => panic!("{frame:?}"),
            }
        }
    }

    fn carry_to_master(&mut self) {
        for frame in self.to_master.take(&mut self.readers.1) {
            self.master.replicated.received(self.key, &frame);
        }
    }

    /// Carries frames both ways until this is so.
    fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let since = Instant::now();
        while !so(self) {
            self.carry_to_slave();
            self.carry_to_master();
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "never {what}: {:?}",
                self.master.replicated.status()
            );
            std::thread::yield_now();
        }
    }

    fn until_in_sync(&mut self) {
        self.until("in sync", |linked| linked.follower.as_ref().is_some_and(Follower::is_in_sync));
    }
}

fn until(what: &str, so: impl Fn() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(30), "never {what}");
        std::thread::yield_now();
    }
}

fn empty() -> Arc<Model> {
    Arc::new(Model::open(&Memory::default(), Epoch(1)))
}

fn enqueue(id: u64) -> Operation {
    let message = Arc::new(Message { body: vec![b'x'; 100].into(), ..Message::default() });
    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message }
}

fn send(store: &dyn Store, id: u64) -> Receiver<Result<Committed, StoreError>> {
    let (sender, receiver) = sync_channel(1);
    store.commit(enqueue(id).into(), Completion::new(move |result| drop(sender.send(result))));
    receiver
}

fn with_queue() -> Arc<Model> {
    let store = empty();
    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "orders".into() };
    store.commit_wait(Operation::CreateDestination(queue).into()).unwrap();
    store
}

fn seen(store: &dyn Store) -> Vec<u64> {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 100,
        bytes_max: usize::MAX,
    };
    store.read_wait(request).unwrap().messages.iter().map(|stored| stored.id.0).collect()
}

fn assert_equal(one: &Model, other: &Model) {
    let contents = [one, other].map(|store| Contents::of(store, 100).unwrap());
    assert!(contents[0] == contents[1], "{:#?}\nand {:#?}", contents[0], contents[1]);
    let held = [one, other].map(|store| store.recover_wait().unwrap());
    assert_eq!(held[0], Recovered { epoch: held[0].epoch, ..held[1].clone() });
}

#[test]
fn an_empty_slave_gets_a_copy_and_then_everything_before_it_is_answered() {
    let store = empty();
    store.begin_term(Term(1));
    fill_at_random(&*store, 3, 400);
    let id_next = store.recover_wait().unwrap().message_id_next.0;
    let destinations = store.recover_wait().unwrap().destinations;
    let queue = destinations.iter().find(|state| state.destination.kind == DestinationKind::Queue).unwrap();
    let queue = queue.destination.id;
    let a = master(A, store);
    let slave = empty();
    let mut linked = Linked::dial(&a, 1, &slave, |_| ());
    linked.until_in_sync();
    assert_eq!(linked.welcome.as_ref().unwrap().plan, Plan::Copy);
    assert_equal(&a.store, &slave);
    assert_eq!(a.replicated.status().slave.unwrap().state, "in sync");
    // The table of ours is nobody else's.
    assert!(a.replicated.recover_wait().unwrap().tables.iter().all(|entry| entry.table != "kahawai.pair"));

    let message = Arc::new(Message::default());
    let operation = Operation::Enqueue { id: MessageId(id_next), destination: queue, rank: 0, message };
    let (sender, answer) = sync_channel(1);
    a.replicated.commit(operation.into(), Completion::new(move |result| drop(sender.send(result))));
    until("taken", || a.store.recover_wait().unwrap().message_id_next.0 > id_next);
    // It is on the master's disk, and nobody hears of it.
    assert!(answer.try_recv().is_err());
    let request = ReadRequest {
        destination: queue,
        subscription: None,
        after: None,
        messages_max: 10_000,
        bytes_max: usize::MAX,
    };
    let shown = a.replicated.read_wait(request).unwrap();
    assert!(shown.messages.iter().all(|stored| stored.id.0 != id_next));
    assert!(shown.end);
    linked.until("answered", |_| answer.try_recv().is_ok());
    let shown = a.replicated.read_wait(request).unwrap();
    assert!(shown.messages.iter().any(|stored| stored.id.0 == id_next));
    assert_equal(&a.store, &slave);
}

/// What comes while a copy is made, which takes more than may be under way at once, is sent behind it.
#[test]
fn what_is_sent_while_a_slave_is_copied_to_is_there_behind_the_copy() {
    let store = with_queue();
    for id in 1..=80 {
        let message = Arc::new(Message { body: vec![b'x'; 100_000].into(), ..Message::default() });
        let enqueue = Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message };
        store.commit_wait(enqueue.into()).unwrap();
    }
    let a = master(A, store);
    let slave = empty();
    let mut linked = Linked::dial(&a, 1, &slave, |_| ());
    let state = || a.replicated.status().slave.map(|slave| slave.state);
    until("copying", || state() == Some("copying"));
    for id in 81..=90 {
        // Nobody waits for a slave that has not everything.
        send(&*a.replicated, id).recv().unwrap().unwrap();
    }
    assert_eq!(state(), Some("copying"), "nothing was carried to it yet");
    linked.until_in_sync();
    assert_eq!(seen_all(&slave), (1..=90).collect::<Vec<_>>());
    assert_equal(&a.store, &slave);
}

/// More comes than is kept in memory, and than may come before the slave has got any of it.
#[test]
fn senders_wait_for_a_slave_that_they_outrun_and_all_of_it_gets_there() {
    let large = |id: u64| {
        let message = Arc::new(Message { body: vec![b'x'; 100_000].into(), ..Message::default() });
        Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message }
    };
    let store = with_queue();
    for id in 1..=30 {
        store.commit_wait(large(id).into()).unwrap();
    }
    let a = master(A, store);
    let slave = empty();
    let mut linked = Linked::dial(&a, 1, &slave, |_| ());
    let slave_is = || a.replicated.status().slave.unwrap();
    until("copying", || slave_is().state == "copying");
    let answers: Vec<_> = (31..=130)
        .map(|id| {
            let (sender, receiver) = sync_channel(1);
            a.replicated.commit(large(id).into(), Completion::new(move |result| drop(sender.send(result))));
            receiver
        })
        .collect();
    until("taken", || seen_all(&a.store).len() == 130);
    let answered = || answers.iter().filter(|answer| answer.try_recv().is_ok()).count();
    // Those before four mebibytes were, which more than one in memory had to be kept for.
    let first = answered();
    assert!((1..=42).contains(&first), "{first}");
    assert!(a.asked.log.lock().unwrap().contains(&"spool"));
    assert!(slave_is().bytes_behind > 9_000_000);
    let mut rest = 0;
    linked.until("answered", |_| {
        rest += answered();
        first + rest == 100
    });
    linked.until_in_sync();
    assert_eq!(seen_all(&slave), (1..=130).chain([1000]).collect::<Vec<_>>());
    assert_equal(&a.store, &slave);
    assert_eq!(slave_is().bytes_behind, 0);
}

#[test]
fn answers_wait_for_a_slave_that_may_have_taken_over_until_it_is_known_that_it_has_not() {
    let a = master(A, with_queue());
    let slave = empty();
    let mut linked = Linked::dial(&a, 1, &slave, |_| ());
    linked.until_in_sync();
    let answer = send(&*a.replicated, 1);
    until("taken", || seen(&*a.store) == [1]);
    a.replicated.lost(LineKey(1), "cut");
    assert_eq!(*a.asked.log.lock().unwrap(), ["admit", "in doubt"]);
    let later = send(&*a.replicated, 2);
    until("taken", || seen(&*a.store) == [1, 2]);
    assert!(answer.try_recv().is_err() && later.try_recv().is_err());
    assert_eq!(seen(&*a.replicated), [0; 0]);
    // Acknowledging nothing that stands is answered no sooner: answers come in order.
    a.replicated.go_on_alone();
    answer.recv().unwrap().unwrap();
    later.recv().unwrap().unwrap();
    assert_eq!(seen(&*a.replicated), [1, 2]);
    // It is written down that the slave is out.
    assert_eq!(standing(&*a.store).record.unwrap().in_sync, [A].into());
    assert_eq!(standing(&*slave).record.unwrap().in_sync, [A, B].into());
    assert_eq!(a.replicated.status().slave.unwrap().state, "cut off");
}

#[test]
fn a_master_that_hears_of_a_higher_term_answers_nobody_any_more() {
    let a = master(A, with_queue());
    let slave = empty();
    let mut linked = Linked::dial(&a, 1, &slave, |_| ());
    linked.until_in_sync();
    let answer = send(&*a.replicated, 1);
    a.replicated.lost(LineKey(1), "cut");
    let term = a.replicated.status().term.unwrap();
    let told = Linked::dial(&a, 2, &slave, |hello| hello.master_of = Some(Term(term.0 + 1)));
    assert!(matches!(answer.recv().unwrap(), Err(StoreError::Lost { .. })));
    assert!(told.to_slave.is_closed());
    assert!(matches!(send(&*a.replicated, 2).recv().unwrap(), Err(StoreError::Lost { .. })));
    // One of the same or a lower term is told that it is none.
    let b = master(A, with_queue());
    let mut linked = Linked::dial(&b, 1, &empty(), |_| ());
    linked.until_in_sync();
    let mut told = Linked::dial(&b, 2, &slave, |hello| hello.master_of = Some(term));
    told.carry_to_slave();
    assert_eq!(told.refused.unwrap().why, Why::Deposed);
    assert!(b.replicated.ended().is_none());
}

#[test]
fn a_slave_that_was_away_gets_what_it_lacks() {
    let a = master(A, with_queue());
    let slave = empty();
    Linked::dial(&a, 1, &slave, |_| ()).until_in_sync();
    a.replicated.lost(LineKey(1), "cut");
    a.replicated.go_on_alone();
    for id in 1..=5 {
        send(&*a.replicated, id).recv().unwrap().unwrap();
    }
    let mut again = Linked::dial(&a, 2, &slave, |_| ());
    again.until_in_sync();
    assert_eq!(again.welcome.as_ref().unwrap().plan, Plan::Follow);
    assert_equal(&a.store, &slave);
    // A line that breaks while nobody knows it yet: whoever dials anew is not in sync, and says so by dialling.
    let third = Linked::dial(&a, 3, &slave, |_| ());
    assert!(third.to_slave.is_closed());
    let fourth = Linked::dial(&a, 4, &slave, |_| ());
    assert!(fourth.to_slave.is_closed());
    assert_eq!(a.asked.log.lock().unwrap()[3..], ["in doubt", "back"]);
    until("it is written down", || a.replicated.status().slave.is_some_and(|slave| slave.state == "cut off"));
    let mut fifth = Linked::dial(&a, 5, &slave, |_| ());
    fifth.until_in_sync();
    assert_equal(&a.store, &slave);
}

#[test]
fn a_former_master_is_told_where_to_cut() {
    let old = with_queue();
    let (slave, divergent) = (empty(), 3);
    {
        let a = master(A, Arc::clone(&old));
        let mut linked = Linked::dial(&a, 1, &slave, |_| ());
        linked.until_in_sync();
        send(&*a.replicated, 1);
        linked.until("has it", |linked| seen(&*linked.slave) == [1]);
        for id in 2..2 + divergent {
            send(&*a.replicated, id);
        }
        until("taken", || seen(&*old).len() == 1 + divergent as usize);
    }
    // It dies; the slave takes over.
    let b = master(B, slave);
    let record = standing(&*b.store).record.unwrap().promote(B).unwrap();
    let (sender, begun) = sync_channel(1);
    b.replicated.begin(record, Completion::new(move |result| drop(sender.send(result))));
    begun.recv().unwrap().unwrap();
    send(&*b.replicated, 10).recv().unwrap().unwrap();
    let mut back = Linked::dial(&b, 1, &old, |hello| (hello.process, hello.member) = (9, A));
    back.until("told", |linked| linked.welcome.is_some());
    let Plan::Cut(to) = back.welcome.clone().unwrap().plan else { panic!("{:?}", back.welcome) };
    assert_eq!(to.number, standing(&*old).last.number - divergent);
    assert!(back.to_slave.is_closed());
    // Where it cannot cut, it begins anew.
    let fresh = empty();
    let mut anew = Linked::dial(&b, 2, &fresh, |hello| (hello.process, hello.member) = (9, A));
    anew.until_in_sync();
    assert_equal(&b.store, &fresh);
}

/// The other one may begin to serve in the same moment, and be found by nobody before its connectors are open.
#[test]
fn who_serves_at_a_risk_answers_nobody_before_it_looked_for_the_other_with_its_connectors_open() {
    let store = empty();
    {
        let a = master(A, with_queue());
        let mut linked = Linked::dial(&a, 1, &store, |_| ());
        linked.until_in_sync();
        let sent = send(&*a.replicated, 1);
        linked.until("answered", |_| sent.try_recv().is_ok());
    }
    let b = master(B, store);
    let record = standing(&*b.store).record.unwrap().promote(B).unwrap();
    let (sender, begun) = sync_channel(1);
    b.replicated.begin(record, Completion::new(move |result| drop(sender.send(result))));
    begun.recv().unwrap().unwrap();
    b.replicated.doubt_others();
    // What was there before is not in doubt: the broker begins with it, and opens its connectors.
    assert_eq!(b.replicated.recover_wait().unwrap().destinations[0].messages, 1);
    assert_eq!(seen(&*b.replicated), [1]);
    assert_eq!(b.replicated.heard_of_slave(), Some(None), "nothing is proven");
    b.replicated.look_for_others();
    assert_eq!(*b.asked.log.lock().unwrap(), ["in doubt"]);
    let answer = send(&*b.replicated, 2);
    until("taken", || seen(&*b.store) == [1, 2]);
    assert!(answer.try_recv().is_err());
    assert_eq!(seen(&*b.replicated), [1]);
    b.replicated.go_on_alone();
    answer.recv().unwrap().unwrap();
    assert_eq!(seen(&*b.replicated), [1, 2]);
    assert_eq!(b.replicated.heard_of_slave(), None);
    b.replicated.look_for_others();
    assert_eq!(b.asked.log.lock().unwrap().len(), 1, "nobody is in doubt");
}

#[test]
fn who_cannot_be_a_slave_is_told_why() {
    let a = master(A, with_queue());
    let said = |change: &dyn Fn(&mut Hello)| {
        let mut linked = Linked::dial(&a, 1, &empty(), |hello| change(hello));
        linked.carry_to_slave();
        let refused = linked.refused.expect("refused");
        assert_eq!(refused.why, Why::Never);
        refused.text
    };
    assert!(said(&|hello| hello.process = 1).contains("itself"));
    assert!(said(&|hello| hello.member = A).contains("copy of this broker's files"));
    assert!(said(&|hello| hello.version = 9).contains("version 9"));
    assert!(said(&|hello| hello.pair = Some([9; 16])).contains("been in a pair"));
    assert!(said(&|hello| hello.holds = 12).contains("12 messages of its own"));
    assert!(said(&|hello| hello.limits.message_bytes_max = 5).contains("messages of 5"));
    let mut linked = Linked::dial(&a, 1, &empty(), |_| ());
    linked.until_in_sync();
    assert!(said(&|hello| hello.pair = Some([9; 16])).contains("another pair"));
}

#[test]
fn a_slave_that_is_silent_is_gone() {
    let a = master(A, with_queue());
    a.replicated.tick(Duration::from_secs(10));
    let mut linked = Linked::dial(&a, 1, &empty(), |_| ());
    linked.until_in_sync();
    a.replicated.tick(Duration::from_secs(12));
    assert_eq!(a.replicated.status().slave.unwrap().state, "in sync");
    let answer = send(&*a.replicated, 1);
    linked.until("answered", |_| answer.try_recv().is_ok());
    a.replicated.tick(Duration::from_millis(14_500));
    assert_eq!(a.replicated.status().slave.unwrap().state, "in sync", "it was heard");
    a.replicated.tick(Duration::from_millis(14_501));
    assert_eq!(*a.asked.log.lock().unwrap(), ["admit", "in doubt"]);
    assert!(linked.to_slave.is_closed());
}

/// Many senders and an unlucky line: what was answered is on both sides, and both are the same in the end.
#[test]
fn what_is_answered_is_on_both_sides_while_slaves_come_and_go() {
    let a = master(A, with_queue());
    let slave = empty();
    let mut id = 0;
    let mut answers = Vec::new();
    // A copy that is broken off would have to be set aside.
    Linked::dial(&a, 1, &slave, |_| ()).until_in_sync();
    a.replicated.lost(LineKey(1), "cut");
    a.replicated.go_on_alone();
    let mut key = 1;
    for round in 1..=20 {
        key += 1;
        let mut linked = Linked::dial(&a, key, &slave, |_| ());
        for step in 0..30 {
            for _ in 0..step % 7 {
                id += 1;
                answers.push((id, send(&*a.replicated, id)));
            }
            if step % 3 == 0 {
                linked.carry_to_slave();
            }
            if step % 4 == 0 {
                linked.carry_to_master();
            }
            answers.retain(|(id, answer)| match answer.try_recv() {
                Ok(result) => {
                    result.unwrap();
                    let waits = linked.follower.as_ref().is_some_and(Follower::is_in_sync);
                    assert!(!waits || seen_all(&slave).contains(id), "{id} was answered, and is not there");
                    false
                }
                Err(_) => true,
            });
        }
        if round % 3 == 0 {
            // It may be told to come later.
            while linked.to_slave.is_closed() {
                key += 1;
                linked = Linked::dial(&a, key, &slave, |_| ());
            }
            linked.until_in_sync();
        }
        if let Some(follower) = &linked.follower {
            follower.lost("cut");
            until("settled", || follower.is_settled());
        }
        a.replicated.lost(LineKey(key), "cut");
        a.replicated.go_on_alone();
        let free = || a.replicated.status().slave.is_none_or(|slave| slave.state == "cut off");
        until("alone", free);
    }
    let mut linked = Linked::dial(&a, 1000, &slave, |_| ());
    linked.until_in_sync();
    for (_, answer) in answers {
        linked.until("answered", |_| answer.try_recv().is_ok());
    }
    linked.until("same", |linked| {
        linked.follower.as_ref().unwrap().progress().0 == linked.master.replicated.status().last
    });
    assert_equal(&a.store, &slave);
    assert_eq!(seen_all(&slave).len() as u64, id);
    let done = Operation::Acknowledge {
        destination: QUEUE,
        id: MessageId(1),
        cursor: Cursor { rank: 0, arrival: 0 },
        subscription: None,
    };
    let (sender, answer) = sync_channel(1);
    a.replicated.commit(Batch::new(vec![done]), Completion::new(move |result| drop(sender.send(result))));
    linked.until("answered", |_| answer.try_recv().is_ok());
    assert_equal(&a.store, &slave);
}

fn seen_all(store: &Model) -> Vec<u64> {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 100_000,
        bytes_max: usize::MAX,
    };
    match store.read_wait(request) {
        Ok(page) => page.messages.iter().map(|stored| stored.id.0).collect(),
        // It is not there yet.
        Err(_) => Vec::new(),
    }
}
