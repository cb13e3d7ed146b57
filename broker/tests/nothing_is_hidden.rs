//! What a consumer does not want, or nobody can take, must not hide what it would get: behind more messages than a window
//! holds, in the store or in memory; and nobody waits, or wakes, for what cannot come.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::Address;
use kahawai_broker::core::keys::{ConnectionKey, ConsumerKey};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::Policy;
use kahawai_broker::core::spec::AcknowledgementKind::Standard;
use kahawai_broker::core::spec::{ConsumerSpec, LastDelivered};
use kahawai_store::names::Epoch;
use support::{World, consumer_spec, durable_spec, message};

fn queue() -> Address {
    Address::queue("q")
}

fn small() -> World {
    let policy =
        Policy { page_messages_max: 4, window_messages_max: 5, window_bytes_max: 1500, ..Policy::default() };
    World::with_policy(Limits { memory_bytes_max: 6000, ..Limits::default() }, policy)
}

fn no_local(world: &mut World, connection: ConnectionKey, prefetch: u32) -> ConsumerKey {
    world.consume_with(connection, ConsumerSpec { no_local: true, ..consumer_spec(&queue(), prefetch) }).0
}

/// A message of a connection; its name begins with the connection's.
fn send(world: &mut World, connection: ConnectionKey, of: &str, number: usize, persistent: bool) {
    world.send(connection, &queue(), message(&format!("{of}:1:1:1:{number}"), persistent));
}

