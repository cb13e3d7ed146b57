//! What exists: destinations, subscriptions, tables, next ids, counts.

use bytes::Bytes;

use crate::batch::{Destination, DestinationKind, Operation, Outcome, Subscription};
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, create, decide, enqueue, moved, prepare, put, subscription, xid,
};
use crate::conformance::session::Session;
use crate::names::{DestinationId, MessageId, SubscriptionId};

/// Destinations and subscriptions come back with every field, in the order of their ids.
pub fn destinations_and_subscriptions_are_recovered(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let destination = |id, kind, name: &str| Destination { id: DestinationId(id), kind, name: name.into() };
    // Ids out of order, names that sort otherwise, a queue and a topic of one name, and a name with a bit of all.
    let destinations = [
        destination(2, DestinationKind::Topic, "same"),
        destination(7, DestinationKind::Queue, "same"),
        destination(9, DestinationKind::Queue, "Ngā 'kahawai' \u{1f41f} \0 %_\""),
        destination(1 << 40, DestinationKind::Topic, ""),
    ];
    let full = Subscription {
        id: SubscriptionId(11),
        destination: DestinationId(2),
        client_id: "client's".into(),
        name: "name".into(),
        selector: Some("price > 10 AND name = 'x'".into()),
        no_local: true,
    };
    let subscriptions = [
        Subscription {
            id: SubscriptionId(3),
            selector: Some("".into()),
            no_local: false,
            name: "".into(),
            ..full.clone()
        },
        Subscription {
            id: SubscriptionId(5),
            destination: DestinationId(1 << 40),
            selector: None,
            ..full.clone()
        },
        full,
    ];
    let mut batch =
        [3, 1, 0, 2].map(|index: usize| Operation::CreateDestination(destinations[index].clone())).to_vec();
    batch.extend([2, 0, 1].map(|index: usize| Operation::Subscribe(subscriptions[index].clone())));
    session.commit(batch);
    for _ in 0..2 {
        let recovered = session.recover();
        let found = recovered.destinations.iter().map(|state| state.destination.clone()).collect::<Vec<_>>();
        assert_eq!(found, destinations);
        let found =
            recovered.subscriptions.iter().map(|state| state.subscription.clone()).collect::<Vec<_>>();
        assert_eq!(found, subscriptions);
        assert_eq!(recovered.damage, [] as [String; 0]);
        session.reopen();
    }
}

/// A removed destination takes its messages and subscriptions along and frees its name; another does not suffer.
pub fn removed_destination_takes_everything_along(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, other] = [session.queue("orders"), session.queue("other")];
    let [prices, rates] = [session.topic("prices"), session.topic("rates")];
    let [gone, stays] = [session.subscribe(prices, "reader"), session.subscribe(rates, "reader")];
    let ids = session.message_ids(12);
    session.commit(vec![
        enqueue(ids[0], orders),
        enqueue(ids[1], orders),
        enqueue(ids[2], other),
        enqueue(ids[3], prices),
        enqueue(ids[4], prices),
        enqueue(ids[5], rates),
        acknowledge_for(ids[4], prices, gone),
    ]);
    session.commit(vec![Operation::RemoveDestination(orders), Operation::RemoveDestination(prices)]);
    let recovered = session.recover();
    assert_eq!(
        recovered.destinations.iter().map(|state| state.destination.id).collect::<Vec<_>>(),
        [other, rates]
    );
    assert_eq!(
        recovered.subscriptions.iter().map(|state| state.subscription.id).collect::<Vec<_>>(),
        [stays]
    );
    session.reopen();

    let [orders, prices] = [session.queue("orders"), session.topic("prices")];
    let reader = session.subscribe(prices, "reader");
    assert_eq!(session.in_queue(orders), []);
    assert_eq!(session.waiting(prices, reader), []);
    assert_eq!((session.kept(orders), session.kept(prices)), (0, 0));
    assert_eq!(session.in_queue(other), [ids[2]]);
    assert_eq!(session.waiting(rates, stays), [ids[5]]);
    // What was removed cannot be acknowledged or moved into life again.
    session.commit(vec![moved(ids[0], orders, other), acknowledge(ids[1], orders), enqueue(ids[6], orders)]);
    assert_eq!(session.in_queue(orders), [ids[6]]);
    assert_eq!(session.in_queue(other), [ids[2]]);
    // Made, filled and removed within one batch.
    let brief = DestinationId(session.id());
    session.commit(vec![
        create(brief, DestinationKind::Queue, "brief"),
        enqueue(ids[7], brief),
        Operation::RemoveDestination(brief),
        enqueue(ids[8], orders),
    ]);
    assert_eq!(session.in_queue(orders), [ids[6], ids[8]]);
}

