//! Destinations: what exists, how it comes to be, how it goes.

use std::sync::Arc;

use bytestring::ByteString;

use kahawai_store::batch::{Destination as StoredDestination, Operation};
use kahawai_store::names::DestinationId;

use crate::core::address::{Address, DEAD_LETTER_QUEUE, destination_topic};
use crate::core::dispatch::window::Window;
use crate::core::effects::{Advisory, Event};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, ConsumerKey, DestinationKey, RequestId, SourceKey};
use crate::core::policy::Policy;
use crate::core::spec::LastDelivered;
use crate::core::state::Core;
use crate::core::state::destination::Destination;
use crate::core::state::said::Subject;
use crate::core::state::source::Source;
use crate::core::state::turn::Completed;

impl Core {
    /// The destination with this plain name, which is made if it does not exist.
    pub(crate) fn destination(&mut self, address: &Address) -> Result<DestinationKey, Failure> {
        if let Some(key) = self.directory.find(address) {
            return Ok(key);
        }
        if address.kind.is_temporary() {
            return Err(Failure::new(FailureKind::NoDestination, address.to_string()));
        }
        self.check_name("destination", &address.name)?;
        if address.name.is_empty() {
            return Err(Failure::new(FailureKind::InvalidDestination, "a destination needs a name"));
        }
        // What the broker makes for itself, it bounds itself.
        if !address.is_advisory() && &*address.name != DEAD_LETTER_QUEUE {
            self.check_destinations()?;
        }
        Ok(self.make_destination(address.clone(), None))
    }

    /// Whether one more may be made.
    fn check_destinations(&mut self) -> Result<(), Failure> {
        let limit = self.limits.destinations_max;
        if self.directory.len() < limit {
            return Ok(());
        }
        let message =
            format!("no more destinations: there are {limit}; remove some or raise destinations_max");
        self.say(Subject::Destinations, || message.clone());
        Err(Failure::new(FailureKind::ResourceAllocation, message))
    }

    pub(crate) fn make_destination(
        &mut self,
        address: Address,
        owner: Option<ConnectionKey>,
    ) -> DestinationKey {
        let key = self.put_destination(address, owner, None, Window::default());
        self.destination_begins(key);
        key
    }

    fn destination_begins(&mut self, key: DestinationKey) {
        self.announce_destination(key, true);
        self.join_patterns(key);
    }

    pub(crate) fn put_destination(
        &mut self,
        address: Address,
        owner: Option<ConnectionKey>,
        stored: Option<DestinationId>,
        window: Window,
    ) -> DestinationKey {
        let key = DestinationKey(self.ids.key());
        let policy = Arc::clone(self.policies.of(&address));
        let queue = address.kind.is_queue().then(|| {
            let source = SourceKey(self.ids.key());
            self.sources.insert(source, Source::new(key, Arc::clone(&policy), None, window));
            source
        });
        if let Some(id) = stored {
            self.levels.note(id, policy.journal_disk_sync_strategy);
        }
        let destination = Destination {
            address: Arc::new(address),
            policy,
            unused_since: None,
            owner,
            passed: None,
            stored,
            queue,
            subscribers: Vec::new(),
            durables: Vec::new(),
            under_way: 0,
        };
        self.directory.insert(key, destination);
        key
    }

    /// The policy of a destination that is there.
    pub(crate) fn policy_of(&self, key: DestinationKey) -> Arc<Policy> {
        let destination = self.directory.get(key);
        debug_assert!(destination.is_some(), "the policy of what is not there");
        destination.map(|destination| Arc::clone(&destination.policy)).unwrap_or_default()
    }

    /// Consumers of patterns, durable ones too, get a destination that has just come to be.
    fn join_patterns(&mut self, key: DestinationKey) {
        let Some(address) = self.directory.get(key).map(|destination| Arc::clone(&destination.address))
        else {
            debug_assert!(false, "it has just come to be");
            return;
        };
        let consumers: Vec<_> = self.directory.watchers_of(&address).collect();
        for consumer in consumers {
            self.attach(consumer, key);
        }
        self.extend_durables(key, &address);
    }

