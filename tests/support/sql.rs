//! Masters and slaves on one SQL store, killed and stopped under load.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kahawai_adapters::election::Mastership;
use kahawai_adapters::postgres::{Database, Postgres};
use kahawai_adapters::sqlite::{self, Sqlite};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Recovered, Store, StoreWait as _};
use kahawai_store::names::Epoch;
use rustix::process::Signal;

use super::broker::{Broker, Instance, failover};
use super::load::{Kind, Load};
use super::{scale, tell};

/// A lease short enough for tests.
pub const LEASE: [&str; 2] = ["--lease-duration", "1000"];

/// How a master goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// SIGKILL.
    Killed,
    /// SIGTERM.
    Stopped,
    /// SIGSTOP until the other has taken over, then SIGCONT: it comes back as slave by itself.
    Frozen,
}

/// Two brokers on this store take turns, under load; then the store is empty and the ledgers balance.
pub fn taking_turns(folder: &Path, store: &str, name: &str, kind: Kind, goings: &[Going]) {
    let first = Instance::new("first", Path::new(store)).with(&LEASE);
    let second = Instance::new("second", Path::new(store)).with(&LEASE);
    let (mut master, mut slave) = (&first, &second);
    let mut serving = master.serve();
    let mut waiting = slave.start();
    waiting.wait_slave_of(0, master.name());
    let load = Load::start(folder, &failover(&[&first, &second]), name, kind);
    for _ in 0..scale() {
        for going in goings {
            load.wait_progress(100);
            let epoch = serving.epoch();
            assert!(!slave.port().is_open(), "the slave's port is open");
            let (here, there) = (serving.0.here(), waiting.0.here());
            let begun = std::time::Instant::now();
            match going {
                Going::Killed => {
                    serving.0.kill();
                    serving.assert_sound();
                }
                Going::Stopped => serving.0.signal(Signal::TERM),
                Going::Frozen => {
                    serving.0.signal(Signal::STOP);
                    serving.0.wait_stopped();
                }
            }
            waiting.wait_ready(there);
            tell(&format!("{going:?}: the slave was ready after {} ms", begun.elapsed().as_millis()));
            assert!(waiting.epoch() > epoch, "the epoch did not grow from {epoch}");
            match going {
                Going::Frozen => {
                    serving.0.signal(Signal::CONT);
                    serving.0.wait_line(here, "role: stepped down");
                    serving.wait_slave(here);
                    assert!(!master.port().is_open(), "the old master still listens");
                }
                Going::Killed | Going::Stopped => {
                    if *going == Going::Stopped {
                        assert!(serving.wait_end().success(), "{}", serving.0.tail());
                        serving.assert_sound();
                    }
                    serving = master.start();
                    serving.wait_slave_of(0, slave.name());
                }
            }
            (master, slave) = (slave, master);
            (serving, waiting) = (waiting, serving);
        }
    }
    load.wait_progress(100);
    tell(&load.finish());
    waiting.stop();
    serving.stop();
    assert_drained(store, name);
}

/// What a store holds that nobody serves.
pub fn look(store: &str) -> Recovered {
    // Greater than any mastership in a test.
    let hold = Arc::new(FixedHold::new(Epoch(1_000_000)));
    let opened: Box<dyn Store> = match store.strip_prefix("sqlite:") {
        Some(path) => Box::new(
            Sqlite::open(Path::new(path), hold, sqlite::Options::default()).expect("the store opens"),
        ),
        #[cfg(feature = "mysql")]
        None if store.starts_with("mysql://") => {
            let database = kahawai_adapters::mysql::Database::parse(store).expect("is a URL");
            let mastership = Mastership::Asked(hold);
            let opened = kahawai_adapters::mysql::Mysql::open(&database, mastership, Duration::from_secs(5));
            Box::new(opened.expect("the store opens"))
        }
        None => {
            let database = Database::parse(store).expect("is a URL");
            let opened = Postgres::open(&database, Mastership::Asked(hold), Duration::from_secs(5));
            Box::new(opened.expect("the store opens"))
        }
    };
    let recovered = opened.recover_wait().expect("what it holds");
    opened.close();
    recovered
}

/// Makes sure that a store holds no message on this queue.
pub fn assert_drained(store: &str, queue: &str) {
    for found in &look(store).destinations {
        let name = found.destination.name.to_string();
        assert!(name != queue || found.messages == 0, "{} messages are left on {queue}", found.messages);
    }
}

/// A load on one broker while something happens to its database, again and again; nothing is lost, and the broker goes on.
pub fn while_serving(folder: &Path, store: &str, name: &str, times: u64, happens: impl Fn(u64, &Broker)) {
    let only = Instance::new("only", Path::new(store)).with(&LEASE);
    let serving = only.serve();
    let load = Load::start(folder, &failover(&[&only]), name, Kind::STRICT);
    let epoch = serving.epoch();
    for time in 0..times * scale() {
        load.wait_progress(100);
        happens(time, &serving);
    }
    load.wait_progress(100);
    tell(&load.finish());
    assert_eq!(serving.epoch(), epoch, "the broker lost its mastership, with nobody else there");
    serving.stop();
    assert_drained(store, name);
}
