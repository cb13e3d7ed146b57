//! What an initiator says of itself.

use std::fmt::Write as _;
use std::sync::Arc;

use kahawai_openwire::connection::{BrokerInfo, ConnectionInfo, SessionInfo};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{BrokerId, ConnectionId, ConsumerId, ProducerId, SessionId};
use kahawai_openwire::producer::ProducerInfo;
use kahawai_openwire::text::Text;

use super::options::NetworkConnector;
use crate::core::address::{Address, AddressKind};
use crate::openwire::network::TELLS_ALL;

/// This broker, as others know it.
#[derive(Clone, Debug)]
pub struct Us {
    /// Its id.
    pub broker_id: Text,
    /// Its name.
    pub broker_name: Text,
    /// Where its clients connect.
    pub broker_url: Text,
}

/// The one session of each connection, and the one producer and first consumer of the one over there.
const ONE: i64 = 1;

/// The broker presents itself; `asks_for_whom` where it wants to hear of all durable subscriptions over there ([`TELLS_ALL`]).
pub(super) fn broker_info(us: &Us, connector: &NetworkConnector, asks_for_whom: bool) -> BrokerInfo {
    BrokerInfo {
        broker_id: Some(Arc::new(BrokerId::new(us.broker_id.clone()))),
        broker_name: Some(us.broker_name.clone()),
        broker_url: Some(us.broker_url.clone()),
        network_connection: true,
        duplex_connection: connector.duplex,
        network_properties: Some(properties(us, connector, asks_for_whom).into()),
        ..BrokerInfo::default()
    }
}

/// The client that the bridge is over there.
pub(super) fn remote_connection(us: &Us, connector: &NetworkConnector, name: &Text) -> ConnectionInfo {
    let (token, own) = (&connector.client_id_token, &us.broker_name);
    let (user, password) = match &connector.remote_user_name {
        Some(_) => (&connector.remote_user_name, &connector.remote_password),
        None => (&connector.user_name, &connector.password),
    };
    ConnectionInfo {
        connection_id: Some(Arc::new(ConnectionId::new(name.clone()))),
        client_id: Some(format!("{}{token}{own}{token}outbound", connector.name).into()),
        user_name: user.as_deref().map(Text::from),
        password: password.as_ref().map(|password| Text::from(password.0.as_str())),
        ..ConnectionInfo::default()
    }
}

/// The name of the client that it is here. Durable subscriptions are kept by it: it is the same for each bridge of the connector to a broker of that
/// name.
pub(super) fn local_client_id(
    us: &Us,
    connector: &NetworkConnector,
    remote_name: &str,
    inbound: bool,
) -> Text {
    let (token, own) = (&connector.client_id_token, &us.broker_name);
    let way = if inbound { format!("inbound{token}duplex") } else { "inbound".to_owned() };
    format!("{}{token}{remote_name}{token}{way}{token}{own}", connector.name).into()
}

/// The client that it is here; `inbound` for what comes from there.
pub(super) fn local_connection(
    us: &Us,
    connector: &NetworkConnector,
    remote_name: &str,
    name: &Text,
    inbound: bool,
) -> ConnectionInfo {
    ConnectionInfo {
        connection_id: Some(Arc::new(ConnectionId::new(name.clone()))),
        client_id: Some(local_client_id(us, connector, remote_name, inbound)),
        user_name: connector.user_name.as_deref().map(Text::from),
        password: connector.password.as_ref().map(|password| Text::from(password.0.as_str())),
        ..ConnectionInfo::default()
    }
}

/// A connection's session.
pub(super) fn session(connection: &Text) -> SessionInfo {
    let id = SessionId { connection_id: connection.clone(), value: ONE };
    SessionInfo { session_id: Some(Arc::new(id)), ..SessionInfo::default() }
}

/// The producer of what crosses.
pub(super) fn producer_id(connection: &Text) -> ProducerId {
    ProducerId { connection_id: connection.clone(), value: ONE, session_id: ONE }
}

/// The same, as it is opened.
pub(super) fn producer(id: &Arc<ProducerId>) -> ProducerInfo {
    ProducerInfo { producer_id: Some(Arc::clone(id)), ..ProducerInfo::default() }
}

/// A consumer of a connection.
pub(super) fn consumer_id(connection: &Text, number: i64) -> ConsumerId {
    ConsumerId { connection_id: connection.clone(), session_id: ONE, value: number }
}

/// The name of the consumer of advisories.
pub(super) fn demand_consumer_id(connection: &Text) -> ConsumerId {
    consumer_id(connection, ONE)
}

/// The consumer of advisories, by which demand is heard of.
pub(super) fn demand_consumer(connection: &Text, connector: &NetworkConnector) -> ConsumerInfo {
    ConsumerInfo {
        consumer_id: Some(Arc::new(demand_consumer_id(connection))),
        destination: Some(Arc::new(Destination::topic(all_advisories(connector)))),
        prefetch_size: i32::try_from(connector.advisories_ahead()).unwrap_or(i32::MAX),
        dispatch_async: true,
        ..ConsumerInfo::default()
    }
}

/// The topics on which it is told that temporary destinations come and go.
pub(super) const TEMPORARIES: &str = "ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic";

