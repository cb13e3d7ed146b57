//! One try: a socket to the other broker, one to this one from inside, and the bridge over both.

use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::chance::chance;
use super::drive::{Ended, drive};
use crate::bridge::{Bridge, NetworkConnector, Remote, Us};
use crate::shell::clock::now;
use crate::shell::connection;
use crate::shell::hub::{Hub, Phase};
use crate::shell::stream::{Peer, Stream};

/// One try, and the bridge that comes of it.
pub(super) async fn attempt(
    hub: &Arc<Hub>,
    connector: &Arc<NetworkConnector>,
    remote: &Remote,
    us: Us,
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
    let (here, theirs) = match there.set_nodelay(true).and_then(|()| UnixStream::pair()) {
        Ok(pair) => pair,
        Err(error) => return failed(format!("the broker here cannot be reached: {error}")),
    };
    let peer = Peer::Inside(format!("the bridge of {} to {remote}", connector.name).into());
    let served = tokio::spawn(connection::serve(Arc::clone(hub), Stream::Inside(theirs), peer));
    let bridge = Bridge::new(Arc::clone(connector), us, &unique(&hub.config.broker_name));
    let ended = drive(bridge, remote, here, there, phase, stands).await;
    // It ends with its other half, and its client id is free for the next.
    let _ = served.await;
    ended
}

/// A name that no other bridge of any run has.
fn unique(broker_name: &str) -> String {
    format!("ID:{broker_name}-nc-{:016x}-{}-0", chance(), now())
}
