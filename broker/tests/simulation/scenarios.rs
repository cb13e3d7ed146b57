//! What networks of ActiveMQ brokers are known to fail at, one by one, and what Kahawai does.

use std::sync::Arc;
use std::time::Duration;

use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::address::Address;
use kahawai_simulation::Partition;

use super::book::{Fate, Place, Sent};
use super::bug::Bug;
use super::client::{Client, Person, Role};
use super::judge;
use super::network::{Network, connector, name};
use super::play::Play;
use super::process::{INACTIVITY, Process};

const QUEUE: Place = Place::Queue(0);
const TOPIC: Place = Place::Topic(0);
/// Any seed will do; several show that.
const SEEDS: u64 = 8;

/// Two brokers with a bridge each way.
fn two(change: impl Fn(&mut NetworkConnector)) -> Network {
    let mut network = Network::new(2);
    for (from, to) in [(0, 1), (1, 0)] {
        let mut made = connector(format!("n{from}"));
        change(&mut made);
        network.bridge(from, to, made);
    }
    network
}

fn begin(seed: u64, bug: Bug, network: Network) -> Play {
    let mut play = Play::new(seed, bug, true, |_| network);
    play.start();
    play
}

fn start(play: &mut Play, person: &Arc<Person>) {
    play.world.start(&person.name);
}

/// Sends for so long to one place of a broker.
fn send(play: &mut Play, broker: usize, place: Place, time: Duration) {
    let pause = Duration::from_millis(10);
    let is_on = Arc::clone(&play.is_on);
    let person = play.add(broker, Role::Producer { places: vec![place], fleeting: false, pause, is_on });
    start(play, &person);
    play.world.run_for(Duration::from_millis(100));
    play.send_for(time);
}

/// How many messages that were answered nobody has acknowledged.
fn open(play: &Play) -> usize {
    let is_open = |sent: &&Sent| sent.fate == Fate::Taken && sent.acknowledged.is_empty();
    play.book.page().sent.values().filter(is_open).count()
}

/// How many deliveries there were beyond one for each message.
fn twice(play: &Play) -> usize {
    play.book.page().sent.values().map(|sent| sent.got.len().saturating_sub(1)).sum()
}

fn well(mut play: Play) {
    judge::bridges(&mut play);
    judge::nothing_is_lost(&mut play);
    let played = play.played();
    assert!(played.wrong.is_empty(), "{}\n{}", played.lines.join("\n"), played.wrong.join("\n"));
}

#[test]
fn messages_are_stuck_where_demand_was_and_are_served_when_it_is_there_again() {
    for seed in 0..SEEDS {
        let mut play = begin(seed, Bug::None, two(|_| {}));
        let is_slow =
            Role::Consumer { place: QUEUE, durable: false, prefetch: 1, pause: Duration::from_secs(5) };
        let there = play.add(1, is_slow);
        start(&mut play, &there);
        play.rest("at the beginning");
        send(&mut play, 0, QUEUE, Duration::from_secs(1));
        play.world.run_for(Duration::from_secs(1));
        play.world.call(&there.name, Client::leave);
        let here = play.consumer(0, QUEUE, false);
        start(&mut play, &here);
        play.rest("when demand has moved");
        // They have been here, and go no way back: ActiveMQ's stuck messages, too.
        assert!(judge::nothing_waits(&mut play) > 0, "seed {seed}");
        assert!(open(&play) > 0, "seed {seed}");
        let again = play.consumer(1, QUEUE, false);
        start(&mut play, &again);
        play.rest("when it is back");
        assert_eq!((judge::nothing_waits(&mut play), open(&play)), (0, 0), "seed {seed}");
        well(play);
    }
}

