//! Prepared transactions and their decisions.

use crate::batch::{Operation, Outcome};
use crate::catalog::Rejection;
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, decide, enqueue, enqueue_ranked, moved, prepare, put, xid,
};
use crate::conformance::session::Session;
use crate::contract::Prepared;

/// Until it is decided a prepared transaction changes nothing but the list of those prepared.
pub fn prepared_transaction_waits_for_its_decision(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let ids = session.message_ids(6);
    session.commit(vec![enqueue(ids[0], orders), enqueue(ids[1], orders), enqueue(ids[2], topic)]);
    let before = session.contents();

    let operations = vec![
        enqueue(ids[3], orders),
        acknowledge(ids[0], orders),
        enqueue(ids[4], topic),
        moved(ids[1], orders, failed),
        acknowledge_for(ids[2], topic, reader),
        put("table", "key", Some("value")),
    ];
    session.commit(vec![prepare(xid(3), operations), prepare(xid(2), vec![])]);
    let mut expected = before.clone();
    let mut acknowledges =
        vec![(orders, ids[0], None), (orders, ids[1], None), (topic, ids[2], Some(reader))];
    acknowledges.sort_unstable();
    expected.prepared = vec![
        Prepared { xid: xid(2), acknowledges: vec![], enqueues: 0 },
        Prepared { xid: xid(3), acknowledges, enqueues: 2 },
    ];
    assert_eq!(session.contents(), expected);
    session.reopen();
    assert_eq!(session.contents(), expected);

    session.commit(vec![decide(xid(3), Outcome::Commit), decide(xid(2), Outcome::Commit)]);
    assert_eq!(session.in_queue(orders), [ids[3]]);
    assert_eq!(session.in_queue(failed), [ids[1]]);
    assert_eq!(session.waiting(topic, reader), [ids[4]]);
    assert_eq!(session.recover().prepared, []);
    assert_eq!(session.recover().tables[0].value, "value");
    assert_eq!(session.rejected(vec![decide(xid(3), Outcome::Commit)]), Rejection::NotPrepared(xid(3)));
}

/// A committed transaction's operations stand where the decision stands, in its batch and among batches.
pub fn commit_applies_where_the_decision_stands(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let ids = session.message_ids(8);
    session.commit(vec![prepare(
        xid(1),
        vec![enqueue(ids[0], queue), enqueue(ids[1], topic), put("table", "key", Some("prepared"))],
    )]);
    // The topic's subscription comes after the preparation and before the decision: it counts.
    let reader = session.subscribe(topic, "reader");
    session.commit(vec![enqueue(ids[2], queue)]);
    session.commit(vec![
        enqueue(ids[3], queue),
        put("table", "key", Some("before")),
        decide(xid(1), Outcome::Commit),
        enqueue(ids[4], queue),
        acknowledge(ids[2], queue),
    ]);
    assert_eq!(session.in_queue(queue), [ids[3], ids[0], ids[4]]);
    assert_eq!(session.waiting(topic, reader), [ids[1]]);
    assert_eq!(session.recover().tables[0].value, "prepared");
    // Prepared and decided in one batch; and the id may be used again.
    session.commit(vec![
        enqueue(ids[5], queue),
        prepare(xid(1), vec![enqueue(ids[6], queue), acknowledge(ids[5], queue)]),
        decide(xid(1), Outcome::Commit),
    ]);
    session.reopen();
    assert_eq!(session.in_queue(queue), [ids[3], ids[0], ids[4], ids[6]]);
    assert_eq!(session.recover().prepared, []);
}

/// A rolled back transaction leaves nothing.
pub fn rollback_forgets(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let ids = session.message_ids(3);
    session.commit(vec![enqueue(ids[0], queue)]);
    let before = session.contents();
    session.commit(vec![prepare(xid(1), vec![enqueue(ids[1], queue), acknowledge(ids[0], queue)])]);
    session.commit(vec![prepare(xid(1), vec![put("table", "key", Some("value"))])]);
    session.commit(vec![decide(xid(1), Outcome::Rollback)]);
    assert_eq!(session.contents(), before);
    session.reopen();
    assert_eq!(session.contents(), before);
    // Another of the same id starts empty.
    session.commit(vec![prepare(xid(1), vec![enqueue(ids[2], queue)])]);
    session.commit(vec![decide(xid(1), Outcome::Commit)]);
    assert_eq!(session.in_queue(queue), [ids[0], ids[2]]);
}

