//! Closing, crashing, opening again.

use crate::batch::{DestinationKind, Operation, Outcome};
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, create, decide, enqueue, enqueue_ranked, moved, prepare, put, subscription,
    xid,
};
use crate::conformance::session::{Answer, Session, everything};
use crate::contract::StoreError;
use crate::names::{DestinationId, SubscriptionId};

/// A store with some of everything in it, committed in many batches.
fn fill(session: &mut Session<'_>) {
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let topic = session.topic("prices");
    let [first, second] = [session.subscribe(topic, "first"), session.subscribe(topic, "second")];
    let ids = session.message_ids(60);
    for (number, id) in ids[..40].iter().enumerate() {
        let destination = if number % 4 == 3 { topic } else { orders };
        session.commit(vec![enqueue_ranked(*id, destination, (number % 5 / 4) as u8)]);
    }
    for id in ids[..40].iter().step_by(3) {
        session.commit(vec![acknowledge(*id, orders), acknowledge_for(*id, topic, first)]);
    }
    session.commit(vec![moved(ids[1], orders, failed), acknowledge_for(ids[7], topic, second)]);
    session.commit(vec![prepare(xid(1), vec![enqueue(ids[50], failed), acknowledge(ids[2], orders)])]);
    session.commit(vec![prepare(xid(2), vec![enqueue(ids[51], failed)])]);
    session.commit(vec![prepare(xid(1), vec![enqueue(ids[52], failed)])]);
    session.commit(vec![decide(xid(2), Outcome::Commit), put("table", "a", Some("1"))]);
    session.commit(vec![put("table", "b", Some("2")), put("table", "a", None)]);
}

/// Everything is there after closing and opening, however often.
pub fn reopening_keeps_everything(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    fill(&mut session);
    let before = session.contents();
    for round in 0..3 {
        session.reopen();
        assert_eq!(session.contents(), before, "after opening again, round {round}");
    }
    let late = session.queue("late");
    let id = session.message_id();
    session.commit(vec![enqueue(id, late)]);
    session.reopen();
    assert_eq!(session.in_queue(late), [id]);
}

/// What was completed survives a crash, each batch as a whole.
pub fn crash_keeps_what_was_completed(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    fill(&mut session);
    let before = session.contents();
    if !session.crash() {
        return;
    }
    assert_eq!(session.contents(), before);
    // One single batch, of each kind, just completed; and again after a crash that wrote nothing.
    let queue = DestinationId(session.id());
    let topic = DestinationId(session.id());
    let reader = SubscriptionId(session.id());
    let ids = session.message_ids(3);
    for batch in [
        vec![create(queue, DestinationKind::Queue, "late"), create(topic, DestinationKind::Topic, "late")],
        vec![Operation::Subscribe(subscription(reader, topic, "late"))],
        vec![enqueue(ids[0], queue)],
        vec![enqueue(ids[1], topic), enqueue(ids[2], queue)],
        vec![moved(ids[0], queue, queue)],
        vec![acknowledge(ids[2], queue)],
        vec![acknowledge_for(ids[1], topic, reader)],
        vec![prepare(xid(7), vec![acknowledge(ids[0], queue)])],
        vec![put("late", "key", Some("value"))],
        vec![decide(xid(7), Outcome::Commit)],
        vec![Operation::Unsubscribe(reader)],
        vec![Operation::RemoveDestination(queue)],
    ] {
        let shown = format!("{batch:?}");
        session.commit(batch);
        let before = session.contents();
        assert!(session.crash());
        assert_eq!(session.contents(), before, "after {shown}");
    }
    let before = session.contents();
    assert!(session.crash());
    assert_eq!(session.contents(), before);
    // A crash right behind the completion, before anyone looks.
    let last = session.queue("last");
    let ids = session.message_ids(6);
    for (number, id) in ids.iter().enumerate() {
        session.commit(vec![enqueue(*id, last)]);
        assert!(session.crash());
        assert_eq!(session.in_queue(last), ids[..=number]);
    }
}

/// A crash with many batches in flight leaves a beginning of them: everything completed, nothing with a gap
/// before it, no half of one.
pub fn crash_in_flight_leaves_a_beginning(engine: &mut dyn Engine) {
    const BATCHES: usize = 150;
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let other = session.queue("other");
    for round in 0..3 {
        let before = (session.in_queue(queue), session.in_queue(other));
        let ids = session.message_ids(BATCHES * 2);
        let answers = ids
            .chunks(2)
            .map(|pair| session.submit(vec![enqueue(pair[0], queue), enqueue(pair[1], other)]))
            .collect::<Vec<_>>();
        // So that some are done and some are not.
        answers[round * 40].wait().expect("commits");
        let completed =
            answers.iter().skip(round * 40 + 1).take_while(|answer| answer.now().is_some()).count();
        let completed = completed + round * 40 + 1;
        if !session.crash() {
            return;
        }
        let found = (session.in_queue(queue), session.in_queue(other));
        let survived = found.0.len() - before.0.len();
        assert!(survived >= completed, "{completed} were completed, {survived} survived the crash");
        let expected = |before: &[_], which: usize| {
            let new = ids.chunks(2).take(survived).map(|pair| pair[which]);
            before.iter().copied().chain(new).collect::<Vec<_>>()
        };
        assert_eq!(found, (expected(&before.0, 0), expected(&before.1, 1)));
    }
}

/// Closing completes all that was submitted before, successfully, before it returns.
pub fn closing_completes_what_was_submitted(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let sent = session.message_ids(100);
    let answers = sent.iter().map(|id| session.submit(vec![enqueue(*id, queue)])).collect::<Vec<_>>();
    session.store.close();
    for answer in &answers {
        let result = answer.now().expect("answered before closing returned");
        result.expect("commits");
    }
    session.reopen();
    assert_eq!(session.in_queue(queue), sent);
}

/// After closing, every call is answered that the store is closed, and closing again does nothing.
pub fn closed_store_says_so(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let [kept, late] = [session.message_id(), session.message_id()];
    session.commit(vec![enqueue(kept, queue)]);
    session.store.close();
    session.store.close();
    for _ in 0..3 {
        assert!(matches!(session.try_commit(vec![enqueue(late, queue)]), Err(StoreError::Closed)));
        assert!(matches!(
            session.try_commit(vec![enqueue(late, DestinationId(999))]),
            Err(StoreError::Closed)
        ));
        assert!(matches!(session.try_read(everything(queue, None)), Err(StoreError::Closed)));
        let recovered = Answer::of(|done| session.store.recover(done)).wait();
        assert!(matches!(recovered, Err(StoreError::Closed)), "{recovered:?}");
    }
    session.store.close();
    session.reopen();
    assert_eq!(session.in_queue(queue), [kept]);
}
