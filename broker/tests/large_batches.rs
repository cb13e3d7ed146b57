//! What is larger than the store takes in one batch still goes through, whole or not at all: large messages in transactions,
//! transactions that acknowledge much, long ranges, copies for many destinations, large dead letters. The simulated store
//! fails the test at every batch beyond its limits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use kahawai_broker::core::address::Address;
use kahawai_broker::core::effects::Event;
use kahawai_broker::core::failure::FailureKind;
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::spec::AcknowledgementKind::{Poison, Standard};
use kahawai_broker::core::spec::{LastDelivered, Sending, TransactionId};
use kahawai_store::message::Message;
use kahawai_store::names::{Epoch, MessageId};
use support::{STORE_LIMITS, World, consumer_spec, message, name_of};

const LARGE: usize = 5 << 20;

fn queue() -> Address {
    Address::queue("q")
}

fn sized(name: &str, bytes: usize) -> Message {
    Message { body: vec![7; bytes].into(), ..message(name, true) }
}

fn transaction() -> TransactionId {
    TransactionId { client: "c".into(), number: 1 }
}

/// A transaction of these, open.
fn begun(sizes: &[usize]) -> (World, ConnectionKey) {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    world.turn(|core| core.begin(connection, transaction())).unwrap();
    for (number, bytes) in sizes.iter().enumerate() {
        let message = sized(&number.to_string(), *bytes);
        let request = world.send_in(connection, &queue(), message, Some(transaction()));
        assert_eq!(world.answer(request), Some(Ok(())));
    }
    (world, connection)
}

fn commit(world: &mut World, connection: ConnectionKey) {
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(), Some(request)));
    assert_eq!(world.answer(request), None, "not durable yet");
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
}

fn stored(world: &World) -> u64 {
    world.state.recover(Epoch(9)).destinations.iter().map(|state| state.messages).sum()
}

#[test]
fn transactions_of_any_size_commit_whole_and_in_order() {
    let small = vec![1000; 3000];
    let mixed = [&[100][..], &[LARGE, 100, LARGE, LARGE, 100], &[300 << 10; 5]].concat();
    for sizes in [
        vec![LARGE],
        vec![LARGE, LARGE, LARGE],
        mixed,
        small,
        vec![(1 << 20) - 300],
        vec![500 << 10, 500 << 10],
    ] {
        let (mut world, connection) = begun(&sizes);
        world.settle();
        assert_eq!(stored(&world), 0);
        commit(&mut world, connection);
        assert_eq!(stored(&world), sizes.len() as u64);
        assert!(world.state.recover(Epoch(9)).prepared.is_empty());
        let taker = world.connect("taker");
        let consumer = world.consume(taker, &queue(), 10_000);
        let mut found = Vec::new();
        loop {
            world.settle();
            let some = world.texts(consumer);
            if some.is_empty() {
                break;
            }
            found.extend(some.into_iter().map(|(name, _)| name.parse::<usize>().unwrap()));
        }
        assert_eq!(found, (0..sizes.len()).collect::<Vec<_>>());
    }
}

#[test]
fn large_transactions_roll_back_to_nothing() {
    for sizes in [vec![LARGE], vec![LARGE, LARGE, 10, LARGE]] {
        let (mut world, connection) = begun(&sizes);
        assert!(world.apply() && world.apply(), "the queue and a chunk");
        let request = world.request();
        world.turn(|core| core.rollback(connection, &transaction(), Some(request)));
        assert_eq!(world.answer(request), Some(Ok(())));
        world.settle();
        assert_eq!(stored(&world), 0);
        assert!(world.state.recover(Epoch(9)).prepared.is_empty());
    }
}

