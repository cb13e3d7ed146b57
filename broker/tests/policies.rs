//! Policies act: each destination, and who consumes from it, has the one that is meant for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::effects::Event;
use kahawai_broker::core::failure::FailureKind;
use kahawai_broker::core::keys::{ConnectionKey, ConsumerKey};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{Policies, Policy, Prefetch};
use kahawai_broker::core::spec::AcknowledgementKind::Standard;
use kahawai_broker::core::spec::ConsumerSpec;
use kahawai_store::batch::Durability;
use kahawai_store::message::Message;
use support::{Random, World, consumer_spec, durable_spec, message, name_of};

/// The default, but for these.
fn world(entries: &[(Address, Policy)]) -> World {
    let mut policies = Policies::default();
    for (address, policy) in entries {
        assert!(policies.add(address, policy.clone()));
    }
    World::with_policies(Limits::default(), policies)
}

/// What these bytes of a message take by its own reckoning, and a message of so many.
fn sized(body: usize) -> (usize, Message) {
    let body = bytes::Bytes::from(vec![0; body]);
    let message = Message { body, ..message("m", true) };
    (message.size(), message)
}

fn send_many(world: &mut World, connection: ConnectionKey, address: &Address, count: usize) {
    for _ in 0..count {
        world.send(connection, address, sized(100).1);
    }
    world.settle();
}

#[test]
fn queues_and_subscriptions_hold_in_memory_what_their_own_policy_lets_them() {
    let few = Policy { window_messages_max: 3, ..Policy::default() };
    let mut world = world(&[(Address::queue("few.>"), few.clone()), (Address::topic("few.>"), few)]);
    let size = sized(100).0;
    let connection = world.connect("c");
    let mut before = 0;
    let mut held = |world: &World| {
        let held = (world.core.memory_bytes() - before) / size;
        before = world.core.memory_bytes();
        held
    };
    send_many(&mut world, connection, &Address::queue("many"), 50);
    assert_eq!(held(&world), 50);
    send_many(&mut world, connection, &Address::queue("few.a"), 50);
    assert_eq!(held(&world), 3);
    for (topic, expected) in [("many", 49), ("few.a", 3)] {
        let topic = Address::topic(topic);
        world.consume_with(connection, durable_spec(&topic, &topic.name, 1));
        world.settle();
        send_many(&mut world, connection, &topic, 50);
        assert_eq!(held(&world), expected, "{topic}, of which its subscriber has one");
    }
}

#[test]
fn a_store_that_is_served_again_is_served_by_the_policies_of_its_destinations() {
    let few = Policy { window_messages_max: 3, page_messages_max: 2, ..Policy::default() };
    let mut world = world(&[(Address::queue("few.>"), few)]);
    let connection = world.connect("c");
    send_many(&mut world, connection, &Address::queue("few.a"), 50);
    send_many(&mut world, connection, &Address::queue("many"), 50);
    world.restart();
    let connection = world.connect("c");
    world.consume(connection, &Address::queue("few.a"), 1);
    world.settle();
    assert!(world.core.memory_bytes() <= 3 * sized(100).0, "{}", world.core.memory_bytes());
    world.consume(connection, &Address::queue("many"), 1);
    world.settle();
    assert!(world.core.memory_bytes() >= 49 * sized(100).0, "{}", world.core.memory_bytes());
}

#[test]
fn senders_wait_for_subscribers_by_the_policy_of_what_they_subscribe_to() {
    let impatient = Policy { topic_pending_bytes_max: 2000, slow_subscriber_hold: 1000, ..Policy::default() };
    let temporary = Address::new(AddressKind::TemporaryTopic, ">");
    for (entries, expected) in [(vec![(temporary, impatient)], true), (Vec::new(), false)] {
        let mut world = world(&entries);
        let (slow, sender) = (world.connect("slow"), world.connect("sender"));
        let topic = Address::new(AddressKind::TemporaryTopic, "ID:slow:1");
        world.turn(|core| core.add_destination(slow, &topic, None));
        world.consume(slow, &topic, 1);
        send_many(&mut world, sender, &topic, 50);
        assert_eq!(world.core.may_read(sender), !expected);
    }
}

#[test]
fn a_temporary_queue_takes_what_its_memory_limit_lets_it_and_says_why_no_more() {
    let size = sized(100).0;
    let limited = Policy { memory_limit: Some(3 * size), ..Policy::default() };
    let mut world = world(&[(Address::new(AddressKind::TemporaryQueue, ">"), limited)]);
    let connection = world.connect("c");
    let queue = Address::new(AddressKind::TemporaryQueue, "ID:c:1");
    world.turn(|core| core.add_destination(connection, &queue, None));
    for number in 0..5 {
        let request = world.send(connection, &queue, sized(100).1);
        let answer = world.answer(request).unwrap();
        assert_eq!(answer.is_ok(), number < 3, "{answer:?}");
        if let Err(failure) = answer {
            assert_eq!(failure.kind, FailureKind::ResourceAllocation);
            assert!(failure.message.contains("ID:c:1") && failure.message.contains("limit"), "{failure}");
        }
    }
    let consumer = world.consume(connection, &queue, 1);
    let found = world.deliveries();
    world.ack(connection, consumer, Standard, &[found[0].id], None);
    let request = world.send(connection, &queue, sized(100).1);
    assert!(world.answer(request).unwrap().is_ok(), "there is room again");
}

