//! Networks of brokers over duplex bridges: one broker dials, and messages cross both ways over its connection.
//!
//! `kahawai serve` at either end, and a real ActiveMQ 5.17 at the other; each kind of destination crosses each way, each message once and in order.

mod support;

use std::path::Path;

use support::activemq::ActiveMq;
use support::broker::{Broker, Instance, failover};
use support::crossing::cross_all;
use support::crossing_load::{CrossingLoad, Sent};
use support::{directory, java, tell};

/// A bridge that loses no time.
fn connector(uri: &str) -> String {
    format!("static:({uri})?initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100")
}

/// A broker with a duplex network connector to there.
fn dialling(name: &str, folder: &Path, there: &str) -> Instance {
    let store = folder.join(name);
    Instance::new(name, &store).with(&["--network-connector", &connector(there), "--duplex"])
}

fn wait_bridge(broker: &Broker) {
    broker.0.wait_since(0, "the bridge stands", |line| {
        (line.contains("network connector NC: the bridge to ") && line.contains(" stands")).then_some(())
    });
}

fn wait_bridged(broker: &Broker, by: &str) {
    let named = format!("bridged both ways by the network connector {by} (ID:");
    broker.0.wait_since(0, &named, |line| line.contains(&named).then_some(()));
}

fn none_was_cut(broker: &Broker) {
    let said = broker.0.said_since(0);
    let cut = |line: &&String| line.contains("no longer bridged") || line.contains("there is no bridge");
    assert_eq!(said.iter().find(cut), None);
}

#[test]
fn two_brokers_bridge_both_ways_over_one_connection() {
    let folder = directory();
    let there = Instance::new("there", &folder.path().join("there"));
    let other = there.serve();
    let here = dialling("here", folder.path(), &there.uri());
    let one = here.serve();
    wait_bridge(&one);
    wait_bridged(&other, "NC of the broker here");
    cross_all(&here.address(), &there.address(), "out");
    cross_all(&there.address(), &here.address(), "back");
    none_was_cut(&one);
    none_was_cut(&other);
    one.stop();
    other.0.wait_since(0, "no longer bridged", |line| {
        line.contains("no longer bridged both ways by the network connector NC of the broker here")
            .then_some(())
    });
    other.stop();
}

/// Loads both ways at once while each end is killed by turns; nothing is lost.
fn survives_kills(
    folder: &Path,
    here: &Instance,
    one: &mut Broker,
    there: &str,
    kill_there: &mut dyn FnMut(),
) {
    let here_url = failover(&[here]);
    let mut out = CrossingLoad::start(folder, &here_url, there, "killed.out", Sent::Heaps);
    let mut back = CrossingLoad::start(folder, there, &here_url, "killed.back", Sent::Heaps);
    for _ in 0..2 {
        out.wait_come_from_now(100);
        back.wait_come_from_now(100);
        one.0.kill();
        one.assert_sound();
        *one = here.serve();
        out.wait_come_from_now(100);
        back.wait_come_from_now(100);
        kill_there();
    }
    out.wait_come_from_now(100);
    back.wait_come_from_now(100);
    tell(&format!("out, 4 kills: {}", out.finish()));
    tell(&format!("back, 4 kills: {}", back.finish()));
}

#[test]
fn both_ways_lose_nothing_when_either_end_is_killed() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let there = Instance::new("there", &folder.path().join("there"));
    let mut other = there.serve();
    let here = dialling("here", folder.path(), &there.uri());
    let mut one = here.serve();
    wait_bridge(&one);
    let url = failover(&[&there]);
    survives_kills(folder.path(), &here, &mut one, &url, &mut || {
        other.0.kill();
        other.assert_sound();
        other = there.serve();
    });
    one.stop();
    other.stop();
}

#[test]
fn a_real_activemq_bridges_both_ways_at_either_end() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let dialled = Instance::new("dialled", &folder.path().join("dialled"));
    let other = dialled.serve();
    let mut amq = ActiveMq::start(folder.path(), &["--duplex-bridge", &connector(&dialled.uri())]);
    let address = amq.address();
    wait_bridged(&other, "ND of the broker amq");
    let dials = dialling("dials", folder.path(), &amq.uri());
    let mut one = dials.serve();
    wait_bridge(&one);
    for (kahawai, word) in [(&dialled, "dialled"), (&dials, "dials")] {
        cross_all(&kahawai.address(), &address, &format!("{word}.out"));
        cross_all(&address, &kahawai.address(), &format!("{word}.back"));
    }
    none_was_cut(&one);
    none_was_cut(&other);
    other.stop();
    let url = amq.failover();
    survives_kills(folder.path(), &dials, &mut one, &url, &mut || {
        amq.kill();
        amq.come_back();
    });
    one.stop();
}
