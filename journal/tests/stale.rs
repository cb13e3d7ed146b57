//! A stale master is harmless: two masters and more on one store with the real election, the old one stopped at every named
//! step and before every kind of call, under load, twice in a row.
//!
//! What each was answered is remembered; in the end the store is opened once more and compared: whatever any master answered
//! `Ok` is there, and nothing is there that nobody sent.
//!
//! `KAHAWAI_TEST_SCALE` multiplies the number of races (default 1).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_journal::FileName;
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::disk::faulty::{Call, FaultyDisk};
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::disk::{Disk, LockGuard, SegmentFile};
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::{Journal, OpenError};
use kahawai_journal::options::JournalOptions;
use kahawai_journal::steps::{Step, Watch};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::contract::{Completion, ReadRequest, Store, StoreError, StoreWait};
use kahawai_store::election::{Cancel, Election, Hold};
use kahawai_store::message::Message;
use kahawai_store::names::{DestinationId, Epoch, MessageId};

const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that a living master on a busy machine is not taken for a silent one.
const LEASE: Duration = Duration::from_millis(500);
const QUEUE: DestinationId = DestinationId(1);

fn scale() -> u64 {
    std::env::var("KAHAWAI_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Stops everything that passes, from a chosen moment on until it is let go: as SIGSTOP and SIGCONT do.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default, PartialEq, Clone, Copy)]
enum GateState {
    #[default]
    Open,
    Closed,
    LetGo,
}

impl Gate {
    /// Stops whoever passes from now on, unless that was done before.
    fn close(&self) {
        let mut state = self.state.lock().unwrap();
        if *state == GateState::Open {
            *state = GateState::Closed;
            self.changed.notify_all();
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        while *state == GateState::Closed {
            state = self.changed.wait(state).unwrap();
        }
    }

    /// Waits until it was closed.
    fn wait_closed(&self, at: &str) {
        let state = self.state.lock().unwrap();
        let open = |state: &mut GateState| *state == GateState::Open;
        let (_state, waited) = self.changed.wait_timeout_while(state, PATIENCE, open).unwrap();
        assert!(!waited.timed_out(), "{at}: the moment never came");
    }

    fn let_go(&self) {
        *self.state.lock().unwrap() = GateState::LetGo;
        self.changed.notify_all();
    }

    /// A disk behind the gate.
    fn before(self: &Arc<Self>, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        let gate = Arc::clone(self);
        Arc::new(FaultyDisk::new(disk, move |_| {
            gate.pass();
            Ok(())
        }))
    }
}

/// Everything that was sent and everything that was answered.
#[derive(Default)]
struct Ledger {
    next: AtomicU64,
    /// Messages whose sending was answered `Ok`, and messages whose acknowledgement was.
    sent: Mutex<BTreeSet<u64>>,
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Messages that were ever asked to be acknowledged: they may be gone.
    tried: Mutex<BTreeSet<u64>>,
}

/// A master under load until it ends.
struct Master {
    epoch: Epoch,
    hold: Arc<dyn Hold>,
    lost: Arc<AtomicBool>,
    journal: Arc<Journal>,
    load: thread::JoinHandle<StoreError>,
    /// Set to end the load in good order.
    enough: Arc<AtomicBool>,
}

fn election_options(watch: Watch) -> ElectionOptions {
    ElectionOptions {
        lock_acquire_sleep_interval: Duration::from_millis(2),
        lease_duration: LEASE,
        watch,
        ..ElectionOptions::default()
    }
}

fn journal_options(watch: Watch) -> JournalOptions {
    JournalOptions {
        journal_max_file_length: 8 << 10,
        idle_interval: Duration::from_millis(5),
        watch,
        ..JournalOptions::default()
    }
}

/// Becomes master and starts its load; in a thread of its own, since a gate may stop it.
fn begin(disk: Arc<dyn Disk>, watch: Watch, ledger: &Arc<Ledger>) -> Receiver<Result<Master, String>> {
    let (sender, receiver) = channel();
    let ledger = Arc::clone(ledger);
    thread::spawn(move || {
        let _ = sender.send(become_master(disk, watch, &ledger));
    });
    receiver
}

fn become_master(disk: Arc<dyn Disk>, watch: Watch, ledger: &Arc<Ledger>) -> Result<Master, String> {
    let store = StoreDirectory::on(Arc::clone(&disk)).map_err(|error| error.to_string())?;
    let mut election =
        FileElection::new(disk, election_options(watch.clone())).map_err(|error| error.to_string())?;
    loop {
        let hold = election
            .acquire(&Cancel::default(), &mut |_| {})
            .map_err(|error| format!("the election failed: {error}"))?;
        let lost = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&lost);
        hold.on_lost(Box::new(move |_| noticed.store(true, Ordering::SeqCst)));
        let journal = match Journal::open(&store, Arc::clone(&hold), journal_options(watch.clone())) {
            Ok(journal) => Arc::new(journal),
            // As a broker does: wait as slave again.
            Err(OpenError::Lost(_)) => continue,
            Err(error) if hold.prove().is_err() => {
                let _ = error;
                continue;
            }
            Err(error) => return Err(format!("epoch {}: {error}", hold.epoch())),
        };
        let enough = Arc::new(AtomicBool::new(false));
        let load = {
            let (journal, ledger, enough) = (Arc::clone(&journal), Arc::clone(ledger), Arc::clone(&enough));
            thread::spawn(move || load(&journal, &ledger, &enough))
        };
        return Ok(Master { epoch: hold.epoch(), hold, lost, journal, load, enough });
    }
}

/// Sends and acknowledges until the store says that it is over; gives what it said.
fn load(journal: &Journal, ledger: &Arc<Ledger>, enough: &AtomicBool) -> StoreError {
    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "queue".into() };
    match journal.commit_wait(Operation::CreateDestination(queue).into()) {
        Ok(_) | Err(StoreError::Rejected(_)) => {}
        Err(error) => return error,
    }
    let (ends, ended) = channel();
    // What earlier masters left is consumed first, so that segments empty.
    let mut mine: Vec<u64> = match waiting(journal) {
        Ok(found) => found.into_iter().collect(),
        Err(error) => return error,
    };
    loop {
        // Others need the processor to show that they live.
        thread::sleep(Duration::from_millis(1));
        if enough.load(Ordering::SeqCst) {
            return StoreError::Closed;
        }
        // Several in flight at once, and acknowledgements a little behind, so that segments empty.
        let ids: Vec<u64> = (0..6).map(|_| ledger.next.fetch_add(1, Ordering::SeqCst) + 1).collect();
        for &id in &ids {
            let body = vec![id as u8; 300];
            let message = Arc::new(Message { body: body.into(), ..Message::default() });
            let operation = Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message };
            submit(journal, operation, ledger, id, true, &ends);
        }
        for id in mine.drain(..) {
            ledger.tried.lock().unwrap().insert(id);
            let operation =
                Operation::Acknowledge { destination: QUEUE, id: MessageId(id), subscription: None };
            submit(journal, operation, ledger, id, false, &ends);
        }
        let mut error = None;
        // The answers come back through the channel; all of them are waited for before the next.
        let mut waited = 0;
        let expected = PENDING.with(|pending| pending.replace(0));
        while waited < expected {
            match ended.recv_timeout(PATIENCE).expect("an answer") {
                Ok(()) => {}
                Err(found) => error = Some(found),
            }
            waited += 1;
        }
        if let Some(error) = error {
            return error;
        }
        mine = ids;
    }
}

