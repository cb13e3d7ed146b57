//! A master that is stopped past its lease is harmless when it goes on.
//!
//! SIGSTOP leaves the master its lock and its connections. Under load the slave takes over when the lease is out, serves, and then
//! SIGCONT lets the old one go on, with requests waiting in its sockets and answers in its hands: it answers nobody, steps down by
//! itself and waits as slave. The ledgers of both ends are judged, and the store is opened once more: nothing foreign is in it.
//! Then the same with the stop placed at each named step of claim, seal, commit, roll and release, twice in a row: the
//! second master is stopped at the same step, and the first one takes over again.

mod support;

use kahawai_journal::steps::Step;
use rustix::process::Signal;
use support::broker::{Broker, Instance, failover};
use support::load::{Kind, Load};
use support::raw::{Raw, Silent};
use support::{directory, java, scale, store, tell};

const OPTIONS: [&str; 4] = ["--journal-max-file-length", "64kb", "--lease-duration", "600"];

/// Waits until a broker that was replaced has said so and waits for the other.
fn steps_down(broker: &Broker, from: usize, master: &str) {
    broker.0.wait_line(from, "role: stepped down");
    broker.wait_slave_of(from, master);
}

#[test]
fn a_master_stopped_under_load_answers_nobody_and_steps_down() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let path = folder.path().join("store");
    let (first, second) =
        (Instance::new("first", &path).with(&OPTIONS), Instance::new("second", &path).with(&OPTIONS));
    let (mut master, mut slave) = (&first, &second);
    let mut serving = master.serve();
    let mut waiting = slave.start();
    waiting.wait_slave_of(0, master.name());
    let load = Load::start(folder.path(), &failover(&[&first, &second]), "stopped", Kind::STRICT);
    for _ in 0..3 * scale() {
        load.wait_progress(100);
        // Somebody holds a connection to the old master and asks it something that no new one was asked.
        let mut raw = Raw::open(&master.address()).expect("a connection");
        raw.open_producer().expect("a producer");
        let queue = kahawai_openwire::destination::Destination::queue("stopped.raw");
        let question = raw.message(&queue, true, 100);
        serving.0.signal(Signal::STOP);
        serving.0.wait_stopped();
        let mut silent = raw.into_silent();
        let (here, there) = (serving.0.here(), waiting.0.here());
        silent.send(&question);
        let unspoken = Silent::connect(&master.address());
        waiting.wait_ready(there);
        // The new master serves the load before the old one goes on.
        load.wait_progress(50);
        serving.0.signal(Signal::CONT);
        silent.assert_closed_without_a_word("the old master");
        drop(unspoken);
        steps_down(&serving, here, slave.name());
        assert!(!master.port().is_open(), "the old master still listens");
        (master, slave) = (slave, master);
        std::mem::swap(&mut serving, &mut waiting);
    }
    load.wait_progress(50);
    tell(&load.finish());
    waiting.stop();
    serving.stop();
    store::assert_drained(&path, "stopped");
}

/// Stops two masters in a row at one step, under load, and lets them go on when they were replaced.
fn stopped_at(step: Step) {
    let folder = directory();
    let path = folder.path().join("store");
    // Where a start passes a step once, the first time counts; elsewhere some way into the load.
    let at_start = ["claim", "seal"].iter().any(|once| step.name().starts_with(once));
    let at = if at_start { step.to_string() } else { format!("{step}:3") };
    let stops = [("KAHAWAI_STOP_AT", at.as_str())];
    let names = ["one", "two", "three"];
    let instances = names.map(|name| Instance::new(name, &path).with(&OPTIONS));
    let [one, two, three] = &instances;
    let url = failover(&[one, two, three]);
    let queue = "steps";

    // A third one serves first, so that clients are connected; then it is killed, and the two that stop come to it.
    let mut last = three.serve();
    let load = Load::start(folder.path(), &url, queue, Kind { sends_per_commit: 3, ..Kind::STRICT });
    load.wait_progress(30);
    let stopping = [one.start_with(&stops), two.start_with(&stops)];
    for broker in &stopping {
        broker.wait_slave_of(0, three.name());
    }
    last.0.kill();
    let stopped =
        |broker: &Broker| broker.0.said_since(0).iter().any(|line| line.contains("stopping this process at"));
    // Whichever comes first is stopped; then the other takes over and is stopped as well.
    for count in 1..=2 {
        support::process::until(&format!("{count} masters are stopped at {step}"), || {
            stopping.iter().filter(|broker| stopped(broker)).count() >= count
        });
    }
    for broker in &stopping {
        broker.0.wait_stopped();
    }
    let last = three.start();
    last.wait_ready(0);
    load.wait_progress(30);
    // Both go on, one after the other, as they find it.
    let here: Vec<usize> = stopping.iter().map(|broker| broker.0.here()).collect();
    for (broker, here) in stopping.iter().zip(here) {
        broker.0.signal(Signal::CONT);
        broker.wait_slave_of(here, three.name());
        load.wait_progress(20);
    }
    tell(&format!("{step}: {}", load.finish()));
    for broker in stopping {
        broker.stop();
    }
    last.stop();
    store::assert_drained(&path, queue);
}

macro_rules! at_each_step {
    ($($name:ident = $step:ident,)*) => {
        $(
            #[test]
            fn $name() {
                if !java::is_skipped() {
                    stopped_at(Step::$step);
                }
            }
        )*

        #[test]
        fn every_step_has_its_test() {
            assert_eq!(Step::ALL, [$(Step::$step,)*]);
        }
    };
}

at_each_step! {
    at_claim_decided = ClaimDecided,
    at_claim_made = ClaimMade,
    at_seal_read = SealRead,
    at_seal_written = SealWritten,
    at_seal_published = SealPublished,
    at_commit_written = CommitWritten,
    at_commit_flushed = CommitFlushed,
    at_commit_proven = CommitProven,
    at_roll_flushed = RollFlushed,
    at_roll_renamed = RollRenamed,
    at_release_proven = ReleaseProven,
    at_release_done = ReleaseDone,
}