    /// A consumer gets a destination's messages.
    pub(crate) fn attach(&mut self, key: ConsumerKey, destination: DestinationKey) {
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "a consumer that is attached is there");
            return;
        };
        let Some(destination_state) = self.directory.get_mut(destination) else {
            debug_assert!(false, "what a consumer is attached to is there");
            return;
        };
        destination_state.unused_since = None;
        match destination_state.queue {
            Some(source) => {
                if consumer.sources.contains(&source) {
                    return;
                }
                consumer.sources.push(source);
                if consumer.browser.is_none() {
                    self.attach_source(key, source);
                }
            }
            None => {
                if !destination_state.subscribers.contains(&key) {
                    destination_state.subscribers.push(key);
                    consumer.topics.push(destination);
                }
            }
        }
    }

    pub(crate) fn attach_source(&mut self, key: ConsumerKey, source_key: SourceKey) {
        let consumers = &self.consumers;
        let priority = |key: &ConsumerKey| consumers.get(key).map_or(0, |consumer| consumer.spec.priority);
        let own = priority(&key);
        let exclusive = consumers.get(&key).is_some_and(|consumer| consumer.spec.exclusive);
        if let Some(source) = self.sources.get_mut(&source_key) {
            source.exclusives += usize::from(exclusive);
            let place = source.consumers.iter().position(|other| priority(other) < own);
            source.consumers.insert(place.unwrap_or(source.consumers.len()), key);
        }
        self.touch(source_key);
    }

    /// The destination's name in the store, where it is made if it is not there. What is given to the store after this
    /// call may name it.
    pub(crate) fn stored_destination(&mut self, key: DestinationKey) -> Option<DestinationId> {
        let destination = self.directory.get_mut(key)?;
        if destination.stored.is_some() {
            return destination.stored;
        }
        let id = self.ids.destination();
        destination.stored = Some(id);
        self.levels.note(id, destination.policy.journal_disk_sync_strategy);
        let kind = destination.address.kind.stored();
        let name = destination.address.name.clone();
        if let Some(source) = destination.queue.and_then(|source| self.sources.get_mut(&source)) {
            source.stored = Some(id);
        }
        let create = Operation::CreateDestination(StoredDestination { id, kind, name });
        self.submit(vec![create], Completed::Created { destination: key, id });
        Some(id)
    }

    /// The store could not make a destination after all.
    pub(crate) fn destination_not_stored(&mut self, key: DestinationKey, id: DestinationId) {
        if let Some(destination) = self.directory.get_mut(key).filter(|found| found.stored == Some(id)) {
            destination.stored = None;
            self.levels.forget(id);
            if let Some(source) = destination.queue.and_then(|source| self.sources.get_mut(&source)) {
                source.stored = None;
            }
        }
    }

    /// Makes a destination that is to be there though nobody has used it yet, in the store too. It is no other than those that clients make:
    /// they may remove it, and its policy may let it go.
    ///
    /// # Errors
    /// Where its name is none that can be made, or there are as many as may be.
    pub fn make_at_start(&mut self, address: &Address) -> Result<(), Failure> {
        let is_single = !address.is_pattern() && !address.is_composite();
        debug_assert!(is_single, "{address} is no destination by itself");
        if is_single {
            let destination = self.destination(address)?;
            self.stored_destination(destination);
        }
        Ok(())
    }

    /// A client makes a destination; a temporary one is its own.
    pub fn add_destination(
        &mut self,
        connection: ConnectionKey,
        address: &Address,
        request: Option<RequestId>,
    ) {
        let result = self.try_add_destination(connection, address, None);
        self.answer(connection, request, result);
    }

    /// The same of one that a bridge makes for a client elsewhere, of which it has heard by these brokers.
    pub fn add_destination_from(
        &mut self,
        connection: ConnectionKey,
        address: &Address,
        passed: Arc<[ByteString]>,
        request: Option<RequestId>,
    ) {
        let result = self.check_passed(&passed);
        let result = result.and_then(|()| self.try_add_destination(connection, address, Some(passed)));
        self.answer(connection, request, result);
    }

    fn check_passed(&self, passed: &[ByteString]) -> Result<(), Failure> {
        let (named, limit) = (passed.len(), self.limits.network_names_max);
        if named > limit {
            let message =
                format!("a destination names {named} brokers that it was heard of by: at most {limit}");
            return Err(Failure::new(FailureKind::IllegalState, message));
        }
        passed.iter().try_for_each(|name| self.check_name("broker id", name))
    }

    fn try_add_destination(
        &mut self,
        key: ConnectionKey,
        address: &Address,
        passed: Option<Arc<[ByteString]>>,
    ) -> Result<(), Failure> {
        self.connection_mut(key)?;
        for address in self.checked_parts(address)?.iter() {
            if address.is_pattern() {
                continue;
            }
            if !address.kind.is_temporary() {
                let destination = self.destination(address)?;
                self.stored_destination(destination);
                continue;
            }
            if let Some(known) = self.directory.find(address) {
                self.check_owner(known, key)?;
                continue;
            }
            self.check_destinations()?;
            let destination = self.put_destination(address.clone(), Some(key), None, Window::default());
            if let Some(made) = self.directory.get_mut(destination) {
                made.passed.clone_from(&passed);
            }
            self.destination_begins(destination);
            self.connection_mut(key)?.temporaries.push(destination);
        }
        Ok(())
    }

    fn check_owner(&self, destination: DestinationKey, client: ConnectionKey) -> Result<(), Failure> {
        match self.directory.get(destination) {
            Some(found) if found.owner.is_some_and(|owner| owner != client) => {
                let message = format!("{} belongs to another connection", found.address);
                Err(Failure::new(FailureKind::InvalidDestination, message))
            }
            _ => Ok(()),
        }
    }

    /// Whether a connection may consume from a temporary destination: it must exist and be its own, or the consumer one of a bridge's, whose other
    /// connection it may be.
    pub(crate) fn check_temporary(
        &self,
        address: &Address,
        client: ConnectionKey,
        is_bridge: bool,
    ) -> Result<(), Failure> {
        let Some(key) = self.directory.find(address) else {
            let message = format!("The destination {address} does not exist.");
            return Err(Failure::new(FailureKind::InvalidDestination, message));
        };
        if is_bridge { Ok(()) } else { self.check_owner(key, client) }
    }

    /// A client removes a destination with everything in it. Refused while somebody consumes from one that is not temporary.
    pub fn remove_destination(
        &mut self,
        connection: ConnectionKey,
        address: &Address,
        request: Option<RequestId>,
    ) {
        let result = self.try_remove_destination(connection, address);
        self.answer(connection, request, result);
    }

    fn try_remove_destination(&mut self, client: ConnectionKey, address: &Address) -> Result<(), Failure> {
        self.connection_mut(client)?;
        let mut keys = Vec::new();
        for part in self.checked_parts(address)?.iter() {
            if part.is_pattern() {
                keys.extend(self.directory.matching(part));
            } else {
                keys.extend(self.directory.find(part));
            }
        }
        for key in &keys {
            self.check_owner(*key, client)?;
            let Some(destination) = self.directory.get(*key) else {
                debug_assert!(false, "it was found a moment ago");
                continue;
            };
            let consumed = destination
                .queue
                .and_then(|source| self.sources.get(&source))
                .is_some_and(|source| !source.consumers.is_empty())
                || !destination.subscribers.is_empty()
                || !destination.durables.is_empty();
            if consumed && !destination.address.kind.is_temporary() {
                let message =
                    format!("Destination still has an active subscription: {}", destination.address);
                return Err(Failure::new(FailureKind::General, message));
            }
            if self.is_prepared(*key) {
                // The store refuses it too.
                let message = format!("{} is part of an open transaction", destination.address);
                return Err(Failure::new(FailureKind::General, message));
            }
        }
        for key in keys {
            self.drop_destination(key);
        }
        Ok(())
    }

    /// Takes a destination out of the world, and what is in it.
    pub(crate) fn drop_destination(&mut self, key: DestinationKey) {
        self.announce_destination(key, false);
        // It may have been named twice.
        let Some(destination) = self.directory.remove(key) else { return };
        if let Some(owner) = destination.owner.and_then(|owner| self.connections.get_mut(&owner)) {
            owner.temporaries.retain(|other| *other != key);
        }
        if let Some((source, source_state)) =
            destination.queue.and_then(|source| Some((source, self.sources.remove(&source)?)))
        {
            source_state.window.end(&mut self.memory);
            for consumer in source_state.consumers {
                if let Some(consumer) = self.consumers.get_mut(&consumer) {
                    consumer.sources.retain(|other| *other != source);
                }
            }
        }
        for subscriber in destination.subscribers {
            if let Some(consumer) = self.consumers.get_mut(&subscriber) {
                consumer.topics.retain(|other| *other != key);
            }
        }
        self.drop_advisory_topics(&destination.address);
        if let Some(id) = destination.stored {
            self.submit(vec![Operation::RemoveDestination(id)], Completed::Nothing);
            self.levels.forget(id);
        }
    }

    fn announce_destination(&mut self, key: DestinationKey, begins: bool) {
        // It may have gone already.
        let Some(destination) = self.directory.get(key) else { return };
        if destination.address.is_advisory() {
            return;
        }
        let topic = destination_topic(&destination.address);
        if !self.has_listeners(topic) {
            return;
        }
        let advisory = self.destination_advisory(key, begins);
        if let Some(advisory) = advisory {
            self.announce(topic, advisory, None);
        }
    }

    pub(crate) fn destination_advisory(&self, key: DestinationKey, begins: bool) -> Option<Advisory> {
        let destination = self.directory.get(key)?;
        let owner = destination.owner.and_then(|owner| self.connections.get(&owner));
        let connection = owner.map(|connection| connection.spec.name.clone());
        let (address, passed) = (Arc::clone(&destination.address), destination.passed.clone());
        Some(Advisory::Destination { address, connection, passed, begins })
    }

    /// Ends a consumer for a reason of the broker's; its client is told.
    pub(crate) fn expel(&mut self, consumer: ConsumerKey, failure: Failure) {
        if let Some(connection) = self.consumers.get(&consumer).map(|consumer| consumer.connection) {
            self.drop_consumer(consumer, LastDelivered::Unknown);
            self.effects.events.push((connection, Event::Trouble(failure)));
        }
    }
}
