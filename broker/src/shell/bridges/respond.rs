//! The other end of a duplex bridge: another broker dialled, and lets messages go both ways over that one line.

use std::sync::Arc;

use tokio::time::Instant;

use super::drive::{Ended, Wires, drive};
use super::inside::Inside;
use super::line::Line;
use super::names::{kept, unique, us};
use crate::bridge::{self, Bridge};
use crate::shell::connection::Duplex;
use crate::shell::hub::Hub;
use crate::shell::responders::Arrival;

/// Serves as the other end until it ends.
pub(in crate::shell) async fn respond(hub: Arc<Hub>, duplex: Duplex) {
    let arrival = hub.responders.arrive(duplex.initiator.key());
    serve(&hub, duplex, &arrival).await;
    hub.responders.leave(arrival);
}

async fn serve(hub: &Arc<Hub>, duplex: Duplex, arrival: &Arrival) {
    // Whoever was there has heard of this one, and ends.
    let _place = arrival.take_place().await;
    let Duplex { info, initiator, stream, wire, negotiated, received } = duplex;
    let connector = Arc::new(bridge::respond::connector(&info));
    let inside = match Inside::open(hub, &format!("the bridge for {initiator}"), true) {
        Ok(inside) => inside,
        Err(error) => {
            return tracing::warn!("{initiator} is not answered: the broker here cannot be reached: {error}");
        }
    };
    let (here, inbound, served) = inside.apart();
    let from =
        stream.peer_addr().map_or_else(|error| error.to_string(), |address| format!("tcp://{address}"));
    let reporter = hub.reports.open(&connector.name, format!("from {from}"));
    let mut bridge = Bridge::respond(connector, us(hub), &unique(&hub.config.broker_name), &info);
    bridge.keeps(kept(hub));
    bridge.beside(Arc::clone(&hub.neighbours));
    let line = Line::agreed(wire, negotiated, received, Instant::now());
    let opening = hub.config.connection_timeout;
    let wires = Wires { here, inbound, there: stream, line, opening };
    let mut stands = |other: &str| {
        reporter.stands(other, &from);
        tracing::info!("bridged both ways by {initiator}");
    };
    let meter = reporter.meter();
    let mut driven = Box::pin(drive(
        bridge,
        &initiator,
        wires,
        hub.phase(),
        hub.neighbours_changed(),
        &meter,
        &mut stands,
    ));
    let ended = tokio::select! {
        ended = &mut driven => ended,
        () = arrival.replaced() => {
            Ended::Failed { why: "it has dialled again".to_owned(), for_good: false }
        }
    };
    if let Ended::Failed { why, .. } = ended {
        tracing::info!("no longer bridged both ways by {initiator}: {why}");
    }
    served.end().await;
}
