//! Master and slave without a shared store, by the article's two files: clients on `failover:` lose nothing, whoever of the two is killed, and the one
//! that went comes back by itself, with everything.
//!
//! Ten kills here; `KAHAWAI_TEST_SCALE=10 cargo test --release --test pair kills` makes a hundred of them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::broker::{Broker, Instance, failover};
use support::load::{Kind, Load};
use support::{directory, java, scale, store, tell};

/// A pair: the first's file says nothing of the second.
struct Pair {
    folder: PathBuf,
    one: Instance,
    two: Instance,
}

const NAMES: [&str; 2] = ["master", "slave"];

impl Pair {
    /// By ActiveMQ's XML, each on a journal of its own. `one` and `two` are attributes for each `<broker>`.
    fn in_journals(folder: &Path, one: &str, two: &str) -> Self {
        let file = |name: &str, attributes: &str| {
            let text = format!(
                "<beans xmlns=\"http://www.springframework.org/schema/beans\">\n\
                 <broker xmlns=\"http://activemq.apache.org/schema/core\" {attributes}>\n\
                 <persistenceAdapter><kahaDB directory=\"{}\" journalMaxFileLength=\"256kb\"/></persistenceAdapter>\n\
                 <transportConnectors><transportConnector uri=\"tcp://127.0.0.1:0\"/></transportConnectors>\n\
                 </broker></beans>",
                folder.join(name).join("kahadb").display()
            );
            Self::write(folder, &format!("{name}.xml"), &text)
        };
        let one = Instance::configured(NAMES[0], &file(NAMES[0], one));
        let master = format!(
            "masterConnectorURI=\"{}\" shutdownOnMasterFailure=\"false\" {two}",
            one.uri().replace("127.0.0.1", "0.0.0.0")
        );
        let two = Instance::configured(NAMES[1], &file(NAMES[1], &master));
        Self { folder: folder.to_owned(), one, two }
    }

    /// By TOML, each in the store at this address.
    fn in_stores(folder: &Path, address: impl Fn(&str) -> String) -> Self {
        let file = |name: &str, more: &str| {
            let text = format!("{more}\n[store]\naddress = \"{}\"", address(name));
            Self::write(folder, &format!("{name}.toml"), &text)
        };
        let one = Instance::configured(NAMES[0], &file(NAMES[0], ""));
        let master = format!("masterConnectorURI = \"{}\"", one.uri());
        let two = Instance::configured(NAMES[1], &file(NAMES[1], &master));
        Self { folder: folder.to_owned(), one, two }
    }

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn journal(&self, name: &str) -> PathBuf {
        self.folder.join(name).join("kahadb")
    }
}

/// Waits until a slave says that it would take over; gives the place after.
fn wait_in_sync(slave: &Broker, from: usize) -> usize {
    slave.0.wait_since(from, "in sync with", |line| line.contains("in sync with").then_some(())).1
}

/// Kills master and slave by turns under load, waiting for 'in sync' before each.
fn kills(pair: &Pair, name: &str, kind: Kind, kills: u32) {
    if java::is_skipped() {
        return;
    }
    let [mut serving, mut following] = [pair.one.serve(), pair.two.start()];
    let mut members = [&pair.one, &pair.two];
    let mut place = wait_in_sync(&following, 0);
    let load = Load::start(&pair.folder, &failover(&[&pair.one, &pair.two]), name, kind);
    let mut pauses = Vec::new();
    for kill in 0..kills * scale() as u32 {
        load.wait_progress(100);
        assert!(!members[1].port().is_open(), "the slave's port is open");
        if kill % 3 == 2 {
            following.0.kill();
            following.assert_sound();
            following = members[1].start();
        } else {
            serving.0.kill();
            let since = Instant::now();
            serving.assert_sound();
            following.wait_ready(place);
            pauses.push(since.elapsed());
            members.reverse();
            serving = std::mem::replace(&mut following, members[1].start());
        }
        place = wait_in_sync(&following, 0);
    }
    load.wait_progress(100);
    tell(&load.finish());
    pauses.sort();
    let middle = pauses.get(pauses.len() / 2).copied().unwrap_or_default();
    tell(&format!(
        "{name}: the slave served {} ms after the kill, {} ms at most",
        middle.as_millis(),
        pauses.last().copied().unwrap_or_default().as_millis()
    ));
    // Stopped at one moment, with nothing under way: then both hold the same.
    for broker in [&serving, &following] {
        broker.0.signal(Signal::STOP);
        broker.0.wait_stopped();
    }
    for broker in [&mut serving, &mut following] {
        broker.0.kill();
        broker.assert_sound();
    }
}

