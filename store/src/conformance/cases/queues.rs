//! Queues: acknowledgements, ranks, moves.

use crate::batch::{Operation, Outcome};
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, at, decide, enqueue, enqueue_ranked, moved, moved_ranked, prepare, xid,
};
use crate::conformance::session::{Session, cursors, everything};
use crate::names::{Cursor, DestinationId, SubscriptionId};

/// An acknowledged message is gone, from the front, the middle or the end, and stays gone.
pub fn acknowledged_message_is_gone(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let ids = session.message_ids(30);
    for id in &ids {
        session.commit(vec![enqueue(*id, queue)]);
    }
    for gone in [0, 29, 14, 15, 1] {
        session.commit(vec![acknowledge(ids[gone], queue)]);
    }
    let left = (2..14).chain(16..29).map(|index| ids[index]).collect::<Vec<_>>();
    assert_eq!(session.in_queue(queue), left);
    assert_eq!(session.kept(queue), left.len() as u64);
    session.reopen();
    assert_eq!(session.in_queue(queue), left);
    // Arrives and goes in one batch: was never there.
    let brief = session.message_id();
    session.commit(vec![enqueue(brief, queue), acknowledge(brief, queue)]);
    assert_eq!(session.in_queue(queue), left);
    for id in &left {
        session.commit(vec![acknowledge(*id, queue)]);
    }
    assert_eq!(session.in_queue(queue), []);
    assert_eq!(session.kept(queue), 0);
}

/// An acknowledgement that finds nothing is answered well and changes nothing.
pub fn acknowledgement_of_nothing_comes_to_nothing(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let other = session.queue("others");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let ids = session.message_ids(5);
    session.commit(vec![enqueue(ids[0], queue), enqueue(ids[1], queue), enqueue(ids[2], topic)]);
    session.commit(vec![acknowledge(ids[1], queue)]);
    let before = session.contents();
    let nowhere = DestinationId(session.id());
    let nobody = SubscriptionId(session.id());
    let nothings = [
        acknowledge(ids[4], queue),
        acknowledge(ids[1], queue),
        acknowledge(ids[0], other),
        acknowledge(ids[0], topic),
        acknowledge(ids[0], nowhere),
        acknowledge_for(ids[0], queue, reader),
        acknowledge_for(ids[0], topic, reader),
        acknowledge(ids[2], topic),
        acknowledge(ids[2], queue),
        acknowledge_for(ids[2], queue, reader),
        acknowledge_for(ids[2], topic, nobody),
        acknowledge_for(ids[4], topic, reader),
    ];
    for nothing in &nothings {
        session.commit(vec![nothing.clone()]);
        assert_eq!(session.contents(), before, "after {nothing:?}");
    }
    session.commit(nothings.to_vec());
    assert_eq!(session.contents(), before);
    // Of a destination that is gone.
    session.commit(vec![Operation::RemoveDestination(queue)]);
    session.commit(vec![acknowledge(ids[0], queue)]);
}

/// Lower ranks are read first, whenever they arrived; within a rank the first to arrive.
pub fn ranks_come_before_arrivals(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let ids = session.message_ids(8);
    let ranks = [5, 0, 9, 5, 255, 0, 9, 4];
    for (id, rank) in ids.iter().zip(ranks) {
        session.commit(vec![enqueue_ranked(*id, queue, rank)]);
    }
    let expected = [1, 5, 7, 0, 3, 2, 6, 4].map(|index: usize| ids[index]);
    assert_eq!(session.in_queue(queue), expected);
    let found = cursors(&session.read(everything(queue, None)));
    assert_eq!(found.iter().map(|cursor| cursor.rank).collect::<Vec<_>>(), [0, 0, 4, 5, 5, 9, 9, 255]);
    session.reopen();
    assert_eq!(session.in_queue(queue), expected);
    let urgent = session.message_id();
    session.commit(vec![enqueue_ranked(urgent, queue, 0)]);
    assert_eq!(session.in_queue(queue)[..3], [ids[1], ids[5], urgent]);
}

/// A move keeps the message and its id, takes a new arrival and rank, and leaves nothing behind.
pub fn moved_message_keeps_its_id_and_goes_to_the_end(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let ids = session.message_ids(4);
    session.commit(ids.iter().map(|id| enqueue(*id, orders)).collect());
    let before = session.read(everything(orders, None));

    session.commit(vec![moved(ids[2], orders, failed)]);
    let first = session.commit(vec![moved(ids[0], orders, failed)]).arrival_first;
    assert_eq!(session.in_queue(orders), [ids[1], ids[3]]);
    let after = session.read(everything(failed, None));
    assert_eq!(crate::conformance::session::ids(&after), [ids[2], ids[0]]);
    assert_eq!(after.messages[1].message, before.messages[0].message);
    assert_eq!(after.messages[1].cursor.arrival, first);
    assert_eq!((session.kept(orders), session.kept(failed)), (2, 2));
    session.reopen();
    assert_eq!(session.in_queue(failed), [ids[2], ids[0]]);

    // To the end of its own queue; back again with a rank; and within one batch through several.
    session.commit(vec![moved(ids[1], orders, orders)]);
    assert_eq!(session.in_queue(orders), [ids[3], ids[1]]);
    session.commit(vec![moved(ids[0], failed, orders)]);
    assert_eq!(session.in_queue(orders), [ids[3], ids[1], ids[0]]);
    session.commit(vec![
        moved_ranked(ids[3], orders, failed, 7),
        moved_ranked(ids[2], failed, orders, 3),
        moved_ranked(ids[3], failed, orders, 2),
    ]);
    assert_eq!(session.in_queue(orders), [ids[1], ids[0], ids[3], ids[2]]);
    assert_eq!(session.in_queue(failed), []);

    // It is acknowledged where it is, not where it was.
    session.commit(vec![acknowledge(ids[3], failed)]);
    assert_eq!(session.kept(orders), 4);
    session.commit(vec![acknowledge(ids[3], orders)]);
    session.reopen();
    assert_eq!(session.in_queue(orders), [ids[1], ids[0], ids[2]]);
    assert_eq!((session.kept(orders), session.kept(failed)), (3, 0));
}

