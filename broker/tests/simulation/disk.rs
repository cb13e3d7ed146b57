//! What outlives a broker's process: its store, by the book.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kahawai_store::batch::{Batch, DestinationKind, Operation};
use kahawai_store::contract::{Committed, Limits, Page, ReadRequest, Recovered, StoreError};
use kahawai_store::message::Message;
use kahawai_store::model::State;
use kahawai_store::names::Epoch;

/// What the store takes.
pub(crate) const LIMITS: Limits = Limits { batch_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    state: State,
    epoch: u64,
    is_full: bool,
    was_full: bool,
}

/// Messages that wait at one place of a store.
pub(crate) struct Waiting {
    pub(crate) kind: DestinationKind,
    pub(crate) destination: String,
    /// The client id and the name of the subscription, on a topic.
    pub(crate) subscription: Option<(String, String)>,
    pub(crate) messages: Vec<Arc<Message>>,
}

impl Disk {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new process opens it: its epoch, and what is there.
    pub(crate) fn open(&self) -> (u64, Recovered) {
        let mut kept = self.kept();
        kept.epoch += 1;
        (kept.epoch, kept.state.recover(Epoch(kept.epoch)))
    }

    /// It has no room for more, or has again.
    pub(crate) fn fill(&self, is_full: bool) {
        let mut kept = self.kept();
        kept.is_full = is_full;
        kept.was_full |= is_full;
    }

    pub(crate) fn apply(&self, batch: Batch) -> Result<Committed, StoreError> {
        let mut kept = self.kept();
        LIMITS.check(&batch.operations).expect("no batch is too large");
        let adds = batch.operations.iter().any(|operation| {
            matches!(
                operation,
                Operation::Enqueue { .. }
                    | Operation::Prepare { .. }
                    | Operation::CreateDestination(_)
                    | Operation::Subscribe(_)
            )
        });
        if kept.is_full && adds {
            return Err(StoreError::Full("so it is".into()));
        }
        let result = kept.state.apply(batch).map_err(StoreError::Rejected);
        // What follows a creation that was refused may name what is not there.
        assert!(result.is_ok() || kept.was_full, "a batch breaks the rules: {result:?}");
        result
    }

    pub(crate) fn read(&self, request: &ReadRequest) -> Result<Page, StoreError> {
        self.kept().state.read(request).map_err(StoreError::Rejected)
    }

    /// All that waits there.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let kept = self.kept();
        let recovered = kept.state.recover(Epoch(kept.epoch));
        let mut all = Vec::new();
        let read = |destination, subscription| {
            let request = ReadRequest {
                destination,
                subscription,
                after: None,
                messages_max: usize::MAX,
                bytes_max: usize::MAX,
            };
            let page = kept.state.read(&request).expect("it is there");
            page.messages.into_iter().map(|stored| stored.message).collect::<Vec<_>>()
        };
        for found in &recovered.destinations {
            let destination = &found.destination;
            if destination.kind == DestinationKind::Queue {
                all.push(Waiting {
                    kind: destination.kind,
                    destination: destination.name.to_string(),
                    subscription: None,
                    messages: read(destination.id, None),
                });
            }
        }
        for found in &recovered.subscriptions {
            let subscription = &found.subscription;
            let topic =
                recovered.destinations.iter().find(|one| one.destination.id == subscription.destination);
            all.push(Waiting {
                kind: DestinationKind::Topic,
                destination: topic.map_or_else(String::new, |one| one.destination.name.to_string()),
                subscription: Some((subscription.client_id.to_string(), subscription.name.to_string())),
                messages: read(subscription.destination, Some(subscription.id)),
            });
        }
        all
    }
}
