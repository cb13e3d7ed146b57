//! What a writer knows without asking: what exists, counters, positions.
//!
//! Always what the database would say, plus what the open transaction has done. After a transaction came to
//! nothing it is read anew.

use std::collections::{BTreeMap, BTreeSet};

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::catalog::{Catalog, Rejection};
use kahawai_store::names::{BatchName, Cursor, DestinationId, MessageId, SubscriptionId, Xid};

/// What a writer knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) catalog: Catalog,
    pub(crate) next: Next,
    pub(crate) destinations: BTreeMap<DestinationId, Holds>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, Progress>,
    by_topic: BTreeSet<(DestinationId, SubscriptionId)>,
    /// What the open transaction must still write: whose counts or positions have changed.
    pub(crate) destinations_changed: BTreeSet<DestinationId>,
    pub(crate) subscriptions_changed: BTreeSet<SubscriptionId>,
}

/// The next numbers, and the name of the last batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Next {
    pub(crate) arrival: u64,
    pub(crate) message_id: u64,
    pub(crate) destination_id: u64,
    pub(crate) subscription_id: u64,
    /// None where no batch was named.
    pub(crate) batch_last: BatchName,
}

/// What a destination holds at this point of the transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holds {
    pub(crate) kind: DestinationKind,
    pub(crate) messages: u64,
}

/// How far a subscription is at this point of the transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) topic: DestinationId,
    pub(crate) position: u64,
    pub(crate) messages: u64,
}

/// What a database's small tables say: what [`Known`] is made of.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) next: Next,
    /// With the count of messages, in the order of ids.
    pub(crate) destinations: Vec<(Destination, u64)>,
    /// With position and count of messages, in the order of ids.
    pub(crate) subscriptions: Vec<(Subscription, u64, u64)>,
    /// Each chunk of each prepared transaction, in their order: which destinations it names.
    pub(crate) prepared: Vec<(Xid, Vec<DestinationId>)>,
}

impl Known {
    /// What these tables say.
    ///
    /// # Errors
    /// Where the tables contradict each other.
    pub(crate) fn of(tables: Tables) -> Result<Self, Rejection> {
        let mut known = Self { next: tables.next, ..Self::default() };
        let mut operations = Vec::<Operation>::new();
        for (destination, messages) in tables.destinations {
            let holds = Holds { kind: destination.kind, messages };
            known.destinations.insert(destination.id, holds);
            operations.push(Operation::CreateDestination(destination));
        }
        for (subscription, position, messages) in tables.subscriptions {
            let progress = Progress { topic: subscription.destination, position, messages };
            known.add_subscription(subscription.id, progress);
            operations.push(Operation::Subscribe(subscription));
        }
        for (xid, named) in tables.prepared {
            operations.push(naming(xid, &named));
        }
        known.catalog.admit(&operations)?;
        Ok(known)
    }

    /// Notes what a batch or a chunk of a transaction takes of the next numbers.
    pub(crate) fn take_arrival(&mut self) -> u64 {
        self.next.arrival += 1;
        self.next.arrival - 1
    }

    pub(crate) fn note_message_id(&mut self, id: MessageId) {
        self.next.message_id = self.next.message_id.max(id.0.saturating_add(1));
    }

    /// Notes a destination that came to be.
    pub(crate) fn add_destination(&mut self, id: DestinationId, kind: DestinationKind) {
        self.destinations.insert(id, Holds { kind, messages: 0 });
        self.next.destination_id = self.next.destination_id.max(id.0.saturating_add(1));
    }

    /// Notes a subscription that came to be; gives the position it begins at.
    pub(crate) fn begin_subscription(&mut self, subscription: &Subscription) -> u64 {
        let position = self.next.arrival;
        let progress = Progress { topic: subscription.destination, position, messages: 0 };
        self.add_subscription(subscription.id, progress);
        let next = &mut self.next.subscription_id;
        *next = (*next).max(subscription.id.0.saturating_add(1));
        position
    }

    /// Changes how many messages a destination keeps.
    pub(crate) fn count(&mut self, destination: DestinationId, change: i64) {
        if let Some(holds) = self.destinations.get_mut(&destination) {
            holds.messages = holds.messages.saturating_add_signed(change);
            self.destinations_changed.insert(destination);
        }
    }

    /// Changes how many messages wait for a subscription.
    pub(crate) fn count_for(&mut self, subscription: SubscriptionId, change: i64) {
        if let Some(progress) = self.subscriptions.get_mut(&subscription) {
            progress.messages = progress.messages.saturating_add_signed(change);
            self.subscriptions_changed.insert(subscription);
        }
    }

    pub(crate) fn remove_subscription(&mut self, id: SubscriptionId) {
        if let Some(progress) = self.subscriptions.remove(&id) {
            self.by_topic.remove(&(progress.topic, id));
        }
    }

    /// The subscriptions of a topic at this point of the transaction.
    pub(crate) fn subscriptions_of(&self, topic: DestinationId) -> Vec<SubscriptionId> {
        let of_topic = (topic, SubscriptionId(0))..=(topic, SubscriptionId(u64::MAX));
        self.by_topic.range(of_topic).map(|(_, id)| *id).collect()
    }

    /// Notes that a message arrives for all subscriptions of a topic or for its queue. Gives how many subscriptions wait for it (0 on a
    /// queue); `None` where it is not kept.
    pub(crate) fn welcome(&mut self, destination: DestinationId) -> Option<u64> {
        match self.destinations.get(&destination)?.kind {
            DestinationKind::Queue => Some(0),
            DestinationKind::Topic => {
                let subscriptions = self.subscriptions_of(destination);
                for subscription in &subscriptions {
                    self.count_for(*subscription, 1);
                }
                (!subscriptions.is_empty()).then_some(subscriptions.len() as u64)
            }
        }
    }

    fn add_subscription(&mut self, id: SubscriptionId, progress: Progress) {
        self.by_topic.insert((progress.topic, id));
        self.subscriptions.insert(id, progress);
    }
}

/// The destinations that operations of a prepared transaction name.
pub(crate) fn named<M>(operations: &[Operation<M>]) -> Vec<DestinationId> {
    let named = operations.iter().flat_map(|operation| match operation {
        Operation::Enqueue { destination, .. } | Operation::Acknowledge { destination, .. } => {
            vec![*destination]
        }
        Operation::Move { from, to, .. } => vec![*from, *to],
        _ => vec![],
    });
    named.collect()
}

/// A preparation that names these destinations and passes the catalogue's rules whatever was created since.
fn naming(xid: Xid, named: &[DestinationId]) -> Operation {
    let operations = named.iter().map(|destination| Operation::Acknowledge {
        destination: *destination,
        id: MessageId(0),
        cursor: Cursor { rank: 0, arrival: 0 },
        subscription: None,
    });
    Operation::Prepare { xid, operations: operations.collect() }
}
