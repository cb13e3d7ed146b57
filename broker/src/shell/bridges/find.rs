//! Bridges to whoever a group tells of: one begins when somebody appears there, and is not tried any more once that one is gone. One that stands is left
//! alone: where datagrams are lost its line may well hold.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::dial;
use super::drive::Ended;
use super::names::us;
use crate::bridge::finding::Finding;
use crate::bridge::{NetworkConnector, Remote, Retry};
use crate::discovery::Agent;
use crate::shell::hub::Hub;
use crate::shell::multicast::{Group, News};
use crate::shell::rarely::Rarely;

/// Somebody who was told of.
struct Found {
    /// Whether it still is.
    is_there: bool,
    /// Whether it is tried, or bridged to.
    is_tried: bool,
    /// Lets it be tried again; its bridge ends with this.
    again: mpsc::Sender<()>,
}

/// A bridge that broke, or a try in vain.
struct Broke {
    service: String,
    why: String,
    for_good: bool,
}

/// Bridges to each broker that is found, until this one stops. It is not found itself, by any of its own addresses.
pub(in crate::shell) async fn find(
    hub: Arc<Hub>,
    connector: Arc<NetworkConnector>,
    finding: Finding,
    ours: Vec<String>,
) {
    let who = format!("the network connector {}", connector.name);
    let options = finding.multicast.clone();
    let agent = |now| Agent::new(options.clone(), None, ours, now);
    let mut group = Group::new(who, options.clone(), hub.phase(), agent);
    let (says, mut broke) = mpsc::channel(1);
    let mut finder = Finder {
        hub,
        connector,
        finding,
        found: HashMap::new(),
        bridges: JoinSet::new(),
        says,
        said: Rarely::default(),
    };
    loop {
        tokio::select! {
            news = group.news() => match news {
                Some(News::Appeared(service)) => finder.appeared(service),
                Some(News::Vanished(service)) => finder.vanished(&service),
                None => break,
            },
            Some(broke) = broke.recv() => if finder.broke(&broke) {
                group.failed(&broke.service, broke.for_good);
            },
            Some(_) = finder.bridges.join_next() => {}
        }
    }
    // They end by themselves; whoever waits to be tried again hears that nobody will be.
    finder.found.clear();
    drop(broke);
    while finder.bridges.join_next().await.is_some() {}
}

struct Finder {
    hub: Arc<Hub>,
    connector: Arc<NetworkConnector>,
    finding: Finding,
    found: HashMap<String, Found>,
    bridges: JoinSet<()>,
    says: mpsc::Sender<Broke>,
    said: Rarely,
}

impl Finder {
    fn appeared(&mut self, service: String) {
        let name = &self.connector.name;
        if let Some(found) = self.found.get_mut(&service) {
            found.is_there = true;
            // An old bridge may still stand.
            if !std::mem::replace(&mut found.is_tried, true) {
                let told = found.again.try_send(());
                debug_assert!(told.is_ok(), "its bridge waits for this");
            }
            return;
        }
        let remote = match (self.finding.address.0)(&service, &self.finding.discovered) {
            Ok(remote) => remote,
            Err(why) => {
                if let Some(times) = self.said.now(&service) {
                    let shown = service.get(..200).unwrap_or(&service);
                    tracing::warn!(
                        "network connector {name}: a broker is said to be at {shown}, which is ignored: {why} ({times} so far)"
                    );
                }
                return;
            }
        };
        tracing::info!("network connector {name}: {remote} is there");
        let (again, waits) = mpsc::channel(1);
        self.found.insert(service.clone(), Found { is_there: true, is_tried: true, again });
        let retry = Retry::new(self.finding.retry());
        let (hub, connector) = (Arc::clone(&self.hub), Arc::clone(&self.connector));
        self.bridges.spawn(bridge(hub, connector, remote, service, retry, waits, self.says.clone()));
    }

    fn vanished(&mut self, service: &str) {
        let Some(found) = self.found.get_mut(service) else { return };
        let name = &self.connector.name;
        found.is_there = false;
        if found.is_tried {
            tracing::info!("network connector {name}: {service} says no more that it is there");
        } else {
            tracing::info!("network connector {name}: {service} is gone: it is not tried any more");
            self.found.remove(service);
        }
    }

    /// Whether to take it for absent now: it is still said to be there.
    fn broke(&mut self, broke: &Broke) -> bool {
        let Some(found) = self.found.get_mut(&broke.service) else { return false };
        found.is_tried = false;
        if !found.is_there {
            let (name, Broke { service, why, .. }) = (&self.connector.name, broke);
            tracing::info!("network connector {name}: the bridge to {service}, which is gone, ended: {why}");
            self.found.remove(&broke.service);
            return false;
        }
        true
    }
}

/// Bridges to one, again whenever it is to be tried again, until it is not any more.
async fn bridge(
    hub: Arc<Hub>,
    connector: Arc<NetworkConnector>,
    remote: Remote,
    service: String,
    mut retry: Retry,
    mut again: mpsc::Receiver<()>,
    says: mpsc::Sender<Broke>,
) {
    let name = &connector.name;
    let begun = Instant::now();
    let reporter = hub.reports.open(name, remote.to_string());
    loop {
        let mut stood = false;
        let mut stands = |other: &str| {
            stood = true;
            let since = retry.stands(begun.elapsed()).map_or_else(String::new, |text| format!(", {text}"));
            reporter.stands(other, &remote.to_string());
            tracing::info!("network connector {name}: the bridge to {other} at {remote} stands{since}");
        };
        let ended = dial::attempt(&hub, &connector, &remote, us(&hub), reporter.meter(), &mut stands).await;
        let Ended::Failed { why, for_good } = ended else { return };
        retry.broke(begun.elapsed());
        if stood {
            reporter.broke(&why);
        }
        reporter.in_vain(&why);
        if let Some(text) = retry.failed(begun.elapsed(), &why, for_good).say {
            tracing::warn!("network connector {name}: there is no bridge to {service}: {text}");
        }
        if says.send(Broke { service: service.clone(), why, for_good }).await.is_err() {
            return;
        }
        if again.recv().await.is_none() {
            return;
        }
    }
}
