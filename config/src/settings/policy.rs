//! Settings of a policy: what a `policyEntry` says.

use bytestring::ByteString;
use kahawai_broker::core::address::Address;
use kahawai_broker::core::policy::{DeadLetterPlace, IndividualDeadLetters, PendingMessageLimit, Policy};

use super::Setting;
use super::read::{durability, milliseconds, show_size, signed, size, truth, whole};

/// All of them.
pub static SETTINGS: &[Setting<Policy>] = &[
    Setting {
        name: "maxPageSize",
        about: "the most messages that one read asks of the store",
        set: |policy, text| whole(text, 1).map(|number| policy.page_messages_max = number),
        show: |policy| policy.page_messages_max.to_string(),
    },
    Setting {
        name: "memoryLimit",
        about: "the most bytes of messages that a destination holds in memory; 0 for no limit of its own",
        set: |policy, text| size(text).map(|size| policy.memory_limit = (size > 0).then_some(size)),
        show: |policy| show_size(policy.memory_limit.unwrap_or_default() as u64),
    },
    Setting {
        name: "expireMessagesPeriod",
        about: "how often expired messages are looked for, in milliseconds; 0 for never",
        set: |policy, text| milliseconds(text).map(|time| policy.expire_messages_period = time),
        show: |policy| policy.expire_messages_period.to_string(),
    },
    Setting {
        name: "gcInactiveDestinations",
        about: "whether a destination goes that nobody has used for a time and that holds nothing",
        set: |policy, text| truth(text).map(|truth| policy.gc_inactive_destinations = truth),
        show: |policy| policy.gc_inactive_destinations.to_string(),
    },
    Setting {
        name: "inactiveTimeoutBeforeGC",
        about: "how long that time is, in milliseconds; 0 for ever",
        set: |policy, text| milliseconds(text).map(|time| policy.inactive_timeout_before_gc = time),
        show: |policy| policy.inactive_timeout_before_gc.to_string(),
    },
    Setting {
        name: "queuePrefetch",
        about: "how many messages a queue's consumer takes in advance that asks for the default",
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.queue = number),
        show: |policy| policy.prefetch.queue.to_string(),
    },
    Setting {
        name: "queueBrowserPrefetch",
        about: "the same for a browser",
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.queue_browser = number),
        show: |policy| policy.prefetch.queue_browser.to_string(),
    },
    Setting {
        name: "topicPrefetch",
        about: "the same for a topic's subscriber",
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.topic = number),
        show: |policy| policy.prefetch.topic.to_string(),
    },
    Setting {
        name: "durableTopicPrefetch",
        about: "the same for a durable subscriber",
        set: |policy, text| whole(text, 0).map(|number| policy.prefetch.durable_topic = number),
        show: |policy| policy.prefetch.durable_topic.to_string(),
    },
    Setting {
        name: "constantPendingMessageLimitStrategy",
        about: "how many messages wait for a slow topic subscriber before the oldest are dropped; below 0 any number",
        set: |policy, text| {
            signed(text)
                .map(|limit| policy.pending_message_limit = Some(PendingMessageLimit::Constant(limit)))
        },
        show: |policy| match policy.pending_message_limit {
            Some(PendingMessageLimit::Constant(limit)) => limit.to_string(),
            _ => String::new(),
        },
    },
    Setting {
        name: "prefetchRatePendingMessageLimitStrategy",
        about: "the same as a multiple of what the subscriber takes in advance",
        set: |policy, text| {
            let rate: f64 = text.trim().parse().map_err(|_| "needs a number".to_owned())?;
            if !rate.is_finite() {
                return Err("needs a number".to_owned());
            }
            policy.pending_message_limit = Some(PendingMessageLimit::PrefetchRate(rate));
            Ok(())
        },
        show: |policy| match policy.pending_message_limit {
            Some(PendingMessageLimit::PrefetchRate(rate)) => rate.to_string(),
            _ => String::new(),
        },
    },
    Setting {
        name: "journalDiskSyncStrategy",
        about: "how durable what is sent is when it is answered, where that is not as for the store: always, periodic or never",
        set: |policy, text| durability(text).map(|level| policy.journal_disk_sync_strategy = Some(level)),
        show: |policy| policy.journal_disk_sync_strategy.map_or(String::new(), |level| level.to_string()),
    },
    Setting {
        name: "deadLetterStrategy",
        about: "where dead letters go: shared (all to deadLetterQueue), individual (to one for each destination) or discarding",
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
            name.to_owned()
        },
    },
    Setting {
        name: "deadLetterQueue",
        about: "the queue that all dead letters go to, with the strategy 'shared'",
        set: |policy, text| {
            let address = Address::queue(ByteString::from(text.trim()));
            let parts = address.parts().len();
            if address.name.is_empty() || parts != 1 || address.is_pattern() {
                return Err("needs the name of one queue, and no pattern".to_owned());
            }
            policy.dead_letters.place = DeadLetterPlace::Shared(address);
            Ok(())
        },
        show: |policy| match &policy.dead_letters.place {
            DeadLetterPlace::Shared(address) => address.name.to_string(),
            _ => String::new(),
        },
    },
    Setting {
        name: "queuePrefix",
        about: "what the name of a queue's dead letters begins with, with the strategy 'individual'",
        set: |policy, text| individual(policy).map(|letters| letters.queue_prefix = text.into()),
        show: |policy| shown(policy, |letters| letters.queue_prefix.to_string()),
    },
    Setting {
        name: "queueSuffix",
        about: "what it ends with",
        set: |policy, text| individual(policy).map(|letters| letters.queue_suffix = text.into()),
        show: |policy| shown(policy, |letters| letters.queue_suffix.to_string()),
    },
    Setting {
        name: "topicPrefix",
        about: "what the name of a topic's dead letters begins with, with the strategy 'individual'",
        set: |policy, text| individual(policy).map(|letters| letters.topic_prefix = text.into()),
        show: |policy| shown(policy, |letters| letters.topic_prefix.to_string()),
    },
    Setting {
        name: "topicSuffix",
        about: "what it ends with",
        set: |policy, text| individual(policy).map(|letters| letters.topic_suffix = text.into()),
        show: |policy| shown(policy, |letters| letters.topic_suffix.to_string()),
    },
    Setting {
        name: "useQueueForQueueMessages",
        about: "whether a queue's dead letters go to a queue, with the strategy 'individual'",
        set: |policy, text| {
            let truth = truth(text)?;
            individual(policy).map(|letters| letters.use_queue_for_queue_messages = truth)
        },
        show: |policy| shown(policy, |letters| letters.use_queue_for_queue_messages.to_string()),
    },
    Setting {
        name: "useQueueForTopicMessages",
        about: "whether a topic's dead letters go to a queue, with the strategy 'individual'",
        set: |policy, text| {
            let truth = truth(text)?;
            individual(policy).map(|letters| letters.use_queue_for_topic_messages = truth)
        },
        show: |policy| shown(policy, |letters| letters.use_queue_for_topic_messages.to_string()),
    },
    Setting {
        name: "processExpired",
        about: "whether messages that expired become dead letters",
        set: |policy, text| truth(text).map(|truth| policy.dead_letters.process_expired = truth),
        show: |policy| policy.dead_letters.process_expired.to_string(),
    },
    Setting {
        name: "processNonPersistent",
        about: "whether messages that are not persistent become dead letters",
        set: |policy, text| truth(text).map(|truth| policy.dead_letters.process_non_persistent = truth),
        show: |policy| policy.dead_letters.process_non_persistent.to_string(),
    },
    Setting {
        name: "expiration",
        about: "how long a dead letter lives, in milliseconds; 0 for ever",
        set: |policy, text| milliseconds(text).map(|time| policy.dead_letters.expiration = time),
        show: |policy| policy.dead_letters.expiration.to_string(),
    },
];

fn individual(policy: &mut Policy) -> Result<&mut IndividualDeadLetters, String> {
    match &mut policy.dead_letters.place {
        DeadLetterPlace::Individual(letters) => Ok(letters),
        _ => Err("is for deadLetterStrategy = \"individual\", which is to be said first".to_owned()),
    }
}

fn shown(policy: &Policy, show: fn(&IndividualDeadLetters) -> String) -> String {
    match &policy.dead_letters.place {
        DeadLetterPlace::Individual(letters) => show(letters),
        _ => String::new(),
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
            ("queuePrefix", "DLQ."),
            ("useQueueForTopicMessages", "false"),
            ("expiration", "1h"),
            ("prefetchRatePendingMessageLimitStrategy", "2.5"),
            ("journalDiskSyncStrategy", "never"),
        ] {
            (find(SETTINGS, name).expect(name).set)(&mut changed, text).expect(text);
        }
        for policy in [Policy::default(), changed] {
            let mut again = Policy::default();
            for setting in SETTINGS {
                let shown = (setting.show)(&policy);
                if !shown.is_empty() {
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
