//! What a client can make the broker hold, and the log say, has an end: names, destinations, subscriptions, topics for
//! advisories, lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::effects::Event;
use kahawai_broker::core::failure::FailureKind;
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::spec::{LastDelivered, Sending, TransactionId};
use kahawai_store::message::Message;
use kahawai_store::names::Epoch;
use support::{World, durable_spec, message};

fn refused(world: &mut World, connection: ConnectionKey, address: &Address) -> FailureKind {
    let request = world.send(connection, address, message("m", true));
    world.settle();
    world.answer(request).unwrap().unwrap_err().kind
}

#[test]
fn destinations_and_durable_subscriptions_end_at_their_limits() {
    let limits = Limits { destinations_max: 3, durables_max: 2, ..Limits::default() };
    let mut world = World::new(limits);
    let connection = world.connect("c");
    for name in ["a", "b", "c"] {
        world.send(connection, &Address::queue(name), message("m", true));
    }
    let more = Address::queue("d");
    assert_eq!(refused(&mut world, connection, &more), FailureKind::ResourceAllocation);
    // In a transaction it is said at once, as the commit could only lose it.
    let id = TransactionId { client: "c".into(), number: 1 };
    world.turn(|core| core.begin(connection, id.clone())).unwrap();
    let request = world.send_in(connection, &more, message("m", true), Some(id));
    assert_eq!(world.answer(request).unwrap().unwrap_err().kind, FailureKind::ResourceAllocation);
    let temporary = Address::new(AddressKind::TemporaryQueue, "t");
    let request = world.request();
    world.turn(|core| core.add_destination(connection, &temporary, Some(request)));
    assert!(world.answer(request).unwrap().is_err());
    let request = world.request();
    world.turn(|core| core.add_producer(connection, "p:1:1".into(), Some(more.clone()), 0)).unwrap_err();
    let consumer = support::consumer_spec(&more, 1);
    let (key, asked) = world.consume_with(connection, consumer);
    assert!(world.answer(asked).unwrap().is_err());
    assert!(!world.core.has_consumer(key), "what is refused is not there");
    assert_eq!(world.answer(request), None);
    // What is there goes on.
    let request = world.send(connection, &Address::queue("a"), message("m", true));
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));

    let pattern = Address::topic("x.>");
    for (name, fits) in [("1", true), ("2", true), ("3", false), ("1", true)] {
        let (key, request) = world.consume_with(connection, durable_spec(&pattern, name, 1));
        world.settle();
        assert_eq!(world.answer(request).unwrap().is_ok(), fits, "{name}");
        if fits {
            world.turn(|core| core.remove_consumer(key, LastDelivered::Nothing));
        }
    }
}

#[test]
fn names_are_looked_at_as_a_whole_before_they_are_taken_apart_or_kept() {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    // Taken apart, each part compared with all others, this would take minutes.
    let long: String = (0..2_000_000).map(|number| format!("{number},")).collect();
    let long = Address::queue(long);
    assert_eq!(refused(&mut world, connection, &long), FailureKind::IllegalState);
    world.turn(|core| core.add_producer(connection, "p".into(), Some(long.clone()), 0)).unwrap_err();
    for add in [true, false] {
        let request = world.request();
        world.turn(|core| match add {
            true => core.add_destination(connection, &long, Some(request)),
            false => core.remove_destination(connection, &long, Some(request)),
        });
        assert!(world.answer(request).unwrap().is_err());
    }
    let (key, request) = world.consume_with(connection, durable_spec(&long, "d", 1));
    assert!(world.answer(request).unwrap().is_err() && !world.core.has_consumer(key));
    let id = TransactionId { client: "c".repeat(5000).into(), number: 1 };
    world.turn(|core| core.begin(connection, id)).unwrap_err();
    let sending = Sending {
        address: Address::queue("q"),
        message: Arc::new(message("m", true)),
        producer: Some("p".repeat(5000).into()),
        sequence: Some(1),
        transaction: None,
        window_bytes: 1,
    };
    let request = world.sending(connection, sending);
    assert!(world.answer(request).unwrap().is_err());
    for nowhere in ["", ",", " , "] {
        let kind = refused(&mut world, connection, &Address::queue(nowhere));
        assert_eq!(kind, FailureKind::InvalidDestination, "{nowhere:?} would lose it silently");
    }
}

#[test]
fn topics_for_advisories_go_with_what_they_are_about() {
    let mut world = World::new(Limits::default());
    let (connection, other) = (world.connect("c"), world.connect("other"));
    world.consume(connection, &Address::topic("ActiveMQ.Advisory.>"), 100_000);
    let mut counts = Vec::new();
    for number in 0..50 {
        let temporary = Address::new(AddressKind::TemporaryQueue, format!("t{number}"));
        world.turn(|core| core.add_destination(connection, &temporary, None));
        world.consume(connection, &temporary, 1);
        let name = format!("other:1:{number}");
        world.turn(|core| core.add_producer(other, name.clone().into(), Some(temporary.clone()), 0)).unwrap();
        world.turn(|core| core.remove_destination(connection, &temporary, None));
        // Whoever sent there says so later.
        world.turn(|core| core.remove_producer(other, &name.into())).unwrap();
        world.settle();
        counts.push(world.core.destination_count());
    }
    assert_eq!(counts.first(), counts.last(), "{counts:?}");
}

