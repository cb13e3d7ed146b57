//! Brokers of one host on one SQLite file: masters go, and nothing is lost or doubled.

mod support;

use rustix::process::Signal;
use support::load::{Kind, Load};
use support::sql::Going::{Killed, Stopped};
use support::sql::taking_turns;
use support::{directory, java};

fn store(folder: &std::path::Path) -> String {
    format!("sqlite:{}", folder.join("store.db").display())
}

#[test]
fn killed_masters_are_followed() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let kind = Kind { sends_per_commit: 3, rollback_every: 7, ..Kind::STRICT };
    taking_turns(folder.path(), &store(folder.path()), "killed", kind, &[Killed, Stopped, Killed, Killed]);
}

/// A master stopped between two transactions is followed after its lease.
#[test]
fn a_master_that_is_frozen_while_idle_is_followed() {
    let folder = directory();
    let path = store(folder.path());
    let instance =
        |name| support::broker::Instance::new(name, std::path::Path::new(&path)).with(&support::sql::LEASE);
    let (first, second) = (instance("first"), instance("second"));
    let serving = first.serve();
    let waiting = second.start();
    waiting.wait_slave_of(0, "first");
    let here = serving.0.here();
    serving.0.signal(Signal::STOP);
    serving.0.wait_stopped();
    waiting.wait_ready(0);
    serving.0.signal(Signal::CONT);
    serving.0.wait_line(here, "role: stepped down");
    serving.wait_slave(here);
    serving.stop();
    waiting.stop();
}

/// A master frozen under load may stand inside a transaction: then it keeps SQLite's lock, and the next waits, saying so, until it is
/// killed. Either way nothing is lost.
#[test]
fn a_master_that_is_frozen_under_load_is_followed_at_the_latest_when_it_is_killed() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let path = store(folder.path());
    let instance =
        |name| support::broker::Instance::new(name, std::path::Path::new(&path)).with(&support::sql::LEASE);
    let (first, second) = (instance("first"), instance("second"));
    let (mut master, mut slave) = (&first, &second);
    let mut serving = master.serve();
    let mut waiting = slave.start();
    waiting.wait_slave_of(0, master.name());
    let url = support::broker::failover(&[&first, &second]);
    let load = Load::start(folder.path(), &url, "frozen", Kind::STRICT);
    let mut inside = 0;
    for _ in 0..4 {
        load.wait_progress(50);
        let there = waiting.0.here();
        serving.0.signal(Signal::STOP);
        serving.0.wait_stopped();
        let (is_inside, _) =
            waiting.0.wait_since(there, "ready, or that it waits for the transaction", |line| {
                let is_inside = line.contains("in the middle of a transaction");
                (is_inside || line.starts_with("ready")).then_some(is_inside)
            });
        inside += u32::from(is_inside);
        serving.0.kill();
        waiting.wait_ready(there);
        (master, slave) = (slave, master);
        serving = waiting;
        waiting = slave.start();
        waiting.wait_slave_of(0, master.name());
    }
    load.wait_progress(50);
    support::tell(&format!("{inside} of 4 masters were stopped inside a transaction; {}", load.finish()));
    waiting.stop();
    serving.stop();
    support::sql::assert_drained(&path, "frozen");
}
