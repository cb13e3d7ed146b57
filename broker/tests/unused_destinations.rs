//! Destinations that nobody uses go where their policy says so, and never with anything in them or on its way to them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use kahawai_broker::core::address::Address;
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{Policies, Policy};
use kahawai_broker::core::spec::AcknowledgementKind::Standard;
use kahawai_broker::core::spec::{ConsumerSpec, LastDelivered, TransactionId};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::names::{DestinationId, Epoch, MessageId, Xid};
use support::{Random, World, consumer_spec, durable_spec, message};

/// Looked at every 10 s; what nobody has used for 30 s goes, but for what begins with `lasting`.
fn world() -> World {
    let policy =
        Policy { gc_inactive_destinations: true, inactive_timeout_before_gc: 30_000, ..Policy::default() };
    let mut policies = Policies::new(policy);
    assert!(policies.add(&Address::queue("lasting.>"), Policy::default()));
    let mut world = World::with_policies(Limits::default(), policies);
    world.purge = (10_000, 0);
    world.restart();
    world
}

/// What the store has, by name, with the messages in it.
fn stored(world: &World) -> Vec<(String, u64)> {
    let found = world.state.recover(Epoch(99)).destinations;
    let mut found: Vec<_> =
        found.iter().map(|found| (found.destination.name.to_string(), found.messages)).collect();
    found.sort();
    found
}

fn has(world: &World, name: &str) -> bool {
    stored(world).iter().any(|(found, _)| found == name)
}

/// Lets time pass, 10 s at a time.
fn pass(world: &mut World, seconds: usize) {
    for _ in 0..seconds / 10 {
        world.advance(10_000);
        world.settle();
    }
}

fn make(world: &mut World, connection: ConnectionKey, address: &Address) {
    world.turn(|core| core.add_destination(connection, address, None));
    world.settle();
}

#[test]
fn what_nobody_uses_for_long_enough_goes_where_its_policy_says_so() {
    let mut world = world();
    let connection = world.connect("c");
    for address in [Address::queue("q"), Address::topic("t"), Address::queue("lasting.q")] {
        make(&mut world, connection, &address);
    }
    pass(&mut world, 30);
    assert!(has(&world, "q") && has(&world, "t"), "unused for 20 s by then, as far as was seen");
    pass(&mut world, 10);
    assert_eq!(stored(&world), [("lasting.q".to_owned(), 0)]);
    assert!(world.notices.iter().any(|text| text.contains("gcInactiveDestinations")), "{:?}", world.notices);
    world.send(connection, &Address::queue("q"), message("m", true));
    world.settle();
    assert_eq!(stored(&world), [("lasting.q".to_owned(), 0), ("q".to_owned(), 1)], "it is made again");
}

#[test]
fn what_is_used_or_holds_something_stays() {
    let mut world = world();
    let connection = world.connect("c");
    for name in ["consumed", "browsed", "produced", "full", "emptied", "looked at", "unacknowledged"] {
        make(&mut world, connection, &Address::queue(name));
    }
    for name in ["subscribed", "kept"] {
        make(&mut world, connection, &Address::topic(name));
    }
    world.consume(connection, &Address::queue("consumed"), 1);
    let browser = ConsumerSpec { browser: true, ..consumer_spec(&Address::queue("browsed"), 1) };
    world.consume_with(connection, browser);
    world
        .turn(|core| core.add_producer(connection, "p".into(), Some(Address::queue("produced")), 0))
        .unwrap();
    world.consume(connection, &Address::topic("subscribed"), 1);
    let (keeper, _) = world.consume_with(connection, durable_spec(&Address::topic("kept"), "kept", 1));
    world.settle();
    world.turn(|core| core.remove_consumer(keeper, LastDelivered::Nothing));
    for name in ["full", "emptied", "unacknowledged"] {
        world.send(connection, &Address::queue(name), message("m", name == "emptied"));
    }
    world.settle();
    // What was acknowledged in a transaction comes back if it is rolled back, though its consumer has gone.
    let open = TransactionId { client: "c".into(), number: 1 };
    world.turn(|core| core.begin(connection, open.clone())).unwrap();
    for (name, transaction) in [("emptied", None), ("unacknowledged", Some(open.clone()))] {
        let consumer = world.consume(connection, &Address::queue(name), 1);
        world.settle();
        let id = world.deliveries().pop().unwrap().id;
        world.ack(connection, consumer, Standard, &[id], transaction);
        world.settle();
        world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    }
    pass(&mut world, 30);
    // Who comes and goes between two looks has used it too.
    let consumer = world.consume(connection, &Address::queue("looked at"), 1);
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    pass(&mut world, 30);
    for name in
        ["consumed", "browsed", "produced", "full", "looked at", "unacknowledged", "subscribed", "kept"]
    {
        let there = stored(&world).iter().any(|(found, _)| found == name);
        assert!(there, "{name} of {:?}", stored(&world));
    }
    assert!(!has(&world, "emptied"));
    world.turn(|core| core.rollback(connection, &open, None));
    let consumer = world.consume(connection, &Address::queue("unacknowledged"), 1);
    world.settle();
    assert_eq!(world.texts(consumer).len(), 1);
}