#[test]
fn large_transactions_whose_broker_dies_before_it_decides_leave_nothing() {
    for sizes in [vec![LARGE], vec![LARGE, LARGE, 10, LARGE]] {
        for batches in 0..100 {
            let (mut world, connection) = begun(&sizes);
            let request = world.request();
            world.turn(|core| core.commit(connection, &transaction(), Some(request)));
            let mut applied = 0;
            while applied < batches {
                if world.apply() {
                    applied += 1;
                } else if !world.complete() {
                    break;
                }
            }
            let decided = stored(&world) > 0;
            world.restart();
            world.settle();
            let all = if decided { sizes.len() as u64 } else { 0 };
            assert_eq!(stored(&world), all, "all or nothing after {batches} batches");
            assert!(world.state.recover(Epoch(9)).prepared.is_empty());
            if decided {
                assert!(batches > sizes.len());
                break;
            }
        }
    }
}

/// A queue of `count` small messages, all with one consumer.
fn consumed(count: usize) -> (World, ConnectionKey, kahawai_broker::core::keys::ConsumerKey, Vec<MessageId>) {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    for number in 0..count {
        world.send(connection, &queue(), message(&number.to_string(), true));
    }
    world.settle();
    world.events.clear();
    let consumer = world.consume(connection, &queue(), count as u32);
    let mut ids = Vec::new();
    while ids.len() < count {
        world.settle();
        ids.extend(world.deliveries().iter().map(|delivery| delivery.id));
    }
    (world, connection, consumer, ids)
}

#[test]
fn as_many_acknowledgements_as_a_client_likes_are_one_range_or_one_transaction() {
    const COUNT: usize = 40_000;
    let (mut world, connection, consumer, ids) = consumed(COUNT);
    let range = [ids[0], ids[COUNT / 2 - 1]];
    let request = world.ack(connection, consumer, Standard, &range, None);
    while world.apply() {}
    assert_eq!(world.answer(request), None, "not before the last is durable");
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    assert_eq!(stored(&world), COUNT as u64 / 2);

    world.turn(|core| core.begin(connection, transaction())).unwrap();
    let range = [ids[COUNT / 2], ids[COUNT - 1]];
    world.ack(connection, consumer, Standard, &range, Some(transaction()));
    world.settle();
    assert_eq!(stored(&world), COUNT as u64 / 2);
    commit(&mut world, connection);
    assert_eq!(stored(&world), 0);
    assert!(world.state.recover(Epoch(9)).prepared.is_empty());
}

#[test]
fn a_large_transaction_of_acknowledgements_that_finds_the_store_full_gives_them_back() {
    const COUNT: usize = 20_000;
    let (mut world, connection, consumer, ids) = consumed(COUNT);
    world.turn(|core| core.begin(connection, transaction())).unwrap();
    world.ack(connection, consumer, Standard, &[ids[0], ids[COUNT - 1]], Some(transaction()));
    world.full = true;
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(), Some(request)));
    world.settle();
    let failure = world.answer(request).unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransactionRolledBack);
    world.full = false;
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    assert_eq!(stored(&world), COUNT as u64);
    let taker = world.connect("taker");
    let consumer = world.consume(taker, &queue(), 1);
    world.settle();
    assert_eq!(world.texts(consumer), [("0".into(), 0)]);
}

#[test]
fn small_sends_before_a_large_one_in_the_same_turn_do_not_make_a_batch_too_large() {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    let requests: Vec<_> = (0..3).map(|_| world.request()).collect();
    world.turn(|core| {
        for (request, bytes) in requests.iter().zip([400 << 10, 900 << 10, LARGE]) {
            let sending = Sending {
                address: queue(),
                message: Arc::new(sized("m", bytes)),
                producer: Some("p:1:1".into()),
                sequence: Some(i64::from(request.0)),
                transaction: None,
                window_bytes: 1,
            };
            core.send(connection, sending, Some(*request));
        }
    });
    world.settle();
    for request in requests {
        assert_eq!(world.answer(request), Some(Ok(())));
    }
    assert_eq!(stored(&world), 3);
}

