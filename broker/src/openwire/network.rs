//! What other brokers say: of those that their consumers stand for.

use std::sync::Arc;

use kahawai_openwire::consumer::ConsumerInfo;

use super::translate::string;
use crate::core::spec::NetworkDemand;

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
