//! Batches: their order, their completions, all or nothing.

use std::collections::BTreeSet;
use std::sync::{Mutex, mpsc};

use crate::batch::{Batch, DestinationKind, Operation, Outcome};
use crate::catalog::Rejection;
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, create, decide, enqueue, enqueue_sized, moved, prepare, put, subscription,
    xid,
};
use crate::conformance::session::{Session, cursors, everything};
use crate::contract::{Completion, StoreError};
use crate::names::{DestinationId, MessageId, SubscriptionId};

/// Many batches in flight at once, one message each, stand in the queue as they were submitted.
pub fn batches_apply_in_the_order_of_their_commits(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let sent = session.message_ids(200);
    let answers = sent.iter().map(|id| session.submit(vec![enqueue(*id, queue)])).collect::<Vec<_>>();
    let arrivals =
        answers.iter().map(|answer| answer.wait().expect("commits").arrival_first).collect::<Vec<_>>();
    assert!(arrivals.is_sorted_by(|left, right| left < right), "{arrivals:?}");
    assert_eq!(session.in_queue(queue), sent);
    let read = session.read(everything(queue, None));
    assert_eq!(cursors(&read).iter().map(|cursor| cursor.arrival).collect::<Vec<_>>(), arrivals);
}

/// Answers come in the order of the calls, those of rejected batches among them, each exactly once.
pub fn completions_come_in_the_order_of_their_commits(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let nowhere = DestinationId(session.id());
    let (sender, answers) = mpsc::channel();
    for number in 0..200 {
        let id = session.message_id();
        let batch = Batch::from(enqueue(id, if number % 10 == 7 { nowhere } else { queue }));
        let sender = sender.clone();
        let done = move |result: Result<_, _>| {
            let _ = sender.send((number, result.is_ok()));
        };
        session.store.commit(batch, Completion::new(done));
    }
    drop(sender);
    let expected = (0..200).map(|number| (number, number % 10 != 7)).collect::<Vec<_>>();
    assert_eq!(answers.iter().collect::<Vec<_>>(), expected);
}

/// Of each of many batches, all operations are there, now and after reopening.
pub fn batches_apply_as_a_whole(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, copies] = [session.queue("orders"), session.queue("copies")];
    let (mut sent, mut copied) = (Vec::new(), Vec::new());
    for number in 0..30 {
        let ids = session.message_ids(2);
        session.commit(vec![
            enqueue(ids[0], orders),
            put("numbers", "last", Some(&number.to_string())),
            enqueue(ids[1], copies),
        ]);
        sent.push(ids[0]);
        copied.push(ids[1]);
        assert_eq!((session.in_queue(orders), session.in_queue(copies)), (sent.clone(), copied.clone()));
        assert_eq!(session.recover().tables[0].value, number.to_string());
    }
    session.reopen();
    assert_eq!((session.in_queue(orders), session.in_queue(copies)), (sent, copied));
}

/// What one operation does, the next of the same batch finds.
pub fn operations_of_a_batch_apply_in_their_order(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [queue, topic, first] = [session.id(), session.id(), session.id()];
    let (queue, topic, first) = (DestinationId(queue), DestinationId(topic), SubscriptionId(first));
    let ids = session.message_ids(5);
    session.commit(vec![
        create(queue, DestinationKind::Queue, "orders"),
        enqueue(ids[0], queue),
        enqueue(ids[1], queue),
        moved(ids[0], queue, queue),
        enqueue(ids[2], queue),
        acknowledge(ids[1], queue),
        create(topic, DestinationKind::Topic, "prices"),
        enqueue(ids[3], topic),
        Operation::Subscribe(subscription(first, topic, "first")),
        enqueue(ids[4], topic),
        put("table", "key", Some("one")),
        put("table", "key", Some("two")),
    ]);
    assert_eq!(session.in_queue(queue), [ids[0], ids[2]]);
    assert_eq!(session.waiting(topic, first), [ids[4]]);
    assert_eq!(session.recover().tables[0].value, "two");

    // A name given up and taken again in one batch.
    let again = DestinationId(session.id());
    let last = session.message_id();
    session.commit(vec![
        Operation::RemoveDestination(queue),
        create(again, DestinationKind::Queue, "orders"),
        enqueue(last, again),
    ]);
    assert_eq!(session.in_queue(again), [last]);
}

