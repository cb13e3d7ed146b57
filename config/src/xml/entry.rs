//! `<policyEntry>`.

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::limits::Limits;

use super::destination;
use super::policy_draft::{Entry, set};
use super::policy_parts::{DEAD_LETTER_STRATEGIES, EVICTION_STRATEGIES, PENDING_LIMITS};
use super::table::{
    Attribute, Child, Said, Table, fixed, harmless, id, read, refused, setting, told, unbuilt, used,
};
use crate::remark::Severity::{Harmless, NotYet, Warning};
use crate::value;

const CURSOR: &str =
    "what waits is bounded in memory, and the rest of it read from the store: there is no choice of cursors";
const AUDIT: &str = "what a client sends again after a fail-over is known by its producer's sequence, always";
const RETROACTIVE: &str = "retroactive consumers are not built yet: they get what is sent from now on";
const NO_ADVISORY: &str = "there is no such advisory yet";
const NO_GROUPS: &str =
    "message groups are not built yet: messages of one group may go to different consumers";
const NO_PRIORITIES: &str =
    "priorities are not built yet: messages come in the order in which they were sent, whatever theirs";
const NO_NETWORK: &str = "what crosses to another broker is said in its <networkConnector> alone yet";
const AS_ELEMENT: &str = "write it as an element in the <policyEntry>";
const AT_ONCE: &str = "dispatch to a queue's first consumer begins at once";
const HOLDS_BACK: &str = "senders are held back when there is no room, and get no error for it, but for a temporary queue that is full";

pub(crate) static POLICY_ENTRY: Table<Entry> =
    Table { element: "policyEntry", attributes: &[WHOSE, USED, TELLING, OTHERS], children: &[CHILDREN] };

const WHOSE: &[Attribute<Entry>] = &[
    id(),
    used("queue", |entry, text| whose(entry, AddressKind::Queue, text)),
    used("topic", |entry, text| whose(entry, AddressKind::Topic, text)),
    used("tempQueue", |entry, text| whose_temporary(entry, AddressKind::TemporaryQueue, text)),
    used("tempTopic", |entry, text| whose_temporary(entry, AddressKind::TemporaryTopic, text)),
    used("destination", |entry, text| {
        let address = Address::parse(text, AddressKind::Queue);
        whose(entry, address.kind, &address.name)
    }),
];

fn whose(entry: &mut Entry, kind: AddressKind, name: &str) -> Result<(), Said> {
    if name.is_empty() {
        return Err("needs the name of a destination, or a pattern".to_owned().into());
    }
    let most = Limits::default().name_bytes_max;
    if name.len() > most {
        return Err(format!("is longer than {most} bytes, as no destination's name can be").into());
    }
    if entry.address.is_some() {
        return Err("it is for another destination already: write an entry for each".to_owned().into());
    }
    entry.address = Some(Address::new(kind, name));
    Ok(())
}

/// For all of them.
fn whose_temporary(entry: &mut Entry, kind: AddressKind, text: &str) -> Result<(), Said> {
    match value::boolean(text)? {
        true => whose(entry, kind, ">"),
        false => {
            Err(Said::new(Warning, "ActiveMQ takes it for true, whatever it says: remove the attribute"))
        }
    }
}

const USED: &[Attribute<Entry>] = &[
    setting("memoryLimit", set),
    setting("maxPageSize", set),
    setting("expireMessagesPeriod", set),
    setting("gcInactiveDestinations", set),
    setting("inactiveTimeoutBeforeGC", set),
    // ActiveMQ's old spelling.
    used("inactiveTimoutBeforeGC", |entry, text| Ok(set(entry, "inactiveTimeoutBeforeGC", text)?)),
    setting("queuePrefetch", set),
    setting("queueBrowserPrefetch", set),
    setting("topicPrefetch", set),
    setting("durableTopicPrefetch", set),
];

const TELLING: &[Attribute<Entry>] = &[
    unbuilt("advisoryForConsumed", "false", NO_ADVISORY),
    unbuilt("advisoryForDelivery", "false", NO_ADVISORY),
    unbuilt("advisoryForDiscardingMessages", "false", NO_ADVISORY),
    unbuilt("advisoryForFastProducers", "false", NO_ADVISORY),
    unbuilt("advisoryForSlowConsumers", "false", NO_ADVISORY),
    unbuilt("advisoryWhenFull", "false", NO_ADVISORY),
    unbuilt("sendAdvisoryIfNoConsumers", "false", NO_ADVISORY),
    unbuilt("includeBodyForAdvisory", "false", "advisories never hold the body of a message"),
];