thread_local! {
    /// How many answers this load waits for.
    static PENDING: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn submit(
    journal: &Journal,
    operation: Operation,
    ledger: &Arc<Ledger>,
    id: u64,
    is_send: bool,
    ends: &Sender<Result<(), StoreError>>,
) {
    PENDING.with(|pending| pending.set(pending.get() + 1));
    let (ledger, ends) = (Arc::clone(ledger), ends.clone());
    journal.commit(
        Batch::from(operation),
        Completion::new(move |result| {
            if result.is_ok() {
                let of = if is_send { &ledger.sent } else { &ledger.acknowledged };
                of.lock().unwrap().insert(id);
            }
            let _ = ends.send(result.map(drop));
        }),
    );
}

/// What waits in the store, by its own answer.
fn waiting(journal: &Journal) -> Result<BTreeSet<u64>, StoreError> {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: usize::MAX - 1,
        bytes_max: usize::MAX,
    };
    match journal.read_wait(request) {
        Ok(page) => {
            assert!(page.damaged.is_empty(), "{:?}", page.damaged);
            Ok(page.messages.iter().map(|stored| stored.id.0).collect())
        }
        // No master got as far as to create the queue.
        Err(StoreError::Rejected(_)) => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Opens the store a last time and compares it with what was answered.
fn judge(disk: Arc<dyn Disk>, ledger: &Ledger, at: &str) {
    let store = StoreDirectory::on(Arc::clone(&disk)).expect("a store");
    let mut election = FileElection::new(disk, election_options(Watch::default())).expect("a candidate");
    let hold = election.acquire(&Cancel::default(), &mut |_| {}).expect("mastership");
    let journal = Journal::open(&store, Arc::clone(&hold), journal_options(Watch::default()))
        .unwrap_or_else(|error| panic!("{at}: {error}"));
    let damage = journal.recover_wait().expect("recovers").damage;
    let real: Vec<_> = damage.iter().filter(|line| !line.starts_with("doubtful")).collect();
    assert!(real.is_empty(), "{at}: {real:#?}");
    let found = waiting(&journal).expect("it can be read");
    let sent = ledger.sent.lock().unwrap().clone();
    let acknowledged = ledger.acknowledged.lock().unwrap().clone();
    let tried = ledger.tried.lock().unwrap().clone();
    let lost: Vec<_> = sent.iter().filter(|id| !found.contains(id) && !tried.contains(id)).collect();
    assert!(lost.is_empty(), "{at}: acknowledged to the sender and lost: {lost:?}");
    let back: Vec<_> = found.intersection(&acknowledged).collect();
    assert!(back.is_empty(), "{at}: acknowledged by the consumer and back: {back:?}");
    journal.close();
    hold.release();
}

impl Master {
    /// Ends a master that is still one, and follows it up to the release of its hold.
    fn end(self) {
        self.enough.store(true, Ordering::SeqCst);
        let _ = self.load.join().expect("no panic");
        self.journal.close();
        self.hold.release();
    }

    /// A master that was overtaken: it must learn it by itself.
    fn must_be_lost(self, at: &str) {
        let error = self.load.join().expect("no panic");
        assert!(matches!(error, StoreError::Lost { .. }), "{at}: the old master ended with {error}");
        assert!(self.hold.prove().is_err(), "{at}");
        assert!(self.lost.load(Ordering::SeqCst), "{at}: whoever runs it was not told");
        self.journal.close();
    }
}

/// A watch that closes a gate at one step.
fn gated(step: Step, gate: &Arc<Gate>) -> Watch {
    let gate = Arc::clone(gate);
    Watch::new(move |reached| {
        if reached == step {
            gate.close();
        }
        gate.pass();
    })
}

/// Who becomes master next of several.
fn wait_for_one(begun: &mut Vec<Receiver<Result<Master, String>>>, at: &str) -> Master {
    let until = Instant::now() + PATIENCE;
    loop {
        for number in 0..begun.len() {
            if let Ok(result) = begun[number].try_recv() {
                begun.remove(number);
                return result.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
        assert!(Instant::now() < until, "{at}: nobody became master");
        thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for(begun: Receiver<Result<Master, String>>, at: &str) -> Master {
    wait_for_one(&mut vec![begun], at)
}

/// Waits until a master has got some more answers.
fn work(master: &Master, ledger: &Ledger, at: &str) {
    let enough = ledger.acknowledged.lock().unwrap().len() + 40;
    let until = Instant::now() + PATIENCE;
    while ledger.acknowledged.lock().unwrap().len() < enough {
        assert!(!master.load.is_finished(), "{at}: the master ended");
        assert!(Instant::now() < until, "{at}: the master is stuck");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Two masters in a row are stopped, a third takes over, and then the two are let go.
fn stopped(
    make_disk: &dyn Fn() -> Arc<dyn Disk>,
    begin_gated: &dyn Fn(&Arc<Gate>, &Arc<Ledger>) -> Receiver<Result<Master, String>>,
    at: &str,
) {
    let ledger = Arc::new(Ledger::default());
    // One who was there before, so that there is a log to read and seal.
    let zeroth = wait_for(begin(make_disk(), Watch::default(), &ledger), at);
    work(&zeroth, &ledger, at);
    zeroth.end();

    let gates = [Arc::new(Gate::default()), Arc::new(Gate::default())];
    let mut old = Vec::new();
    for gate in &gates {
        old.push(begin_gated(gate, &ledger));
        gate.wait_closed(at);
    }
    let third = wait_for(begin(make_disk(), Watch::default(), &ledger), at);
    work(&third, &ledger, at);
    // The younger first, so that the older meets what it does too.
    for gate in gates.iter().rev() {
        gate.let_go();
        work(&third, &ledger, at);
    }
    // Who had become master learns that it is none; it stays ended, and who was still on the way waits as slave.
    let settle = Instant::now() + Duration::from_millis(200);
    let mut ended = 0;
    while Instant::now() < settle && !old.is_empty() {
        old.retain(|begun| match begun.try_recv() {
            Ok(Ok(master)) => {
                assert!(master.epoch < third.epoch, "{at}: epoch {} beside {}", master.epoch, third.epoch);
                master.must_be_lost(at);
                ended += 1;
                false
            }
            Ok(Err(error)) => panic!("{at}: {error}"),
            Err(_) => true,
        });
        thread::sleep(Duration::from_millis(1));
    }
    work(&third, &ledger, at);
    let mut epoch = third.epoch;
    third.end();
    while !old.is_empty() {
        let slave = wait_for_one(&mut old, at);
        assert!(slave.epoch > epoch, "{at}: epoch {} after {epoch}", slave.epoch);
        epoch = slave.epoch;
        work(&slave, &ledger, at);
        slave.end();
    }
    judge(make_disk(), &ledger, at);
}

fn stopped_at(make_disk: &dyn Fn() -> Arc<dyn Disk>, step: Step) {
    let begin_gated =
        |gate: &Arc<Gate>, ledger: &Arc<Ledger>| begin(gate.before(make_disk()), gated(step, gate), ledger);
    stopped(make_disk, &begin_gated, &format!("stopped at {step}"));
}

/// Runs cases side by side, a few at a time: they mostly wait for leases.
fn each_in_its_thread<T: Copy + Send + Sync>(cases: &[T], run: impl Fn(T) + Sync) {
    for some in cases.chunks(4) {
        thread::scope(|scope| {
            for &case in some {
                let run = &run;
                scope.spawn(move || run(case));
            }
        });
    }
}

#[test]
fn a_master_stopped_at_any_step_is_harmless_in_memory() {
    each_in_its_thread(Step::ALL, |step| {
        let disk = MemoryDisk::new();
        stopped_at(&|| Arc::new(disk.clone()), step);
    });
}

fn on_disk(path: &std::path::Path, segment_io: SegmentIo) -> Arc<dyn Disk> {
    Arc::clone(StoreDirectory::open(path, Some(segment_io)).expect("a store directory").disk())
}

#[test]
fn a_master_stopped_at_any_step_is_harmless_on_a_directory() {
    each_in_its_thread(Step::ALL, |step| {
        let directory = tempfile::tempdir().unwrap();
        let io = SegmentIo::Mapped(FlushCall::Fdatasync);
        stopped_at(&|| on_disk(directory.path(), io), step);
    });
}

/// The same before calls of the I/O seam instead of at steps.
#[test]
fn a_master_stopped_before_any_call_is_harmless() {
    let calls = [
        (Call::Publish, 0),
        (Call::Publish, 1),
        (Call::Overwrite, 0),
        (Call::CreateSegment, 0),
        (Call::CreateSegment, 2),
        (Call::SyncNames, 0),
        (Call::SyncNames, 1),
        (Call::SegmentWrite, 0),
        (Call::SegmentWrite, 9),
        (Call::SegmentFlush, 0),
        (Call::SegmentFlush, 3),
        (Call::Ask, 4),
        (Call::Ask, 7),
        (Call::Rename, 0),
        (Call::Rename, 3),
        (Call::Remove, 0),
        (Call::Remove, 2),
        (Call::Sweep, 0),
        (Call::SegmentRead, 0),
        (Call::OpenSegment, 0),
    ];
    each_in_its_thread(&calls, |(call, number)| {
        let disk = MemoryDisk::new();
        let begin_gated = |gate: &Arc<Gate>, ledger: &Arc<Ledger>| {
            let (count, closed) = (AtomicU64::new(0), Arc::clone(gate));
            let counting = FaultyDisk::new(Arc::new(disk.clone()), move |found| {
                if found == call && count.fetch_add(1, Ordering::SeqCst) == number {
                    closed.close();
                }
                closed.pass();
                Ok(())
            });
            begin(Arc::new(counting), Watch::default(), ledger)
        };
        let make_disk = || Arc::new(disk.clone()) as Arc<dyn Disk>;
        stopped(&make_disk, &begin_gated, &format!("stopped before {call:?} {number}"));
    });
}

/// A disk whose listings are as old as they were when it was made, where it has one, and whose holder shows one sign of life
/// and none after: as if it were stopped, or cut off.
#[derive(Debug)]
struct Lame {
    inner: MemoryDisk,
    listing: Option<Vec<FileName>>,
    beats: AtomicU64,
}

impl Lame {
    fn new(inner: &MemoryDisk, listing: Option<Vec<FileName>>) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), listing, beats: AtomicU64::new(0) })
    }
}

impl Disk for Lame {
    fn create_segment(&self, name: FileName, length: u64) -> std::io::Result<Arc<dyn SegmentFile>> {
        self.inner.create_segment(name, length)
    }
    fn open_segment(&self, name: FileName) -> std::io::Result<Arc<dyn SegmentFile>> {
        self.inner.open_segment(name)
    }
    fn rename(&self, from: FileName, to: FileName) -> std::io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: FileName) -> std::io::Result<()> {
        self.inner.remove(name)
    }
    fn read(&self, name: FileName) -> std::io::Result<Option<Vec<u8>>> {
        self.inner.read(name)
    }
    fn publish(&self, name: FileName, content: &[u8]) -> std::io::Result<bool> {
        self.inner.publish(name, content)
    }
    fn overwrite(&self, name: FileName, content: &[u8]) -> std::io::Result<()> {
        match self.beats.fetch_add(1, Ordering::SeqCst) {
            0 => self.inner.overwrite(name, content),
            _ => Ok(()),
        }
    }
    fn ask(&self, name: FileName) -> std::io::Result<bool> {
        self.inner.ask(name)
    }
    fn list(&self) -> std::io::Result<Vec<FileName>> {
        self.listing.clone().map_or_else(|| self.inner.list(), Ok)
    }
    fn sync_names(&self) -> std::io::Result<()> {
        self.inner.sync_names()
    }
    fn sweep(&self) -> std::io::Result<()> {
        self.inner.sweep()
    }
    fn try_lock(&self) -> std::io::Result<Option<Box<dyn LockGuard>>> {
        self.inner.try_lock()
    }
}

fn acquire(disk: Arc<dyn Disk>) -> Arc<dyn Hold> {
    let mut election = FileElection::new(disk, election_options(Watch::default())).expect("a candidate");
    election.acquire(&Cancel::default(), &mut |_| {}).expect("mastership")
}

#[test]
fn a_candidate_with_an_old_listing_claims_no_epoch_twice() {
    let disk = MemoryDisk::new();
    let store = StoreDirectory::on(Arc::new(disk.clone())).unwrap();
    let mut listings = vec![disk.list().unwrap()];
    let mut old = Vec::new();
    for epoch in 1..=6 {
        let hold = acquire(Lame::new(&disk, None));
        assert_eq!(hold.epoch(), Epoch(epoch));
        // Opened, so that what older epochs left is swept.
        let journal = Journal::open(&store, Arc::clone(&hold), journal_options(Watch::default())).unwrap();
        listings.push(disk.list().unwrap());
        journal.close();
        old.push(hold);
    }
    for (number, listing) in listings.into_iter().enumerate() {
        let youngest = old.last().unwrap().epoch();
        let hold = acquire(Lame::new(&disk, Some(listing)));
        assert_eq!(hold.epoch(), Epoch(youngest.0 + 1), "listing {number}");
        for hold in &old {
            assert!(hold.prove().is_err(), "epoch {} still thinks it is master", hold.epoch());
        }
        old.push(hold);
    }
}

/// A candidate that was stopped between its look and its claim, while several others came and went, and a master of the epoch
/// that it is about to claim who was stopped as long.
#[test]
fn a_claim_that_comes_very_late_makes_nobody_master() {
    let disk = MemoryDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = StoreDirectory::on(Arc::clone(&shared)).unwrap();
    let first = acquire(Arc::clone(&shared));
    Journal::open(&store, Arc::clone(&first), journal_options(Watch::default())).unwrap().close();
    let gate = Arc::new(Gate::default());
    let (watch, late_disk) = (gated(Step::ClaimDecided, &gate), Arc::clone(&shared));
    first.release();
    let late = thread::spawn(move || {
        let mut election = FileElection::new(late_disk, election_options(watch)).unwrap();
        election.acquire(&Cancel::default(), &mut |_| {}).unwrap()
    });
    gate.wait_closed("the late one");
    // The late one has the lock too; the others wait for the lease.
    let mut others = Vec::new();
    for _ in 0..3 {
        let hold = acquire(Lame::new(&disk, None));
        Journal::open(&store, Arc::clone(&hold), journal_options(Watch::default())).unwrap().close();
        others.push(hold);
    }
    gate.let_go();
    let late = late.join().unwrap();
    assert_eq!(late.epoch(), Epoch(others.last().unwrap().epoch().0 + 1));
    assert!(late.prove().is_ok());
    for other in others {
        assert!(other.prove().is_err(), "epoch {}", other.epoch());
    }
}

#[test]
fn of_racing_slaves_each_gets_an_epoch_of_its_own() {
    for round in 0..3 * scale() {
        let directory = tempfile::tempdir().unwrap();
        let master = acquire(on_disk(directory.path(), SegmentIo::Plain));
        let racing: Vec<_> = (0..6)
            .map(|_| {
                let disk = on_disk(directory.path(), SegmentIo::Plain);
                thread::spawn(move || {
                    let store = StoreDirectory::on(Arc::clone(&disk)).unwrap();
                    let hold = acquire(disk);
                    // With its sweep, which must not hurt those who are still claiming.
                    let options = journal_options(Watch::default());
                    let journal = Journal::open(&store, Arc::clone(&hold), options)
                        .unwrap_or_else(|error| panic!("epoch {}: {error}", hold.epoch()));
                    journal.close();
                    let proven = hold.prove();
                    hold.release();
                    (hold.epoch(), proven)
                })
            })
            .collect();
        master.release();
        let mut epochs = Vec::new();
        for thread in racing {
            let (epoch, proven) = thread.join().expect("no panic");
            proven
                .unwrap_or_else(|lost| panic!("round {round}: a master in good order was overtaken: {lost}"));
            epochs.push(epoch);
        }
        epochs.sort_unstable();
        assert_eq!(epochs, (2..=7).map(Epoch).collect::<Vec<_>>());
    }
}

#[test]
fn a_clean_release_is_followed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = || ElectionOptions { lease_duration: PATIENCE * 10, ..election_options(Watch::default()) };
    let elect = || {
        let disk = on_disk(directory.path(), SegmentIo::Plain);
        FileElection::new(disk, options()).unwrap().acquire(&Cancel::default(), &mut |_| {}).unwrap()
    };
    let mut epoch = 0;
    // Were the lease waited for, this would take for ever.
    for _ in 0..5 {
        let hold = elect();
        assert!(hold.epoch().0 > epoch);
        epoch = hold.epoch().0;
        hold.release();
    }
}

#[test]
fn a_deleted_lock_file_elects_nobody_while_the_master_beats() {
    let directory = tempfile::tempdir().unwrap();
    let master = acquire(on_disk(directory.path(), SegmentIo::Plain));
    let cancel = Cancel::default();
    let slave = {
        let (disk, cancel) = (on_disk(directory.path(), SegmentIo::Plain), cancel.clone());
        thread::spawn(move || {
            let mut election = FileElection::new(disk, election_options(Watch::default())).unwrap();
            election.acquire(&cancel, &mut |_| {}).map(|hold| hold.epoch())
        })
    };
    // Several leases long, the lock file goes again and again.
    let until = Instant::now() + 3 * LEASE;
    while Instant::now() < until {
        let _ = std::fs::remove_file(directory.path().join("lock"));
        thread::sleep(Duration::from_millis(10));
    }
    let proven = master.prove();
    cancel.cancel();
    assert!(slave.join().unwrap().is_err(), "the slave took over from a living master");
    proven.expect("the master still is one");
}

#[test]
fn a_beat_that_is_deleted_or_garbage_costs_a_take_over_at_most() {
    for garbage in [None, Some(&b"not a beat"[..]), Some(&[0; 4096][..]), Some(b"")] {
        let directory = tempfile::tempdir().unwrap();
        let disk = || on_disk(directory.path(), SegmentIo::Plain);
        let ledger = Arc::new(Ledger::default());
        let master = wait_for(begin(disk(), Watch::default(), &ledger), "the first");
        let beat = directory.path().join(FileName::Beat(master.epoch).to_string());
        let slave = begin(disk(), Watch::default(), &ledger);
        let until = Instant::now() + Duration::from_millis(1200);
        while Instant::now() < until {
            match garbage {
                None => drop(std::fs::remove_file(&beat)),
                Some(garbage) => drop(std::fs::write(&beat, garbage)),
            }
            thread::sleep(Duration::from_millis(5));
        }
        if master.load.is_finished() {
            master.must_be_lost("its beat was destroyed");
        } else {
            master.end();
        }
        wait_for(slave, "the slave").end();
        judge(disk(), &ledger, "a destroyed beat");
    }
}
