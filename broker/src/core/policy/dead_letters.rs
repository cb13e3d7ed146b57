//! What becomes of messages that expired or could not be consumed (`deadLetterStrategy`).

use bytestring::ByteString;

use crate::core::address::{Address, DEAD_LETTER_QUEUE};

/// Which messages become dead letters, and where they go. What does not become one is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterStrategy {
    /// Where they go.
    pub place: DeadLetterPlace,
    /// `processExpired`: whether those that expired become dead letters.
    pub process_expired: bool,
    /// `processNonPersistent`: whether those that are not persistent do. They are persistent then.
    pub process_non_persistent: bool,
    /// `expiration`: how long a dead letter lives, in milliseconds; 0 for ever.
    pub expiration: i64,
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterPlace {
    /// `sharedDeadLetterStrategy`: all to this one (`deadLetterQueue`), a queue or a topic with a plain name.
    Shared(Address),
    /// `individualDeadLetterStrategy`: to one for each destination.
    Individual(IndividualDeadLetters),
    /// `discarding`: nowhere.
    Discarding,
}

/// How the place for a destination's dead letters is named after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndividualDeadLetters {
    /// `queuePrefix`, before a queue's name.
    pub queue_prefix: ByteString,
    /// `queueSuffix`, behind it.
    pub queue_suffix: ByteString,
    /// `topicPrefix`, before a topic's name.
    pub topic_prefix: ByteString,
    /// `topicSuffix`, behind it.
    pub topic_suffix: ByteString,
    /// `useQueueForQueueMessages`: whether what comes from a queue goes to a queue, not to a topic.
    pub use_queue_for_queue_messages: bool,
    /// `useQueueForTopicMessages`: whether what comes from a topic goes to a queue, not to a topic.
    pub use_queue_for_topic_messages: bool,
}

impl Default for DeadLetterStrategy {
    fn default() -> Self {
        Self {
            place: DeadLetterPlace::Shared(Address::queue(ByteString::from_static(DEAD_LETTER_QUEUE))),
            process_expired: true,
            process_non_persistent: false,
            expiration: 0,
        }
    }
}

impl Default for IndividualDeadLetters {
    fn default() -> Self {
        Self {
            queue_prefix: ByteString::from_static("ActiveMQ.DLQ.Queue."),
            queue_suffix: ByteString::new(),
            topic_prefix: ByteString::from_static("ActiveMQ.DLQ.Topic."),
            topic_suffix: ByteString::new(),
            use_queue_for_queue_messages: true,
            use_queue_for_topic_messages: true,
        }
    }
}

impl DeadLetterStrategy {
    /// Where a message of a destination goes; `None` where it is gone, as it is in that place already. What fails in a place for
    /// dead letters of this strategy goes to a further one, as with ActiveMQ. A dead letter whose own time is over (`outlived`) is gone there: with
    /// ActiveMQ it would go from place to place for ever.
    pub(crate) fn place_for(&self, from: &Address, outlived: bool) -> Option<Address> {
        let place = match &self.place {
            DeadLetterPlace::Discarding => return None,
            DeadLetterPlace::Individual(individual) if outlived && individual.is_place(from) => return None,
            DeadLetterPlace::Shared(place) => place.clone(),
            DeadLetterPlace::Individual(individual) => individual.place_for(from),
        };
        Some(place).filter(|place| place != from)
    }
}

impl IndividualDeadLetters {
    fn place_for(&self, from: &Address) -> Address {
        let (prefix, suffix, to_queue) = if from.kind.is_queue() {
            (&self.queue_prefix, &self.queue_suffix, self.use_queue_for_queue_messages)
        } else {
            (&self.topic_prefix, &self.topic_suffix, self.use_queue_for_topic_messages)
        };
        let name = format!("{prefix}{}{suffix}", from.name);
        if to_queue { Address::queue(name) } else { Address::topic(name) }
    }

    /// Whether dead letters go there by this rule.
    fn is_place(&self, address: &Address) -> bool {
        let named = |prefix: &str, suffix: &str, to_queue: bool| {
            let inner = address.name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
            to_queue == address.kind.is_queue() && inner.is_some()
        };
        named(&self.queue_prefix, &self.queue_suffix, self.use_queue_for_queue_messages)
            || named(&self.topic_prefix, &self.topic_suffix, self.use_queue_for_topic_messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::AddressKind;

    #[test]
    fn a_shared_place_is_for_all_but_itself() {
        let strategy = DeadLetterStrategy::default();
        let place = Address::queue("ActiveMQ.DLQ");
        assert_eq!(strategy.place_for(&Address::queue("a"), true), Some(place.clone()));
        assert_eq!(strategy.place_for(&Address::topic("a"), false), Some(place.clone()));
        assert_eq!(strategy.place_for(&place, false), None);
        let strategy = DeadLetterStrategy { place: DeadLetterPlace::Discarding, ..strategy };
        assert_eq!(strategy.place_for(&Address::queue("a"), false), None);
    }

    #[test]
    fn individual_places_are_named_after_where_the_message_was_and_an_outlived_letter_leaves_them_for_none() {
        let individual = IndividualDeadLetters {
            queue_suffix: ".dead".into(),
            use_queue_for_topic_messages: false,
            ..IndividualDeadLetters::default()
        };
        let place = DeadLetterPlace::Individual(individual);
        let strategy = DeadLetterStrategy { place, ..DeadLetterStrategy::default() };
        for (from, expected) in [
            (Address::queue("a.b"), Address::queue("ActiveMQ.DLQ.Queue.a.b.dead")),
            (Address::topic("a.b"), Address::topic("ActiveMQ.DLQ.Topic.a.b")),
            (
                Address::new(AddressKind::TemporaryQueue, "ID:1"),
                Address::queue("ActiveMQ.DLQ.Queue.ID:1.dead"),
            ),
        ] {
            assert_eq!(strategy.place_for(&from, false).as_ref(), Some(&expected));
            assert_eq!(
                strategy.place_for(&from, true).as_ref(),
                Some(&expected),
                "it is no place for letters"
            );
            assert_eq!(strategy.place_for(&expected, true), None);
        }
        let further = strategy.place_for(&Address::queue("ActiveMQ.DLQ.Queue.a.b.dead"), false);
        assert_eq!(further, Some(Address::queue("ActiveMQ.DLQ.Queue.ActiveMQ.DLQ.Queue.a.b.dead.dead")));
    }

    #[test]
    fn a_place_that_is_named_like_where_the_message_was_is_none() {
        let individual =
            IndividualDeadLetters { queue_prefix: "".into(), ..IndividualDeadLetters::default() };
        let place = DeadLetterPlace::Individual(individual);
        let strategy = DeadLetterStrategy { place, ..DeadLetterStrategy::default() };
        assert_eq!(strategy.place_for(&Address::queue("a"), false), None);
    }
}
