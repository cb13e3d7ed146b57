//! A master that is stopped and goes on answers nobody and does no harm, wherever it is stopped.
//!
//! SIGSTOP stands for a paused machine: the process holds its lock and its connections and does nothing, past its lease. The slave
//! takes over under load. Then SIGCONT: connections to the old master that were open, or were made meanwhile, with requests
//! waiting in them, get nothing but their end; it says that it stepped down, waits as slave, and can become master again. The
//! same with the stop placed at each named step of claim, seal, commit, roll, relocation and release, by `KAHAWAI_STOP_AT`, twice in a row: the
//! second master stops at the same step, and a third takes over. The ledgers tell that nothing was lost, doubled or made up; a
//! last look at the store tells that it is sound and empty, so that nothing of the stale masters was read.

mod support;

use kahawai_journal::steps::Step;
use kahawai_openwire::destination::Destination;
use rustix::process::Signal;
use support::broker::{Broker, Instance, failover};
use support::load::{Kind, Load};
use support::raw::{Raw, Silent, leave_stuck_message};
use support::{directory, java, scale, store, tell};

/// A short lease, so that a silent master is followed soon; small segments, so that they roll and are released.
const OPTIONS: [&str; 4] = ["--lease-duration", "500", "--journal-max-file-length", "64kb"];

