//! Networks of brokers that begin here: `kahawai serve` has a static network connector, one way, to another Kahawai and to a real ActiveMQ 5.17.
//!
//! Demand there makes messages go from here to there, each once and in order, and ends here when it ends there. Kills under load lose nothing:
//! what comes twice is what was under way when the bridge was cut.

mod support;

use std::path::Path;

use support::activemq::ActiveMq;
use support::broker::{Broker, Instance, failover};
use support::crossing::cross_all;
use support::crossing_load::{CrossingLoad, Sent, UNDER_WAY, came_twice};
use support::{directory, java, tell};

/// How often each side is killed.
const CUTS: usize = 3;

/// A bridge that loses no time.
fn connector(uri: &str) -> String {
    format!("static:({uri})?initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100")
}

/// Serves with a bridge to there.
fn serve(here: &Instance, there: &str) -> Broker {
    let broker = here.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &connector(there))]);
    broker.wait_ready(0);
    broker
}

fn wait_bridge(broker: &Broker) {
    broker.0.wait_since(0, "the bridge stands", |line| {
        (line.contains("network connector NC: the bridge to ") && line.contains(" stands")).then_some(())
    });
}

/// Messages cross in heaps while a broker is killed again and again: nothing is lost, and what comes twice was under way.
fn survives_kills(from: &str, to: &str, queue: &str, folder: &Path, kill: &mut dyn FnMut()) {
    let mut crossing = CrossingLoad::start(folder, from, to, queue, Sent::Heaps);
    for _ in 0..CUTS {
        crossing.wait_come_from_now(10);
        kill();
    }
    crossing.wait_come_from_now(1000);
    let figures = crossing.finish();
    tell(&format!("{CUTS} kills {queue}: {figures}"));
    assert!(came_twice(&figures) <= CUTS * UNDER_WAY, "more came twice than was under way: {figures}");
}

/// Messages cross while nothing is cut: each comes once and in order.
fn crosses_whole(from: &str, to: &str, folder: &Path) {
    let crossing =
        CrossingLoad::start(folder, from, to, "whole", Sent::Each { producers: 1, messages: 10_000 });
    tell(&format!("nothing cut: {}", crossing.finish_whole()));
}

fn kill(broker: &mut Broker, again: impl FnOnce() -> Broker) {
    broker.0.kill();
    broker.assert_sound();
    *broker = again();
}

#[test]
fn this_broker_bridges_to_another() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let here = Instance::new("here", &folder.path().join("here"));
    let there = Instance::new("there", &folder.path().join("there"));
    // Whoever is first waits for the other.
    let mut one = serve(&here, &there.uri());
    one.0.wait_since(0, "there is no bridge", |line| {
        line.contains("there is no bridge to tcp://").then_some(())
    });
    let mut other = there.serve();
    wait_bridge(&one);
    cross_all(&here.address(), &there.address(), "one.way");
    let (from, to) = (failover(&[&here]), failover(&[&there]));
    crosses_whole(&from, &to, folder.path());
    survives_kills(&from, &to, "there", folder.path(), &mut || kill(&mut other, || there.serve()));
    let again = || serve(&here, &there.uri());
    survives_kills(&from, &to, "here", folder.path(), &mut || kill(&mut one, again));
    one.stop();
    other.stop();
}

#[test]
fn this_broker_bridges_to_a_real_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let mut amq = ActiveMq::start(folder.path(), &[]);
    let uri = amq.uri();
    let here = Instance::new("here", &folder.path().join("here"));
    let mut one = serve(&here, &uri);
    wait_bridge(&one);
    cross_all(&here.address(), &amq.address(), "one.way");
    let from = failover(&[&here]);
    let to = amq.failover();
    crosses_whole(&from, &to, folder.path());
    let mut kill_it = || {
        amq.kill();
        amq.come_back();
    };
    survives_kills(&from, &to, "there", folder.path(), &mut kill_it);
    let again = || serve(&here, &uri);
    survives_kills(&from, &to, "here", folder.path(), &mut || kill(&mut one, again));
    one.stop();
}