#[test]
fn a_bridge_that_hears_nothing_more_is_given_up_and_built_anew() {
    for seed in 0..SEEDS {
        for (from, to) in [("a", "b"), ("b", "a")] {
            let mut play = begin(seed, Bug::None, two(|_| {}));
            let there = play.consumer(1, QUEUE, false);
            start(&mut play, &there);
            play.rest("at the beginning");
            play.world.block(from, to, Partition::Silent);
            send(&mut play, 0, QUEUE, Duration::from_secs(1));
            play.world.run_for(INACTIVITY * 3);
            assert!(!Play::is_bridged(&play.world, 2), "seed {seed}: it is said to stand");
            // Where only the answers are lost, messages do cross.
            assert_eq!(open(&play) > 0, from == "a", "seed {seed}");
            play.world.heal(from, to);
            play.until_bridged("when it is healed");
            play.rest("when it is healed");
            assert_eq!(open(&play), 0, "seed {seed}");
            well(play);
        }
    }
}

#[test]
fn durable_subscriptions_that_brokers_tell_each_other_of_keep_nothing_alive() {
    for seed in 0..SEEDS {
        let network = two(|connector| {
            connector.sync_durable_subs = true;
            connector.dynamically_included_destinations = vec![Address::topic(">")];
            (connector.consumer_ttl, connector.message_ttl) = (-1, -1);
        });
        let mut play = begin(seed, Bug::None, network);
        let there = play.consumer(1, TOPIC, true);
        start(&mut play, &there);
        play.rest("at the beginning");
        play.world.kill(&there.name);
        for broker in [0, 1, 0] {
            play.world.kill(&name(broker));
            send(&mut play, 1 - broker, TOPIC, Duration::from_millis(200));
            play.world.start(&name(broker));
            play.until_bridged("behind a restart");
            play.rest("behind a restart");
        }
        start(&mut play, &there);
        play.rest("when it is back");
        judge::durables_have_all(&mut play);
        play.world.call(&there.name, Client::leave);
        play.rest("when it has unsubscribed");
        judge::nothing_is_wanted(&mut play);
        well(play);
    }
}

#[test]
fn consumers_that_come_and_go_leave_nothing_behind_and_nobody_starves() {
    for seed in 0..SEEDS {
        let mut network = Network::new(3);
        for (from, to) in [(0, 1), (1, 2)] {
            let far = NetworkConnector { message_ttl: 3, consumer_ttl: 3, ..connector(format!("n{from}")) };
            network.bridge(from, to, NetworkConnector { duplex: from == 1, ..far });
        }
        let mut play = begin(seed, Bug::None, network);
        for round in 0..10 {
            let broker = 1 + round % 2;
            let [one, other] = [QUEUE, QUEUE].map(|place| play.consumer(broker, place, false));
            for person in [&one, &other] {
                start(&mut play, person);
            }
            play.world.run_for(Duration::from_millis(50));
            send(&mut play, 0, QUEUE, Duration::from_millis(200));
            play.world.call(&one.name, Client::leave);
            play.rest("when one has left");
            assert_eq!(open(&play), 0, "seed {seed}, round {round}");
            play.world.call(&other.name, Client::leave);
        }
        play.rest("when all have left");
        judge::nothing_is_wanted(&mut play);
        well(play);
    }
}

#[test]
fn brokers_find_each_other_whichever_starts_first() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut network = Network::new(3);
        for (from, to) in [(0, 1), (2, 1)] {
            let far = NetworkConnector {
                message_ttl: 3,
                consumer_ttl: 3,
                duplex: true,
                ..connector(format!("n{from}"))
            };
            network.bridge(from, to, far);
        }
        let mut play = begin(7, Bug::None, network);
        let there = play.consumer(2, QUEUE, false);
        start(&mut play, &there);
        for _ in 0..2 {
            for broker in order {
                play.world.kill(&name(broker));
            }
            for broker in order {
                // Longer than any wait before the next try.
                play.world.run_for(Duration::from_secs(3));
                play.world.start(&name(broker));
            }
            play.until_bridged("behind a restart of all");
            play.rest("behind a restart of all");
            send(&mut play, 0, QUEUE, Duration::from_millis(300));
            play.rest("at the end");
            assert_eq!((open(&play), twice(&play)), (0, 0), "{order:?}");
        }
        well(play);
    }
}

