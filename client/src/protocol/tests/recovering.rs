//! Going on with another broker.

use std::sync::Arc;

use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::message::Message;

use crate::consumer_options::{Acknowledge, ConsumerOptions};
use crate::error::{Error, Loss};
use crate::protocol::event::{ConsumerKey, Extent, SessionKey};
use crate::protocol::tests::conversation::Conversation;

const AGAIN: &str = "> ConnectionInfo client=me user=user password=secret again";

/// With session 1 and its consumer: commands go on with number 4.
fn consuming(transacted: bool, options: ConsumerOptions) -> (Conversation, SessionKey, ConsumerKey) {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, transacted).unwrap();
    let (consumer, _) = talk.protocol.open_consumer(talk.now, session, &options, 10).unwrap();
    talk.answer(2);
    talk.answer(3);
    talk.transcript();
    (talk, session, consumer)
}

fn explicit() -> ConsumerOptions {
    ConsumerOptions::queue("A").acknowledge(Acknowledge::Explicit)
}

/// Another broker accepts; what it is told is thrown away.
fn recover(talk: &mut Conversation, connection_info: i32) {
    talk.lose();
    talk.meet();
    talk.answer(connection_info);
    talk.transcript();
}

#[test]
fn the_next_broker_is_told_all_that_is_open() {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    talk.protocol.create_temporary(talk.now, DestinationKind::TemporaryQueue).unwrap();
    let producer = talk.open_producer(session);
    talk.protocol.open_consumer(talk.now, session, &explicit(), 10).unwrap();
    let (closed, _) = talk.protocol.open_consumer(talk.now, session, &explicit(), 10).unwrap();
    (2..=6).for_each(|request| talk.answer(request));
    talk.protocol.close_consumer(talk.now, closed).unwrap();
    talk.transcript();
    assert!(talk.protocol.is_up());
    talk.lose();
    assert!(!talk.protocol.is_up());
    // To close something was asked, and is done.
    talk.expect(&["= 7 answered"]);
    talk.meet();
    talk.expect(&["> WireFormatInfo", &format!("{AGAIN}  #8?")]);
    assert!(!talk.protocol.is_up());
    talk.answer(8);
    talk.send(producer, true);
    talk.expect(&[
        "= deliverable 1:1",
        "= restored",
        "> DestinationInfo add temp-queue://ID:test:1:1  #9",
        "> SessionInfo 1  #10",
        "> ProducerInfo 1:1 queue://A  #11",
        "> ConsumerInfo 1:1 queue://A prefetch=10  #12?",
        "> Message m1 persistent to queue://A  #13?",
    ]);
}

#[test]
fn what_was_asked_and_not_answered_is_asked_again_by_its_number() {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    talk.protocol.open_consumer(talk.now, session, &explicit(), 10).unwrap();
    talk.open_producer(session);
    talk.transcript();
    talk.lose();
    talk.meet();
    talk.transcript();
    talk.answer(5);
    talk.answer(3);
    talk.expect(&[
        "= deliverable 1:1",
        "= restored",
        "= 3 answered",
        "> SessionInfo 1  #2?",
        "> ProducerInfo 1:1 queue://A  #4?",
        "> ConsumerInfo 1:1 queue://A prefetch=10  #3?",
    ]);
}

#[test]
fn sends_without_an_answer_are_sent_again_in_order() {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    let producer = talk.open_producer(session);
    for persistent in [true, true, false, true] {
        talk.send(producer, persistent);
    }
    talk.answer(5);
    talk.transcript();
    assert!(talk.protocol.held_bytes() > 0);
    talk.lose();
    talk.meet();
    talk.answer(8);
    let replayed = talk.transcript();
    assert_eq!(
        replayed.iter().filter(|line| line.contains("Message")).collect::<Vec<_>>(),
        ["> Message m1 persistent to queue://A  #4?", "> Message m4 persistent to queue://A  #7?"]
    );
    talk.answer(4);
    talk.answer(7);
    talk.expect(&["= 4 answered", "= 7 answered"]);
    assert_eq!(talk.protocol.held_bytes(), 0);
}

#[test]
fn messages_that_no_answer_is_asked_for_are_sent_again_if_they_are_remembered() {
    let mut talk = Conversation::recovering(2 * 512);
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    let producer = talk.open_producer(session);
    for persistent in [false, true, false, false] {
        talk.send(producer, persistent);
    }
    talk.lose();
    talk.meet();
    talk.answer(8);
    let replayed = talk.transcript();
    // As many of the newest as fit, each at its place.
    assert_eq!(
        replayed[replayed.len() - 3..],
        [
            "> Message m2 persistent to queue://A  #5?",
            "> Message m3 non-persistent to queue://A  #6",
            "> Message m4 non-persistent to queue://A  #7"
        ]
    );
}

