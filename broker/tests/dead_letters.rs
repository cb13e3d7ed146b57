//! Messages that cannot be consumed or came too late: where they go, and what they say of themselves there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::effects::Payload;
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::Policy;
use kahawai_broker::core::spec::AcknowledgementKind::{Expired, Poison, Standard};
use kahawai_broker::core::spec::{LastDelivered, TransactionId};
use kahawai_store::message::Message;
use support::{World, consumer_spec, durable_spec, message, name_of};

fn world() -> World {
    World::new(Limits::default())
}

fn with_policy(policy: Policy) -> World {
    World::with_policy(Limits::default(), policy)
}

fn queue() -> Address {
    Address::queue("q")
}

fn letters() -> Address {
    Address::queue("ActiveMQ.DLQ")
}

fn names(found: &[(String, u32)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.as_str()).collect()
}

/// Lets the one message of a queue fail, for this reason if any.
fn fail(world: &mut World, connection: ConnectionKey, address: &Address, cause: Option<&str>) {
    let consumer = world.consume(connection, address, 10);
    world.settle();
    let id = world.deliveries()[0].id;
    world.ack(connection, consumer, Poison(cause.map(str::to_owned)), &[id], None);
    world.settle();
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
}

/// Takes the one dead letter out.
fn take_letter(world: &mut World, connection: ConnectionKey) -> Message {
    let consumer = world.consume(connection, &letters(), 10);
    world.settle();
    let found = world.deliveries();
    assert_eq!(found.len(), 1, "{found:?}");
    let Payload::Message(message) = &found[0].payload else { panic!("no message") };
    world.ack(connection, consumer, Expired, &[found[0].id], None);
    world.settle();
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    (**message).clone()
}

fn properties(message: &Message) -> String {
    String::from_utf8_lossy(&message.properties).into_owned()
}

#[test]
fn a_dead_letter_that_was_moved_and_failed_again_says_where_it_failed_last_and_why() {
    let mut world = world();
    let connection = world.connect("c");
    world.send(connection, &Address::queue("a"), message("m", true));
    fail(&mut world, connection, &Address::queue("a"), Some("bad at a"));
    let letter = take_letter(&mut world, connection);
    assert_eq!(letter.header.original_destination.as_deref(), Some("queue://a"));
    // It is moved to another queue as it is, and fails there.
    world.send(connection, &Address::queue("b"), letter);
    fail(&mut world, connection, &Address::queue("b"), None);
    let letter = take_letter(&mut world, connection);
    assert_eq!(letter.header.original_destination.as_deref(), Some("queue://b"));
    assert!(!properties(&letter).contains("bad at a"), "an old cause is told: {}", properties(&letter));
}

#[test]
fn poison_and_expired_messages_of_a_temporary_queue_go_to_the_dead_letter_queue_too() {
    let mut world = world();
    let connection = world.connect("c");
    let temporary = Address::new(AddressKind::TemporaryQueue, "ID:c:1");
    world.turn(|core| core.add_destination(connection, &temporary, None));
    world.send(connection, &temporary, message("m", true));
    fail(&mut world, connection, &temporary, Some("bad"));
    let letter = take_letter(&mut world, connection);
    assert_eq!(letter.header.original_destination.as_deref(), Some("temp-queue://ID:c:1"));
    let mut late = message("late", true);
    late.header.expiration = world.now + 10;
    world.send(connection, &temporary, late);
    world.advance(30_000);
    world.settle();
    assert_eq!(take_letter(&mut world, connection).header.message_id, "late");
    assert_eq!(world.core.memory_bytes(), 0);
}

