//! Stories with a name: what went wrong with ActiveMQ's replicated stores, and what is most likely to go wrong with these.

use std::time::Duration;

use kahawai_simulation::world::World;
use kahawai_simulation::{Cut, Side};

use super::arbiter::{ARBITER, ArbiterNode};
use super::bug::Bug;
use super::client::Client;
use super::member::Process;
use super::play::{LEASE, Pair};

const ARBITERS: [bool; 2] = [false, true];

/// A pair in sync, whose clients are at work.
fn at_work(seed: u64, has_arbiter: bool) -> Pair {
    let mut pair = Pair::new(seed, has_arbiter, Bug::None, true);
    pair.until_in_sync();
    pair.clients();
    pair.world.run_for(Duration::from_millis(300));
    pair
}

fn tell(pair: Pair, what: &str) {
    let played = pair.judge();
    assert!(played.wrong.is_empty(), "{what}:\n{}\n{}", played.lines.join("\n"), played.wrong.join("\n"));
}

/// Pure master/slave survived one failure, and ended then ([AMQ-4165]); this one survives any number, alternating sides.
///
/// [AMQ-4165]: https://issues.apache.org/jira/browse/AMQ-4165
#[test]
fn it_fails_over_again_and_again() {
    for has_arbiter in ARBITERS {
        let mut pair = at_work(1, has_arbiter);
        for _ in 0..10 {
            pair.until_in_sync();
            let master = pair.master().expect("one serves");
            let other = if master == "a" { "b" } else { "a" };
            pair.world.kill(master);
            let taken_over = pair.world.run_until(LEASE / 4, |world| Pair::serves(world, other));
            assert!(taken_over, "{}", pair.lines("nobody took over at once"));
            for client in ["c", "d"] {
                pair.world.call(client, |client: &mut Client, context| client.send_more(10, context));
            }
            pair.world.start(master);
        }
        tell(pair, "again and again");
    }
}

/// An operator changes sides: the slave serves at once, nothing is lost, and the former master is the slave.
#[test]
fn a_planned_switch_loses_nothing_and_waits_for_no_lease() {
    for (seed, has_arbiter) in (0..20).flat_map(|seed| ARBITERS.map(|arbiter| (seed, arbiter))) {
        let mut pair = at_work(seed, has_arbiter);
        for _ in 0..4 {
            pair.until_in_sync();
            let master = pair.master().expect("one serves");
            let other = if master == "a" { "b" } else { "a" };
            pair.world.call(master, Process::switch);
            let taken_over = pair.world.run_until(LEASE / 10, |world| Pair::serves(world, other));
            assert!(taken_over, "{}", pair.lines("nobody took over at once"));
            for client in ["c", "d"] {
                pair.world.call(client, |client: &mut Client, context| client.send_more(10, context));
            }
        }
        tell(pair, "switched");
    }
}

/// Replicated LevelDB's master stayed one after Ctrl-Z.
#[test]
fn a_master_that_stood_still_for_longer_than_a_lease_is_none_when_it_wakes() {
    for (seed, has_arbiter) in (0..20).flat_map(|seed| ARBITERS.map(|arbiter| (seed, arbiter))) {
        let mut pair = at_work(seed, has_arbiter);
        pair.world.pause("a");
        let taken_over = pair.world.run_until(LEASE * 2, |world| Pair::serves(world, "b"));
        assert!(taken_over, "{}", pair.lines("nobody took over"));
        pair.world.run_for(Duration::from_millis(37 * seed));
        pair.world.resume("a");
        tell(pair, "stood still");
    }
}

/// Replicated LevelDB answered before any disk had a message (`quorum_mem`): both machines die at once.
#[test]
fn what_was_answered_is_on_both_disks() {
    for (seed, first) in (0..20).flat_map(|seed| ["a", "b"].map(|first| (seed, first))) {
        let mut pair = at_work(seed, seed % 2 == 0);
        pair.world.crash("a");
        pair.world.crash("b");
        pair.world.run_for(LEASE / 2);
        pair.world.start(first);
        pair.world.run_for(LEASE * 2);
        tell(pair, "both crashed");
    }
}

/// Either may be the first that is back, and may have to wait for the other.
#[test]
fn both_are_killed_and_either_is_back_first() {
    for (has_arbiter, first) in
        ARBITERS.into_iter().flat_map(|arbiter| ["a", "b"].map(|first| (arbiter, first)))
    {
        let mut pair = at_work(3, has_arbiter);
        pair.world.kill("a");
        pair.world.kill("b");
        pair.world.start(first);
        pair.world.run_for(LEASE * 3);
        tell(pair, "both killed");
    }
}

fn cuts(world: &World) -> bool {
    world.node::<Process>("a").is_some_and(Process::is_about_to_cut)
}

/// A former master that is about to cut what was never answered, where there is anything.
fn about_to_cut(seed: u64, has_arbiter: bool) -> Option<Pair> {
    let mut pair = at_work(seed, has_arbiter);
    // The slave gets nothing any more, and the master does not know yet; then its machine dies with what it had sent.
    pair.world.block("a", "b", kahawai_simulation::Partition::Silent);
    pair.world.run_for(LEASE / 4);
    pair.world.crash("a");
    pair.world.heal("a", "b");
    pair.world.run_for(LEASE * 2);
    pair.world.start("a");
    pair.world.run_until(LEASE, cuts).then_some(pair)
}

