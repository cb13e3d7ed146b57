//! Reading: cursors, limits, the end, and messages as they were.

use bytes::Bytes;

use crate::batch::{DestinationKind, Operation};
use crate::catalog::Rejection;
use crate::conformance::Engine;
use crate::conformance::operations::{
    acknowledge, acknowledge_for, enqueue, enqueue_ranked, enqueue_sized, message,
};
use crate::conformance::session::{Session, cursors, everything, ids};
use crate::contract::{Page, ReadRequest, StoreError};
use crate::message::{BodyKind, Encoding, Header, Message};
use crate::names::{Cursor, DestinationId, MessageId, SubscriptionId};

/// Page after page, of whatever size, gives everything once and in order, on a queue and on a topic.
pub fn cursors_page_through_everything(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    // A neighbour on each side, to run into.
    let [before, after] = [session.queue("before"), session.queue("after")];
    let sent = session.message_ids(40);
    let neighbours = session.message_ids(2);
    let copies = session.message_ids(40);
    let mut batch = vec![enqueue(neighbours[0], before), enqueue(neighbours[1], after)];
    batch.extend(sent.iter().map(|id| enqueue_ranked(*id, queue, (id.0 % 3) as u8)));
    batch.extend(copies.iter().map(|id| enqueue_ranked(*id, topic, (id.0 % 3) as u8)));
    session.commit(batch);

    for (destination, subscription) in [(queue, None), (topic, Some(reader))] {
        let whole = session.read(everything(destination, subscription));
        assert_eq!(whole.messages.len(), 40);
        assert!(cursors(&whole).is_sorted_by(|left, right| left < right), "{whole:?}");
        for messages_max in [1, 2, 7, 39, 40, 41] {
            let request = ReadRequest { messages_max, ..everything(destination, subscription) };
            assert_eq!(page_through(&session, request), whole, "in pages of {messages_max}");
        }
        let bytes_max = whole.messages.iter().take(5).map(|stored| stored.message.size()).sum();
        let request = ReadRequest { bytes_max, ..everything(destination, subscription) };
        assert_eq!(page_through(&session, request), whole, "in pages of {bytes_max} bytes");
    }
}

fn page_through(session: &Session<'_>, mut request: ReadRequest) -> Page {
    let mut whole = Page::default();
    while !whole.end {
        let page = session.read(request);
        assert!(page.messages.len() <= request.messages_max);
        assert!(!page.messages.is_empty(), "an empty page that says that more stands behind it");
        let last = page.messages.last().map(|stored| stored.cursor);
        assert!(last > request.after, "a page that goes no further");
        request.after = last;
        whole.messages.extend(page.messages);
        whole.end = page.end;
    }
    whole
}

/// A page holds no more than asked for, by number and by bytes, but at least one.
pub fn pages_keep_their_limits(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let sent = session.message_ids(6);
    session.commit(sent.iter().map(|id| enqueue_sized(*id, queue, 0, 1000)).collect());
    let size = message(sent[0], 1000).size();

    let read = |messages_max, bytes_max| {
        ids(&session.read(ReadRequest { messages_max, bytes_max, ..everything(queue, None) }))
    };
    assert_eq!(read(0, usize::MAX), []);
    assert_eq!(read(0, 0), []);
    assert_eq!(read(4, usize::MAX), sent[..4]);
    assert_eq!(read(usize::MAX, usize::MAX), sent);
    assert_eq!(read(usize::MAX, 0), sent[..1], "at least one");
    assert_eq!(read(usize::MAX, size), sent[..1]);
    assert_eq!(read(usize::MAX, size * 2 - 1), sent[..1]);
    assert_eq!(read(usize::MAX, size * 3), sent[..3]);
    assert_eq!(read(2, size * 3), sent[..2]);
    assert_eq!(read(usize::MAX, size * 6), sent);

    // A small one behind a large one is not taken out of turn.
    let mixed = session.queue("mixed");
    let more = session.message_ids(3);
    let bodies = [100, 50_000, 100];
    session.commit(more.iter().zip(bodies).map(|(id, body)| enqueue_sized(*id, mixed, 0, body)).collect());
    let page = session.read(ReadRequest { bytes_max: 10_000, ..everything(mixed, None) });
    assert_eq!(ids(&page), more[..1]);
}