#[test]
fn poison_and_expired_messages_go_to_the_dead_letter_queue_with_their_origin_and_cause() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 10);
    world.send(connection, &queue(), message("poison", true));
    world.send(connection, &queue(), message("weak", false));
    world.settle();
    let deliveries = world.deliveries();
    for delivery in &deliveries {
        world.ack(
            connection,
            consumer,
            Poison(Some("java.lang.Throwable: bad".into())),
            &[delivery.id],
            None,
        );
    }
    let mut late = message("late", true);
    late.header.expiration = world.now + 10;
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    world.send(connection, &queue(), late);
    world.settle();
    world.now += 30_000;
    world.turn(kahawai_broker::core::Core::tick);
    world.settle();
    let letters = world.consume(connection, &Address::queue("ActiveMQ.DLQ"), 10);
    world.settle();
    let found = world.deliveries();
    assert_eq!(found.iter().map(name_of).collect::<Vec<_>>(), ["poison", "late"]);
    for (delivery, cause) in
        found.iter().zip(["java.lang.Throwable: bad", "java.lang.Throwable: Message Expired. Expiration:"])
    {
        assert_eq!(delivery.consumer, letters);
        let Payload::Message(message) = &delivery.payload else { panic!("no message") };
        assert_eq!(message.header.original_destination.as_deref(), Some("queue://q"));
        assert_eq!(message.header.expiration, 0);
        let properties = String::from_utf8_lossy(&message.properties).into_owned();
        assert!(properties.contains("dlqDeliveryFailureCause") && properties.contains(cause), "{properties}");
    }
    let empty = world.consume(connection, &queue(), 10);
    world.settle();
    assert!(world.texts(empty).is_empty());
}

#[test]
fn an_expired_message_is_not_dispatched() {
    let mut world = world();
    let connection = world.connect("c");
    let mut late = message("late", false);
    late.header.expiration = world.now + 5;
    world.send(connection, &queue(), late);
    world.send(connection, &queue(), message("on time", false));
    world.now += 5;
    let consumer = world.consume(connection, &queue(), 10);
    let found = world.deliveries();
    assert_eq!(found.iter().map(name_of).collect::<Vec<_>>(), ["on time"]);
    world.ack(connection, consumer, Expired, &[found[0].id], None);
}

#[test]
fn a_dead_letter_that_finds_the_store_full_is_offered_again() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 10);
    world.send(connection, &queue(), message("a", true));
    world.send(connection, &Address::queue("ActiveMQ.DLQ"), message("b", true));
    world.settle();
    let id = world.deliveries()[0].id;
    world.full = true;
    world.ack(connection, consumer, Poison(None), &[id], None);
    world.settle();
    world.full = false;
    world.advance(30_000);
    world.settle();
    let letters = world.consume(connection, &Address::queue("ActiveMQ.DLQ"), 10);
    world.settle();
    assert_eq!(names(&world.texts(letters)), ["b", "a"]);
}

#[test]
fn a_dead_letter_comes_when_there_is_room_though_its_queue_could_not_be_made_at_first() {
    let mut world = world();
    let connection = world.connect("c");
    world.send(connection, &queue(), message("a", true));
    world.settle();
    world.full = true;
    fail(&mut world, connection, &queue(), None);
    world.full = false;
    world.advance(30_000);
    world.settle();
    assert_eq!(take_letter(&mut world, connection).header.message_id, "a");
}

/// Sends so many that expire in 3 s among as many that do not.
fn send_both(world: &mut World, connection: ConnectionKey, address: &Address, count: usize) {
    for number in 0..count {
        let mut late = message(&format!("late {number}"), true);
        late.header.expiration = world.now + 3000;
        world.send(connection, address, late);
        world.send(connection, address, message(&format!("lasting {number}"), true));
    }
    world.settle();
}

/// Lets time pass, as far as the broker asks to be woken.
fn pass(world: &mut World, milliseconds: i64) {
    let end = world.now + milliseconds;
    loop {
        let next = world.core.next_tick();
        if next > end {
            world.advance(end - world.now);
            return;
        }
        world.advance((next - world.now).max(1));
        world.settle();
    }
}

/// What the store holds of a destination.
fn stored(world: &World, address: &Address) -> u64 {
    let recovered = world.state.recover(kahawai_store::names::Epoch(99));
    let of = |found: &&kahawai_store::contract::DestinationState| found.destination.name == address.name;
    recovered.destinations.iter().find(of).map_or(0, |found| found.messages)
}

#[test]
fn what_expires_while_the_broker_is_away_and_nobody_consumes_becomes_a_dead_letter() {
    let mut world = world();
    let connection = world.connect("c");
    send_both(&mut world, connection, &queue(), 5);
    world.restart();
    pass(&mut world, 50_000);
    assert_eq!((stored(&world, &queue()), stored(&world, &letters())), (5, 5));
}

