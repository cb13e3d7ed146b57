//! Topic subscribers that take less than is sent: nothing is lost, nothing comes twice or out of order, memory stays bounded, and nobody waits
//! for them, but where the store is no way out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::keys::{ConnectionKey, ConsumerKey};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{PendingMessageLimit, Policies, Policy};
use kahawai_broker::core::spec::AcknowledgementKind::Standard;
use kahawai_broker::core::spec::{ConsumerSpec, LastDelivered};
use kahawai_store::message::Message;
use kahawai_store::names::MessageId;
use support::{Random, World, consumer_spec, durable_spec, message, name_of};

const PENDING_MAX: usize = 4000;

fn world() -> World {
    let policy = Policy { page_messages_max: 10, window_messages_max: 20, ..holding() };
    World::with_policy(Limits::default(), policy)
}

fn holding() -> Policy {
    Policy { topic_pending_bytes_max: PENDING_MAX, slow_subscriber_hold: 1000, ..Policy::default() }
}

fn topic() -> Address {
    Address::topic("t")
}

fn publish(world: &mut World, sender: ConnectionKey, number: usize, persistent: bool) {
    let body = bytes::Bytes::from(vec![0; 200]);
    world.send(sender, &topic(), Message { body, ..message(&number.to_string(), persistent) });
}

/// What has come to a consumer: its names and ids.
fn come(world: &mut World, consumer: ConsumerKey) -> Vec<(usize, MessageId)> {
    let mut found = world.deliveries();
    found.retain(|delivery| delivery.consumer == consumer);
    found.iter().map(|delivery| (name_of(delivery).parse().unwrap(), delivery.id)).collect()
}

/// Acknowledges all of these.
fn take(
    world: &mut World,
    connection: ConnectionKey,
    consumer: ConsumerKey,
    found: Vec<(usize, MessageId)>,
) -> Vec<usize> {
    let (numbers, ids): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    if !ids.is_empty() {
        world.ack(connection, consumer, Standard, &ids, None);
    }
    numbers
}

/// Takes and acknowledges until nothing comes any more.
fn drain(world: &mut World, connection: ConnectionKey, consumer: ConsumerKey) -> Vec<usize> {
    let mut taken = Vec::new();
    loop {
        world.settle();
        let found = come(world, consumer);
        if found.is_empty() {
            return taken;
        }
        taken.extend(take(world, connection, consumer, found));
    }
}

fn subscriptions(world: &World) -> usize {
    world.state.recover(kahawai_store::names::Epoch(99)).subscriptions.len()
}

#[test]
fn a_subscriber_that_pauses_gets_everything_that_was_published_meanwhile() {
    let mut world = world();
    let (slow, sender) = (world.connect("slow"), world.connect("sender"));
    let quick = world.consume(sender, &topic(), 10_000);
    world.consume(slow, &topic(), 10);
    let mut seen = Vec::new();
    for number in 0..640 {
        publish(&mut world, sender, number, true);
        assert!(world.core.may_read(sender), "nobody waits for it");
        seen.extend(come(&mut world, quick).into_iter().map(|(number, _)| number));
        world.settle();
        assert!(world.core.memory_bytes() < 30_000, "{}", world.core.memory_bytes());
    }
    seen.extend(come(&mut world, quick).into_iter().map(|(number, _)| number));
    assert!(world.notices.iter().any(|text| text.contains("slow") && text.contains("tcp://test")));
    let expected: Vec<_> = (0..640).collect();
    assert_eq!(seen, expected, "another subscriber notices nothing");
    assert_eq!(subscriptions(&world), 1);
}

#[test]
fn the_backlog_of_a_slow_subscriber_comes_in_order_and_then_it_is_served_from_memory_again() {
    for persistent in [true, false] {
        let mut world = world();
        let (slow, sender) = (world.connect("slow"), world.connect("sender"));
        let consumer = world.consume(slow, &topic(), 10);
        for number in 0..640 {
            publish(&mut world, sender, number, persistent);
            world.settle();
        }
        assert_eq!(subscriptions(&world), 1);
        let expected: Vec<_> = (0..640).collect();
        assert_eq!(drain(&mut world, slow, consumer), expected);
        assert_eq!(subscriptions(&world), 0, "it has caught up");
        for number in 640..650 {
            publish(&mut world, sender, number, persistent);
        }
        assert_eq!(come(&mut world, consumer).len(), 10, "no store stands between");
        let left: u64 = {
            let recovered = world.state.recover(kahawai_store::names::Epoch(99));
            recovered.destinations.iter().map(|state| state.messages).sum()
        };
        assert_eq!(left, 0);
    }
}

