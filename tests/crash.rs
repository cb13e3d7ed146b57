//! Killed under load and started again on the same store, the broker has lost nothing and gives nothing back.
//!
//! Producers and consumers with ActiveMQ's client follow `failover:` to the one broker there is. It is killed with SIGKILL
//! several times under their load, at any moment and then at each named step of commit, seal and recycling, and started again.
//! Both ends write ledgers of what they were told; in the end the queue is drained and the ledgers are judged: nothing
//! that was acknowledged is lost, nothing that was committed as consumed comes back, no transaction is torn. Then the store is
//! opened once more: it is sound and the queue is empty.

mod support;

use kahawai_journal::steps::Step;
use support::broker::{Instance, failover};
use support::load::{Kind, Load};
use support::raw::leave_stuck_message;
use support::{directory, java, scale, store, tell};

/// Segments so small that each run rolls and releases many.
const SMALL_SEGMENTS: [&str; 2] = ["--journal-max-file-length", "64kb"];

fn killed_again_and_again(name: &str, kind: Kind) {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let path = folder.path().join("store");
    let instance = Instance::new(name, &path).with(&SMALL_SEGMENTS);
    let mut broker = instance.serve();
    let load = Load::start(folder.path(), &failover(&[&instance]), name, kind);
    for _ in 0..4 * scale() {
        load.wait_progress(200);
        broker.0.kill();
        broker.assert_sound();
        broker = instance.serve();
    }
    load.wait_progress(100);
    tell(&load.finish());
    broker.stop();
    store::assert_drained(&path, name);
}

#[test]
fn plain_sends_to_one_transacted_consumer_in_order() {
    killed_again_and_again("plain-ordered", Kind { consumers: 1, ..Kind::STRICT });
}

#[test]
fn plain_sends_to_many_transacted_consumers() {
    killed_again_and_again("plain", Kind { producers: 4, consumers: 4, ..Kind::STRICT });
}

#[test]
fn transacted_on_both_sides() {
    killed_again_and_again("transacted", Kind { sends_per_commit: 7, rollback_every: 5, ..Kind::STRICT });
}

#[test]
fn plain_sends_to_consumers_that_acknowledge_each() {
    killed_again_and_again("auto", Kind { mode: "auto", ..Kind::STRICT });
}

#[test]
fn transactions_to_consumers_that_acknowledge_several() {
    killed_again_and_again("client", Kind { mode: "client", sends_per_commit: 7, ..Kind::STRICT });
}

#[test]
fn killed_at_each_named_step() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let path = folder.path().join("store");
    let instance = Instance::new("steps", &path).with(&SMALL_SEGMENTS);
    let mut broker = instance.serve();
    leave_stuck_message(&instance.address());
    let kind = Kind { sends_per_commit: 3, ..Kind::STRICT };
    let load = Load::start(folder.path(), &failover(&[&instance]), "steps", kind).bury_the_dead();
    for step in Step::ALL {
        // What a start passes once is met at the first time, what a load repeats somewhere in its midst.
        let is_once = ["claim", "seal", "checkpoint"].iter().any(|once| step.name().starts_with(once));
        let at = if is_once { step.to_string() } else { format!("{step}:5") };
        load.wait_progress(50);
        broker.0.kill();
        let mut stopping = instance.start_with(&[("KAHAWAI_STOP_AT", &at)]);
        stopping.0.wait_since(0, &format!("stopping this process at {step}"), |line| {
            line.contains("stopping this process at").then_some(())
        });
        stopping.0.wait_stopped();
        stopping.0.kill();
        stopping.assert_sound();
        broker = instance.serve();
    }
    load.wait_progress(50);
    tell(&load.finish());
    broker.stop();
    store::assert_drained(&path, "steps");
}
