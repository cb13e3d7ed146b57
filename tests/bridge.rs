//! Networks of brokers that begin here: `kahawai serve` has a static network connector, one way, to another Kahawai and to a real ActiveMQ 5.17.
//!
//! Demand there makes messages go from here to there, each once and in order, and ends here when it ends there. Kills under load lose nothing:
//! what comes twice is what was under way when the bridge was cut.

mod support;

use std::path::Path;

use support::broker::{Broker, Instance, failover};
use support::crossing::cross_all;
use support::process::Process;
use support::{directory, java, tell};

/// How often each side is killed.
const CUTS: usize = 3;

/// The queue of the load that nothing is cut in.
const WHOLE: &str = "whole";

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

/// Sends so many here and takes them there, with `cut` in between; gives what became of them.
fn load(
    here: &str,
    there: &str,
    queue: &str,
    messages: usize,
    folder: &Path,
    cut: &mut dyn FnMut(&Process),
) -> String {
    let ledger = |name: &str| folder.join(format!("{queue}.{name}")).to_str().expect("UTF-8").to_owned();
    let (sent, received, dead) = (ledger("sent"), ledger("received"), ledger("dead"));
    let count = messages.to_string();
    let consume =
        ["--queue", queue, "--ledger", &received, "--mode", "auto", "--progress", "10", "--expect", &count];
    let mut consume = java::start("Consume", &[&[there], &consume[..]].concat());
    consume.wait_line(0, "READY");
    let produce = ["--queue", queue, "--ledger", &sent, "--producers", "1", "--messages", &count];
    let mut produce = java::start("Produce", &[&[here], &produce[..]].concat());
    cut(&consume);
    assert!(produce.wait_end().success(), "{}", produce.tail());
    let status = consume.wait_end();
    assert!(status.success(), "not all came: {status}\n{}", consume.tail());
    // The client itself buries what it takes for a duplicate after a failover.
    let bury = ["--queue", "ActiveMQ.DLQ", "--ledger", &dead, "--mode", "auto", "--idle", "1"];
    java::run("Consume", &[&[there], &bury[..]].concat());
    let verify = ["--sent", &sent, "--received", &received, "--mode", "auto", "--dead", &dead];
    // What is sent again after a cut may stand behind what came meanwhile.
    let order: &[&str] = if queue == WHOLE { &["--order"] } else { &[] };
    let verdict = java::run("Verify", &[&verify[..], order].concat());
    let figures = verdict.iter().find(|line| line.starts_with("sent=")).expect("figures");
    assert!(figures.contains(" lost=0 "), "{figures}");
    figures.clone()
}

/// Kills after some progress, again and again.
fn kills<'a>(broker: &'a mut Broker, again: &'a dyn Fn() -> Broker) -> impl FnMut(&Process) + 'a {
    move |consume| {
        let mut from = 0;
        for _ in 0..CUTS {
            for _ in 0..30 {
                from = consume.wait_line(from, "PROGRESS").1;
            }
            broker.0.kill();
            broker.assert_sound();
            *broker = again();
        }
    }
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
    let figures = load(&from, &to, WHOLE, 10_000, folder.path(), &mut |_| ());
    assert!(figures.contains(" duplicated=0 ") && figures.contains(" disordered=0 "), "{figures}");
    tell(&format!("nothing cut: {figures}"));
    let figures = load(&from, &to, "there", 3000, folder.path(), &mut kills(&mut other, &|| there.serve()));
    tell(&format!("{CUTS} kills there: {figures}"));
    let uri = there.uri();
    let again = || serve(&here, &uri);
    let figures = load(&from, &to, "here", 3000, folder.path(), &mut kills(&mut one, &again));
    tell(&format!("{CUTS} kills here: {figures}"));
    one.stop();
    other.stop();
}

#[test]
fn this_broker_bridges_to_a_real_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let directory = folder.path().join("amq");
    let amq_on = |port: &str| {
        let directory = directory.to_str().expect("UTF-8");
        let process =
            java::start("RunActiveMQ", &["--name", "amq", "--directory", directory, "--port", port]);
        let (uri, _) = process.wait_since(0, "LISTENING", |line| {
            line.strip_prefix("LISTENING ")?.split_whitespace().next().map(str::to_owned)
        });
        (process, uri)
    };
    let (mut amq, uri) = amq_on("0");
    let (_, port) = uri.rsplit_once(':').expect("a port");
    let here = Instance::new("here", &folder.path().join("here"));
    let mut one = serve(&here, &uri);
    wait_bridge(&one);
    let address = uri.strip_prefix("tcp://").expect("an address");
    cross_all(&here.address(), address, "one.way");
    let from = failover(&[&here]);
    let to = format!(
        "failover:({uri})?initialReconnectDelay=50&maxReconnectDelay=100&useExponentialBackOff=false"
    );
    let figures = load(&from, &to, WHOLE, 10_000, folder.path(), &mut |_| ());
    assert!(figures.contains(" duplicated=0 ") && figures.contains(" disordered=0 "), "{figures}");
    tell(&format!("nothing cut: {figures}"));
    let mut cut = |consume: &Process| {
        let mut from = 0;
        for _ in 0..CUTS {
            for _ in 0..30 {
                from = consume.wait_line(from, "PROGRESS").1;
            }
            amq.kill();
            amq = amq_on(port).0;
        }
    };
    let figures = load(&from, &to, "there", 3000, folder.path(), &mut cut);
    tell(&format!("{CUTS} kills there: {figures}"));
    let again = || serve(&here, &uri);
    let figures = load(&from, &to, "here", 3000, folder.path(), &mut kills(&mut one, &again));
    tell(&format!("{CUTS} kills here: {figures}"));
    one.stop();
}