/// A batch that breaks a rule in its middle or at its end changes nothing, now or after reopening.
pub fn rejected_batch_leaves_nothing(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let ids = session.message_ids(4);
    session.commit(vec![
        enqueue(ids[0], queue),
        enqueue(ids[1], queue),
        enqueue(ids[2], topic),
        put("table", "key", Some("before")),
        prepare(xid(1), vec![acknowledge(ids[0], queue)]),
    ]);
    let before = session.contents();

    let nowhere = DestinationId(session.id());
    let [new_queue, new_reader] = [session.id(), session.id()];
    let new_id = session.message_id();
    let good = vec![
        create(DestinationId(new_queue), DestinationKind::Queue, "new"),
        enqueue(new_id, queue),
        acknowledge(ids[0], queue),
        acknowledge_for(ids[2], topic, reader),
        moved(ids[1], queue, queue),
        Operation::Subscribe(subscription(SubscriptionId(new_reader), topic, "new")),
        put("table", "key", Some("after")),
        put("table", "other", Some("after")),
        decide(xid(1), Outcome::Commit),
        prepare(xid(2), vec![enqueue(new_id, queue)]),
        Operation::Unsubscribe(reader),
        Operation::RemoveDestination(topic),
        enqueue(ids[3], queue),
    ];
    for place in 0..=good.len() {
        let mut batch = good.clone();
        batch.insert(place, enqueue(ids[3], nowhere));
        assert_eq!(session.rejected(batch), Rejection::NoDestination(nowhere));
        assert_eq!(session.contents(), before, "after a rejection at place {place}");
    }
    session.reopen();
    assert_eq!(session.contents(), before);
    // None of the names that the rejected batches wanted is taken.
    session.commit(good);
}

/// Each rule of the contract by itself.
pub fn each_rule_rejects(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let id = session.message_id();
    let fresh = session.id();
    let (fresh_destination, fresh_subscription) = (DestinationId(fresh), SubscriptionId(fresh));
    session.commit(vec![prepare(xid(1), vec![enqueue(id, queue)])]);
    let before = session.contents();

    let cases = [
        (create(queue, DestinationKind::Queue, "other"), Rejection::DestinationIdInUse(queue)),
        (
            create(fresh_destination, DestinationKind::Queue, "orders"),
            Rejection::DestinationExists { kind: DestinationKind::Queue, name: "orders".into() },
        ),
        (Operation::RemoveDestination(fresh_destination), Rejection::NoDestination(fresh_destination)),
        (
            Operation::RemoveDestination(queue),
            Rejection::DestinationPrepared { destination: queue, xid: xid(1) },
        ),
        (Operation::Subscribe(subscription(reader, topic, "other")), Rejection::SubscriptionIdInUse(reader)),
        (
            Operation::Subscribe(subscription(fresh_subscription, topic, "reader")),
            Rejection::SubscriptionExists {
                client_id: "client".into(),
                name: "reader".into(),
                destination: topic,
            },
        ),
        (
            Operation::Subscribe(subscription(fresh_subscription, queue, "other")),
            Rejection::WrongKind { destination: queue, needed: DestinationKind::Topic },
        ),
        (
            Operation::Subscribe(subscription(fresh_subscription, fresh_destination, "other")),
            Rejection::NoDestination(fresh_destination),
        ),
        (Operation::Unsubscribe(fresh_subscription), Rejection::NoSubscription(fresh_subscription)),
        (enqueue(id, fresh_destination), Rejection::NoDestination(fresh_destination)),
        (moved(id, queue, fresh_destination), Rejection::NoDestination(fresh_destination)),
        (
            moved(id, queue, topic),
            Rejection::WrongKind { destination: topic, needed: DestinationKind::Queue },
        ),
        (
            moved(id, topic, queue),
            Rejection::WrongKind { destination: topic, needed: DestinationKind::Queue },
        ),
        (decide(xid(2), Outcome::Commit), Rejection::NotPrepared(xid(2))),
        (decide(xid(2), Outcome::Rollback), Rejection::NotPrepared(xid(2))),
        (prepare(xid(2), vec![enqueue(id, fresh_destination)]), Rejection::NoDestination(fresh_destination)),
    ];
    for (operation, expected) in cases {
        let shown = format!("{operation:?}");
        assert_eq!(session.rejected(vec![operation]), expected, "for {shown}");
    }
    for unpreparable in [
        create(fresh_destination, DestinationKind::Queue, "other"),
        Operation::RemoveDestination(topic),
        Operation::Subscribe(subscription(fresh_subscription, topic, "other")),
        Operation::Unsubscribe(reader),
        prepare(xid(3), vec![]),
        decide(xid(1), Outcome::Commit),
    ] {
        let rejection = session.rejected(vec![prepare(xid(2), vec![unpreparable])]);
        assert!(matches!(rejection, Rejection::CannotPrepare(_)), "{rejection:?}");
    }
    assert_eq!(session.contents(), before);
    // A topic may have a queue's name.
    session.commit(vec![create(fresh_destination, DestinationKind::Topic, "orders")]);
}

