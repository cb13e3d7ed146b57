//! Dispatch: from what waits, in order, to consumers that have credit.

use std::sync::Arc;

use kahawai_store::contract::ReadRequest;

use super::window::{Position, Waiting};
use crate::core::clients::hand_out::hand_out;
use crate::core::effects::{Delivery, Payload, StoreCall};
use crate::core::keys::{ConsumerKey, ReadToken, SourceKey};
use crate::core::memory::Holds;
use crate::core::state::Core;
use crate::core::state::consumer::Consumer;
use crate::core::state::dispatched::Dispatched;
use crate::core::state::source::Source;
use crate::core::state::turn::ReadFor;

/// The least that is read where memory is short, so that everything still moves.
const SCARCE_PAGE_MESSAGES: usize = 8;
const SCARCE_PAGE_BYTES: usize = 64 << 10;

impl Core {
    /// Something changed: dispatch from this source before the turn ends.
    pub(crate) fn touch(&mut self, key: SourceKey) {
        if let Some(source) = self.sources.get_mut(&key).filter(|source| !source.touched) {
            source.touched = true;
            self.touched.push(key);
        }
    }

    /// Dispatches from everything that changed.
    pub(crate) fn dispatch(&mut self) {
        while let Some(key) = self.touched.pop() {
            if let Some(source) = self.sources.get_mut(&key) {
                source.touched = false;
                self.turn_back(key);
                let hungry = self.dispatch_source(key);
                if hungry {
                    self.pass_over(key);
                }
                self.ask_page(key, hungry);
                self.read_condemned(key);
                self.end_overflow(key);
            }
        }
    }

    /// Whether a consumer could be given a message now.
    fn has_room(&self, key: ConsumerKey) -> bool {
        let consumer = self.consumers.get(&key);
        consumer.is_some_and(|consumer| consumer.takes_stored() && !self.is_congested(consumer.connection))
    }

    /// What was passed over is looked at again once somebody has room who has not refused it.
    fn turn_back(&mut self, key: SourceKey) {
        let Some(source) = self.sources.get(&key).filter(|source| source.window.has_passed_over()) else {
            return;
        };
        let fresh = |key: &&ConsumerKey| !source.refusers.contains(key) && self.has_room(**key);
        if source.consumers.iter().any(|key| fresh(&key))
            && let Some(source) = self.sources.get_mut(&key)
        {
            source.window.change(&mut self.memory).turn_back();
        }
    }

    /// Nobody with room wants anything of what is in memory: that must not hide what stands behind it.
    fn pass_over(&mut self, key: SourceKey) {
        let Some(source) = self.sources.get(&key).filter(|source| source.window.is_behind()) else { return };
        let refusers = source.consumers.iter().copied().filter(|key| self.has_room(*key)).collect();
        if let Some(source) = self.sources.get_mut(&key) {
            source.refusers = refusers;
            source.window.change(&mut self.memory).pass_over();
        }
    }

    /// Gives whether somebody has room and wants nothing of what is left.
    fn dispatch_source(&mut self, key: SourceKey) -> bool {
        let mut passed: Option<Position> = None;
        loop {
            let Some(source) = self.sources.get(&key) else {
                debug_assert!(false, "a source stays while it is dispatched from");
                return false;
            };
            let Some(next) = source.window.first_after(passed) else { return passed.is_some() };
            let position = next.position;
            if next.message.header.is_expired(self.now) {
                let Some(waiting) = self.take(key, position) else {
                    debug_assert!(false, "it was seen a moment ago");
                    return false;
                };
                self.expire(key, waiting);
                continue;
            }
            match self.choose(source, next) {
                Choice::Nobody => return false,
                Choice::NotThis if source.subscription.is_some() => self.leave_out(key, position),
                Choice::NotThis => passed = Some(position),
                Choice::Consumer { consumer, next } => {
                    let Some(source) = self.sources.get_mut(&key) else {
                        debug_assert!(false, "a source stays while it is dispatched from");
                        return false;
                    };
                    source.next = next;
                    let taken = source.window.change(&mut self.memory).take(position);
                    let Some(waiting) = taken else {
                        debug_assert!(false, "it was seen a moment ago");
                        return false;
                    };
                    self.deliver(key, consumer, waiting);
                }
            }
        }
    }

    fn take(&mut self, key: SourceKey, position: Position) -> Option<Waiting> {
        self.sources.get_mut(&key)?.window.change(&mut self.memory).take(position)
    }

    /// A durable subscription's only consumer does not want a message: nobody will, and it is done with.
    fn leave_out(&mut self, key: SourceKey, position: Position) {
        let Some(waiting) = self.take(key, position) else {
            debug_assert!(false, "it was seen a moment ago");
            return;
        };
        self.consume(&Dispatched::from_source(key, &waiting, false));
    }

