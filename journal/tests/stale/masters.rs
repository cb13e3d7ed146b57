//! Masters under load, a ledger of what they were answered, and its judge.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::Disk;
use kahawai_journal::disk::directory::SegmentIo;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::{Journal, OpenError};
use kahawai_journal::options::JournalOptions;
use kahawai_journal::steps::Watch;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::contract::{Committed, Completion, Page, ReadRequest, Store, StoreError, StoreWait};
use kahawai_store::election::{Cancel, Election, Hold};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that a living master on a busy machine is not taken for a silent one.
pub(crate) const LEASE: Duration = Duration::from_millis(500);
pub(crate) const QUEUE: DestinationId = DestinationId(1);
const STUCK: DestinationId = DestinationId(2);
const STUCK_MESSAGE: u64 = 1 << 40;

/// Everything that was sent and everything that was answered.
#[derive(Default)]
pub(crate) struct Ledger {
    next: AtomicU64,
    /// Messages whose sending was answered `Ok`, and messages whose acknowledgement was.
    sent: Mutex<BTreeSet<u64>>,
    pub(crate) acknowledged: Mutex<BTreeSet<u64>>,
    /// Messages that were ever asked to be acknowledged: they may be gone.
    tried: Mutex<BTreeSet<u64>>,
    /// Whether the one that nobody acknowledges was sent.
    stuck: AtomicBool,
}

/// A master under load until it ends.
pub(crate) struct Master {
    pub(crate) epoch: Epoch,
    pub(crate) hold: Arc<dyn Hold>,
    lost: Arc<AtomicBool>,
    journal: Arc<Journal>,
    pub(crate) load: thread::JoinHandle<StoreError>,
    /// Set to end the load in good order.
    enough: Arc<AtomicBool>,
}

pub(crate) fn election_options(watch: Watch) -> ElectionOptions {
    ElectionOptions {
        lock_acquire_sleep_interval: Duration::from_millis(2),
        lease_duration: LEASE,
        watch,
        ..ElectionOptions::default()
    }
}

pub(crate) fn journal_options(watch: Watch) -> JournalOptions {
    JournalOptions {
        journal_max_file_length: 8 << 10,
        idle_interval: Duration::from_millis(5),
        checkpoint_bytes: 4 << 10,
        index_table_max: 8,
        watch,
        ..JournalOptions::default()
    }
}

/// Becomes master and starts its load; in a thread of its own, since a gate may stop it.
pub(crate) fn begin(
    disk: Arc<dyn Disk>,
    watch: Watch,
    ledger: &Arc<Ledger>,
) -> Receiver<Result<Master, String>> {
    let (sender, receiver) = channel();
    let ledger = Arc::clone(ledger);
    thread::spawn(move || {
        let _ = sender.send(become_master(disk, watch, &ledger));
    });
    receiver
}

pub(crate) fn become_master(
    disk: Arc<dyn Disk>,
    watch: Watch,
    ledger: &Arc<Ledger>,
) -> Result<Master, String> {
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
pub(crate) fn load(journal: &Journal, ledger: &Arc<Ledger>, enough: &AtomicBool) -> StoreError {
    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "queue".into() };
    match journal.commit_wait(Operation::CreateDestination(queue).into()) {
        Ok(_) | Err(StoreError::Rejected(_)) => {}
        Err(error) => return error,
    }
    // One that nobody ever acknowledges: the head of the log holds it again and again, and has to be cleaned.
    let stuck = Destination { id: STUCK, kind: DestinationKind::Queue, name: "stuck".into() };
    match journal.commit_wait(Operation::CreateDestination(stuck).into()) {
        Ok(_) => {
            let message = Arc::new(Message { body: vec![1; 100].into(), ..Message::default() });
            let id = MessageId(STUCK_MESSAGE);
            let operation = Operation::Enqueue { id, destination: STUCK, rank: 0, message };
            if let Err(error) = journal.commit_wait(operation.into()) {
                return error;
            }
            ledger.stuck.store(true, Ordering::SeqCst);
        }
        Err(StoreError::Rejected(_)) => {}
        Err(error) => return error,
    }
    let (ends, ended) = channel();
    // What earlier masters left is consumed first, so that segments empty.
    let mut mine: Vec<(u64, Cursor)> = match page_of(journal, QUEUE) {
        Ok(page) => page.messages.iter().map(|stored| (stored.id.0, stored.cursor)).collect(),
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
        for (id, cursor) in mine.drain(..) {
            ledger.tried.lock().unwrap().insert(id);
            let (destination, subscription) = (QUEUE, None);
            let operation = Operation::Acknowledge { destination, id: MessageId(id), cursor, subscription };
            submit(journal, operation, ledger, id, false, &ends);
        }
        let mut error = None;
        // The answers come back through the channel; all of them are waited for before the next.
        let mut waited = 0;
        let expected = PENDING.with(|pending| pending.replace(0));
        while waited < expected {
            match ended.recv_timeout(PATIENCE).expect("an answer") {
                Ok((id, cursor)) if ids.contains(&id) => mine.push((id, cursor)),
                Ok(_) => {}
                Err(found) => error = Some(found),
            }
            waited += 1;
        }
        if let Some(error) = error {
            return error;
        }
    }
}

