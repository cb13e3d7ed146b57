//! What a JMS client sees, point by point, on the deterministic core.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::effects::Event;
use kahawai_broker::core::failure::FailureKind;
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::Policy;
use kahawai_broker::core::spec::AcknowledgementKind::{Delivered, Individual, Standard};
use kahawai_broker::core::spec::{Acknowledgement, ConsumerSpec, LastDelivered, Sending, TransactionId};
use kahawai_store::message::Message;
use kahawai_store::names::Epoch;
use support::{World, consumer_spec, durable_spec, message, name_of};

fn world() -> World {
    World::new(Limits::default())
}

fn queue() -> Address {
    Address::queue("q")
}

fn names(found: &[(String, u32)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_persistent_send_is_answered_only_when_its_batch_is_durable() {
    let mut world = world();
    let connection = world.connect("c");
    let request = world.send(connection, &queue(), message("m", true));
    while world.apply() {}
    assert_eq!(world.answer(request), None);
    while world.complete() {}
    assert_eq!(world.answer(request), Some(Ok(())));
}

#[test]
fn a_send_that_need_not_survive_is_answered_at_once_and_touches_no_store() {
    let mut world = world();
    let connection = world.connect("c");
    let request = world.send(connection, &queue(), message("m", false));
    assert_eq!(world.answer(request), Some(Ok(())));
    assert!(!world.apply());
}

#[test]
fn competing_consumers_take_turns_within_their_prefetch() {
    let mut world = world();
    let connection = world.connect("c");
    let one = world.consume(connection, &queue(), 2);
    let other = world.consume(connection, &queue(), 2);
    for number in 0..6 {
        world.send(connection, &queue(), message(&number.to_string(), true));
    }
    world.settle();
    let deliveries = world.deliveries();
    let of = |key| deliveries.iter().filter(|found| found.consumer == key).map(name_of).collect::<Vec<_>>();
    assert_eq!((of(one), of(other)), (vec!["0".into(), "2".into()], vec!["1".into(), "3".into()]));
    let first = deliveries.iter().find(|found| found.consumer == one).unwrap().id;
    world.ack(connection, one, Delivered, &[first], None);
    assert_eq!(names(&world.texts(one)), ["4"], "what the client has in hand makes room");
    world.ack(connection, one, Standard, &[first], None);
    assert!(world.deliveries().is_empty(), "room that was made for it goes with it");
}

#[test]
fn priority_and_exclusive_consumers_are_served_first() {
    let mut world = world();
    let connection = world.connect("c");
    let low = world.consume(connection, &queue(), 1);
    let high = world.consume_with(connection, ConsumerSpec { priority: 5, ..consumer_spec(&queue(), 1) }).0;
    world.send(connection, &queue(), message("a", false));
    world.send(connection, &queue(), message("b", false));
    let order: Vec<_> = world.deliveries().iter().map(|found| found.consumer).collect();
    assert_eq!(order, [high, low]);
    let address = Address::queue("exclusive");
    let one =
        world.consume_with(connection, ConsumerSpec { exclusive: true, ..consumer_spec(&address, 1) }).0;
    world.consume(connection, &address, 10);
    world.send(connection, &address, message("c", false));
    world.send(connection, &address, message("d", false));
    assert_eq!(world.deliveries().iter().map(|found| found.consumer).collect::<Vec<_>>(), [one]);
}

#[test]
fn what_a_lost_connection_had_comes_again_in_order_and_counted() {
    let mut world = world();
    let sender = world.connect("sender");
    let taker = world.connect("taker");
    let consumer = world.consume(taker, &queue(), 10);
    for name in ["a", "b", "c"] {
        world.send(sender, &queue(), message(name, true));
    }
    world.settle();
    assert_eq!(world.texts(consumer).len(), 3);
    world.turn(|core| core.disconnect(taker, LastDelivered::Unknown, false));
    let consumer = world.consume(sender, &queue(), 10);
    world.settle();
    let found = world.texts(consumer);
    assert_eq!(found, [("a".into(), 1), ("b".into(), 1), ("c".into(), 1)]);
}

#[test]
fn a_closed_consumer_counts_only_what_it_saw() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 10);
    for name in ["a", "b", "c"] {
        world.send(connection, &queue(), message(name, true));
    }
    world.settle();
    let second = world.deliveries()[1].id;
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Message(second)));
    let consumer = world.consume(connection, &queue(), 10);
    world.settle();
    assert_eq!(world.texts(consumer), [("a".into(), 1), ("b".into(), 1), ("c".into(), 0)]);
}