/// A broker stops in good order while messages cross; how many came twice for that.
fn stops(seed: u64, bug: Bug, duplex: bool) -> usize {
    let mut network = Network::new(2);
    network.bridge(0, 1, NetworkConnector { duplex, ..connector("n".to_owned()) });
    let mut play = begin(seed, bug, network);
    let there = Role::Consumer { place: QUEUE, durable: false, prefetch: 100, pause: Duration::ZERO };
    let there = play.add(1, there);
    start(&mut play, &there);
    play.rest("at the beginning");
    for _ in 0..3 {
        send(&mut play, 0, QUEUE, Duration::from_millis(300));
        play.world.call(&name(0), Process::stop);
        play.world.run_for(Duration::from_secs(10));
        assert!(!play.world.runs(&name(0)), "seed {seed}: it does not end");
        play.world.start(&name(0));
        play.until_bridged("behind a stop");
        play.rest("behind a stop");
    }
    assert_eq!(open(&play), 0, "seed {seed}");
    let twice = twice(&play);
    if bug == Bug::None {
        well(play);
    }
    twice
}

#[test]
fn a_stop_in_good_order_waits_for_what_is_on_its_way() {
    for duplex in [false, true] {
        assert_eq!((0..SEEDS).map(|seed| stops(seed, Bug::None, duplex)).sum::<usize>(), 0);
        assert!(
            (0..SEEDS).any(|seed| stops(seed, Bug::LeavesAtOnce, duplex) > 0),
            "nobody saw it leave at once"
        );
    }
}

#[test]
fn what_a_full_disk_over_there_refuses_stays_and_crosses_when_there_is_room() {
    for seed in 0..SEEDS {
        let mut play = begin(seed, Bug::None, two(|_| {}));
        let there = play.consumer(1, QUEUE, false);
        start(&mut play, &there);
        play.rest("at the beginning");
        send(&mut play, 0, QUEUE, Duration::from_millis(200));
        play.disks[1].fill(true);
        send(&mut play, 0, QUEUE, Duration::from_millis(500));
        assert!(open(&play) > 0, "seed {seed}: the disk was not full");
        play.disks[1].fill(false);
        play.until_bridged("when there is room");
        play.rest("when there is room");
        assert_eq!(open(&play), 0, "seed {seed}");
        well(play);
    }
}

#[test]
fn what_is_kept_for_one_who_is_away_stays_when_another_unsubscribes_behind_a_restart() {
    for seed in 0..SEEDS {
        let mut play = begin(seed, Bug::None, two(|_| {}));
        let people = [play.consumer(1, TOPIC, true), play.consumer(1, TOPIC, true)];
        for person in &people {
            start(&mut play, person);
        }
        play.rest("at the beginning");
        play.world.kill(&people[0].name);
        play.world.kill(&name(0));
        play.world.start(&name(0));
        play.until_bridged("behind a restart");
        play.rest("behind a restart");
        play.world.call(&people[1].name, Client::leave);
        play.rest("when the other has left");
        let before = play.book.page().sent.len();
        play.world.kill(&name(1));
        send(&mut play, 0, TOPIC, Duration::from_millis(300));
        play.world.start(&name(1));
        play.until_bridged("when they cross");
        start(&mut play, &people[0]);
        play.rest("when it is back");
        let page = play.book.page();
        let got = |sent: &&Sent| sent.got.iter().any(|got| got.consumer == people[0].id);
        let sent: Vec<_> = page.sent.values().skip(before).collect();
        assert!(!sent.is_empty() && sent.iter().all(got), "seed {seed}: {} sent", sent.len());
        drop(page);
        play.world.call(&people[0].name, Client::leave);
        play.rest("when both have left");
        judge::nothing_is_wanted(&mut play);
        well(play);
    }
}

#[test]
fn who_was_away_before_a_duplex_bridge_was_there_has_what_is_sent_at_its_other_end() {
    for (seed, syncs) in (0..SEEDS).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut network = Network::new(2);
        let made = NetworkConnector {
            duplex: true,
            sync_durable_subs: syncs,
            dynamically_included_destinations: vec![Address::topic(">")],
            ..connector("n0".to_owned())
        };
        network.bridge(0, 1, made);
        let mut play = begin(seed, Bug::None, network);
        let here = play.consumer(0, TOPIC, true);
        play.world.kill(&name(1));
        start(&mut play, &here);
        play.world.run_for(Duration::from_secs(2));
        play.world.kill(&here.name);
        play.world.start(&name(1));
        play.until_bridged("when the other is there");
        play.rest("when the other is there");
        send(&mut play, 1, TOPIC, Duration::from_millis(300));
        start(&mut play, &here);
        play.rest("when it is back");
        let page = play.book.page();
        let came =
            page.sent.values().filter(|sent| sent.got.iter().any(|got| got.consumer == here.id)).count();
        assert_eq!(came, if syncs { page.sent.len() } else { 0 }, "seed {seed}");
        assert!(!page.sent.is_empty());
        drop(page);
        well(play);
    }
}

