//! What a network connector is told. Names and defaults are ActiveMQ's.

use super::finding::Finding;
use super::pattern::{contains, overlap};
use super::retry::RetryOptions;
use super::target::Target;
use crate::core::address::Address;

/// A text that no log line has.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

/// A network connector: bridges from this broker, one to each target that it names; both ways where it is `duplex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConnector {
    /// `name`: part of the client ids here and there.
    pub name: String,
    /// Whom to bridge to: what is in the brackets of `static:(…)`.
    pub targets: Vec<Target>,
    /// How others are found: `multicast://…`.
    pub finding: Option<Finding>,
    /// `duplex`: whether messages cross the other way too, over the same line.
    pub duplex: bool,
    /// When a broken one is tried again, where its target says nothing else.
    pub retry: RetryOptions,
    /// `messageTTL`: how many brokers a message may have passed and still cross, less one; -1 is any number.
    pub message_ttl: i32,
    /// `consumerTTL`: the same of a consumer's demand.
    pub consumer_ttl: i32,
    /// `conduitSubscriptions`: whether all consumers of a destination over there are one here.
    pub conduit_subscriptions: bool,
    /// `conduitNetworkQueueSubscriptions`: also those that stand for consumers behind that broker.
    pub conduit_network_queue_subscriptions: bool,
    /// `decreaseNetworkConsumerPriority`: whether consumers here are served first.
    pub decrease_network_consumer_priority: bool,
    /// `consumerPriorityBase`: the priority of consumers over there then.
    pub consumer_priority_base: i8,
    /// `prefetchSize`: how many messages of each subscription may be on their way at a time.
    pub prefetch_size: u32,
    /// `advisoryPrefetchSize`: how many advisories are sent ahead; 0 for as many as messages.
    pub advisory_prefetch_size: u32,
    /// `advisoryAckPercentage`: after which part of them they are acknowledged.
    pub advisory_ack_percentage: u32,
    /// `alwaysSyncSend`: whether messages that are not persistent wait for their answer too.
    pub always_sync_send: bool,
    /// `dispatchAsync`: told to the broker here, to which it means nothing.
    pub dispatch_async: bool,
    /// `staticBridge`: whether only what is included statically crosses, and nobody's demand is asked for.
    pub static_bridge: bool,
    /// `suppressDuplicateQueueSubscriptions`: whether a queue's consumer that can be reached over two bridges is served over one.
    pub suppress_duplicate_queue_subscriptions: bool,
    /// `suppressDuplicateTopicSubscriptions`: the same of a topic's.
    pub suppress_duplicate_topic_subscriptions: bool,
    /// `bridgeTempDestinations`: whether temporary destinations over there are reached from here, so that requests are answered.
    pub bridge_temp_destinations: bool,
    /// `dynamicOnly`: whether what is kept here for durable subscriptions over there waits for their clients when the bridge is built anew.
    pub dynamic_only: bool,
    /// `syncDurableSubs`: whether the broker there tells of all its durable subscriptions to what is included, so that none is missed, and nothing is kept for
    /// one that is no more.
    pub sync_durable_subs: bool,
    /// `destinationFilter`: the advisories that are asked for, instead of what follows from the included destinations.
    pub destination_filter: Option<String>,
    /// `clientIdToken`: what stands between the parts of client ids.
    pub client_id_token: String,
    /// `excludedDestinations`: patterns of what never crosses.
    pub excluded_destinations: Vec<Address>,
    /// `dynamicallyIncludedDestinations`: patterns of what may cross where somebody wants it; where there are none, everything.
    pub dynamically_included_destinations: Vec<Address>,
    /// `staticallyIncludedDestinations`: what crosses whether anybody wants it or not.
    pub statically_included_destinations: Vec<Address>,
    /// `userName`: here, and over there where `remoteUserName` says nothing.
    pub user_name: Option<String>,
    /// `password`: the same.
    pub password: Option<Secret>,
    /// `remoteUserName`.
    pub remote_user_name: Option<String>,
    /// `remotePassword`.
    pub remote_password: Option<Secret>,
}

impl Default for NetworkConnector {
    fn default() -> Self {
        Self {
            name: "NC".to_owned(),
            targets: Vec::new(),
            finding: None,
            duplex: false,
            retry: RetryOptions::default(),
            message_ttl: 1,
            consumer_ttl: 1,
            conduit_subscriptions: true,
            conduit_network_queue_subscriptions: false,
            decrease_network_consumer_priority: true,
            consumer_priority_base: -5,
            prefetch_size: 1000,
            advisory_prefetch_size: 0,
            advisory_ack_percentage: 75,
            always_sync_send: true,
            dispatch_async: true,
            static_bridge: false,
            suppress_duplicate_queue_subscriptions: false,
            suppress_duplicate_topic_subscriptions: true,
            bridge_temp_destinations: true,
            dynamic_only: false,
            sync_durable_subs: false,
            destination_filter: None,
            client_id_token: "_".to_owned(),
            excluded_destinations: Vec::new(),
            dynamically_included_destinations: Vec::new(),
            statically_included_destinations: Vec::new(),
            user_name: None,
            password: None,
            remote_user_name: None,
            remote_password: None,
        }
    }
}

impl NetworkConnector {
    /// Whether this may cross, all of it where it is a pattern.
    pub fn permits(&self, address: &Address) -> bool {
        let within = |list: &[Address]| list.iter().any(|pattern| contains(pattern, address));
        if address.kind.is_temporary() {
            return self.bridge_temp_destinations;
        }
        if within(&self.excluded_destinations) {
            return false;
        }
        within(&self.statically_included_destinations)
            || self.dynamically_included_destinations.is_empty()
            || within(&self.dynamically_included_destinations)
    }

    /// What is excluded of a pattern, if anything is.
    pub fn excluded_of(&self, pattern: &Address) -> Option<&Address> {
        self.excluded_destinations.iter().find(|excluded| pattern.is_pattern() && overlap(excluded, pattern))
    }

    /// How many advisories are sent ahead.
    pub fn advisories_ahead(&self) -> u32 {
        if self.advisory_prefetch_size > 0 { self.advisory_prefetch_size } else { self.prefetch_size }
    }
}
