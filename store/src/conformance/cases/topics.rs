//! Topics: one record for all subscriptions; a subscription is a position plus exceptions.

use crate::batch::Operation;
use crate::conformance::Engine;
use crate::conformance::operations::{acknowledge_for, enqueue, enqueue_ranked, subscription};
use crate::conformance::session::{Session, everything, ids};
use crate::contract::ReadRequest;
use crate::names::SubscriptionId;

/// A subscription gets what arrives after it, in its own batch too, and nothing from before.
pub fn subscription_starts_where_it_subscribes(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let topic = session.topic("prices");
    let first = session.subscribe(topic, "first");
    let sent = session.message_ids(6);
    session.commit(vec![enqueue(sent[0], topic), enqueue(sent[1], topic)]);
    let second = SubscriptionId(session.id());
    session.commit(vec![
        enqueue(sent[2], topic),
        Operation::Subscribe(subscription(second, topic, "second")),
        enqueue(sent[3], topic),
    ]);
    session.reopen();
    session.commit(vec![enqueue(sent[4], topic)]);
    let third = session.subscribe(topic, "third");
    session.commit(vec![enqueue(sent[5], topic)]);
    assert_eq!(session.waiting(topic, first), sent);
    assert_eq!(session.waiting(topic, second), sent[3..]);
    assert_eq!(session.waiting(topic, third), sent[5..]);
    session.reopen();
    assert_eq!(session.waiting(topic, second), sent[3..]);
    assert_eq!(session.kept(topic), 6);
    // What came before a subscription is not its to acknowledge.
    session.commit(vec![acknowledge_for(sent[0], topic, third)]);
    assert_eq!(session.waiting(topic, first), sent);
    assert_eq!(session.kept(topic), 6);
}

/// Each acknowledges for itself; the message goes with the last of those it reached.
pub fn subscriptions_acknowledge_each_for_itself(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let topic = session.topic("prices");
    let [first, second] = [session.subscribe(topic, "first"), session.subscribe(topic, "second")];
    let sent = session.message_ids(4);
    session.commit(sent.iter().map(|id| enqueue(*id, topic)).collect());
    let third = session.subscribe(topic, "third");
    session.commit(vec![acknowledge_for(sent[0], topic, first), acknowledge_for(sent[1], topic, first)]);
    assert_eq!(session.waiting(topic, first), sent[2..]);
    assert_eq!(session.waiting(topic, second), sent);
    assert_eq!(session.kept(topic), 4);
    session.commit(vec![acknowledge_for(sent[0], topic, second)]);
    assert_eq!(session.kept(topic), 3);
    session.reopen();
    // Twice counts once.
    session.commit(vec![acknowledge_for(sent[1], topic, first), acknowledge_for(sent[0], topic, second)]);
    assert_eq!(session.waiting(topic, first), sent[2..]);
    assert_eq!(session.waiting(topic, second), sent[1..]);
    assert_eq!(session.waiting(topic, third), []);
    assert_eq!(session.kept(topic), 3);
    let all =
        sent.iter().flat_map(|id| [acknowledge_for(*id, topic, first), acknowledge_for(*id, topic, second)]);
    session.commit(all.collect());
    assert_eq!((session.waiting(topic, first), session.waiting(topic, second)), (vec![], vec![]));
    assert_eq!(session.kept(topic), 0);
}

/// Acknowledged from the back and the middle: those are passed over, also in pages and after reopening, and the
/// front closes up over them.
pub fn acknowledgements_out_of_order_are_passed_over(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let topic = session.topic("prices");
    let [reader, other] = [session.subscribe(topic, "reader"), session.subscribe(topic, "other")];
    let sent = session.message_ids(20);
    session.commit(sent.iter().map(|id| enqueue(*id, topic)).collect());
    for gone in [19, 10, 11, 12, 1, 5] {
        session.commit(vec![acknowledge_for(sent[gone], topic, reader)]);
    }
    let left = |gone: &[usize]| {
        (0..20).filter(|index| !gone.contains(index)).map(|index| sent[index]).collect::<Vec<_>>()
    };
    let expected = left(&[19, 10, 11, 12, 1, 5]);
    assert_eq!(session.waiting(topic, reader), expected);
    session.reopen();
    assert_eq!(session.waiting(topic, reader), expected);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let request = ReadRequest { after, messages_max: 3, ..everything(topic, Some(reader)) };
        let page = session.read(request);
        paged.extend(ids(&page));
        let last = page.messages.last().map(|stored| stored.cursor);
        assert!(last > after || page.end, "a page that goes no further");
        after = last;
        if page.end {
            break;
        }
    }
    assert_eq!(paged, expected);

    session.commit(vec![acknowledge_for(sent[0], topic, reader)]);
    assert_eq!(session.waiting(topic, reader), left(&[0, 1, 19, 10, 11, 12, 5]));
    session.reopen();
    let rest = [2, 3, 4, 6, 7, 8, 9].map(|index: usize| acknowledge_for(sent[index], topic, reader));
    session.commit(rest.to_vec());
    assert_eq!(session.waiting(topic, reader), sent[13..19]);
    session.reopen();
    assert_eq!(session.waiting(topic, reader), sent[13..19]);
    assert_eq!(session.waiting(topic, other), sent);
    // Nothing is taken twice from a position that has moved on.
    session.commit(vec![acknowledge_for(sent[2], topic, reader), acknowledge_for(sent[19], topic, reader)]);
    assert_eq!(session.waiting(topic, reader), sent[13..19]);
    assert_eq!(session.kept(topic), 20);
}

