//! Pairs of master and slave as members of a network: whoever bridges to one follows its master, and whichever of the two serves bridges on.
//!
//! The master is killed again and again while messages cross in both directions, and the killed one comes back as slave. Nothing is lost; what comes
//! twice was under way when a bridge was cut: while nothing is cut each message comes once and in order.

mod support;

use support::activemq::ActiveMq;
use support::broker::{Instance, failover};
use support::crossing_load::{CrossingLoad, Sent, UNDER_WAY, came_twice};
use support::pairs::{PACE, Pair, Place, Shared, one, pure, wait_bridge};
use support::{directory, java, tell};

/// How often masters are killed.
const CUTS: usize = 3;
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

/// A real ActiveMQ has a list of candidates for one bridge in this form.
fn a_real_activemq_follows(connector: impl Fn(&[Instance; 2]) -> String, shared: Shared) {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let place = Place::new(folder.path(), "pair", shared);
    let (url, connector) = (place.url(), connector(&place.members));
    let mut pair = Pair::start(place, String::new());
    let amq = ActiveMq::start(folder.path(), &["--bridge", &connector]);
    let mut crossing = CrossingLoad::start(folder.path(), &amq.uri(), &url, "followed", Sent::Heaps);
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
    let members = pure(folder.path(), "pair", "waitForSlave = true", "");
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