#[test]
fn who_consumed_by_a_pattern_and_is_gone_gets_nothing_of_what_comes_to_be() {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    let consumer = world.consume(connection, &Address::queue("a.>"), 10);
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    // The core asserts that whoever it attaches is there.
    let request = world.send(connection, &Address::queue("a.b"), message("m", true));
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    assert!(world.deliveries().is_empty());
}

#[test]
fn the_log_says_one_thing_once_a_second_and_how_often_it_was_not_said() {
    let limits = Limits { memory_bytes_max: 1000, ..Limits::default() };
    let mut world = World::new(limits);
    let connection = world.connect("c");
    let temporary = Address::new(AddressKind::TemporaryQueue, "t");
    world.turn(|core| core.add_destination(connection, &temporary, None));
    let fill = |world: &mut World| {
        for _ in 0..1000 {
            world.send(connection, &temporary, message("m", false));
        }
        std::mem::take(&mut world.notices)
    };
    assert_eq!(fill(&mut world).len(), 1);
    world.advance(1000);
    let lines = fill(&mut world);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("more like it"), "{lines:?}");
}

#[test]
fn a_clean_goodbye_of_many_producers_and_a_table_that_is_too_full_are_few_batches() {
    let limits = Limits { producers_max: 10, ..Limits::default() };
    let send = |world: &mut World, connection, number: i64| {
        let producer = format!("p:{number}:1");
        world.turn(|core| core.add_producer(connection, producer.clone().into(), None, 0)).unwrap();
        let sending = Sending {
            address: Address::queue("q"),
            message: Arc::new(message("m", true)),
            producer: Some(producer.into()),
            sequence: Some(i64::MIN),
            transaction: None,
            window_bytes: 1,
        };
        world.sending(connection, sending);
    };
    let mut world = World::new(Limits { producers_max: 100, ..limits });
    let connection = world.connect("c");
    for number in 0..100 {
        send(&mut world, connection, number);
    }
    world.settle();
    assert_eq!(world.state.recover(Epoch(9)).tables.len(), 100);
    // A sequence that cannot be taken back any further is no reason to fall over.
    world.full = true;
    send(&mut world, connection, 1);
    world.settle();
    world.full = false;
    // The next broker remembers fewer.
    world.restart_with(limits);
    world.settle();
    assert_eq!(world.state.recover(Epoch(9)).tables.len(), 10);
    let connection = world.connect("c");
    for number in 0..10 {
        send(&mut world, connection, 1000 + number);
    }
    world.settle();
    world.turn(|core| core.disconnect(connection, LastDelivered::Unknown, true));
    let mut batches = 0;
    while world.apply() {
        batches += 1;
    }
    assert_eq!((batches, world.state.recover(Epoch(9)).tables.len()), (1, 0));
    assert!(!world.events.iter().any(|(_, event)| matches!(event, Event::Close { .. })));
}

#[test]
fn many_small_transactions_of_what_need_not_survive_end_at_the_memory_limit() {
    let limits = Limits { memory_bytes_max: 100_000, ..Limits::default() };
    let mut world = World::new(limits);
    let connection = world.connect("c");
    let temporary = Address::new(AddressKind::TemporaryQueue, "ID:c:1");
    world.turn(|core| core.add_destination(connection, &temporary, None));
    let mut refused = 0;
    for number in 0..400 {
        let id = TransactionId { client: "c".into(), number };
        world.turn(|core| core.begin(connection, id.clone())).unwrap();
        let address = if number % 2 == 0 { Address::queue("q") } else { temporary.clone() };
        let body = bytes::Bytes::from(vec![0; 1000]);
        world.send_in(connection, &address, Message { body, ..message("m", false) }, Some(id.clone()));
        let request = world.request();
        world.turn(|core| core.commit(connection, &id, Some(request)));
        world.settle();
        match world.answer(request).unwrap() {
            Ok(()) => {}
            Err(failure) => {
                assert!(failure.message.contains("Memory Limit"), "{failure}");
                assert_eq!(failure.kind, FailureKind::TransactionRolledBack);
                assert_eq!(address, temporary, "a queue has the store behind it");
                refused += 1;
            }
        }
        world.events.clear();
    }
    assert!(world.core.memory_bytes() <= 110_000, "{}", world.core.memory_bytes());
    assert!(refused > 100, "{refused}");
    // What the queue has is all there: in memory, then in the store.
    let consumer = world.consume(connection, &Address::queue("q"), 1000);
    world.settle();
    assert_eq!(world.texts(consumer).len(), 200);
}
