//! What other brokers say: who they are, and whom their consumers stand for.
//!
//! A bridge's properties come from whoever dials: an option that is not read here is nothing, and none names a class or an address.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use kahawai_openwire::connection::BrokerInfo;
use kahawai_openwire::consumer::{BrokerSubscriptionInfo, ConsumerInfo};
use kahawai_openwire::ids::{BrokerId, ConsumerId};
use kahawai_openwire::properties;
use kahawai_openwire::text::Text;

use super::advisory::{consumer_id, path};
use super::failure::missing;
use super::message::passed;
use super::translate::{destination, string, text};
use crate::core::Core;
use crate::core::address::{Address, AddressKind};
use crate::core::failure::{Failure, FailureKind};
use crate::core::spec::{BridgeKey, LeavesOut, NetworkDemand};

/// The name of a network connector that has none.
const UNNAMED: &str = "NC";
/// The first version of OpenWire that can tell of durable subscriptions.
pub(crate) const SUBSCRIPTIONS_SINCE: i32 = 12;
/// The property by which a bridge asks for all durable subscriptions here, as it keeps some for this broker and does not know for whom: Kahawai's own, which
/// means nothing to an ActiveMQ. They come as the list of `syncDurableSubs`, behind an entry that is empty.
pub(crate) const TELLS_ALL: &str = "tellAllDurableSubs";
/// How much of a name is shown.
const NAME_BYTES_MAX: usize = 256;
/// Where ActiveMQ has subscriptions whose clients are away.
const OFFLINE: &str = "OFFLINE";

/// A broker whose network connector bridges to this one.
#[derive(Debug)]
pub struct Peer {
    key: BridgeKey,
    broker_name: ByteString,
    /// `syncDurableSubs`: it wants to be told of the durable subscriptions here.
    sync_durable_subs: bool,
    /// Of all of them.
    all_durable_subs: bool,
    /// `dynamicallyIncludedDestinations`: of which.
    included: Vec<Address>,
}

impl Peer {
    /// The broker that introduces itself so.
    ///
    /// # Errors
    /// Why it does not bridge to the broker with this id.
    pub(super) fn introduced(info: &BrokerInfo, own_id: &Text) -> Result<Self, Failure> {
        let id = info.broker_id.as_ref().ok_or_else(|| missing("BrokerInfo", "broker id"))?;
        let broker_name = info.broker_name.as_ref().map(string).unwrap_or_default();
        let named = shown(&broker_name);
        if id.value == *own_id {
            let message = format!(
                "the broker {named} has this broker's own id ({}): a broker does not bridge to itself, and of a store that was \
                 copied only one may be in a network",
                shown(&id.value)
            );
            return Err(Failure::new(FailureKind::IllegalState, message));
        }
        let said = info.network_properties.as_deref().unwrap_or_default();
        let mut options = properties::parse(said.as_bytes());
        let connector = options.remove("name").map_or_else(|| UNNAMED.into(), ByteString::from);
        Ok(Self {
            key: BridgeKey { connector, broker: string(&id.value) },
            broker_name,
            sync_durable_subs: options.get("syncDurableSubs").is_some_and(|value| value == "true"),
            all_durable_subs: options.get(TELLS_ALL).is_some_and(|value| value == "true"),
            included: options.get("dynamicallyIncludedDestinations").map_or_else(Vec::new, |list| read(list)),
        })
    }

    /// What tells it from all others.
    pub fn key(&self) -> BridgeKey {
        self.key.clone()
    }

    /// Whether it wants to be told of the durable subscriptions here, in a version that can.
    pub(super) fn wants_subscriptions(&self, version: i32) -> bool {
        (self.sync_durable_subs || self.all_durable_subs) && version >= SUBSCRIPTIONS_SINCE
    }

    fn includes(&self, address: &Address) -> bool {
        self.all_durable_subs || are_included(&self.included, address)
    }
}

