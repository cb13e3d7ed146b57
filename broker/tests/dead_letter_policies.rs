//! Where dead letters go and what becomes one is their destination's policy, and so is how often expired messages are looked for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::effects::Payload;
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{
    DeadLetterPlace, DeadLetterStrategy, IndividualDeadLetters, Policies, Policy,
};
use kahawai_broker::core::spec::AcknowledgementKind::Poison;
use kahawai_broker::core::spec::{ConsumerSpec, LastDelivered};
use kahawai_openwire::primitive;
use kahawai_store::message::Message;
use support::{World, consumer_spec, durable_spec, message, name_of};

fn world(dead_letters: DeadLetterStrategy) -> World {
    World::with_policy(Limits::default(), Policy { dead_letters, ..Policy::default() })
}

fn individual() -> DeadLetterStrategy {
    let individual =
        IndividualDeadLetters { queue_prefix: "DLQ.".into(), ..IndividualDeadLetters::default() };
    DeadLetterStrategy { place: DeadLetterPlace::Individual(individual), ..DeadLetterStrategy::default() }
}

/// The messages that a consumer gets at first are taken for poison.
fn poison(world: &mut World, connection: ConnectionKey, spec: ConsumerSpec) {
    let (consumer, _) = world.consume_with(connection, spec);
    world.settle();
    for delivery in world.deliveries() {
        world.ack(connection, consumer, Poison(Some("bad".into())), &[delivery.id], None);
    }
    world.settle();
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
}

/// What waits in a queue.
fn waiting(world: &mut World, connection: ConnectionKey, queue: &str) -> Vec<Message> {
    let spec = ConsumerSpec { browser: true, ..consumer_spec(&Address::queue(queue), 1000) };
    let (browser, _) = world.consume_with(connection, spec);
    world.settle();
    let found = world.deliveries().into_iter().filter_map(|delivery| match delivery.payload {
        Payload::Message(message) => Some((*message).clone()),
        _ => None,
    });
    let found = found.collect();
    world.turn(|core| core.remove_consumer(browser, LastDelivered::Nothing));
    found
}

/// A property of a message, as its client reads it.
fn number(message: &Message, name: &str) -> Option<i64> {
    let properties = primitive::decode_map(&message.properties, &primitive::Limits::MESSAGE).unwrap();
    match properties.get(name) {
        Some(primitive::Value::Long(number)) => Some(*number),
        other => {
            assert!(other.is_none(), "{other:?}");
            None
        }
    }
}

fn names(world: &mut World, connection: ConnectionKey, queue: &str) -> Vec<String> {
    let found = waiting(world, connection, queue);
    found.iter().map(|message| message.header.message_id.to_string()).collect()
}

#[test]
fn each_destination_may_have_a_place_of_its_own_for_its_dead_letters() {
    let mut world = world(individual());
    let connection = world.connect("c");
    let topic = Address::topic("t");
    poison(&mut world, connection, durable_spec(&topic, "one", 10));
    poison(&mut world, connection, durable_spec(&topic, "two", 10));
    world.send(connection, &topic, message("of t", true));
    world.send(connection, &Address::queue("a"), message("of a", true));
    poison(&mut world, connection, durable_spec(&topic, "one", 10));
    poison(&mut world, connection, durable_spec(&topic, "two", 10));
    poison(&mut world, connection, consumer_spec(&Address::queue("a"), 10));
    assert_eq!(names(&mut world, connection, "DLQ.a"), ["of a"]);
    assert_eq!(names(&mut world, connection, "ActiveMQ.DLQ.Topic.t"), ["of t"]);
}

