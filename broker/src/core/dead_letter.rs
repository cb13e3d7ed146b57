//! Messages that expired or could not be consumed: to the dead-letter queue, or away.
//!
//! As ActiveMQ's shared strategy does by default: persistent messages go to `ActiveMQ.DLQ`, others are dropped, and
//! what expires or fails in that queue itself is gone.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::message::Message;

use super::Core;
use super::address::Address;
use super::consumer::Dispatched;
use super::effects::Notice;
use super::failure::Failure;
use super::keys::SourceKey;
use super::turn::{Completed, Sent, Settled};
use super::window::Waiting;

/// The shared dead-letter queue (`sharedDeadLetterStrategy`).
pub const DEAD_LETTER_QUEUE: &str = "ActiveMQ.DLQ";

/// The property that says why (`ActiveMQMessage.DLQ_DELIVERY_FAILURE_CAUSE_PROPERTY`).
const CAUSE_PROPERTY: &str = "dlqDeliveryFailureCause";
/// The property that keeps when it would have expired (`RegionBroker.ORIGINAL_EXPIRATION`).
const EXPIRATION_PROPERTY: &str = "originalExpiration";

/// Why a message is taken out.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    Expired,
    /// The client gave up on it.
    Poison(Option<String>),
}

/// A property to add to a message.
#[derive(Clone, Debug)]
pub enum Property<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Long(i64),
}

/// Writes properties into a message in the encoding it is in.
pub type Annotate = fn(&Message, &[(&str, Property<'_>)]) -> bytes::Bytes;

/// Dead letters that the store had no room for.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) operations: Vec<Operation>,
    pub(crate) settled: Vec<Settled>,
    pub(crate) sent: Vec<Sent>,
}

impl Core {
    /// A waiting message has expired.
    pub(crate) fn expire(&mut self, source: SourceKey, waiting: Waiting) {
        self.bury_waiting(source, waiting, Reason::Expired);
    }

    pub(crate) fn bury_waiting(&mut self, source: SourceKey, waiting: Waiting, reason: Reason) {
        self.memory = self.memory.saturating_sub(waiting.message.size());
        let Waiting { id, position, message, redeliveries, stored } = waiting;
        let entry = Dispatched {
            id,
            serial: 0,
            source: Some(source),
            position,
            message: Some(message),
            redeliveries,
            stored,
            replayed: false,
        };
        self.bury(entry, reason);
    }

    /// Takes a message out for good. Gives whether acknowledgements were given to the store in this turn's batch.
    pub(crate) fn bury(&mut self, entry: Dispatched, reason: Reason) -> bool {
        let Some(key) = entry.source else { return false };
        let Some(source) = self.sources.get(&key) else { return false };
        let Some(from) = self.destinations.get(&source.destination) else { return false };
        let from = Arc::clone(&from.address);
        let Some(message) = &entry.message else {
            // It is read again, and buried when it would be dispatched.
            let (id, position) = (entry.id, entry.position);
            if let Some(source) = self.sources.get_mut(&key) {
                source.condemned.insert(id, reason);
                source.window.give_back_unseen(id, position, 0);
            }
            self.touch(key);
            return false;
        };
        let dead = &*from.name == DEAD_LETTER_QUEUE;
        if dead || !message.header.persistent || from.kind.is_temporary() {
            return self.consume(&entry);
        }
        let letter = Arc::new(self.dead_letter(message, &from, &reason));
        let letters = Address::queue(ByteString::from_static(DEAD_LETTER_QUEUE));
        let Ok(destination) = self.destination(&letters) else { return false };
        let Some(stored) = self.stored_destination(destination) else { return false };
        let id = self.ids.message();
        let mut operations =
            vec![Operation::Enqueue { id, destination: stored, rank: 0, message: Arc::clone(&letter) }];
        let acknowledgement = self.acknowledgement_of(&entry);
        let settled = acknowledgement.iter().map(|(key, _)| (*key, entry.id)).collect();
        operations.extend(acknowledgement.map(|(_, operation)| operation));
        let sent = vec![Sent { destination, id, message: letter, sender: None }];
        self.submit_letters(operations, settled, sent);
        false
    }

    fn submit_letters(&mut self, operations: Vec<Operation>, settled: Vec<Settled>, sent: Vec<Sent>) {
        self.submit(operations.clone(), Completed::DeadLetters { operations, settled, sent });
    }

    fn dead_letter(&self, message: &Message, from: &Address, reason: &Reason) -> Message {
        let mut header = message.header.clone();
        let mut properties: Vec<(&str, Property<'_>)> = Vec::new();
        if header.expiration > 0 {
            properties.push((EXPIRATION_PROPERTY, Property::Long(header.expiration)));
        }
        let expired = format!("Message Expired. Expiration:{}", header.expiration);
        match reason {
            Reason::Expired => properties.push((CAUSE_PROPERTY, Property::Text(&expired))),
            Reason::Poison(Some(cause)) => properties.push((CAUSE_PROPERTY, Property::Text(cause))),
            Reason::Poison(None) => {}
        }
        let annotated = (self.settings.annotate)(message, &properties);
        header.expiration = 0;
        header.redeliveries = 0;
        header.original_destination.get_or_insert_with(|| from.to_string().into());
        Message { header, properties: annotated, body: message.body.clone() }
    }

    /// The store had no room for dead letters: they are offered again later, and held until then.
    pub(crate) fn dead_letters_failed(&mut self, deferred: Deferred, failure: &Failure) {
        let text = format!("a dead letter waits because the store does not take it: {failure}");
        self.effects.notices.push(Notice { text });
        self.deferred_letters.push(deferred);
    }

    /// Offers again what the store had no room for.
    pub(crate) fn retry_letters(&mut self) {
        for deferred in std::mem::take(&mut self.deferred_letters) {
            self.submit_letters(deferred.operations, deferred.settled, deferred.sent);
        }
    }
}
