//! What the core knows of a client's connection.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;

use crate::core::address::Address;
use crate::core::effects::{Advisory, Event};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, RequestId};
use crate::core::spec::{ConnectionSpec, LastDelivered};
use crate::core::state::Core;
use crate::core::state::connection::{Connection, Producer};
use crate::core::state::turn::Completed;

impl Core {
    /// A client connects.
    ///
    /// A connection of the same name is taken over: the older one is told to end, as ActiveMQ does when a client
    /// comes back before its loss was noticed. A client id that another connection uses is refused, unless both are of one network connector
    /// of one broker: its bridge was built anew, under another name.
    ///
    /// # Errors
    /// [`FailureKind::InvalidClientId`].
    pub fn connect(&mut self, key: ConnectionKey, spec: ConnectionSpec) -> Result<(), Failure> {
        self.check_name("connection id", &spec.name)?;
        self.check_name("client id", &spec.client_id)?;
        if spec.client_id.is_empty() {
            let message = "No clientID specified for connection request";
            return Err(Failure::new(FailureKind::InvalidClientId, message));
        }
        if let Some(stale) = self.names.get(&spec.name).copied().filter(|stale| *stale != key) {
            let reason = format!("the same client connected again as {}", spec.remote);
            self.effects.events.push((stale, Event::Close { reason }));
            self.disconnect(stale, LastDelivered::Unknown, false);
        }
        let is_same_bridge = |holder: &ConnectionKey| {
            spec.bridge.is_some()
                && self.connections.get(holder).is_some_and(|holder| holder.spec.bridge == spec.bridge)
        };
        if let Some(stale) = self.clients.get(&spec.client_id).copied().filter(is_same_bridge) {
            let reason = format!("the same bridge connected again as {}", spec.remote);
            self.effects.events.push((stale, Event::Close { reason }));
            self.disconnect(stale, LastDelivered::Unknown, false);
        }
        if let Some(holder) = self.clients.get(&spec.client_id) {
            let from = self.connections.get(holder).map_or("", |holder| &holder.spec.remote);
            let message = format!(
                "Broker: {} - Client: {} already connected from {from}",
                self.settings.broker_name, spec.client_id
            );
            return Err(Failure::new(FailureKind::InvalidClientId, message));
        }
        self.names.insert(spec.name.clone(), key);
        self.clients.insert(spec.client_id.clone(), key);
        let connection = Connection {
            spec,
            consumers: BTreeSet::new(),
            producers: BTreeMap::new(),
            temporaries: Vec::new(),
            transactions: BTreeMap::new(),
            unwritten: 0,
            inflight: 0,
            held_by: 0,
        };
        self.connections.insert(key, connection);
        self.announce_connection(key, true);
        Ok(())
    }