#[test]
fn copies_for_several_destinations_are_stored_all_or_none() {
    let all = Address::queue("a,b,c,d");
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    let request = world.send(connection, &all, sized("m", 400 << 10));
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    assert_eq!(stored(&world), 4);
    // The store fills up in between: whoever is told so has stored none.
    for batches in 0..60 {
        let mut world = World::new(Limits::default());
        let connection = world.connect("c");
        let request = world.send(connection, &all, sized("m", if batches % 2 == 0 { 10 } else { 400 << 10 }));
        for _ in 0..batches / 2 {
            if !world.apply() {
                world.complete();
            }
        }
        world.full = true;
        world.settle();
        world.full = false;
        world.settle();
        let answered = world.answer(request).unwrap().is_ok();
        assert_eq!(stored(&world), if answered { 4 } else { 0 }, "after {batches}");
        assert!(answered || batches < 40);
    }
}

#[test]
fn a_large_message_becomes_a_dead_letter_and_is_never_in_neither_place() {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 1);
    world.send(connection, &queue(), sized("m", LARGE));
    world.settle();
    let id = world.deliveries()[0].id;
    // Its bytes are not kept in memory: it is read again for that.
    world.ack(connection, consumer, Poison(Some("cause".into())), &[id], None);
    while world.apply() || world.complete() || world.make_page(0) || world.give_page(0) {
        assert!(stored(&world) >= 1);
    }
    let state = world.state.recover(Epoch(9));
    let count = |name: &str| {
        state.destinations.iter().find(|found| *found.destination.name == *name).unwrap().messages
    };
    assert_eq!((count("q"), count("ActiveMQ.DLQ")), (0, 1));
    let letters = world.consume_with(connection, consumer_spec(&Address::queue("ActiveMQ.DLQ"), 1)).0;
    world.settle();
    let found = world.deliveries();
    assert_eq!((found[0].consumer, name_of(&found[0])), (letters, "m".into()));
}

#[test]
fn what_is_not_stored_and_too_much_for_a_transaction_spoils_it_and_leaves_nothing_prepared() {
    let mut world = World::new(Limits { transaction_bytes_max: 4 << 10, ..Limits::default() });
    let connection = world.connect("c");
    world.turn(|core| core.begin(connection, transaction())).unwrap();
    let mut refused = false;
    for number in 0..200 {
        let message = Message { body: vec![7; 1000].into(), ..message(&number.to_string(), number % 2 == 0) };
        let request = world.send_in(connection, &queue(), message, Some(transaction()));
        refused |= world.answer(request).unwrap().is_err();
    }
    assert!(refused);
    world.settle();
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(), Some(request)));
    world.settle();
    let failure = world.answer(request).unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransactionRolledBack, "what was taken before would be missing");
    assert_eq!(stored(&world), 0);
    assert!(world.state.recover(Epoch(9)).prepared.is_empty());
}

#[test]
fn a_destination_that_an_open_transaction_has_prepared_for_is_not_removed() {
    let (mut world, connection) = begun(&[LARGE]);
    world.settle();
    let request = world.request();
    world.turn(|core| core.remove_destination(connection, &queue(), Some(request)));
    assert!(world.answer(request).unwrap().is_err());
    commit(&mut world, connection);
    let request = world.request();
    world.turn(|core| core.remove_destination(connection, &queue(), Some(request)));
    world.settle();
    assert_eq!((world.answer(request), stored(&world)), (Some(Ok(())), 0));
}

#[test]
fn a_producer_with_a_window_hears_of_what_it_sends_in_a_transaction() {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    world.turn(|core| core.add_producer(connection, "c:1:1".into(), Some(queue()), 1000)).unwrap();
    world.turn(|core| core.begin(connection, transaction())).unwrap();
    world.turn(|core| {
        let sending = Sending {
            address: queue(),
            message: Arc::new(message("m", true)),
            producer: Some("c:1:1".into()),
            sequence: Some(1),
            transaction: Some(transaction()),
            window_bytes: 300,
        };
        core.send(connection, sending, None);
    });
    let taken =
        world.events.iter().any(|(_, event)| matches!(event, Event::ProducerTaken { bytes: 300, .. }));
    assert!(taken, "else it waits for ever");
    assert_eq!(STORE_LIMITS.batch_bytes_max, 1 << 20);
}
