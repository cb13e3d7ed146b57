//! Advisories as ActiveMQ's clients know them: a plain message with a command inside and properties beside it.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::connection::{ConnectionInfo, DestinationInfo, RemoveInfo};
use kahawai_openwire::consumer::{ConsumerInfo, RemoveSubscriptionInfo};
use kahawai_openwire::ids::{BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, RemovedId};
use kahawai_openwire::message::{Message, MessageKind};
use kahawai_openwire::primitive::{self, PrimitiveMap, Value};
use kahawai_openwire::producer::ProducerInfo;
use kahawai_openwire::text::Text;

use super::translate::{destination, numbered, text};
use crate::core::effects::Advisory;

/// What the broker says of itself in every advisory.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The broker's id, which is the store's.
    pub broker_id: Text,
    /// The connection that advisories come from, of this mastership alone.
    pub advisory_producer: Text,
    /// Its name.
    pub broker_name: Text,
    /// Where its clients connect.
    pub broker_url: Text,
}

/// The message that carries an advisory, but for its destination.
pub fn message(advisory: &Advisory, origin: &Origin, sequence: i64) -> Message {
    let connection_id = origin.advisory_producer.clone();
    let producer = Arc::new(ProducerId { connection_id, value: 0, session_id: -1 });
    let mut properties: PrimitiveMap = [
        ("originBrokerId", Value::Text(origin.broker_id.clone())),
        ("originBrokerName", Value::Text(origin.broker_name.clone())),
        ("originBrokerURL", Value::Text(origin.broker_url.clone())),
    ]
    .into_iter()
    .collect();
    let count = |count: usize| Value::Integer(i32::try_from(count).unwrap_or(i32::MAX));
    match advisory {
        Advisory::Consumer { count: consumers, .. } | Advisory::Unsubscribed { count: consumers, .. } => {
            properties.put("consumerCount", count(*consumers))
        }
        Advisory::Producer { count: producers, .. } => properties.put("producerCount", count(*producers)),
        _ => {}
    }
    Message {
        kind: MessageKind::Plain,
        message_type: Some("Advisory".into()),
        data_structure: Some(DataStructure::Command(command(advisory))),
        marshalled_properties: Some(primitive::encode_map(Some(&properties))),
        message_id: Some(MessageId {
            text_view: None,
            producer_id: Some(Arc::clone(&producer)),
            producer_sequence_id: sequence,
            broker_sequence_id: sequence,
        }),
        producer_id: Some(producer),
        ..Message::default()
    }
}

fn command(advisory: &Advisory) -> Command {
    match advisory {
        Advisory::Connection { spec, begins } => {
            let id = Arc::new(ConnectionId::new(text(&spec.name)));
            if !begins {
                return removed(RemovedId::Connection(id));
            }
            ConnectionInfo {
                connection_id: Some(id),
                client_id: Some(text(&spec.client_id)),
                user_name: spec.user.as_ref().map(text),
                // Its password is nobody's business.
                password: Some(Text::from("")),
                client_ip: Some(text(&spec.remote)),
                manageable: true,
                client_master: true,
                ..ConnectionInfo::default()
            }
            .into()
        }
        Advisory::Destination { address, connection, passed, begins } => DestinationInfo {
            connection_id: connection.as_ref().map(|name| Arc::new(ConnectionId::new(text(name)))),
            destination: Some(destination(address)),
            operation: if *begins { DestinationInfo::ADD } else { DestinationInfo::REMOVE },
            broker_path: passed.as_deref().map(path),
            ..DestinationInfo::default()
        }
        .into(),
        Advisory::Consumer { spec, client_id, begins, .. } => {
            let id = Arc::new(consumer_id(&spec.name));
            if !begins {
                return removed(RemovedId::Consumer(id));
            }
            let network = spec.network.as_deref();
            let consumers = network.and_then(|network| network.consumers.as_ref());
            ConsumerInfo {
                consumer_id: Some(id),
                network_subscription: network.is_some_and(|network| network.subscription),
                broker_path: network.and_then(|network| network.path.as_deref()).map(path),
                network_consumer_path: consumers
                    .map(|ids| ids.iter().map(|name| Arc::new(consumer_id(name))).collect()),
                browser: spec.browser,
                destination: Some(destination(&spec.address)),
                prefetch_size: i32::try_from(spec.prefetch).unwrap_or(i32::MAX),
                dispatch_async: true,
                selector: spec.selector.as_ref().map(text),
                client_id: Some(text(client_id)),
                subscription_name: spec.subscription.as_ref().map(text),
                no_local: spec.no_local,
                exclusive: spec.exclusive,
                priority: spec.priority as u8,
                ..ConsumerInfo::default()
            }
            .into()
        }
        Advisory::Unsubscribed { client_id, subscription, .. } => RemoveSubscriptionInfo {
            client_id: Some(text(client_id)),
            subscription_name: Some(text(subscription)),
            ..RemoveSubscriptionInfo::default()
        }
        .into(),
        Advisory::Producer { name, address, begins, .. } => {
            let id = Arc::new(producer_id(name));
            if !begins {
                return removed(RemovedId::Producer(id));
            }
            ProducerInfo {
                producer_id: Some(id),
                destination: Some(destination(address)),
                ..ProducerInfo::default()
            }
            .into()
        }
    }
}

/// The brokers that something has passed.
pub(super) fn path(ids: &[ByteString]) -> Arc<[Arc<BrokerId>]> {
    ids.iter().map(|id| Arc::new(BrokerId::new(text(id)))).collect()
}

fn removed(id: RemovedId) -> Command {
    RemoveInfo { object_id: Some(id), ..RemoveInfo::default() }.into()
}

pub(super) fn consumer_id(name: &str) -> ConsumerId {
    match numbered::<2>(name) {
        Some((connection, [session_id, value])) => {
            ConsumerId { connection_id: connection.into(), session_id, value }
        }
        None => ConsumerId { connection_id: name.into(), session_id: 0, value: 0 },
    }
}

fn producer_id(name: &str) -> ProducerId {
    match numbered::<2>(name) {
        Some((connection, [session_id, value])) => {
            ProducerId { connection_id: connection.into(), value, session_id }
        }
        None => ProducerId { connection_id: name.into(), value: 0, session_id: 0 },
    }
}