    /// A connection is gone, in good order or not: its transactions are rolled back, its consumers' messages wait again,
    /// its temporary destinations go. Does nothing for one that is gone already.
    ///
    /// `clean` says that its client has said goodbye and will not send anything again: then what is remembered of its
    /// producers and transactions for that case is forgotten.
    pub fn disconnect(&mut self, key: ConnectionKey, last: LastDelivered, clean: bool) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let transactions = std::mem::take(&mut connection.transactions);
        let consumers = std::mem::take(&mut connection.consumers);
        let temporaries = std::mem::take(&mut connection.temporaries);
        for (_, transaction) in transactions {
            self.abort_transaction(key, transaction);
        }
        for consumer in consumers {
            self.drop_consumer(consumer, last);
        }
        let producers =
            self.connections.get_mut(&key).map(|connection| std::mem::take(&mut connection.producers));
        let producers = producers.unwrap_or_default();
        if clean {
            self.forget_producers(producers.keys());
        }
        for (name, producer) in producers {
            self.announce_producer(key, &name, &producer, false);
        }
        for temporary in temporaries {
            self.drop_destination(temporary);
        }
        self.announce_connection(key, false);
        if let Some(connection) = self.connections.remove(&key) {
            self.names.remove(&connection.spec.name);
            self.clients.remove(&connection.spec.client_id);
            if clean {
                self.forget_outcome(&connection.spec.name);
            }
        }
    }

    /// A client says goodbye. It is answered when what it sent before, without waiting for an answer, is done: whoever comes after that
    /// answer finds it, as with ActiveMQ.
    pub fn goodbye(&mut self, key: ConnectionKey, last: LastDelivered, request: Option<RequestId>) {
        let under_way = self.connections.get(&key).is_some_and(|connection| connection.inflight > 0);
        self.disconnect(key, last, true);
        if under_way {
            self.submit(Vec::new(), Completed::Goodbye { connection: key, request });
        } else {
            self.answer(key, request, Ok(()));
        }
    }

    /// Whether anything more should be read from a connection: what it sent waits for the disk, or for a
    /// slow subscriber, otherwise.
    pub fn may_read(&self, key: ConnectionKey) -> bool {
        self.connections.get(&key).is_none_or(|connection| {
            connection.inflight < self.limits.inflight_bytes_max && connection.held_by == 0
        })
    }

    /// That many bytes a connection sent are durable, or were refused.
    pub(crate) fn landed(&mut self, key: ConnectionKey, bytes: usize) {
        // It may have gone since.
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let most = self.limits.inflight_bytes_max;
        let paused = connection.inflight >= most;
        debug_assert!(connection.inflight >= bytes, "what is answered was under way");
        connection.inflight = connection.inflight.saturating_sub(bytes);
        if paused && connection.inflight < most {
            self.effects.events.push((key, Event::Resume));
        }
    }

    /// Whether deliveries to a connection wait until what was delivered is written.
    pub fn is_congested(&self, key: ConnectionKey) -> bool {
        self.connections
            .get(&key)
            .is_some_and(|connection| connection.is_congested(self.limits.outbox_bytes_max))
    }

    /// That many bytes of what was delivered to a connection were written to its socket.
    pub fn written(&mut self, key: ConnectionKey, bytes: usize) {
        // It may have gone since.
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let most = self.limits.outbox_bytes_max;
        let congested = connection.is_congested(most);
        connection.unwritten = connection.unwritten.saturating_sub(bytes);
        if congested && !connection.is_congested(most) {
            let consumers: Vec<_> = connection.consumers.iter().copied().collect();
            for consumer in consumers {
                self.consumer_has_room(consumer);
            }
        }
    }

    /// A producer begins to send. One that is known already is left as it is: clients repeat themselves after a failover.
    ///
    /// # Errors
    /// [`FailureKind::IllegalState`] for an unknown connection or too many producers.
    pub fn add_producer(
        &mut self,
        key: ConnectionKey,
        name: ByteString,
        address: Option<Address>,
        window_bytes: u32,
    ) -> Result<(), Failure> {
        self.check_name("producer id", &name)?;
        if let Some(address) = &address {
            self.checked_parts(address)?;
        }
        let limit = self.limits.producers_per_connection_max;
        let connection = self.connection_mut(key)?;
        if connection.producers.contains_key(&name) {
            return Ok(());
        }
        if connection.producers.len() >= limit {
            let message = format!("Can't add producer on connection: at maximum limit: {limit}");
            return Err(Failure::new(FailureKind::IllegalState, message));
        }
        let producer = Producer { address: address.clone(), window_bytes };
        if let Some(address) = address {
            for part in address.parts() {
                if !part.is_pattern() && !part.kind.is_temporary() {
                    self.destination(&part)?;
                }
            }
        }
        self.connection_mut(key)?.producers.insert(name.clone(), producer.clone());
        self.announce_producer(key, &name, &producer, true);
        Ok(())
    }

    /// A producer has sent its last.
    ///
    /// # Errors
    /// [`FailureKind::IllegalState`] for an unknown one.
    pub fn remove_producer(&mut self, key: ConnectionKey, name: &ByteString) -> Result<(), Failure> {
        let connection = self.connection_mut(key)?;
        let Some(producer) = connection.producers.remove(name) else {
            let message = format!("Cannot remove a producer that had not been registered: {name}");
            return Err(Failure::new(FailureKind::IllegalState, message));
        };
        self.forget_producers([name]);
        self.announce_producer(key, name, &producer, false);
        Ok(())
    }

    pub(crate) fn connection_mut(&mut self, key: ConnectionKey) -> Result<&mut Connection, Failure> {
        self.connections.get_mut(&key).ok_or_else(|| {
            Failure::new(FailureKind::IllegalState, "the connection is not registered or has been closed")
        })
    }

    /// A name's parts, of which there is at least one, each with a name. Looked at as a whole first: taking a long one
    /// apart takes time.
    pub(crate) fn checked_parts<'a>(&self, address: &'a Address) -> Result<Cow<'a, [Address]>, Failure> {
        self.check_name("destination", &address.name)?;
        let parts = match address.is_composite() {
            false => Cow::Borrowed(std::slice::from_ref(address)),
            true => Cow::Owned(address.parts()),
        };
        if parts.is_empty() || parts.iter().any(|part| part.name.is_empty()) {
            return Err(Failure::new(FailureKind::InvalidDestination, "a destination needs a name"));
        }
        Ok(parts)
    }

    pub(crate) fn check_name(&self, what: &str, name: &str) -> Result<(), Failure> {
        let limit = self.limits.name_bytes_max;
        if name.len() <= limit {
            return Ok(());
        }
        let message = format!("{what} of {} bytes is longer than {limit}", name.len());
        Err(Failure::new(FailureKind::IllegalState, message))
    }

    /// Answers a request, if it is one; tells the client of a failure that nobody waits for.
    pub fn answer(
        &mut self,
        connection: ConnectionKey,
        request: Option<RequestId>,
        result: Result<(), Failure>,
    ) {
        let event = match (request, result) {
            (Some(request), result) => Event::Answer { request, result },
            (None, Err(failure)) => Event::Trouble(failure),
            (None, Ok(())) => return,
        };
        self.effects.events.push((connection, event));
    }

    fn announce_connection(&mut self, key: ConnectionKey, begins: bool) {
        let topic = "ActiveMQ.Advisory.Connection";
        if !self.has_listeners(topic) {
            return;
        }
        if let Some(connection) = self.connections.get(&key) {
            let spec = connection.spec.clone();
            self.announce(topic, Advisory::Connection { spec, begins }, None);
        }
    }
}
