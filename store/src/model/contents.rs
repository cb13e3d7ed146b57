//! Everything of a store that can be observed.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::DestinationKind;
use crate::contract::{
    DestinationState, Prepared, ReadRequest, Recovered, Store, StoreError, StoreWait, StoredMessage,
    SubscriptionState, TableEntry,
};
use crate::names::{DestinationId, MessageId, SubscriptionId};

/// Everything a store holds that can be observed through `recover` and `read`: two stores with equal contents
/// cannot be told apart, but for their epochs and the next ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The destinations.
    pub destinations: Vec<DestinationState>,
    /// The subscriptions.
    pub subscriptions: Vec<SubscriptionState>,
    /// The prepared transactions; what each acknowledges in ascending order, each once.
    pub prepared: Vec<Prepared>,
    /// The tables.
    pub tables: Vec<TableEntry>,
    /// The messages of every queue and every subscription.
    pub waiting: Vec<Waiting>,
}

/// The messages that wait in a queue or for a subscription, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The queue or topic.
    pub destination: DestinationId,
    /// The subscription, on a topic.
    pub subscription: Option<SubscriptionId>,
    /// The messages.
    pub messages: Vec<StoredMessage>,
    /// Those among them that cannot be read.
    pub damaged: Vec<MessageId>,
}

impl Contents {
    /// Looks at everything, while nothing is committed; pages hold at most `page_messages`.
    ///
    /// # Errors
    /// The first that the store gives.
    pub fn of(store: &dyn Store, page_messages: usize) -> Result<Self, StoreError> {
        let Recovered { destinations, subscriptions, mut prepared, tables, .. } = store.recover_wait()?;
        for transaction in &mut prepared {
            transaction.acknowledges.sort_unstable();
            transaction.acknowledges.dedup();
        }
        let queues = destinations
            .iter()
            .filter(|state| state.destination.kind == DestinationKind::Queue)
            .map(|state| (state.destination.id, None));
        let subscribed =
            subscriptions.iter().map(|state| (state.subscription.destination, Some(state.subscription.id)));
        let waiting = queues
            .chain(subscribed)
            .map(|(destination, subscription)| read_all(store, destination, subscription, page_messages))
            .collect::<Result<_, StoreError>>()?;
        Ok(Self { destinations, subscriptions, prepared, tables, waiting })
    }

    /// The same with arrivals counted 0, 1, 2 … over all that is there: two engines that counted differently but
    /// keep the same order become equal.
    pub fn in_order(mut self) -> Self {
        let arrivals =
            self.messages().map(|stored| stored.cursor.arrival).collect::<BTreeSet<_>>().into_iter();
        let places = arrivals.zip(0..).collect::<BTreeMap<u64, u64>>();
        for stored in self.waiting.iter_mut().flat_map(|waiting| &mut waiting.messages) {
            stored.cursor.arrival = places[&stored.cursor.arrival];
        }
        self
    }

    fn messages(&self) -> impl Iterator<Item = &StoredMessage> {
        self.waiting.iter().flat_map(|waiting| &waiting.messages)
    }
}

fn read_all(
    store: &dyn Store,
    destination: DestinationId,
    subscription: Option<SubscriptionId>,
    page_messages: usize,
) -> Result<Waiting, StoreError> {
    let mut waiting = Waiting { destination, subscription, messages: Vec::new(), damaged: Vec::new() };
    let mut after = None;
    loop {
        let request = ReadRequest {
            destination,
            subscription,
            after,
            messages_max: page_messages.max(1),
            bytes_max: usize::MAX,
        };
        let page = store.read_wait(request)?;
        let last = page.cursor_last();
        // An engine that goes no further without telling the end would be asked for ever.
        let done = page.end || last <= after;
        waiting.messages.extend(page.messages);
        waiting.damaged.extend(page.damaged.into_iter().map(|(id, _)| id));
        if done {
            return Ok(waiting);
        }
        after = last;
    }
}
