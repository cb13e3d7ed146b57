//! What a bridge is called, and what it says of its broker.

use std::sync::Arc;

use super::chance::chance;
use crate::bridge::{self, Kept, Us};
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

/// A name that no other bridge of any run has.
pub(super) fn unique(broker_name: &str) -> String {
    format!("ID:{broker_name}-nc-{:016x}-{}-0", chance(), now())
}
