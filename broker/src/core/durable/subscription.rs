//! Durable subscriptions: a client id and a name, with one store subscription for each topic it is on.

use bytestring::ByteString;
use kahawai_store::batch::{Operation, Subscription};
use kahawai_store::names::SubscriptionId;

use crate::core::address::{Address, AddressKind};
use crate::core::dispatch::filter::Filter;
use crate::core::dispatch::window::Window;
use crate::core::entries::{durable_key, durable_value};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, ConsumerKey, DestinationKey, RequestId, SourceKey};
use crate::core::spec::{ConsumerSpec, LastDelivered};
use crate::core::state::Core;
use crate::core::state::durable::{Durable, DurableName};
use crate::core::state::said::Subject;
use crate::core::state::source::Source;
use crate::core::state::turn::Completed;

/// The table of durable subscriptions as their clients asked for them: a pattern may match no topic yet.
pub(crate) const DURABLES: ByteString = ByteString::from_static("durables");

impl Core {
    pub(crate) fn begin_durable(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        spec: ConsumerSpec,
        filter: Filter,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let client_id = self.connection_mut(connection)?.spec.client_id.clone();
        let subscription = spec.subscription.clone().unwrap_or_default();
        self.check_name("subscription name", &subscription)?;
        let name = (client_id, subscription);
        let parts = self.checked_parts(&spec.address)?;
        if parts.iter().any(|part| part.kind != AddressKind::Topic || part.is_advisory()) {
            let message = format!("Cannot create a durable subscription for {}", spec.address);
            return Err(Failure::new(FailureKind::InvalidDestination, message));
        }
        if let Some(known) = self.durables.get(&name) {
            if known.consumer.is_some() {
                let message = format!(
                    "Durable consumer is in use for client: {} and subscriptionName: {}",
                    name.0, name.1
                );
                return Err(Failure::new(FailureKind::General, message));
            }
            let same = known.address == spec.address && known.no_local == spec.no_local;
            if !same || known.selector != spec.selector {
                self.drop_durable(&name);
            }
        }
        let new = !self.durables.contains_key(&name);
        let limit = self.limits.durables_max;
        if new && self.durables.len() >= limit {
            let message = format!(
                "no more durable subscriptions: there are {limit}; remove some or raise durables_max"
            );
            self.say(Subject::Destinations, || message.clone());
            return Err(Failure::new(FailureKind::ResourceAllocation, message));
        }
        if new {
            self.make_durable(&name, &spec);
        }
        let passed = spec.passed();
        self.insert_consumer(connection, key, spec, filter);
        let Some(durable) = self.durables.get_mut(&name) else {
            debug_assert!(false, "it is known or was just made");
            return Ok(());
        };
        durable.consumer = Some(key);
        let has_moved = durable.passed != passed;
        durable.passed = passed;
        let sources = durable.parts.clone();
        if let Some(consumer) = self.consumers.get_mut(&key) {
            consumer.sources.clone_from(&sources);
        }
        for source in sources {
            self.attach_source(key, source);
        }
        if new {
            self.put_durable(&name, Completed::Subscribed { connection, request, consumer: Some(key) });
        } else {
            if has_moved {
                self.put_durable(&name, Completed::Nothing);
            }
            self.answer(connection, request, Ok(()));
            self.announce_consumer(key, true);
        }
        Ok(())
    }

    /// A bridge says anew by which way the demand came that a subscription is for.
    pub(crate) fn durable_moves(&mut self, consumer: ConsumerKey) {
        let Some(found) = self.consumers.get(&consumer) else { return };
        let Some(connection) = self.connections.get(&found.connection) else { return };
        let Some(subscription) = found.spec.subscription.clone() else { return };
        let (name, passed) = ((connection.spec.client_id.clone(), subscription), found.spec.passed());
        if let Some(durable) = self.durables.get_mut(&name) {
            durable.passed = passed;
            self.put_durable(&name, Completed::Nothing);
        }
    }

    /// Writes what the store has of one.
    fn put_durable(&mut self, name: &DurableName, then: Completed) {
        let value = self.durables.get(name).map(durable_value);
        self.submit(vec![Operation::Put { table: DURABLES, key: durable_key(name), value }], then);
    }

    /// The durable subscriptions, each with its consumer if it has one.
    pub(crate) fn durable_subscriptions(
        &self,
    ) -> impl Iterator<Item = (&DurableName, &Durable, Option<&ConsumerSpec>)> {
        self.durables.iter().map(|(name, durable)| {
            let consumer = durable.consumer.and_then(|key| self.consumers.get(&key));
            (name, durable, consumer.map(|consumer| &consumer.spec))
        })
    }

    fn make_durable(&mut self, name: &DurableName, spec: &ConsumerSpec) {
        let address = spec.address.clone();
        let durable = Durable {
            address: address.clone(),
            no_local: spec.no_local,
            selector: spec.selector.clone(),
            passed: spec.passed(),
            parts: Vec::new(),
            consumer: None,
        };
        self.durables.insert(name.clone(), durable);
        for part in address.parts() {
            let topics = if part.is_pattern() {
                self.directory.matching(&part)
            } else {
                self.destination(&part).into_iter().collect()
            };
            for topic in topics {
                self.add_part(name, topic);
            }
        }
    }