#[test]
fn an_individual_acknowledgement_takes_one_and_a_standard_one_a_range() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 10);
    for name in ["a", "b", "c", "d"] {
        world.send(connection, &queue(), message(name, true));
    }
    world.settle();
    let ids: Vec<_> = world.deliveries().iter().map(|found| found.id).collect();
    let request = world.ack(connection, consumer, Individual, &[ids[1]], None);
    assert_eq!(world.answer(request), None, "not before it is durable");
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    world.ack(connection, consumer, Standard, &[ids[0], ids[2]], None);
    world.settle();
    let wrong = world.ack(connection, consumer, Standard, &[ids[0]], None);
    assert!(world.answer(wrong).unwrap().is_err());
    world.turn(|core| core.remove_consumer(consumer, LastDelivered::Nothing));
    let consumer = world.consume(connection, &queue(), 10);
    world.settle();
    assert_eq!(names(&world.texts(consumer)), ["d"]);
}

#[test]
fn a_pull_gets_one_message_or_nothing_in_time() {
    let mut world = world();
    let connection = world.connect("c");
    world.send(connection, &queue(), message("a", true));
    world.settle();
    let consumer = world.consume(connection, &queue(), 0);
    world.settle();
    assert!(world.deliveries().is_empty());
    world.turn(|core| core.pull(consumer, None));
    world.settle();
    assert_eq!(names(&world.texts(consumer)), ["a"]);
    world.turn(|core| core.pull(consumer, None));
    assert_eq!(names(&world.texts(consumer)), ["nothing"]);
    world.turn(|core| core.pull(consumer, Some(50)));
    world.advance(49);
    assert!(world.deliveries().is_empty());
    world.advance(1);
    assert_eq!(names(&world.texts(consumer)), ["nothing"]);
}

fn transaction(number: i64) -> TransactionId {
    TransactionId { client: "c".into(), number }
}

#[test]
fn a_transaction_is_one_batch_and_shows_nothing_before_its_commit() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 10);
    let other = Address::queue("other");
    let watching = world.consume(connection, &other, 10);
    world.send(connection, &queue(), message("in", true));
    world.settle();
    let id = world.deliveries()[0].id;
    world.turn(|core| core.begin(connection, transaction(1))).unwrap();
    world.ack(connection, consumer, Standard, &[id], Some(transaction(1)));
    world.send_in(connection, &other, message("out", true), Some(transaction(1)));
    world.settle();
    assert!(world.deliveries().is_empty());
    assert_eq!(world.state.recover(Epoch(1)).destinations.iter().map(|found| found.messages).sum::<u64>(), 1);
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(1), Some(request)));
    world.apply();
    world.apply();
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    assert_eq!(names(&world.texts(watching)), ["out"]);
    // What a client asks again because it missed the answer.
    let again = world.request();
    world.turn(|core| core.commit(connection, &transaction(1), Some(again)));
    world.settle();
    assert_eq!(world.answer(again), Some(Ok(())));
    let never = world.request();
    world.turn(|core| core.commit(connection, &transaction(2), Some(never)));
    assert!(world.answer(never).unwrap().is_err());
}

#[test]
fn a_rolled_back_transaction_sends_nothing_and_gives_its_messages_back_to_the_consumer() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 1);
    world.send(connection, &queue(), message("a", true));
    world.send(connection, &queue(), message("b", true));
    world.settle();
    let id = world.deliveries()[0].id;
    world.turn(|core| core.begin(connection, transaction(1))).unwrap();
    world.ack(connection, consumer, Standard, &[id], Some(transaction(1)));
    let second = world.deliveries()[0].id;
    world.send_in(connection, &queue(), message("never", true), Some(transaction(1)));
    let request = world.request();
    world.turn(|core| core.rollback(connection, &transaction(1), Some(request)));
    assert_eq!(world.answer(request), Some(Ok(())));
    // Both are the client's again, which delivers the first once more by itself.
    world.ack(connection, consumer, Standard, &[id, second], None);
    world.settle();
    assert!(world.deliveries().is_empty());
    assert_eq!(world.state.recover(Epoch(1)).destinations[0].messages, 0);
}

