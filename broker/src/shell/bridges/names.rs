//! What a bridge is called, and what it says of its broker.

use std::sync::Arc;

use kahawai_openwire::consumer::ConsumerInfo;

use super::chance::chance;
use crate::bridge::{self, Kept, NetworkConnector, Us};
use crate::shell::clock::now;
use crate::shell::hub::Hub;

/// What others are told of this broker.
pub(super) fn us(hub: &Hub) -> Us {
    let origin = &hub.origin;
    Us {
        broker_id: origin.broker_id.clone(),
        broker_name: origin.broker_name.clone(),
        broker_url: origin.broker_url.clone(),
    }
}

/// The durable subscriptions that bridges of this broker have.
pub(super) fn kept(hub: &Arc<Hub>) -> Vec<Kept> {
    hub.turn(|core| bridge::kept(core))
}

/// The durable subscriptions here that the other end of a connector's bridge is told of.
pub(super) fn subscribed(hub: &Arc<Hub>, connector: &NetworkConnector) -> Vec<ConsumerInfo> {
    hub.turn(|core| bridge::subscribed(core, connector))
}

/// A name that no other bridge of any run has.
pub(super) fn unique(broker_name: &str) -> String {
    format!("ID:{broker_name}-nc-{:016x}-{}-0", chance(), now())
}
