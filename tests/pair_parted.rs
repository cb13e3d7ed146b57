//! A pair whose hosts are parted, in network namespaces, with an arbiter that both reach: whatever is cut, at most one of them answers, the Java clients
//! lose nothing, and the pair heals by itself.

mod support;

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use support::broker::Broker;
use support::load::{Kind, Load};
use support::netns::{Hosts, within};
use support::process::{Process, until};
use support::{directory, java, tell};

/// Where the brokers are, and where the clients.
const BROKERS: [usize; 2] = [0, 1];
const CLIENTS: usize = 2;

fn start(hosts: &Hosts, folder: &Path, host: usize, arbiter: &str) -> Broker {
    let name = ["a", "b"][host];
    let other = Hosts::address(BROKERS[1 - host], host);
    let master =
        if host == 1 { format!("masterConnectorURI = \"tcp://{other}:61616\"\n") } else { String::new() };
    let connectors =
        [BROKERS[1 - host], CLIENTS].map(|from| format!("\"tcp://{}:61616\"", Hosts::address(host, from)));
    let text = format!(
        "brokerName = \"{name}\"\n{master}arbiter = \"{arbiter}\"\ntransportConnectors = [{}]\n[store]\naddress = \"{}\"\n",
        connectors.join(", "),
        folder.join(name).display()
    );
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, text).expect("written");
    let mut command = Broker::command();
    command.args(["serve", "--config"]).arg(&file);
    within(hosts.name(host), || Broker(Process::start(name, &mut command)))
}

/// Java clients that follow the master.
fn clients(hosts: &Hosts, folder: &Path) -> Load {
    let watch = "wireFormat.maxInactivityDuration=2000&wireFormat.maxInactivityDurationInitalDelay=1000";
    let uris = BROKERS.map(|host| format!("tcp://{}:61616?{watch}", Hosts::address(host, CLIENTS)));
    let pace = "initialReconnectDelay=50&maxReconnectDelay=100&useExponentialBackOff=false&randomize=false";
    let url = format!("failover:({})?{pace}", uris.join(","));
    within(hosts.name(CLIENTS), || Load::start(folder, &url, "parted", Kind::STRICT))
}

fn in_sync_since(brokers: &[Broker; 2], places: [usize; 2]) -> bool {
    brokers
        .iter()
        .zip(places)
        .any(|(broker, from)| broker.0.said_since(from).iter().any(|line| line.contains("in sync with")))
}

#[test]
fn whatever_is_cut_one_answers_nothing_is_lost_and_the_pair_heals() {
    if java::is_skipped() {
        return;
    }
    let Some(hosts) = Hosts::new() else { return };
    let folder = directory();
    let arbiter = folder.path().join("arbiter");
    fs::create_dir(&arbiter).expect("a directory");
    let brokers = BROKERS.map(|host| start(&hosts, folder.path(), host, &arbiter.display().to_string()));
    until("in sync", || in_sync_since(&brokers, [0, 0]));
    let load = clients(&hosts, folder.path());
    let ways: [(&str, &[(usize, usize)]); 3] =
        [("both ways", &[(0, 1), (1, 0)]), ("from a to b", &[(0, 1)]), ("from b to a", &[(1, 0)])];
    for (name, cuts) in ways {
        load.wait_progress(100);
        cuts.iter().for_each(|(from, to)| hosts.cut(*from, *to));
        // Whoever it is goes on.
        load.wait_progress(200);
        let places = [brokers[0].0.here(), brokers[1].0.here()];
        cuts.iter().for_each(|(from, to)| hosts.heal(*from, *to));
        until("in sync again", || in_sync_since(&brokers, places));
        load.wait_progress(100);
        let b_is_slave = brokers[1].0.said_since(places[1]).iter().any(|line| line.contains("in sync with"));
        tell(&format!("cut {name}: {} is the slave then", if b_is_slave { "b" } else { "a" }));
    }
    // Parted, and nobody to ask: nobody is answered until there is.
    let gone = folder.path().join("arbiter gone");
    fs::rename(folder.path().join("arbiter"), &gone).expect("it is moved away");
    let places = [brokers[0].0.here(), brokers[1].0.here()];
    hosts.cut(0, 1);
    hosts.cut(1, 0);
    let says = |text: &str| {
        brokers
            .iter()
            .zip(places)
            .any(|(broker, from)| broker.0.said_since(from).iter().any(|line| line.contains(text)))
    };
    until("the master waits", || says("nobody is answered until it does"));
    until("the slave waits", || says("nobody can take over until the arbiter answers"));
    fs::rename(&gone, folder.path().join("arbiter")).expect("it is back");
    load.wait_progress(200);
    let places = [brokers[0].0.here(), brokers[1].0.here()];
    hosts.heal(0, 1);
    hosts.heal(1, 0);
    until("in sync again", || in_sync_since(&brokers, places));
    tell(&within(hosts.name(CLIENTS), || load.finish()));
    // Both have said loudly that the arbiter was away.
    for mut broker in brokers {
        broker.0.signal(Signal::TERM);
        assert!(broker.wait_end().success());
    }
}