#[test]
fn what_was_handed_out_and_acknowledged_is_not_handed_out_again() {
    let (mut talk, _, consumer) = consuming(false, ConsumerOptions::queue("A"));
    talk.dispatch(1..=4);
    talk.take(consumer, 2);
    talk.transcript();
    recover(&mut talk, 6);
    // The broker has lost one acknowledgement; it never heard that 3 and 4 had come.
    talk.dispatch(2..=4);
    talk.take(consumer, 3);
    talk.expect(&[
        "= deliverable 1:1",
        "> MessageAck individual 1:1 m2..m2 (1)  #9",
        "> MessageAck standard 1:1 m3..m3 (1)  #10",
        "= m3 arrival=6 redeliveries=0",
        "> MessageAck standard 1:1 m4..m4 (1)  #11",
        "= m4 arrival=7 redeliveries=0",
        "= nothing",
    ]);
    // Once: a message that comes later by the same name was sent again by somebody.
    talk.dispatch([2]);
    talk.take(consumer, 1);
    let last = talk.transcript();
    assert_eq!(last.last().map(String::as_str), Some("= m2 arrival=8 redeliveries=0"));
}

#[test]
fn what_the_application_has_in_hand_is_acknowledged_to_the_next_broker() {
    let (mut talk, _, consumer) = consuming(false, explicit());
    talk.dispatch(1..=4);
    talk.take(consumer, 4);
    recover(&mut talk, 4);
    // The next broker has them in another order, and one from another consumer.
    talk.dispatch([3, 9, 1, 2, 4]);
    talk.take(consumer, 2);
    talk.acknowledge(consumer, 3, Extent::One);
    talk.acknowledge(consumer, 3, Extent::One);
    talk.acknowledge(consumer, 2, Extent::UpToHere);
    talk.expect(&[
        "= deliverable 1:1",
        "> MessageAck delivered 1:1 m3..m4 (5)  #7",
        "= m9 arrival=6 redeliveries=0",
        "= nothing",
        "> MessageAck individual 1:1 m3..m3 (1)  #8?",
        "> MessageAck individual 1:1 m1..m1 (1)  #9",
        "> MessageAck individual 1:1 m2..m2 (1)  #10?",
    ]);
}

#[test]
fn what_no_broker_has_sent_again_cannot_be_acknowledged_and_is_handed_out_if_it_comes() {
    let (mut talk, _, consumer) = consuming(false, explicit());
    talk.dispatch(1..=2);
    talk.take(consumer, 2);
    recover(&mut talk, 4);
    let refused = talk.protocol.acknowledge(talk.now, consumer, 1, Extent::One);
    assert!(matches!(refused, Err(Error::Lost(Loss::EndOfStream))), "{refused:?}");
    talk.dispatch(1..=2);
    talk.take(consumer, 2);
    talk.expect(&["= deliverable 1:1", "= m1 arrival=3 redeliveries=0", "= nothing"]);
}

#[test]
fn an_acknowledgement_without_its_answer_is_in_doubt() {
    let (mut talk, _, consumer) = consuming(false, explicit());
    talk.dispatch([1]);
    talk.take(consumer, 1);
    talk.acknowledge(consumer, 1, Extent::One);
    talk.transcript();
    talk.lose();
    talk.expect(&[
        "= 4 failed: the connection was lost before the broker answered, the outcome is unknown: the broker closed it",
    ]);
    talk.meet();
    talk.answer(5);
    talk.transcript();
    // It did not happen: the application, which was told of the doubt, gets it again.
    talk.dispatch([1]);
    talk.take(consumer, 1);
    talk.expect(&["= deliverable 1:1", "= m1 arrival=2 redeliveries=0"]);
}

#[test]
fn a_transaction_that_only_sent_is_sent_again() {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, true).unwrap();
    let producer = talk.open_producer(session);
    talk.send(producer, true);
    talk.send(producer, false);
    recover(&mut talk, 7);
    talk.lose();
    talk.meet();
    talk.answer(11);
    let replayed = talk.transcript();
    assert_eq!(
        replayed[replayed.len() - 3..],
        [
            "> TransactionInfo begin in t1  #12",
            "> Message m1 persistent to queue://A in t1  #13",
            "> Message m2 non-persistent to queue://A in t1  #14"
        ]
    );
    talk.protocol.commit(talk.now, session).unwrap();
    talk.expect(&["> TransactionInfo commit in t1  #15?"]);
}

