//! Pairs of master and slave as members of a network: whoever bridges to one follows its master, and whichever of the two serves bridges on.
//!
//! The master is killed again and again while messages cross in both directions, and the killed one comes back as slave. Nothing is lost; what comes
//! twice was under way when a bridge was cut: while nothing is cut each message comes once and in order.

mod support;

use std::fs;
use std::path::Path;

use support::broker::{Broker, Instance, failover};
use support::crossing_load::{CrossingLoad, Sent, came_twice};
use support::process::Process;
use support::{directory, java, tell};

/// How often masters are killed.
const CUTS: usize = 3;
/// Of so many messages at most nobody knows at a cut whether they have crossed: a bridge's prefetch, and one that a consumer has not acknowledged.
const UNDER_WAY: usize = 1001;
/// Behind a list of brokers: a bridge that loses no time.
const PACE: &str = "initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100";

fn one(there: &Instance) -> String {
    format!("static:({})?{PACE}", there.uri())
}

/// What two brokers have in common.
#[derive(Clone, Copy)]
enum Shared {
    Directory,
    Database,
    Nothing,
}

/// Where a pair is, and what each of it has.
struct Place {
    shared: Shared,
    members: [Instance; 2],
}

impl Place {
    fn new(folder: &Path, name: &str, shared: Shared) -> Self {
        let names = [format!("{name}-1"), format!("{name}-2")];
        let store = match shared {
            Shared::Directory => folder.join(name).display().to_string(),
            Shared::Database => format!("sqlite:{}", folder.join(format!("{name}.db")).display()),
            Shared::Nothing => return Self { shared, members: pure(folder, &names, "") },
        };
        Self { shared, members: names.map(|name| Instance::new(&name, Path::new(&store))) }
    }

    /// A bridge to whichever of them serves.
    fn connector(&self) -> String {
        let [one, two] = &self.members;
        format!("masterslave:({},{})?{PACE}", one.uri(), two.uri())
    }

    /// For clients.
    fn url(&self) -> String {
        failover(&[&self.members[0], &self.members[1]])
    }
}

/// Master and slave with nothing shared. `more` is said to both.
fn pure(folder: &Path, names: &[String; 2], more: &str) -> [Instance; 2] {
    let configured = |name: &str, more: &str| {
        let store = folder.join(name);
        let file = folder.join(format!("{name}.toml"));
        let text = format!("{more}\n[store]\naddress = \"{}\"\n", store.display());
        fs::write(&file, text).expect("written");
        Instance::configured(name, &file)
    };
    let master = configured(&names[0], more);
    let of = format!("{more}\nmasterConnectorURI = \"{}\"", master.uri());
    let slave = configured(&names[1], &of);
    [master, slave]
}

/// A pair that runs, each with the same network connector.
struct Pair {
    place: Place,
    connector: String,
    /// Which of them serves.
    master: usize,
    brokers: [Broker; 2],
    /// Where the slave began to follow.
    followed: usize,
}

impl Pair {
    fn start(place: Place, connector: String) -> Self {
        let start = |member: &Instance| member.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &connector)]);
        let master = start(&place.members[0]);
        master.wait_ready(0);
        let slave = start(&place.members[1]);
        let mut pair = Self { connector, master: 0, brokers: [master, slave], followed: 0, place };
        pair.wait_followed();
        pair
    }

    fn wait_followed(&mut self) {
        let slave = &self.brokers[1 - self.master];
        self.followed = match self.place.shared {
            Shared::Nothing => {
                slave.0.wait_since(0, "in sync with", |line| line.contains("in sync with").then_some(())).1
            }
            _ => {
                slave.wait_slave_of(0, self.place.members[self.master].name());
                slave.0.here()
            }
        };
    }

    /// Kills the master; the slave serves when this returns, and the killed one is its slave.
    fn kill_master(&mut self) {
        let killed = self.master;
        self.brokers[killed].0.kill();
        self.brokers[killed].assert_sound();
        self.master = 1 - killed;
        self.brokers[self.master].wait_ready(self.followed);
        self.brokers[killed] =
            self.place.members[killed].start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &self.connector)]);
        self.wait_followed();
    }

    /// Waits until the master bridges to this one.
    fn wait_bridge(&self, there: &Instance) {
        wait_bridge(&self.brokers[self.master], 0, there);
    }

    fn serving(&self) -> &Instance {
        &self.place.members[self.master]
    }

    fn stop(self) {
        let [one, two] = self.brokers;
        let (master, slave) = if self.master == 0 { (one, two) } else { (two, one) };
        slave.stop();
        master.stop();
    }
}

