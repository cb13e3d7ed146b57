//! Durable subscriptions over there.

use super::*;

/// A durable subscription over there whose client has come.
fn subscribes(value: i64, topic: &str, name: &str) -> ConsumerInfo {
    ConsumerInfo {
        client_id: Some("client".into()),
        subscription_name: Some(name.into()),
        ..wants(value, Destination::topic(topic))
    }
}

fn unsubscribes(name: &str) -> Command {
    RemoveSubscriptionInfo {
        client_id: Some("client".into()),
        subscription_name: Some(name.into()),
        ..RemoveSubscriptionInfo::default()
    }
    .into()
}

#[test]
fn a_durable_subscription_is_kept_here_until_the_last_over_there_unsubscribes() {
    let mut world = World::standing(|_| ());
    world.hear(subscribes(1, "t", "one").into());
    let made = world.subscribed();
    let [info] = &made[..] else { panic!("{made:?}") };
    assert_eq!(info.subscription_name.as_deref(), Some("NC-DS_here_t"));
    assert!(info.additional_predicate.is_none(), "what it leaves out has to be acknowledged");
    world.hear(subscribes(2, "t", "two").into());
    world.hear(wants(3, Destination::topic("t")).into());
    for value in [1, 2, 3] {
        world.hear(gone(value));
    }
    world.hear(unsubscribes("one"));
    world.hear(unsubscribes("other"));
    assert_eq!(world.orders(), [], "it is kept while they are away");
    world.hear(unsubscribes("two"));
    let said = world.said(Side::Local);
    let [Command::RemoveInfo(_), Command::RemoveSubscriptionInfo(over)] = &said[..] else {
        panic!("{said:?}")
    };
    assert_eq!(over.subscription_name.as_deref(), Some("NC-DS_here_t"));
    assert_eq!(over.client_id.as_deref(), Some("NC_there_inbound_here"));
}

#[test]
fn who_consumes_beside_a_durable_subscription_that_ends_goes_on() {
    let mut world = World::standing(|_| ());
    world.hear(subscribes(1, "t", "one").into());
    world.hear(wants(2, Destination::topic("t")).into());
    assert_eq!(world.subscribed().len(), 1);
    world.hear(gone(1));
    world.hear(unsubscribes("one"));
    assert_eq!(world.orders(), []);
    world.hear(gone(2));
    let said = world.said(Side::Local);
    assert!(matches!(said[..], [Command::RemoveInfo(_), Command::RemoveSubscriptionInfo(_)]), "{said:?}");
}

#[test]
fn a_durable_one_takes_the_place_of_one_that_is_not_and_nothing_crosses_twice() {
    let mut world = World::standing(|_| ());
    let topic = || Destination::topic("t");
    world.hear(wants(1, topic()).into());
    let first = world.subscribed()[0].consumer_id.clone().expect("an id").value;
    world.hear(subscribes(2, "t", "one").into());
    let said = world.said(Side::Local);
    let [Command::ConsumerInfo(durable)] = &said[..] else { panic!("{said:?}") };
    let second = durable.consumer_id.clone().expect("an id").value;
    // Before it has begun both get what is sent, in either order.
    let crossed = |world: &mut World, number: i64, sequence: i64| {
        world.bridge.received(Side::Local, dispatch(number, topic(), message(sequence)));
        let orders = world.orders();
        orders.iter().any(|order| matches!(order, Order::Send(Side::Remote, Command::Message(_))))
    };
    assert!(crossed(&mut world, first, 1));
    assert!(crossed(&mut world, first, 2));
    assert!(!crossed(&mut world, second, 2));
    assert!(crossed(&mut world, second, 3));
    assert!(!crossed(&mut world, first, 3));
    assert!(crossed(&mut world, first, 4));
    world.bridge.received(Side::Local, answer(&said[0]));
    assert!(!crossed(&mut world, first, 5), "what comes of it now comes of the other");
    assert!(!crossed(&mut world, second, 4));
    assert!(crossed(&mut world, second, 5));
    // The first one's consumer is the durable one's now.
    world.hear(gone(2));
    world.hear(unsubscribes("one"));
    assert!(
        !world
            .orders()
            .iter()
            .any(|order| matches!(order, Order::Send(_, Command::RemoveSubscriptionInfo(_))))
    );
}