#[test]
fn a_transaction_too_large_to_be_sent_again_is_rolled_back_and_says_so() {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, true).unwrap();
    let producer = talk.open_producer(session);
    let destination = Some(Arc::new(Destination::queue("A")));
    let large = || Message {
        destination: destination.clone(),
        content: Some(vec![0; 600_000].into()),
        ..Message::default()
    };
    for _ in 0..2 {
        talk.protocol.send(talk.now, producer, large()).unwrap();
    }
    talk.hear();
    recover(&mut talk, 7);
    let refused = talk.protocol.send(talk.now, producer, large());
    assert!(matches!(refused, Err(Error::RolledBack(_))), "{refused:?}");
    let refused = talk.protocol.commit(talk.now, session);
    assert!(matches!(refused, Err(Error::RolledBack(_))), "{refused:?}");
    // Told once: the next one is another transaction.
    talk.send(producer, true);
    talk.protocol.commit(talk.now, session).unwrap();
    let last = talk.transcript();
    assert_eq!(last.last().unwrap().split("  ").next(), Some("> TransactionInfo commit in t2"));
}

#[test]
fn a_transaction_that_received_is_rolled_back_with_what_came_since() {
    let (mut talk, session, consumer) = consuming(true, ConsumerOptions::queue("A"));
    talk.dispatch(1..=2);
    talk.take(consumer, 1);
    recover(&mut talk, 5);
    talk.dispatch(1..=2);
    talk.take(consumer, 2);
    talk.transcript();
    let refused = talk.protocol.commit(talk.now, session);
    assert!(matches!(refused, Err(Error::RolledBack(Loss::EndOfStream))), "{refused:?}");
    talk.take(consumer, 2);
    let found = talk.transcript();
    assert!(found[0].starts_with("> TransactionInfo roll back in t2"), "{found:?}");
    let handed: Vec<_> = found.iter().filter(|line| line.contains("arrival")).collect();
    assert_eq!(handed, ["= m1 arrival=3 redeliveries=1", "= m2 arrival=4 redeliveries=1"]);
    assert!(talk.protocol.commit(talk.now, session).unwrap().is_some());
}

#[test]
fn a_commit_without_its_answer_is_in_doubt() {
    let (mut talk, session, consumer) = consuming(true, ConsumerOptions::queue("A"));
    talk.dispatch([1]);
    talk.take(consumer, 1);
    talk.protocol.commit(talk.now, session).unwrap();
    talk.transcript();
    talk.lose();
    talk.expect(&[
        "= 6 failed: the connection was lost before the broker answered, the outcome is unknown: the broker closed it",
    ]);
    // The next transaction is not.
    talk.meet();
    talk.answer(7);
    talk.transcript();
    assert!(talk.protocol.commit(talk.now, session).unwrap().is_none());
}

#[test]
fn a_consumer_that_the_next_broker_refuses_ends() {
    let (mut talk, _, consumer) = consuming(false, explicit());
    recover(&mut talk, 4);
    talk.refuse(6, "no");
    talk.take(consumer, 1);
    let found = talk.transcript();
    assert_eq!(found.first().map(String::as_str), Some("= deliverable 1:1"));
    assert_eq!(found.last().map(String::as_str), Some("= ended"));
}

#[test]
fn a_broker_that_refuses_the_connection_is_told_apart_by_whether_it_is_the_first() {
    let mut talk = Conversation::recovering(0);
    talk.lose();
    talk.meet();
    talk.transcript();
    talk.refuse(2, "not you");
    talk.expect(&["= refused (final: false): javax.jms.JMSException: not you"]);
    assert!(!talk.protocol.is_up());
}

#[test]
fn a_puller_asks_again_and_a_closed_consumer_stays_closed() {
    let mut talk = Conversation::recovering(0);
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    let (puller, _) =
        talk.protocol.open_consumer(talk.now, session, &ConsumerOptions::queue("A"), 0).unwrap();
    let (other, _) = talk.protocol.open_consumer(talk.now, session, &explicit(), 5).unwrap();
    (2..=4).for_each(|request| talk.answer(request));
    talk.take(puller, 1);
    talk.lose();
    talk.transcript();
    // Without a broker nothing can be asked, and what is closed is closed.
    talk.take(puller, 1);
    assert!(talk.protocol.close_consumer(talk.now, other).unwrap().is_none());
    talk.expect(&["= nothing"]);
    talk.meet();
    talk.answer(6);
    talk.transcript();
    talk.take(puller, 1);
    talk.expect(&["> MessagePull 1  #9", "= nothing"]);
}
