//! What a queue browser sees: what is there when it comes, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use kahawai_broker::core::address::Address;
use kahawai_broker::core::keys::{ConnectionKey, ConsumerKey};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::Policy;
use kahawai_broker::core::spec::AcknowledgementKind::Standard;
use kahawai_broker::core::spec::{ConsumerSpec, LastDelivered};
use support::{World, consumer_spec, message};

fn queue() -> Address {
    Address::queue("q")
}

fn names(found: &[(String, u32)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.as_str()).collect()
}

fn browse(world: &mut World, connection: ConnectionKey) -> ConsumerKey {
    let spec = ConsumerSpec { browser: true, ..consumer_spec(&queue(), 100) };
    world.consume_with(connection, spec).0
}

/// What a browser saw, when the store does things in the worst order that it may: pages are made before batches are applied.
fn seen(world: &mut World, browser: ConsumerKey) -> Vec<String> {
    while world.make_page(0) || world.give_page(0) || world.complete() || world.apply() {}
    world.texts(browser).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_browser_sees_everything_in_order_takes_nothing_and_hears_the_end() {
    let policy = Policy { page_messages_max: 2, ..Policy::default() };
    let mut world = World::with_policy(Limits::default(), policy);
    let connection = world.connect("c");
    for number in 0..5 {
        world.send(connection, &queue(), message(&number.to_string(), true));
    }
    world.send(connection, &queue(), message("weak", false));
    world.settle();
    let browser =
        world.consume_with(connection, ConsumerSpec { browser: true, ..consumer_spec(&queue(), 100) }).0;
    world.settle();
    let found = world.texts(browser);
    assert_eq!(names(&found), ["0", "1", "2", "3", "4", "weak", "nothing"]);
    world.turn(|core| core.remove_consumer(browser, LastDelivered::Unknown));
    let consumer = world.consume(connection, &queue(), 100);
    world.settle();
    assert_eq!(world.texts(consumer).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [0; 6]);
}

#[test]
fn a_browser_does_not_see_what_was_acknowledged_before_it_came() {
    let mut world = World::new(Limits::default());
    let connection = world.connect("c");
    world.send(connection, &queue(), message("a", true));
    world.send(connection, &queue(), message("b", true));
    let consumer = world.consume(connection, &queue(), 10);
    world.settle();
    let ids: Vec<_> = world.deliveries().iter().map(|delivery| delivery.id).collect();
    // Nobody waits for these acknowledgements: they are under way still.
    world.ack(connection, consumer, Standard, &ids[..1], None);
    world.ack(connection, consumer, Standard, &ids[1..], None);
    let browser = browse(&mut world, connection);
    assert_eq!(seen(&mut world, browser), ["nothing"]);
}

#[test]
fn a_browser_sees_all_that_a_closed_connection_had_sent_without_waiting() {
    let mut world = World::new(Limits::default());
    let (sender, looker) = (world.connect("sender"), world.connect("looker"));
    let expected: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    for name in &expected {
        world.send(sender, &queue(), message(name, true));
    }
    let request = world.request();
    world.turn(|core| core.goodbye(sender, LastDelivered::Unknown, Some(request)));
    assert_eq!(world.answer(request), None, "what it sent is not there yet");
    // Who does not wait for the answer finds everything all the same.
    let browser = browse(&mut world, looker);
    let mut found = seen(&mut world, browser);
    assert_eq!(found.pop().as_deref(), Some("nothing"));
    assert_eq!(found, expected);
    assert_eq!(world.answer(request), Some(Ok(())));
    // On a disk that takes nothing at all a goodbye is still one.
    let late = world.connect("late");
    world.refuses_all = true;
    world.send(late, &queue(), message("refused", true));
    let request = world.request();
    world.turn(|core| core.goodbye(late, LastDelivered::Unknown, Some(request)));
    world.settle();
    assert_eq!(world.answer(request), Some(Ok(())));
    world.refuses_all = false;
    let request = world.request();
    world.turn(|core| core.goodbye(looker, LastDelivered::Unknown, Some(request)));
    assert_eq!(world.answer(request), Some(Ok(())), "nothing is under way: nothing to wait for");
}