/// What waited for a subscription alone goes with it; another of its name starts anew.
pub fn unsubscribing_frees_what_waited(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let topic = session.topic("prices");
    let [first, second] = [session.subscribe(topic, "first"), session.subscribe(topic, "second")];
    let sent = session.message_ids(6);
    session.commit(sent[..5].iter().map(|id| enqueue(*id, topic)).collect());
    session.commit(vec![
        acknowledge_for(sent[0], topic, first),
        acknowledge_for(sent[3], topic, first),
        acknowledge_for(sent[1], topic, second),
    ]);
    session.commit(vec![Operation::Unsubscribe(second)]);
    assert_eq!(session.waiting(topic, first), [sent[1], sent[2], sent[4]]);
    assert_eq!(session.kept(topic), 3);
    session.reopen();
    assert_eq!(session.kept(topic), 3);

    let again = session.subscribe(topic, "second");
    assert_eq!(session.waiting(topic, again), []);
    session.commit(vec![enqueue(sent[5], topic)]);
    assert_eq!(session.waiting(topic, again), [sent[5]]);
    session.commit(vec![Operation::Unsubscribe(first)]);
    assert_eq!(session.kept(topic), 1);
    session.commit(vec![Operation::Unsubscribe(again)]);
    assert_eq!(session.kept(topic), 0);
    assert_eq!(session.recover().subscriptions, []);
    session.reopen();
    assert_eq!(session.kept(topic), 0);
}

/// Without a subscription at that moment a message is not kept, whoever comes later.
pub fn topic_without_subscriptions_keeps_nothing(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let topic = session.topic("prices");
    let elsewhere = session.topic("rates");
    let _other = session.subscribe(elsewhere, "reader");
    let sent = session.message_ids(3);
    session.commit(vec![enqueue(sent[0], topic)]);
    assert_eq!(session.kept(topic), 0);
    let reader = session.subscribe(topic, "reader");
    assert_eq!(session.waiting(topic, reader), []);
    session.commit(vec![Operation::Unsubscribe(reader), enqueue(sent[1], topic)]);
    assert_eq!(session.kept(topic), 0);
    let reader = session.subscribe(topic, "reader");
    session.commit(vec![enqueue(sent[2], topic)]);
    assert_eq!(session.waiting(topic, reader), [sent[2]]);
    session.reopen();
    assert_eq!(session.waiting(topic, reader), [sent[2]]);
}

/// Ranks order what a subscription reads; its position counts arrivals, not places.
pub fn ranks_order_topics_too(engine: &mut dyn Engine) {
    let mut session = Session::start(engine);
    let topic = session.topic("prices");
    let first = session.subscribe(topic, "first");
    let sent = session.message_ids(7);
    session.commit(vec![enqueue_ranked(sent[0], topic, 9), enqueue_ranked(sent[1], topic, 0)]);
    let second = session.subscribe(topic, "second");
    let ranks = [5, 0, 9, 0];
    session.commit((2..6).map(|index| enqueue_ranked(sent[index], topic, ranks[index - 2])).collect());
    let expected = [3, 5, 2, 4].map(|index: usize| sent[index]);
    assert_eq!(session.waiting(topic, first), [1, 3, 5, 2, 0, 4].map(|index: usize| sent[index]));
    assert_eq!(session.waiting(topic, second), expected);
    // The first that is read is not the first that arrived.
    session.commit(vec![acknowledge_for(sent[3], topic, second), acknowledge_for(sent[5], topic, second)]);
    assert_eq!(session.waiting(topic, second), expected[2..]);
    session.reopen();
    assert_eq!(session.waiting(topic, second), expected[2..]);
    session.commit(vec![acknowledge_for(sent[2], topic, second), enqueue_ranked(sent[6], topic, 1)]);
    assert_eq!(session.waiting(topic, second), [sent[6], sent[4]]);
    let found = session.read(everything(topic, Some(second)));
    let request = ReadRequest { after: Some(found.messages[0].cursor), ..everything(topic, Some(second)) };
    assert_eq!(ids(&session.read(request)), [sent[4]]);
}