fn names(world: &mut World, consumer: ConsumerKey) -> Vec<String> {
    world.settle();
    world.texts(consumer).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_a_consumer_does_not_want_never_hides_what_it_does() {
    for persistent in [true, false] {
        for listening in [true, false] {
            let mut world = small();
            let (own, other) = (world.connect("own"), world.connect("other"));
            let early = listening.then(|| no_local(&mut world, own, 10));
            for number in 0..100 {
                send(&mut world, own, "own", number, persistent);
                world.settle();
            }
            send(&mut world, other, "other", 1, true);
            let consumer = early.unwrap_or_else(|| no_local(&mut world, own, 10));
            assert_eq!(names(&mut world, consumer), ["other:1:1:1:1"], "{persistent} {listening}");
            assert!(world.core.memory_bytes() < 20_000, "{}", world.core.memory_bytes());
            // It goes on so, and who comes later gets all the others, in order.
            send(&mut world, other, "other", 2, true);
            assert_eq!(names(&mut world, consumer), ["other:1:1:1:2"]);
            let all = world.consume(other, &queue(), 1000);
            let expected: Vec<_> = (0..100).map(|number| format!("own:1:1:1:{number}")).collect();
            assert_eq!(names(&mut world, all), expected);
        }
    }
}

#[test]
fn who_had_no_room_when_messages_were_passed_over_gets_them_when_it_has() {
    let mut world = small();
    let (own, other) = (world.connect("own"), world.connect("other"));
    for number in 0..50 {
        send(&mut world, own, "own", number, true);
    }
    let busy = world.consume(other, &queue(), 1);
    assert_eq!(names(&mut world, busy), ["own:1:1:1:0"]);
    let choosy = no_local(&mut world, own, 10);
    assert_eq!(names(&mut world, choosy), Vec::<String>::new());
    for number in 1..50 {
        // `busy` acknowledges one and gets the next, though `choosy` has passed them all over in between.
        let id = world.state.read(&kahawai_store::contract::ReadRequest {
            destination: world.state.recover(Epoch(9)).destinations[0].destination.id,
            subscription: None,
            after: None,
            messages_max: 1,
            bytes_max: 1000,
        });
        let id = id.unwrap().messages[0].id;
        world.ack(other, busy, Standard, &[id], None);
        assert_eq!(names(&mut world, busy), [format!("own:1:1:1:{number}")]);
    }
}

#[test]
fn a_durable_subscription_is_done_with_what_it_leaves_out() {
    let topic = Address::topic("t");
    let mut world = small();
    let (own, other) = (world.connect("own"), world.connect("other"));
    let spec = ConsumerSpec { no_local: true, ..durable_spec(&topic, "d", 10) };
    let consumer = world.consume_with(own, spec).0;
    world.settle();
    for number in 0..40 {
        world.send(own, &topic, message(&format!("own:1:1:1:{number}"), true));
        world.settle();
    }
    world.send(other, &topic, message("other:1:1:1:1", true));
    assert_eq!(names(&mut world, consumer), ["other:1:1:1:1"]);
    let left = world.state.recover(Epoch(9)).destinations[0].messages;
    assert_eq!(left, 1, "what nobody will ever get takes no room");
}

#[test]
fn a_pull_for_which_nothing_can_come_ends_in_time_and_wakes_nobody_meanwhile() {
    let mut world = small();
    let (own, other) = (world.connect("own"), world.connect("other"));
    for number in 0..50 {
        send(&mut world, own, "own", number, true);
    }
    // Another is the only one served, and takes nothing.
    let spec = ConsumerSpec { exclusive: true, ..consumer_spec(&queue(), 0) };
    let exclusive = world.consume_with(other, spec).0;
    let consumer = world.consume(own, &queue(), 0);
    world.settle();
    world.turn(|core| core.pull(consumer, Some(500)));
    world.settle();
    assert!(world.texts(consumer).is_empty());
    world.advance(500);
    world.settle();
    assert_eq!(world.texts(consumer), [("nothing".into(), 0)]);
    assert!(world.core.next_tick() > world.now);
    // The exclusive one goes, and had nothing in hand: the others are served all the same.
    world.turn(|core| core.pull(consumer, Some(500)));
    world.settle();
    world.turn(|core| core.remove_consumer(exclusive, LastDelivered::Nothing));
    assert_eq!(names(&mut world, consumer), ["own:1:1:1:0"]);
}

#[test]
fn an_overdue_pull_waits_for_its_page_without_waking_anybody() {
    let mut world = small();
    let own = world.connect("own");
    send(&mut world, own, "own", 1, true);
    world.settle();
    // Only in the store.
    world.restart();
    let own = world.connect("own");
    let consumer = world.consume(own, &queue(), 0);
    world.turn(|core| core.pull(consumer, None));
    assert!(world.texts(consumer).is_empty());
    assert!(world.core.next_tick() > world.now);
    assert_eq!(names(&mut world, consumer), ["own:1:1:1:1"]);
}

#[test]
fn a_pull_that_was_answered_or_given_up_is_waited_for_no_longer() {
    let mut world = small();
    let own = world.connect("own");
    let consumer = world.consume(own, &queue(), 0);
    world.turn(|core| core.pull(consumer, Some(500)));
    assert_eq!(world.core.next_tick(), world.now + 500);
    send(&mut world, own, "own", 1, true);
    assert_eq!(names(&mut world, consumer), ["own:1:1:1:1"]);
    assert!(
        world.core.next_tick() > world.now + 500,
        "a client that pulls again and again leaves nothing behind"
    );
    world.turn(|core| core.pull(consumer, Some(500)));
    world.turn(|core| core.pull(consumer, Some(700)));
    assert_eq!(world.core.next_tick(), world.now + 700);
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    assert!(world.core.next_tick() > world.now + 700);
}

#[test]
fn a_commit_that_is_sent_again_is_answered_by_what_happened_to_it_alone() {
    let id = |number| kahawai_broker::core::spec::TransactionId { client: "own".into(), number };
    let mut world = small();
    let own = world.connect("own");
    for number in [5, 6, 7] {
        world.turn(|core| core.begin(own, id(number))).unwrap();
        world.send_in(own, &queue(), message(&format!("m{number}"), true), Some(id(number)));
    }
    let commit = |world: &mut World, connection, number, full| {
        let request = world.request();
        world.turn(|core| core.commit(connection, &id(number), Some(request)));
        world.full = full;
        world.settle();
        world.full = false;
        world.answer(request).unwrap().is_ok()
    };
    assert!(commit(&mut world, own, 6, false));
    assert!(!commit(&mut world, own, 7, true));
    for restart in [false, true] {
        if restart {
            world.restart();
        }
        let own = world.connect_with("own", "own", true).unwrap();
        assert!(commit(&mut world, own, 6, false));
        assert!(!commit(&mut world, own, 7, false), "it was rolled back");
        assert!(!commit(&mut world, own, 5, false), "it was never committed, though a later one was");
    }
}
