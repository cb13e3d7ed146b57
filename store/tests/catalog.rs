//! The catalogue admits what a naive model of its rules admits, and nothing of a batch that it rejects.

use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::batch::{Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::catalog::{Catalog, Rejection};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};
use proptest::collection::vec;
use proptest::prelude::*;

/// The rules over plain lists, copied before each batch.
#[derive(Clone, Debug, Default, PartialEq)]
struct Naive {
    destinations: Vec<Destination>,
    subscriptions: Vec<Subscription>,
    prepared: Vec<(Xid, Vec<DestinationId>)>,
}

impl Naive {
    fn admit(&mut self, batch: &[Operation]) -> bool {
        let mut tried = self.clone();
        let admitted = batch.iter().all(|operation| tried.admit_one(operation));
        if admitted {
            *self = tried;
        }
        admitted
    }

    fn kind(&self, id: DestinationId) -> Option<DestinationKind> {
        self.destinations.iter().find(|other| other.id == id).map(|found| found.kind)
    }

    fn may_send(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Enqueue { destination, .. } => self.kind(*destination).is_some(),
            Operation::Move { from, to, .. } => {
                self.kind(*to) == Some(DestinationKind::Queue)
                    && self.kind(*from) != Some(DestinationKind::Topic)
            }
            _ => true,
        }
    }

    fn admit_one(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::CreateDestination(new) => {
                let taken =
                    |old: &Destination| old.id == new.id || (old.kind, &old.name) == (new.kind, &new.name);
                let free = !self.destinations.iter().any(taken);
                self.destinations.push(new.clone());
                free
            }
            Operation::RemoveDestination(id) => {
                let exists = self.kind(*id).is_some();
                self.destinations.retain(|other| other.id != *id);
                self.subscriptions.retain(|other| other.destination != *id);
                exists && !self.prepared.iter().any(|(_, named)| named.contains(id))
            }
            Operation::Subscribe(new) => {
                let identity = |of: &Subscription| (of.client_id.clone(), of.name.clone(), of.destination);
                let taken = |old: &Subscription| old.id == new.id || identity(old) == identity(new);
                let free = !self.subscriptions.iter().any(taken);
                self.subscriptions.push(new.clone());
                free && self.kind(new.destination) == Some(DestinationKind::Topic)
            }
            Operation::Unsubscribe(id) => {
                let before = self.subscriptions.len();
                self.subscriptions.retain(|other| other.id != *id);
                self.subscriptions.len() < before
            }
            Operation::Prepare { xid, operations } => {
                let named = operations.iter().flat_map(|operation| match operation {
                    Operation::Enqueue { destination, .. } | Operation::Acknowledge { destination, .. } => {
                        vec![*destination]
                    }
                    Operation::Move { from, to, .. } => vec![*from, *to],
                    _ => vec![],
                });
                self.prepared.push((xid.clone(), named.collect()));
                operations.iter().all(|operation| {
                    let preparable = matches!(
                        operation,
                        Operation::Enqueue { .. }
                            | Operation::Acknowledge { .. }
                            | Operation::Move { .. }
                            | Operation::Put { .. }
                    );
                    preparable && self.may_send(operation)
                })
            }
            Operation::Decide { xid, .. } => {
                let before = self.prepared.len();
                self.prepared.retain(|(other, _)| other != xid);
                self.prepared.len() < before
            }
            operation => self.may_send(operation),
        }
    }
}

/// Everything a catalogue tells.
#[derive(Debug, PartialEq)]
struct Told {
    destinations: Vec<Destination>,
    subscriptions: Vec<Subscription>,
    of_topics: Vec<Vec<SubscriptionId>>,
    prepared: Vec<bool>,
    reads: Vec<Result<(), Rejection>>,
}

fn told(catalog: &Catalog) -> Told {
    let pairs =
        || IDS.flat_map(|id| std::iter::once(None).chain(IDS.map(Some)).map(move |other| (id, other)));
    Told {
        destinations: catalog.destinations().cloned().collect(),
        subscriptions: catalog.subscriptions().cloned().collect(),
        of_topics: IDS.map(|id| catalog.subscriptions_of(DestinationId(id)).to_vec()).collect(),
        prepared: IDS.map(|id| catalog.is_prepared(&xid(id))).collect(),
        reads: pairs()
            .map(|(id, other)| catalog.check_read(DestinationId(id), other.map(SubscriptionId)))
            .collect(),
    }
}