const OTHERS: &[Attribute<Entry>] = &[
    fixed(
        "allConsumersExclusiveByDefault",
        "false",
        "consumers are exclusive where they ask for it: queue?consumer.exclusive=true",
    ),
    unbuilt("alwaysRetroactive", "false", RETROACTIVE),
    harmless(
        "blockedProducerWarningInterval",
        "the log says once a second at most that senders are held back",
    ),
    unbuilt("consumersBeforeDispatchStarts", "0", AT_ONCE),
    unbuilt("timeBeforeDispatchStarts", "0", AT_ONCE),
    harmless("cursorMemoryHighWaterMark", CURSOR),
    harmless("doOptimzeMessageStorage", CURSOR),
    harmless("optimizeMessageStoreInFlightLimit", CURSOR),
    harmless("useCache", CURSOR),
    harmless("lazyDispatch", "messages are read from the store when a consumer has room"),
    harmless("optimizedDispatch", "there is no thread between a queue and its consumers"),
    harmless("reduceMemoryFootprint", "messages are held encoded, once"),
    harmless("minimumMessageSize", "a message counts as what it takes"),
    harmless("enableAudit", AUDIT),
    harmless("maxAuditDepth", AUDIT),
    harmless("maxProducersToAudit", AUDIT),
    harmless("maxQueueAuditDepth", AUDIT),
    harmless("sendDuplicateFromStoreToDLQ", "the store has no message twice"),
    harmless("gcWithNetworkConsumers", NO_NETWORK),
    harmless("maxBrowsePageSize", "a browser sees the whole queue, a page after the other"),
    harmless(
        "maxExpirePageSize",
        "all of a queue is looked through for expired messages, a page after the other",
    ),
    unbuilt("maxDestinations", "0", "so many destinations and no more: that is not looked at yet"),
    unbuilt(
        "persistJMSRedelivered",
        "false",
        "after a restart a message does not say that it was delivered before",
    ),
    unbuilt("prioritizedMessages", "false", NO_PRIORITIES),
    fixed(
        "producerFlowControl",
        "true",
        "senders are held back where there is no room; messages that are not persistent go by the store",
    ),
    fixed("sendFailIfNoSpace", "false", HOLDS_BACK),
    fixed("sendFailIfNoSpaceAfterTimeout", "0", HOLDS_BACK),
    fixed("storeUsageHighWaterMark", "100", "senders are held back when the store has no room"),
    fixed(
        "strictOrderDispatch",
        "false",
        "consumers take turns: let one exclusive consumer take a queue whose order matters",
    ),
    fixed("useConsumerPriority", "true", "consumers of a higher priority always go first"),
    fixed(
        "usePrefetchExtension",
        "true",
        "a consumer in a transaction is always given more while it acknowledges",
    ),
    harmless("useTopicSubscriptionInflightStats", "counting costs nothing that matters"),
    unbuilt("messageGroupMapFactoryType", "cached", NO_GROUPS),
    refused("deadLetterStrategy", AS_ELEMENT),
    refused("dispatchPolicy", AS_ELEMENT),
    refused("messageEvictionStrategy", AS_ELEMENT),
    refused("messageGroupMapFactory", AS_ELEMENT),
    refused("networkBridgeFilterFactory", AS_ELEMENT),
    refused("pendingDurableSubscriberPolicy", AS_ELEMENT),
    refused("pendingMessageLimitStrategy", AS_ELEMENT),
    refused("pendingQueuePolicy", AS_ELEMENT),
    refused("pendingSubscriberPolicy", AS_ELEMENT),
    refused("slowConsumerStrategy", AS_ELEMENT),
    refused("subscriptionRecoveryPolicy", AS_ELEMENT),
];

