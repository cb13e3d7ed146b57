//! The networks of the article, from its files as they are typed there: static and duplex, by multicast, and pairs of master and slave in a network.
//!
//! Nothing in a file is another: on hosts of the test's own their ports are free, each has a name, and what they call by a relative path lies in a folder.
//! What two brokers on one host cannot both have is said on the command line: `--bind` for the slave that has its master's file, `--store` for `/shared`.
//! Masters are killed while clients on `failover:` produce on one broker and consume on the other: nothing is lost, and what comes twice was under way at
//! a cut.

mod support;

use std::path::{Path, PathBuf};

use support::broker::Broker;
use support::command::kahawai;
use support::crossing::cross_all;
use support::crossing_load::{CrossingLoad, Sent, UNDER_WAY, came_twice};
use support::netns::{Hosts, inside, within};
use support::process::Process;
use support::{directory, java, tell};

/// Hosts on whose links everybody agrees; the whole test is on the first of them.
fn on_hosts(test: impl FnOnce(&Hosts, &Path)) {
    if java::is_skipped() {
        return;
    }
    let Some(hosts) = Hosts::new() else { return };
    hosts.wait_links();
    let folder = directory();
    within(hosts.name(0), || test(&hosts, folder.path()));
}

fn path_of(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(file)
}

/// A broker by a file of the article's, and whatever more its command line says.
struct Typed<'a> {
    hosts: &'a Hosts,
    host: usize,
    folder: &'a Path,
    file: &'a str,
    more: &'a [&'a str],
}

impl Typed<'_> {
    fn start(&self) -> Broker {
        let mut command = Broker::command();
        command.current_dir(self.folder).args(["serve", "--config"]).arg(path_of(self.file)).args(self.more);
        let mut command = self.hosts.named(self.host, self.folder, &command);
        let name = format!("{} {}", self.file, self.more.join(" "));
        within(self.hosts.name(self.host), || Broker(Process::start(&name, &mut command)))
    }

    fn serve(&self) -> Broker {
        let broker = self.start();
        broker.wait_ready(0);
        broker
    }
}

/// Waits until a bridge to this one stands, and gives the place after.
fn wait_bridge(broker: &Broker, from: usize, name: &str, at: &str) -> usize {
    let stands = format!("network connector NC: the bridge to {name} at tcp://{at} stands");
    broker.0.wait_since(from, &stands, |line| line.contains(&stands).then_some(())).1
}

/// Each kind of destination, either way, each message once and in order.
fn cross_both(hosts: &Hosts, one: &str, other: &str) {
    inside(hosts.name(0), || {
        cross_all(one, other, "out");
        cross_all(other, one, "back");
    });
}

fn kill(broker: &mut Broker) {
    broker.0.kill();
    broker.assert_sound();
}

/// A load in each direction between two brokers, or pairs, by the addresses that their clients know.
struct BothWays {
    there: CrossingLoad,
    back: CrossingLoad,
    kills: usize,
}

impl BothWays {
    fn start(folder: &Path, one: &[&str], other: &[&str]) -> Self {
        let [one, other] = [one, other].map(|of| {
            let uris: Vec<_> = of.iter().map(|at| format!("tcp://{at}")).collect();
            format!("failover:({})", uris.join(","))
        });
        let there = CrossingLoad::start(folder, &one, &other, "there", Sent::Heaps);
        let back = CrossingLoad::start(folder, &other, &one, "back", Sent::Ever);
        Self { there, back, kills: 0 }
    }

    /// Before a broker is killed: as much is on its way as there may be.
    fn wait_under_way(&mut self) {
        self.back.wait_come_from_now(50);
        self.there.wait_come_from_now(10);
        self.kills += 1;
    }

    fn finish(mut self, what: &str) {
        self.there.wait_come_from_now(500);
        self.back.wait_come_from_now(50);
        for (way, load) in [("there", self.there), ("back", self.back)] {
            let figures = load.finish();
            tell(&format!("{what}, {} kills, {way}: {figures}", self.kills));
            assert!(
                came_twice(&figures) <= self.kills * UNDER_WAY,
                "more came twice than was under way: {figures}"
            );
        }
    }
}

/// A warning is what a broker starts with all the same.
#[test]
fn the_articles_files_are_accepted_and_warned_of_are_open_doors_and_a_slave_without_an_arbiter() {
    const DOOR: &str = ": warning: tcp://0.0.0.0:61";
    const ALONE: &str = ": warning: masterConnectorURI tcp://localhost:61616 without an arbiter";
    for (file, warnings) in [
        ("shared", &[DOOR][..]),
        ("pure-master", &[]),
        ("pure", &[ALONE]),
        ("network", &[DOOR]),
        ("multicast", &[DOOR]),
        ("pairs", &[DOOR]),
        ("pairs-failover", &[DOOR]),
    ] {
        let path = path_of(&format!("article-{file}.xml"));
        let checked = kahawai(&["config", "check", path.to_str().expect("UTF-8")]);
        let said: Vec<_> = checked.out.lines().filter(|line| !line.contains(": harmless: ")).collect();
        let are_those = said.iter().zip(warnings).all(|(line, warning)| line.contains(warning));
        assert!(said.len() == warnings.len() && are_those, "{file}: {said:?}");
        assert_eq!(checked.code, Some(i32::from(!warnings.is_empty())), "{file}");
    }
}

