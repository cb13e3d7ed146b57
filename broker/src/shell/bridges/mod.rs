//! Carries bridges: dials the other broker, opens a connection to this one from inside, and waits before the next try.
//!
//! | module | what it does |
//! |---|---|
//! | [`line`] | OpenWire over one of the two lines, without the line |
//! | [`drive`] | a bridge over both, until it ends |

mod drive;
mod line;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use super::clock::now;
use super::connection;
use super::hub::{Hub, Phase};
use super::stream::{Peer, Stream};
use crate::bridge::{Bridge, NetworkConnector, Remote, Retry, Us};
use drive::{Ended, drive};

/// Bridges to one broker of a connector's, again and again, until this one stops.
pub(super) async fn run(hub: Arc<Hub>, connector: Arc<NetworkConnector>, remote: Remote) {
    let origin = &hub.origin;
    let us = Us {
        broker_id: origin.broker_id.clone(),
        broker_name: origin.broker_name.clone(),
        broker_url: origin.broker_url.clone(),
    };
    let began = Instant::now();
    let mut retry = Retry::new(connector.retry.clone());
    let mut phase = hub.phase();
    loop {
        retry.begins(began.elapsed());
        let mut stands = |name: &str| {
            let since = retry.stands(began.elapsed()).map_or_else(String::new, |text| format!(", {text}"));
            tracing::info!(
                "network connector {}: the bridge to {name} at {remote} stands{since}",
                connector.name
            );
        };
        let ended = attempt(&hub, &connector, &remote, us.clone(), &mut stands).await;
        let (why, for_good) = match ended {
            Ended::Stopped => return,
            Ended::Failed { why, for_good } => (why, for_good),
        };
        let next = retry.failed(began.elapsed(), &why, for_good);
        if let Some(text) = next.say {
            tracing::warn!("network connector {}: there is no bridge to {remote}: {text}", connector.name);
        }
        let Some(wait) = next.wait else { return };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
        }
    }
}

/// One try, and the bridge that comes of it.
async fn attempt(
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
    // The hasher's keys are the system's random bytes.
    let random = RandomState::new().hash_one(now());
    format!("ID:{broker_name}-nc-{random:016x}-{}-0", now())
}
