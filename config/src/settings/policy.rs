//! Settings of a policy: what a `policyEntry` says.

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::policy::{DeadLetterPlace, IndividualDeadLetters, PendingMessageLimit, Policy};

use super::Setting;
use super::kind::{ANY, Kind, LEVELS};
use super::read::{durability, milliseconds, show_size, signed, size, truth, whole};

const PREFETCH: Kind = Kind::Whole { least: 0, most: u32::MAX as i64 };

/// All of them.
pub static SETTINGS: &[Setting<Policy>] = &[
    Setting {
        name: "maxPageSize",
        about: "the most messages that one read asks of the store",
        kind: Kind::Whole { least: 1, most: ANY },
        set: |policy, text| whole(text, 1).map(|number| policy.page_messages_max = number),
        show: |policy| Some(policy.page_messages_max.to_string()),
    },
    Setting {
        name: "memoryLimit",
        about: "the most bytes of messages that a destination holds in memory; 0 for no limit of its own",
        kind: Kind::Size { least: 0, most: ANY },
        set: |policy, text| size(text).map(|size| policy.memory_limit = (size > 0).then_some(size)),
        show: |policy| Some(show_size(policy.memory_limit.unwrap_or_default() as u64)),
    },
    Setting {
        name: "expireMessagesPeriod",
        about: "how often expired messages are looked for, in milliseconds; 0 for never",
        kind: Kind::Time { least: 0, most: ANY },
        set: |policy, text| milliseconds(text).map(|time| policy.expire_messages_period = time),
        show: |policy| Some(policy.expire_messages_period.to_string()),
    },
    Setting {
        name: "gcInactiveDestinations",
        about: "whether a destination goes that nobody has used for a time and that holds nothing",
        kind: Kind::Truth,
        set: |policy, text| truth(text).map(|truth| policy.gc_inactive_destinations = truth),
        show: |policy| Some(policy.gc_inactive_destinations.to_string()),
    },
    Setting {
        name: "inactiveTimeoutBeforeGC",
        about: "how long that time is, in milliseconds; 0 for ever",
        kind: Kind::Time { least: 0, most: ANY },
        set: |policy, text| milliseconds(text).map(|time| policy.inactive_timeout_before_gc = time),
        show: |policy| Some(policy.inactive_timeout_before_gc.to_string()),
    },
    Setting {
        name: "queuePrefetch",
        about: "how many messages a queue's consumer takes in advance that asks for the default",
        kind: PREFETCH,
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.queue = number),
        show: |policy| Some(policy.prefetch.queue.to_string()),
    },
    Setting {
        name: "queueBrowserPrefetch",
        about: "the same for a browser",
        kind: PREFETCH,
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.queue_browser = number),
        show: |policy| Some(policy.prefetch.queue_browser.to_string()),
    },
    Setting {
        name: "topicPrefetch",
        about: "the same for a topic's subscriber",
        kind: PREFETCH,
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.topic = number),
        show: |policy| Some(policy.prefetch.topic.to_string()),
    },
    Setting {
        name: "durableTopicPrefetch",
        about: "the same for a durable subscriber",
        kind: PREFETCH,
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.durable_topic = number),
        show: |policy| Some(policy.prefetch.durable_topic.to_string()),
    },
    Setting {
        name: "constantPendingMessageLimitStrategy",
        about: "how many messages wait for a slow topic subscriber before the oldest are dropped; below 0 any number",
        kind: Kind::Whole { least: i32::MIN as i64, most: i32::MAX as i64 },
        set: |policy, text| {
            signed(text)
                .map(|limit| policy.pending_message_limit = Some(PendingMessageLimit::Constant(limit)))
        },
        show: |policy| match policy.pending_message_limit {
            Some(PendingMessageLimit::Constant(limit)) => Some(limit.to_string()),
            _ => None,
        },
    },
    Setting {
        name: "prefetchRatePendingMessageLimitStrategy",
        about: "the same as a multiple of what the subscriber takes in advance",
        kind: Kind::Decimal,
        set: |policy, text| {
            let rate: f64 = text.trim().parse().map_err(|_| "needs a number".to_owned())?;
            if !rate.is_finite() {
                return Err("needs a number".to_owned());
            }
            policy.pending_message_limit = Some(PendingMessageLimit::PrefetchRate(rate));
            Ok(())
        },
        show: |policy| match policy.pending_message_limit {
            // As TOML has it, also where it is whole or huge.
            Some(PendingMessageLimit::PrefetchRate(rate)) => Some(format!("{rate:?}")),
            _ => None,
        },
    },
    Setting {
        name: "journalDiskSyncStrategy",
        about: "how durable what is sent is when it is answered, where that is not as for the store: always, periodic or never",
        kind: Kind::Word(LEVELS),
        set: |policy, text| durability(text).map(|level| policy.journal_disk_sync_strategy = Some(level)),
        show: |policy| policy.journal_disk_sync_strategy.map(|level| level.to_string()),
    },
    Setting {
        name: "deadLetterStrategy",
        about: "where dead letters go: shared (all to deadLetterQueue), individual (to one for each destination) or discarding",
        kind: Kind::Word(&["shared", "individual", "discarding"]),
        set: |policy, text| {
            match (text.trim(), &policy.dead_letters.place) {
                ("shared", DeadLetterPlace::Shared(_)) | ("individual", DeadLetterPlace::Individual(_)) => {}
                ("shared", _) => policy.dead_letters.place = Policy::default().dead_letters.place,
                ("individual", _) => {
                    policy.dead_letters.place = DeadLetterPlace::Individual(IndividualDeadLetters::default());
                }
                ("discarding", _) => policy.dead_letters.place = DeadLetterPlace::Discarding,
                _ => return Err("needs shared, individual or discarding".to_owned()),
            }
            Ok(())
        },
        show: |policy| {
            let name = match policy.dead_letters.place {
                DeadLetterPlace::Shared(_) => "shared",
                DeadLetterPlace::Individual(_) => "individual",
                DeadLetterPlace::Discarding => "discarding",
            };
            Some(name.to_owned())
        },
    },
    Setting {
        name: "deadLetterQueue",
        about: "the queue that all dead letters go to, or the topic (topic://NAME), with the strategy 'shared'",
        kind: Kind::Text,
        set: |policy, text| {
            let address = Address::parse(text.trim(), AddressKind::Queue);
            let parts = address.parts().len();
            if address.name.is_empty() || parts != 1 || address.is_pattern() {
                return Err("needs the name of one queue, and no pattern".to_owned());
            }
            if address.kind.is_temporary() {
                return Err("cannot be a temporary destination".to_owned());
            }
            policy.dead_letters.place = DeadLetterPlace::Shared(address);
            Ok(())
        },
        show: |policy| match &policy.dead_letters.place {
            DeadLetterPlace::Shared(address) => {
                // A queue is named without more where that is read as it again.
                let plain = Address::parse(&address.name, AddressKind::Queue) == *address;
                Some(if plain { address.name.to_string() } else { address.to_string() })
            }
            _ => None,
        },
    },
    Setting {
        name: "queuePrefix",
        about: "what the name of a queue's dead letters begins with, with the strategy 'individual'",
        kind: Kind::Text,
        set: |policy, text| individual(policy).map(|letters| letters.queue_prefix = text.into()),
        show: |policy| shown(policy, |letters| letters.queue_prefix.to_string()),
    },
    Setting {
        name: "queueSuffix",
        about: "what it ends with",
        kind: Kind::Text,
        set: |policy, text| individual(policy).map(|letters| letters.queue_suffix = text.into()),
        show: |policy| shown(policy, |letters| letters.queue_suffix.to_string()),
    },
    Setting {
        name: "topicPrefix",
        about: "what the name of a topic's dead letters begins with, with the strategy 'individual'",
        kind: Kind::Text,
        set: |policy, text| individual(policy).map(|letters| letters.topic_prefix = text.into()),
        show: |policy| shown(policy, |letters| letters.topic_prefix.to_string()),
    },
    Setting {
        name: "topicSuffix",
        about: "what it ends with",
        kind: Kind::Text,
        set: |policy, text| individual(policy).map(|letters| letters.topic_suffix = text.into()),
        show: |policy| shown(policy, |letters| letters.topic_suffix.to_string()),
    },
    Setting {
        name: "useQueueForQueueMessages",
        about: "whether a queue's dead letters go to a queue, with the strategy 'individual'",
        kind: Kind::Truth,
        set: |policy, text| {
            let truth = truth(text)?;
            individual(policy).map(|letters| letters.use_queue_for_queue_messages = truth)
        },
        show: |policy| shown(policy, |letters| letters.use_queue_for_queue_messages.to_string()),
    },
    Setting {
        name: "useQueueForTopicMessages",
        about: "whether a topic's dead letters go to a queue, with the strategy 'individual'",
        kind: Kind::Truth,
        set: |policy, text| {
            let truth = truth(text)?;
            individual(policy).map(|letters| letters.use_queue_for_topic_messages = truth)
        },
        show: |policy| shown(policy, |letters| letters.use_queue_for_topic_messages.to_string()),
    },
    Setting {
        name: "processExpired",
        about: "whether messages that expired become dead letters",
        kind: Kind::Truth,
        set: |policy, text| truth(text).map(|truth| policy.dead_letters.process_expired = truth),
        show: |policy| Some(policy.dead_letters.process_expired.to_string()),
    },
    Setting {
        name: "processNonPersistent",
        about: "whether messages that are not persistent become dead letters",
        kind: Kind::Truth,
        set: |policy, text| truth(text).map(|truth| policy.dead_letters.process_non_persistent = truth),
        show: |policy| Some(policy.dead_letters.process_non_persistent.to_string()),
    },
    Setting {
        name: "expiration",
        about: "how long a dead letter lives, in milliseconds; 0 for ever",
        kind: Kind::Time { least: 0, most: ANY },
        set: |policy, text| milliseconds(text).map(|time| policy.dead_letters.expiration = time),
        show: |policy| Some(policy.dead_letters.expiration.to_string()),
    },
];