#[test]
fn the_static_and_duplex_network_loses_nothing_whoever_is_killed() {
    on_hosts(|hosts, folder| {
        let shared = folder.join("shared").display().to_string();
        let more = ["--store", shared.as_str()];
        let first = Typed { hosts, host: 0, folder, file: "article-shared.xml", more: &more };
        let second = Typed { file: "article-network.xml", more: &[], ..first };
        let (one, other) = ("localhost:61616", "localhost:61617");
        let mut broker1 = first.serve();
        let mut broker2 = second.serve();
        let mut seen = wait_bridge(&broker2, 0, "broker1", one);
        assert!(folder.join("broker2/kahadb").is_dir(), "it is where the file says");
        cross_both(hosts, "127.0.0.1:61616", "127.0.0.1:61617");
        let mut load = BothWays::start(folder, &[one], &[other]);
        for turn in 0..3 {
            load.wait_under_way();
            if turn == 1 {
                kill(&mut broker2);
                broker2 = second.serve();
                seen = 0;
            } else {
                kill(&mut broker1);
                broker1 = first.serve();
            }
            seen = wait_bridge(&broker2, seen, "broker1", one);
        }
        load.finish("static and duplex");
        broker2.stop();
        broker1.stop();
    });
}

/// The network's file and another host's: they find each other, and the slave that takes over is found too.
#[test]
fn the_network_by_multicast_loses_nothing_and_finds_the_slave_that_takes_over() {
    on_hosts(|hosts, folder| {
        let first = Typed { hosts, host: 0, folder, file: "article-network.xml", more: &[] };
        let master = Typed { host: 1, file: "article-multicast.xml", ..first };
        let slave = Typed { more: &["--bind", "0.0.0.0:61618"], ..master };
        let mut broker2 = first.serve();
        let mut serving = (master.serve(), &master, "two:61616");
        let mut seen = wait_bridge(&broker2, 0, "broker3", serving.2);
        let mut waiting = (slave.start(), &slave, "two:61618");
        waiting.0.wait_slave_of(0, "broker3");
        wait_bridge(&serving.0, 0, "broker2", "one:61617");
        let there = Hosts::address(1, 0);
        let [third, fourth] = ["61616", "61618"].map(|port| format!("{there}:{port}"));
        cross_both(hosts, "127.0.0.1:61617", &third);
        let mut load = BothWays::start(folder, &["localhost:61617"], &[&third, &fourth]);
        for turn in 0..3 {
            load.wait_under_way();
            if turn == 1 {
                let from = serving.0.0.here();
                kill(&mut broker2);
                broker2 = first.serve();
                seen = wait_bridge(&broker2, 0, "broker3", serving.2);
                wait_bridge(&serving.0, from, "broker2", "one:61617");
                continue;
            }
            kill(&mut serving.0);
            std::mem::swap(&mut serving, &mut waiting);
            serving.0.wait_ready(0);
            seen = wait_bridge(&broker2, seen, "broker3", serving.2);
            wait_bridge(&serving.0, 0, "broker2", "one:61617");
            waiting.0 = waiting.1.start();
            waiting.0.wait_slave_of(0, "broker3");
        }
        load.finish("by multicast");
        waiting.0.stop();
        serving.0.stop();
        broker2.stop();
    });
}

/// A pair with nothing shared, by the two files of the article's, and a pair on one directory, by a file for both, which has a bridge to the first.
fn pairs_in_a_network(file: &str) {
    on_hosts(|hosts, folder| {
        let pure = ["article-pure-master.xml", "article-pure.xml"].map(|file| Typed {
            hosts,
            host: 0,
            folder,
            file,
            more: &[],
        });
        let shared =
            [&[][..], &["--bind", "0.0.0.0:61619"]].map(|more| Typed { hosts, host: 0, folder, file, more });
        let at = ["localhost:61616", "localhost:61617"];
        let names = ["master", "slave"];
        let in_sync = |slave: &Broker| {
            slave.0.wait_since(0, "in sync with", |line| line.contains("in sync with").then_some(()));
        };

        let (mut master, mut slave) = ((pure[0].serve(), 0), (pure[1].start(), 1));
        in_sync(&slave.0);
        let (mut serving, mut waiting) = ((shared[0].serve(), 0), (shared[1].start(), 1));
        waiting.0.wait_slave_of(0, "broker4");
        let mut seen = wait_bridge(&serving.0, 0, "master", at[0]);
        cross_both(hosts, "127.0.0.1:61618", "127.0.0.1:61616");
        let mut load = BothWays::start(folder, &["localhost:61618", "localhost:61619"], &at);
        for turn in 0..4 {
            load.wait_under_way();
            if turn % 2 == 0 {
                kill(&mut master.0);
                std::mem::swap(&mut master, &mut slave);
                master.0.wait_ready(0);
                seen = wait_bridge(&serving.0, seen, names[master.1], at[master.1]);
                slave.0 = pure[slave.1].start();
                in_sync(&slave.0);
            } else {
                kill(&mut serving.0);
                std::mem::swap(&mut serving, &mut waiting);
                serving.0.wait_ready(0);
                seen = wait_bridge(&serving.0, 0, names[master.1], at[master.1]);
                waiting.0 = shared[waiting.1].start();
                waiting.0.wait_slave_of(0, "broker4");
            }
        }
        load.finish(file);
        for broker in [waiting.0, serving.0, slave.0, master.0] {
            broker.stop();
        }
    });
}

#[test]
fn pairs_in_a_network_lose_nothing_whichever_master_is_killed() {
    pairs_in_a_network("article-pairs.xml");
}

#[test]
fn pairs_in_a_network_by_lists_of_candidates_lose_nothing() {
    pairs_in_a_network("article-pairs-failover.xml");
}
