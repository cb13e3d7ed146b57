//! Sending: where a message goes, and whether the store must have it before its sender is answered.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, MessageId};

use crate::core::address::Address;
use crate::core::cut::{room, sequence_bytes};
use crate::core::dispatch::window::{Position, Waiting};
use crate::core::effects::{Event, Payload};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, DestinationKey, RequestId};
use crate::core::memory::Holds;
use crate::core::spec::{Sending, TransactionId};
use crate::core::state::Core;
use crate::core::state::backlog::Pending;
use crate::core::state::said::Subject;
use crate::core::state::sent::{Sent, Waiter};
use crate::core::state::turn::Completed;

/// About what an operation takes beside its message.
const OPERATION: usize = 64;

impl Core {
    /// A client sends a message. The answer comes as an event, once it is durable if it has to be.
    pub fn send(&mut self, connection: ConnectionKey, sending: Sending, request: Option<RequestId>) {
        let transaction = sending.transaction.clone();
        if let Err(failure) = self.try_send(connection, sending, request) {
            if let Some(transaction) = transaction.filter(|_| request.is_none()) {
                // Nobody will hear of it but through the outcome.
                self.spoil_transaction(connection, &transaction, &failure);
            }
            self.answer(connection, request, Err(failure));
        }
    }

    fn try_send(
        &mut self,
        key: ConnectionKey,
        sending: Sending,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let reconnected = self.connection_mut(key)?.spec.reconnect;
        let parts = self.checked_parts(&sending.address)?;
        for part in parts.iter() {
            if part.kind.is_temporary() && !self.directory.has(part) {
                return Err(Failure::new(FailureKind::NoDestination, part.to_string()));
            }
            if part.is_advisory() {
                let message = format!("{part} is for the broker's own announcements");
                return Err(Failure::new(FailureKind::InvalidDestination, message));
            }
        }
        if let Some(producer) = &sending.producer {
            self.check_name("producer id", producer)?;
        }
        let waiter = Waiter {
            connection: key,
            request,
            producer: sending.producer.clone(),
            sequence: sending.sequence,
            window_bytes: sending.window_bytes,
            inflight: 0,
        };
        if reconnected && self.is_duplicate(sending.producer.as_ref(), sending.sequence) {
            // It was given to the store, and its sender missed the answer. Whatever was given to the store before is
            // durable when this is.
            self.submit(Vec::new(), Completed::Duplicate(waiter));
            return Ok(());
        }
        if let Some(transaction) = &sending.transaction {
            for part in parts.iter().filter(|part| !part.is_pattern()) {
                // What cannot be made is said now: the commit could only lose it.
                self.destination(part)?;
            }
            self.send_in_transaction(key, transaction, &sending, &parts)?;
            self.answer_sender(&waiter, Ok(()));
            return Ok(());
        }
        let message = &sending.message;
        let persistent = message.header.persistent;
        // Decided once for each: room may end in the middle.
        let (mut one, mut many);
        let destinations: &mut [(DestinationKey, bool)] = match &*parts {
            [part] if !part.is_pattern() => {
                one = [(self.destination(part)?, false)];
                &mut one
            }
            parts => {
                many = self.route_all(parts)?.into_iter().map(|key| (key, false)).collect::<Vec<_>>();
                &mut many
            }
        };
        let mut copies = 0;
        for (destination, to_store) in &mut *destinations {
            *to_store = self.goes_to_store(*destination, message)?;
            if *to_store {
                // Made before anything is gathered, so that all copies share a batch.
                self.stored_destination(*destination);
                copies += 1;
            }
        }
        let size = message.size();
        let bytes = copies * (size + OPERATION) + sequence_bytes(sending.producer.as_ref());
        if copies > 1 && bytes > room(self.settings.batch_bytes_max) {
            return self.send_by_transaction(&waiter, &sending, &parts);
        }
        if copies > 0 {
            self.make_room_for_sends(bytes);
        }
        for (destination, to_store) in destinations {
            self.place(*destination, message, key, *to_store);
        }
        let stored = copies > 0;
        self.note_sequence(sending.producer.as_ref(), sending.sequence, stored && persistent);
        if !stored {
            self.answer_sender(&waiter, Ok(()));
            return Ok(());
        }
        // A message that need not survive is not waited for, but counts among what its sender has under way.
        let waiter = if persistent {
            Waiter { inflight: size, ..waiter }
        } else {
            self.answer_sender(&waiter, Ok(()));
            Waiter { request: None, producer: None, inflight: size, ..waiter }
        };
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.inflight += size;
        }
        self.turn.senders.push(waiter);
        Ok(())
    }

    /// The copies of one message are too much for a batch: they go by a transaction of the broker's own, all or none.
    fn send_by_transaction(
        &mut self,
        waiter: &Waiter,
        sending: &Sending,
        parts: &[Address],
    ) -> Result<(), Failure> {
        let key = waiter.connection;
        let id = TransactionId { client: ByteString::new(), number: self.ids.key().cast_signed() };
        self.begin(key, id.clone())?;
        if let Err(failure) = self.send_in_transaction(key, &id, sending, parts) {
            self.rollback(key, &id, None);
            return Err(failure);
        }
        self.commit(key, &id, waiter.request);
        if waiter.request.is_none() {
            self.answer_sender(waiter, Ok(()));
        }
        Ok(())
    }

    /// The destinations that a plain name or pattern means for a sender.
    pub(crate) fn route(&mut self, part: &Address) -> Result<Vec<DestinationKey>, Failure> {
        if part.is_pattern() {
            return Ok(self.directory.matching(part));
        }
        Ok(vec![self.destination(part)?])
    }

    fn route_all(&mut self, parts: &[Address]) -> Result<Vec<DestinationKey>, Failure> {
        let mut found = Vec::new();
        for part in parts {
            found.extend(self.route(part)?);
        }
        Ok(found)
    }

    /// Whether a message for a destination is given to the store. Every send asks here, also one in a transaction.
    ///
    /// # Errors
    /// [`FailureKind::ResourceAllocation`] where memory is full and the store is no way out.
    pub(crate) fn goes_to_store(&mut self, key: DestinationKey, message: &Message) -> Result<bool, Failure> {
        let Some(destination) = self.directory.get_mut(key) else {
            debug_assert!(false, "a message is routed to what is there");
            return Ok(false);
        };
        destination.unused_since = None;
        if destination.queue.is_none() {
            return Ok(!destination.durables.is_empty() || destination.under_way > 0);
        }
        if destination.address.kind.is_temporary() {
            return self.check_temporary_room(key).map(|()| false);
        }
        Ok(message.header.persistent || self.is_spooled(key))
    }

    /// Whether a queue's messages that need not be stored are stored all the same: memory is short, or was when others came which
    /// are not gone yet: those before and behind them keep their order.
    fn is_spooled(&mut self, key: DestinationKey) -> bool {
        let Some(destination) = self.directory.get(key) else { return false };
        let Some(source) = destination.queue.and_then(|source| self.sources.get_mut(&source)) else {
            debug_assert!(false, "a queue has its source");
            return false;
        };
        let full = self.memory.is_full() || source.policy.is_full(source.window.bytes());
        source.spooled =
            full || source.spooled && !(destination.under_way == 0 && source.window.is_drained());
        source.spooled
    }

    /// Whether a temporary queue, which the store is no way out for, takes more.
    fn check_temporary_room(&mut self, key: DestinationKey) -> Result<(), Failure> {
        let Some(destination) = self.directory.get(key) else { return Ok(()) };
        let source = destination.queue.and_then(|source| self.sources.get(&source));
        let own = source.map_or(0, |source| source.window.bytes());
        let (used, limit) = if self.memory.is_full() {
            (self.memory.used(), self.memory.max())
        } else if destination.policy.is_full(own) {
            (own, destination.policy.memory_limit.unwrap_or(own))
        } else {
            return Ok(());
        };
        let message = format!(
            "Usage Manager Memory Limit reached: {used} bytes of messages wait, limit {limit}; {} takes no more until some are consumed",
            destination.address
        );
        self.say(Subject::MemoryFull, || message.clone());
        Err(Failure::new(FailureKind::ResourceAllocation, message))
    }

    /// Puts a message into a destination: at once, or by way of the store.
    fn place(&mut self, key: DestinationKey, message: &Arc<Message>, sender: ConnectionKey, to_store: bool) {
        if !to_store {
            let id = self.ids.transient();
            self.place_in_memory(key, id, message, Some(sender));
            return;
        }
        let id = self.ids.message();
        let Some(destination) = self.stored_destination(key) else {
            debug_assert!(false, "a message is placed where it was routed");
            return;
        };
        self.goes_under_way(key, message.header.persistent);
        let message = Arc::clone(message);
        self.turn.sends_bytes += message.size() + OPERATION;
        self.turn.sent.push(Sent {
            destination: key,
            id,
            message: Arc::clone(&message),
            sender: Some(sender),
        });
        self.turn.sends.push(Operation::Enqueue { id, destination, rank: 0, message });
    }

    /// Puts a message that is not stored into a destination.
    pub(crate) fn place_in_memory(
        &mut self,
        key: DestinationKey,
        id: MessageId,
        message: &Arc<Message>,
        sender: Option<ConnectionKey>,
    ) {
        // It may have gone while a transaction was under way, and its messages with it.
        let Some(destination) = self.directory.get(key) else { return };
        let Some(source) = destination.queue else {
            self.publish(key, id, message, sender, false);
            return;
        };
        let position = Position { rank: 0, arrival: self.arrival_last, minor: self.ids.key() };
        let waiting = Waiting { id, position, message: Arc::clone(message), redeliveries: 0, stored: false };
        if let Some(source) = self.sources.get_mut(&source) {
            source.window.change(&mut self.memory).insert(waiting);
        }
        self.touch(source);
    }

    /// The store is given a message for a destination.
    pub(crate) fn goes_under_way(&mut self, key: DestinationKey, persistent: bool) {
        if let Some(destination) = self.directory.get_mut(key) {
            destination.goes_under_way(persistent);
        }
    }

    /// The store has answered for messages that do not arrive one by one.
    pub(crate) fn answered_for(&mut self, sent: &[Sent]) {
        for sent in sent {
            self.is_answered(sent.destination, sent.message.header.persistent);
        }
    }

    /// The store has answered for something that it was given for a destination.
    pub(crate) fn is_answered(&mut self, key: DestinationKey, persistent: bool) {
        if let Some(destination) = self.directory.get_mut(key) {
            destination.is_answered(persistent);
        }
    }

    /// A message was committed to a destination at an arrival number.
    pub(crate) fn arrived(&mut self, sent: &Sent, arrival: u64) {
        // It may have gone while the store was asked, and its messages with it.
        let Some(destination) = self.directory.get_mut(sent.destination) else { return };
        destination.is_answered(sent.message.header.persistent);
        let cursor = Cursor { rank: 0, arrival };
        let size = sent.message.size();
        let plenty = self.memory.has_room(size);
        let (queue, durables) = (destination.queue, destination.durables.len());
        for index in 0..usize::from(queue.is_some()) + durables {
            let of_topic = || self.directory.get(sent.destination)?.durables.get(index).copied();
            let Some(key) = queue.or_else(of_topic) else {
                debug_assert!(false, "nothing leaves a topic while a message arrives");
                break;
            };
            let Some(source) = self.sources.get_mut(&key) else {
                debug_assert!(false, "a destination has its sources");
                continue;
            };
            if queue.is_none() && !source.active {
                // It was committed before the subscription.
                continue;
            }
            if sent.message.header.expiration > 0 {
                source.expires_from = source.expires_from.min(sent.message.header.expiration);
            }
            let window = &source.window;
            let listened = source.subscription.is_none() || !source.consumers.is_empty();
            let room = plenty
                && listened
                && window.len() < source.policy.window_messages_max
                && window.bytes() + size <= source.policy.window_bytes_max
                || window.is_empty() && !source.consumers.is_empty();
            source.window.change(&mut self.memory).committed(sent.id, cursor, &sent.message, room);
            self.touch(key);
        }
        self.publish(sent.destination, sent.id, &sent.message, sent.sender, true);
    }

    /// Gives a message to a topic's subscribers that are not durable; one that is stored only to those who do not get it from there.
    pub(crate) fn publish(
        &mut self,
        key: DestinationKey,
        id: MessageId,
        message: &Arc<Message>,
        sender: Option<ConnectionKey>,
        stored: bool,
    ) {
        // It may have gone while a transaction was under way.
        let Some(destination) = self.directory.get(key) else { return };
        if destination.subscribers.is_empty() {
            return;
        }
        if message.header.is_expired(self.now) {
            return;
        }
        let address = Arc::clone(&destination.address);
        for consumer in destination.subscribers.clone() {
            let wanted = self.consumers.get(&consumer).is_some_and(|consumer| {
                !(stored && consumer.is_kept(key)) && consumer.filter.accepts(message)
            });
            if wanted {
                let pending = Pending {
                    id,
                    destination: Arc::clone(&address),
                    payload: Payload::Message(Arc::clone(message)),
                };
                self.add_pending(consumer, pending, Some(key));
                if let Some(sender) = sender {
                    self.hold_back(consumer, key, sender);
                }
            }
        }
    }

    /// Answers a sender and opens its window.
    pub(crate) fn answer_sender(&mut self, waiter: &Waiter, result: Result<(), Failure>) {
        let answered = waiter.request.is_some();
        self.answer(waiter.connection, waiter.request, result);
        if answered {
            return;
        }
        // Without a producer there is no window.
        let Some(producer) = &waiter.producer else { return };
        let window = self
            .connections
            .get(&waiter.connection)
            .and_then(|connection| connection.producers.get(producer))
            .map_or(0, |producer| producer.window_bytes);
        if window > 0 {
            let event = Event::ProducerTaken { producer: producer.clone(), bytes: waiter.window_bytes };
            self.effects.events.push((waiter.connection, event));
        }
    }

    /// Ends every consumer of a destination that can no longer be read.
    pub(crate) fn unreadable(&mut self, source: crate::core::keys::SourceKey, why: &str) {
        let consumers = self.sources.get(&source).map(|source| source.consumers.clone()).unwrap_or_default();
        for consumer in consumers {
            self.expel(consumer, Failure::new(FailureKind::General, why));
        }
    }
}