/// Waits until a bridge stands to this one, and gives the place after.
fn wait_bridge(broker: &Broker, from: usize, there: &Instance) -> usize {
    let stands = format!(" at {} stands", there.uri());
    broker.0.wait_since(from, &stands, |line| line.contains(&stands).then_some(())).1
}

fn judge(what: &str, cuts: usize, crossing: CrossingLoad) {
    let figures = crossing.finish();
    tell(&format!("{what}, {cuts} kills: {figures}"));
    assert!(came_twice(&figures) <= cuts * UNDER_WAY, "more came twice than was under way: {figures}");
}

/// A broker and a pair have a bridge to each other, and the pair's masters are killed.
fn a_pair_is_followed(shared: Shared) {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let hub = Instance::new("hub", &folder.path().join("hub"));
    let place = Place::new(folder.path(), "pair", shared);
    let url = place.url();
    let middle = hub.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &place.connector())]);
    middle.wait_ready(0);
    // Of a round in vain each reason is told.
    let [first, second] = [place.members[0].uri(), place.members[1].uri()];
    middle.0.wait_since(0, "there is no bridge", |line| {
        let told =
            format!("there is no bridge to failover:({first},{second}): {first}: it cannot be reached");
        (line.contains(&told) && line.contains(&format!("; {second}: it cannot be reached"))).then_some(())
    });
    let mut pair = Pair::start(place, one(&hub));
    let mut seen = wait_bridge(&middle, 0, pair.serving());
    pair.wait_bridge(&hub);
    let at_hub = failover(&[&hub]);
    let mut to = CrossingLoad::start(folder.path(), &at_hub, &url, "to", Sent::Heaps);
    let mut from = CrossingLoad::start(folder.path(), &url, &at_hub, "from", Sent::Ever);
    for _ in 0..CUTS {
        from.wait_come_from_now(200);
        to.wait_come_from_now(10);
        pair.kill_master();
        seen = wait_bridge(&middle, seen, pair.serving());
        pair.wait_bridge(&hub);
    }
    to.wait_come_from_now(1000);
    from.wait_come_from_now(200);
    judge("to the pair", CUTS, to);
    judge("from the pair", CUTS, from);
    for (from, to, queue) in [(&at_hub, &url, "whole-to"), (&url, &at_hub, "whole-from")] {
        CrossingLoad::start(folder.path(), from, to, queue, Sent::Each { producers: 1, messages: 1000 })
            .finish_whole();
    }
    pair.stop();
    middle.stop();
}

#[test]
fn a_pair_with_one_directory_is_followed() {
    a_pair_is_followed(Shared::Directory);
}

#[test]
fn a_pair_with_one_database_is_followed() {
    a_pair_is_followed(Shared::Database);
}

#[test]
fn a_pair_with_nothing_shared_is_followed() {
    a_pair_is_followed(Shared::Nothing);
}