/// The witness is where the clients are: whoever is parted from both is alone.
#[test]
fn a_witness_on_a_third_host_lets_the_slave_take_over_from_a_master_that_is_parted_from_both() {
    if java::is_skipped() {
        return;
    }
    let Some(hosts) = Hosts::new() else { return };
    let folder = directory();
    let records = folder.path().join("witness");
    let witness = || {
        let mut command = Broker::command();
        command.args(["witness", "--bind", "0.0.0.0:61690", "--directory"]).arg(&records);
        let witness = within(hosts.name(CLIENTS), || Process::start("witness", &mut command));
        witness.wait_line(0, "ready");
        witness
    };
    let mut third = witness();
    // Each sees it at an address of its own.
    let brokers = BROKERS.map(|host| {
        let arbiter = format!("tcp://{}:61690/orders", Hosts::address(CLIENTS, host));
        start(&hosts, folder.path(), host, &arbiter)
    });
    until("in sync", || in_sync_since(&brokers, [0, 0]));
    let load = clients(&hosts, folder.path());
    load.wait_progress(100);

    let ways = [(0, 1), (1, 0), (0, CLIENTS), (CLIENTS, 0)];
    let places = [brokers[0].0.here(), brokers[1].0.here()];
    ways.iter().for_each(|(from, to)| hosts.cut(*from, *to));
    brokers[0].0.wait_since(places[0], "it answers nobody", |line| {
        line.contains("nobody is answered until it does").then_some(())
    });
    brokers[1].wait_ready(places[1]);
    load.wait_progress(200);
    let places = [brokers[0].0.here(), brokers[1].0.here()];
    ways.iter().for_each(|(from, to)| hosts.heal(*from, *to));
    brokers[0]
        .0
        .wait_since(places[0], "in sync as slave", |line| line.contains("in sync with").then_some(()));
    load.wait_progress(100);

    // The witness goes while both are up: they go on.
    third.kill();
    load.wait_progress(200);
    // Then they are parted too: nobody answers, whichever of them it is that is asked.
    let places = [brokers[0].0.here(), brokers[1].0.here()];
    hosts.cut(0, 1);
    hosts.cut(1, 0);
    brokers[1].0.wait_since(places[1], "it answers nobody", |line| {
        line.contains("nobody is answered until it does").then_some(())
    });
    brokers[0].0.wait_since(places[0], "it does not take over", |line| {
        line.contains("nobody can take over until the arbiter answers").then_some(())
    });
    let third = witness();
    load.wait_progress(200);
    let places = [brokers[0].0.here(), brokers[1].0.here()];
    hosts.heal(0, 1);
    hosts.heal(1, 0);
    until("in sync again", || in_sync_since(&brokers, places));
    tell(&within(hosts.name(CLIENTS), || load.finish()));
    drop(third);
    for mut broker in brokers {
        broker.0.signal(Signal::TERM);
        assert!(broker.wait_end().success());
    }
}