/// All that is listened to.
fn all_advisories(connector: &NetworkConnector) -> String {
    match connector.bridge_temp_destinations {
        true => format!("{},{TEMPORARIES}", advisories(connector)),
        false => advisories(connector),
    }
}

/// Whether all consumers are heard of.
pub(super) fn hears_all(connector: &NetworkConnector) -> bool {
    advisories(connector) == "ActiveMQ.Advisory.Consumer.>"
}

/// The topics on which demand is told.
fn advisories(connector: &NetworkConnector) -> String {
    const CONSUMERS: &str = "ActiveMQ.Advisory.Consumer.";
    if let Some(filter) = &connector.destination_filter {
        return match filter.starts_with(CONSUMERS) {
            true => filter.clone(),
            false => format!("{CONSUMERS}{filter}"),
        };
    }
    let included = connector.dynamically_included_destinations.iter();
    let each: Vec<String> = included
        .filter_map(|address| {
            let kind = match address.kind {
                AddressKind::Queue => "Queue",
                AddressKind::Topic => "Topic",
                AddressKind::TemporaryQueue | AddressKind::TemporaryTopic => return None,
            };
            Some(format!("{CONSUMERS}{kind}.{}", address.name))
        })
        .collect();
    match each.is_empty() {
        true => format!("{CONSUMERS}>"),
        false => each.join(","),
    }
}

/// What the acceptor may read of the connector, as Java's properties.
fn properties(us: &Us, connector: &NetworkConnector, asks_for_whom: bool) -> String {
    let mut text = String::from("#\n");
    // As ActiveMQ writes lists.
    let list = |all: &[Address]| match all {
        [] => String::new(),
        all => format!("[{}]", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let dynamic = list(&connector.dynamically_included_destinations);
    let fixed = list(&connector.statically_included_destinations);
    for (name, value) in [
        ("name", connector.name.clone()),
        ("brokerName", us.broker_name.to_string()),
        ("brokerURL", us.broker_url.to_string()),
        ("duplex", connector.duplex.to_string()),
        ("messageTTL", connector.message_ttl.to_string()),
        ("consumerTTL", connector.consumer_ttl.to_string()),
        ("conduitSubscriptions", connector.conduit_subscriptions.to_string()),
        ("conduitNetworkQueueSubscriptions", connector.conduit_network_queue_subscriptions.to_string()),
        ("decreaseNetworkConsumerPriority", connector.decrease_network_consumer_priority.to_string()),
        ("consumerPriorityBase", connector.consumer_priority_base.to_string()),
        ("prefetchSize", connector.prefetch_size.to_string()),
        ("advisoryPrefetchSize", connector.advisory_prefetch_size.to_string()),
        ("advisoryAckPercentage", connector.advisory_ack_percentage.to_string()),
        ("alwaysSyncSend", connector.always_sync_send.to_string()),
        ("dispatchAsync", connector.dispatch_async.to_string()),
        ("staticBridge", connector.static_bridge.to_string()),
        ("suppressDuplicateQueueSubscriptions", connector.suppress_duplicate_queue_subscriptions.to_string()),
        ("suppressDuplicateTopicSubscriptions", connector.suppress_duplicate_topic_subscriptions.to_string()),
        ("bridgeTempDestinations", connector.bridge_temp_destinations.to_string()),
        ("dynamicOnly", connector.dynamic_only.to_string()),
        ("syncDurableSubs", connector.sync_durable_subs.to_string()),
        ("clientIdToken", connector.client_id_token.clone()),
        ("dynamicallyIncludedDestinations", dynamic),
        ("staticallyIncludedDestinations", fixed),
        (TELLS_ALL, if asks_for_whom { "true".to_owned() } else { String::new() }),
    ] {
        if !value.is_empty() {
            escape(&mut text, name);
            text.push('=');
            escape(&mut text, &value);
            text.push('\n');
        }
    }
    text
}

/// As `java.util.Properties` stores texts.
fn escape(out: &mut String, text: &str) {
    for (at, one) in text.char_indices() {
        match one {
            ' ' if at == 0 => out.push_str("\\ "),
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', one]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(one),
            one => {
                for unit in one.encode_utf16(&mut [0; 2]) {
                    // Writing to memory does not fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_java_reads_them() {
        let mut out = String::new();
        escape(&mut out, " a b=c:d\\é\u{1F600}\t#!\n");
        assert_eq!(out, "\\ a b\\=c\\:d\\\\\\u00E9\\uD83D\\uDE00\\t\\#\\!\\n");
    }

    #[test]
    fn the_advisories_asked_for_follow_from_what_is_included() {
        let mut connector = NetworkConnector::default();
        assert_eq!(advisories(&connector), "ActiveMQ.Advisory.Consumer.>");
        connector.dynamically_included_destinations = vec![Address::queue("A.>"), Address::topic("B")];
        assert_eq!(
            advisories(&connector),
            "ActiveMQ.Advisory.Consumer.Queue.A.>,ActiveMQ.Advisory.Consumer.Topic.B"
        );
        connector.destination_filter = Some("Queue.X".to_owned());
        assert_eq!(advisories(&connector), "ActiveMQ.Advisory.Consumer.Queue.X");
    }
}
