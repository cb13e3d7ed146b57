//! An open store under test, and short ways to ask it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Engine;
use super::operations::{create, subscription};
use super::places::Places;
use crate::batch::{Batch, DestinationKind, Operation};
use crate::catalog::Rejection;
use crate::contract::{Committed, Completion, Page, ReadRequest, Recovered, Store, StoreError};
use crate::model::Contents;
use crate::names::{Cursor, DestinationId, MessageId, SubscriptionId};

/// How long an engine may take over anything before it counts as one that never answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// An open store under test. Gives ids from 1 upward.
pub(super) struct Session<'a> {
    engine: &'a mut dyn Engine,
    pub(super) store: Arc<dyn Store>,
    /// By which operations get their cursors.
    places: RefCell<Places>,
    last_id: u64,
}

/// The answer to come of a call.
pub(super) struct Answer<T>(Receiver<Result<T, StoreError>>);

impl<T: Send + 'static> Answer<T> {
    pub(super) fn of(submit: impl FnOnce(Completion<T>)) -> Self {
        let (sender, receiver) = channel();
        submit(Completion::new(move |result| {
            let _ = sender.send(result);
        }));
        Self(receiver)
    }

    pub(super) fn wait(&self) -> Result<T, StoreError> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => panic!("no completion within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("a completion was lost"),
        }
    }

    /// The answer if it has come.
    pub(super) fn now(&self) -> Option<Result<T, StoreError>> {
        self.0.try_recv().ok()
    }
}

impl<'a> Session<'a> {
    pub(super) fn start(engine: &'a mut dyn Engine) -> Self {
        let store = engine.open();
        Self { engine, store, places: RefCell::default(), last_id: 0 }
    }

    pub(super) fn reopen(&mut self) {
        self.store.close();
        self.store = self.engine.open();
        self.places.get_mut().synchronize(None);
    }

    /// Crashes and opens again; `false` where the engine cannot, having said why.
    #[expect(clippy::print_stderr, reason = "a gap in what is tested is told to whoever runs the tests")]
    pub(super) fn crash(&mut self) -> bool {
        match self.engine.crash(self.store.clone()) {
            Ok(()) => {
                self.store = self.engine.open();
                self.places.get_mut().synchronize(None);
                true
            }
            Err(reason) => {
                eprintln!("skipped: {reason}");
                false
            }
        }
    }

    pub(super) fn submit(&self, operations: Vec<Operation>) -> Answer<Committed> {
        let operations = self.fill(operations);
        self.places.borrow_mut().follow(&operations, None);
        self.submit_filled(operations)
    }

    pub(super) fn try_commit(&self, operations: Vec<Operation>) -> Result<Committed, StoreError> {
        let operations = self.fill(operations);
        let committed = self.submit_filled(operations.clone()).wait()?;
        self.places.borrow_mut().follow(&operations, Some(committed.arrival_first));
        Ok(committed)
    }

    fn submit_filled(&self, operations: Vec<Operation>) -> Answer<Committed> {
        Answer::of(|done| self.store.commit(Batch::new(operations), done))
    }

    /// Puts the cursors of their messages into operations.
    fn fill(&self, operations: Vec<Operation>) -> Vec<Operation> {
        if !self.places.borrow().is_synchronous()
            && let Ok(committed) = self.submit_filled(Vec::new()).wait()
        {
            self.places.borrow_mut().synchronize(Some(committed.arrival_first));
        }
        self.places.borrow().fill(operations)
    }

    pub(super) fn commit(&self, operations: Vec<Operation>) -> Committed {
        let tried = operations.clone();
        self.try_commit(operations).unwrap_or_else(|error| panic!("{error} for {}", shorten(&tried)))
    }

    pub(super) fn rejected(&self, operations: Vec<Operation>) -> Rejection {
        let tried = operations.clone();
        match self.try_commit(operations) {
            Err(StoreError::Rejected(rejection)) => rejection,
            other => panic!("{other:?} instead of a rejection for {}", shorten(&tried)),
        }
    }

    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn message_id(&mut self) -> MessageId {
        MessageId(self.id())
    }

    pub(super) fn message_ids(&mut self, count: usize) -> Vec<MessageId> {
        (0..count).map(|_| self.message_id()).collect()
    }

    pub(super) fn create(&mut self, kind: DestinationKind, name: &str) -> DestinationId {
        let id = DestinationId(self.id());
        self.commit(vec![create(id, kind, name)]);
        id
    }

    pub(super) fn queue(&mut self, name: &str) -> DestinationId {
        self.create(DestinationKind::Queue, name)
    }

    pub(super) fn topic(&mut self, name: &str) -> DestinationId {
        self.create(DestinationKind::Topic, name)
    }

    pub(super) fn subscribe(&mut self, topic: DestinationId, name: &str) -> SubscriptionId {
        let id = SubscriptionId(self.id());
        self.commit(vec![Operation::Subscribe(subscription(id, topic, name))]);
        id
    }

    pub(super) fn try_read(&self, request: ReadRequest) -> Result<Page, StoreError> {
        Answer::of(|done| self.store.read(request, done)).wait()
    }

    pub(super) fn read(&self, request: ReadRequest) -> Page {
        self.try_read(request).unwrap_or_else(|error| panic!("{error} for {request:?}"))
    }

    /// The ids in a queue, in order.
    pub(super) fn in_queue(&self, queue: DestinationId) -> Vec<MessageId> {
        ids(&self.read(everything(queue, None)))
    }

    /// The ids that wait for a subscription, in order.
    pub(super) fn waiting(&self, topic: DestinationId, subscription: SubscriptionId) -> Vec<MessageId> {
        ids(&self.read(everything(topic, Some(subscription))))
    }

    pub(super) fn recover(&self) -> Recovered {
        Answer::of(|done| self.store.recover(done)).wait().expect("recovers")
    }

    /// How many messages a destination says it keeps.
    pub(super) fn kept(&self, destination: DestinationId) -> u64 {
        let recovered = self.recover();
        let found = recovered.destinations.iter().find(|state| state.destination.id == destination);
        found.expect("the destination exists").messages
    }

    pub(super) fn contents(&self) -> Contents {
        Contents::of(&*self.store, 50).expect("everything can be read")
    }
}

/// A request for all that waits.
pub(super) fn everything(destination: DestinationId, subscription: Option<SubscriptionId>) -> ReadRequest {
    ReadRequest { destination, subscription, after: None, messages_max: 1_000_000, bytes_max: usize::MAX }
}

pub(super) fn ids(page: &Page) -> Vec<MessageId> {
    page.messages.iter().map(|stored| stored.id).collect()
}

pub(super) fn cursors(page: &Page) -> Vec<Cursor> {
    page.messages.iter().map(|stored| stored.cursor).collect()
}

fn shorten(operations: &[Operation]) -> String {
    const SHOWN: usize = 400;
    format!("{operations:?}").chars().take(SHOWN).collect()
}
