//! Messages that expired or could not be consumed: to where their destination's policy says (by default persistent ones go to
//! `ActiveMQ.DLQ`, others are dropped), or away. What expires or fails where it would go is gone.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::message::Message;

use crate::core::address::{Address, DEAD_LETTER_QUEUE};
use crate::core::cut;
use crate::core::dispatch::window::Waiting;
use crate::core::failure::Failure;
use crate::core::keys::{DestinationKey, SourceKey};
use crate::core::policy::DeadLetterStrategy;
use crate::core::settings::Property;
use crate::core::state::Core;
use crate::core::state::dispatched::Dispatched;
use crate::core::state::letters::{Deferred, Reason};
use crate::core::state::said::Subject;
use crate::core::state::sent::Sent;
use crate::core::state::turn::Completed;
use crate::core::timers::Kind;

/// The property that says why (`ActiveMQMessage.DLQ_DELIVERY_FAILURE_CAUSE_PROPERTY`).
const CAUSE_PROPERTY: &str = "dlqDeliveryFailureCause";
/// The property that keeps when it would have expired (`RegionBroker.ORIGINAL_EXPIRATION`).
const EXPIRATION_PROPERTY: &str = "originalExpiration";
/// The property that says that it was not persistent before.
const DELIVERY_MODE_PROPERTY: &str = "originalDeliveryMode";
/// How long those wait for which the store had no room, in milliseconds.
const RETRY: i64 = 30_000;

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
        let (from, policy) = (Arc::clone(&from.address), Arc::clone(&from.policy));
        let Some(message) = &entry.message else {
            self.condemn(key, entry, reason);
            return false;
        };
        let strategy = &policy.dead_letters;
        let expired = matches!(reason, Reason::Expired) || message.header.is_expired(self.now);
        let wanted = (message.header.persistent || strategy.process_non_persistent)
            && (strategy.process_expired || !expired);
        let outlived = expired && message.header.original_destination.is_some();
        let Some(place) = strategy.place_for(&from, outlived).filter(|_| wanted) else {
            return self.consume(&entry);
        };
        if source.subscription.is_some() && !self.letters.is_first(entry.id) {
            return self.consume(&entry);
        }
        let letter = Arc::new(self.dead_letter(message, &from, &reason, strategy));
        let Some(destination) = self.letters_destination(&place) else {
            debug_assert!(false, "a place for dead letters can always be made");
            return false;
        };
        if !matches!(self.goes_to_store(destination, &letter), Ok(true)) {
            // A topic to which nobody has a durable subscription.
            let id = self.ids.transient();
            self.place_in_memory(destination, id, &letter, None);
            return self.consume(&entry);
        }
        let Some(stored) = self.stored_destination(destination) else {
            debug_assert!(false, "a place for dead letters was just made");
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
        self.submit_letter(Deferred { operations, after, settled, place, sent });
        false
    }

    /// Where dead letters for a place go: there, or to the queue that is always to be had where it cannot be made, as there are too many
    /// destinations or its name is too long.
    fn letters_destination(&mut self, place: &Address) -> Option<DestinationKey> {
        let shared = Address::queue(ByteString::from_static(DEAD_LETTER_QUEUE));
        self.destination(place).or_else(|_| self.destination(&shared)).ok()
    }

    fn submit_letter(&mut self, letter: Deferred) {
        self.goes_under_way(letter.sent.destination, true);
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

    fn dead_letter(
        &self,
        message: &Message,
        from: &Address,
        reason: &Reason,
        strategy: &DeadLetterStrategy,
    ) -> Message {
        let mut header = message.header.clone();
        let mut properties: Vec<(&str, Property<'_>)> = Vec::new();
        // As ActiveMQ, which has it with 0 too, but not where the letter has a life time of its own.
        if header.expiration > 0 || strategy.expiration <= 0 {
            properties.push((EXPIRATION_PROPERTY, Property::LongIfAbsent(header.expiration)));
        }
        // In ActiveMQ's words, as those who read dead letters may look for them.
        let expired = format!("java.lang.Throwable: Message Expired. Expiration:{}", header.expiration);
        match reason {
            Reason::Expired => properties.push((CAUSE_PROPERTY, Property::Text(&expired))),
            Reason::Poison(Some(cause)) => properties.push((CAUSE_PROPERTY, Property::Text(cause))),
            // It may have been a dead letter before, for another reason.
            Reason::Poison(None) => properties.push((CAUSE_PROPERTY, Property::Absent)),
        }
        if !header.persistent {
            properties.push((DELIVERY_MODE_PROPERTY, Property::Text("NON_PERSISTENT")));
            header.persistent = true;
        }
        let annotated = (self.settings.annotate)(message, &properties);
        header.expiration = match strategy.expiration {
            lives @ 1.. => self.now.saturating_add(lives),
            _ => 0,
        };
        header.redeliveries = 0;
        // Where it failed now. What the message says itself is of an earlier time, or its client's word.
        header.original_destination = Some(from.to_string().into());
        Message { header, properties: annotated, body: message.body.clone(), ..Message::default() }
    }

    /// The store had no room for a dead letter: it is offered again later, and held until then.
    pub(crate) fn dead_letter_failed(&mut self, letter: Deferred, failure: &Failure) {
        self.is_answered(letter.sent.destination, true);
        self.say(Subject::DeadLetter, || {
            format!("a dead letter waits, to be offered to the store again every {RETRY} ms: {failure}")
        });
        self.defer(letter);
    }

    fn defer(&mut self, letter: Deferred) {
        if self.deferred_letters.is_empty() {
            self.timers.set_only(Kind::Letters, self.now.saturating_add(RETRY));
        }
        self.deferred_letters.push(letter);
    }

    /// Whether dead letters wait for room in the store.
    pub(crate) fn has_deferred_letters(&self) -> bool {
        !self.deferred_letters.is_empty()
    }

    /// Offers again what the store had no room for.
    pub(crate) fn retry_letters(&mut self) {
        for mut letter in std::mem::take(&mut self.deferred_letters) {
            // The place itself may have found no room, or have been removed since.
            let key = self.letters_destination(&letter.place);
            let found = key.and_then(|key| Some((key, self.stored_destination(key)?)));
            let Some((key, stored)) = found else {
                self.defer(letter);
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
