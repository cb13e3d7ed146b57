//! Consumers outside of transactions.

use kahawai_openwire::consumer::ConsumerControl;
use kahawai_openwire::message::MessageDispatch;

use crate::consumer_options::{Acknowledge, ConsumerOptions};
use crate::error::{Error, Loss};
use crate::protocol::event::Extent;
use crate::protocol::tests::conversation::{Conversation, dispatch};

fn explicit() -> ConsumerOptions {
    ConsumerOptions::queue("A").acknowledge(Acknowledge::Explicit)
}

#[test]
fn automatically_each_message_is_acknowledged_as_it_is_handed_out() {
    let (mut talk, _, consumer) = Conversation::open_consumer(false, ConsumerOptions::queue("A"), 10);
    talk.next(consumer);
    talk.dispatch(1..=2);
    // The application is woken once for what it has not looked at.
    talk.expect(&["= nothing", "= deliverable 1:1"]);
    talk.take(consumer, 3);
    talk.expect(&[
        "> MessageAck standard 1:1 m1..m1 (1)  #4",
        "= m1 arrival=1 redeliveries=0",
        "> MessageAck standard 1:1 m2..m2 (1)  #5",
        "= m2 arrival=2 redeliveries=0",
        "= nothing",
    ]);
    talk.protocol.close_consumer(talk.now, consumer).unwrap();
    // What was on its way when it closed is the broker's.
    talk.dispatch([3]);
    talk.expect(&["> RemoveInfo consumer 1:1 last=102  #6?"]);
    assert!(matches!(talk.protocol.next(talk.now, consumer), Err(Error::Closed)));
}

#[test]
fn explicitly_one_message_or_all_up_to_it_are_acknowledged() {
    let (mut talk, _, consumer) = Conversation::open_consumer(false, explicit(), 100);
    talk.dispatch(1..=6);
    talk.take(consumer, 5);
    talk.expect(&[
        "= deliverable 1:1",
        "= m1 arrival=1 redeliveries=0",
        "= m2 arrival=2 redeliveries=0",
        "= m3 arrival=3 redeliveries=0",
        "= m4 arrival=4 redeliveries=0",
        "= m5 arrival=5 redeliveries=0",
    ]);
    talk.acknowledge(consumer, 2, Extent::One);
    talk.acknowledge(consumer, 2, Extent::One);
    talk.acknowledge(consumer, 4, Extent::UpToHere);
    talk.acknowledge(consumer, 3, Extent::UpToHere);
    // The range counts what is left in it: the broker compares.
    talk.expect(&[
        "> MessageAck individual 1:1 m2..m2 (1)  #4?",
        "> MessageAck standard 1:1 m1..m4 (3)  #5?",
    ]);
    talk.protocol.reject(talk.now, consumer, 5, "bad taste").unwrap();
    assert!(talk.protocol.reject(talk.now, consumer, 5, "bad taste").unwrap().is_none());
    talk.expect(&["> MessageAck poison 1:1 m5..m5 (1) because bad taste  #6?"]);
}

#[test]
fn the_broker_is_told_of_each_half_window_that_was_handed_out() {
    let (mut talk, _, consumer) = Conversation::open_consumer(false, explicit(), 4);
    talk.dispatch(1..=4);
    talk.take(consumer, 2);
    talk.acknowledge(consumer, 2, Extent::UpToHere);
    talk.take(consumer, 1);
    talk.acknowledge(consumer, 3, Extent::One);
    // Acknowledged before it was told of: it counts no more.
    talk.take(consumer, 1);
    talk.dispatch([5]);
    talk.take(consumer, 1);
    talk.expect(&[
        "= deliverable 1:1",
        "= m1 arrival=1 redeliveries=0",
        "> MessageAck delivered 1:1 m1..m2 (2)  #4",
        "= m2 arrival=2 redeliveries=0",
        "> MessageAck standard 1:1 m1..m2 (2)  #5?",
        "= m3 arrival=3 redeliveries=0",
        "> MessageAck individual 1:1 m3..m3 (1)  #6?",
        "= m4 arrival=4 redeliveries=0",
        "= deliverable 1:1",
        "> MessageAck delivered 1:1 m4..m5 (2)  #7",
        "= m5 arrival=5 redeliveries=0",
    ]);
}