#[test]
fn a_large_transaction_is_spooled_and_decided_at_once() {
    let limits = Limits { transaction_bytes_max: 2000, ..Limits::default() };
    let mut world = World::new(limits);
    let connection = world.connect("c");
    world.turn(|core| core.begin(connection, transaction(1))).unwrap();
    for number in 0..100 {
        world.send_in(connection, &queue(), message(&number.to_string(), true), Some(transaction(1)));
    }
    world.settle();
    let recovered = world.state.recover(Epoch(1));
    assert!(recovered.prepared.len() == 1 && recovered.prepared[0].enqueues > 80);
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(1), Some(request)));
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    let consumer = world.consume(connection, &queue(), 1000);
    world.settle();
    let found = world.texts(consumer);
    assert_eq!(names(&found), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_spooled_transaction_whose_broker_died_is_rolled_back() {
    let limits = Limits { transaction_bytes_max: 500, ..Limits::default() };
    let mut world = World::new(limits);
    let connection = world.connect("c");
    world.turn(|core| core.begin(connection, transaction(1))).unwrap();
    for number in 0..20 {
        world.send_in(connection, &queue(), message(&number.to_string(), true), Some(transaction(1)));
    }
    world.settle();
    assert_eq!(world.state.recover(Epoch(1)).prepared.len(), 1);
    world.restart();
    world.settle();
    assert!(world.state.recover(Epoch(3)).prepared.is_empty());
}

#[test]
fn what_failover_sends_again_is_stored_once_even_by_the_next_broker() {
    let mut world = world();
    let connection = world.connect("c");
    let sending = |sequence| Sending {
        address: queue(),
        message: Arc::new(message(&format!("c:1:1:{sequence}"), true)),
        producer: Some("c:1:1".into()),
        sequence: Some(sequence),
        transaction: None,
        window_bytes: 0,
    };
    world.sending(connection, sending(1));
    while world.apply() {}
    world.restart();
    let connection = world.connect_with("c", "c", true).unwrap();
    let again = world.sending(connection, sending(1));
    assert_eq!(world.answer(again), None, "answered when it is known to be durable");
    let new = world.sending(connection, sending(2));
    world.settle();
    assert_eq!((world.answer(again), world.answer(new)), (Some(Ok(())), Some(Ok(()))));
    let consumer = world.consume(connection, &queue(), 10);
    world.settle();
    assert_eq!(names(&world.texts(consumer)), ["c:1:1:1", "c:1:1:2"]);
    world.turn(|core| core.disconnect(connection, LastDelivered::Nothing, true));
    world.settle();
}

/// What ActiveMQ's client does in a transaction that lives through a failover: see `core/clients/meant.rs`.
#[test]
fn a_transaction_over_a_failover_acknowledges_all_that_its_client_counts_or_nothing() {
    let mut world = world();
    let first = world.connect("c");
    for name in ["a", "b", "c", "d"] {
        world.send(first, &queue(), message(name, true));
    }
    while world.apply() {}
    world.restart();
    let connection = world.connect_with("c", "c", true).unwrap();
    let consumer = world.consume(connection, &queue(), 10);
    world.settle();
    let ids: Vec<_> = world.deliveries().iter().map(|delivery| delivery.id).collect();
    world.turn(|core| core.begin(connection, transaction(1))).unwrap();
    let acknowledge = |world: &mut World, kind, first, last, count, transaction| {
        let acknowledgement = Acknowledgement { consumer, kind, first, last, count, transaction };
        world.turn(|core| core.acknowledge(connection, acknowledgement, None));
    };
    // It had "b" before and keeps it; then it takes "a" and "c".
    acknowledge(&mut world, Delivered, None, ids[1], 1, None);
    acknowledge(&mut world, Standard, Some(ids[1]), ids[2], 3, Some(transaction(1)));
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(1), Some(request)));
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    assert_eq!(world.state.recover(Epoch(1)).destinations[0].messages, 1, "only d is left");
    // A count that fits nothing commits nothing, and the client begins anew over another connection.
    world.turn(|core| core.begin(connection, transaction(2))).unwrap();
    acknowledge(&mut world, Standard, Some(ids[3]), ids[3], 2, Some(transaction(2)));
    assert!(world.events.iter().any(|(key, event)| *key == connection && matches!(event, Event::Cut { .. })));
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(2), Some(request)));
    world.settle();
    let failure = world.answer(request).unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransactionRolledBack, "{failure}");
    assert_eq!(world.state.recover(Epoch(1)).destinations[0].messages, 1);
}

