//! Producers, and what is known of a message when the connection is lost.

use crate::error::{Error, Loss};
use crate::protocol::tests::conversation::Conversation;

#[test]
fn a_persistent_message_asks_for_an_answer_and_others_do_not() {
    let (mut talk, session) = Conversation::open_session(false);
    let producer = talk.open_producer(session);
    talk.send(producer, true);
    talk.send(producer, false);
    talk.send(producer, true);
    talk.expect(&[
        "> ProducerInfo 1:1 queue://A  #3?",
        "> Message m1 persistent to queue://A  #4?",
        "> Message m2 non-persistent to queue://A  #5",
        "> Message m3 persistent to queue://A  #6?",
    ]);
    assert_eq!(talk.protocol.requests_pending(), 3);
    // Answers come in any order, and a refusal concerns its own message only.
    talk.answer(6);
    talk.refuse(4, "full");
    talk.answer(3);
    talk.expect(&[
        "= 6 answered",
        "= 4 failed: the broker refused: javax.jms.JMSException: full",
        "= 3 answered",
    ]);
    assert_eq!(talk.protocol.requests_pending(), 0);
}

#[test]
fn a_lost_connection_leaves_unanswered_sends_in_doubt() {
    let (mut talk, session) = Conversation::open_session(false);
    let producer = talk.open_producer(session);
    talk.expect(&["> ProducerInfo 1:1 queue://A  #3?"]);
    talk.protocol.lose(&Loss::EndOfStream);
    talk.expect(&["= 3 failed: the connection was lost: the broker closed it"]);
    talk.send(producer, true);
    talk.protocol.lose(&Loss::EndOfStream);
    talk.expect(&[
        "> Message m1 persistent to queue://A  #4?",
        "= 4 failed: the connection was lost before the broker answered, the outcome is unknown: the broker closed it",
    ]);
}

#[test]
fn a_message_that_does_not_fit_the_wire_takes_nothing_with_it() {
    let (mut talk, session) = Conversation::open_session(false);
    let producer = talk.open_producer(session);
    let message = kahawai_openwire::message::Message {
        persistent: true,
        message_type: Some("x".repeat(70_000).into()),
        ..Default::default()
    };
    let refused = talk.protocol.send(talk.now, producer, message).unwrap_err();
    assert!(matches!(refused, Error::Encode(_)), "{refused}");
    talk.send(producer, true);
    talk.expect(&["> ProducerInfo 1:1 queue://A  #3?", "> Message m2 persistent to queue://A  #4?"]);
    assert_eq!(talk.protocol.requests_pending(), 2);
}

#[test]
fn what_is_closed_sends_nothing_and_is_closed_once() {
    let (mut talk, session) = Conversation::open_session(false);
    let first = talk.open_producer(session);
    let second = talk.open_producer(session);
    assert!(talk.protocol.close_producer(talk.now, first).unwrap().is_some());
    assert!(talk.protocol.close_producer(talk.now, first).unwrap().is_none());
    assert!(talk.protocol.close_session(talk.now, session).unwrap().is_some());
    assert!(talk.protocol.close_session(talk.now, session).unwrap().is_none());
    let message = kahawai_openwire::message::Message::default();
    assert!(matches!(talk.protocol.send(talk.now, second, message), Err(Error::Closed)));
    talk.expect(&[
        "> ProducerInfo 1:1 queue://A  #3?",
        "> ProducerInfo 1:2 queue://A  #4?",
        "> RemoveInfo producer 1:1 last=-2  #5?",
        "> RemoveInfo session 1 last=-2  #6?",
    ]);
}
