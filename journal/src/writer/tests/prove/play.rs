//! What is played: a store before, and the operations of a sequence, beside the model.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::contract::{ReadRequest, StoreWait};
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{DestinationId, Epoch, SubscriptionId};

use super::super::driver::{Driven, contents_of, options, real, summary, without_checkpoints};
use super::super::script::{create, enqueue, xid};
use super::claim::Claimed;
use crate::disk::Disk;
use crate::disk::faulty::{Call, FaultyDisk};
use crate::disk::memory::MemoryDisk;
use crate::election::chance;
use crate::format::name::FileName;
use crate::options::JournalOptions;
use crate::writer::begin_error::BeginError;
use crate::writer::{Access, Refusal};

const QUEUE: DestinationId = DestinationId(1);
const TOPIC: DestinationId = DestinationId(2);
const QUICK: SubscriptionId = SubscriptionId(1);
/// Whoever comes in its stead has a higher number; so with the queue.
const SLOW: SubscriptionId = SubscriptionId(2);

/// One operation of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Two batches in one round: two messages for the queue; then one for the topic.
    Enqueue,
    /// One batch: the oldest message of the queue, and the oldest that waits for each subscription.
    Acknowledge,
    /// A transaction prepared in two chunks in one round, then its commit.
    Transact,
    /// The log goes on in the next segment, with a batch.
    Roll,
    /// The process dies, and the next epoch begins with what the page cache shows.
    TakeOver,
    /// The power fails with nothing kept that was not synced, and the next epoch begins.
    PowerFailure,
    /// Two batches in one round: the slow subscription goes, and another comes in its stead; and so with the queue, where nothing
    /// undecided names it.
    Remove,
    /// An idle moment; then the whole head is written again and given up; then another.
    Clean,
}

/// Each of them.
pub(super) const STEPS: [Step; 8] = [
    Step::Enqueue,
    Step::Acknowledge,
    Step::Transact,
    Step::Roll,
    Step::TakeOver,
    Step::PowerFailure,
    Step::Remove,
    Step::Clean,
];

/// The sequence of this number among those of this length.
pub(super) fn sequence(mut number: usize, length: u32) -> Vec<Step> {
    let steps = (0..length).map(|_| {
        let step = STEPS[number % STEPS.len()];
        number /= STEPS.len();
        step
    });
    steps.collect()
}

/// The model after some batch.
pub(super) struct Allowed {
    pub(super) state: State,
    seen: OnceLock<(Contents, u64)>,
}

impl Allowed {
    fn new(state: State) -> Arc<Self> {
        Arc::new(Self { state, seen: OnceLock::new() })
    }

    fn seen(&self) -> &(Contents, u64) {
        self.seen.get_or_init(|| {
            let contents = contents_of(&self.state);
            let mark = mark(&contents);
            (contents, mark)
        })
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.seen().0
    }

    /// A number for the contents.
    pub(super) fn mark(&self) -> u64 {
        self.seen().1
    }
}

fn mark(contents: &Contents) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    format!("{contents:?}").hash(&mut hasher);
    hasher.finish()
}

/// The model after each batch that was submitted so far, and how many of them were answered.
pub(super) struct Known {
    states: Mutex<Vec<Arc<Allowed>>>,
    answered: AtomicUsize,
}

impl Known {
    fn new(state: State) -> Arc<Self> {
        Arc::new(Self { states: Mutex::new(vec![Allowed::new(state)]), answered: AtomicUsize::new(0) })
    }