#[test]
fn a_commit_whose_acknowledgements_went_down_with_the_last_connection_is_refused() {
    let mut world = world();
    world.connect("c");
    world.restart();
    // The client begins again what it had begun, and does not know that its acknowledgement did not arrive.
    let connection = world.connect_with("c", "c", true).unwrap();
    world.turn(|core| core.begin(connection, transaction(1))).unwrap();
    let request = world.request();
    world.turn(|core| core.commit(connection, &transaction(1), Some(request)));
    world.settle();
    let failure = world.answer(request).unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransactionRolledBack, "{failure}");
}

#[test]
fn a_client_that_says_goodbye_is_forgotten() {
    let mut world = world();
    let connection = world.connect("c");
    world.turn(|core| core.add_producer(connection, "c:1:1".into(), Some(queue()), 0)).unwrap();
    let sending = Sending {
        address: queue(),
        message: Arc::new(message("c:1:1:1", true)),
        producer: Some("c:1:1".into()),
        sequence: Some(1),
        transaction: None,
        window_bytes: 0,
    };
    world.sending(connection, sending);
    world.settle();
    assert_eq!(world.state.recover(Epoch(1)).tables.len(), 1);
    world.turn(|core| core.disconnect(connection, LastDelivered::Nothing, true));
    world.settle();
    assert!(world.state.recover(Epoch(1)).tables.is_empty());
}

#[test]
fn a_full_store_refuses_senders_and_still_takes_acknowledgements() {
    let mut world = world();
    let connection = world.connect("c");
    let consumer = world.consume(connection, &queue(), 10);
    world.send(connection, &queue(), message("a", true));
    world.settle();
    let id = world.deliveries()[0].id;
    world.full = true;
    let refused = world.send(connection, &queue(), message("b", true));
    let taken = world.ack(connection, consumer, Standard, &[id], None);
    world.settle();
    assert_eq!(world.answer(refused).unwrap().unwrap_err().kind, FailureKind::ResourceAllocation);
    assert_eq!(world.answer(taken), Some(Ok(())));
}

#[test]
fn topics_reach_those_who_listen_but_not_the_sender_itself_if_it_says_so() {
    let mut world = world();
    let connection = world.connect("c");
    let topic = Address::topic("t.a");
    let plain = world.consume(connection, &topic, 10);
    let pattern = world.consume(connection, &Address::topic("t.>"), 10);
    let not_own =
        world.consume_with(connection, ConsumerSpec { no_local: true, ..consumer_spec(&topic, 10) }).0;
    world.send(connection, &topic, message("c:1:1:1", true));
    world.send(connection, &topic, message("other:1:1:1", true));
    let found = world.deliveries();
    let of = |key| found.iter().filter(|delivery| delivery.consumer == key).count();
    assert_eq!((of(plain), of(pattern), of(not_own)), (2, 2, 1));
}

