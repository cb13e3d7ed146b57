//! Connections held ready, and preferred brokers.

use crate::failover::tests::Play;

#[test]
fn a_backup_stands_in_at_once() {
    let mut play = Play::new("a b c", "backup=true");
    play.opened(1).established(1).expect(&["open 1 a", "use 1 a", "open 2 b", "at 30000"]);
    play.opened(2).expect(&[]);
    play.closed(1).expect(&["use 2 b", "at 30000"]);
    play.established(2).expect(&["open 3 c", "at 30000"]);
}

#[test]
fn as_many_backups_as_wanted_are_opened_one_after_another() {
    let mut play = Play::new("a b c d", "backup=true&backupPoolSize=2");
    play.opened(1).established(1).expect(&["open 1 a", "use 1 a", "open 2 b", "at 30000"]);
    play.closed(2).expect(&["open 3 c", "at 30000"]);
    play.opened(3).expect(&["open 4 d", "at 30000"]);
    play.opened(4).expect(&[]);
    // One is lost: another is looked for, after a rest.
    play.closed(3).expect(&["at 10"]);
    play.wait(10).expect(&["open 5 b", "at 30010"]);
}

#[test]
fn a_round_in_vain_is_followed_by_a_rest_that_grows() {
    let mut play = Play::new("a b", "backup=true");
    play.opened(1).established(1).closed(2);
    play.expect(&["open 1 a", "use 1 a", "open 2 b", "at 10"]);
    play.wait(10).closed(3).expect(&["open 3 b", "at 30"]);
    play.wait(20).closed(4).expect(&["open 4 b", "at 70"]);
}

#[test]
fn a_backup_that_does_not_open_in_time_is_dropped() {
    let mut play =
        Play::of("failover:(tcp://a:1,tcp://b:1)?randomize=false&backup=true&nested.connectionTimeout=50", 7);
    play.opened(1).established(1).expect(&["open 1 a", "use 1 a", "open 2 b", "at 50"]);
    play.wait(50).expect(&["drop 2", "at 60"]);
}

#[test]
fn a_preferred_broker_is_returned_to_as_soon_as_there_is_one() {
    let mut play = Play::new("a b", "priorityBackup=true");
    play.closed(1).opened(2).established(2);
    play.expect(&["open 1 a", "open 2 b", "use 2 b", "open 3 a", "at 30000"]);
    play.closed(3).expect(&["at 10"]);
    play.wait(10).expect(&["open 4 a", "at 30010"]);
    play.opened(4).expect(&["drop 2", "use 4 a", "at 30010"]);
    play.established(4).expect(&[]);
}

#[test]
fn preferred_brokers_are_those_that_the_address_names() {
    let mut play = Play::new("a b c", "priorityBackup=true&priorityURIs=tcp://c:1");
    play.opened(1).established(1).expect(&["open 1 a", "use 1 a", "open 2 c", "at 30000"]);
    play.opened(2).established(2).expect(&["drop 1", "use 2 c"]);
    // Connected to a preferred one, nothing is looked for.
    play.wait(1000).expect(&[]);
}

#[test]
fn giving_up_lets_the_backups_go() {
    let mut play = Play::new("a b c", "backup=true&backupPoolSize=2&maxReconnectAttempts=0");
    play.opened(1).established(1).opened(2);
    play.expect(&["open 1 a", "use 1 a", "open 2 b", "open 3 c", "at 30000"]);
    play.closed(1).expect(&["drop 2", "drop 3", "give up after 0: a:1: refused"]);
}