#[test]
fn messages_whose_ids_are_of_no_producer_are_told_apart_where_two_subscriptions_overlap() {
    let mut world = World::standing(|_| ());
    let topic = || Destination::topic("t");
    world.hear(wants(1, topic()).into());
    let first = world.subscribed()[0].consumer_id.clone().expect("an id").value;
    world.hear(subscribes(2, "t", "one").into());
    assert_eq!(world.orders().len(), 1);
    for (text, times) in [("a", 1), ("b", 1), ("a", 0)] {
        let id = MessageId { text_view: Some(text.into()), ..MessageId::default() };
        let foreign = Message { message_id: Some(id), ..message(1) };
        world.bridge.received(Side::Local, dispatch(first, topic(), foreign));
        let crosses = |order: &&Order| matches!(order, Order::Send(Side::Remote, Command::Message(_)));
        assert_eq!(world.orders().iter().filter(crosses).count(), times, "{text}");
    }
}

#[test]
fn what_was_kept_goes_on_when_the_bridge_stands_again_unless_it_waits_for_its_clients() {
    let kept = |client_id: &str, name: &str, topic: &str| Kept {
        client_id: client_id.into(),
        name: name.into(),
        address: Address::topic(topic),
        passed: Vec::new(),
    };
    let all = || {
        vec![
            kept("NC_there_inbound_here", "NC-DS_here_t", "t"),
            kept("NC_elsewhere_inbound_here", "NC-DS_here_u", "u"),
            kept("NC_there_inbound_here", "NC-DS_here_x", "excluded"),
            kept("NC_there_inbound_here", "NC-DS_here_excluded", "excluded"),
        ]
    };
    let mut world = World::standing_with(all(), |connector| {
        connector.excluded_destinations = vec![Address::topic("excluded")];
    });
    let made = world.subscribed();
    let [info] = &made[..] else { panic!("{made:?}") };
    assert_eq!(info.subscription_name.as_deref(), Some("NC-DS_here_t"));
    // Whoever comes and ends it ends what was kept, as ActiveMQ has it.
    world.hear(subscribes(1, "t", "one").into());
    assert_eq!(world.orders(), []);
    world.hear(unsubscribes("one"));
    assert_eq!(world.said(Side::Local).len(), 2);

    let mut world = World::standing_with(all(), |connector| connector.dynamic_only = true);
    assert_eq!(world.orders(), []);
}

#[test]
fn durable_subscriptions_that_are_told_in_full_are_kept_and_no_others() {
    let kept = |topic: &str| Kept {
        client_id: "NC_there_inbound_here".into(),
        name: format!("NC-DS_here_{topic}").into(),
        address: Address::topic(topic),
        passed: Vec::new(),
    };
    let told = BrokerSubscriptionInfo {
        subscription_infos: Some(
            [
                subscribes(1, "t.still", "one"),
                subscribes(2, "t.new", "two"),
                ConsumerInfo {
                    client_id: Some("NC_here_inbound_there".into()),
                    ..subscribes(3, "t.back", "NC-DS_there_t.back")
                },
            ]
            .into(),
        ),
        ..BrokerSubscriptionInfo::default()
    };
    let mut world = World::standing_with(vec![kept("t.over"), kept("t.still"), kept("u")], |connector| {
        connector.sync_durable_subs = true;
        connector.dynamically_included_destinations = vec![Address::topic("t.>"), Address::topic("u")];
    });
    assert_eq!(world.subscribed().len(), 3);
    world.bridge.received(Side::Remote, told.into());
    let orders = world.said(Side::Local);
    let [Command::ConsumerInfo(new), rest @ ..] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(new.subscription_name.as_deref(), Some("NC-DS_here_t.new"));
    let over = |command: &Command| match command {
        Command::RemoveSubscriptionInfo(info) => info.subscription_name.as_deref().map(str::to_owned),
        _ => None,
    };
    let over: Vec<_> = rest.iter().filter_map(over).collect();
    assert_eq!(over, ["NC-DS_here_t.over", "NC-DS_here_u"]);
}