#[test]
fn durable_subscriptions_keep_what_comes_while_their_client_is_away() {
    let mut world = world();
    let connection = world.connect("c");
    let topic = Address::topic("t");
    let (key, request) = world.consume_with(connection, durable_spec(&topic, "d", 10));
    assert_eq!(world.answer(request), None);
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    let (_, second) = world.consume_with(connection, durable_spec(&topic, "d", 10));
    assert!(world.answer(second).unwrap().unwrap_err().message.contains("in use"));
    world.turn(|core| core.remove_consumer(key, LastDelivered::Nothing));
    world.send(connection, &topic, message("a", true));
    world.settle();
    world.restart();
    let connection = world.connect("c");
    let (key, _) = world.consume_with(connection, durable_spec(&topic, "d", 10));
    world.settle();
    assert_eq!(names(&world.texts(key)), ["a"]);
    world.turn(|core| core.remove_consumer(key, LastDelivered::Nothing));
    // Another topic is another subscription of the same name.
    let (key, _) = world.consume_with(connection, durable_spec(&Address::topic("u"), "d", 10));
    world.settle();
    assert!(world.texts(key).is_empty());
    let busy = world.request();
    world.turn(|core| core.unsubscribe(connection, &"d".into(), Some(busy)));
    assert!(world.answer(busy).unwrap().is_err());
    world.turn(|core| core.remove_consumer(key, LastDelivered::Nothing));
    let gone = world.request();
    world.turn(|core| core.unsubscribe(connection, &"d".into(), Some(gone)));
    world.settle();
    assert_eq!(world.answer(gone), Some(Ok(())));
    assert!(world.state.recover(Epoch(1)).subscriptions.is_empty());
    let unknown = world.request();
    world.turn(|core| core.unsubscribe(connection, &"d".into(), Some(unknown)));
    assert_eq!(world.answer(unknown).unwrap().unwrap_err().kind, FailureKind::InvalidDestination);
}

#[test]
fn a_topic_is_not_removed_under_its_subscription_by_the_name_of_a_temporary_beside_it() {
    let mut world = world();
    let (connection, other) = (world.connect("c"), world.connect("other"));
    world.consume_with(connection, durable_spec(&Address::topic("t"), "d", 10));
    world.settle();
    let both = Address::new(AddressKind::TemporaryQueue, "own,topic://t");
    world.turn(|core| core.add_destination(other, &both, None));
    let request = world.request();
    world.turn(|core| core.remove_destination(other, &both, Some(request)));
    assert!(world.answer(request).unwrap().is_err());
}

#[test]
fn a_durable_pattern_gets_topics_that_come_later() {
    let mut world = world();
    let connection = world.connect("c");
    let (key, _) = world.consume_with(connection, durable_spec(&Address::topic("t.*"), "d", 10));
    world.turn(|core| core.remove_consumer(key, LastDelivered::Nothing));
    world.settle();
    world.restart();
    let connection = world.connect("c");
    world.send(connection, &Address::topic("t.new"), message("a", true));
    world.settle();
    let (key, _) = world.consume_with(connection, durable_spec(&Address::topic("t.*"), "d", 10));
    world.settle();
    assert_eq!(names(&world.texts(key)), ["a"]);
}

#[test]
fn a_temporary_queue_is_its_connections_own_and_goes_with_it() {
    let mut world = world();
    let owner = world.connect("owner");
    let other = world.connect("other");
    let address = Address::new(AddressKind::TemporaryQueue, "owner:1");
    let request = world.request();
    world.turn(|core| core.add_destination(owner, &address, Some(request)));
    assert_eq!(world.answer(request), Some(Ok(())));
    let (_, refused) = world.consume_with(other, consumer_spec(&address, 1));
    assert_eq!(world.answer(refused).unwrap().unwrap_err().kind, FailureKind::InvalidDestination);
    let consumer = world.consume(owner, &address, 1);
    let sent = world.send(other, &address, message("a", true));
    assert_eq!(world.answer(sent), Some(Ok(())), "in memory, as it goes with its connection");
    assert_eq!(names(&world.texts(consumer)), ["a"]);
    world.turn(|core| core.disconnect(owner, LastDelivered::Unknown, false));
    let late = world.send(other, &address, message("b", true));
    assert_eq!(world.answer(late).unwrap().unwrap_err().kind, FailureKind::NoDestination);
}