    fn states(&self) -> MutexGuard<'_, Vec<Arc<Allowed>>> {
        self.states.lock().expect("no panic")
    }

    /// In which states the store may be found now: with all that was answered, and any number of those behind.
    pub(super) fn allowed(&self) -> Vec<Arc<Allowed>> {
        self.states()[self.answered.load(Ordering::SeqCst)..].to_vec()
    }

    /// How many batches were answered.
    pub(super) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// The queue and the slow subscription that are there now.
    fn youngest(&self) -> (DestinationId, SubscriptionId) {
        let held = self.last().recover(Epoch(0));
        let destinations = held.destinations.iter().map(|found| &found.destination);
        let queues = destinations.filter(|found| found.kind == DestinationKind::Queue).map(|found| found.id);
        let subscriptions = held.subscriptions.iter().map(|found| found.subscription.id);
        let slow = subscriptions.filter(|id| *id != QUICK).max();
        (queues.max().unwrap_or(QUEUE), slow.unwrap_or(SLOW))
    }

    fn last(&self) -> State {
        self.states().last().expect("one at least").state.clone()
    }
}

/// Who is asked before each call of the I/O seam: the call, and the disk and the epoch that it is made on.
pub(super) type Guard = Box<dyn FnMut(Call, &MemoryDisk, u64) -> io::Result<()> + Send>;

/// What a sequence begins with.
pub(super) struct Base {
    pub(super) name: &'static str,
    disk: MemoryDisk,
    state: State,
    epoch: u64,
    id_next: u64,
    pub(super) with_checkpoints: bool,
}

fn options_of(with_checkpoints: bool) -> JournalOptions {
    let options = if with_checkpoints { options() } else { without_checkpoints() };
    JournalOptions { journal_max_file_length: 2 << 10, ..options }
}

/// Opens a store with ids that follow from the epoch, so that equal pasts write equal bytes.
pub(super) fn open(disk: Arc<dyn Disk>, epoch: u64, with_checkpoints: bool) -> Result<Driven, BeginError> {
    chance::settled(epoch, || Driven::open_with(disk, epoch, options_of(with_checkpoints)))
}

/// Opens a store, and leaves what the cleaner owes to later.
pub(super) fn open_as_it_is(
    disk: Arc<dyn Disk>,
    epoch: u64,
    with_checkpoints: bool,
) -> Result<Driven, BeginError> {
    let options = options_of(with_checkpoints);
    chance::settled(epoch, || Driven::open_as_it_is(disk, epoch, options, false))
}

/// A store being played.
pub(super) struct Life {
    disk: MemoryDisk,
    epoch: u64,
    store: Option<Driven>,
    pub(super) known: Arc<Known>,
    id_next: u64,
    queue: DestinationId,
    slow: SubscriptionId,
    with_checkpoints: bool,
    guard: Arc<Mutex<Option<Guard>>>,
    /// Who it is, where several may be master and each claims its epoch.
    claims_as: Option<u8>,
    /// What the cleaner had found before the last operation.
    found_before: u64,
}

impl Life {
    fn new(disk: MemoryDisk, state: State, epoch: u64, id_next: u64, with_checkpoints: bool) -> Self {
        let known = Known::new(state);
        let mut life = Self {
            disk,
            epoch,
            store: None,
            known,
            id_next,
            queue: QUEUE,
            slow: SLOW,
            with_checkpoints,
            guard: Arc::default(),
            claims_as: None,
            found_before: 0,
        };
        (life.queue, life.slow) = life.known.youngest();
        life
    }

    /// Begins a store.
    fn first(with_checkpoints: bool) -> Self {
        let mut life = Self::new(MemoryDisk::new(), State::default(), 1, 0, with_checkpoints);
        assert!(life.open(), "a sound disk");
        life
    }

    fn of(base: &Base) -> Self {
        let disk = base.disk.crash(&mut || true);
        Self::new(disk, base.state.clone(), base.epoch + 1, base.id_next, base.with_checkpoints)
    }

    /// Opens what a sequence begins with.
    pub(super) fn begin(base: &Base) -> Self {
        let mut life = Self::of(base);
        assert!(life.open(), "a sound disk");
        life
    }

    /// The same, as one of several that claim their epochs.
    pub(super) fn claiming(base: &Base, who: u8) -> Self {
        let mut life = Self::of(base);
        life.claims_as = Some(who);
        assert!(life.open(), "a sound disk");
        life
    }

