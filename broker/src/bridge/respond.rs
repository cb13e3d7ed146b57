//! What a broker is told that answers to a duplex connector: the options that the other broker sends of it.
//!
//! They come from whoever dials. Each that is read here is bounded, and none names a class or an address; whatever else is sent means nothing.

use kahawai_openwire::connection::BrokerInfo;
use kahawai_openwire::properties;

use super::options::NetworkConnector;
use crate::openwire::network::read;

/// How many messages a bridge may be promised at most.
const PREFETCH_MAX: u32 = 100_000;
/// How long a part of a client id may be, and what stands between two, in bytes.
const NAME_BYTES_MAX: usize = 256;
const TOKEN_BYTES_MAX: usize = 16;
/// How long a filter may be, in bytes, and how many destinations may be listed.
const FILTER_BYTES_MAX: usize = 4096;
const DESTINATIONS_MAX: usize = 10_000;

/// The connector that another broker tells of. An option that is not said, or not so that it can be read, is as by default.
pub fn connector(info: &BrokerInfo) -> NetworkConnector {
    let said = properties::parse(info.network_properties.as_deref().unwrap_or_default().as_bytes());
    let mut connector = NetworkConnector { duplex: true, ..NetworkConnector::default() };
    let text = |name: &str, most: usize| said.get(name).filter(|text| text.len() <= most).cloned();
    let truth = |name: &str, option: &mut bool| match said.get(name).map(String::as_str) {
        Some("true") => *option = true,
        Some("false") => *option = false,
        _ => {}
    };
    let hops = |name: &str, option: &mut i32| {
        if let Some(hops) = said.get(name).and_then(|text| text.parse().ok()).filter(|hops| *hops >= -1) {
            *option = hops;
        }
    };
    let count = |name: &str, least: u32, most: u32, option: &mut u32| {
        if let Some(count) = said.get(name).and_then(|text| text.parse::<u32>().ok()) {
            *option = count.clamp(least, most);
        }
    };
    if let Some(name) = text("name", NAME_BYTES_MAX).filter(|name| !name.is_empty()) {
        connector.name = name;
    }
    if let Some(token) = text("clientIdToken", TOKEN_BYTES_MAX) {
        connector.client_id_token = token;
    }
    connector.destination_filter =
        text("destinationFilter", FILTER_BYTES_MAX).filter(|text| !text.is_empty());
    hops("messageTTL", &mut connector.message_ttl);
    hops("consumerTTL", &mut connector.consumer_ttl);
    truth("conduitSubscriptions", &mut connector.conduit_subscriptions);
    truth("conduitNetworkQueueSubscriptions", &mut connector.conduit_network_queue_subscriptions);
    truth("decreaseNetworkConsumerPriority", &mut connector.decrease_network_consumer_priority);
    truth("alwaysSyncSend", &mut connector.always_sync_send);
    truth("dispatchAsync", &mut connector.dispatch_async);
    truth("staticBridge", &mut connector.static_bridge);
    truth("suppressDuplicateQueueSubscriptions", &mut connector.suppress_duplicate_queue_subscriptions);
    truth("suppressDuplicateTopicSubscriptions", &mut connector.suppress_duplicate_topic_subscriptions);
    truth("bridgeTempDestinations", &mut connector.bridge_temp_destinations);
    truth("dynamicOnly", &mut connector.dynamic_only);
    truth("syncDurableSubs", &mut connector.sync_durable_subs);
    count("prefetchSize", 1, PREFETCH_MAX, &mut connector.prefetch_size);
    count("advisoryPrefetchSize", 0, PREFETCH_MAX, &mut connector.advisory_prefetch_size);
    count("advisoryAckPercentage", 0, 100, &mut connector.advisory_ack_percentage);
    if let Some(base) = said.get("consumerPriorityBase").and_then(|text| text.parse().ok()) {
        connector.consumer_priority_base = base;
    }
    for (name, list) in [
        ("excludedDestinations", &mut connector.excluded_destinations),
        ("dynamicallyIncludedDestinations", &mut connector.dynamically_included_destinations),
        ("staticallyIncludedDestinations", &mut connector.statically_included_destinations),
    ] {
        *list = said.get(name).map_or_else(Vec::new, |text| read(text));
        list.truncate(DESTINATIONS_MAX);
    }
    connector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::Address;

    fn told(properties: &str) -> NetworkConnector {
        connector(&BrokerInfo { network_properties: Some(properties.into()), ..BrokerInfo::default() })
    }

    #[test]
    fn what_is_said_within_bounds_holds_and_nothing_else_does() {
        let made = told(
            "name=site\\:a\nmessageTTL=3\nconsumerTTL=-1\nprefetchSize=2000000000\nadvisoryAckPercentage=500\nconduitSubscriptions=false\n\
             dynamicallyIncludedDestinations=[queue\\://A.>, topic\\://B?x\\=1]\nuserName=root\npassword=x\n\
             bridgeFactory=evil.Factory\nlocalUri=tcp\\://elsewhere\\:1\nduplex=false\nconsumerPriorityBase=-7",
        );
        let expected = NetworkConnector {
            name: "site:a".to_owned(),
            duplex: true,
            message_ttl: 3,
            consumer_ttl: -1,
            prefetch_size: PREFETCH_MAX,
            advisory_ack_percentage: 100,
            conduit_subscriptions: false,
            dynamically_included_destinations: vec![Address::queue("A.>"), Address::topic("B")],
            consumer_priority_base: -7,
            ..NetworkConnector::default()
        };
        assert_eq!(made, expected);
    }

    #[test]
    fn what_cannot_be_read_is_as_by_default() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        let text = format!(
            "name={long}\nmessageTTL=-2\nconsumerTTL=many\nprefetchSize=-1\nconduitSubscriptions=perhaps\nconsumerPriorityBase=1000"
        );
        let default = NetworkConnector { duplex: true, ..NetworkConnector::default() };
        assert_eq!(told(&text), default);
        assert_eq!(connector(&BrokerInfo::default()), default);
    }
}
