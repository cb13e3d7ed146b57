//! What may be said in elements that one thing is said of as a whole: ActiveMQ's attributes of them, so that a slip in what will be read one day
//! is told now, and a test can compare them with its schema.
//!
//! Nothing of them acts, so that another name is told as its element is, and is no reason not to start: an older ActiveMQ may have known it.

use super::document::Element;
use super::reader::{Reader, shown, tag};
use crate::nearest::nearest;
use crate::remark::Severity;

impl<'a> Reader<'a> {
    /// Tells of attributes that ActiveMQ does not know, in what was told of as a whole and in what stands in it.
    pub(crate) fn within(&mut self, element: Element<'a>, severity: Severity) {
        // What is refused is to be removed anyway.
        if severity == Severity::Refused {
            return;
        }
        if element.is_core() {
            self.names_of(element, severity);
        }
        for child in element.children() {
            self.within(child, severity);
        }
    }

    fn names_of(&mut self, element: Element<'a>, severity: Severity) {
        let Some(names) = attributes_of(element.name()) else { return };
        for (name, _, place) in element.attributes() {
            if name == "id" || names.contains(&name) {
                continue;
            }
            let near = nearest(name, names.iter().copied());
            let meant = near.map_or_else(String::new, |near| format!(": is {near} meant?"));
            let what = format!("{} of {}", shown(name), tag(element.name()));
            self.say(
                place,
                what,
                severity,
                format!("ActiveMQ 5.17 knows no such thing in {}{meant}", tag(element.name())),
            );
        }
    }
}

/// The attributes that ActiveMQ knows in an element that is told of as a whole, but for `id`, which all have.
pub(crate) fn attributes_of(element: &str) -> Option<&'static [&'static str]> {
    ELEMENTS.iter().find(|(name, _)| *name == element).map(|(_, names)| *names)
}

