//! Transacted sessions.

use crate::consumer_options::ConsumerOptions;
use crate::error::{Error, Loss};
use crate::protocol::event::Extent;
use crate::protocol::tests::conversation::Conversation;

fn options() -> ConsumerOptions {
    ConsumerOptions::queue("A")
}

#[test]
fn a_transaction_begins_with_its_first_message_and_ends_with_one_answer() {
    let (mut talk, session) = Conversation::open_session(true);
    let producer = talk.open_producer(session);
    assert!(talk.protocol.commit(talk.now, session).unwrap().is_none());
    assert!(talk.protocol.roll_back(talk.now, session).unwrap().is_none());
    talk.send(producer, true);
    talk.send(producer, false);
    talk.protocol.commit(talk.now, session).unwrap();
    talk.send(producer, true);
    talk.protocol.roll_back(talk.now, session).unwrap();
    talk.expect(&[
        "> ProducerInfo 1:1 queue://A  #3?",
        "> TransactionInfo begin in t1  #4",
        "> Message m1 persistent to queue://A in t1  #5",
        "> Message m2 non-persistent to queue://A in t1  #6",
        "> TransactionInfo commit in t1  #7?",
        "> TransactionInfo begin in t2  #8",
        "> Message m3 persistent to queue://A in t2  #9",
        "> TransactionInfo roll back in t2  #10?",
    ]);
}

#[test]
fn what_was_handed_out_is_acknowledged_by_the_commit() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 4);
    talk.dispatch(1..=4);
    talk.take(consumer, 3);
    // In a transaction there is nothing else to acknowledge.
    talk.acknowledge(consumer, 1, Extent::One);
    talk.protocol.commit(talk.now, session).unwrap();
    talk.hear();
    talk.answer(7);
    talk.take(consumer, 1);
    talk.expect(&[
        "= deliverable 1:1",
        "> TransactionInfo begin in t1  #4",
        "= m1 arrival=1 redeliveries=0",
        "> MessageAck delivered 1:1 m1..m2 (2) in t1  #5",
        "= m2 arrival=2 redeliveries=0",
        "= m3 arrival=3 redeliveries=0",
        "> MessageAck standard 1:1 m1..m3 (3) in t1  #6",
        "> TransactionInfo commit in t1  #7?",
        "= 7 answered",
        "> TransactionInfo begin in t2  #8",
        "= m4 arrival=4 redeliveries=0",
    ]);
}

#[test]
fn what_was_rolled_back_comes_again_first() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 100);
    talk.dispatch(1..=3);
    talk.take(consumer, 2);
    talk.protocol.roll_back(talk.now, session).unwrap();
    talk.take(consumer, 3);
    talk.expect(&[
        "= deliverable 1:1",
        "> TransactionInfo begin in t1  #4",
        "= m1 arrival=1 redeliveries=0",
        "= m2 arrival=2 redeliveries=0",
        "> TransactionInfo roll back in t1  #5?",
        "> MessageAck redelivered 1:1 m1..m2 (2)  #6",
        "> TransactionInfo begin in t2  #7",
        "= m1 arrival=1 redeliveries=1",
        "= m2 arrival=2 redeliveries=1",
        "= m3 arrival=3 redeliveries=0",
        "= deliverable 1:1",
    ]);
}

#[test]
fn the_window_counts_a_message_once_however_often_it_comes() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 4);
    talk.dispatch(1..=4);
    talk.take(consumer, 2);
    talk.protocol.roll_back(talk.now, session).unwrap();
    talk.take(consumer, 3);
    talk.hear();
    let reports = |talk: &mut Conversation| {
        let lines = talk.transcript();
        lines
            .into_iter()
            .filter(|line| line.contains("delivered 1:1") && !line.contains("redelivered"))
            .collect()
    };
    let found: Vec<String> = reports(&mut talk);
    assert_eq!(found, ["> MessageAck delivered 1:1 m1..m2 (2) in t1  #5"]);
    talk.take(consumer, 1);
    let found: Vec<String> = reports(&mut talk);
    assert_eq!(found, ["> MessageAck delivered 1:1 m3..m4 (2) in t2  #9"]);
}