/// ActiveMQ 5.17 does so too. The message must not be lost because a consumer of dead letters fails as well.
#[test]
fn a_dead_letter_that_fails_goes_to_a_further_place_and_keeps_what_it_says_of_its_first_life() {
    let mut world = world(individual());
    let connection = world.connect("c");
    let mut mortal = message("m", true);
    mortal.header.expiration = world.now + 1_000_000;
    world.send(connection, &Address::queue("a"), mortal.clone());
    poison(&mut world, connection, consumer_spec(&Address::queue("a"), 10));
    poison(&mut world, connection, consumer_spec(&Address::queue("DLQ.a"), 10));
    assert!(names(&mut world, connection, "DLQ.a").is_empty());
    let letter = waiting(&mut world, connection, "DLQ.DLQ.a").pop().unwrap();
    assert_eq!(letter.header.original_destination.as_deref(), Some("queue://DLQ.a"));
    assert_eq!(number(&letter, "originalExpiration"), Some(mortal.header.expiration));
    assert!(names(&mut world, connection, "ActiveMQ.DLQ").is_empty());
}

#[test]
fn a_dead_letter_that_outlives_its_time_is_gone_and_what_was_sent_to_its_place_is_not() {
    let mut world = world(DeadLetterStrategy { expiration: 5000, ..individual() });
    let connection = world.connect("c");
    world.send(connection, &Address::queue("a"), message("letter", true));
    poison(&mut world, connection, consumer_spec(&Address::queue("a"), 10));
    let mut sent = message("sent", true);
    sent.header.expiration = world.now + 5000;
    world.send(connection, &Address::queue("DLQ.a"), sent);
    world.settle();
    world.advance(30_000);
    world.settle();
    assert!(names(&mut world, connection, "DLQ.a").is_empty());
    assert_eq!(names(&mut world, connection, "DLQ.DLQ.a"), ["sent"]);
    world.advance(30_000);
    world.settle();
    assert!(names(&mut world, connection, "DLQ.DLQ.a").is_empty());
    assert!(names(&mut world, connection, "DLQ.DLQ.DLQ.a").is_empty());
}

#[test]
fn a_dead_letter_says_when_it_would_have_expired_also_that_it_never_would() {
    for (expiration, lives, expected) in
        [(0, 0, Some(0)), (1_000_000_000, 0, Some(1_000_000_000)), (0, 5000, None)]
    {
        let mut world = world(DeadLetterStrategy { expiration: lives, ..DeadLetterStrategy::default() });
        let connection = world.connect("c");
        let mut sent = message("m", true);
        sent.header.expiration = expiration;
        world.send(connection, &Address::queue("a"), sent);
        poison(&mut world, connection, consumer_spec(&Address::queue("a"), 10));
        let letter = waiting(&mut world, connection, "ActiveMQ.DLQ").pop().unwrap();
        assert_eq!(number(&letter, "originalExpiration"), expected, "{expiration}, {lives}");
    }
}

#[test]
fn a_shared_place_of_a_destination_is_for_its_own_dead_letters_alone() {
    let place = DeadLetterPlace::Shared(Address::queue("dead orders"));
    let dead_letters = DeadLetterStrategy { place, ..DeadLetterStrategy::default() };
    let mut policies = Policies::default();
    assert!(policies.add(&Address::queue("orders.>"), Policy { dead_letters, ..Policy::default() }));
    let mut world = World::with_policies(Limits::default(), policies);
    let connection = world.connect("c");
    for queue in ["orders.a", "bills"] {
        world.send(connection, &Address::queue(queue), message(queue, true));
        poison(&mut world, connection, consumer_spec(&Address::queue(queue), 10));
    }
    assert_eq!(names(&mut world, connection, "dead orders"), ["orders.a"]);
    assert_eq!(names(&mut world, connection, "ActiveMQ.DLQ"), ["bills"]);
}

