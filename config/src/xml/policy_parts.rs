//! What a `<policyEntry>` holds that the broker does: dead letters, and what is dropped for slow subscribers.

use super::destination;
use super::policy_draft::{Entry, set};
use super::table::{Attribute, Child, Table, fixed, harmless, id, read, setting, told, used};
use crate::remark::Severity::{Harmless, Refused, Warning};

const NO_AUDIT: &str = "a message becomes a dead letter once: it is moved in one step";

/// What all strategies for dead letters have.
const COMMON: &[Attribute<Entry>] = &[
    id(),
    setting("processExpired", set),
    setting("processNonPersistent", set),
    setting("expiration", set),
    harmless("enableAudit", NO_AUDIT),
    harmless("maxAuditDepth", NO_AUDIT),
    harmless("maxProducersToAudit", NO_AUDIT),
];

pub(crate) static SHARED: Table<Entry> = Table {
    element: "sharedDeadLetterStrategy",
    // As an attribute it is a qualified name, a queue's by default.
    attributes: &[COMMON, &[setting("deadLetterQueue", set)]],
    children: &[&[read("deadLetterQueue", |reader, element, entry| {
        let Some((inner, address)) = destination::destination(reader, element) else { return };
        if let Err(problem) = set(entry, "deadLetterQueue", &address.to_string()) {
            reader.say_of(inner, Refused, problem);
        }
    })]],
};

pub(crate) static INDIVIDUAL: Table<Entry> = Table {
    element: "individualDeadLetterStrategy",
    attributes: &[
        COMMON,
        &[
            setting("queuePrefix", set),
            setting("queueSuffix", set),
            setting("topicPrefix", set),
            setting("topicSuffix", set),
            setting("useQueueForQueueMessages", set),
            setting("useQueueForTopicMessages", set),
            fixed(
                "destinationPerDurableSubscriber",
                "false",
                "dead letters of all subscribers of a topic go to one place",
            ),
        ],
    ],
    children: &[],
};

pub(crate) static DISCARDING: Table<Entry> = Table {
    element: "discarding",
    attributes: &[COMMON, &[harmless("deadLetterQueue", "nothing goes there, as all of them are gone")]],
    children: &[&[told("deadLetterQueue", Harmless, "nothing goes there, as all of them are gone")]],
};

pub(crate) const DEAD_LETTER_STRATEGIES: &[Child<Entry>] = &[
    read("sharedDeadLetterStrategy", |reader, element, entry| reader.apply(&SHARED, element, entry)),
    read("individualDeadLetterStrategy", |reader, element, entry| {
        let said = set(entry, "deadLetterStrategy", "individual");
        debug_assert!(said.is_ok(), "there is such a strategy");
        reader.apply(&INDIVIDUAL, element, entry);
    }),
    read("discarding", |reader, element, entry| {
        let said = set(entry, "deadLetterStrategy", "discarding");
        debug_assert!(said.is_ok(), "there is such a strategy");
        reader.apply(&DISCARDING, element, entry);
    }),
];

pub(crate) static CONSTANT: Table<Entry> = Table {
    element: "constantPendingMessageLimitStrategy",
    attributes: &[&[
        id(),
        used("limit", |entry, text| Ok(set(entry, "constantPendingMessageLimitStrategy", text)?)),
    ]],
    children: &[],
};

pub(crate) static PREFETCH_RATE: Table<Entry> = Table {
    element: "prefetchRatePendingMessageLimitStrategy",
    attributes: &[&[
        id(),
        used("multiplier", |entry, text| Ok(set(entry, "prefetchRatePendingMessageLimitStrategy", text)?)),
    ]],
    children: &[],
};

pub(crate) const PENDING_LIMITS: &[Child<Entry>] = &[
    read("constantPendingMessageLimitStrategy", |reader, element, entry| {
        // ActiveMQ's defaults, which an entry without the strategy does not have.
        let said = set(entry, "constantPendingMessageLimitStrategy", "-1");
        debug_assert!(said.is_ok(), "it is a number");
        reader.apply(&CONSTANT, element, entry);
    }),
    read("prefetchRatePendingMessageLimitStrategy", |reader, element, entry| {
        let said = set(entry, "prefetchRatePendingMessageLimitStrategy", "0.5");
        debug_assert!(said.is_ok(), "it is a number");
        reader.apply(&PREFETCH_RATE, element, entry);
    }),
];

const OLDEST: &str = "where messages are dropped for a slow subscriber it is the oldest";

pub(crate) static EVICT_OLDEST: Table<Entry> = Table {
    element: "oldestMessageEvictionStrategy",
    attributes: &[&[
        id(),
        harmless("evictExpiredMessagesHighWatermark", "expired messages are always looked for"),
    ]],
    children: &[],
};

pub(crate) const EVICTION_STRATEGIES: &[Child<Entry>] = &[
    read("oldestMessageEvictionStrategy", |reader, element, entry| {
        reader.apply(&EVICT_OLDEST, element, entry)
    }),
    told("oldestMessageWithLowestPriorityEvictionStrategy", Warning, OLDEST),
    told("uniquePropertyMessageEvictionStrategy", Warning, OLDEST),
];