const CHILDREN: &[Child<Entry>] = &[
    read("destination", |reader, element, entry| {
        if let Some((inner, address)) = destination::destination(reader, element)
            && let Err(said) = whose(entry, address.kind, &address.name)
        {
            reader.say_of(inner, said.severity, said.advice);
        }
    }),
    read("deadLetterStrategy", |reader, element, entry| {
        reader.one_of(DEAD_LETTER_STRATEGIES, element, entry)
    }),
    read("pendingMessageLimitStrategy", |reader, element, entry| {
        reader.one_of(PENDING_LIMITS, element, entry)
    }),
    read("messageEvictionStrategy", |reader, element, entry| {
        reader.one_of(EVICTION_STRATEGIES, element, entry)
    }),
    read("dispatchPolicy", |reader, element, entry| reader.one_of(DISPATCH_POLICIES, element, entry)),
    read("subscriptionRecoveryPolicy", |reader, element, entry| {
        reader.one_of(RECOVERY_POLICIES, element, entry)
    }),
    read("slowConsumerStrategy", |reader, element, entry| reader.one_of(SLOW_CONSUMERS, element, entry)),
    read("pendingQueuePolicy", |reader, element, entry| reader.one_of(QUEUE_CURSORS, element, entry)),
    read("pendingDurableSubscriberPolicy", |reader, element, entry| {
        reader.one_of(DURABLE_CURSORS, element, entry)
    }),
    read("pendingSubscriberPolicy", |reader, element, entry| reader.one_of(TOPIC_CURSORS, element, entry)),
    read("messageGroupMapFactory", |reader, element, entry| reader.one_of(GROUPS, element, entry)),
    read("networkBridgeFilterFactory", |reader, element, entry| {
        reader.one_of(BRIDGE_FILTERS, element, entry)
    }),
];

const IN_TURN: &str = "messages go to all subscribers, to all in one order: in which they became durable";

pub(crate) const DISPATCH_POLICIES: &[Child<Entry>] = &[
    told("simpleDispatchPolicy", Harmless, IN_TURN),
    told("roundRobinDispatchPolicy", Harmless, IN_TURN),
    told("strictOrderDispatchPolicy", Harmless, IN_TURN),
    told("priorityDispatchPolicy", Warning, IN_TURN),
    told("priorityNetworkDispatchPolicy", Warning, IN_TURN),
    told(
        "clientIdFilterDispatchPolicy",
        Warning,
        "messages go to all subscribers, also to those whose client id it leaves out",
    ),
];

pub(crate) const RECOVERY_POLICIES: &[Child<Entry>] = &[
    told("noSubscriptionRecoveryPolicy", Harmless, RETROACTIVE),
    told("fixedCountSubscriptionRecoveryPolicy", NotYet, RETROACTIVE),
    told("fixedSizedSubscriptionRecoveryPolicy", NotYet, RETROACTIVE),
    told("lastImageSubscriptionRecoveryPolicy", NotYet, RETROACTIVE),
    told("queryBasedSubscriptionRecoveryPolicy", NotYet, RETROACTIVE),
    told("retainedMessageSubscriptionRecoveryPolicy", NotYet, RETROACTIVE),
    told("timedSubscriptionRecoveryPolicy", NotYet, RETROACTIVE),
];

const NOT_ABORTED: &str =
    "slow consumers are not ended yet; <pendingMessageLimitStrategy> says what may be dropped for them";

pub(crate) const SLOW_CONSUMERS: &[Child<Entry>] = &[
    told("abortSlowConsumerStrategy", NotYet, NOT_ABORTED),
    told("abortSlowAckConsumerStrategy", NotYet, NOT_ABORTED),
];

pub(crate) const QUEUE_CURSORS: &[Child<Entry>] = &[
    told("fileQueueCursor", Harmless, CURSOR),
    told("storeCursor", Harmless, CURSOR),
    told("vmQueueCursor", Harmless, CURSOR),
];

pub(crate) const DURABLE_CURSORS: &[Child<Entry>] = &[
    told("fileDurableSubscriberCursor", Harmless, CURSOR),
    told("storeDurableSubscriberCursor", Harmless, CURSOR),
    told("vmDurableCursor", Harmless, CURSOR),
];

pub(crate) const TOPIC_CURSORS: &[Child<Entry>] =
    &[told("fileCursor", Harmless, CURSOR), told("vmCursor", Harmless, CURSOR)];

pub(crate) const GROUPS: &[Child<Entry>] = &[
    told("cachedMessageGroupMapFactory", NotYet, NO_GROUPS),
    told("messageGroupHashBucketFactory", NotYet, NO_GROUPS),
    told("simpleMessageGroupMapFactory", NotYet, NO_GROUPS),
];

pub(crate) const BRIDGE_FILTERS: &[Child<Entry>] = &[
    told("conditionalNetworkBridgeFilterFactory", NotYet, NO_NETWORK),
    told("defaultNetworkBridgeFilterFactory", Harmless, NO_NETWORK),
];
