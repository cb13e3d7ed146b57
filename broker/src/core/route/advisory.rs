//! Advisories: what the broker announces on topics of its own, for those who listen. None is built if nobody does.

use std::sync::Arc;

use bytestring::ByteString;

use crate::core::address::{ADVISORY_PREFIX, Address, destination_topic};
use crate::core::effects::{Advisory, Payload};
use crate::core::keys::{ConnectionKey, ConsumerKey};
use crate::core::state::Core;
use crate::core::state::backlog::Pending;
use crate::core::state::connection::Producer;
use crate::core::state::durable::DurableName;

impl Core {
    /// Whether somebody listens on an advisory topic.
    pub(crate) fn has_listeners(&self, topic: &str) -> bool {
        let address = Address::topic(ByteString::from(topic));
        match self.directory.find(&address).and_then(|key| self.directory.get(key)) {
            Some(destination) => !destination.subscribers.is_empty(),
            None => self.directory.watchers_of(&address).next().is_some(),
        }
    }

    /// Announces something on a topic, to all or to one.
    pub(crate) fn announce(&mut self, topic: &str, advisory: Advisory, only: Option<ConsumerKey>) {
        let address = Address::topic(ByteString::from(topic));
        // A name that is nearly too long leaves no room for what is put before it here.
        let Ok(key) = self.destination(&address) else { return };
        let Some(destination) = self.directory.get(key) else {
            debug_assert!(false, "it was just found or made");
            return;
        };
        let subscribers = destination.subscribers.clone();
        let destination = Arc::clone(&destination.address);
        let id = self.ids.transient();
        let payload = Payload::Advisory(Arc::new(advisory));
        for consumer in subscribers.into_iter().filter(|consumer| only.is_none_or(|only| only == *consumer)) {
            let pending = Pending { id, destination: Arc::clone(&destination), payload: payload.clone() };
            self.add_pending(consumer, pending, None);
        }
    }

    pub(crate) fn announce_consumer(&mut self, key: ConsumerKey, begins: bool) {
        // It may have gone before the store had its subscription.
        let Some(consumer) = self.consumers.get(&key) else { return };
        let address = consumer.spec.address.clone();
        for part in address.parts().into_iter().filter(|part| !part.is_advisory()) {
            self.announce_consumer_on(key, &part, begins, None);
        }
    }

    fn announce_consumer_on(
        &mut self,
        key: ConsumerKey,
        part: &Address,
        begins: bool,
        only: Option<ConsumerKey>,
    ) {
        let topic = consumer_topic(part);
        if !self.has_listeners(&topic) {
            return;
        }
        let count = self.consumer_count(part);
        let Some(consumer) = self.consumers.get(&key) else {
            debug_assert!(false, "who is announced is there");
            return;
        };
        let client_id =
            self.connections.get(&consumer.connection).map(|connection| connection.spec.client_id.clone());
        let spec = Arc::new(consumer.spec.clone());
        let client_id = client_id.unwrap_or_default();
        self.announce(&topic, Advisory::Consumer { spec, client_id, count, begins }, only);
        if !begins && !part.is_pattern() && !self.directory.has(part) {
            self.drop_advisory_topic(topic);
        }
    }

    /// A durable subscription ends for good: a bridge elsewhere that subscribed for it hears that it need not go on.
    pub(crate) fn announce_unsubscribed(&mut self, name: &DurableName, address: &Address) {
        for part in address.parts().into_iter().filter(|part| !part.is_advisory()) {
            let topic = consumer_topic(&part);
            if !self.has_listeners(&topic) {
                continue;
            }
            let (client_id, subscription) = name.clone();
            let count = self.consumer_count(&part);
            self.announce(&topic, Advisory::Unsubscribed { client_id, subscription, count }, None);
        }
    }

    fn consumer_count(&self, address: &Address) -> usize {
        let count = |key| {
            let Some(destination) = self.directory.get(key) else {
                debug_assert!(false, "it was found a moment ago");
                return 0;
            };
            let sources = destination.queue.iter().chain(&destination.durables);
            // Whom the store keeps a topic for is among its subscribers too.
            let sources = sources.filter_map(|key| self.sources.get(key)).filter(|source| !source.kept);
            let of_sources: usize = sources.map(|source| source.consumers.len()).sum();
            of_sources + destination.subscribers.len()
        };
        if address.is_pattern() {
            return self.directory.matching(address).into_iter().map(count).sum();
        }
        self.directory.find(address).map_or(0, count)
    }

