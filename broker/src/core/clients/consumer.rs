//! Consumers: credit, what was dispatched to them, and where it goes when they close.

use std::sync::Arc;

use super::hand::Hand;
use super::hand_out::hand_out;
use crate::core::dispatch::filter::Filter;
use crate::core::dispatch::window::Waiting;
use crate::core::effects::{Delivery, Event};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, ConsumerKey, RequestId};
use crate::core::spec::{ConsumerSpec, LastDelivered, NetworkDemand};
use crate::core::state::Core;
use crate::core::state::backlog::Backlog;
use crate::core::state::consumer::{Browser, Consumer, Slow};
use crate::core::state::dispatched::Dispatched;
use crate::core::timers::Kind;

impl Core {
    /// A key for a consumer that is about to be added.
    pub fn new_consumer_key(&mut self) -> ConsumerKey {
        ConsumerKey(self.ids.key())
    }

    /// A consumer begins. The answer may come later, as an event.
    pub fn add_consumer(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        spec: ConsumerSpec,
        request: Option<RequestId>,
    ) {
        if let Err(failure) = self.begin_consumer(connection, key, spec, request) {
            self.effects.events.push((connection, Event::ConsumerGone(key)));
            self.answer(connection, request, Err(failure));
        }
    }

    fn begin_consumer(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        spec: ConsumerSpec,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        self.check_name("consumer id", &spec.name)?;
        self.check_network(spec.network.as_deref())?;
        let filter = {
            let limit = self.limits.consumers_per_connection_max;
            let connection = self.connection_mut(connection)?;
            if connection.consumers.len() >= limit {
                let message = format!("Can't add consumer on connection: at maximum limit: {limit}");
                return Err(Failure::new(FailureKind::IllegalState, message));
            }
            let own = spec.no_local.then(|| connection.spec.name.clone());
            Filter::new(spec.selector.as_deref(), own, spec.leaves_out.clone())?
        };
        let parts = self.checked_parts(&spec.address)?.into_owned();
        for part in parts.iter().filter(|part| part.kind.is_temporary()) {
            let is_bridge = spec.network.as_ref().is_some_and(|network| network.subscription);
            self.check_temporary(part, connection, is_bridge)?;
        }
        if spec.subscription.is_some() {
            return self.begin_durable(connection, key, spec, filter, request);
        }
        let announced = !spec.address.is_advisory();
        for part in parts.iter().filter(|part| !part.is_pattern()) {
            // First, so that a consumer that is refused was never there.
            self.destination(part)?;
        }
        self.insert_consumer(connection, key, spec, filter);
        self.directory.watch(key, &parts);
        for part in &parts {
            if part.is_pattern() {
                let matching: Vec<_> = self.directory.matching(part);
                for destination in matching {
                    self.attach(key, destination);
                }
            } else {
                let destination = self.destination(part)?;
                self.attach(key, destination);
            }
        }
        self.answer(connection, request, Ok(()));
        if announced {
            self.announce_consumer(key, true);
        } else {
            self.replay_advisories(key);
        }
        self.begin_browsing(key);
        self.consumer_has_room(key);
        Ok(())
    }

    /// A bridge's consumer that is there says anew for whom it stands: whoever listens for consumers hears of it again. Nothing else of it changes.
    pub fn change_demand(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        network: Option<Arc<NetworkDemand>>,
        request: Option<RequestId>,
    ) {
        let result = self.try_change_demand(key, network);
        self.answer(connection, request, result);
    }

    fn try_change_demand(
        &mut self,
        key: ConsumerKey,
        network: Option<Arc<NetworkDemand>>,
    ) -> Result<(), Failure> {
        self.check_network(network.as_deref())?;
        let is_bridge = |network: &Option<Arc<NetworkDemand>>| {
            network.as_ref().is_some_and(|network| network.subscription)
        };
        let Some(consumer) = self.consumers.get_mut(&key) else { return Ok(()) };
        // Clients say again what they have said, after a fail-over.
        let is_news = is_bridge(&consumer.spec.network) && consumer.spec.network != network;
        if is_news && is_bridge(&network) {
            consumer.spec.network = network;
            self.durable_moves(key);
            let Some(consumer) = self.consumers.get(&key) else { return Ok(()) };
            if !consumer.spec.address.is_advisory() {
                self.announce_consumer(key, true);
            }
        }
        Ok(())
    }

