//! One try: a socket to the other broker, one to this one from inside, and the bridge over both.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::drive::{Ended, Wires, drive};
use super::inside::Inside;
use super::names::{kept, subscribed, unique};
use crate::bridge::{Bridge, NetworkConnector, Remote, Us};
use crate::shell::hub::{Hub, Phase};
use crate::shell::reports::Meter;

/// One try, and the bridge that comes of it.
pub(super) async fn attempt(
    hub: &Arc<Hub>,
    connector: &Arc<NetworkConnector>,
    remote: &Remote,
    us: Us,
    meter: Meter<'_>,
    stands: &mut (dyn FnMut(&str) + Send),
) -> Ended {
    let failed = |why: String| Ended::Failed { why, for_good: false };
    let mut phase = hub.phase();
    let dial = timeout(remote.connection_timeout, TcpStream::connect((remote.host.as_str(), remote.port)));
    let dialled = tokio::select! {
        dialled = dial => dialled,
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => return Ended::Stopped,
    };
    let there = match dialled {
        Ok(Ok(there)) => there,
        Ok(Err(error)) => return failed(format!("it cannot be reached: {error}")),
        Err(_) => {
            let waited = remote.connection_timeout.as_millis();
            return failed(format!("it cannot be reached within {waited} ms (connectionTimeout)"));
        }
    };
    let mut bridge = Bridge::new(Arc::clone(connector), us, &unique(&hub.config.broker_name));
    bridge.keeps(kept(hub));
    bridge.tells(subscribed(hub, connector));
    bridge.beside(Arc::clone(&hub.neighbours));
    let name = format!("the bridge of {} to {remote}", connector.name);
    let inside = match there.set_nodelay(true).and_then(|()| Inside::open(hub, &name, bridge.is_duplex())) {
        Ok(inside) => inside,
        Err(error) => return failed(format!("the broker here cannot be reached: {error}")),
    };
    let (here, inbound, served) = inside.apart();
    let ended = match Wires::dialled(remote, here, inbound, there) {
        Ok(wires) => {
            Box::pin(drive(bridge, remote, wires, phase, hub.neighbours_changed(), &meter, stands)).await
        }
        Err(why) => failed(why),
    };
    served.end().await;
    ended
}
