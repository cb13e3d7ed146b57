//! How many messages a consumer takes before it acknowledges some.
//!
//! As with ActiveMQ a policy has a say where a consumer asked for what its kind asks for by default: nobody can tell such a consumer from one
//! that did not ask.

use crate::core::spec::ConsumerSpec;

/// How many messages each kind of consumer takes in advance, 0 where it asks for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// `queuePrefetch`.
    pub queue: u32,
    /// `queueBrowserPrefetch`.
    pub queue_browser: u32,
    /// `topicPrefetch`.
    pub topic: u32,
    /// `durableTopicPrefetch`.
    pub durable_topic: u32,
}

/// What ActiveMQ's clients ask for by default.
impl Default for Prefetch {
    fn default() -> Self {
        Self { queue: 1000, queue_browser: 500, topic: 32_767, durable_topic: 100 }
    }
}

/// What a durable subscriber asks for that acknowledges in its own time (`optimizeDurableTopicPrefetch`).
const OPTIMIZED_DURABLE_TOPIC: u32 = 1000;

impl Prefetch {
    /// The prefetch of a consumer that asked for one.
    pub(crate) fn of(&self, spec: &ConsumerSpec, asked: u32) -> u32 {
        let usual = Prefetch::default();
        let (is_usual, own) = if spec.browser {
            (asked == usual.queue_browser, self.queue_browser)
        } else if spec.address.kind.is_queue() {
            (asked == usual.queue, self.queue)
        } else if spec.subscription.is_some() {
            let is_usual = asked == usual.durable_topic || asked == OPTIMIZED_DURABLE_TOPIC;
            (is_usual, self.durable_topic)
        } else {
            (asked == usual.topic, self.topic)
        };
        // Where the policy says nothing, nothing is changed, the optimized one neither.
        if is_usual && *self != usual { own } else { asked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::Address;

    fn spec(address: Address, browser: bool, durable: bool) -> ConsumerSpec {
        ConsumerSpec {
            name: "c:1:1".into(),
            address,
            prefetch: 0,
            priority: 0,
            exclusive: false,
            no_local: false,
            browser,
            pending_messages_max: 0,
            selector: None,
            subscription: durable.then(|| "s".into()),
            network: None,
            leaves_out: None,
        }
    }

    #[test]
    fn who_asks_for_what_is_usual_gets_what_the_policy_says_for_its_kind_and_others_what_they_ask_for() {
        let prefetch = Prefetch { queue: 1, queue_browser: 2, topic: 3, durable_topic: 4 };
        let (queue, topic) = (Address::queue("q"), Address::topic("t"));
        for (spec, usual, own) in [
            (spec(queue.clone(), false, false), &[1000][..], 1),
            (spec(queue, true, false), &[500], 2),
            (spec(topic.clone(), false, false), &[32_767], 3),
            (spec(topic, false, true), &[100, 1000], 4),
        ] {
            for asked in [0, 1, 100, 500, 1000, 32_766, 32_767] {
                let expected = if usual.contains(&asked) { own } else { asked };
                assert_eq!(prefetch.of(&spec, asked), expected, "{asked} of {spec:?}");
                assert_eq!(Prefetch::default().of(&spec, asked), asked);
            }
        }
    }
}