    pub(crate) fn announce_producer(
        &mut self,
        _connection: ConnectionKey,
        name: &ByteString,
        producer: &Producer,
        begins: bool,
    ) {
        // Who names a destination with each message is not announced.
        let Some(address) = &producer.address else { return };
        for part in address.parts().into_iter().filter(|part| !part.is_advisory()) {
            self.count_producer(&part, begins);
            self.announce_producer_on(name, part, begins, None);
        }
    }

    fn announce_producer_on(
        &mut self,
        name: &ByteString,
        address: Address,
        begins: bool,
        only: Option<ConsumerKey>,
    ) {
        let topic = producer_topic(&address);
        if !self.has_listeners(&topic) {
            return;
        }
        let count = self.producer_counts.get(&address).copied().unwrap_or(0);
        let gone = !begins && !address.is_pattern() && !self.directory.has(&address);
        let advisory = Advisory::Producer { name: name.clone(), address, count, begins };
        self.announce(&topic, advisory, only);
        if gone {
            self.drop_advisory_topic(topic);
        }
    }

    fn count_producer(&mut self, address: &Address, begins: bool) {
        if begins {
            self.is_used(address);
            *self.producer_counts.entry(address.clone()).or_default() += 1;
        } else if let Some(count) = self.producer_counts.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                self.producer_counts.remove(address);
            }
        }
    }

    /// A destination is gone, and what was announced about its consumers and producers was announced.
    pub(crate) fn drop_advisory_topics(&mut self, address: &Address) {
        if !address.is_advisory() {
            self.drop_advisory_topic(consumer_topic(address));
            self.drop_advisory_topic(producer_topic(address));
        }
    }

    /// Forgets a topic that listeners of patterns alone had made necessary: destinations come and go without end.
    fn drop_advisory_topic(&mut self, topic: String) {
        let Some(key) = self.directory.find(&Address::topic(topic)) else { return };
        let needed = self.directory.get(key).is_none_or(|topic| {
            !topic.durables.is_empty() || topic.subscribers.iter().any(|key| !self.directory.watches(*key))
        });
        if !needed {
            self.drop_destination(key);
        }
    }

    /// Tells a new listener what was announced before it came.
    pub(crate) fn replay_advisories(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.consumers.get(&key) else {
            debug_assert!(false, "a listener has just begun");
            return;
        };
        let parts = consumer.spec.address.parts();
        let listens = |topic: &str| {
            let topic = Address::topic(ByteString::from(topic));
            parts.iter().any(|part| *part == topic || part.is_pattern() && part.matches(&topic))
        };
        if listens("ActiveMQ.Advisory.Connection") {
            let specs: Vec<_> = self.connections.values().map(|connection| connection.spec.clone()).collect();
            for spec in specs {
                self.announce(
                    "ActiveMQ.Advisory.Connection",
                    Advisory::Connection { spec, begins: true },
                    Some(key),
                );
            }
        }
        let destinations: Vec<_> = self
            .directory
            .iter()
            .filter(|(_, found)| !found.address.is_advisory() && listens(destination_topic(&found.address)))
            .map(|(key, found)| (key, destination_topic(&found.address)))
            .collect();
        for (destination, topic) in destinations {
            if let Some(advisory) = self.destination_advisory(destination, true) {
                self.announce(topic, advisory, Some(key));
            }
        }
        if parts.iter().any(|part| part.name.starts_with("ActiveMQ.Advisory.Consumer.")) {
            let mut found = Vec::new();
            for (other, consumer) in &self.consumers {
                for part in consumer.spec.address.parts() {
                    if !part.is_advisory() && listens(&consumer_topic(&part)) {
                        found.push((*other, part));
                    }
                }
            }
            found.sort();
            for (other, part) in found {
                self.announce_consumer_on(other, &part, true, Some(key));
            }
        }
        if parts.iter().any(|part| part.name.starts_with("ActiveMQ.Advisory.Producer.")) {
            let mut found = Vec::new();
            for connection in self.connections.values() {
                for (name, producer) in &connection.producers {
                    for part in producer.address.iter().flat_map(Address::parts) {
                        if !part.is_advisory() && listens(&producer_topic(&part)) {
                            found.push((name.clone(), part));
                        }
                    }
                }
            }
            found.sort();
            for (name, part) in found {
                self.announce_producer_on(&name, part, true, Some(key));
            }
        }
    }
}

fn consumer_topic(address: &Address) -> String {
    let kind = if address.kind.is_queue() { "Queue" } else { "Topic" };
    format!("{ADVISORY_PREFIX}Consumer.{kind}.{}", address.name)
}

fn producer_topic(address: &Address) -> String {
    let kind = if address.kind.is_queue() { "Queue" } else { "Topic" };
    format!("{ADVISORY_PREFIX}Producer.{kind}.{}", address.name)
}