#[test]
fn what_becomes_a_dead_letter_and_how_long_it_lives_is_said_by_the_strategy() {
    let all = DeadLetterStrategy::default();
    let none = DeadLetterStrategy { place: DeadLetterPlace::Discarding, ..all.clone() };
    let unexpired = DeadLetterStrategy { process_expired: false, ..all.clone() };
    let transient = DeadLetterStrategy { process_non_persistent: true, ..all.clone() };
    for (strategy, expected) in [
        (all, &["persistent", "late"][..]),
        (none, &[]),
        (unexpired, &["persistent"]),
        (transient, &["persistent", "transient", "late"]),
    ] {
        let mut world = world(strategy.clone());
        let connection = world.connect("c");
        let queue = Address::queue("a");
        world.send(connection, &queue, message("persistent", true));
        world.send(connection, &queue, message("transient", false));
        world.settle();
        poison(&mut world, connection, consumer_spec(&queue, 10));
        let mut late = message("late", true);
        late.header.expiration = world.now + 10;
        world.send(connection, &queue, late);
        world.settle();
        world.advance(30_000);
        world.settle();
        let mut found = names(&mut world, connection, "ActiveMQ.DLQ");
        // A message that is not stored comes before one that is.
        found.sort_by_key(|name| ["persistent", "transient", "late"].iter().position(|known| known == name));
        assert_eq!(found, expected, "{strategy:?}");
        assert!(names(&mut world, connection, "a").is_empty());
    }
}

#[test]
fn a_dead_letter_that_was_not_persistent_is_and_says_so_and_may_expire() {
    let strategy = DeadLetterStrategy {
        process_non_persistent: true,
        expiration: 5000,
        ..DeadLetterStrategy::default()
    };
    let mut world = world(strategy);
    let connection = world.connect("c");
    world.send(connection, &Address::queue("a"), message("m", false));
    poison(&mut world, connection, consumer_spec(&Address::queue("a"), 10));
    world.restart();
    let connection = world.connect("c");
    let letter = waiting(&mut world, connection, "ActiveMQ.DLQ").pop().unwrap();
    assert!(letter.header.persistent);
    assert_eq!(letter.header.expiration, world.now + 5000);
    let properties = String::from_utf8_lossy(&letter.properties).into_owned();
    assert!(properties.contains("originalDeliveryMode") && properties.contains("NON_PERSISTENT"));
    world.advance(30_000);
    world.settle();
    assert!(names(&mut world, connection, "ActiveMQ.DLQ").is_empty(), "a dead letter that expires is gone");
}

#[test]
fn dead_letters_may_go_to_a_topic_for_those_who_listen() {
    let individual =
        IndividualDeadLetters { use_queue_for_queue_messages: false, ..IndividualDeadLetters::default() };
    let place = DeadLetterPlace::Individual(individual);
    let mut world = world(DeadLetterStrategy { place, ..DeadLetterStrategy::default() });
    let connection = world.connect("c");
    let (queue, topic) = (Address::queue("a"), Address::topic("ActiveMQ.DLQ.Queue.a"));
    let fail = |world: &mut World, name: &str| {
        world.send(connection, &queue, message(name, true));
        poison(world, connection, consumer_spec(&queue, 10));
    };
    fail(&mut world, "nobody's");
    let destinations = world.state.recover(kahawai_store::names::Epoch(99)).destinations;
    assert!(destinations.iter().all(|found| found.destination.name != topic.name), "none is kept for nobody");
    let listener = world.connect("listener");
    let listens = world.consume(listener, &topic, 10);
    fail(&mut world, "heard");
    assert_eq!(world.texts(listens), [("heard".to_owned(), 0)]);
    let keeper = world.connect("keeper");
    let (keeps, _) = world.consume_with(keeper, durable_spec(&topic, "keeps", 10));
    world.settle();
    let stored = |world: &mut World| {
        let found = world.state.recover(kahawai_store::names::Epoch(99)).subscriptions;
        found.iter().map(|state| state.messages).sum::<u64>()
    };
    assert_eq!(stored(&mut world), 0);
    world.send(connection, &queue, message("kept", true));
    let consumer = world.consume(connection, &queue, 10);
    world.settle();
    let id = world.deliveries().pop().unwrap().id;
    world.full = true;
    world.ack(connection, consumer, Poison(None), &[id], None);
    world.settle();
    assert_eq!(stored(&mut world), 0);
    world.full = false;
    world.advance(30_000);
    world.settle();
    let found = world.deliveries();
    let heard =
        |key| -> Vec<_> { found.iter().filter(|delivery| delivery.consumer == key).map(name_of).collect() };
    assert_eq!((heard(listens), heard(keeps)), (vec!["kept".to_owned()], vec!["kept".to_owned()]));
    assert_eq!(stored(&mut world), 1);
    assert!(world.core.is_idle());
    world.turn(|core| core.remove_consumer(keeps, LastDelivered::Nothing));
    world.turn(|core| core.unsubscribe(keeper, &"keeps".into(), None));
    world.settle();
    world.send(connection, &topic, message("by memory", true));
    assert_eq!(world.texts(listens), [("by memory".to_owned(), 0)], "nothing is under way");
}