thread_local! {
    /// How many answers this load waits for.
    static PENDING: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

pub(crate) fn submit(
    journal: &Journal,
    operation: Operation,
    ledger: &Arc<Ledger>,
    id: u64,
    is_send: bool,
    ends: &Sender<Result<(u64, Cursor), StoreError>>,
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
            let stands = |committed: Committed| Cursor { rank: 0, arrival: committed.arrival_first };
            let _ = ends.send(result.map(|committed| (id, stands(committed))));
        }),
    );
}

/// What waits in the store, by its own answer.
pub(crate) fn waiting(journal: &Journal) -> Result<BTreeSet<u64>, StoreError> {
    waiting_in(journal, QUEUE)
}

fn waiting_in(journal: &Journal, destination: DestinationId) -> Result<BTreeSet<u64>, StoreError> {
    let page = page_of(journal, destination)?;
    Ok(page.messages.iter().map(|stored| stored.id.0).collect())
}

fn page_of(journal: &Journal, destination: DestinationId) -> Result<Page, StoreError> {
    let request = ReadRequest {
        destination,
        subscription: None,
        after: None,
        messages_max: usize::MAX - 1,
        bytes_max: usize::MAX,
    };
    match journal.read_wait(request) {
        Ok(page) => {
            assert!(page.damaged.is_empty(), "{:?}", page.damaged);
            Ok(page)
        }
        // No master got as far as to create the queue.
        Err(StoreError::Rejected(_)) => Ok(Page::default()),
        Err(error) => Err(error),
    }
}

/// Opens the store a last time and compares it with what was answered.
pub(crate) fn judge(disk: Arc<dyn Disk>, ledger: &Ledger, at: &str) {
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
    if ledger.stuck.load(Ordering::SeqCst) {
        let stuck = waiting_in(&journal, STUCK).expect("it can be read");
        assert!(stuck.contains(&STUCK_MESSAGE), "{at}: what nobody acknowledged is lost");
    }
    journal.close();
    hold.release();
}

impl Master {
    /// Ends a master that is still one, and follows it up to the release of its hold.
    pub(crate) fn end(self) {
        self.enough.store(true, Ordering::SeqCst);
        let _ = self.load.join().expect("no panic");
        self.journal.close();
        self.hold.release();
    }

    /// A master that was overtaken: it must learn it by itself.
    pub(crate) fn must_be_lost(self, at: &str) {
        let error = self.load.join().expect("no panic");
        assert!(matches!(error, StoreError::Lost { .. }), "{at}: the old master ended with {error}");
        assert!(self.hold.prove().is_err(), "{at}");
        assert!(self.lost.load(Ordering::SeqCst), "{at}: whoever runs it was not told");
        self.journal.close();
    }
}

/// Who becomes master next of several.
pub(crate) fn wait_for_one(begun: &mut Vec<Receiver<Result<Master, String>>>, at: &str) -> Master {
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

pub(crate) fn wait_for(begun: Receiver<Result<Master, String>>, at: &str) -> Master {
    wait_for_one(&mut vec![begun], at)
}

/// Waits until a master has got some more answers.
pub(crate) fn work(master: &Master, ledger: &Ledger, at: &str) {
    let enough = ledger.acknowledged.lock().unwrap().len() + 40;
    let until = Instant::now() + PATIENCE;
    while ledger.acknowledged.lock().unwrap().len() < enough {
        assert!(!master.load.is_finished(), "{at}: the master ended");
        assert!(Instant::now() < until, "{at}: the master is stuck");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A store in a directory.
pub(crate) fn on_disk(path: &std::path::Path, segment_io: SegmentIo) -> Arc<dyn Disk> {
    Arc::clone(StoreDirectory::open(path, Some(segment_io)).expect("a store directory").disk())
}

/// Waits for mastership.
pub(crate) fn acquire(disk: Arc<dyn Disk>) -> Arc<dyn Hold> {
    let mut election = FileElection::new(disk, election_options(Watch::default())).expect("a candidate");
    election.acquire(&Cancel::default(), &mut |_| {}).expect("mastership")
}