    /// A subscription gets one more topic.
    fn add_part(&mut self, name: &DurableName, topic: DestinationKey) {
        let advisory = self.directory.get(topic).is_none_or(|topic| topic.address.is_advisory());
        if advisory {
            return;
        }
        let Some(destination) = self.stored_destination(topic) else {
            debug_assert!(false, "a topic that a subscription gets is there");
            return;
        };
        let Some(durable) = self.durables.get(name) else {
            debug_assert!(false, "a subscription that gets a topic is there");
            return;
        };
        let id = self.ids.subscription();
        let subscription = Subscription {
            id,
            destination,
            client_id: name.0.clone(),
            name: name.1.clone(),
            selector: durable.selector.clone(),
            no_local: durable.no_local,
        };
        let consumer = durable.consumer;
        let source = self.put_part(name, topic, (destination, id), Window::default());
        self.submit(vec![Operation::Subscribe(subscription)], Completed::Part { name: name.clone(), source });
        if let Some(consumer) = consumer {
            if let Some(consumer) = self.consumers.get_mut(&consumer) {
                consumer.sources.push(source);
            }
            self.attach_source(consumer, source);
        }
    }

    pub(crate) fn put_part(
        &mut self,
        name: &DurableName,
        topic: DestinationKey,
        stored: (kahawai_store::names::DestinationId, SubscriptionId),
        window: Window,
    ) -> SourceKey {
        let source = SourceKey(self.ids.key());
        let policy = self.policy_of(topic);
        self.sources.insert(source, Source::new(topic, policy, Some(stored), window));
        if let Some(topic) = self.directory.get_mut(topic) {
            topic.durables.push(source);
        }
        if let Some(durable) = self.durables.get_mut(name) {
            durable.parts.push(source);
        }
        source
    }

    /// A topic has come to be: subscriptions to patterns that match get it.
    pub(crate) fn extend_durables(&mut self, topic: DestinationKey, address: &Address) {
        let matches = |durable: &Durable| {
            durable.address.parts().iter().any(|part| part.is_pattern() && part.matches(address))
        };
        let names: Vec<_> = self
            .durables
            .iter()
            .filter(|(_, durable)| matches(durable))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.add_part(&name, topic);
        }
    }

    /// The store did not take a part of a subscription.
    pub(crate) fn part_refused(&mut self, name: &DurableName, source: SourceKey) {
        if let Some(durable) = self.durables.get_mut(name) {
            durable.parts.retain(|other| *other != source);
        }
        self.forget_part(source);
    }

    /// The store did not take a new subscription: its consumer goes, and so does it.
    pub(crate) fn durable_refused(&mut self, consumer: ConsumerKey) {
        // It may have gone before the store answered.
        let Some((connection, name)) = self
            .consumers
            .get(&consumer)
            .and_then(|consumer| Some((consumer.connection, consumer.spec.subscription.clone()?)))
        else {
            return;
        };
        let Some(client_id) = self.connections.get(&connection).map(|found| found.spec.client_id.clone())
        else {
            debug_assert!(false, "a consumer has a connection");
            return;
        };
        self.drop_consumer(consumer, LastDelivered::Nothing);
        self.drop_durable(&(client_id, name));
    }

    /// A subscription's consumer is gone; what waits is in the store, and need not be in memory.
    pub(crate) fn durable_closed(
        &mut self,
        connection: ConnectionKey,
        consumer: ConsumerKey,
        subscription: &ByteString,
    ) {
        let Some(client_id) = self.connections.get(&connection).map(|found| found.spec.client_id.clone())
        else {
            debug_assert!(false, "a consumer has a connection");
            return;
        };
        let Some(durable) = self.durables.get_mut(&(client_id, subscription.clone())) else {
            debug_assert!(false, "a subscription is there for as long as it has a consumer");
            return;
        };
        if durable.consumer != Some(consumer) {
            return;
        }
        durable.consumer = None;
        for source in durable.parts.clone() {
            if let Some(source) = self.sources.get_mut(&source) {
                source.window.change(&mut self.memory).shrink();
            }
        }
    }

    /// A client ends its subscription for good. Answered when that is durable.
    pub fn unsubscribe(
        &mut self,
        connection: ConnectionKey,
        subscription: &ByteString,
        request: Option<RequestId>,
    ) {
        let client_id = match self.connection_mut(connection) {
            Ok(connection) => connection.spec.client_id.clone(),
            Err(failure) => return self.answer(connection, request, Err(failure)),
        };
        let name = (client_id, subscription.clone());
        let failure = match self.durables.get(&name) {
            Some(durable) if durable.consumer.is_none() => {
                let address = durable.address.clone();
                self.drop_durable(&name);
                self.announce_unsubscribed(&name, &address);
                self.submit(Vec::new(), Completed::Answer { connection, request });
                return;
            }
            Some(_) => Failure::new(FailureKind::General, "Durable consumer is in use"),
            None => Failure::new(
                FailureKind::InvalidDestination,
                format!(
                    "No durable subscription exists for clientID: {} and subscriptionName: {}",
                    name.0, name.1
                ),
            ),
        };
        self.answer(connection, request, Err(failure));
    }

    fn drop_durable(&mut self, name: &DurableName) {
        let Some(durable) = self.durables.remove(name) else {
            debug_assert!(false, "only what is there is dropped");
            return;
        };
        let mut operations = Vec::new();
        for source in durable.parts {
            operations.extend(self.forget_part(source).map(Operation::Unsubscribe));
        }
        operations.push(Operation::Put { table: DURABLES, key: durable_key(name), value: None });
        self.submit(operations, Completed::Nothing);
    }

    pub(crate) fn forget_part(&mut self, source: SourceKey) -> Option<SubscriptionId> {
        let removed = self.sources.remove(&source)?;
        removed.window.end(&mut self.memory);
        if let Some(topic) = self.directory.get_mut(removed.destination) {
            topic.durables.retain(|other| *other != source);
        }
        for consumer in removed.consumers {
            if let Some(consumer) = self.consumers.get_mut(&consumer) {
                consumer.sources.retain(|other| *other != source);
            }
        }
        removed.subscription
    }
}