/// The elements.
pub(crate) const ELEMENTS: &[(&str, &[&str])] = &[
    // Networks of brokers, and bridges.
    (
        "networkConnector",
        &[
            "advisoryAckPercentage",
            "advisoryForFailedForward",
            "advisoryPrefetchSize",
            "alwaysSyncSend",
            "bridgeFactory",
            "bridgeTempDestinations",
            "brokerName",
            "brokerService",
            "brokerURL",
            "checkDuplicateMessagesOnDuplex",
            "clientIdToken",
            "conduitNetworkQueueSubscriptions",
            "conduitSubscriptions",
            "connectionFilter",
            "consumerPriorityBase",
            "consumerTTL",
            "decreaseNetworkConsumerPriority",
            "destinationFilter",
            "discoveryAgent",
            "discoveryURI",
            "dispatchAsync",
            "duplex",
            "dynamicOnly",
            "gcDestinationViews",
            "gcSweepTime",
            "localUri",
            "messageTTL",
            "name",
            "networkTTL",
            "objectName",
            "password",
            "prefetchSize",
            "remotePassword",
            "remoteUserName",
            "sslContext",
            "staticBridge",
            "suppressDuplicateQueueSubscriptions",
            "suppressDuplicateTopicSubscriptions",
            "syncDurableSubs",
            "uri",
            "useBrokerNameAsIdSees",
            "useCompression",
            "useVirtualDestSubs",
            "userName",
        ],
    ),
    (
        "ldapNetworkConnector",
        &[
            "advisoryAckPercentage",
            "advisoryForFailedForward",
            "advisoryPrefetchSize",
            "alwaysSyncSend",
            "anonymousAuthentication",
            "base",
            "bridgeFactory",
            "bridgeTempDestinations",
            "brokerName",
            "brokerService",
            "brokerURL",
            "checkDuplicateMessagesOnDuplex",
            "clientIdToken",
            "conduitNetworkQueueSubscriptions",
            "conduitSubscriptions",
            "connectionFilter",
            "consumerPriorityBase",
            "consumerTTL",
            "decreaseNetworkConsumerPriority",
            "destinationFilter",
            "dispatchAsync",
            "duplex",
            "dynamicOnly",
            "gcDestinationViews",
            "gcSweepTime",
            "localUri",
            "messageTTL",
            "name",
            "networkTTL",
            "objectName",
            "password",
            "prefetchSize",
            "remotePassword",
            "remoteUserName",
            "searchEventListener",
            "searchFilter",
            "searchScope",
            "sslContext",
            "staticBridge",
            "suppressDuplicateQueueSubscriptions",
            "suppressDuplicateTopicSubscriptions",
            "syncDurableSubs",
            "uri",
            "useBrokerNameAsIdSees",
            "useCompression",
            "useVirtualDestSubs",
            "user",
            "userName",
        ],
    ),
    (
        "multicastNetworkConnector",
        &[
            "advisoryAckPercentage",
            "advisoryForFailedForward",
            "advisoryPrefetchSize",
            "alwaysSyncSend",
            "bridge",
            "bridgeFactory",
            "bridgeTempDestinations",
            "brokerName",
            "brokerService",
            "brokerURL",
            "checkDuplicateMessagesOnDuplex",
            "clientIdToken",
            "conduitNetworkQueueSubscriptions",
            "conduitSubscriptions",
            "connectionFilter",
            "consumerPriorityBase",
            "consumerTTL",
            "decreaseNetworkConsumerPriority",
            "destinationFilter",
            "dispatchAsync",
            "duplex",
            "dynamicOnly",
            "gcDestinationViews",
            "gcSweepTime",
            "localTransport",
            "localUri",
            "messageTTL",
            "name",
            "networkTTL",
            "objectName",
            "password",
            "prefetchSize",
            "remotePassword",
            "remoteTransport",
            "remoteURI",
            "remoteUserName",
            "sslContext",
            "staticBridge",
            "suppressDuplicateQueueSubscriptions",
            "suppressDuplicateTopicSubscriptions",
            "syncDurableSubs",
            "useBrokerNameAsIdSees",
            "useCompression",
            "useVirtualDestSubs",
            "userName",
        ],
    ),
    ("proxyConnector", &["bind", "localUri", "name", "proxyToLocalBroker", "remote", "server"]),
    // What is not memory.
    (
        "storeUsage",
        &[
            "executor",
            "limit",
            "limiter",
            "name",
            "parent",
            "percentLimit",
            "percentUsage",
            "percentUsageMinDelta",
            "pollingTime",
            "store",
            "total",
            "usagePortion",
        ],
    ),
    (
        "tempUsage",
        &[
            "executor",
            "limit",
            "limiter",
            "name",
            "parent",
            "percentLimit",
            "percentUsage",
            "percentUsageMinDelta",
            "pollingTime",
            "store",
            "total",
            "usagePortion",
        ],
    ),
    (
        "jobSchedulerUsage",
        &[
            "executor",
            "limit",
            "limiter",
            "name",
            "parent",
            "percentUsage",
            "percentUsageMinDelta",
            "pollingTime",
            "store",
            "usagePortion",
        ],
    ),
    // Where a subscription or queue reads from.
    ("fileCursor", &[]),
    ("vmCursor", &[]),
    ("fileQueueCursor", &[]),
    ("storeCursor", &[]),
    ("vmQueueCursor", &[]),
    ("fileDurableSubscriberCursor", &[]),
    ("storeDurableSubscriberCursor", &["immediatePriorityDispatch", "useCache"]),
    ("vmDurableCursor", &[]),
    // What is done with slow consumers.
    (
        "abortSlowConsumerStrategy",
        &[
            "abortConnection",
            "brokerService",
            "checkPeriod",
            "ignoreNetworkConsumers",
            "maxSlowCount",
            "maxSlowDuration",
            "name",
        ],
    ),
    (
        "abortSlowAckConsumerStrategy",
        &[
            "abortConnection",
            "brokerService",
            "checkPeriod",
            "ignoreIdleConsumers",
            "ignoreNetworkConsumers",
            "maxSlowCount",
            "maxSlowDuration",
            "maxTimeSinceLastAck",
            "name",
        ],
    ),
    ("oldestMessageWithLowestPriorityEvictionStrategy", &["evictExpiredMessagesHighWatermark"]),
    ("uniquePropertyMessageEvictionStrategy", &["evictExpiredMessagesHighWatermark", "propertyName"]),
    // Who is given what, and what is given again.
    ("simpleDispatchPolicy", &[]),
    ("roundRobinDispatchPolicy", &[]),
    ("strictOrderDispatchPolicy", &[]),
    ("priorityDispatchPolicy", &[]),
    ("priorityNetworkDispatchPolicy", &[]),
    ("clientIdFilterDispatchPolicy", &["ptpClientId", "ptpSuffix"]),
    ("noSubscriptionRecoveryPolicy", &["broker"]),
    ("fixedCountSubscriptionRecoveryPolicy", &["broker", "maximumSize"]),
    ("fixedSizedSubscriptionRecoveryPolicy", &["broker", "buffer", "maximumSize", "useSharedBuffer"]),
    ("lastImageSubscriptionRecoveryPolicy", &["broker"]),
    ("queryBasedSubscriptionRecoveryPolicy", &["broker", "query"]),
    ("retainedMessageSubscriptionRecoveryPolicy", &["broker", "wrapped"]),
    ("timedSubscriptionRecoveryPolicy", &["broker", "recoverDuration"]),
    // Groups and bridges.
    ("cachedMessageGroupMapFactory", &["cacheSize"]),
    ("messageGroupHashBucketFactory", &["bucketCount", "cacheSize"]),
    ("simpleMessageGroupMapFactory", &[]),
    (
        "conditionalNetworkBridgeFilterFactory",
        &["rateDuration", "rateLimit", "replayDelay", "replayWhenNoConsumers", "selectorAware"],
    ),
    ("defaultNetworkBridgeFilterFactory", &[]),
    // Plugins.
    (
        "simpleAuthenticationPlugin",
        &["anonymousAccessAllowed", "anonymousGroup", "anonymousUser", "userGroups", "userPasswords"],
    ),
    ("jaasAuthenticationPlugin", &["configuration", "discoverLoginConfig"]),
    ("jaasCertificateAuthenticationPlugin", &["configuration", "discoverLoginConfig"]),
    ("jaasDualAuthenticationPlugin", &["configuration", "discoverLoginConfig", "sslConfiguration"]),
    ("authorizationPlugin", &["map"]),
    ("connectionDotFilePlugin", &["file"]),
    ("destinationDotFilePlugin", &["file"]),
    ("destinationPathSeparatorPlugin", &["adminConnectionContext", "next", "pathSeparator"]),
    ("destinationsPlugin", &["adminConnectionContext", "location", "next"]),
    (
        "discardingDLQBrokerPlugin",
        &["dropAll", "dropOnly", "dropTemporaryQueues", "dropTemporaryTopics", "reportInterval"],
    ),
    ("forcePersistencyModeBrokerPlugin", &["persistenceFlag"]),
    (
        "loggingBrokerPlugin",
        &[
            "adminConnectionContext",
            "logAll",
            "logConnectionEvents",
            "logConsumerEvents",
            "logInternalEvents",
            "logProducerEvents",
            "logSessionEvents",
            "logTransactionEvents",
            "next",
            "perDestinationLogger",
        ],
    ),
    (
        "multicastTraceBrokerPlugin",
        &[
            "address",
            "adminConnectionContext",
            "broadcast",
            "destination",
            "maxTraceDatagramSize",
            "next",
            "timeToLive",
            "wireFormat",
            "wireFormatFactory",
        ],
    ),
    (
        "udpTraceBrokerPlugin",
        &[
            "address",
            "adminConnectionContext",
            "broadcast",
            "destination",
            "maxTraceDatagramSize",
            "next",
            "wireFormat",
            "wireFormatFactory",
        ],
    ),
    ("traceBrokerPathPlugin", &["adminConnectionContext", "next", "stampProperty"]),
    ("partitionBrokerPlugin", &["config", "configAsJson", "minTransferCount"]),
    (
        "redeliveryPlugin",
        &[
            "adminConnectionContext",
            "fallbackToDeadLetter",
            "next",
            "redeliveryPolicyMap",
            "sendToDlqIfMaxRetriesExceeded",
        ],
    ),
    ("runtimeConfigurationPlugin", &["checkPeriod"]),
    ("statisticsBrokerPlugin", &[]),
    (
        "timeStampingBrokerPlugin",
        &[
            "adminConnectionContext",
            "futureOnly",
            "next",
            "processNetworkMessages",
            "ttlCeiling",
            "zeroExpirationOverride",
        ],
    ),
    (
        "virtualSelectorCacheBrokerPlugin",
        &["ignoreWildcardSelectors", "persistFile", "persistInterval", "singleSelectorPerDestination"],
    ),
    // Interceptors.
    (
        "virtualTopic",
        &[
            "concurrentSend",
            "dropOnResourceLimit",
            "local",
            "name",
            "postfix",
            "prefix",
            "selectorAware",
            "setOriginalDestination",
            "transactedSend",
        ],
    ),
    ("compositeQueue", &["concurrentSend", "copyMessage", "forwardOnly", "name", "sendWhenNotMatched"]),
    ("compositeTopic", &["concurrentSend", "copyMessage", "forwardOnly", "name", "sendWhenNotMatched"]),
    ("mirroredQueue", &["brokerService", "copyMessage", "postfix", "prefix"]),
];