/// Four brokers in a row, from the first to the last, of which demand passes two.
fn in_a_row(duplex: bool) -> Network {
    let mut network = Network::new(4);
    for from in 0..3 {
        let made = connector(format!("n{from}"));
        network.bridge(from, from + 1, NetworkConnector { duplex, consumer_ttl: 2, message_ttl: -1, ..made });
    }
    network
}

/// Whether the messages of a topic that were sent from now on come to somebody.
fn come_to(play: &mut Play, person: &Arc<Person>) -> bool {
    let before = play.book.page().sent.len();
    send(play, 0, TOPIC, Duration::from_millis(300));
    play.rest("when they have come");
    let page = play.book.page();
    let sent: Vec<_> = page.sent.values().skip(before).collect();
    let come = sent.iter().filter(|sent| sent.got.iter().any(|got| got.consumer == person.id)).count();
    assert!(come == 0 || come == sent.len(), "{come} of {} came", sent.len());
    come > 0
}

#[test]
fn whoever_is_near_enough_is_served_though_one_that_is_not_was_there_first() {
    let kinds = [(false, false), (true, false), (false, true), (true, true)];
    for (seed, (durable, duplex)) in (0..SEEDS).flat_map(|seed| kinds.map(|kind| (seed, kind))) {
        let mut play = begin(seed, Bug::None, in_a_row(duplex));
        let far = play.consumer(3, TOPIC, durable);
        start(&mut play, &far);
        play.rest("at the beginning");
        assert!(!come_to(&mut play, &far), "seed {seed}: it is three brokers away");
        let near = play.consumer(2, TOPIC, durable);
        start(&mut play, &near);
        play.rest("when it is there");
        assert!(come_to(&mut play, &near), "seed {seed}");
        // The other is heard of no more when it has gone.
        play.world.call(&near.name, Client::leave);
        play.rest("when it has left");
        assert_eq!(
            come_to(&mut play, &far),
            durable,
            "seed {seed}: what was kept is kept until the last has gone"
        );
        play.world.call(&far.name, Client::leave);
        play.rest("when both have left");
        judge::nothing_is_wanted(&mut play);
        well(play);
    }
}

#[test]
fn a_way_that_is_told_but_once_hides_who_comes_after() {
    let mut play = begin(0, Bug::TellsOnce, in_a_row(false));
    for broker in [3, 2] {
        let person = play.consumer(broker, TOPIC, false);
        start(&mut play, &person);
        play.rest("when it is there");
        assert!(!come_to(&mut play, &person), "the simulation must be able to see it");
    }
}

#[test]
fn what_brokers_in_a_ring_want_for_each_other_ends_with_whoever_wanted_it() {
    for seed in 0..SEEDS {
        for count in [3, 4] {
            let mut network = Network::new(count);
            for from in 0..count {
                for to in (0..count).filter(|to| *to != from) {
                    let made = connector(format!("n{from}{to}"));
                    let far = NetworkConnector { consumer_ttl: -1, message_ttl: -1, ..made };
                    network.bridge(from, to, far);
                }
            }
            network.is_tree = false;
            let mut play = begin(seed, Bug::None, network);
            let everywhere: Vec<_> = (0..count).map(|broker| play.consumer(broker, TOPIC, false)).collect();
            for person in &everywhere {
                start(&mut play, person);
            }
            play.rest("when all are there");
            for person in &everywhere {
                play.world.call(&person.name, Client::leave);
            }
            play.rest("when all have left");
            assert_eq!(judge::nothing_is_wanted(&mut play), 0);
            well(play);
        }
    }
}