/// Entries are set, replaced and removed; they come by table and key, as bytes.
pub fn tables_keep_their_entries(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    session.commit(vec![
        put("producers", "b", Some("1")),
        put("producers", "a", Some("2")),
        put("bridges", "z", Some("3")),
        put("producers", "a\0", Some("4")),
        put("empty", "", Some("")),
    ]);
    session.commit(vec![
        put("producers", "b", Some("5")),
        put("bridges", "z", None),
        put("bridges", "y", None),
    ]);
    let binary = Bytes::from(vec![0x80, 0, 0xff]);
    session.commit(vec![Operation::Put {
        table: "producers".into(),
        key: binary.clone(),
        value: Some(Bytes::from(vec![9; 70_000])),
    }]);
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let expected = [
        ("empty", text(""), text("")),
        ("producers", text("a"), text("2")),
        ("producers", text("a\0"), text("4")),
        ("producers", text("b"), text("5")),
        ("producers", binary, Bytes::from(vec![9; 70_000])),
    ];
    for _ in 0..2 {
        let tables = session.recover().tables;
        let found = tables.iter().map(|entry| (&*entry.table, entry.key.clone(), entry.value.clone()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        session.reopen();
    }
}

/// The next ids are beyond all that were ever given: of what is gone, was never kept, or is only prepared, too.
pub fn next_ids_are_beyond_all_given(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let next = |session: &Session<'_>| {
        let recovered = session.recover();
        (recovered.message_id_next, recovered.destination_id_next, recovered.subscription_id_next)
    };
    let (queue, topic, gone) = (DestinationId(1), DestinationId(2), DestinationId(50));
    session.commit(vec![
        create(queue, DestinationKind::Queue, "orders"),
        create(topic, DestinationKind::Topic, "prices"),
        create(gone, DestinationKind::Queue, "gone"),
        Operation::RemoveDestination(gone),
        Operation::Subscribe(subscription(SubscriptionId(60), topic, "gone")),
        Operation::Unsubscribe(SubscriptionId(60)),
        enqueue(MessageId(70), queue),
        acknowledge(MessageId(70), queue),
    ]);
    for _ in 0..2 {
        let (message, destination, subscription) = next(&session);
        assert!(message > MessageId(70), "{message}");
        assert!(destination > gone, "{destination}");
        assert!(subscription > SubscriptionId(60), "{subscription}");
        session.reopen();
    }
    session.commit(vec![enqueue(MessageId(80), topic)]);
    session.reopen();
    assert!(next(&session).0 > MessageId(80));
    session.commit(vec![prepare(xid(1), vec![enqueue(MessageId(90), queue)])]);
    session.reopen();
    assert!(next(&session).0 > MessageId(90));
    session.commit(vec![decide(xid(1), Outcome::Rollback)]);
    session.reopen();
    assert!(next(&session).0 > MessageId(90));
}

/// The counts are what reading gives, through everything that changes them.
pub fn counts_tell_what_waits(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let [orders, failed] = [session.queue("orders"), session.queue("failed")];
    let topic = session.topic("prices");
    let [first, second] = [session.subscribe(topic, "first"), session.subscribe(topic, "second")];
    let ids = session.message_ids(10);
    let check =
        |session: &Session<'_>, orders_count, failed_count, topic_count, first_count, second_count| {
            let recovered = session.recover();
            let destinations = recovered.destinations.iter().map(|state| state.messages).collect::<Vec<_>>();
            let subscriptions =
                recovered.subscriptions.iter().map(|state| state.messages).collect::<Vec<_>>();
            assert_eq!(destinations, [orders_count, failed_count, topic_count]);
            assert_eq!(subscriptions, [first_count, second_count]);
        };
    check(&session, 0, 0, 0, 0, 0);
    session.commit(ids[..3].iter().map(|id| enqueue(*id, orders)).collect());
    session.commit(ids[3..6].iter().map(|id| enqueue(*id, topic)).collect());
    check(&session, 3, 0, 3, 3, 3);
    session.commit(vec![
        moved(ids[0], orders, failed),
        acknowledge(ids[1], orders),
        acknowledge(ids[1], orders),
    ]);
    check(&session, 1, 1, 3, 3, 3);
    session.commit(vec![acknowledge_for(ids[5], topic, first), acknowledge_for(ids[3], topic, second)]);
    check(&session, 1, 1, 3, 2, 2);
    session.reopen();
    check(&session, 1, 1, 3, 2, 2);
    session.commit(vec![acknowledge_for(ids[3], topic, first), acknowledge_for(ids[4], topic, first)]);
    check(&session, 1, 1, 2, 0, 2);
    session
        .commit(vec![prepare(xid(1), vec![enqueue(ids[6], orders), acknowledge_for(ids[4], topic, second)])]);
    check(&session, 1, 1, 2, 0, 2);
    session.commit(vec![decide(xid(1), Outcome::Commit)]);
    check(&session, 2, 1, 1, 0, 1);
    session.reopen();
    check(&session, 2, 1, 1, 0, 1);
}