#[test]
fn a_place_that_cannot_be_made_is_replaced_by_the_queue_that_can() {
    let policies = Policies::new(Policy { dead_letters: individual(), ..Policy::default() });
    let mut world = World::with_policies(Limits { destinations_max: 1, ..Limits::default() }, policies);
    let connection = world.connect("c");
    world.send(connection, &Address::queue("a"), message("m", true));
    poison(&mut world, connection, consumer_spec(&Address::queue("a"), 10));
    assert_eq!(names(&mut world, connection, "ActiveMQ.DLQ"), ["m"]);
}

#[test]
fn expired_messages_are_looked_for_in_the_period_of_each_policy() {
    let every = |expire_messages_period| Policy { expire_messages_period, ..Policy::default() };
    let mut policies = Policies::new(every(30_000));
    assert!(policies.add(&Address::queue("quick"), every(1000)));
    assert!(policies.add(&Address::queue("never"), every(0)));
    // In memory; and recovered, so that they are in the store alone.
    for in_memory in [true, false] {
        let mut world = World::with_policies(Limits::default(), policies.clone());
        let mut connection = world.connect("c");
        let begun = world.now;
        for queue in ["quick", "slow", "never"] {
            let mut late = message(queue, true);
            late.header.expiration = world.now + 10;
            world.send(connection, &Address::queue(queue), late);
        }
        world.settle();
        if !in_memory {
            world.restart();
            connection = world.connect("c");
        }
        let mut dead = Vec::new();
        while world.now < begun + 60_000 {
            let next = world.core.next_tick();
            world.advance((next - world.now).max(1));
            world.settle();
            let found = names(&mut world, connection, "ActiveMQ.DLQ");
            poison(&mut world, connection, consumer_spec(&Address::queue("ActiveMQ.DLQ"), 10));
            dead.extend(found.into_iter().map(|name| (name, (world.now - begun) / 1000)));
        }
        assert_eq!(dead, [("quick".to_owned(), 1), ("slow".to_owned(), 30)], "in memory: {in_memory}");
    }
}

#[test]
fn a_dead_letter_for_which_there_was_no_room_is_offered_again_though_nothing_expires_ever() {
    let mut world =
        World::with_policy(Limits::default(), Policy { expire_messages_period: 0, ..Policy::default() });
    let connection = world.connect("c");
    let temporary = Address::new(AddressKind::TemporaryQueue, "ID:c:1");
    world.turn(|core| core.add_destination(connection, &temporary, None));
    world.send(connection, &temporary, message("m", true));
    world.full = true;
    poison(&mut world, connection, consumer_spec(&temporary, 10));
    world.full = false;
    let next = world.core.next_tick();
    assert_eq!(next, world.now + 30_000);
    world.advance(30_000);
    world.settle();
    assert_eq!(world.core.next_tick(), i64::MAX, "nothing is due any more");
    assert_eq!(names(&mut world, connection, "ActiveMQ.DLQ"), ["m"]);
}