#[test]
fn what_was_kept_for_a_subscriber_goes_with_it_and_with_its_broker() {
    let mut world = world();
    let (slow, sender) = (world.connect("slow"), world.connect("sender"));
    let consumer = world.consume(slow, &topic(), 1);
    for number in 0..100 {
        publish(&mut world, sender, number, true);
    }
    world.settle();
    assert_eq!(subscriptions(&world), 1);
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Unknown));
    world.settle();
    assert_eq!(subscriptions(&world), 0);
    let _second = world.consume(slow, &topic(), 1);
    for number in 0..100 {
        publish(&mut world, sender, number, true);
    }
    world.settle();
    assert_eq!(subscriptions(&world), 1);
    world.restart();
    world.settle();
    assert_eq!(subscriptions(&world), 0, "nobody comes back for it");
}

#[test]
fn a_store_without_room_holds_senders_back_and_says_what_was_dropped() {
    let mut world = world();
    let (slow, sender) = (world.connect("slow"), world.connect("sender"));
    let consumer = world.consume(slow, &topic(), 1);
    world.full = true;
    for number in 0..100 {
        publish(&mut world, sender, number, false);
        world.settle();
    }
    assert!(!world.core.may_read(sender));
    assert!(world.notices.iter().any(|text| text.contains("held back")));
    assert!(world.notices.iter().any(|text| text.contains("no room") && text.contains("dropped")));
    world.full = false;
    world.advance(1001);
    for number in 100..200 {
        publish(&mut world, sender, number, false);
        world.settle();
    }
    let taken = drain(&mut world, slow, consumer);
    assert!(taken.is_sorted() && taken.ends_with(&[198, 199]), "{taken:?}");
}