/// Connections to a master about to be stopped, or just stopped: each with something to be answered.
struct Witnesses(Vec<(&'static str, Silent)>);

impl Witnesses {
    /// A connection with a producer, and one that consumes what comes.
    fn before(address: &str) -> std::io::Result<(Raw, Raw)> {
        let mut producer = Raw::open(address)?;
        producer.open_producer()?;
        let mut consumer = Raw::open(address)?;
        consumer.open_consumer(&Destination::queue("witness"), 1000)?;
        Ok((producer, consumer))
    }

    /// Asks the stopped master for things: a persistent message, one that is not, a session, on a connection it knows; a message
    /// is sent to a consumer it serves; and there is a connection that it has never seen.
    fn of_stopped(address: &str, before: Option<(Raw, Raw)>) -> Self {
        let mut found = Vec::new();
        if let Some((mut producer, consumer)) = before {
            let queue = Destination::queue("witness");
            let requests = [
                producer.message(&queue, true, 100),
                producer.message(&queue, false, 100),
                producer.session_info(2),
            ];
            // What it had said before it was stopped is in the sockets by now, as it stands still.
            let mut producer = producer.into_silent();
            for request in &requests {
                producer.send(request);
            }
            found.push(("a producer", producer));
            found.push(("a consumer", consumer.into_silent()));
        }
        // A process that stands still has connections made for it by its kernel, if it listens.
        if let Ok(new) = Silent::connect(address) {
            found.push(("a new client", new));
        }
        Self(found)
    }

    /// They were told nothing.
    fn assert_silence(self, who: &str) {
        for (what, connection) in self.0 {
            connection.assert_closed_without_a_word(&format!("{who} to {what}"));
        }
    }
}

/// Waits until it has noticed that it was replaced, and waits as slave.
fn assert_steps_down(stopped: &Broker, from: usize) {
    stopped.0.wait_line(from, "role: stepped down");
    stopped.wait_slave(from);
    assert!(stopped.0.said_since(from).iter().all(|line| !line.starts_with("ready")), "{}", stopped.0.tail());
}

#[test]
fn stopped_past_its_lease_and_continued() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let path = folder.path().join("store");
    let first = Instance::new("first", &path).with(&OPTIONS);
    let second = Instance::new("second", &path).with(&OPTIONS);
    let (mut master, mut slave) = (&first, &second);
    let mut serving = master.serve();
    let mut waiting = slave.start();
    waiting.wait_slave_of(0, master.name());
    // The clients try the one first that will not be stopped next.
    let load = Load::start(folder.path(), &failover(&[&first, &second]), "stopped", Kind::STRICT);
    for _ in 0..3 * scale() {
        load.wait_progress(100);
        let before = Witnesses::before(&master.address()).expect("the master serves");
        let (here, there) = (serving.0.here(), waiting.0.here());
        serving.0.signal(Signal::STOP);
        serving.0.wait_stopped();
        let witnesses = Witnesses::of_stopped(&master.address(), Some(before));
        assert!(witnesses.0.len() == 3, "the stopped master's port takes no connection");
        waiting.wait_ready(there);
        serving.0.signal(Signal::CONT);
        assert_steps_down(&serving, here);
        witnesses.assert_silence(master.name());
        assert!(!master.port().is_open(), "the old master still listens");
        (master, slave) = (slave, master);
        (serving, waiting) = (waiting, serving);
    }
    let _ = slave;
    load.wait_progress(100);
    tell(&load.finish());
    waiting.stop();
    serving.stop();
    assert_no_witness_is_stored(&path);
    store::assert_drained(&path, "stopped");
}

/// What the witnesses asked a stopped master to store is not there.
fn assert_no_witness_is_stored(path: &std::path::Path) {
    for found in store::look(path).destinations {
        assert!(
            found.destination.name != "witness" || found.messages == 0,
            "a stale master's message is stored"
        );
    }
}

/// Two masters in turn are stopped at this step under load, and a third serves; then both go on.
fn stopped_twice_at(step: Step) {
    let folder = directory();
    let path = folder.path().join("store");
    let name = step.name();
    let (first, second, third) = (
        Instance::new("first", &path).with(&OPTIONS),
        Instance::new("second", &path).with(&OPTIONS),
        Instance::new("third", &path).with(&OPTIONS),
    );
    let mut serving = third.serve();
    leave_stuck_message(&third.address());
    let url = failover(&[&third, &first, &second]);
    let kind = Kind { sends_per_commit: 3, ..Kind::STRICT };
    let load = Load::start(folder.path(), &url, name, kind).bury_the_dead();
    // What a start passes once is met at the first time, what a load repeats somewhere in its midst.
    let is_at_start = name.starts_with("claim") || name.starts_with("seal");
    let at = match step {
        _ if is_at_start => name.to_owned(),
        // Seconds lie between them.
        Step::CheckpointCaptured | Step::CheckpointPublished => name.to_owned(),
        Step::RollFlushed
        | Step::RollRenamed
        | Step::RelocationFound
        | Step::RelocationProven
        | Step::ReleaseProven
        | Step::ReleaseDone => {
            format!("{name}:5")
        }
        _ => format!("{name}:100"),
    };
    let start = |instance: &Instance| {
        let broker = instance.start_with(&[("KAHAWAI_STOP_AT", &at)]);
        broker.wait_slave(0);
        broker
    };
    let mut stopping = vec![(&first, start(&first)), (&second, start(&second))];
    load.wait_progress(50);
    serving.0.kill();
    serving.assert_sound();
    let mut serving = None;
    let mut stopped = Vec::new();
    while !stopping.is_empty() {
        // Which of them is next is their affair. At a step that comes under load it serves before.
        let mut before = None;
        if !is_at_start {
            support::process::until("one of them serves", || {
                stopping.iter().any(|(_, broker)| said(broker, "ready"))
            });
            let next = stopping.iter().find(|(_, broker)| said(broker, "ready")).expect("one serves");
            // It may be stopped before these are connected.
            before = Witnesses::before(&next.0.address()).ok();
        }
        let reached = "stopping this process at";
        support::process::until(&format!("one of them is stopped at {step}"), || {
            stopping.iter().any(|(_, broker)| said(broker, reached))
        });
        let at = stopping.iter().position(|(_, broker)| said(broker, reached)).expect("one is stopped");
        let (instance, broker) = stopping.remove(at);
        broker.0.wait_stopped();
        let witnesses = Witnesses::of_stopped(&instance.address(), before);
        stopped.push((instance, broker, witnesses));
        if stopping.is_empty() {
            // The third is there before the second's lease is over.
            serving = Some(third.start());
        }
    }
    let serving = serving.expect("the third is started");
    serving.wait_ready(0);
    load.wait_progress(50);
    let mut seen = 0;
    for (instance, broker, witnesses) in stopped {
        let here = broker.0.here();
        let claimed = said(&broker, "role: master") || step != Step::ClaimDecided;
        broker.0.signal(Signal::CONT);
        if claimed {
            assert_steps_down(&broker, here);
        } else {
            broker.wait_slave(here);
        }
        seen += witnesses.0.len();
        witnesses.assert_silence(&format!("{} at {step}", instance.name()));
        load.wait_progress(20);
        broker.stop();
    }
    assert!(is_at_start || seen > 0, "nobody watched");
    load.wait_progress(50);
    tell(&format!("{step}: {seen} connections saw nothing; {}", load.finish()));
    serving.stop();
    assert_no_witness_is_stored(&path);
    store::assert_drained(&path, name);
}

fn said(broker: &Broker, what: &str) -> bool {
    broker.0.said_since(0).iter().any(|line| line.contains(what))
}

macro_rules! at_each_step {
    ($($name:ident = $step:ident,)*) => {
        $(
            #[test]
            fn $name() {
                for _ in 0..scale() {
                    if !java::is_skipped() {
                        stopped_twice_at(Step::$step);
                    }
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
    at_relocation_found = RelocationFound,
    at_relocation_proven = RelocationProven,
    at_checkpoint_captured = CheckpointCaptured,
    at_checkpoint_published = CheckpointPublished,
    at_release_proven = ReleaseProven,
    at_release_done = ReleaseDone,
}
