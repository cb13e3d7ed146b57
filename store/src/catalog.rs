//! The small state every engine must know before it accepts a batch: what exists.
//!
//! Plain and synchronous: [`Catalog::admit`] says whether a batch keeps the contract's rules and, if it does,
//! takes note of what it creates and removes. Its size grows with destinations, subscriptions and prepared
//! transactions, never with messages.

use std::collections::{BTreeMap, HashMap};

use bytestring::ByteString;
use thiserror::Error;

use crate::batch::{Destination, DestinationKind, Operation, Subscription};
use crate::names::{BatchName, DestinationId, SubscriptionId, Xid};

/// Which rule of the contract a batch or a request breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A destination's id is in use.
    #[error("destination id {0} is in use")]
    DestinationIdInUse(DestinationId),
    /// A destination's name is in use among its kind.
    #[error("{kind:?} '{name}' exists")]
    DestinationExists {
        /// Queue or topic.
        kind: DestinationKind,
        /// The name.
        name: ByteString,
    },
    /// There is no such destination.
    #[error("there is no destination {0}")]
    NoDestination(DestinationId),
    /// The destination is not of the kind that the operation needs.
    #[error("destination {destination} is no {needed:?}")]
    WrongKind {
        /// The destination.
        destination: DestinationId,
        /// What it would have to be.
        needed: DestinationKind,
    },
    /// A prepared transaction still names the destination.
    #[error("prepared transaction {xid} names destination {destination}")]
    DestinationPrepared {
        /// The destination.
        destination: DestinationId,
        /// One such transaction.
        xid: Xid,
    },
    /// A subscription's id is in use.
    #[error("subscription id {0} is in use")]
    SubscriptionIdInUse(SubscriptionId),
    /// A subscription of this client id and name exists on the destination.
    #[error("subscription '{name}' of client '{client_id}' exists on destination {destination}")]
    SubscriptionExists {
        /// The client id.
        client_id: ByteString,
        /// The subscription's name.
        name: ByteString,
        /// The topic.
        destination: DestinationId,
    },
    /// There is no such subscription (there, for a request that names both).
    #[error("there is no subscription {0}")]
    NoSubscription(SubscriptionId),
    /// The transaction is not prepared.
    #[error("there is no prepared transaction {0}")]
    NotPrepared(Xid),
    /// The operation cannot be part of a prepared transaction.
    #[error("{0} cannot be prepared")]
    CannotPrepare(&'static str),
    /// A copied batch does not follow on the last one.
    #[error(
        "batch {name} with arrivals from {arrival_first} does not follow on batch {last} with arrivals below {arrival_next}"
    )]
    OutOfOrder {
        /// Its name.
        name: BatchName,
        /// Where its arrivals begin.
        arrival_first: u64,
        /// The name of the last batch.
        last: BatchName,
        /// The arrival number to come.
        arrival_next: u64,
    },
    /// The batch is larger than the engine takes.
    #[error("batch of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The engine's limit.
        limit: usize,
    },
}

/// What exists: destinations, subscriptions, prepared transactions.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    destinations: BTreeMap<DestinationId, Destination>,
    by_name: HashMap<(DestinationKind, ByteString), DestinationId>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    by_identity: HashMap<(ByteString, ByteString, DestinationId), SubscriptionId>,
    by_topic: HashMap<DestinationId, Vec<SubscriptionId>>,
    /// For each prepared transaction, the destinations its operations name, each once.
    prepared: BTreeMap<Xid, Vec<DestinationId>>,
}

/// How to take back one step of an admission.
enum Undo {
    Destination(DestinationId),
    DestinationRemoved(Destination),
    Subscription(SubscriptionId),
    SubscriptionRemoved(Subscription),
    Prepared(Xid, Option<Vec<DestinationId>>),
}

impl Catalog {
    /// Takes note of a batch's operations, in order, or of none of them.
    ///
    /// # Errors
    /// The first rule broken. The catalog is then as it was.
    pub fn admit<M>(&mut self, operations: &[Operation<M>]) -> Result<(), Rejection> {
        let mut undo = Vec::new();
        for operation in operations {
            if let Err(rejection) = self.admit_one(operation, &mut undo) {
                for step in undo.into_iter().rev() {
                    self.take_back(step);
                }
                return Err(rejection);
            }
        }
        Ok(())
    }

    /// The destination with this id.
    pub fn destination(&self, id: DestinationId) -> Option<&Destination> {
        self.destinations.get(&id)
    }