/// What the catalogue should tell after the naive model admitted the same.
fn expected(naive: &Naive) -> Told {
    let mut destinations = naive.destinations.clone();
    destinations.sort_by_key(|destination| destination.id);
    let mut subscriptions = naive.subscriptions.clone();
    subscriptions.sort_by_key(|subscription| subscription.id);
    let of_topic = |id| {
        let of_topic =
            subscriptions.iter().filter(|subscription| subscription.destination == DestinationId(id));
        of_topic.map(|subscription| subscription.id).collect()
    };
    let read = |id, other: Option<u64>| {
        let destination = DestinationId(id);
        let wrong = |needed| Err(Rejection::WrongKind { destination, needed });
        match (naive.kind(destination), other.map(SubscriptionId)) {
            (None, _) => Err(Rejection::NoDestination(destination)),
            (Some(DestinationKind::Queue), None) => Ok(()),
            (Some(DestinationKind::Queue), Some(_)) => wrong(DestinationKind::Topic),
            (Some(DestinationKind::Topic), None) => wrong(DestinationKind::Queue),
            (Some(DestinationKind::Topic), Some(other)) => {
                let found = subscriptions.iter().any(|one| (one.id, one.destination) == (other, destination));
                if found { Ok(()) } else { Err(Rejection::NoSubscription(other)) }
            }
        }
    };
    Told {
        of_topics: IDS.map(of_topic).collect(),
        prepared: IDS.map(|id| naive.prepared.iter().any(|(other, _)| *other == xid(id))).collect(),
        reads: IDS
            .flat_map(|id| std::iter::once(None).chain(IDS.map(Some)).map(move |other| (id, other)))
            .map(|(id, other)| read(id, other))
            .collect(),
        destinations,
        subscriptions,
    }
}

/// Few of everything, so that operations meet.
const IDS: std::ops::Range<u64> = 0..5;

fn xid(number: u64) -> Xid {
    Xid { format: 1, global: Bytes::from(vec![number as u8]), branch: Bytes::new() }
}

fn id() -> impl Strategy<Value = u64> + Clone {
    IDS
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")]
}

fn preparable() -> impl Strategy<Value = Operation> {
    prop_oneof![
        id().prop_map(|id| Operation::Enqueue {
            id: MessageId(1),
            destination: DestinationId(id),
            rank: 0,
            message: Arc::new(Message::default())
        }),
        id().prop_map(|id| Operation::Acknowledge {
            destination: DestinationId(id),
            id: MessageId(1),
            cursor: Cursor { rank: 0, arrival: 1 },
            subscription: None
        }),
        (id(), id()).prop_map(|(from, to)| Operation::Move {
            id: MessageId(1),
            from: DestinationId(from),
            cursor: Cursor { rank: 0, arrival: 1 },
            to: DestinationId(to),
            rank: 0
        }),
        Just(Operation::Put { table: "table".into(), key: Bytes::new(), value: None }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let create = (id(), any::<bool>(), name()).prop_map(|(id, queue, name)| {
        let kind = if queue { DestinationKind::Queue } else { DestinationKind::Topic };
        Operation::CreateDestination(Destination { id: DestinationId(id), kind, name: name.into() })
    });
    let subscribe = (id(), id(), name()).prop_map(|(id, topic, name)| {
        Operation::Subscribe(Subscription {
            id: SubscriptionId(id),
            destination: DestinationId(topic),
            client_id: "client".into(),
            name: name.into(),
            selector: None,
            no_local: false,
        })
    });
    let remove = id().prop_map(|id| Operation::RemoveDestination(DestinationId(id)));
    let unsubscribe = id().prop_map(|id| Operation::Unsubscribe(SubscriptionId(id)));
    let decide = id().prop_map(|id| Operation::Decide { xid: xid(id), outcome: Outcome::Commit });
    let inner = prop_oneof![12 => preparable(), 1 => remove.clone(), 1 => decide.clone()];
    let prepare =
        (id(), vec(inner, 0..3)).prop_map(|(id, operations)| Operation::Prepare { xid: xid(id), operations });
    prop_oneof![6 => create, 1 => remove, 6 => subscribe, 2 => unsubscribe, 3 => preparable(), 2 => prepare, 2 => decide]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn admits_as_the_naive_model_and_all_or_nothing(batches in vec(vec(operation(), 1..5), 1..25)) {
        let mut catalog = Catalog::default();
        let mut naive = Naive::default();
        for batch in &batches {
            let before = told(&catalog);
            let admitted = catalog.admit(batch);
            prop_assert_eq!(admitted.is_ok(), naive.admit(batch), "{:?} for {:?}", admitted, batch);
            if admitted.is_err() {
                prop_assert_eq!(&told(&catalog), &before);
            }
            prop_assert_eq!(told(&catalog), expected(&naive));
        }
    }
}