/// Each enqueue and each move takes the next arrival number, also where it comes to nothing; a decision's stand
/// where it stands.
pub fn arrivals_count_up(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let ids = session.message_ids(9);
    let prepared = vec![enqueue(ids[0], queue), acknowledge(ids[7], queue), enqueue(ids[1], queue)];
    session.commit(vec![prepare(xid(1), prepared)]);

    let first = session
        .commit(vec![
            enqueue(ids[2], queue),
            enqueue(ids[3], topic),
            moved(ids[8], queue, queue),
            acknowledge(ids[8], queue),
            enqueue(ids[4], queue),
            decide(xid(1), Outcome::Commit),
            put("table", "key", None),
            enqueue(ids[5], queue),
        ])
        .arrival_first;
    let second = session.commit(vec![put("table", "key", None), enqueue(ids[6], queue)]).arrival_first;
    assert_eq!(second, first + 7);

    let page = session.read(everything(queue, None));
    let arrivals =
        page.messages.iter().map(|stored| (stored.id, stored.cursor.arrival - first)).collect::<Vec<_>>();
    assert_eq!(arrivals, [(ids[2], 0), (ids[4], 3), (ids[0], 4), (ids[1], 5), (ids[5], 6), (ids[6], 7)]);
    // What is given after reopening comes behind everything.
    session.reopen();
    let last = session.message_id();
    assert!(session.commit(vec![enqueue(last, queue)]).arrival_first > second);
    assert_eq!(session.in_queue(queue).last(), Some(&last));
}

