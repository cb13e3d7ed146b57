//! Topic subscribers that are slower than those who send, where the store is no way out (see [`crate::core::durable::overflow`]): the topic is a temporary
//! one, or the store has no room.
//!
//! What such a subscriber has not taken waits in memory. When that grows, the
//! senders' connections are not read for a while, with a line in the log that says why. Two things bound this: a
//! connection that consumes is never held back, as its acknowledgements come the same way; and a subscriber that does not
//! catch up in time holds nobody back any more, but loses its oldest messages until it has.

use crate::core::effects::Event;
use crate::core::keys::{ConnectionKey, ConsumerKey, DestinationKey};
use crate::core::state::Core;
use crate::core::state::said::Subject;
use crate::core::timers::Kind;

impl Core {
    /// Holds a sender back if a subscriber has too much to catch up with.
    pub(crate) fn hold_back(&mut self, key: ConsumerKey, topic: DestinationKey, sender: ConnectionKey) {
        let refused = self.consumers.get(&key).is_some_and(|consumer| consumer.keep_refused_until > self.now);
        if !refused && self.can_be_kept(topic) {
            return;
        }
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "who was given something is there");
            return;
        };
        if consumer.backlog.bytes() < consumer.policy.topic_pending_bytes_max / 2
            || consumer.slow.given_up
            || consumer.slow.senders.contains(&sender)
        {
            return;
        }
        let consumers = &self.consumers;
        let consumes = |connection: &crate::core::state::connection::Connection| {
            let mut own = connection.consumers.iter().filter_map(|key| consumers.get(key));
            own.any(|consumer| !consumer.spec.address.name.starts_with(crate::core::address::ADVISORY_PREFIX))
        };
        if self.connections.get(&sender).is_none_or(consumes) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&sender) else {
            debug_assert!(false, "it was there a moment ago");
            return;
        };
        connection.held_by += 1;
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "it was there a moment ago");
            return;
        };
        consumer.slow.senders.insert(sender);
        let deadline = self.now.saturating_add(consumer.policy.slow_subscriber_hold);
        if consumer.slow.deadline.is_none() {
            consumer.slow.deadline = Some(deadline);
            self.timers.set(Kind::Hold, deadline, key);
            let (bytes, name) = (consumer.backlog.bytes(), consumer.spec.name.clone());
            let address = consumer.spec.address.clone();
            let remote = self.remote_of(key);
            self.say(Subject::HeldBack, || {
                format!(
                    "senders are held back: {bytes} bytes wait for the topic subscriber {name} of {address} at {remote}"
                )
            });
        }
    }

    /// A subscriber has taken something: if enough, its senders go on.
    pub(crate) fn catch_up(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "who has taken something is there");
            return;
        };
        if consumer.backlog.bytes() > consumer.policy.topic_pending_bytes_max / 4 {
            return;
        }
        consumer.slow.given_up = false;
        if consumer.slow.deadline.is_some() {
            self.release_senders(key);
        }
    }

    /// Those whom a subscriber holds back go on.
    pub(crate) fn release_senders(&mut self, key: ConsumerKey) {
        // Its client closes it, and does not know yet that the broker has.
        let Some(consumer) = self.consumers.get_mut(&key) else { return };
        if let Some(deadline) = consumer.slow.deadline.take() {
            self.timers.clear(Kind::Hold, deadline, key);
        }
        for sender in std::mem::take(&mut consumer.slow.senders) {
            // It may have gone while it was held back.
            let Some(connection) = self.connections.get_mut(&sender) else { continue };
            connection.held_by -= 1;
            if connection.held_by == 0 {
                self.effects.events.push((sender, Event::Resume));
            }
        }
    }

    /// Subscribers that held senders back for too long do so no more.
    pub(crate) fn end_holds(&mut self) {
        while let Some((deadline, key)) = self.timers.take_due(Kind::Hold, self.now) {
            let Some(consumer) = self.consumers.get_mut(&key) else {
                debug_assert!(false, "a subscriber that is gone holds nobody back");
                continue;
            };
            debug_assert_eq!(consumer.slow.deadline, Some(deadline));
            consumer.slow.deadline = None;
            consumer.slow.given_up = true;
            self.release_senders(key);
        }
    }
}
