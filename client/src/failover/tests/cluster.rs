//! What brokers say of their cluster.

use crate::failover::tests::Play;

#[test]
fn brokers_that_become_known_are_tried_first() {
    let mut play = Play::new("a", "");
    play.connected(1).told("tcp://b:1, nio://c:1,tcp://b:1", false, "").expect(&[]);
    play.closed(1).wait(10).expect(&["open 2 b", "at 30010"]);
    play.closed(2).expect(&["open 3 c", "at 30010"]);
    play.closed(3).expect(&["open 4 a", "at 30010"]);
}

#[test]
fn to_rebalance_is_to_move_unless_we_are_where_we_would_go() {
    let mut play = Play::new("a b", "");
    play.connected(1).told("tcp://a:1,tcp://b:1", true, "").expect(&[]);
    // Not news: nothing happens.
    play.told("tcp://b:1,tcp://a:1", true, "").expect(&[]);
    play.told("tcp://b:1", true, "").expect(&["drop 1", "at 10"]);
    play.wait(10).expect(&["open 2 b", "at 30010"]);
}

#[test]
fn from_a_preferred_broker_nobody_is_moved() {
    let mut play = Play::new("a b", "priorityBackup=true");
    play.connected(1).told("tcp://b:1", true, "").expect(&[]);
}

#[test]
fn a_broker_may_send_us_elsewhere() {
    let mut play = Play::new("a b", "");
    play.connected(1).told("", false, "tcp://c:1").expect(&["drop 1", "at 10"]);
    play.wait(10).closed(2).expect(&["open 2 c", "open 3 a", "at 30010"]);
}

#[test]
fn what_the_address_forbids_is_not_done() {
    let mut play = Play::new("a", "updateURIsSupported=false&reconnectSupported=false");
    play.connected(1).told("tcp://b:1", true, "tcp://c:1").expect(&[]);
    play.closed(1).wait(10).closed(2).expect(&["open 2 a", "at 30"]);
}

#[test]
fn what_is_not_understood_changes_nothing() {
    let mut play = Play::new("a", "");
    play.connected(1).told("mud,vm://b", true, "http://c").expect(&[]);
    play.told("ssl://x:1,tcp://b:1", false, "").closed(1).wait(10).expect(&["open 2 b", "at 30010"]);
}

#[test]
fn a_broker_told_of_gets_the_nested_options() {
    let mut play = Play::of("failover:(tcp://a:1)?randomize=false&nested.connectionTimeout=5", 7);
    play.connected(1).told("tcp://b:1?transport.trace=true", false, "").closed(1).wait(10);
    play.expect(&["open 2 b", "at 15"]);
}