    /// The destinations in the order of their ids.
    pub fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.values()
    }

    /// The subscription with this id.
    pub fn subscription(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.get(&id)
    }

    /// The subscriptions in the order of their ids.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    /// The subscriptions of a topic, in the order of their ids.
    pub fn subscriptions_of(&self, topic: DestinationId) -> &[SubscriptionId] {
        self.by_topic.get(&topic).map_or(&[], Vec::as_slice)
    }

    /// Whether a transaction is prepared.
    pub fn is_prepared(&self, xid: &Xid) -> bool {
        self.prepared.contains_key(xid)
    }

    /// Checks what a read names.
    ///
    /// # Errors
    /// Where the destination or the subscription does not exist, do not belong together, or a topic is read
    /// without a subscription.
    pub fn check_read(
        &self,
        destination: DestinationId,
        subscription: Option<SubscriptionId>,
    ) -> Result<(), Rejection> {
        let found = self.destinations.get(&destination).ok_or(Rejection::NoDestination(destination))?;
        match (found.kind, subscription) {
            (DestinationKind::Queue, None) => Ok(()),
            (DestinationKind::Queue, Some(_)) => {
                Err(Rejection::WrongKind { destination, needed: DestinationKind::Topic })
            }
            (DestinationKind::Topic, None) => {
                Err(Rejection::WrongKind { destination, needed: DestinationKind::Queue })
            }
            (DestinationKind::Topic, Some(id)) => match self.subscriptions.get(&id) {
                Some(subscription) if subscription.destination == destination => Ok(()),
                _ => Err(Rejection::NoSubscription(id)),
            },
        }
    }

    fn admit_one<M>(&mut self, operation: &Operation<M>, undo: &mut Vec<Undo>) -> Result<(), Rejection> {
        match operation {
            Operation::CreateDestination(destination) => {
                self.create(destination)?;
                undo.push(Undo::Destination(destination.id));
            }
            Operation::RemoveDestination(id) => self.remove(*id, undo)?,
            Operation::Subscribe(subscription) => {
                self.subscribe(subscription)?;
                undo.push(Undo::Subscription(subscription.id));
            }
            Operation::Unsubscribe(id) => {
                let removed = self.forget_subscription(*id).ok_or(Rejection::NoSubscription(*id))?;
                undo.push(Undo::SubscriptionRemoved(removed));
            }
            Operation::Enqueue { .. } | Operation::Move { .. } => self.check_targets(operation)?,
            Operation::Acknowledge { .. } | Operation::Put { .. } => {}
            Operation::Prepare { xid, operations } => {
                for operation in operations {
                    check_preparable(operation)?;
                    self.check_targets(operation)?;
                }
                let before = self.prepared.get(xid).cloned();
                undo.push(Undo::Prepared(xid.clone(), before));
                let named = self.prepared.entry(xid.clone()).or_default();
                for destination in operations.iter().flat_map(destinations_named) {
                    if !named.contains(&destination) {
                        named.push(destination);
                    }
                }
            }
            Operation::Decide { xid, .. } => {
                let named = self.prepared.remove(xid).ok_or_else(|| Rejection::NotPrepared(xid.clone()))?;
                undo.push(Undo::Prepared(xid.clone(), Some(named)));
            }
        }
        Ok(())
    }

    fn create(&mut self, destination: &Destination) -> Result<(), Rejection> {
        if self.destinations.contains_key(&destination.id) {
            return Err(Rejection::DestinationIdInUse(destination.id));
        }
        let name = (destination.kind, destination.name.clone());
        if self.by_name.contains_key(&name) {
            return Err(Rejection::DestinationExists { kind: name.0, name: name.1 });
        }
        self.by_name.insert(name, destination.id);
        self.destinations.insert(destination.id, destination.clone());
        Ok(())
    }

    fn remove(&mut self, id: DestinationId, undo: &mut Vec<Undo>) -> Result<(), Rejection> {
        if !self.destinations.contains_key(&id) {
            return Err(Rejection::NoDestination(id));
        }
        if let Some((xid, _)) = self.prepared.iter().find(|(_, named)| named.contains(&id)) {
            return Err(Rejection::DestinationPrepared { destination: id, xid: xid.clone() });
        }
        for subscription in self.subscriptions_of(id).to_vec() {
            if let Some(removed) = self.forget_subscription(subscription) {
                undo.push(Undo::SubscriptionRemoved(removed));
            }
        }
        if let Some(removed) = self.forget_destination(id) {
            undo.push(Undo::DestinationRemoved(removed));
        }
        Ok(())
    }

    fn subscribe(&mut self, subscription: &Subscription) -> Result<(), Rejection> {
        if self.subscriptions.contains_key(&subscription.id) {
            return Err(Rejection::SubscriptionIdInUse(subscription.id));
        }
        let destination = subscription.destination;
        self.check_kind(destination, DestinationKind::Topic)?;
        let identity = (subscription.client_id.clone(), subscription.name.clone(), destination);
        if self.by_identity.contains_key(&identity) {
            let (client_id, name, destination) = identity;
            return Err(Rejection::SubscriptionExists { client_id, name, destination });
        }
        self.by_identity.insert(identity, subscription.id);
        self.note_of_topic(destination, subscription.id);
        self.subscriptions.insert(subscription.id, subscription.clone());
        Ok(())
    }

    /// Keeps a topic's subscriptions in the order of their ids, so that what is taken back is as it was.
    fn note_of_topic(&mut self, topic: DestinationId, id: SubscriptionId) {
        let of_topic = self.by_topic.entry(topic).or_default();
        let place = of_topic.partition_point(|other| *other < id);
        of_topic.insert(place, id);
    }

    fn check_targets<M>(&self, operation: &Operation<M>) -> Result<(), Rejection> {
        match operation {
            Operation::Enqueue { destination, .. } if !self.destinations.contains_key(destination) => {
                Err(Rejection::NoDestination(*destination))
            }
            Operation::Move { from, to, .. } => {
                self.check_kind(*to, DestinationKind::Queue)?;
                match self.destinations.get(from) {
                    Some(from) if from.kind != DestinationKind::Queue => {
                        Err(Rejection::WrongKind { destination: from.id, needed: DestinationKind::Queue })
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn check_kind(&self, id: DestinationId, needed: DestinationKind) -> Result<(), Rejection> {
        match self.destinations.get(&id) {
            None => Err(Rejection::NoDestination(id)),
            Some(found) if found.kind != needed => Err(Rejection::WrongKind { destination: id, needed }),
            Some(_) => Ok(()),
        }
    }

    fn forget_destination(&mut self, id: DestinationId) -> Option<Destination> {
        let removed = self.destinations.remove(&id)?;
        self.by_name.remove(&(removed.kind, removed.name.clone()));
        self.by_topic.remove(&id);
        Some(removed)
    }

    fn forget_subscription(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let removed = self.subscriptions.remove(&id)?;
        self.by_identity.remove(&(removed.client_id.clone(), removed.name.clone(), removed.destination));
        if let Some(of_topic) = self.by_topic.get_mut(&removed.destination) {
            of_topic.retain(|other| *other != id);
        }
        Some(removed)
    }

    fn take_back(&mut self, step: Undo) {
        match step {
            Undo::Destination(id) => {
                self.forget_destination(id);
            }
            Undo::DestinationRemoved(destination) => {
                self.by_name.insert((destination.kind, destination.name.clone()), destination.id);
                self.destinations.insert(destination.id, destination);
            }
            Undo::Subscription(id) => {
                self.forget_subscription(id);
            }
            Undo::SubscriptionRemoved(subscription) => {
                let identity =
                    (subscription.client_id.clone(), subscription.name.clone(), subscription.destination);
                self.by_identity.insert(identity, subscription.id);
                self.note_of_topic(subscription.destination, subscription.id);
                self.subscriptions.insert(subscription.id, subscription);
            }
            Undo::Prepared(xid, Some(named)) => {
                self.prepared.insert(xid, named);
            }
            Undo::Prepared(xid, None) => {
                self.prepared.remove(&xid);
            }
        }
    }
}

fn check_preparable<M>(operation: &Operation<M>) -> Result<(), Rejection> {
    Err(Rejection::CannotPrepare(match operation {
        Operation::Enqueue { .. }
        | Operation::Acknowledge { .. }
        | Operation::Move { .. }
        | Operation::Put { .. } => return Ok(()),
        Operation::CreateDestination(_) => "the creation of a destination",
        Operation::RemoveDestination(_) => "the removal of a destination",
        Operation::Subscribe(_) => "a new subscription",
        Operation::Unsubscribe(_) => "the removal of a subscription",
        Operation::Prepare { .. } => "a prepared transaction",
        Operation::Decide { .. } => "a decision",
    }))
}

fn destinations_named<M>(operation: &Operation<M>) -> impl Iterator<Item = DestinationId> {
    let (first, second) = match operation {
        Operation::Enqueue { destination, .. } | Operation::Acknowledge { destination, .. } => {
            (Some(*destination), None)
        }
        Operation::Move { from, to, .. } => (Some(*from), Some(*to)),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}
