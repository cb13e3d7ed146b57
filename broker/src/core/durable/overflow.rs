//! Topic subscribers that are slower than those who send: what does not fit in memory is kept in the store.
//!
//! A subscriber that is not durable gets what is published by memory. When too much waits for it, the store is asked to keep what
//! comes from then on, by a subscription of the broker's own, one for each of its topics; it is read page by page when the subscriber
//! has taken what waits in memory, so that order is kept. When it has caught up, the subscription goes. Nobody is held back for it and nothing
//! is lost.
//!
//! What makes each message come exactly once is that the store answers in order: a message that is committed before the subscription comes by
//! memory, one that is committed after it comes by the store. The way back is taken when nothing is under way: a page may have shown what
//! the store has committed and not answered yet.
//!
//! Temporary topics are not in the store, nor are the broker's own announcements: see [`crate::core::clients::slow`].

use bytestring::ByteString;
use kahawai_store::batch::{Operation, Subscription};

use crate::core::dispatch::window::Window;
use crate::core::keys::{ConsumerKey, DestinationKey, SourceKey};
use crate::core::state::Core;
use crate::core::state::consumer::Kept;
use crate::core::state::said::Subject;
use crate::core::state::source::Source;
use crate::core::state::turn::Completed;

/// The client id of the broker's own subscriptions. Clients cannot have it.
const OWN: ByteString = ByteString::from_static("");

/// Whether a subscription that a store holds was made for a subscriber that has gone with its broker.
pub(crate) fn is_left_over(subscription: &Subscription) -> bool {
    subscription.client_id == OWN
}

impl Core {
    /// Too much waits for a subscriber: its topics are kept by the store from the end of this turn on.
    pub(crate) fn overflows(&mut self, key: ConsumerKey) {
        if !self.overflowing.contains(&key) {
            self.overflowing.push(key);
        }
    }

    /// Whether the store can keep a topic's messages for somebody.
    pub(crate) fn can_be_kept(&self, topic: DestinationKey) -> bool {
        self.directory.get(topic).is_some_and(|topic| {
            topic.queue.is_none() && !topic.address.kind.is_temporary() && !topic.address.is_advisory()
        })
    }

    /// Asks the store to keep what comes from now on, for those for whom too much waits. Between two batches: what one send gathers stays
    /// together.
    pub(crate) fn begin_overflows(&mut self) {
        for key in std::mem::take(&mut self.overflowing) {
            // It may have gone in the same turn.
            let Some(consumer) = self.consumers.get(&key) else { continue };
            let kept = |topic: &DestinationKey| consumer.kept.iter().any(|kept| kept.topic == *topic);
            let topics: Vec<_> = consumer
                .topics
                .iter()
                .filter(|topic| !kept(topic) && self.can_be_kept(**topic))
                .copied()
                .collect();
            if topics.is_empty() || consumer.keep_refused_until > self.now {
                continue;
            }
            let (bytes, name) = (consumer.backlog.bytes(), consumer.spec.name.clone());
            let address = consumer.spec.address.clone();
            let remote = self.remote_of(key);
            self.say(Subject::SlowSubscriber, || {
                format!(
                    "the topic subscriber {name} of {address} at {remote} is slow: {bytes} bytes wait for it in memory; what comes \
                     from now on is kept in the store until it has caught up"
                )
            });
            for topic in topics {
                self.keep(key, topic);
            }
        }
    }

    fn keep(&mut self, key: ConsumerKey, topic: DestinationKey) {
        let Some(destination) = self.stored_destination(topic) else {
            debug_assert!(false, "what somebody subscribes to is there");
            return;
        };
        let id = self.ids.subscription();
        let source = SourceKey(self.ids.key());
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "a subscriber that overflows is there");
            return;
        };
        consumer.kept.push(Kept { topic, source, active: false });
        consumer.sources.push(source);
        let subscription = Subscription {
            id,
            destination,
            client_id: OWN,
            // Who it is for, and a number for those that come back.
            name: format!("{} {}", consumer.spec.name, source.0).into(),
            selector: None,
            no_local: consumer.spec.no_local,
        };
        let policy = self.policy_of(topic);
        let mut state = Source::new(topic, policy, Some((destination, id)), Window::default());
        state.kept = true;
        self.sources.insert(source, state);
        if let Some(topic) = self.directory.get_mut(topic) {
            topic.durables.push(source);
        }
        self.attach_source(key, source);
        self.submit(vec![Operation::Subscribe(subscription)], Completed::Kept { consumer: key, source });
    }

    /// The store has answered whether it keeps a topic for a subscriber.
    pub(crate) fn kept(&mut self, key: ConsumerKey, source: SourceKey, taken: bool) {
        /// How long a store that had no room is left alone, in milliseconds.
        const REFUSED: i64 = 1000;
        if taken {
            self.activate(source);
            let consumer = self.consumers.get_mut(&key);
            let kept =
                consumer.and_then(|consumer| consumer.kept.iter_mut().find(|kept| kept.source == source));
            if let Some(kept) = kept {
                kept.active = true;
            }
            return;
        }
        self.forget_part(source);
        if let Some(consumer) = self.consumers.get_mut(&key) {
            consumer.kept.retain(|kept| kept.source != source);
            consumer.keep_refused_until = self.now.saturating_add(REFUSED);
        }
    }

    /// From here on what is committed to a subscription's topic comes by it.
    pub(crate) fn activate(&mut self, source: SourceKey) {
        if let Some(source) = self.sources.get_mut(&source) {
            source.active = true;
        }
    }

    /// A subscriber that has taken everything, from memory and from the store, gets the rest by memory again.
    pub(crate) fn end_overflow(&mut self, source_key: SourceKey) {
        let Some(source) = self.sources.get(&source_key).filter(|source| source.kept && source.active) else {
            return;
        };
        let Some(key) = source.consumers.first().copied() else {
            debug_assert!(false, "what is kept for a subscriber goes with it");
            return;
        };
        let caught_up = self.consumers.get(&key).is_some_and(|consumer| consumer.backlog.is_empty());
        let topic = self.directory.get(source.destination);
        let answered = topic.is_none_or(|topic| topic.under_way == 0);
        if caught_up && answered && source.window.is_drained() {
            self.unkeep(key, source_key);
        }
    }

    fn unkeep(&mut self, key: ConsumerKey, source: SourceKey) {
        if let Some(consumer) = self.consumers.get_mut(&key) {
            consumer.kept.retain(|kept| kept.source != source);
        }
        if let Some(id) = self.forget_part(source) {
            self.submit(vec![Operation::Unsubscribe(id)], Completed::Nothing);
        }
    }

    /// A subscriber goes: nothing is kept for it any more.
    pub(crate) fn drop_overflow(&mut self, key: ConsumerKey) {
        let kept = self.consumers.get(&key).map(|consumer| consumer.kept.clone()).unwrap_or_default();
        for kept in kept {
            self.unkeep(key, kept.source);
        }
    }

    /// Where a consumer's client is.
    pub(crate) fn remote_of(&self, key: ConsumerKey) -> ByteString {
        let connection = self.consumers.get(&key).map(|consumer| consumer.connection);
        let connection = connection.and_then(|connection| self.connections.get(&connection));
        connection.map(|connection| connection.spec.remote.clone()).unwrap_or_default()
    }
}