/// A transaction prepared in many chunks, with another's among them, applies as one, in their order.
pub fn chunks_apply_in_order(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let ids = session.message_ids(40);
    let others = session.message_ids(10);
    let before = session.message_ids(2);
    session.commit(before.iter().map(|id| enqueue(*id, queue)).collect());
    for (number, chunk) in ids.chunks(4).enumerate() {
        session.commit(vec![prepare(xid(5), chunk.iter().map(|id| enqueue(*id, queue)).collect())]);
        session.commit(vec![prepare(xid(6), vec![enqueue(others[number], queue)])]);
        if number == 5 {
            session.reopen();
        }
    }
    // Two chunks in one batch; what the last one moves goes behind all that those before it sent.
    session.commit(vec![
        prepare(xid(5), vec![acknowledge(before[1], queue)]),
        prepare(xid(5), vec![moved(before[0], queue, queue)]),
    ]);
    assert_eq!(session.recover().prepared.iter().map(|prepared| prepared.enqueues).sum::<u64>(), 50);
    session.commit(vec![decide(xid(5), Outcome::Commit)]);
    let mut expected = ids.clone();
    expected.push(before[0]);
    assert_eq!(session.in_queue(queue), expected);
    session.commit(vec![decide(xid(6), Outcome::Commit)]);
    expected.extend(&others);
    assert_eq!(session.in_queue(queue), expected);
    session.reopen();
    assert_eq!(session.in_queue(queue), expected);
}

/// Prepared is durable: decided after reopening, either way; and a destination it names cannot go meanwhile.
pub fn prepared_transactions_outlive_reopening(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let ids = session.message_ids(4);
    session.commit(vec![enqueue(ids[0], orders), enqueue(ids[1], orders)]);
    session.commit(vec![
        prepare(xid(1), vec![enqueue_ranked(ids[2], orders, 3), acknowledge(ids[0], orders)]),
        prepare(xid(2), vec![moved(ids[1], orders, failed), enqueue(ids[3], orders)]),
    ]);
    session.reopen();
    let named = session.rejected(vec![Operation::RemoveDestination(failed)]);
    assert_eq!(named, Rejection::DestinationPrepared { destination: failed, xid: xid(2) });
    session.commit(vec![decide(xid(2), Outcome::Rollback)]);
    session.reopen();
    session.commit(vec![Operation::RemoveDestination(failed)]);
    session.commit(vec![decide(xid(1), Outcome::Commit)]);
    assert_eq!(session.in_queue(orders), [ids[1], ids[2]]);
    session.reopen();
    assert_eq!(session.in_queue(orders), [ids[1], ids[2]]);
    assert_eq!(session.recover().prepared, []);
}

/// What a prepared transaction acknowledges is read until the decision, and may go before it.
pub fn prepared_messages_can_still_be_read(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let ids = session.message_ids(4);
    session.commit(vec![enqueue(ids[0], queue), enqueue(ids[1], queue), enqueue(ids[2], topic)]);
    session.commit(vec![prepare(
        xid(1),
        vec![
            acknowledge(ids[0], queue),
            acknowledge(ids[1], queue),
            acknowledge_for(ids[2], topic, reader),
            moved(ids[3], queue, queue),
        ],
    )]);
    assert_eq!(session.in_queue(queue), ids[..2]);
    assert_eq!(session.waiting(topic, reader), [ids[2]]);
    session.commit(vec![acknowledge(ids[0], queue), Operation::Unsubscribe(reader)]);
    assert_eq!(session.in_queue(queue), [ids[1]]);
    session.commit(vec![decide(xid(1), Outcome::Commit)]);
    assert_eq!(session.in_queue(queue), []);
    assert_eq!((session.kept(queue), session.kept(topic)), (0, 0));
}