#[test]
fn what_expires_far_behind_what_is_in_memory_becomes_a_dead_letter() {
    let mut world =
        with_policy(Policy { window_messages_max: 10, page_messages_max: 20, ..Policy::default() });
    let connection = world.connect("c");
    send_both(&mut world, connection, &queue(), 500);
    pass(&mut world, 50_000);
    assert_eq!((stored(&world, &queue()), stored(&world, &letters())), (500, 500));
    assert!(world.core.memory_bytes() < 20_000, "{}", world.core.memory_bytes());
    // What does not expire is still all there, in order, and what never expires is not read again.
    let consumer = world.consume(connection, &queue(), 1000);
    world.settle();
    let expected: Vec<_> = (0..500).map(|number| format!("lasting {number}")).collect();
    assert_eq!(names(&world.texts(consumer)), expected);
}

#[test]
fn a_backlog_in_which_nothing_expires_is_read_for_it_once() {
    let mut world = with_policy(Policy { page_messages_max: 20, ..Policy::default() });
    let connection = world.connect("c");
    for number in 0..100 {
        world.send(connection, &queue(), message(&number.to_string(), true));
    }
    world.settle();
    world.restart();
    let asked = |world: &mut World| {
        let end = world.now + 40_000;
        let mut pages = 0;
        while world.core.next_tick() <= end {
            world.now = world.now.max(world.core.next_tick());
            world.turn(kahawai_broker::core::Core::tick);
            while world.make_page(0) || world.give_page(0) || world.apply() || world.complete() {
                pages += 1;
            }
        }
        world.now = end;
        pages
    };
    assert_eq!(asked(&mut world), 2 * 5, "each of five pages is made and given");
    assert_eq!(asked(&mut world), 0);
}

#[test]
fn what_expires_for_many_offline_subscriptions_becomes_one_dead_letter() {
    let mut world = with_policy(Policy { page_messages_max: 20, ..Policy::default() });
    let topic = Address::topic("t");
    for name in ["one", "two", "three"] {
        let connection = world.connect(name);
        world.consume_with(connection, durable_spec(&topic, name, 10));
        world.settle();
        world.turn(|core| core.disconnect(connection, LastDelivered::Unknown, true));
    }
    let connection = world.connect("c");
    send_both(&mut world, connection, &topic, 100);
    pass(&mut world, 50_000);
    assert_eq!((stored(&world, &topic), stored(&world, &letters())), (100, 100));
}

/// In a transaction a message leaves memory, so that it has to be read again to become a dead letter: nobody is there to consume by then.
#[test]
fn what_was_rolled_back_and_failed_becomes_a_dead_letter_though_its_consumer_has_gone() {
    for subscribed in [false, true] {
        let mut world = world();
        let connection = world.connect("c");
        let address = if subscribed { Address::topic("t") } else { queue() };
        let spec = match subscribed {
            true => durable_spec(&address, "s", 10),
            false => consumer_spec(&address, 10),
        };
        let (consumer, _) = world.consume_with(connection, spec);
        world.settle();
        for name in ["a", "b", "c"] {
            world.send(connection, &address, message(name, true));
        }
        world.settle();
        let ids: Vec<_> = world.deliveries().iter().map(|delivery| delivery.id).collect();
        let transaction = TransactionId { client: "c".into(), number: 1 };
        world.turn(|core| core.begin(connection, transaction.clone())).unwrap();
        world.ack(connection, consumer, Standard, &ids[..2], Some(transaction.clone()));
        world.turn(|core| core.rollback(connection, &transaction, None));
        world.ack(connection, consumer, Poison(Some("bad".into())), &ids[1..2], None);
        world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
        world.settle();
        let letter = take_letter(&mut world, connection);
        assert_eq!(letter.header.message_id, "b");
        assert!(properties(&letter).contains("bad"));
        // The others are where they were, in order.
        let spec = match subscribed {
            true => durable_spec(&address, "s", 10),
            false => consumer_spec(&address, 10),
        };
        world.consume_with(connection, spec);
        world.settle();
        assert_eq!(world.deliveries().iter().map(name_of).collect::<Vec<_>>(), ["a", "c"]);
        assert!(world.core.is_idle());
    }
}