/// Each message of a producer that need not be stored comes once and in order, whether it came by memory or by the store.
#[test]
fn what_need_not_be_stored_keeps_its_order_where_a_queue_reaches_its_memory_limit_and_is_emptied_again() {
    let size = sized(100).0;
    let mut stored = 0;
    for seed in 1..200 {
        let mut random = Random::new(seed);
        let limited = Policy { memory_limit: Some(4 * size), page_messages_max: 3, ..Policy::default() };
        let mut world = world(&[(Address::queue(">"), limited)]);
        let (taker, sender) = (world.connect("taker"), world.connect("sender"));
        let queue = Address::queue("q");
        // The store's first arrival is number 0, which the core cannot tell from none.
        send_many(&mut world, sender, &Address::queue("other"), 1);
        let consumer = world.consume(taker, &queue, 1 + random.below(3) as u32);
        let (mut sent, mut taken, mut has) = (0, Vec::new(), Vec::new());
        for _ in 0..600 {
            match random.below(100) {
                0..40 => {
                    let body = bytes::Bytes::from(vec![0; 100]);
                    world.send(sender, &queue, Message { body, ..message(&sent.to_string(), false) });
                    sent += 1;
                }
                40..50 => stored += usize::from(world.apply()),
                50..60 => drop(world.complete()),
                60..70 => drop(world.make_page(random.below(3))),
                70..80 => drop(world.give_page(random.below(3))),
                _ if random.chance(if sent % 60 < 30 { 20 } else { 95 }) => {
                    has.extend(world.deliveries());
                    take(&mut world, taker, consumer, &mut has, &mut taken);
                }
                _ => {}
            }
            assert!(world.core.memory_bytes() <= 6 * size, "seed {seed}: {}", world.core.memory_bytes());
        }
        loop {
            world.settle();
            has.extend(world.deliveries());
            if has.is_empty() {
                break;
            }
            take(&mut world, taker, consumer, &mut has, &mut taken);
        }
        let expected: Vec<_> = (0..sent).map(|number| number.to_string()).collect();
        assert_eq!(taken, expected, "seed {seed}");
    }
    assert!(stored > 1000, "the limit was reached: {stored}");
}

/// Acknowledges what a consumer has.
fn take(
    world: &mut World,
    connection: ConnectionKey,
    consumer: ConsumerKey,
    has: &mut Vec<kahawai_broker::core::effects::Delivery>,
    taken: &mut Vec<String>,
) {
    let ids: Vec<_> = has.iter().map(|delivery| delivery.id).collect();
    taken.extend(has.drain(..).map(|delivery| name_of(&delivery)));
    if !ids.is_empty() {
        world.ack(connection, consumer, Standard, &ids, None);
    }
}

#[test]
fn no_bound_of_a_policy_is_beyond_its_memory_limit() {
    let mut policies = Policies::new(Policy { memory_limit: Some(10), ..Policy::default() });
    assert!(policies.add(&Address::queue("q"), Policy { memory_limit: Some(20), ..Policy::default() }));
    for (address, expected) in [(Address::queue("q"), 20), (Address::queue("other"), 10)] {
        let policy = policies.of(&address);
        assert_eq!((policy.window_bytes_max, policy.topic_pending_bytes_max), (expected, expected));
    }
}

#[test]
fn consumers_take_as_many_in_advance_as_their_policy_says_if_they_ask_for_what_is_usual() {
    let prefetch = Prefetch { queue: 3, topic: 4, durable_topic: 0, ..Prefetch::default() };
    let policy = Policy { prefetch, ..Policy::default() };
    let mut world = world(&[(Address::queue("few"), policy.clone()), (Address::topic("few"), policy)]);
    let connection = world.connect("c");
    let mut dispatched = |spec: ConsumerSpec| {
        let address = spec.address.clone();
        let (consumer, _) = world.consume_with(connection, spec);
        world.settle();
        let told = world.events.iter().find_map(|(_, event)| match event {
            Event::Prefetch { consumer: key, prefetch } if *key == consumer => Some(*prefetch),
            _ => None,
        });
        send_many(&mut world, connection, &address, 20);
        let found = world.deliveries();
        let found = found.iter().filter(|delivery| delivery.consumer == consumer).count();
        world.turn(|core| core.remove_consumer(consumer, kahawai_broker::core::spec::LastDelivered::Nothing));
        (found, told)
    };
    let (few, other) = (Address::queue("few"), Address::queue("other"));
    assert_eq!(dispatched(consumer_spec(&other, 1000)), (20, None));
    assert_eq!(dispatched(consumer_spec(&few, 1000)), (3, None));
    assert_eq!(dispatched(consumer_spec(&few, 7)), (7, None));
    assert_eq!(dispatched(consumer_spec(&Address::topic("few"), 32_767)), (4, None));
    // Its client would wait for what is not sent to it unless it is asked for.
    assert_eq!(dispatched(durable_spec(&Address::topic("few"), "d", 100)), (0, Some(0)));
}