fn individual(policy: &mut Policy) -> Result<&mut IndividualDeadLetters, String> {
    match &mut policy.dead_letters.place {
        DeadLetterPlace::Individual(letters) => Ok(letters),
        _ => Err("is for deadLetterStrategy = \"individual\", which is to be said first".to_owned()),
    }
}

fn shown(policy: &Policy, show: fn(&IndividualDeadLetters) -> String) -> Option<String> {
    match &policy.dead_letters.place {
        DeadLetterPlace::Individual(letters) => Some(show(letters)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::find;

    #[test]
    fn what_is_shown_sets_the_same_in_the_order_of_the_list() {
        let mut changed = Policy::default();
        for (name, text) in [
            ("memoryLimit", "1 mb"),
            ("queuePrefetch", "1"),
            ("deadLetterStrategy", "individual"),
            ("queuePrefix", ""),
            ("topicPrefix", "a b "),
            ("useQueueForTopicMessages", "false"),
            ("expiration", "1h"),
            ("prefetchRatePendingMessageLimitStrategy", "2.5"),
            ("journalDiskSyncStrategy", "never"),
        ] {
            (find(SETTINGS, name).expect(name).set)(&mut changed, text).expect(text);
        }
        let mut to_a_topic = Policy::default();
        let name = find(SETTINGS, "deadLetterQueue").expect("it is there");
        (name.set)(&mut to_a_topic, "topic://DEAD").expect("a topic");
        assert_eq!(to_a_topic.dead_letters.place, DeadLetterPlace::Shared(Address::topic("DEAD")));
        let mut odd = Policy::default();
        odd.dead_letters.place = DeadLetterPlace::Shared(Address::queue("topic://DEAD"));
        for policy in [Policy::default(), changed, to_a_topic, odd] {
            let mut again = Policy::default();
            for setting in SETTINGS {
                if let Some(shown) = (setting.show)(&policy) {
                    (setting.set)(&mut again, &shown)
                        .unwrap_or_else(|problem| panic!("{}: {shown}: {problem}", setting.name));
                }
            }
            assert_eq!(again, policy);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (name, wrong) in [
            ("maxPageSize", "0"),
            ("memoryLimit", "much"),
            ("deadLetterQueue", "A.>"),
            ("deadLetterQueue", "A,B"),
            ("deadLetterQueue", ""),
            ("deadLetterQueue", "temp-queue://A"),
            ("queuePrefix", "DLQ."),
            ("deadLetterStrategy", "none"),
            ("prefetchRatePendingMessageLimitStrategy", "NaN"),
        ] {
            let mut policy = Policy::default();
            assert!((find(SETTINGS, name).expect(name).set)(&mut policy, wrong).is_err(), "{name} = {wrong}");
            assert_eq!(policy, Policy::default());
        }
    }
}
