//! What waits in memory for a topic's subscriber: no more messages than its policy says, and no more bytes.

use crate::core::effects::Notice;
use crate::core::keys::{ConsumerKey, DestinationKey};
use crate::core::state::Core;
use crate::core::state::backlog::Pending;

impl Core {
    /// Adds to what waits in memory for a topic's subscriber; `topic` where the message is one of a topic, not an announcement.
    pub(crate) fn add_pending(&mut self, key: ConsumerKey, pending: Pending, topic: Option<DestinationKey>) {
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "a topic's subscriber is there");
            return;
        };
        let bytes_max = consumer.policy.topic_pending_bytes_max;
        consumer.backlog.push(pending);
        self.deliver_pending(key);
        self.drop_beyond_count(key);
        let Some(consumer) = self.consumers.get(&key) else {
            debug_assert!(false, "nobody goes because of what is delivered to it");
            return;
        };
        if consumer.backlog.bytes() <= bytes_max / 2 {
            return;
        }
        let refused = consumer.keep_refused_until > self.now;
        if !refused && topic.is_some_and(|topic| self.can_be_kept(topic)) {
            // What is under way until the store keeps the rest is bounded by what each sender may have under way.
            self.overflows(key);
            return;
        }
        let why =
            if refused { "the store has no room for them" } else { "they are not of a kind that is stored" };
        // While senders are held back there is more than enough room for what they had under way; see `slow`.
        while let Some(consumer) = self.consumers.get_mut(&key)
            && consumer.backlog.pop_beyond(bytes_max).is_some()
        {
            consumer.dropped += 1;
            self.say_dropped(key, || format!("more than {bytes_max} bytes wait for it, and {why}"));
        }
    }

    /// Drops the oldest of what waits for a subscriber beyond its `pendingMessageLimitStrategy`.
    fn drop_beyond_count(&mut self, key: ConsumerKey) {
        while let Some(consumer) = self.consumers.get_mut(&key)
            && let Some(most) = consumer.pending_messages_max
            && consumer.backlog.len() > most
        {
            consumer.backlog.pop();
            consumer.dropped += 1;
            self.say_dropped(key, || {
                format!("more than {most} messages wait for it, which is its pendingMessageLimitStrategy")
            });
        }
    }

    /// Says that a subscriber lost one more message, at 1, 2, 4, 8, …: often enough to be seen, too seldom to flood.
    fn say_dropped(&mut self, key: ConsumerKey, why: impl FnOnce() -> String) {
        let Some(consumer) = self.consumers.get(&key).filter(|found| found.dropped.is_power_of_two()) else {
            return;
        };
        let text = format!(
            "topic subscriber {} of {} at {} is slow: {}; {} of its oldest messages were dropped so far",
            consumer.spec.name,
            consumer.spec.address,
            self.remote_of(key),
            why(),
            consumer.dropped
        );
        self.effects.notices.push(Notice { text });
    }
}