#[test]
fn a_slow_subscriber_of_a_temporary_topic_holds_senders_back_for_a_while_and_then_loses_its_oldest() {
    let mut world = World::with_policy(Limits::default(), holding());
    let slow = world.connect("slow");
    let sender = world.connect("sender");
    let topic = Address::new(AddressKind::TemporaryTopic, "ID:slow:1");
    world.turn(|core| core.add_destination(slow, &topic, None));
    let consumer = world.consume(slow, &topic, 1);
    let mut held = 0;
    while world.core.may_read(sender) {
        held += 1;
        world.send(sender, &topic, message(&held.to_string(), false));
        assert!(held < 100);
    }
    assert!(world.notices.iter().any(|text| text.contains("held back")));
    let first = world.deliveries()[0].id;
    world.advance(1000);
    assert!(world.core.may_read(sender), "not for ever");
    for number in 0..100 {
        world.send(sender, &topic, message(&format!("more {number}"), false));
    }
    assert!(world.core.may_read(sender));
    assert!(world.notices.iter().any(|text| text.contains("dropped")));
    world.ack(slow, consumer, Standard, &[first], None);
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn a_subscriber_that_catches_up_in_time_lets_senders_go_on_and_is_waited_for_no_longer() {
    let mut world = World::with_policy(Limits::default(), holding());
    let (slow, sender) = (world.connect("slow"), world.connect("sender"));
    let topic = Address::new(AddressKind::TemporaryTopic, "ID:slow:1");
    world.turn(|core| core.add_destination(slow, &topic, None));
    let consumer = world.consume(slow, &topic, 1);
    for number in 0.. {
        if !world.core.may_read(sender) {
            break;
        }
        world.send(sender, &topic, message(&number.to_string(), false));
        assert!(number < 100);
    }
    let deadline = world.now + 1000;
    assert_eq!(world.core.next_tick(), deadline);
    drain(&mut world, slow, consumer);
    assert!(world.core.may_read(sender));
    assert!(world.core.next_tick() > deadline);
    world.advance(1000);
    assert!(!world.notices.iter().any(|text| text.contains("dropped")));
}

/// Everything comes once and in order, whatever is under way when a subscriber falls back and catches up; beside a durable one and without.
#[test]
fn whatever_is_under_way_each_message_comes_once_and_in_order() {
    for seed in 1..400 {
        let mut random = Random::new(seed);
        let mut world = world();
        let (slow, sender) = (world.connect("slow"), world.connect("sender"));
        if seed.is_multiple_of(3) {
            world.consume_with(sender, durable_spec(&topic(), "durable", 1));
            world.settle();
        }
        let (consumer, _) = world.consume_with(slow, consumer_spec(&topic(), 1 + random.below(20) as u32));
        let (mut sent, mut taken, mut has) = (0, Vec::new(), Vec::new());
        for _ in 0..1500 {
            match random.below(100) {
                0..35 => {
                    publish(&mut world, sender, sent, random.chance(50));
                    sent += 1;
                }
                35..45 => drop(world.apply()),
                45..60 => drop(world.complete()),
                60..75 => drop(world.make_page(random.below(9))),
                75..90 => drop(world.give_page(random.below(9))),
                // Quick at times, and at others slow.
                _ if random.chance(if sent % 300 < 150 { 5 } else { 95 }) => {
                    has.extend(come(&mut world, consumer));
                    taken.extend(take(&mut world, slow, consumer, std::mem::take(&mut has)));
                }
                _ => {}
            }
        }
        has.extend(come(&mut world, consumer));
        taken.extend(take(&mut world, slow, consumer, has));
        taken.extend(drain(&mut world, slow, consumer));
        let expected: Vec<_> = (0..sent).collect();
        assert_eq!(taken, expected, "seed {seed}");
        assert_eq!(subscriptions(&world), usize::from(seed.is_multiple_of(3)), "seed {seed}");
    }
}

#[test]
fn a_pending_message_limit_drops_the_oldest_of_what_waits_beyond_it_and_says_so() {
    for (limit, own, expected) in [
        (PendingMessageLimit::Constant(5), 0, 5),
        (PendingMessageLimit::Constant(5), 2, 2),
        (PendingMessageLimit::Constant(0), 0, 0),
        (PendingMessageLimit::PrefetchRate(1.5), 0, 15),
    ] {
        let limited = Policy { pending_message_limit: Some(limit), ..Policy::default() };
        let mut policies = Policies::default();
        assert!(policies.add(&topic(), limited));
        let mut world = World::with_policies(Limits::default(), policies);
        let (slow, sender) = (world.connect("slow"), world.connect("sender"));
        let spec = ConsumerSpec { pending_messages_max: own, ..consumer_spec(&topic(), 10) };
        let (consumer, _) = world.consume_with(slow, spec);
        let lasting = world.connect("lasting");
        world.consume_with(lasting, durable_spec(&topic(), "durable", 10));
        world.settle();
        for number in 0..100 {
            publish(&mut world, sender, number, true);
            assert!(world.core.may_read(sender), "nobody waits for it");
            world.settle();
        }
        let first = come(&mut world, consumer);
        assert_eq!(first.len(), 10);
        let mut taken = take(&mut world, slow, consumer, first);
        taken.extend(drain(&mut world, slow, consumer));
        let expected: Vec<_> = (0..10).chain(100 - expected..100).collect();
        assert_eq!(taken, expected, "{limit:?}, {own}");
        assert!(world.notices.iter().any(|text| text.contains("slow") && text.contains("dropped")));
        let all: u64 = {
            let recovered = world.state.recover(kahawai_store::names::Epoch(99));
            recovered.subscriptions.iter().map(|state| state.messages).sum()
        };
        assert_eq!(all, 100, "a durable subscription loses nothing");
    }
}

#[test]
fn what_waits_within_the_limit_and_beyond_memory_is_kept_by_the_store_and_not_dropped() {
    let limit = Some(PendingMessageLimit::Constant(1000));
    let mut world =
        World::with_policy(Limits::default(), Policy { pending_message_limit: limit, ..holding() });
    let (slow, sender) = (world.connect("slow"), world.connect("sender"));
    let consumer = world.consume(slow, &topic(), 10);
    for number in 0..640 {
        publish(&mut world, sender, number, false);
        world.settle();
    }
    assert_eq!(subscriptions(&world), 1);
    assert_eq!(drain(&mut world, slow, consumer), (0..640).collect::<Vec<_>>());
}
