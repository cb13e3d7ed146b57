//! Bridges of one broker beside each other.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::bridge::neighbours::Neighbours;

/// Two bridges of one broker, to two others.
fn beside_each_other(change: impl Fn(&mut NetworkConnector)) -> (World, World, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let neighbours = Arc::new(Neighbours::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let one = || {
        let mut world = World::standing(&change);
        world.bridge.beside(Arc::clone(&neighbours));
        world
    };
    (one(), one(), told)
}

/// The consumer of a topic that is told of as itself, and as who stands for it behind another broker.
fn twice() -> (ConsumerInfo, ConsumerInfo) {
    let near = wants(1, Destination::topic("t"));
    let far = ConsumerInfo {
        network_subscription: true,
        broker_path: Some([broker("ID:third")].into()),
        network_consumer_path: Some([remote(1)].into()),
        ..wants(77, Destination::topic("t"))
    };
    (near, far)
}

/// Tells a bridge of a consumer, and that the broker here has taken the subscription.
fn hear_and_begin(world: &mut World, info: &ConsumerInfo) -> usize {
    world.hear(info.clone().into());
    let made = world.said(Side::Local);
    for command in &made {
        world.bridge.received(Side::Local, answer(command));
    }
    made.len()
}

#[test]
fn a_topics_consumer_that_two_bridges_reach_is_served_over_the_nearer_one() {
    for near_first in [true, false] {
        let (mut one, mut other, told) = beside_each_other(|connector| connector.consumer_ttl = 2);
        let (near, far) = twice();
        if near_first {
            assert_eq!(hear_and_begin(&mut one, &near), 1);
            assert_eq!(hear_and_begin(&mut other, &far), 0, "it is served");
        } else {
            assert_eq!(hear_and_begin(&mut other, &far), 1);
            assert_eq!(hear_and_begin(&mut one, &near), 1, "the nearer one goes before");
            assert!(told.load(Ordering::Relaxed) > 0);
            other.bridge.look_again();
            one.bridge.look_again();
            let said = other.said(Side::Local);
            assert!(matches!(said[..], [Command::RemoveInfo(_)]), "{said:?}");
        }
        assert_eq!(one.orders(), []);
        // When the nearer way is cut the other serves.
        let before = told.load(Ordering::Relaxed);
        drop(one);
        assert!(told.load(Ordering::Relaxed) > before);
        other.bridge.look_again();
        assert_eq!(other.subscribed().len(), 1);
        other.hear(gone(77));
        assert_eq!(other.said(Side::Local).len(), 1);
    }
}

#[test]
fn the_nearer_one_serves_though_the_further_one_comes_before_it_at_a_queue() {
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let neighbours = Arc::new(Neighbours::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let bridge = |decreases| {
        let mut world = World::standing(|connector| {
            connector.consumer_ttl = 3;
            connector.decrease_network_consumer_priority = decreases;
        });
        world.bridge.beside(Arc::clone(&neighbours));
        world
    };
    // One whose consumers have a low priority here, and one whose have their own.
    let (mut one, mut other) = (bridge(true), bridge(false));
    let (near, far) = twice();
    assert_eq!(hear_and_begin(&mut other, &far), 1);
    assert_eq!(hear_and_begin(&mut one, &near), 1);
    other.bridge.look_again();
    assert!(matches!(other.said(Side::Local)[..], [Command::RemoveInfo(_)]));
    // What was near is far now: the other is the nearer one.
    let further = ConsumerInfo { broker_path: Some([broker("x"), broker("y")].into()), ..near };
    one.hear(further.into());
    other.bridge.look_again();
    assert_eq!(other.subscribed().len(), 1);
}

#[test]
fn who_consumes_beside_one_that_another_bridge_serves_is_served() {
    let (mut one, mut other, _) = beside_each_other(|connector| connector.consumer_ttl = 2);
    let (near, far) = twice();
    let beside = wants(5, Destination::topic("t"));
    other.hear(far.into());
    let first = other.subscribed();
    other.bridge.received(Side::Local, answer(&first[0].clone().into()));
    other.hear(beside.clone().into());
    let second = other.subscribed();
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].consumer_id, first[0].consumer_id, "it joins, and is nearer");
    assert_eq!(hear_and_begin(&mut one, &near), 1);
    other.bridge.look_again();
    assert_eq!(other.orders(), [], "the subscription stays for whom nobody else serves");
    other.hear(gone(5));
    assert_eq!(other.said(Side::Local).len(), 1);
    // And where it is the first to come after.
    assert_eq!(hear_and_begin(&mut other, &beside), 1);
}

#[test]
fn of_a_consumer_of_several_topics_only_what_another_bridge_serves_is_not() {
    let (mut one, mut other, _) = beside_each_other(|connector| connector.consumer_ttl = 2);
    let (near, far) = twice();
    let several = ConsumerInfo { destination: Some(Arc::new(Destination::topic("t,u"))), ..far };
    assert_eq!(hear_and_begin(&mut other, &several), 2);
    assert_eq!(hear_and_begin(&mut one, &near), 1);
    other.bridge.look_again();
    let said = other.said(Side::Local);
    let consumed = |command: &Command| match command {
        Command::ConsumerInfo(info) => info.destination.as_deref().cloned(),
        _ => None,
    };
    let begun: Vec<_> = said.iter().filter_map(consumed).collect();
    assert_eq!(begun, [Destination::topic("u")], "{said:?}");
    // Nothing of what was decided is forgotten by that: the other topic is served when the nearer bridge ends.
    drop(one);
    other.bridge.look_again();
    let said = other.said(Side::Local);
    let begun: Vec<_> = said.iter().filter_map(consumed).collect();
    assert_eq!(begun, [Destination::topic("t")], "{said:?}");
}

#[test]
fn queues_and_who_says_so_are_served_over_both() {
    let (mut one, mut other, told) = beside_each_other(|connector| connector.consumer_ttl = 2);
    let (near, far) = twice();
    let of_queue =
        |info: &ConsumerInfo| ConsumerInfo { destination: Some(Arc::new(queue("q"))), ..info.clone() };
    assert_eq!(hear_and_begin(&mut one, &of_queue(&near)), 1);
    assert_eq!(hear_and_begin(&mut other, &of_queue(&far)), 1);
    let (mut one, mut other, _) = beside_each_other(|connector| {
        connector.consumer_ttl = 2;
        connector.suppress_duplicate_topic_subscriptions = false;
    });
    assert_eq!(hear_and_begin(&mut one, &near), 1);
    assert_eq!(hear_and_begin(&mut other, &far), 1);
    assert_eq!(told.load(Ordering::Relaxed), 0);
}
