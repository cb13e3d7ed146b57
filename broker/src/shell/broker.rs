//! The broker as its owner sees it: start, addresses, stop, abandon, and the news that it must step down.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use kahawai_openwire::text::Text;
use kahawai_store::contract::{Completion, Store, StoreError};
use kahawai_store::election::Hold;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::bridges;
use super::clock::now;
use super::config::BrokerConfig;
use super::connection;
use super::gate::Gate;
use super::hub::{Hub, Phase};
use super::listen::listen;
use super::multicast;
use super::own_id::own_id;
use super::places::Places;
use super::stream::{Peer, Stream};
use crate::core::Core;
use crate::core::policy::Policies;
use crate::core::settings::Settings;
use crate::openwire::advisory::Origin;
use crate::openwire::message::annotate;

/// Why a broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store did not tell what it holds.
    #[error("the store cannot be recovered: {0}")]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address, as configured.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// No address was configured.
    #[error("no address to listen on")]
    NoAddress,
}

/// Why a running broker must step down: it has answered nobody since.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct SteppedDown(pub Arc<str>);

/// A running broker.
pub struct Broker {
    hub: Arc<Hub>,
    addresses: Vec<SocketAddr>,
    tasks: JoinSet<()>,
    /// Bridges, and what tells others of this broker: they end by themselves when it stops.
    network: JoinSet<()>,
    connections: Arc<watch::Sender<usize>>,
}

impl Broker {
    /// Recovers from the store, listens, and serves. Must be called on a tokio runtime, on which it goes on.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left running then.
    pub async fn start(
        config: BrokerConfig,
        store: Arc<dyn Store>,
        hold: Arc<dyn Hold>,
    ) -> Result<Self, StartError> {
        let (sender, receiver) = oneshot::channel();
        store.recover(Completion::new(move |result| {
            let _ = sender.send(result);
        }));
        let recovered = receiver.await.unwrap_or(Err(StoreError::Closed))?;
        let mut listeners = Vec::new();
        for address in &config.bind {
            let bind = |error| StartError::Bind { address: address.clone(), error };
            listeners.push(listen(address).await.map_err(bind)?);
        }
        let addresses =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect::<Vec<_>>();
        let first = *addresses.first().ok_or(StartError::NoAddress)?;
        let places = Places::new(config.maximum_connections, config.open_files_max);
        // The newest listener's, as the store is open by now.
        let next = listeners.iter().map(descriptor).max().unwrap_or_default() + 1;
        if let Some(lowered) = places.lowered(next) {
            tracing::warn!(
                "at most {lowered} connections instead of {} (maximumConnections): the system allows {} open files (ulimit -n, \
                 LimitNOFILE), and some are kept for the store",
                config.maximum_connections,
                config.open_files_max
            );
        }
        let epoch = hold.epoch();
        let origin = Origin {
            broker_id: Text::from(&*own_id(&*store, &recovered, &config.broker_name).await?),
            // Of this mastership alone: its advisories are counted anew, and clients drop what they seem to have had already.
            advisory_producer: Text::from(format!("ID:{}-{epoch}-{}:0:1", config.broker_name, now())),
            broker_name: Text::from(config.broker_name.as_str()),
            broker_url: Text::from(multicast::reachable(&first.to_string(), first)),
        };
        let settings = Settings {
            broker_name: ByteString::from(config.broker_name.as_str()),
            batch_bytes_max: store.limits().batch_bytes_max,
            durability: store.durability().level,
            purge_period: i64::try_from(config.schedule_period_for_destination_purge.as_millis())
                .unwrap_or(i64::MAX),
            purged_max: config.max_purged_destinations_per_sweep,
            annotate,
        };
        let core = Core::new(settings, config.limits, config.policies.clone(), recovered, now());
        let gate = Gate::new(Arc::clone(&hold), config.lease, config.slaves.clone());
        let destinations = config.destinations.clone();
        let hub = Hub::new(config, origin, store, gate, core);
        // Before anybody connects.
        hub.turn(|core| {
            for destination in &destinations {
                if let Err(failure) = core.make_at_start(destination) {
                    tracing::error!(
                        "{destination} is not there from the start on, as it was to be: {failure}"
                    );
                }
            }
        });
        // The hold may outlive the broker: it must not keep it alive.
        let weak = Arc::downgrade(&hub);
        hold.on_lost(Box::new(move |lost| {
            if let Some(hub) = weak.upgrade() {
                hub.abandon_from_anywhere(lost.to_string().into());
            }
        }));
        let connections = Arc::new(watch::Sender::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&hub).run_ticker());
        for listener in listeners {
            tasks.spawn(accept(Arc::clone(&hub), listener, places, Arc::clone(&connections)));
        }
        let mut network = JoinSet::new();
        let ours: Vec<String> = hub
            .config
            .bind
            .iter()
            .zip(&addresses)
            .map(|(bind, bound)| multicast::reachable(bind, *bound))
            .collect();
        for connector in hub.config.network_connectors.clone() {
            let connector = Arc::new(connector);
            if let Some(finding) = connector.finding.clone() {
                network.spawn(bridges::find(Arc::clone(&hub), Arc::clone(&connector), finding, ours.clone()));
            }
            for target in connector.targets.clone() {
                network.spawn(bridges::run(Arc::clone(&hub), Arc::clone(&connector), target));
            }
        }
        if let (Some(options), Some(service)) = (hub.config.discovery_uri.clone(), ours.into_iter().next()) {
            network.spawn(multicast::advertise(hub.phase(), options, service));
        }
        Ok(Self { hub, addresses, tasks, network, connections })
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Other policies hold from now on; see [`Core::replace_policies`]. Gives how many destinations have another policy now.
    pub fn replace_policies(&self, policies: Policies) -> usize {
        self.hub.turn(|core| core.replace_policies(policies))
    }

