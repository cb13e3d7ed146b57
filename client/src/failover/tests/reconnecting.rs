//! Rounds, waits and limits.

use crate::failover::tests::Play;

#[test]
fn brokers_are_tried_in_turn_until_one_accepts() {
    let mut play = Play::new("a b", "");
    play.expect(&["open 1 a", "at 30000"]);
    play.closed(1).expect(&["open 2 b", "at 30000"]);
    play.opened(2).expect(&["use 2 b", "at 30000"]);
    play.established(2).expect(&[]);
}

#[test]
fn each_round_in_vain_makes_the_wait_longer_up_to_a_limit() {
    let mut play = Play::new("a", "initialReconnectDelay=10&maxReconnectDelay=50");
    play.expect(&["open 1 a", "at 30000"]);
    play.closed(1).expect(&["at 10"]);
    play.wait(9).expect(&["at 10"]);
    play.wait(1).expect(&["open 2 a", "at 30010"]);
    play.closed(2).expect(&["at 30"]);
    play.wait(20).expect(&["open 3 a", "at 30030"]);
    play.closed(3).expect(&["at 70"]);
    play.wait(40).closed(4).expect(&["open 4 a", "at 120"]);
    play.wait(50).closed(5).expect(&["open 5 a", "at 170"]);
    // Once connected, the waits begin anew.
    play.wait(50).connected(6);
    play.closed(6).expect(&["at 180"]);
}

#[test]
fn without_back_off_all_waits_are_the_same() {
    let mut play = Play::new("a", "initialReconnectDelay=30&useExponentialBackOff=false");
    play.closed(1).expect(&["open 1 a", "at 30"]);
    play.wait(30).closed(2).expect(&["open 2 a", "at 60"]);
    play.wait(30).closed(3).expect(&["open 3 a", "at 90"]);
}

#[test]
fn the_exponent_is_what_the_address_says() {
    let mut play = Play::new("a", "initialReconnectDelay=10&reconnectDelayExponent=3");
    play.closed(1).expect(&["open 1 a", "at 10"]);
    play.wait(10).closed(2).expect(&["open 2 a", "at 40"]);
    play.wait(30).closed(3).expect(&["open 3 a", "at 130"]);
}

#[test]
fn the_broker_that_was_lost_is_tried_last() {
    let mut play = Play::new("a b c", "");
    play.connected(1).closed(1).expect(&["at 10"]);
    play.wait(10).expect(&["open 2 b", "at 30010"]);
    play.closed(2).expect(&["open 3 c", "at 30010"]);
    play.closed(3).expect(&["open 4 a", "at 30010"]);
}

#[test]
fn a_broker_that_closes_before_it_accepts_is_a_failure_like_any_other() {
    let mut play = Play::new("a b", "");
    play.opened(1).expect(&["open 1 a", "use 1 a", "at 30000"]);
    play.closed(1).expect(&["open 2 b", "at 30000"]);
    // What the first one says later counts no more.
    play.established(1).opened(1).closed(1).expect(&["at 30000"]);
}

#[test]
fn a_broker_that_says_nothing_is_left_after_the_connection_timeout() {
    let mut play = Play::of("failover:(tcp://a:1,tcp://b:1)?randomize=false&nested.connectionTimeout=100", 7);
    play.opened(1).expect(&["open 1 a", "use 1 a", "at 100"]);
    play.wait(100).expect(&["drop 1", "open 2 b", "at 200"]);
}

#[test]
fn so_many_rounds_and_no_more() {
    let mut play = Play::new("a b", "maxReconnectAttempts=2");
    play.closed(1).closed(2).wait(10).closed(3).closed(4);
    play.expect(&["open 1 a", "open 2 b", "open 3 a", "open 4 b", "give up after 2: b:1: refused"]);
}

#[test]
fn at_the_start_another_limit_may_hold() {
    let mut play = Play::new("a", "startupMaxReconnectAttempts=1&maxReconnectAttempts=3");
    play.closed(1).expect(&["open 1 a", "give up after 1: a:1: refused"]);
    let mut play = Play::new("a", "startupMaxReconnectAttempts=1&maxReconnectAttempts=2");
    play.connected(1).closed(1).expect(&["at 10"]);
    play.wait(10).closed(2).expect(&["open 2 a", "at 30"]);
    play.wait(20).closed(3).expect(&["open 3 a", "give up after 2: a:1: refused"]);
}

#[test]
fn with_no_attempts_allowed_it_is_tried_once_and_never_again() {
    let mut play = Play::new("a b", "maxReconnectAttempts=0");
    play.closed(1).closed(2).expect(&["open 1 a", "open 2 b", "give up after 1: b:1: refused"]);
    let mut play = Play::new("a b", "maxReconnectAttempts=0");
    play.connected(1).closed(1).expect(&["give up after 0: a:1: refused"]);
}

#[test]
fn a_random_order_is_decided_by_the_seed_and_visits_each_broker_once() {
    let first = |seed| {
        let mut play = Play::of("failover:(tcp://a:1,tcp://b:1,tcp://c:1)?maxReconnectAttempts=1", seed);
        play.closed(1).closed(2).closed(3);
        play.orders()
    };
    let mut firsts = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let orders = first(seed);
        assert_eq!(orders, first(seed));
        let mut brokers: Vec<_> =
            orders[..3].iter().map(|order| order.rsplit(' ').next().unwrap().to_owned()).collect();
        firsts.insert(brokers[0].clone());
        brokers.sort();
        assert_eq!(brokers, ["a", "b", "c"]);
    }
    assert_eq!(firsts.len(), 3, "{firsts:?}");
}