/// `kahawai store diff`: its exit code, and what it says.
fn diff(pair: &Pair) -> (Option<i32>, String) {
    let [one, two] = NAMES.map(|name| pair.journal(name));
    let output = Broker::command().args(["store", "diff"]).args([one, two]).output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `kahawai cluster`, of both members.
fn cluster(pair: &Pair, what: &str) -> serde_json::Value {
    let urls = format!("{},{}", pair.one.uri(), pair.two.uri());
    let output =
        Broker::command().args(["cluster", what, "--url", &urls, "--json"]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn kills_of_either_side_lose_nothing_and_the_pair_heals_by_itself() {
    let folder = directory();
    let pair = Pair::in_journals(folder.path(), "", "");
    kills(&pair, "kills", Kind { producers: 3, consumers: 3, ..Kind::STRICT }, 10);
    if !java::is_skipped() {
        let (code, said) = diff(&pair);
        assert_eq!(code, Some(0), "{said}");
        for name in NAMES {
            store::assert_drained(&pair.journal(name), "kills");
        }
    }
}

#[test]
fn a_pair_in_two_sqlite_files_survives_kills_too() {
    let folder = directory();
    let file = |name: &str| format!("sqlite:{}", folder.path().join(format!("{name}.db")).display());
    kills(&Pair::in_stores(folder.path(), file), "sqlite", Kind::STRICT, 4);
}

#[test]
#[cfg(feature = "postgres")]
fn a_pair_in_two_postgresql_databases_survives_kills_too() {
    use support::postgres::{Server, is_skipped};
    if is_skipped() {
        return;
    }
    let folder = directory();
    let tables = |name: &str| Server::shared().url_of(&format!("{name}_"));
    kills(&Pair::in_stores(folder.path(), tables), "postgresql", Kind::STRICT, 4);
}

/// As the article's pair is deployed.
#[test]
#[cfg(feature = "mysql")]
fn a_pair_in_two_mysql_databases_survives_kills_too() {
    use support::mariadb::{Server, is_skipped};
    if is_skipped() {
        return;
    }
    let folder = directory();
    let tables = |name: &str| Server::shared().url_of(&format!("{name}_"));
    kills(&Pair::in_stores(folder.path(), tables), "mysql", Kind::STRICT, 4);
}

/// A master that is stopped for longer than its lease finds that it is none, and comes back as slave.
#[test]
fn a_paused_master_answers_nobody_when_it_wakes_and_becomes_slave() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let pair = Pair::in_journals(folder.path(), "", "");
    let [serving, following] = [pair.one.serve(), pair.two.start()];
    let place = wait_in_sync(&following, 0);
    let load = Load::start(folder.path(), &failover(&[&pair.one, &pair.two]), "paused", Kind::STRICT);
    load.wait_progress(100);
    serving.0.signal(Signal::STOP);
    following.wait_ready(place);
    load.wait_progress(100);
    let woken = serving.0.here();
    serving.0.signal(Signal::CONT);
    wait_in_sync(&serving, woken);
    load.wait_progress(100);
    tell(&load.finish());
    serving.stop();
    following.stop();
}

#[test]
fn waiting_for_a_slave_keeps_clients_out_until_it_is_in_sync() {
    let folder = directory();
    let pair = Pair::in_journals(folder.path(), "waitForSlave=\"true\"", "");
    let serving = pair.one.serve();
    let mut send = Broker::command();
    send.args(["send", "queue://Q", "early", "--url", &pair.one.uri()]);
    let refused = send.output().expect("it runs");
    assert!(!refused.status.success(), "a client was let in before the slave was there");
    let following = pair.two.start();
    wait_in_sync(&following, 0);
    let until = Instant::now() + Duration::from_secs(30);
    while !send.output().expect("it runs").status.success() {
        assert!(Instant::now() < until, "no client is let in though the slave is in sync");
    }
    following.stop();
    serving.stop();
}

#[test]
fn a_master_or_a_slave_ends_where_its_file_says_so_when_the_other_is_gone() {
    let folder = directory();
    let pair = Pair::in_journals(folder.path(), "shutdownOnSlaveFailure=\"true\"", "");
    let [mut serving, mut following] = [pair.one.serve(), pair.two.start()];
    wait_in_sync(&following, 0);
    following.0.kill();
    assert!(serving.wait_end().success());
    serving.0.wait_line(0, "stopping: the slave is gone");

    let folder = directory();
    let pair = Pair::in_journals(folder.path(), "", "");
    let file = folder.path().join("slave.xml");
    let text = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, text.replace("Failure=\"false\"", "Failure=\"true\"")).expect("written");
    let [mut serving, mut following] = [pair.one.serve(), pair.two.start()];
    wait_in_sync(&following, 0);
    serving.0.kill();
    assert!(following.wait_end().success());
    following.0.wait_line(0, "stopping: the master is gone");
}

/// Clients on `failover:` go over to the slave, and back again: nothing is lost, nothing twice, and no client hears an error.
#[test]
fn a_planned_switch_loses_nothing_and_both_stores_are_equal_behind_it() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let pair = Pair::in_journals(folder.path(), "", "");
    let [serving, following] = [pair.one.serve(), pair.two.start()];
    wait_in_sync(&following, 0);
    let load = Load::start(folder.path(), &failover(&[&pair.one, &pair.two]), "switched", Kind::STRICT);
    let (mut master, mut slave) = (serving, following);
    for turn in 0..4 {
        load.wait_progress(100);
        let status = cluster(&pair, "status");
        assert_eq!(status["broker"], NAMES[turn % 2], "{status}");
        assert_eq!(status["slave_s_state"], "in sync", "{status}");
        let place = master.0.here();
        let status = cluster(&pair, "switch");
        assert_eq!(status["broker"], NAMES[1 - turn % 2], "{status}");
        wait_in_sync(&master, place);
        std::mem::swap(&mut master, &mut slave);
    }
    load.wait_progress(100);
    tell(&load.finish());
    for broker in [&master, &slave] {
        broker.0.signal(Signal::STOP);
        broker.0.wait_stopped();
    }
    for broker in [&mut master, &mut slave] {
        broker.0.kill();
        broker.assert_sound();
    }
    assert_eq!(diff(&pair), (Some(0), "equal: 0 messages, each in its place\n".to_owned()));
    // One that serves alone, since the other is nowhere to be found, holds more then.
    let mut alone = pair.one.start_with(&[("KAHAWAI_WAIT_FOR_OTHER", "0")]);
    alone.wait_ready(0);
    let mut send = Broker::command();
    let sent =
        send.args(["send", "queue://switched", "more", "--url", &pair.one.uri()]).output().expect("it runs");
    assert!(sent.status.success());
    alone.0.kill();
    let (code, said) = diff(&pair);
    assert!(code == Some(1) && said.contains("is not in ") && said.contains("the last batch: "), "{said}");
}