/// What a master has that its slave never got, and nobody was told of, is not what the pair goes on with.
#[test]
fn a_former_master_gives_up_what_was_never_answered() {
    for has_arbiter in ARBITERS {
        let pairs: Vec<_> = (0..20).filter_map(|seed| about_to_cut(seed, has_arbiter)).collect();
        assert!(pairs.len() > 5, "{} have anything to cut", pairs.len());
        pairs.into_iter().for_each(|pair| tell(pair, "a divergent tail"));
    }
}

/// The slave is in the set, and takes over without what its master wrote since. Cut off with it was how the slave is found: the former master asked nobody,
/// and would have served if the arbiter had let it.
#[test]
fn a_former_master_knows_whom_to_follow_whatever_is_cut_from_its_store() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed, true, Bug::None, true);
        pair.clients();
        let admitted =
            |world: &World| world.node::<ArbiterNode>(ARBITER).is_some_and(|node| node.in_sync() == 2);
        assert!(pair.world.run_until(LEASE * 5, admitted), "{}", pair.lines("nobody is let in"));
        pair.world.block("a", "b", kahawai_simulation::Partition::Silent);
        pair.world.run_for(LEASE / 10);
        pair.world.crash("a");
        pair.world.kill("b");
        pair.world.heal("a", "b");
        pair.world.start("b");
        let taken_over = pair.world.run_until(LEASE * 4, |world| Pair::serves(world, "b"));
        assert!(taken_over, "{}", pair.lines("nobody took over"));
        pair.world.start("a");
        assert!(pair.world.run_until(LEASE, cuts), "{}", pair.lines("nothing is cut"));
        tell(pair, "let in, and not told");
    }
}

/// The same, and it dies within the cut, at every call of its disk: with its process alone, or with its machine.
#[test]
fn a_cut_that_is_broken_off_is_made_once_and_whole() {
    for has_arbiter in ARBITERS {
        let seed = (0..50).find(|seed| about_to_cut(*seed, has_arbiter).is_some()).expect("one of them cuts");
        for crashes in [false, true] {
            let mut died = 0;
            while breaks_off(about_to_cut(seed, has_arbiter).expect("it does again"), died, crashes) {
                died += 1;
            }
            assert!(died > 10, "a cut is more than {died} calls of a disk");
        }
    }
}

/// Whether it died within the cut.
fn breaks_off(mut pair: Pair, calls: u64, crashes: bool) -> bool {
    pair.world.disk("a").die_in(calls);
    pair.world.run_until(LEASE, |world| !cuts(world));
    pair.world.disk("a").mend();
    let is_dead = !pair.world.runs("a");
    if is_dead && crashes {
        pair.world.crash("a");
    }
    tell(pair, "a cut broken off");
    is_dead
}

/// A slave dies in the midst of a copy, at every call of its disk.
#[test]
fn a_copy_that_is_broken_off_is_begun_anew() {
    for calls in 0..60 {
        let mut pair = Pair::new(calls, calls % 2 == 0, Bug::None, true);
        pair.world.kill("b");
        pair.clients();
        pair.world.run_for(LEASE);
        pair.world.start("b");
        pair.world.disk("b").die_in(calls);
        pair.world.run_for(LEASE);
        pair.world.start("b");
        tell(pair, "a copy broken off");
    }
}

/// The stream of either side is cut after every so many bytes, and the rest of the old connection is read when the new one is long up.
#[test]
fn a_line_is_cut_after_every_prefix() {
    for side in [Side::Dialer, Side::Listener] {
        for bytes in (0..3000).step_by(if side == Side::Dialer { 9 } else { 41 }) {
            let mut pair = Pair::new(bytes, bytes % 2 == 0, Bug::None, true);
            pair.world.cut_next("b", "a", side, bytes, LEASE / 3);
            pair.clients();
            pair.world.run_for(LEASE);
            tell(pair, "cut after a prefix");
        }
    }
}

/// What broke most seeds at first: the slave hears late that the line is gone, and the master dies meanwhile, having gone on alone.
#[test]
fn a_slave_that_hears_late_of_a_cut_does_not_take_over_from_a_master_that_went_on_alone() {
    for late in (0..40).map(|step| LEASE * step / 10) {
        let mut pair = at_work(7, false);
        let line = pair.world.connections("b", "a")[0];
        pair.world.cut(line.other(), Cut { prefix: 50, late });
        pair.world.run_for(late);
        pair.world.kill("a");
        pair.world.run_for(LEASE);
        tell(pair, "heard late");
    }
}

/// The slave has no room, and its master goes on; what was refused and what came behind it is sent again.
#[test]
fn a_slave_without_room_is_cut_off_and_comes_back() {
    for (seed, has_arbiter) in (0..20).flat_map(|seed| ARBITERS.map(|arbiter| (seed, arbiter))) {
        let mut pair = at_work(seed, has_arbiter);
        pair.world.disk("b").fill(true);
        pair.world.run_for(LEASE * 8);
        pair.world.disk("b").fill(false);
        tell(pair, "no room");
    }
}
