//! Carries discovery: has the socket in the group and the clock, and tells others of this broker.
//!
//! | module | what it does |
//! |---|---|
//! | [`place`] | which interface a group is met on |
//! | [`socket`] | a socket in the group there |
//! | [`group`] | an agent over such a socket, whatever becomes of the network |
//! | [`address`] | by which address this broker is told of |

mod address;
mod group;
mod place;
mod socket;

use tokio::sync::watch;

use super::hub::Phase;
use crate::discovery::{Agent, Multicast};
pub(super) use address::reachable;
pub(super) use group::{Group, News};

/// Tells a group of this broker, by this address, until it stops.
pub(super) async fn advertise(phase: watch::Receiver<Phase>, options: Multicast, service: String) {
    let who = format!("the transport connector {service}");
    let mut group =
        Group::new(who, options.clone(), phase, |now| Agent::new(options, Some(service), vec![], now));
    while let Some(news) = group.news().await {
        // Who else is there is for network connectors to ask.
        tracing::debug!("{news}");
    }
}
