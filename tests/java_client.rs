//! ActiveMQ's own Java client is served as by ActiveMQ.
//!
//! The programs of `tests/java` were written against a real ActiveMQ 5.17 and pass there. Here they speak to `kahawai serve`: all
//! checks of what the client may rely on; durable subscriptions over a restart, once in good order and once after SIGKILL; and a
//! client that behaves badly on a bare socket while good ones want to be served.

mod support;

use support::broker::Instance;
use support::{directory, java, tell};

#[test]
fn everything_the_client_may_rely_on_holds() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let instance = Instance::new("semantics", &folder.path().join("store"));
    let broker = instance.serve();
    let said = java::run("Semantics", &[&instance.uri(), "--jobs", "6"]);
    let total = said.iter().find(|line| line.starts_with("TOTAL ")).expect("a total");
    let passed = said.iter().filter(|line| line.starts_with("PASS ")).count();
    assert!(passed >= 190, "only {passed} checks were run: {total}");
    tell(total);
    broker.stop();
}

/// The phases of one durable subscription's life, with something in between.
fn durable_subscriptions(name: &str, between: impl Fn(support::broker::Broker)) {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let instance = Instance::new(name, &folder.path().join("store"));
    let mut broker = instance.serve();
    for phase in ["prepare", "verify", "forget", "forgotten"] {
        java::run("DurableRestart", &[&instance.uri(), phase]);
        between(broker);
        broker = instance.serve();
    }
    broker.stop();
}

#[test]
fn durable_subscriptions_live_through_a_restart() {
    durable_subscriptions("restart", |broker| broker.stop());
}

#[test]
fn durable_subscriptions_live_through_sigkill() {
    durable_subscriptions("sigkill", |mut broker| broker.0.kill());
}

#[test]
fn whoever_misbehaves_on_the_wire_is_cut_off_and_the_others_are_served() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let instance = Instance::new("raw", &folder.path().join("store"));
    let broker = instance.serve();
    for seed in ["1", "2", "3"] {
        let said =
            java::run("RawPeer", &[&instance.address(), "--expect-closed", "--wait", "2000", "--seed", seed]);
        let passed = said.iter().filter(|line| line.starts_with("PASS ")).count();
        assert!(passed >= 20, "only {passed} cases were run:\n{}", said.join("\n"));
    }
    broker.stop();
}