/// Whether these, which are included dynamically, take some of this.
pub(crate) fn are_included(included: &[Address], address: &Address) -> bool {
    address.parts().iter().any(|part| included.iter().any(|included| included.matches(part)))
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [connector, broker, id] =
            [&self.key.connector, &self.broker_name, &self.key.broker].map(|name| shown(name));
        write!(formatter, "the network connector {connector} of the broker {broker} ({id})")
    }
}

/// A list of destinations as ActiveMQ writes it: `[queue://a?options, topic://b.>]`. What is no such list is none.
pub fn read(list: &str) -> Vec<Address> {
    let Some(list) = list.strip_prefix('[').and_then(|list| list.strip_suffix(']')) else {
        return Vec::new();
    };
    let names = list.split(',').map(|name| name.split('?').next().unwrap_or(name).trim());
    names.filter(|name| !name.is_empty()).map(|name| Address::parse(name, AddressKind::Queue)).collect()
}

/// As much of a peer's word as fits in a line, and on it.
fn shown(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].escape_debug().to_string()
}

/// The durable subscriptions here that a bridge is to know of: it subscribes for those whose clients are away, too.
pub(super) fn subscriptions(core: &Core, peer: &Peer, own_id: &Text) -> BrokerSubscriptionInfo {
    let infos = durables(core, |address| peer.includes(address));
    BrokerSubscriptionInfo {
        broker_id: Some(Arc::new(BrokerId::new(own_id.clone()))),
        broker_name: Some(core.broker_name().into()),
        subscription_infos: Some(
            peer.all_durable_subs.then(ConsumerInfo::default).into_iter().chain(infos).collect(),
        ),
        ..BrokerSubscriptionInfo::default()
    }
}

/// The durable subscriptions here to addresses that are wanted, as another broker is told of them.
pub(crate) fn durables(core: &Core, is_wanted: impl Fn(&Address) -> bool) -> Vec<ConsumerInfo> {
    let mut away = 0;
    let wanted = core.durable_subscriptions().filter(|(_, durable, _)| is_wanted(&durable.address));
    let infos = wanted.map(|((client_id, name), durable, consumer)| {
        let id = consumer.map_or_else(
            || {
                away += 1;
                ConsumerId { connection_id: OFFLINE.into(), session_id: 1, value: away }
            },
            |consumer| consumer_id(&consumer.name),
        );
        ConsumerInfo {
            network_subscription: durable.passed.is_some(),
            broker_path: durable.passed.as_deref().map(path),
            consumer_id: Some(Arc::new(id)),
            destination: Some(destination(&durable.address)),
            selector: durable.selector.as_ref().map(text),
            client_id: Some(text(client_id)),
            subscription_name: Some(text(name)),
            no_local: durable.no_local,
            ..ConsumerInfo::default()
        }
    });
    infos.collect()
}

/// What a broker's consumer tells of those it stands for.
pub(super) fn demand(info: &ConsumerInfo) -> Option<Arc<NetworkDemand>> {
    let path = info.broker_path.as_deref();
    let consumers = info.network_consumer_path.as_deref();
    let demand = || NetworkDemand {
        subscription: info.network_subscription,
        path: path.map(|ids| ids.iter().map(|id| string(&id.value)).collect()),
        consumers: consumers.map(|ids| ids.iter().map(|id| id.to_string().into()).collect()),
    };
    // Clients' consumers, nearly all, tell nothing of this.
    (info.network_subscription || path.is_some() || consumers.is_some()).then(|| Arc::new(demand()))
}

/// Which messages may not go to a bridge's broker: those that were there, and those that have come too far.
pub(super) fn leaves_out(info: &ConsumerInfo) -> Option<LeavesOut> {
    let filter = info.additional_predicate.as_ref()?;
    let there = filter.network_broker_id.clone();
    let far = usize::try_from(filter.message_ttl).unwrap_or(usize::MAX);
    Some(LeavesOut(Arc::new(move |message| {
        let mut hops = 0;
        let was_there = passed(message).any(|id| {
            hops += 1;
            there.as_ref().is_some_and(|there| there.value.as_bytes() == id)
        });
        was_there || hops >= far
    })))
}