#[test]
fn what_is_sent_and_taken_is_as_durable_as_the_policy_of_its_destination_says_also_after_a_restart() {
    let weak = Policy { journal_disk_sync_strategy: Some(Durability::Never), ..Policy::default() };
    let mut world = world(&[(Address::queue("weak.>"), weak)]);
    let (weak, usual) = (Address::queue("weak.a"), Address::queue("usual"));
    for _ in 0..2 {
        let connection = world.connect("c");
        for address in [&weak, &usual] {
            world.send(connection, address, message("m", true));
            world.settle();
        }
        world.send(connection, &weak, message("m", true));
        assert_eq!(world.levels(), [Some(Durability::Never)]);
        world.settle();
        world.send(connection, &usual, message("m", true));
        assert_eq!(world.levels(), [None], "the store's own");
        world.settle();
        let consumer = world.consume(connection, &weak, 1);
        world.settle();
        let delivery = world.deliveries().pop().expect("a message");
        world.ack(connection, consumer, Standard, &[delivery.id], None);
        assert_eq!(world.levels(), [Some(Durability::Never)]);
        world.settle();
        world.restart();
    }
}

/// Everything is under the other policies at once, but for consumers that were told what they may take.
#[test]
fn policies_that_are_replaced_hold_for_what_is_there() {
    let size = sized(100).0;
    let few = Policy {
        window_messages_max: 3,
        memory_limit: Some(3 * size),
        expire_messages_period: 0,
        prefetch: Prefetch { queue: 2, ..Prefetch::default() },
        ..Policy::default()
    };
    let temporary = Address::new(AddressKind::TemporaryQueue, ">");
    let entries = [(Address::queue("few.>"), few.clone()), (temporary.clone(), few.clone())];
    let mut world = world(&entries);
    let connection = world.connect("c");
    let (queue, usual) = (Address::queue("few.a"), Address::queue("usual"));
    let reply = Address::new(AddressKind::TemporaryQueue, "ID:c:1");
    world.turn(|core| core.add_destination(connection, &reply, None));
    send_many(&mut world, connection, &queue, 20);
    send_many(&mut world, connection, &usual, 1);
    assert_eq!(world.core.memory_bytes(), 4 * size, "three of the first, and one of the other");
    let (_, mut late) = sized(100);
    late.header.expiration = world.now + 10;
    world.send(connection, &queue, late);
    world.settle();
    world.advance(100_000);
    world.settle();
    let dead = Address::queue("ActiveMQ.DLQ");
    let is_dead = |world: &mut World| world.turn(|core| core.destination_count());
    let before = is_dead(&mut world);
    let usual_prefetch = |address: &Address| ConsumerSpec { prefetch: 1000, ..consumer_spec(address, 1) };
    let (consumer, first) = world.consume_with(connection, usual_prefetch(&queue));
    world.settle();
    let found = world.deliveries();
    assert_eq!((world.answer(first), found.len()), (Some(Ok(())), 2));

    let more = Policy {
        window_messages_max: 10,
        journal_disk_sync_strategy: Some(Durability::Never),
        expire_messages_period: 1000,
        ..Policy::default()
    };
    let mut policies = Policies::default();
    assert!(policies.add(&Address::queue("few.*"), more));
    let count = world.turn(|core| core.replace_policies(policies.clone()));
    assert_eq!(count, 2, "the queue and the temporary one");
    let ids: Vec<_> = found.iter().map(|delivery| delivery.id).collect();
    world.ack(connection, consumer, Standard, &ids, None);
    world.settle();
    assert_eq!(world.deliveries().len(), 2, "as many as it was told");
    assert!(world.core.memory_bytes() > 8 * size, "more is read: {}", world.core.memory_bytes());
    world.send(connection, &queue, sized(100).1);
    assert_eq!(world.levels(), [Some(Durability::Never)]);
    world.settle();
    for _ in 0..5 {
        let request = world.send(connection, &reply, sized(100).1);
        assert_eq!(world.answer(request), Some(Ok(())), "it has no limit of its own any more");
    }
    world.advance(1100);
    world.settle();
    assert_eq!(is_dead(&mut world), before + 1, "what expired is found, and goes to {dead}");
    assert_eq!(world.turn(|core| core.replace_policies(policies)), 0, "nothing is another");
    world.turn(|core| core.replace_policies(Policies::default()));
    world.send(connection, &queue, sized(100).1);
    assert_eq!(world.levels(), [None]);
}