    /// Completes when the broker must step down, with the reason: mastership is lost, or the store has failed. Nobody
    /// is answered from then on. Never completes for a broker that is stopped or abandoned by its owner.
    pub fn stepped_down(&self) -> impl Future<Output = SteppedDown> + Send + 'static {
        let mut phase = self.hub.phase();
        async move {
            loop {
                if let Phase::Abandoned(Some(why)) = &*phase.borrow_and_update() {
                    return SteppedDown(Arc::clone(why));
                }
                if phase.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Stops in good order: clients are told, connections closed, and what was given to the store is answered. The
    /// store stays open.
    pub async fn stop(mut self) {
        self.hub.set_phase(Phase::Stopping);
        let (mut phase, mut open) = (self.hub.phase(), self.connections.subscribe());
        let quiet = async {
            let none = open.wait_for(|open| *open == 0).await.is_ok();
            debug_assert!(none, "the broker holds the sender");
            while self.network.join_next().await.is_some() {}
            self.hub.idle().await;
        };
        tokio::select! {
            () = quiet => {}
            _ = phase.wait_for(|phase| matches!(phase, Phase::Abandoned(_))) => {}
        }
        self.hub.abandon(None);
        self.tasks.shutdown().await;
    }

    /// Drops everything at once and answers nobody: mastership is lost.
    pub fn abandon(mut self) {
        self.hub.abandon(None);
        self.tasks.abort_all();
        self.network.abort_all();
    }
}

/// Takes connections until the broker ends.
async fn accept(
    hub: Arc<Hub>,
    listener: TcpListener,
    places: Places,
    connections: Arc<watch::Sender<usize>>,
) {
    let mut phase = hub.phase();
    let mut refused = 0_u64;
    let mut failed = 0_u64;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely, all of what is kept being the store's: give the others time to leave.
                failed += 1;
                if failed.is_power_of_two() {
                    tracing::warn!(
                        "a connection could not be accepted ({failed} so far): {error}; raise the limit of open files if it is that"
                    );
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let mut open = 0;
        connections.send_modify(|count| {
            *count += 1;
            open = *count;
        });
        let counted = Counted(Arc::clone(&connections));
        if let Err(why) = places.take(open, descriptor(&stream)) {
            refused += 1;
            if refused.is_power_of_two() {
                tracing::warn!(%peer, "connection refused: {why}; {refused} refused so far");
            }
            continue;
        }
        let hub = Arc::clone(&hub);
        tokio::spawn(async move {
            let _counted = counted;
            let left = connection::serve(Arc::clone(&hub), Stream::Socket(stream), Peer::Socket(peer)).await;
            if let Some(duplex) = left {
                // Boxed: a bridge takes many KiB, and every connection would carry the room for one.
                Box::pin(bridges::respond::respond(hub, duplex)).await;
            }
        });
    }
}

fn descriptor(socket: &impl AsRawFd) -> u64 {
    u64::try_from(socket.as_raw_fd()).unwrap_or_default()
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<watch::Sender<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
