//! Requests across bridges: who asks names a temporary destination of its own as where to reply, and whoever consumes at another broker replies to it.
//!
//! `kahawai serve` at both ends, by a duplex bridge and by a bridge from each, and a real ActiveMQ 5.17 at either end of a duplex one.

mod support;

use std::path::Path;

use support::activemq::ActiveMq;
use support::broker::{Broker, Instance};
use support::{directory, java};

/// A bridge that loses no time.
fn connector(uri: &str) -> String {
    format!("static:({uri})?initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100")
}

/// A broker with a network connector to there.
fn dialling(name: &str, folder: &Path, there: &str, duplex: bool) -> Instance {
    let file = folder.join(format!("{name}.toml"));
    let store = format!("journal:{}", folder.join(name).display());
    let uri = connector(there);
    let text =
        format!("[store]\naddress = {store:?}\n\n[[networkConnector]]\nuri = {uri:?}\nduplex = {duplex}\n");
    std::fs::write(&file, text).expect("the file is written");
    Instance::configured(name, &file)
}

fn wait_bridge(broker: &Broker) {
    broker.0.wait_since(0, "the bridge stands", |line| {
        (line.contains("network connector NC: the bridge to ") && line.contains(" stands")).then_some(())
    });
}

/// Asks at one what is answered at the other.
fn is_answered(asking: &str, serving: &str, queue: &str) {
    for (kind, options) in [("one", &[][..]), ("fresh", &["--fresh"]), ("topic", &["--topic", "--fresh"])] {
        let queue = format!("{queue}.{kind}");
        let said = java::run("RequestReply", &[&[asking, serving, "--queue", &queue], options].concat());
        assert!(said.iter().any(|line| line == "ANSWERED 50"), "{said:?}");
    }
}

#[test]
fn requests_are_answered_over_a_duplex_bridge_from_either_end() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let there = Instance::new("there", &folder.path().join("there"));
    let other = there.serve();
    let here = dialling("here", folder.path(), &there.uri(), true);
    let one = here.serve();
    wait_bridge(&one);
    is_answered(&here.uri(), &there.uri(), "out");
    is_answered(&there.uri(), &here.uri(), "back");
    one.stop();
    other.stop();
}

#[test]
fn requests_are_answered_over_a_bridge_from_each_end() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let there = Instance::new("there", &folder.path().join("there"));
    let here = dialling("here", folder.path(), &there.uri(), false);
    let bridge = connector(&here.uri());
    let other = there.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &bridge)]);
    other.wait_ready(0);
    let one = here.serve();
    wait_bridge(&one);
    wait_bridge(&other);
    is_answered(&here.uri(), &there.uri(), "out");
    is_answered(&there.uri(), &here.uri(), "back");
    one.stop();
    other.stop();
}

#[test]
fn requests_are_answered_to_and_from_a_real_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let dialled = Instance::new("dialled", &folder.path().join("dialled"));
    let other = dialled.serve();
    let amq = ActiveMq::start(folder.path(), &["--duplex-bridge", &connector(&dialled.uri())]);
    let uri = amq.uri();
    other.0.wait_since(0, "bridged both ways", |line| {
        line.contains("bridged both ways by the network connector ND").then_some(())
    });
    let dials = dialling("dials", folder.path(), &uri, true);
    let one = dials.serve();
    wait_bridge(&one);
    for (kahawai, word) in [(&dialled, "dialled"), (&dials, "dials")] {
        is_answered(&kahawai.uri(), &uri, &format!("{word}.out"));
        is_answered(&uri, &kahawai.uri(), &format!("{word}.back"));
    }
    one.stop();
    other.stop();
}