#[test]
fn poison_is_given_up_and_the_rest_comes_again() {
    let (mut talk, session, consumer) =
        Conversation::open_consumer(true, options().redeliveries_max(Some(1)), 100);
    talk.dispatch([1]);
    talk.take(consumer, 1);
    talk.protocol.roll_back(talk.now, session).unwrap();
    talk.dispatch([2]);
    talk.take(consumer, 2);
    talk.transcript();
    talk.protocol.roll_back(talk.now, session).unwrap();
    talk.take(consumer, 2);
    talk.expect(&[
        "> TransactionInfo roll back in t2  #8?",
        "> MessageAck poison 1:1 m1..m1 (1) because redelivered 1 times, the most allowed  #9",
        "> MessageAck redelivered 1:1 m2..m2 (1)  #10",
        "> TransactionInfo begin in t3  #11",
        "= m2 arrival=2 redeliveries=1",
        "= nothing",
        "= deliverable 1:1",
    ]);
}

#[test]
fn a_refused_commit_is_a_roll_back() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 100);
    talk.dispatch(1..=3);
    talk.take(consumer, 2);
    talk.protocol.commit(talk.now, session).unwrap();
    // Before the answer the next transaction has begun.
    talk.take(consumer, 1);
    talk.transcript();
    talk.refuse(6, "no");
    talk.take(consumer, 3);
    talk.protocol.commit(talk.now, session).unwrap();
    talk.expect(&[
        "= deliverable 1:1",
        "= 6 failed: the broker refused: javax.jms.JMSException: no",
        "> MessageAck redelivered 1:1 m1..m2 (2)  #8",
        "= m1 arrival=1 redeliveries=1",
        "= m2 arrival=2 redeliveries=1",
        "= nothing",
        // One range again, in the order of the broker's own list.
        "> MessageAck standard 1:1 m1..m3 (3) in t2  #9",
        "> TransactionInfo commit in t2  #10?",
    ]);
}

#[test]
fn a_range_never_covers_a_message_that_is_not_handed_out() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 100);
    talk.dispatch(1..=3);
    talk.take(consumer, 2);
    talk.protocol.commit(talk.now, session).unwrap();
    talk.take(consumer, 1);
    talk.refuse(6, "no");
    talk.take(consumer, 1);
    talk.transcript();
    // m1 and m3 are handed out, m2 between them waits.
    talk.protocol.commit(talk.now, session).unwrap();
    talk.expect(&[
        "> MessageAck individual 1:1 m1..m1 (1) in t2  #9",
        "> MessageAck individual 1:1 m3..m3 (1) in t2  #10",
        "> TransactionInfo commit in t2  #11?",
    ]);
}

#[test]
fn a_consumer_closes_after_the_transaction_that_needs_it() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 100);
    talk.dispatch(1..=2);
    talk.take(consumer, 1);
    assert!(talk.protocol.close_consumer(talk.now, consumer).unwrap().is_none());
    assert!(matches!(talk.protocol.next(talk.now, consumer), Err(Error::Closed)));
    talk.transcript();
    talk.protocol.commit(talk.now, session).unwrap();
    talk.expect(&[
        "> MessageAck standard 1:1 m1..m1 (1) in t1  #5",
        "> TransactionInfo commit in t1  #6?",
        "> RemoveInfo consumer 1:1 last=101  #7",
    ]);
}

#[test]
fn a_session_that_closes_rolls_back() {
    let (mut talk, session, consumer) = Conversation::open_consumer(true, options(), 100);
    talk.dispatch([1]);
    talk.take(consumer, 1);
    talk.transcript();
    talk.protocol.close_session(talk.now, session).unwrap();
    talk.expect(&[
        "> TransactionInfo roll back in t1  #5",
        "> RemoveInfo consumer 1:1 last=101  #6",
        "> RemoveInfo session 1 last=-2  #7?",
        "= deliverable 1:1",
    ]);
}

#[test]
fn a_commit_without_an_answer_is_in_doubt_and_a_roll_back_is_not() {
    let (mut talk, session) = Conversation::open_session(true);
    let producer = talk.open_producer(session);
    talk.answer(3);
    talk.send(producer, true);
    talk.protocol.commit(talk.now, session).unwrap();
    talk.transcript();
    talk.protocol.lose(&Loss::EndOfStream);
    talk.expect(&[
        "= 6 failed: the connection was lost before the broker answered, the outcome is unknown: the broker closed it",
    ]);
    talk.send(producer, true);
    talk.protocol.roll_back(talk.now, session).unwrap();
    talk.transcript();
    talk.protocol.lose(&Loss::EndOfStream);
    talk.expect(&["= 9 failed: the connection was lost: the broker closed it"]);
}

#[test]
fn only_a_transacted_session_commits() {
    let (mut talk, session) = Conversation::open_session(false);
    assert!(matches!(talk.protocol.commit(talk.now, session), Err(Error::Usage(_))));
    assert!(matches!(talk.protocol.roll_back(talk.now, session), Err(Error::Usage(_))));
}