#[test]
fn no_more_go_at_a_time_than_is_said() {
    let mut world = world();
    world.purge = (10_000, 2);
    world.restart();
    let connection = world.connect("c");
    for number in 0..5 {
        make(&mut world, connection, &Address::queue(format!("q{number}")));
    }
    pass(&mut world, 40);
    assert_eq!(stored(&world).len(), 3);
    pass(&mut world, 20);
    assert_eq!(stored(&world).len(), 0);
}

#[test]
fn none_go_beside_a_prepared_transaction_which_may_have_anything_for_them() {
    let mut world = world();
    let (id, xid) = (DestinationId(90), Xid { format: 1, global: vec![1].into(), branch: vec![2].into() });
    let destination = Destination { id, kind: DestinationKind::Queue, name: "q".into() };
    let sent = Arc::new(message("m", true));
    let sent = Operation::Enqueue { id: MessageId(900), destination: id, rank: 0, message: sent };
    let prepare = Operation::Prepare { xid, operations: vec![sent] };
    world.state.apply(Batch::new(vec![Operation::CreateDestination(destination), prepare])).unwrap();
    world.restart();
    pass(&mut world, 100);
    assert!(has(&world, "q"));
    assert!(world.notices.iter().any(|text| text.contains("gcInactiveDestinations")), "{:?}", world.notices);
}

/// Whatever is under way when they go, what was sent and answered is there to be consumed.
#[test]
fn nothing_that_was_sent_goes_with_its_queue() {
    let mut purged = 0;
    for seed in 1..300 {
        let mut random = Random::new(seed);
        let mut world = world();
        let connection = world.connect("c");
        let open = TransactionId { client: "c".into(), number: 1 };
        let (mut sent, mut taken, mut in_transaction) = (0, 0, false);
        for _ in 0..400 {
            let queue = Address::queue(["a", "b"][random.below(2)]);
            match random.below(100) {
                0..8 => {
                    if in_transaction && random.chance(50) {
                        world.send_in(
                            connection,
                            &queue,
                            message("t", random.chance(50)),
                            Some(open.clone()),
                        );
                    } else {
                        world.send(connection, &queue, message("m", random.chance(80)));
                    }
                    sent += 1;
                }
                8..11 if !in_transaction => {
                    in_transaction = world.turn(|core| core.begin(connection, open.clone())).is_ok();
                }
                8..11 => {
                    world.turn(|core| core.commit(connection, &open, None));
                    in_transaction = false;
                }
                11..25 => drop(world.apply()),
                25..40 => drop(world.complete()),
                40..50 => drop(world.make_page(0)),
                50..60 => drop(world.give_page(0)),
                60..75 => taken += consume_all(&mut world, connection, &queue),
                _ => {
                    let before = world.core.destination_count();
                    world.advance(10_000);
                    purged += usize::from(world.core.destination_count() < before);
                }
            }
        }
        if in_transaction {
            world.turn(|core| core.commit(connection, &open, None));
        }
        world.settle();
        for queue in ["a", "b"] {
            loop {
                let found = consume_all(&mut world, connection, &Address::queue(queue));
                world.settle();
                taken += found;
                if found == 0 {
                    break;
                }
            }
        }
        assert_eq!(taken, sent, "seed {seed}");
    }
    assert!(purged > 300, "queues went: {purged}");
}

/// Consumes what comes without waiting for the store longer than once, and goes.
fn consume_all(world: &mut World, connection: ConnectionKey, queue: &Address) -> usize {
    let consumer = world.consume(connection, queue, 100);
    world.settle();
    let ids: Vec<_> = world.deliveries().iter().map(|delivery| delivery.id).collect();
    if !ids.is_empty() {
        world.ack(connection, consumer, Standard, &ids, None);
    }
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    ids.len()
}

#[test]
fn what_is_there_from_the_start_on_is_kept_and_goes_as_others_do() {
    let mut world = world();
    for address in
        [Address::queue("q"), Address::topic("t"), Address::queue("lasting.q"), Address::queue("q")]
    {
        world.turn(|core| core.make_at_start(&address)).unwrap();
    }
    world.settle();
    assert!(["q", "t", "lasting.q"].iter().all(|name| has(&world, name)), "{:?}", stored(&world));
    world.restart();
    world.turn(|core| core.make_at_start(&Address::queue("q"))).unwrap();
    world.settle();
    assert_eq!(stored(&world).len(), 3, "one that is there is not made again");
    pass(&mut world, 40);
    assert_eq!(stored(&world), [("lasting.q".to_owned(), 0)]);
    let none = world.turn(|core| core.make_at_start(&Address::queue("")));
    assert!(none.is_err());
}