/// What a broker tells that was asked for all of its durable subscriptions.
fn all(infos: Vec<ConsumerInfo>) -> Command {
    let infos: Vec<_> = [ConsumerInfo::default()].into_iter().chain(infos).collect();
    BrokerSubscriptionInfo { subscription_infos: Some(infos.into()), ..BrokerSubscriptionInfo::default() }
        .into()
}

#[test]
fn whoever_keeps_some_asks_for_whom_and_keeps_them_for_those_who_are_away() {
    let kept = |topic: &str, peer: &str| Kept {
        client_id: "NC_there_inbound_here".into(),
        name: format!("NC-DS_here_{topic}").into(),
        address: Address::topic(topic),
        passed: vec![peer.into()],
    };
    let asks = |kept: Vec<Kept>, dynamic_only: bool| {
        let mut world = World::new(|connector| connector.dynamic_only = dynamic_only);
        world.bridge.keeps(kept);
        world.bridge.received(Side::Remote, there("ID:there"));
        let here = world.said(Side::Local);
        world.bridge.received(Side::Local, answer(&here[0]));
        let over_there = world.said(Side::Remote);
        let Some(Command::BrokerInfo(info)) = over_there.first() else { panic!("{over_there:?}") };
        info.network_properties.as_deref().is_some_and(|said| said.contains("tellAllDurableSubs=true"))
    };
    assert!(asks(vec![kept("t", "ID:there")], false));
    assert!(!asks(vec![kept("t", "ID:there")], true));
    assert!(!asks(Vec::new(), false));
    let elsewhere = Kept { client_id: "NC_else_inbound_here".into(), ..kept("t", "ID:there") };
    assert!(!asks(vec![elsewhere], false));

    // One for two, one for nobody any more, one for a broker whose place another has taken, one for who is too far now.
    let all_kept = || {
        vec![
            kept("two", "ID:there"),
            kept("none", "ID:there"),
            kept("other", "ID:gone"),
            kept("far", "ID:there"),
        ]
    };
    let far = ConsumerInfo { broker_path: Some([broker("ID:a")].into()), ..subscribes(4, "far", "far") };
    let told = || {
        all(vec![
            subscribes(1, "two", "one"),
            subscribes(2, "two", "another"),
            far.clone(),
            subscribes(3, "new", "new"),
        ])
    };
    let mut world = World::standing_with(all_kept(), |_| ());
    let begun = world.subscribed();
    assert_eq!(begun.len(), 4);
    world.bridge.received(Side::Remote, told());
    let said = world.said(Side::Local);
    let [Command::RemoveInfo(_), Command::RemoveSubscriptionInfo(over)] = &said[..] else {
        panic!("those who are away have nothing new kept for them: {said:?}")
    };
    assert_eq!(over.subscription_name.as_deref(), Some("NC-DS_here_none"));
    world.hear(unsubscribes("one"));
    assert_eq!(world.orders(), [], "the other is away, and it is kept for that");
    for name in ["another", "far"] {
        world.hear(unsubscribes(name));
        assert_eq!(world.said(Side::Local).len(), 2, "{name}");
    }
    // With syncDurableSubs they have.
    let mut world = World::standing_with(all_kept(), |connector| {
        connector.sync_durable_subs = true;
        connector.dynamically_included_destinations = vec![Address::topic("new"), Address::topic("two")];
    });
    assert_eq!(world.subscribed().len(), 1, "the others do not cross");
    world.bridge.received(Side::Remote, told());
    let new = world.subscribed();
    assert_eq!(new[0].subscription_name.as_deref(), Some("NC-DS_here_new"));
    // One for several topics keeps each.
    let mut world = World::standing_with(vec![kept("t", "ID:there"), kept("u", "ID:there")], |_| ());
    assert_eq!(world.subscribed().len(), 2);
    world.bridge.received(Side::Remote, all(vec![subscribes(1, "t,u", "both")]));
    assert_eq!(world.orders(), []);
    world.hear(unsubscribes("both"));
    assert_eq!(world.said(Side::Local).len(), 4);
    // Whoever has not asked is not told so.
    let mut world = World::standing(|_| ());
    world.hear(subscribes(1, "t", "one").into());
    world.subscribed();
    world.bridge.received(Side::Remote, all(Vec::new()));
    assert_eq!(world.orders(), []);
}