#[test]
fn composites_and_patterns_are_sent_to_each() {
    let mut world = world();
    let connection = world.connect("c");
    let a = world.consume(connection, &Address::queue("x.a"), 10);
    let b = world.consume(connection, &Address::queue("x.b"), 10);
    let t = world.consume(connection, &Address::topic("t"), 10);
    world.send(connection, &Address::queue("x.a,topic://t"), message("composite", true));
    world.send(connection, &Address::queue("x.*"), message("pattern", true));
    world.settle();
    let found = world.deliveries();
    let of = |key| found.iter().filter(|delivery| delivery.consumer == key).map(name_of).collect::<Vec<_>>();
    assert_eq!(of(a), ["composite", "pattern"]);
    assert_eq!(of(b), ["pattern"]);
    assert_eq!(of(t), ["composite"]);
}

#[test]
fn client_ids_are_unique_and_a_client_that_comes_back_takes_over() {
    let mut world = world();
    let first = world.connect_with("one", "id", false).unwrap();
    assert_eq!(world.connect_with("two", "id", false).unwrap_err().kind, FailureKind::InvalidClientId);
    let second = world.connect_with("one", "id", true).unwrap();
    assert!(world.events.iter().any(|(key, event)| *key == first && matches!(event, Event::Close { .. })));
    assert_ne!(first, second);
}

#[test]
fn advisories_are_told_to_those_who_listen_and_replayed_to_those_who_come_later() {
    let mut world = world();
    let connection = world.connect("c");
    let listener = world.consume(connection, &Address::topic("ActiveMQ.Advisory.Consumer.Queue.q"), 10);
    let one = world.consume(connection, &queue(), 1);
    world.consume(connection, &queue(), 1);
    world.turn(|core| core.remove_consumer(one, LastDelivered::Nothing));
    let found = world.texts(listener);
    assert_eq!(found.len(), 3);
    for ((text, _), (count, begins)) in found.iter().zip([(1, true), (2, true), (1, false)]) {
        assert!(text.contains(&format!("count: {count}, begins: {begins}")), "{text}");
    }
    let late = world.consume(connection, &Address::topic("ActiveMQ.Advisory.Queue"), 10);
    assert_eq!(world.texts(late).len(), 1);
}

#[test]
fn a_selector_is_refused_rather_than_ignored() {
    let mut world = world();
    let connection = world.connect("c");
    let spec = ConsumerSpec { selector: Some(ByteString::from("a = 1")), ..consumer_spec(&queue(), 1) };
    let (_, request) = world.consume_with(connection, spec);
    assert_eq!(world.answer(request).unwrap().unwrap_err().kind, FailureKind::InvalidSelector);
}

#[test]
fn a_client_that_does_not_read_gets_no_more_than_its_outbox_holds() {
    let limits = Limits { outbox_bytes_max: 10_000, ..Limits::default() };
    let mut world = World::new(limits);
    let connection = world.connect("c");
    world.consume(connection, &queue(), 32_000);
    for number in 0..1000 {
        world.send(connection, &queue(), message(&number.to_string(), true));
    }
    world.settle();
    let sent: usize = world
        .events
        .iter()
        .map(|(_, event)| if let Event::Deliver(delivery) = event { delivery.payload.size() } else { 0 })
        .sum();
    assert!(sent < 11_000, "{sent} bytes");
    let mut count = 0;
    loop {
        let found = world.deliveries().len();
        world.settle();
        count += found;
        if found == 0 {
            break;
        }
    }
    assert_eq!(count, 1000, "the rest comes as it reads");
}

#[test]
fn memory_does_not_grow_with_the_backlog() {
    let limits = Limits { memory_bytes_max: 1 << 20, ..Limits::default() };
    let policy = Policy { window_bytes_max: 200_000, ..Policy::default() };
    let mut world = World::with_policy(limits, policy);
    let connection = world.connect("c");
    for queue in 0..20 {
        let address = Address::queue(format!("q{queue}"));
        for _ in 0..200 {
            let body = bytes::Bytes::from(vec![0; 1000]);
            world.send(connection, &address, Message { body, ..message("m", true) });
        }
        world.settle();
        world.events.clear();
    }
    assert!(world.core.memory_bytes() <= (1 << 20) + 4096, "{}", world.core.memory_bytes());
}
