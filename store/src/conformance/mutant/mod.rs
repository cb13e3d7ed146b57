//! Stores with a named fault each: what the suite must not let pass.

mod answers;
mod held;
mod operations;
mod timing;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Engine;
use super::places::Places;
use crate::batch::{Batch, Subscription};
use crate::contract::{Committed, Completion, Limits, Page, ReadRequest, Recovered, Store};
use crate::names::BatchName;
use held::Held;

/// What is wrong with a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Now and then a batch that only sends is answered and dropped.
    Lost,
    /// Now and then two batches change places.
    Reordered,
    /// Now and then only the first half of a batch is applied.
    Half,
    /// Answered before it is durable; lost in a crash.
    CompletedEarly,
    /// The last batch is not written on closing.
    LostAtClose,
    /// Now and then an answer comes after that of the next batch.
    AnswersSwapped,
    /// Now and then a message arrives twice.
    DuplicatedEnqueue,
    /// Now and then an acknowledgement is answered and dropped.
    ForgottenAcknowledgement,
    /// A subscription misses the first message after it.
    SubscriptionOffByOne,
    /// Ranks are not kept.
    RankForgotten,
    /// A move within a queue leaves the message in its place.
    MoveInPlace,
    /// A message is acknowledged and moved by its id alone, wherever it stands.
    CursorUnchecked,
    /// All but the first chunk of a prepared transaction are dropped.
    ChunkLost,
    /// A rolled back transaction is committed.
    RollbackIgnored,
    /// A removed entry of a table stays.
    EntryKept,
    /// What a rejected batch held before the offending operation is applied.
    RejectedPartly,
    /// Cursors change when the store is opened again.
    CursorsReassigned,
    /// A page that is not full is taken for the last, and a full one never is.
    EndGuessed,
    /// A message larger than the page's bytes gives an empty page.
    EmptyPage,
    /// A subscription is read from its start, whatever the cursor.
    CursorIgnored,
    /// A topic's messages are counted once for each subscription.
    CountedTwice,
    /// The next message id is one that was given.
    NextIdReused,
    /// A closed store goes on answering.
    ClosedGoesOn,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 23] = [
        Self::Lost,
        Self::Reordered,
        Self::Half,
        Self::CompletedEarly,
        Self::LostAtClose,
        Self::AnswersSwapped,
        Self::DuplicatedEnqueue,
        Self::ForgottenAcknowledgement,
        Self::SubscriptionOffByOne,
        Self::RankForgotten,
        Self::MoveInPlace,
        Self::CursorUnchecked,
        Self::ChunkLost,
        Self::RollbackIgnored,
        Self::EntryKept,
        Self::RejectedPartly,
        Self::CursorsReassigned,
        Self::EndGuessed,
        Self::EmptyPage,
        Self::CursorIgnored,
        Self::CountedTwice,
        Self::NextIdReused,
        Self::ClosedGoesOn,
    ];
}

/// How seldom a fault that comes 'now and then' comes: every so many occasions.
const SELDOM: u64 = 7;

/// A store with a fault around a store without.
pub struct Mutant {
    inner: Arc<dyn Store>,
    fault: Fault,
    /// How often the store was opened before.
    reopened: u64,
    occasions: AtomicU64,
    subscribed: Mutex<Vec<Subscription>>,
    held: Mutex<Held>,
    /// Where messages stand, for faults that must know.
    places: Arc<Mutex<Places>>,
    closed: AtomicBool,
}

impl Mutant {
    /// Wraps a store that was opened so many times before.
    pub fn new(inner: Arc<dyn Store>, fault: Fault, reopened: u64) -> Self {
        Self {
            inner,
            fault,
            reopened,
            occasions: AtomicU64::new(0),
            subscribed: Mutex::default(),
            held: Mutex::default(),
            places: Arc::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Whether it is time for the fault: every few occasions.
    fn is_time(&self) -> bool {
        self.occasions.fetch_add(1, Ordering::Relaxed) % SELDOM == SELDOM - 1
    }
}

impl Store for Mutant {
    fn commit(&self, mut batch: Batch, done: Completion<Committed>) {
        if self.closed.load(Ordering::Acquire) {
            done.complete(Ok(Committed { arrival_first: 0, name: BatchName::default() }));
            return;
        }
        batch.operations = self.change(batch.operations);
        let done = self.follow(&mut batch, done);
        self.time(batch, self.change_answer(done));
    }

    fn read(&self, request: ReadRequest, done: Completion<Page>) {
        if self.closed.load(Ordering::Acquire) {
            done.complete(Ok(Page::default()));
            return;
        }
        self.let_go();
        let (request, done) = self.change_page(request, done);
        self.inner.read(request, done);
    }

    fn recover(&self, done: Completion<Recovered>) {
        if self.closed.load(Ordering::Acquire) {
            done.complete(Ok(Recovered::default()));
            return;
        }
        self.let_go();
        self.inner.recover(self.change_recovered(done));
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn close(&self) {
        if self.fault != Fault::LostAtClose {
            self.let_go();
        }
        self.inner.close();
        self.closed.store(self.fault == Fault::ClosedGoesOn, Ordering::Release);
    }
}

/// An engine whose stores have a fault.
pub struct MutantEngine<E> {
    inner: E,
    fault: Fault,
    opened: u64,
    current: Option<Arc<dyn Store>>,
}

impl<E: Engine> MutantEngine<E> {
    /// Gives the stores of an engine a fault.
    pub fn new(inner: E, fault: Fault) -> Self {
        Self { inner, fault, opened: 0, current: None }
    }
}

impl<E: Engine> Engine for MutantEngine<E> {
    fn open(&mut self) -> Arc<dyn Store> {
        let inner = self.inner.open();
        self.current = Some(inner.clone());
        let mutant = Mutant::new(inner, self.fault, self.opened);
        self.opened += 1;
        Arc::new(mutant)
    }

    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str> {
        let inner = self.current.take().ok_or("nothing is open")?;
        let result = self.inner.crash(inner.clone());
        if result.is_err() {
            self.current = Some(inner);
        }
        drop(store);
        result
    }
}
