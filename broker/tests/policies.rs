//! Policies act: each destination, and who consumes from it, has the one that is meant for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{Policies, Policy};
use kahawai_store::message::Message;
use support::{World, durable_spec, message};

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
