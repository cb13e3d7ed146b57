//! Messages that expired or could not be consumed: to the dead-letter queue, or away.
//!
//! As ActiveMQ's shared strategy does by default: persistent messages go to `ActiveMQ.DLQ`, others are dropped, and
//! what expires or fails in that queue itself is gone.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::message::Message;

use crate::core::address::{Address, DEAD_LETTER_QUEUE};
use crate::core::cut;
use crate::core::dispatch::window::Waiting;
use crate::core::failure::Failure;
use crate::core::keys::SourceKey;
use crate::core::settings::Property;
use crate::core::state::Core;
use crate::core::state::dispatched::Dispatched;
use crate::core::state::letters::{Deferred, Reason};
use crate::core::state::said::Subject;
use crate::core::state::sent::Sent;
use crate::core::state::turn::Completed;

/// The property that says why (`ActiveMQMessage.DLQ_DELIVERY_FAILURE_CAUSE_PROPERTY`).
const CAUSE_PROPERTY: &str = "dlqDeliveryFailureCause";
/// The property that keeps when it would have expired (`RegionBroker.ORIGINAL_EXPIRATION`).
const EXPIRATION_PROPERTY: &str = "originalExpiration";

impl Core {
    /// A waiting message has expired.
    pub(crate) fn expire(&mut self, source: SourceKey, waiting: Waiting) {
        self.bury_waiting(source, waiting, Reason::Expired);
    }

    pub(crate) fn bury_waiting(&mut self, source: SourceKey, waiting: Waiting, reason: Reason) {
        self.bury(Dispatched::from_source(source, &waiting, true), reason);
    }

    /// Takes a message out for good. Gives whether acknowledgements were given to the store in this turn's batch.
    pub(crate) fn bury(&mut self, entry: Dispatched, reason: Reason) -> bool {
        // A topic's subscriber had it from memory, or a browser looked at it: it waits nowhere.
        let Some(key) = entry.source else { return false };
        // Its queue may have been removed since, with everything in it.
        let Some(source) = self.sources.get(&key) else { return false };
        let Some(from) = self.directory.get(source.destination) else {
            debug_assert!(false, "a source has a destination");
            return false;
        };
        let from = Arc::clone(&from.address);
        let Some(message) = &entry.message else {
            // It is read again, and buried when it would be dispatched.
            let (id, position) = (entry.id, entry.position);
            if let Some(source) = self.sources.get_mut(&key) {
                source.condemned.insert(id, reason);
                source.window.change(&mut self.memory).give_back_unseen(id, position, 0);
            }
            self.touch(key);
            return false;
        };
        let dead = &*from.name == DEAD_LETTER_QUEUE;
        let again = source.subscription.is_some() && !self.letters.is_first(entry.id);
        if dead || again || !message.header.persistent {
            return self.consume(&entry);
        }
        let letter = Arc::new(self.dead_letter(message, &from, &reason));
        let letters = Address::queue(ByteString::from_static(DEAD_LETTER_QUEUE));
        let Ok(destination) = self.destination(&letters) else {
            debug_assert!(false, "the dead-letter queue can always be made");
            return false;
        };
        let Some(stored) = self.stored_destination(destination) else {
            debug_assert!(false, "the dead-letter queue was just made");
            return false;
        };
        let id = self.ids.message();
        let mut operations =
            vec![Operation::Enqueue { id, destination: stored, rank: 0, message: Arc::clone(&letter) }];
        let acknowledgement = self.acknowledgement_of(&entry);
        let settled = acknowledgement.iter().map(|(key, _)| (*key, entry.id)).collect();
        let mut after = acknowledgement.map(|(_, operation)| operation);
        if operations.iter().chain(&after).map(cut::size).sum::<usize>()
            <= cut::room(self.settings.batch_bytes_max)
        {
            operations.extend(after.take());
        }
        let sent = Sent { destination, id, message: letter, sender: None };
        self.submit_letter(Deferred { operations, after, settled, sent });
        false
    }

    fn submit_letter(&mut self, letter: Deferred) {
        self.submit(letter.operations.clone(), Completed::DeadLetters(letter));
    }

    /// A dead letter is durable.
    pub(crate) fn letter_stored(&mut self, letter: Deferred, arrival: u64) {
        match letter.after {
            None => self.settle(&letter.settled),
            Some(operation) => {
                self.make_room_for_acknowledgement();
                self.turn.acknowledgements.push(operation);
                self.turn.settled.extend(letter.settled);
            }
        }
        self.arrived(&letter.sent, arrival);
        self.arrival_last = self.arrival_last.max(arrival);
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
            // It may have been a dead letter before, for another reason.
            Reason::Poison(None) => properties.push((CAUSE_PROPERTY, Property::Absent)),
        }
        let annotated = (self.settings.annotate)(message, &properties);
        header.expiration = 0;
        header.redeliveries = 0;
        // Where it failed now. What the message says itself is of an earlier time, or its client's word.
        header.original_destination = Some(from.to_string().into());
        Message { header, properties: annotated, body: message.body.clone(), ..Message::default() }
    }

    /// The store had no room for a dead letter: it is offered again later, and held until then.
    pub(crate) fn dead_letter_failed(&mut self, letter: Deferred, failure: &Failure) {
        let period = self.settings.expire_messages_period;
        self.say(Subject::DeadLetter, || {
            format!("a dead letter waits, to be offered to the store again every {period} ms: {failure}")
        });
        self.deferred_letters.push(letter);
    }

    /// Whether dead letters wait for room in the store.
    pub(crate) fn has_deferred_letters(&self) -> bool {
        !self.deferred_letters.is_empty()
    }

    /// Offers again what the store had no room for.
    pub(crate) fn retry_letters(&mut self) {
        for mut letter in std::mem::take(&mut self.deferred_letters) {
            // The queue itself may have found no room, or have been removed since.
            let letters = Address::queue(ByteString::from_static(DEAD_LETTER_QUEUE));
            let key = self.destination(&letters).ok();
            let place = key.and_then(|key| Some((key, self.stored_destination(key)?)));
            let Some((key, stored)) = place else {
                self.deferred_letters.push(letter);
                continue;
            };
            letter.sent.destination = key;
            for operation in &mut letter.operations {
                if let Operation::Enqueue { destination, .. } = operation {
                    *destination = stored;
                }
            }
            self.submit_letter(letter);
        }
    }
}