#[test]
fn without_prefetch_each_message_is_pulled_once() {
    let (mut talk, _, consumer) = Conversation::open_consumer(false, ConsumerOptions::queue("A"), 0);
    talk.take(consumer, 2);
    talk.expect(&["> MessagePull 1  #4", "= nothing", "= nothing"]);
    talk.dispatch([1]);
    talk.take(consumer, 2);
    talk.expect(&[
        "= deliverable 1:1",
        "> MessageAck standard 1:1 m1..m1 (1)  #5",
        "= m1 arrival=1 redeliveries=0",
        "> MessagePull 1  #6",
        "= nothing",
    ]);
    // None there: asked again when the application asks again.
    talk.say(MessageDispatch { message: None, ..dispatch(0, 0) }).unwrap();
    talk.take(consumer, 1);
    talk.expect(&["= deliverable 1:1", "> MessagePull 1  #7", "= nothing"]);
}

#[test]
fn messages_that_come_before_the_answer_are_not_lost() {
    let (mut talk, session) = Conversation::open_session(false);
    let (consumer, _) =
        talk.protocol.open_consumer(talk.now, session, &ConsumerOptions::queue("A"), 5).unwrap();
    talk.say(dispatch(1, 3)).unwrap();
    talk.answer(3);
    talk.hear();
    talk.next(consumer);
    talk.expect(&[
        "= deliverable 1:1",
        "= 3 answered",
        "> ConsumerInfo 1:1 queue://A prefetch=5  #3?",
        "> MessageAck standard 1:1 m1..m1 (1)  #4",
        "= m1 arrival=1 redeliveries=3",
    ]);
}

#[test]
fn the_broker_may_close_a_consumer_or_change_its_prefetch() {
    let (mut talk, _, consumer) = Conversation::open_consumer(false, explicit(), 100);
    let control = ConsumerControl {
        consumer_id: dispatch(1, 0).consumer_id,
        prefetch: 2,
        ..ConsumerControl::default()
    };
    talk.say(control.clone()).unwrap();
    talk.dispatch(1..=2);
    talk.say(ConsumerControl { close: true, ..control }).unwrap();
    talk.take(consumer, 3);
    talk.expect(&[
        "= deliverable 1:1",
        "= deliverable 1:1",
        "> MessageAck delivered 1:1 m1..m1 (1)  #4",
        "= m1 arrival=1 redeliveries=0",
        "> MessageAck delivered 1:1 m2..m2 (1)  #5",
        "= m2 arrival=2 redeliveries=0",
        "= ended",
    ]);
}

#[test]
fn a_broker_that_sends_without_end_is_stopped() {
    let (mut talk, _, _) = Conversation::open_consumer(false, explicit(), 10);
    let flood = (1..10_000).find_map(|number| talk.say(dispatch(number, 0)).err());
    let Some(Loss::Flooded { prefetch: 10, found }) = flood else { panic!("{flood:?}") };
    assert_eq!(found, 4 * 10 + 1024 + 1);
}

#[test]
fn closing_a_session_tells_of_each_consumer_what_it_had() {
    let (mut talk, session, consumer) = Conversation::open_consumer(false, ConsumerOptions::queue("A"), 10);
    talk.dispatch(1..=2);
    talk.take(consumer, 1);
    talk.protocol.close_session(talk.now, session).unwrap();
    talk.expect(&[
        "= deliverable 1:1",
        "> MessageAck standard 1:1 m1..m1 (1)  #4",
        "= m1 arrival=1 redeliveries=0",
        "> RemoveInfo consumer 1:1 last=101  #5",
        "> RemoveInfo session 1 last=-2  #6?",
        "= deliverable 1:1",
    ]);
}
