//! What a broker is told. Names are ActiveMQ's where it has the option; defaults are its own too unless said otherwise.

use std::time::Duration;

use super::slaves::Slaves;
use crate::bridge::NetworkConnector;
use crate::core::address::Address;
use crate::core::limits::Limits;
use crate::core::policy::Policies;
use crate::discovery::Multicast;

/// A broker's configuration.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `brokerName`: told to clients, part of advisories.
    pub broker_name: String,
    /// The addresses to listen on, `host:port`; port 0 takes a free one (`transportConnector uri`).
    pub bind: Vec<String>,
    /// `discoveryUri`: the group that is told of the first of these addresses; by default none is.
    pub discovery_uri: Option<Multicast>,
    /// How long a mastership lasts without being proven. Nothing is written to a client when the last proof is older than half of it.
    pub lease: Duration,
    /// How long a client may take to say how it writes, in a WireFormatInfo (`connectionTimeout`, 30 s). After that only keep-alive applies.
    pub connection_timeout: Duration,
    /// How many bytes a client may send before it has said who it is, its signs of life aside.
    pub negotiation_bytes_max: usize,
    /// `maximumConnections`, 1000 in the shipped configuration: the most open connections; more are closed at once.
    pub maximum_connections: usize,
    /// How many files this process may have open (`ulimit -n`). Connections take no more than three quarters of them: the rest is for
    /// the store. By default it is not considered.
    pub open_files_max: u64,
    /// `wireFormat.maxFrameSize`, 100 MiB: the longest frame, in bytes.
    pub max_frame_size: usize,
    /// `wireFormat.maxInactivityDuration`, 30 s: a connection that says nothing for so long is closed; zero for never.
    pub max_inactivity_duration: Duration,
    /// `wireFormat.maxInactivityDurationInitalDelay`, 10 s (sic): when the first look is taken.
    pub max_inactivity_duration_initial_delay: Duration,
    /// How long a client may read nothing while something waits for it (`soWriteTimeout`; 30 s here, never in ActiveMQ).
    pub write_timeout: Duration,
    /// `schedulePeriodForDestinationPurge`: how often destinations are looked for that nobody uses and whose policy lets them go; zero, the default,
    /// for never.
    pub schedule_period_for_destination_purge: Duration,
    /// `maxPurgedDestinationsPerSweep`: how many of them go at a time at most; 0, the default, for any number.
    pub max_purged_destinations_per_sweep: usize,
    /// `destinations`: queues and topics that are there from the start on. None is a pattern, a composite or temporary.
    pub destinations: Vec<Address>,
    /// What bounds the broker's memory.
    pub limits: Limits,
    /// What it is told of its pair.
    pub pair: Pair,
    /// Who takes slaves that dial a connector; by default nobody.
    pub slaves: Slaves,
    /// `destinationPolicy`: what holds for which destination. By default the same for all.
    pub policies: Policies,
    /// `networkConnectors`: to which other brokers messages go. Not needed by whoever they come from.
    pub network_connectors: Vec<NetworkConnector>,
}

/// A text that may hold a password: no log line has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

/// What a broker is told of its pair: master and slave without a shared store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `masterConnectorURI`: where its master is; a broker without is no slave.
    pub master_connector_uri: Option<String>,
    /// `shutdownOnMasterFailure`: a slave ends when its master is gone, rather than take over.
    pub shutdown_on_master_failure: bool,
    /// `shutdownOnSlaveFailure`: a master ends when its slave is gone, rather than serve alone.
    pub shutdown_on_slave_failure: bool,
    /// `waitForSlave`: a master lets clients in only once its slave has everything.
    pub wait_for_slave: bool,
    /// How long a broker that was in a pair looks for the other one before it serves, where that may have taken over and there is no arbiter.
    pub wait_for_other: Duration,
    /// Where the arbiter of the pair is, as it was written. Without one, a pair that is parted may end with two masters.
    pub arbiter: Option<Hidden>,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            master_connector_uri: None,
            shutdown_on_master_failure: false,
            shutdown_on_slave_failure: false,
            wait_for_slave: false,
            wait_for_other: Duration::from_secs(30),
            arbiter: None,
        }
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            broker_name: "localhost".into(),
            bind: vec!["127.0.0.1:61616".into()],
            discovery_uri: None,
            lease: Duration::from_secs(2),
            connection_timeout: Duration::from_secs(30),
            negotiation_bytes_max: 256 << 10,
            maximum_connections: 20_000,
            open_files_max: u64::MAX,
            max_frame_size: 100 << 20,
            max_inactivity_duration: Duration::from_secs(30),
            max_inactivity_duration_initial_delay: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            schedule_period_for_destination_purge: Duration::ZERO,
            max_purged_destinations_per_sweep: 0,
            destinations: Vec::new(),
            limits: Limits::default(),
            pair: Pair::default(),
            slaves: Slaves::default(),
            policies: Policies::default(),
            network_connectors: Vec::new(),
        }
    }
}