    /// Who gets a message: the next in turn among those of the highest priority that have room and want it.
    fn choose(&self, source: &Source, waiting: &Waiting) -> Choice {
        let count = source.consumers.len();
        let mut room = false;
        let mut chosen: Option<(i8, usize)> = None;
        let exclusive = match source.exclusives {
            0 => None,
            _ => self.first_exclusive(source),
        };
        // They are in the order of their priorities.
        let highest = source.consumers.first().and_then(|key| self.consumers.get(key));
        let highest = highest.map(|consumer| consumer.spec.priority);
        for step in 0..count {
            let index = exclusive.unwrap_or((source.next + step) % count);
            let Some(consumer) = source.consumers.get(index).and_then(|key| self.consumers.get(key)) else {
                debug_assert!(false, "a consumer of a source is there");
                continue;
            };
            let priority = consumer.spec.priority;
            if chosen.is_none_or(|(best, _)| priority > best) && consumer.takes_stored() {
                let congested = self.is_congested(consumer.connection);
                room |= !congested;
                if !congested && consumer.filter.accepts(&waiting.message) {
                    chosen = Some((priority, index));
                }
            }
            if exclusive.is_some() || chosen.is_some_and(|(best, _)| Some(best) == highest) {
                break;
            }
        }
        match chosen {
            Some((_, index)) => {
                Choice::Consumer { consumer: source.consumers[index], next: (index + 1) % count }
            }
            None if room => Choice::NotThis,
            None => Choice::Nobody,
        }
    }

    fn first_exclusive(&self, source: &Source) -> Option<usize> {
        let exclusive =
            |key: &ConsumerKey| self.consumers.get(key).is_some_and(|consumer| consumer.spec.exclusive);
        source.consumers.iter().position(exclusive)
    }

    fn deliver(&mut self, key: SourceKey, consumer_key: ConsumerKey, waiting: Waiting) {
        let source = self.sources.get(&key);
        let destination = source.and_then(|source| self.directory.get(source.destination));
        let Some(destination) = destination else {
            debug_assert!(false, "a source has a destination");
            return;
        };
        let Some(consumer) = self.consumers.get_mut(&consumer_key) else {
            debug_assert!(false, "who was chosen is there");
            return;
        };
        let Some(connection) = self.connections.get_mut(&consumer.connection) else {
            debug_assert!(false, "a consumer has a connection");
            return;
        };
        let bytes = waiting.message.size();
        // What the store has can be read again if it comes back; keep it only where memory is plenty.
        let keep = !waiting.stored
            || consumer.hand.dispatched().len() < destination.policy.window_messages_max
                && self.memory.is_plenty()
                && bytes < destination.policy.page_bytes_max / 16;
        let entry = Dispatched::from_source(key, &waiting, keep);
        let delivery = Delivery {
            consumer: consumer_key,
            id: waiting.id,
            destination: Arc::clone(&destination.address),
            payload: Payload::Message(waiting.message),
            redeliveries: waiting.redeliveries,
        };
        hand_out(&mut self.effects, &mut self.timers, connection, consumer, entry, delivery, bytes);
    }

    /// Asks for a page where somebody waits for it.
    fn ask_page(&mut self, key: SourceKey, hungry: bool) {
        let Some(source) = self.sources.get_mut(&key) else {
            debug_assert!(false, "a source stays while it is dispatched from");
            return;
        };
        // Nothing of it is in the store yet.
        let Some(destination) = source.stored else { return };
        let window = &source.window;
        let few = window.len() < source.policy.page_messages_max / 2
            && window.bytes() < source.policy.page_bytes_max / 2;
        let wanted = window.wants_page() && (few || hungry || window.first_after(None).is_none());
        let consumers = &self.consumers;
        let has_credit = |key: &ConsumerKey| consumers.get(key).is_some_and(Consumer::takes_stored);
        if !wanted || !source.consumers.iter().any(has_credit) {
            return;
        }
        let scarce = self.memory.is_full();
        let (messages_max, bytes_max) = if scarce {
            (SCARCE_PAGE_MESSAGES, SCARCE_PAGE_BYTES)
        } else {
            (source.policy.page_messages_max, source.policy.page_bytes_max)
        };
        let token = ReadToken(self.ids.key());
        let subscription = source.subscription;
        let after = source.window.change(&mut self.memory).page_asked(token);
        self.reads.insert(token, ReadFor::Source(key));
        self.flush();
        let request = ReadRequest { destination, subscription, after, messages_max, bytes_max };
        self.effects.store.push(StoreCall::Read(token, request));
    }

    /// Lets waiting messages that the store has go from memory, of sources that nobody consumes.
    pub(crate) fn shrink(&mut self) {
        for source in self.sources.values_mut() {
            if source.consumers.is_empty() && source.stored.is_some() {
                source.window.change(&mut self.memory).shrink();
            }
        }
    }
}

enum Choice {
    /// Nobody has room for anything.
    Nobody,
    /// Somebody has room, but does not want this one.
    NotThis,
    /// This one gets it; the next round begins there.
    Consumer { consumer: ConsumerKey, next: usize },
}