/// A move of a message that is not there is answered well and changes nothing.
pub fn move_of_nothing_comes_to_nothing(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let ids = session.message_ids(3);
    session.commit(vec![enqueue(ids[0], orders), enqueue(ids[1], orders), acknowledge(ids[1], orders)]);
    let before = session.contents();
    let nowhere = DestinationId(session.id());
    for nothing in [
        moved(ids[0], failed, orders),
        moved(ids[0], nowhere, failed),
        moved(ids[1], orders, failed),
        moved(ids[2], orders, failed),
        moved(ids[2], orders, orders),
    ] {
        session.commit(vec![nothing.clone()]);
        assert_eq!(session.contents(), before, "after {nothing:?}");
    }
}

/// A message is acknowledged and moved where it stands, and nowhere else: with the cursor of another place, of another message or of a time
/// before it moved, the operation comes to nothing.
pub fn stale_cursor_comes_to_nothing(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let topic = session.topic("prices");
    let [reader, other] = [session.subscribe(topic, "reader"), session.subscribe(topic, "other")];
    let ids = session.message_ids(6);
    session.commit(vec![enqueue(ids[0], orders), enqueue_ranked(ids[1], orders, 4), enqueue(ids[2], orders)]);
    session.commit(vec![enqueue(ids[3], topic), enqueue_ranked(ids[4], topic, 2), enqueue(ids[5], failed)]);
    let found = cursors(&session.read(everything(orders, None)));
    let [first, second, ranked] = found[..] else { panic!("{found:?}") };
    let found = cursors(&session.read(everything(topic, Some(reader))));
    let [price, price_ranked] = found[..] else { panic!("{found:?}") };
    let far = Cursor { rank: 0, arrival: u64::MAX };
    let beside = |cursor: Cursor| {
        let up = Cursor { rank: cursor.rank + 1, ..cursor };
        [up, Cursor { arrival: cursor.arrival + 100, ..cursor }, Cursor { rank: u8::MAX, ..cursor }, far]
    };

    let before = session.contents();
    let mut nothings = Vec::new();
    for cursor in beside(first).into_iter().chain([second, ranked, price]) {
        nothings
            .extend([acknowledge(ids[0], orders), moved(ids[0], orders, failed)].map(|it| at(cursor, it)));
        nothings.push(at(cursor, moved(ids[0], orders, orders)));
    }
    for cursor in beside(ranked).into_iter().chain([Cursor { rank: 0, ..ranked }]) {
        nothings
            .extend([acknowledge(ids[1], orders), moved(ids[1], orders, failed)].map(|it| at(cursor, it)));
    }
    for cursor in beside(price).into_iter().chain([price_ranked, first]) {
        nothings.push(at(cursor, acknowledge_for(ids[3], topic, reader)));
    }
    nothings.push(at(Cursor { rank: 0, ..price_ranked }, acknowledge_for(ids[4], topic, reader)));
    for nothing in &nothings {
        session.commit(vec![nothing.clone()]);
        assert_eq!(session.contents(), before, "after {nothing:?}");
    }
    session.commit(nothings);
    assert_eq!(session.contents(), before);

    // Where it stood before it moved, it stands no more: within its queue, to another and back, and within the same batch.
    session.commit(vec![moved(ids[0], orders, orders)]);
    session.commit(vec![moved(ids[2], orders, failed), moved(ids[2], failed, orders)]);
    let before = session.contents();
    for (id, cursor) in [(ids[0], first), (ids[2], second)] {
        for nothing in [acknowledge(id, orders), moved(id, orders, failed), moved(id, orders, orders)] {
            session.commit(vec![at(cursor, nothing.clone())]);
            assert_eq!(session.contents(), before, "after {nothing:?}");
        }
    }
    session.commit(vec![moved(ids[1], orders, failed), at(ranked, acknowledge(ids[1], failed))]);
    assert_eq!(session.in_queue(failed), [ids[5], ids[1]]);
    session.reopen();
    assert_eq!(session.in_queue(orders), [ids[0], ids[2]]);
    assert_eq!(session.in_queue(failed), [ids[5], ids[1]]);

    // One that waits in a transaction is as stale when that is decided; one whose message stays is as good.
    let [stale, fresh] = [xid(1), xid(2)];
    session.commit(vec![
        prepare(stale.clone(), vec![acknowledge(ids[0], orders), moved(ids[1], failed, orders)]),
        prepare(fresh.clone(), vec![acknowledge(ids[2], orders), acknowledge_for(ids[4], topic, reader)]),
    ]);
    session.commit(vec![moved(ids[0], orders, orders), moved(ids[1], failed, failed)]);
    session.commit(vec![decide(stale, Outcome::Commit), decide(fresh, Outcome::Commit)]);
    assert_eq!(session.in_queue(orders), [ids[0]]);
    assert_eq!(session.in_queue(failed), [ids[5], ids[1]]);
    assert_eq!(session.waiting(topic, reader), [ids[3]]);
    assert_eq!(session.waiting(topic, other), [ids[3], ids[4]]);
}