    /// Takes a disk over from a master that may still be at work on it: claims the next epoch, opens, and finds one of the states
    /// allowed; says which.
    pub(super) fn overtake(
        disk: &MemoryDisk,
        allowed: &[Arc<Allowed>],
        id_next: u64,
        with_checkpoints: bool,
        at: &str,
    ) -> (Self, usize) {
        let claimed = disk.list().expect("a list").into_iter().filter_map(|name| match name {
            FileName::Claim(epoch) => Some(epoch.0),
            _ => None,
        });
        let epoch = claimed.max().expect("the other's claim") + 1;
        let mut life = Self::new(disk.clone(), State::default(), epoch, id_next, with_checkpoints);
        life.claims_as = Some(2);
        assert!(life.open(), "{at}: the next master cannot begin");
        let store = life.store();
        let found = Contents::of(store, 1000).expect("everything can be read");
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "{at}: the next master speaks of damage: {damage:#?}");
        let arrival_next = store.writer.lock().expect("no panic").shared().index().state.arrival_next();
        // States that look alike may differ in the next number.
        let is = allowed.iter().rposition(|allowed| {
            let arrival = allowed.state.clone().apply(one_more()).map(|committed| committed.arrival_first);
            *allowed.contents() == found && arrival == Ok(arrival_next)
        });
        let is = is.unwrap_or_else(|| panic!("{at}: the next master found {}", summary(&found)));
        life.known = Known::new(allowed[is].state.clone());
        (life.queue, life.slow) = life.known.youngest();
        (life, is)
    }

    pub(super) fn id_next(&self) -> u64 {
        self.id_next
    }

    fn open(&mut self) -> bool {
        let (guard, disk, epoch) = (Arc::clone(&self.guard), self.disk.clone(), self.epoch);
        let watched = FaultyDisk::new(Arc::new(self.disk.clone()), move |call| {
            guard.lock().expect("no panic").as_mut().map_or(Ok(()), |guard| guard(call, &disk, epoch))
        });
        let watched: Arc<dyn Disk> = Arc::new(watched);
        self.store = match self.claims_as {
            None => open(watched, self.epoch, self.with_checkpoints).ok(),
            Some(who) => Claimed::new(&watched, Epoch(epoch), who).and_then(|hold| {
                let options = options_of(self.with_checkpoints);
                chance::settled(epoch, || Driven::open_under(watched, hold, options, false)).ok()
            }),
        };
        self.store.is_some()
    }

    /// From now on this guard is asked before each call; or nobody.
    pub(super) fn set_guard(&self, guard: Option<Guard>) {
        *self.guard.lock().expect("no panic") = guard;
    }

    pub(super) fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the store ended, or could not be opened.
    pub(super) fn has_ended(&self) -> bool {
        let Some(store) = &self.store else { return true };
        store.writer.lock().expect("no panic").shared().ended().is_some()
    }

    /// Shows that a store which ended answers nothing any more.
    pub(super) fn answers_nothing(&self) {
        let Some(store) = &self.store else { return };
        let late = Batch::from(create(DestinationId(999), DestinationKind::Queue));
        assert!(store.round(&[late], |_, _| {})[0].is_err(), "a batch was answered after the end");
        assert!(store.recover_wait().is_err(), "it says what it holds after the end");
        assert!(store.read_wait(oldest_of(QUEUE, None)).is_err(), "it is read after the end");
    }

    fn found(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.found.load(Ordering::Relaxed))
    }

    /// How many messages and chunks were written again during the last operation, or since the store was opened in it.
    pub(super) fn relocated(&self) -> u64 {
        self.found().saturating_sub(self.found_before)
    }

    /// Does one operation; whether there was anything to do and all of it was answered.
    pub(super) fn step(&mut self, step: Step) -> bool {
        self.found_before =
            if matches!(step, Step::TakeOver | Step::PowerFailure) { 0 } else { self.found() };
        match step {
            Step::Enqueue => {
                let (first, second, third) = (self.id(), self.id(), self.id());
                let queue =
                    Batch::new(vec![enqueue(first, self.queue, 120), enqueue(second, self.queue, 430)]);
                self.round(vec![queue, enqueue(third, TOPIC, 60).into()])
            }
            Step::Acknowledge => {
                let state = self.known.last();
                let oldest = |destination, subscription| {
                    let page = state.read(&oldest_of(destination, subscription)).ok()?;
                    let stored = page.messages.first()?;
                    let (id, cursor) = (stored.id, stored.cursor);
                    Some(Operation::Acknowledge { destination, id, cursor, subscription })
                };
                let waiting = [(self.queue, None), (TOPIC, Some(QUICK)), (TOPIC, Some(self.slow))];
                let operations: Vec<_> =
                    waiting.into_iter().filter_map(|(place, who)| oldest(place, who)).collect();
                !operations.is_empty() && self.round(vec![Batch::new(operations)])
            }
            Step::Transact => {
                let (first, second) = (self.id(), self.id());
                let xid = xid(first as u8);
                let queue = self.queue;
                let page = self.known.last().read(&oldest_of(queue, None)).expect("a queue");
                let mut operations = vec![enqueue(first, queue, 100)];
                operations.extend(page.messages.first().map(|stored| Operation::Acknowledge {
                    destination: queue,
                    id: stored.id,
                    cursor: stored.cursor,
                    subscription: None,
                }));
                let chunks = [operations, vec![enqueue(second, TOPIC, 40)]];
                let prepares = chunks
                    .map(|operations| Operation::Prepare { xid: xid.clone(), operations }.into())
                    .into();
                self.round(prepares)
                    && self.round(vec![Operation::Decide { xid, outcome: Outcome::Commit }.into()])
            }
            Step::Roll => self.roll(),
            Step::TakeOver => {
                self.store = None;
                self.epoch += 1;
                self.open()
            }
            Step::PowerFailure => {
                self.store = None;
                self.epoch += 1;
                self.disk = self.disk.crash(&mut || false);
                self.open()
            }
            Step::Remove => self.remove(),
            Step::Clean => {
                let store = self.store();
                store.idle();
                let head = store.head_number();
                store.clean(|writer| writer.head_number() == head);
                store.writer.lock().expect("no panic").round([]);
                store.idle();
                !self.has_ended()
            }
        }
    }

    fn remove(&mut self) -> bool {
        let mut state = self.known.last();
        let mut takes = |operations: Vec<Operation>| {
            let batch = Batch::new(operations);
            state.apply(batch.clone()).is_ok().then_some(batch)
        };
        let (queue, slow) = (DestinationId(self.queue.0 + 10), SubscriptionId(self.slow.0 + 10));
        let subscription = takes(vec![Operation::Unsubscribe(self.slow), subscribe(slow, "slow")]);
        let removal = Operation::RemoveDestination(self.queue);
        let destination = takes(vec![removal, create(queue, DestinationKind::Queue)]);
        if subscription.is_some() {
            self.slow = slow;
        }
        if destination.is_some() {
            self.queue = queue;
        }
        let batches: Vec<_> = subscription.into_iter().chain(destination).collect();
        !batches.is_empty() && self.round(batches)
    }

    fn roll(&mut self) -> bool {
        {
            let mut writer = self.store().writer.lock().expect("no panic");
            if let Err(refusal) = writer.roll(64, Access::Sender) {
                // As `append` does.
                if let Refusal::Failed(error) = refusal {
                    writer.shared().end(error);
                }
                return false;
            }
        }
        let value = Some(self.id().to_string().into());
        self.round(vec![Operation::Put { table: "table".into(), key: "key".into(), value }.into()])
    }

    fn store(&self) -> &Driven {
        self.store.as_ref().expect("it was opened")
    }

    fn id(&mut self) -> u64 {
        self.id_next += 1;
        self.id_next
    }

    /// Commits batches in one round; whether all were answered well. What was is counted at the moment of the answer.
    fn round(&mut self, batches: Vec<Batch>) -> bool {
        let mut state = self.known.last();
        for batch in &batches {
            state.apply(batch.clone()).expect("the model takes it");
            self.known.states().push(Allowed::new(state.clone()));
        }
        let (known, failed) = (Arc::clone(&self.known), AtomicBool::new(false));
        let answers = self.store().round(&batches, move |_, answer| {
            if answer.is_err() {
                failed.store(true, Ordering::SeqCst);
            } else {
                assert!(!failed.load(Ordering::SeqCst), "answered behind one that was not");
                known.answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        let good = answers.iter().all(Result::is_ok);
        assert!(good || self.has_ended(), "a sound store refuses: {answers:?}");
        good
    }
}

fn subscribe(id: SubscriptionId, name: &'static str) -> Operation {
    Operation::Subscribe(Subscription {
        id,
        destination: TOPIC,
        client_id: "client".into(),
        name: name.into(),
        selector: None,
        no_local: false,
    })
}

fn oldest_of(destination: DestinationId, subscription: Option<SubscriptionId>) -> ReadRequest {
    ReadRequest { destination, subscription, after: None, messages_max: 1, bytes_max: usize::MAX }
}

/// A batch to show that a store which was recovered goes on.
pub(super) fn one_more() -> Batch {
    let queue = DestinationId(1_000_000);
    Batch::new(vec![create(queue, DestinationKind::Queue), enqueue(1_000_000, queue, 20)])
}

/// What sequences begin with: an empty queue and an empty topic, and a store with some of everything; each with checkpoints
/// of the index and without.
pub(super) fn bases() -> Vec<Base> {
    let mut bases = Vec::new();
    for with_checkpoints in [false, true] {
        let mut life = Life::first(with_checkpoints);
        let made = vec![create(QUEUE, DestinationKind::Queue), create(TOPIC, DestinationKind::Topic)];
        assert!(life.round(vec![Batch::new(made)]), "a sound disk");
        bases.push(life.end("bare"));

        let mut life = Life::begin(bases.last().expect("one"));
        let who = vec![subscribe(QUICK, "quick"), subscribe(SLOW, "slow")];
        assert!(life.round(vec![Batch::new(who)]), "a sound disk");
        let undecided = vec![
            enqueue(life.id(), QUEUE, 80),
            Operation::Put { table: "table".into(), key: "of".into(), value: Some("a transaction".into()) },
        ];
        let undecided = Operation::Prepare { xid: xid(0), operations: undecided };
        assert!(life.round(vec![undecided.into()]), "a sound disk");
        for step in [Step::Enqueue, Step::Enqueue, Step::Acknowledge, Step::Roll, Step::Enqueue] {
            assert!(life.step(step), "a sound disk");
        }
        // Behind what the other still waits for, so that it is an exception and no floor.
        let slow = life.known.last().read(&oldest_of(TOPIC, Some(SLOW))).expect("a topic");
        let after = slow.messages.first().map(|stored| stored.cursor);
        let next = life.known.last().read(&ReadRequest { after, ..oldest_of(TOPIC, Some(SLOW)) });
        let next = next.expect("a topic");
        let next = next.messages.first().expect("it waits");
        let (id, cursor) = (next.id, next.cursor);
        let beyond = Operation::Acknowledge { destination: TOPIC, id, cursor, subscription: Some(SLOW) };
        assert!(life.round(vec![beyond.into()]), "a sound disk");
        bases.push(life.end("with some of everything"));
    }
    bases
}

impl Life {
    /// Leaves the store as the death of its process does.
    fn end(self, name: &'static str) -> Base {
        let Self { disk, epoch, id_next, with_checkpoints, known, store, .. } = self;
        drop(store);
        Base { name, disk: disk.crash(&mut || true), state: known.last(), epoch, id_next, with_checkpoints }
    }
}