    /// What a consumer says of those it stands for is kept as long as it lives: it must be little.
    fn check_network(&self, network: Option<&NetworkDemand>) -> Result<(), Failure> {
        let Some(network) = network else { return Ok(()) };
        let limit = self.limits.network_names_max;
        let named = network.names().count();
        if named > limit {
            let message =
                format!("a consumer names {named} brokers and consumers it stands for: at most {limit}");
            return Err(Failure::new(FailureKind::IllegalState, message));
        }
        network.names().try_for_each(|name| self.check_name("broker or consumer id", name))
    }

    pub(crate) fn insert_consumer(
        &mut self,
        connection: ConnectionKey,
        key: ConsumerKey,
        spec: ConsumerSpec,
        filter: Filter,
    ) {
        let policy = self.policies.of(&spec.address);
        let prefetch = policy.prefetch.of(&spec, spec.prefetch);
        let limit = policy.pending_message_limit;
        let pending_messages_max = limit.and_then(|limit| limit.of(prefetch, spec.pending_messages_max));
        let consumer = Consumer {
            connection,
            policy: Arc::clone(policy),
            filter,
            hand: Hand::new(prefetch as usize),
            sources: Vec::new(),
            topics: Vec::new(),
            backlog: Backlog::default(),
            pending_messages_max,
            dropped: 0,
            slow: Slow::default(),
            kept: Vec::new(),
            keep_refused_until: i64::MIN,
            browser: spec.browser.then(Browser::default),
            spec,
        };
        let asked = consumer.spec.prefetch;
        self.consumers.insert(key, consumer);
        self.tell_prefetch(connection, key, asked, prefetch);
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.consumers.insert(key);
        }
    }

    /// A consumer that did not mean to ask for each message does so from now on: it has to know.
    fn tell_prefetch(&mut self, connection: ConnectionKey, consumer: ConsumerKey, asked: u32, prefetch: u32) {
        if asked != 0 && prefetch == 0 {
            self.effects.events.push((connection, Event::Prefetch { consumer, prefetch }));
        }
    }

    /// A consumer ends; what it has and has not acknowledged waits again.
    pub fn remove_consumer(&mut self, key: ConsumerKey, last: LastDelivered) {
        self.drop_consumer(key, last);
    }

    pub(crate) fn drop_consumer(&mut self, key: ConsumerKey, last: LastDelivered) {
        self.drop_overflow(key);
        let announced = self.consumers.get(&key).is_some_and(|consumer| !consumer.spec.address.is_advisory());
        let exclusive = self.consumers.get(&key).is_some_and(|consumer| consumer.spec.exclusive);
        for source_key in
            self.consumers.get(&key).map(|consumer| consumer.sources.clone()).unwrap_or_default()
        {
            if let Some(source) = self.sources.get_mut(&source_key) {
                let before = source.consumers.len();
                source.consumers.retain(|other| *other != key);
                source.exclusives -= if exclusive { before - source.consumers.len() } else { 0 };
                source.next = 0;
                // It may have stood before others, who were not asked.
                source.refusers.clear();
            }
            self.touch(source_key);
        }
        for topic in self.consumers.get(&key).map(|consumer| consumer.topics.clone()).unwrap_or_default() {
            if let Some(topic) = self.directory.get_mut(topic) {
                topic.subscribers.retain(|other| *other != key);
            }
        }
        self.directory.unwatch(key);
        if announced {
            self.announce_consumer(key, false);
        }
        self.release_senders(key);
        // Its client closes it, and does not know yet that the broker has.
        let Some(mut consumer) = self.consumers.remove(&key) else { return };
        if let Some(connection) = self.connections.get_mut(&consumer.connection) {
            connection.consumers.remove(&key);
        }
        self.effects.events.push((consumer.connection, Event::ConsumerGone(key)));
        if let Some(deadline) = consumer.hand.end_pull() {
            self.timers.clear(Kind::Pull, deadline, key);
        }
        for entry in consumer.hand.close(last) {
            self.give_back(entry);
        }
        if let Some(subscription) = &consumer.spec.subscription {
            self.durable_closed(consumer.connection, key, subscription);
        }
    }

    /// A message that was dispatched waits again in its source.
    pub(crate) fn give_back(&mut self, entry: Dispatched) {
        // Topics and browsers take nothing back.
        let Some(key) = entry.source else { return };
        // Its queue may have been removed since, with everything in it.
        let Some(source) = self.sources.get_mut(&key) else { return };
        let Dispatched { id, position, redeliveries, stored, .. } = entry;
        match entry.message {
            Some(message) => {
                if message.header.expiration > 0 {
                    source.expires_from = source.expires_from.min(message.header.expiration);
                }
                source.window.change(&mut self.memory).give_back(Waiting {
                    id,
                    position,
                    message,
                    redeliveries,
                    stored,
                });
            }
            None => {
                source.window.change(&mut self.memory).give_back_unseen(id, position, redeliveries);
                source.expires_from = i64::MIN;
            }
        }
        self.touch(key);
    }

    /// How many messages a consumer takes before it acknowledges some, from now on.
    pub fn set_prefetch(&mut self, key: ConsumerKey, prefetch: u32) {
        if let Some(consumer) = self.consumers.get_mut(&key) {
            let asked = prefetch;
            let prefetch = consumer.policy.prefetch.of(&consumer.spec, asked);
            consumer.hand.set_prefetch(prefetch as usize);
            let connection = consumer.connection;
            self.tell_prefetch(connection, key, asked, prefetch);
            self.consumer_has_room(key);
        }
    }

    /// A consumer without prefetch asks for one message: at once or not at all (`None`), or within `timeout`
    /// milliseconds (0 for however long it takes).
    pub fn pull(&mut self, key: ConsumerKey, timeout: Option<u64>) {
        let now = self.now;
        // It may have been ended by the broker, or not be one that asks.
        let Some(consumer) = self.consumers.get_mut(&key).filter(|consumer| consumer.hand.asks_for_each())
        else {
            return;
        };
        let deadline = match timeout {
            None => Some(now),
            Some(0) => None,
            Some(timeout) => Some(now.saturating_add_unsigned(timeout)),
        };
        if let Some(before) = consumer.hand.pull(deadline) {
            self.timers.clear(Kind::Pull, before, key);
        }
        if let Some(deadline) = deadline {
            self.timers.set(Kind::Pull, deadline, key);
        }
        self.consumer_has_room(key);
    }

    /// Ends the pulls whose time has come, unless a page that is being read may still bring something.
    pub(crate) fn end_pulls(&mut self) {
        if !self.timers.has_due_pull(self.now) {
            return;
        }
        // Those that wait for a page stay.
        let due: Vec<_> = self.timers.due(Kind::Pull, self.now).collect();
        for (deadline, key) in due {
            let Some(consumer) = self.consumers.get_mut(&key) else {
                debug_assert!(false, "a pull of a consumer that is gone");
                continue;
            };
            debug_assert!(consumer.hand.has_pull_until(deadline), "a pull that has ended");
            let sources = &self.sources;
            let reading = |source| sources.get(source).is_some_and(|source| source.window.is_reading());
            let may_come = match &consumer.browser {
                Some(browser) => browser.is_reading(),
                None => consumer.sources.iter().any(reading),
            };
            if may_come {
                continue;
            }
            consumer.hand.end_pull();
            self.timers.clear(Kind::Pull, deadline, key);
            let delivery = Delivery::nothing(key, &consumer.spec.address);
            self.effects.events.push((consumer.connection, Event::Deliver(delivery)));
        }
    }

    /// A consumer may have got room for more: look at everything it consumes.
    pub(crate) fn consumer_has_room(&mut self, key: ConsumerKey) {
        // It may have gone while a transaction was under way.
        let Some(consumer) = self.consumers.get(&key) else { return };
        if !consumer.backlog.is_empty() {
            self.deliver_pending(key);
        }
        let Some(consumer) = self.consumers.get(&key) else {
            debug_assert!(false, "nobody goes because of what is delivered to it");
            return;
        };
        if consumer.browser.is_some() {
            self.browse(key);
            return;
        }
        for index in 0..consumer.sources.len() {
            let Some(source) = self.consumers.get(&key).and_then(|consumer| consumer.sources.get(index))
            else {
                debug_assert!(false, "nothing is attached or detached here");
                return;
            };
            self.touch(*source);
        }
    }

    /// Delivers what waits for a topic's subscriber, as far as its credit goes.
    pub(crate) fn deliver_pending(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "who has something waiting is there");
            return;
        };
        let Some(connection) = self.connections.get_mut(&consumer.connection) else {
            debug_assert!(false, "a consumer has a connection");
            return;
        };
        while consumer.hand.has_credit() && !connection.is_congested(self.limits.outbox_bytes_max) {
            let Some((pending, bytes)) = consumer.backlog.pop() else { break };
            let entry = Dispatched::passing(pending.id);
            let delivery = Delivery {
                consumer: key,
                id: pending.id,
                destination: pending.destination,
                payload: pending.payload,
                redeliveries: 0,
            };
            hand_out(&mut self.effects, &mut self.timers, connection, consumer, entry, delivery, bytes);
        }
        if consumer.backlog.is_empty() {
            for kept in consumer.kept.clone() {
                self.touch(kept.source);
            }
        }
        self.catch_up(key);
    }
}