/// The end is told exactly: also where the last page is full, and never where a limit cut the page short.
pub fn end_is_told_exactly(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let _other = session.subscribe(topic, "other");
    assert!(session.read(everything(queue, None)).end, "of nothing");
    assert!(session.read(everything(topic, Some(reader))).end, "of nothing");
    let sent = session.message_ids(5);
    session.commit(sent.iter().map(|id| enqueue_sized(*id, queue, 0, 500)).collect());
    let copies = session.message_ids(6);
    session.commit(copies.iter().map(|id| enqueue_sized(*id, topic, 0, 500)).collect());
    // The last message of the topic is there, but not for this reader.
    session.commit(vec![acknowledge_for(copies[5], topic, reader)]);
    let size = message(sent[0], 500).size();

    for (destination, subscription) in [(queue, None), (topic, Some(reader))] {
        let whole = everything(destination, subscription);
        let end = |request: ReadRequest| session.read(request).end;
        assert!(end(whole));
        assert!(end(ReadRequest { messages_max: 5, ..whole }), "a page that is just full");
        assert!(!end(ReadRequest { messages_max: 4, ..whole }));
        assert!(!end(ReadRequest { bytes_max: size * 2, ..whole }), "cut short by bytes");
        assert!(!end(ReadRequest { bytes_max: 0, ..whole }), "cut short by bytes");
        let found = cursors(&session.read(whole));
        assert!(end(ReadRequest { after: Some(found[4]), ..whole }), "beyond the last");
        assert!(end(ReadRequest { after: Some(found[3]), messages_max: 1, ..whole }));
        assert!(!end(ReadRequest { after: Some(found[2]), messages_max: 1, ..whole }));
    }
}

/// A cursor says where to go on, also when its message was acknowledged since.
pub fn cursor_of_a_message_that_is_gone_still_works(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let sent = session.message_ids(10);
    session.commit(sent.iter().map(|id| enqueue(*id, queue)).collect());
    let found = cursors(&session.read(everything(queue, None)));
    session.commit(vec![acknowledge(sent[3], queue), acknowledge(sent[4], queue)]);
    let after = |cursor| ids(&session.read(ReadRequest { after: Some(cursor), ..everything(queue, None) }));
    assert_eq!(after(found[3]), sent[5..]);
    assert_eq!(after(found[2]), sent[5..]);
    assert_eq!(after(found[4]), sent[5..]);
    assert_eq!(after(Cursor { rank: 255, arrival: u64::MAX }), []);
}

/// A message keeps its cursor until it moves or goes, over closing and opening too.
pub fn cursors_stay_over_reopening(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let topic = session.topic("prices");
    let reader = session.subscribe(topic, "reader");
    let sent = session.message_ids(12);
    for (number, id) in sent.iter().enumerate() {
        let destination = if number % 3 == 2 { topic } else { queue };
        session.commit(vec![enqueue_ranked(*id, destination, (number % 2) as u8)]);
    }
    session.commit(vec![acknowledge(sent[0], queue), acknowledge(sent[4], queue)]);
    let before = session.contents();
    session.reopen();
    assert_eq!(session.contents(), before);
    session.reopen();
    assert_eq!(session.contents(), before);
    let whole = session.read(everything(topic, Some(reader)));
    let request = ReadRequest { after: Some(whole.messages[1].cursor), ..everything(topic, Some(reader)) };
    assert_eq!(session.read(request).messages, whole.messages[2..]);
}