/// Four threads commit small batches at once: each thread's order is kept, nothing is lost, nothing is twice.
pub fn threads_commit_together(engine: &mut dyn Engine) {
    const THREADS: u64 = 4;
    const BATCHES: u64 = 100;
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let base = session.id() + 1;
    let arrivals = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (session, arrivals) = (&session.store, &arrivals);
            scope.spawn(move || {
                let (sender, answers) = mpsc::channel();
                for number in 0..BATCHES {
                    let id = MessageId(base + thread * BATCHES + number);
                    let sender = sender.clone();
                    let done = Completion::new(move |result| {
                        let _ = sender.send(result);
                    });
                    session.commit(Batch::from(enqueue(id, queue)), done);
                    // Some wait for each answer, some let many be in flight.
                    if thread % 2 == 0 {
                        note(arrivals, answers.recv().expect("an answer"));
                    }
                }
                drop(sender);
                answers.iter().for_each(|result| note(arrivals, result));
            });
        }
    });

    let arrivals = arrivals.into_inner().expect("no thread has panicked");
    assert_eq!(arrivals.len() as u64, THREADS * BATCHES);
    assert_eq!(
        arrivals.iter().collect::<BTreeSet<_>>().len() as u64,
        THREADS * BATCHES,
        "arrivals are unique"
    );
    let found = session.in_queue(queue);
    assert_eq!(found.len() as u64, THREADS * BATCHES);
    for thread in 0..THREADS {
        let range = base + thread * BATCHES..base + (thread + 1) * BATCHES;
        let of_thread = found.iter().map(|id| id.0).filter(|id| range.contains(id)).collect::<Vec<_>>();
        assert_eq!(of_thread, range.collect::<Vec<_>>(), "the order of thread {thread}");
    }
}

fn note(arrivals: &Mutex<Vec<u64>>, result: Result<crate::contract::Committed, StoreError>) {
    arrivals.lock().expect("no thread has panicked").push(result.expect("commits").arrival_first);
}

/// A batch beyond the limits is rejected and leaves nothing; a single message may exceed the batch's limit.
pub fn batches_beyond_the_limits_are_rejected(engine: &mut dyn Engine) {
    // So that an engine that takes gigabytes is not asked for them.
    const TRIED_MAX: usize = 16 << 20;
    let mut session = Session::start(engine);
    let limits = session.store.limits();
    let queue = session.queue("orders");
    let ids = session.message_ids(3);
    if limits.batch_bytes_max <= TRIED_MAX {
        let half = limits.batch_bytes_max / 2;
        let large = ids[..2].iter().map(|id| enqueue_sized(*id, queue, 0, half)).collect::<Vec<_>>();
        let rejection = session.rejected(large.clone());
        assert!(matches!(rejection, Rejection::TooLarge { .. }), "{rejection:?}");
        let rejection = session.rejected(vec![prepare(xid(1), large)]);
        assert!(matches!(rejection, Rejection::TooLarge { .. }), "{rejection:?}");
        assert_eq!(session.in_queue(queue), []);
        assert_eq!(session.recover().prepared, []);
    }
    if limits.batch_bytes_max <= TRIED_MAX && limits.message_bytes_max >= limits.batch_bytes_max + (1 << 20) {
        let size = limits.batch_bytes_max + 1000;
        session.commit(vec![enqueue_sized(ids[0], queue, 0, size), put("producers", "a", Some("1"))]);
        let page = session.read(everything(queue, None));
        assert_eq!(page.messages[0].message.body.len(), size);
        // In a transaction it goes by a `Prepare` of its own, and by no other.
        let prepared = enqueue_sized(ids[1], queue, 0, size);
        let too_many = vec![prepared.clone(), put("producers", "a", Some("2"))];
        let rejection = session.rejected(vec![prepare(xid(2), too_many)]);
        assert!(matches!(rejection, Rejection::TooLarge { .. }), "{rejection:?}");
        session.commit(vec![prepare(xid(2), vec![prepared])]);
        session.commit(vec![prepare(xid(2), vec![put("producers", "a", Some("2"))])]);
        session.reopen();
        session.commit(vec![decide(xid(2), Outcome::Commit)]);
        assert_eq!(session.in_queue(queue), ids[..2]);
        let page = session.read(everything(queue, None));
        assert_eq!(page.messages[1].message.body.len(), size);
    }
    if limits.message_bytes_max <= TRIED_MAX {
        let rejection = session.rejected(vec![enqueue_sized(ids[2], queue, 0, limits.message_bytes_max + 1)]);
        assert!(matches!(rejection, Rejection::TooLarge { .. }), "{rejection:?}");
    }
    // The store goes on, and a batch of nothing is a batch.
    session.commit(vec![]);
}