#[test]
fn two_pairs_follow_each_other() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let left = Place::new(folder.path(), "left", Shared::Directory);
    let right = Place::new(folder.path(), "right", Shared::Nothing);
    let (left_url, right_url) = (left.url(), right.url());
    let (to_left, to_right) = (left.connector(), right.connector());
    let mut left = Pair::start(left, to_right);
    let mut right = Pair::start(right, to_left);
    let stand = |left: &Pair, right: &Pair| {
        left.wait_bridge(right.serving());
        right.wait_bridge(left.serving());
    };
    stand(&left, &right);
    let mut there = CrossingLoad::start(folder.path(), &left_url, &right_url, "there", Sent::Heaps);
    let mut back = CrossingLoad::start(folder.path(), &right_url, &left_url, "back", Sent::Ever);
    for cut in 0..4 {
        back.wait_come_from_now(200);
        there.wait_come_from_now(10);
        match cut % 2 {
            0 => left.kill_master(),
            _ => right.kill_master(),
        }
        stand(&left, &right);
    }
    there.wait_come_from_now(1000);
    back.wait_come_from_now(200);
    judge("from the left pair to the right", 4, there);
    judge("from the right pair to the left", 4, back);
    left.stop();
    right.stop();
}

/// A real ActiveMQ that bridges, and where its clients connect.
fn activemq(directory: &Path, bridge: &str) -> (Process, String) {
    let directory = directory.to_str().expect("UTF-8");
    let process =
        java::start("RunActiveMQ", &["--name", "amq", "--directory", directory, "--bridge", bridge]);
    let (uri, _) = process.wait_since(0, "LISTENING", |line| {
        line.strip_prefix("LISTENING ")?.split_whitespace().next().map(str::to_owned)
    });
    (process, uri)
}

/// A real ActiveMQ has a list of candidates for one bridge in this form.
fn a_real_activemq_follows(connector: impl Fn(&[Instance; 2]) -> String, shared: Shared) {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let place = Place::new(folder.path(), "pair", shared);
    let (url, connector) = (place.url(), connector(&place.members));
    let mut pair = Pair::start(place, String::new());
    let (_amq, amq) = activemq(&folder.path().join("amq"), &connector);
    let mut crossing = CrossingLoad::start(folder.path(), &amq, &url, "followed", Sent::Heaps);
    for _ in 0..CUTS {
        crossing.wait_come_from_now(10);
        pair.kill_master();
    }
    crossing.wait_come_from_now(1000);
    judge(&connector, CUTS, crossing);
    pair.stop();
}

#[test]
fn a_real_activemq_with_failover_in_static_follows_a_pair() {
    let connector = |members: &[Instance; 2]| {
        let [one, two] = [members[0].uri(), members[1].uri()];
        format!("static:(failover:({one},{two})?randomize=false&maxReconnectAttempts=0)?{PACE}")
    };
    a_real_activemq_follows(connector, Shared::Nothing);
}

#[test]
fn a_real_activemq_with_masterslave_follows_a_pair() {
    let connector =
        |members: &[Instance; 2]| format!("masterslave:({},{})?{PACE}", members[0].uri(), members[1].uri());
    a_real_activemq_follows(connector, Shared::Directory);
}

/// A master that waits for its slave is nobody's other end before, and bridges to nobody.
#[test]
fn a_master_that_waits_for_its_slave_is_bridged_to_once_it_serves() {
    let folder = directory();
    let hub = Instance::new("hub", &folder.path().join("hub"));
    let names = ["pair-1", "pair-2"].map(str::to_owned);
    let members = pure(folder.path(), &names, "waitForSlave = true");
    let place = Place { shared: Shared::Nothing, members };
    let middle = hub.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &place.connector())]);
    middle.wait_ready(0);
    let connector = one(&hub);
    let bridging = [("KAHAWAI_NETWORK_CONNECTORS", connector.as_str())];
    let master = place.members[0].start_with(&bridging);
    // Clients are kept out, and so is a bridge, from either side.
    for broker in [&middle, &master] {
        broker.0.wait_since(0, "that it waits for its slave", |line| {
            (line.contains("there is no bridge to ") && line.contains("waitForSlave")).then_some(())
        });
        assert!(!broker.0.said_since(0).iter().any(|line| line.contains(" stands")), "{}", broker.0.tail());
    }
    let slave = place.members[1].start_with(&bridging);
    wait_bridge(&middle, 0, &place.members[0]);
    wait_bridge(&master, 0, &hub);
    slave.stop();
    master.stop();
    middle.stop();
}