/// A request that names what is not there is told so.
pub fn reading_what_does_not_exist_is_rejected(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let [prices, rates] = [session.topic("prices"), session.topic("rates")];
    let reader = session.subscribe(prices, "reader");
    let (nowhere, nobody) = (DestinationId(session.id()), SubscriptionId(session.id()));
    let read = |destination, subscription| match session.try_read(everything(destination, subscription)) {
        Err(StoreError::Rejected(rejection)) => rejection,
        other => panic!("{other:?} instead of a rejection"),
    };
    assert_eq!(read(nowhere, None), Rejection::NoDestination(nowhere));
    assert_eq!(read(nowhere, Some(reader)), Rejection::NoDestination(nowhere));
    assert_eq!(read(prices, Some(nobody)), Rejection::NoSubscription(nobody));
    assert_eq!(read(rates, Some(reader)), Rejection::NoSubscription(reader));
    let wrong = |destination, needed| Rejection::WrongKind { destination, needed };
    assert_eq!(read(prices, None), wrong(prices, DestinationKind::Queue));
    assert_eq!(read(queue, Some(reader)), wrong(queue, DestinationKind::Topic));
    // The store goes on.
    assert_eq!(session.waiting(prices, reader), []);
}

/// Every part of a message comes back as it was given, before and after reopening.
pub fn messages_come_back_whole(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let full = Header {
        message_id: "ID:host-1:1:1:1".into(),
        timestamp: -1,
        expiration: i64::MAX,
        priority: 9,
        persistent: true,
        body_kind: BodyKind::Object,
        encoding: Encoding::OpenWire,
        compressed: true,
        redeliveries: u32::MAX,
        correlation_id: Some("".into()),
        reply_to: Some("temp-queue://ID:host:1:1".into()),
        message_type: Some("type \u{0} Māori".into()),
        user_id: Some("user".into()),
        group_id: Some("group".into()),
        group_sequence: i32::MIN,
        original_destination: Some("queue://orders".into()),
        extras: vec![
            (64, Bytes::new()),
            (65, Bytes::from_static(&[0, 255])),
            (u32::MAX, Bytes::from(vec![7; 300])),
        ],
    };
    let long = Header { message_id: "x".repeat(20_000).into(), ..Header::default() };
    let messages = [
        Message::default(),
        Message {
            header: full,
            properties: Bytes::from_static(&[0, 1, 2, 255]),
            body: Bytes::from_static(b"\0"),
            ..Message::default()
        },
        Message { properties: Bytes::from(vec![1; 5000]), ..Message::default() },
        Message { header: long, body: Bytes::from_static(b"body"), ..Message::default() },
    ];
    for message in &messages {
        let id = session.message_id();
        let message = message.clone().into();
        session.commit(vec![Operation::Enqueue { id, destination: queue, rank: 0, message }]);
    }
    for _ in 0..2 {
        let page = session.read(everything(queue, None));
        let found = page.messages.iter().map(|stored| (*stored.message).clone()).collect::<Vec<_>>();
        assert_eq!(found, messages);
        session.reopen();
    }
}

/// A message of many megabytes comes back byte by byte, alone in its page, with small ones around it.
pub fn big_message_comes_back(engine: &mut dyn Engine) {
    const BIG: usize = 40 << 20;
    let mut session = Session::start(engine);
    let queue = session.queue("orders");
    let size = BIG.min(session.store.limits().message_bytes_max - 1024);
    let sent = session.message_ids(3);
    let enqueues = [10, size, 10];
    for (id, body) in sent.iter().zip(enqueues) {
        session.commit(vec![enqueue_sized(*id, queue, 0, body)]);
    }
    session.reopen();
    let page = session.read(ReadRequest { bytes_max: 1 << 20, ..everything(queue, None) });
    assert_eq!((ids(&page), page.end), (vec![sent[0]], false));
    let after = Some(page.messages[0].cursor);
    let page = session.read(ReadRequest { after, bytes_max: 1 << 20, ..everything(queue, None) });
    assert_eq!((ids(&page), page.end), (vec![sent[1]], false));
    assert!(page.messages[0].message == message(sent[1], size), "the body differs");
    session.commit(vec![acknowledge(sent[1], queue)]);
    assert_eq!(session.in_queue(queue), [sent[0], sent[2]] as [MessageId; 2]);
}
