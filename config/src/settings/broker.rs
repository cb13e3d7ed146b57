//! Settings of a broker and of its connections.

use std::time::Duration;

use kahawai_broker::{BrokerConfig, Hidden};

use super::Setting;
use super::kind::{ANY, DAY, Kind};
use super::read::{A_DAY, show_size, show_time, size, time, truth, whole};
use crate::{ArbiterAddress, destinations, multicast_uri, value};

/// All of them.
pub static SETTINGS: &[Setting<BrokerConfig>] = &[
    Setting {
        name: "brokerName",
        about: "the broker's name, as clients and slaves see it",
        kind: Kind::Text,
        set: |broker, text| value::broker_name(text).map(|name| broker.broker_name = name),
        show: |broker| Some(broker.broker_name.clone()),
    },
    Setting {
        name: "discoveryUri",
        about: "the group that is told of the first of `transportConnectors`, so that other brokers and clients find it: `multicast://default` (239.255.2.3:6155) or `multicast://ADDRESS:PORT`; behind it `?group=default&keepAliveInterval=500&timeToLive=1&loopBackMode=false` (the defaults), `interface` (an address), `networkInterface`, `joinNetworkInterface` (names); unset, nobody is told",
        kind: Kind::Text,
        set: |broker, text| multicast_uri::read(text).map(|made| broker.discovery_uri = Some(made)),
        show: |broker| broker.discovery_uri.as_ref().map(multicast_uri::show),
    },
    Setting {
        name: "memoryUsage",
        about: "the most bytes of messages that all destinations together hold in memory, beyond one page each",
        kind: Kind::Size { least: 1 << 20, most: ANY },
        set: |broker, text| {
            at_least(size(text)?, 1 << 20, "1 mb").map(|size| broker.limits.memory_bytes_max = size)
        },
        show: |broker| Some(show_size(broker.limits.memory_bytes_max as u64)),
    },
    Setting {
        name: "maximumConnections",
        about: "the most open connections; more are closed at once",
        kind: Kind::Whole { least: 1, most: ANY },
        set: |broker, text| whole(text, 1).map(|number| broker.maximum_connections = number),
        show: |broker| Some(broker.maximum_connections.to_string()),
    },
    Setting {
        name: "maxFrameSize",
        about: "the longest command that is read from a client, in bytes",
        kind: Kind::Size { least: 1 << 10, most: ANY },
        set: |broker, text| at_least(size(text)?, 1 << 10, "1 kb").map(|size| broker.max_frame_size = size),
        show: |broker| Some(show_size(broker.max_frame_size as u64)),
    },
    Setting {
        name: "maxInactivityDuration",
        about: "after how many milliseconds of silence a connection is closed; 0 for never",
        kind: Kind::Time { least: 0, most: DAY },
        set: |broker, text| span(text).map(|time| broker.max_inactivity_duration = time),
        show: |broker| Some(show_time(broker.max_inactivity_duration)),
    },
    Setting {
        name: "maxInactivityDurationInitalDelay",
        about: "when that is looked at first, in milliseconds (ActiveMQ's spelling)",
        kind: Kind::Time { least: 0, most: DAY },
        set: |broker, text| span(text).map(|time| broker.max_inactivity_duration_initial_delay = time),
        show: |broker| Some(show_time(broker.max_inactivity_duration_initial_delay)),
    },
    Setting {
        name: "connectionTimeout",
        about: "how many milliseconds a client may take to say how it writes",
        kind: Kind::Time { least: 1, most: DAY },
        set: |broker, text| {
            time(text, Duration::from_millis(1), A_DAY).map(|time| broker.connection_timeout = time)
        },
        show: |broker| Some(show_time(broker.connection_timeout)),
    },
    Setting {
        name: "soWriteTimeout",
        about: "how many milliseconds a client may read nothing while something waits for it",
        kind: Kind::Time { least: 1, most: DAY },
        set: |broker, text| {
            time(text, Duration::from_millis(1), A_DAY).map(|time| broker.write_timeout = time)
        },
        show: |broker| Some(show_time(broker.write_timeout)),
    },
    Setting {
        name: "maximumConsumersAllowedPerConnection",
        about: "the most consumers of one connection",
        kind: Kind::Whole { least: 1, most: ANY },
        set: |broker, text| whole(text, 1).map(|number| broker.limits.consumers_per_connection_max = number),
        show: |broker| Some(broker.limits.consumers_per_connection_max.to_string()),
    },
    Setting {
        name: "maximumProducersAllowedPerConnection",
        about: "the most producers of one connection",
        kind: Kind::Whole { least: 1, most: ANY },
        set: |broker, text| whole(text, 1).map(|number| broker.limits.producers_per_connection_max = number),
        show: |broker| Some(broker.limits.producers_per_connection_max.to_string()),
    },
    Setting {
        name: "schedulePeriodForDestinationPurge",
        about: "how often destinations that nobody uses are looked for, in milliseconds; 0 for never",
        kind: Kind::Time { least: 0, most: DAY },
        set: |broker, text| span(text).map(|time| broker.schedule_period_for_destination_purge = time),
        show: |broker| Some(show_time(broker.schedule_period_for_destination_purge)),
    },
    Setting {
        name: "maxPurgedDestinationsPerSweep",
        about: "how many of them go at a time at most; 0 for any number",
        kind: Kind::Whole { least: 0, most: ANY },
        set: |broker, text| whole(text, 0).map(|number| broker.max_purged_destinations_per_sweep = number),
        show: |broker| Some(broker.max_purged_destinations_per_sweep.to_string()),
    },
    Setting {
        name: "destinations",
        about: "queues and topics that are there from the start on, `queue://NAME` or `topic://NAME` (in a variable with commas between); no patterns",
        kind: Kind::List,
        set: |broker, text| destinations::list(text).map(|all| broker.destinations = all),
        show: |broker| Some(destinations::show(&broker.destinations)),
    },
    Setting {
        name: "masterConnectorURI",
        about: "where the master of this slave is, tcp://HOST:PORT, of a pair without a shared store; unset, it is no slave",
        kind: Kind::Text,
        set: |broker, text| value::master_uri(text).map(|uri| broker.pair.master_connector_uri = Some(uri)),
        show: |broker| broker.pair.master_connector_uri.clone(),
    },
    Setting {
        name: "shutdownOnMasterFailure",
        about: "whether a slave of such a pair ends when its master is gone, rather than take over",
        kind: Kind::Truth,
        set: |broker, text| truth(text).map(|truth| broker.pair.shutdown_on_master_failure = truth),
        show: |broker| Some(broker.pair.shutdown_on_master_failure.to_string()),
    },
    Setting {
        name: "shutdownOnSlaveFailure",
        about: "whether a master of such a pair ends when its slave is gone, rather than serve alone",
        kind: Kind::Truth,
        set: |broker, text| truth(text).map(|truth| broker.pair.shutdown_on_slave_failure = truth),
        show: |broker| Some(broker.pair.shutdown_on_slave_failure.to_string()),
    },
    Setting {
        name: "waitForSlave",
        about: "whether a master of such a pair lets clients in only once its slave has everything",
        kind: Kind::Truth,
        set: |broker, text| truth(text).map(|truth| broker.pair.wait_for_slave = truth),
        show: |broker| Some(broker.pair.wait_for_slave.to_string()),
    },
    Setting {
        name: "waitForOther",
        about: "how many milliseconds a broker of such a pair looks for the other one before it serves, where that may have taken over and there is no arbiter",
        kind: Kind::Time { least: 0, most: DAY },
        set: |broker, text| span(text).map(|time| broker.pair.wait_for_other = time),
        show: |broker| Some(show_time(broker.pair.wait_for_other)),
    },
    Setting {
        name: "arbiter",
        about: "where it is written which of such a pair may serve: DIR, which both reach, or tcp://HOST:PORT or tcp://HOST:PORT/NAME of a `kahawai witness`, or a database (postgres://…, mysql://…, as for a store) with `pair=NAME` among its options, NAME being the pair's there (`pair`); unset, a pair that is parted may end with two masters",
        kind: Kind::Text,
        set: |broker, text| {
            ArbiterAddress::parse(text).map(|_| broker.pair.arbiter = Some(Hidden(text.to_owned())))
        },
        show: |broker| arbiter(broker).map(|address| address.to_string()),
    },
    Setting {
        name: "maxFailoverProducersToTrack",
        about: "of how many producers the last message is remembered, to know what is sent again after a fail-over",
        kind: Kind::Whole { least: 1, most: ANY },
        set: |broker, text| whole(text, 1).map(|number| broker.limits.producers_max = number),
        show: |broker| Some(broker.limits.producers_max.to_string()),
    },
];

/// Where the arbiter of a broker's pair is.
pub fn arbiter(broker: &BrokerConfig) -> Option<ArbiterAddress> {
    let text = broker.pair.arbiter.as_ref()?;
    let address = ArbiterAddress::parse(&text.0);
    debug_assert!(address.is_ok(), "it was looked at when it was set");
    address.ok()
}

/// Of what never needs to be bounded.
fn span(text: &str) -> Result<Duration, String> {
    time(text, Duration::ZERO, A_DAY)
}

fn at_least(size: usize, least: usize, words: &str) -> Result<usize, String> {
    if size < least { Err(format!("needs {words} at least")) } else { Ok(size) }
}
