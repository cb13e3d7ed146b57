//! The other way of a duplex bridge, and the end that responds.

use super::*;

#[test]
fn a_duplex_bridge_stands_when_the_other_has_opened_its_own_connection() {
    let mut world = World::new(|connector| connector.duplex = true);
    world.bridge.received(Side::Remote, there("ID:there"));
    let here = world.said(Side::Local);
    world.bridge.received(Side::Local, answer(&here[0]));
    let inbound = world.said(Side::Inbound);
    let [Command::ConnectionInfo(connection), Command::SessionInfo(_), Command::ProducerInfo(_)] =
        &inbound[..]
    else {
        panic!("{inbound:?}")
    };
    assert_eq!(connection.client_id.as_deref(), Some("NC_there_inbound_duplex_here"));
    world.bridge.received(Side::Inbound, answer(&inbound[0]));
    let said = world.said(Side::Remote);
    let Command::BrokerInfo(info) = &said[0] else { panic!("{said:?}") };
    assert!(info.duplex_connection);
    assert!(info.network_properties.as_deref().unwrap_or_default().contains("\nduplex=true\n"));
    assert!(
        said.iter().all(|command| !command.response_required()),
        "an ActiveMQ answers none of it: {said:?}"
    );
    assert!(!world.bridge.stands());
    world.bridge.received(Side::Remote, ConnectionInfo::default().into());
    assert_eq!(world.orders(), [Order::Stands("there".to_owned())]);
}

#[test]
fn who_responds_opens_when_it_was_let_in_and_the_initiator_has_opened() {
    let mut world = World::responding("name=site\nmessageTTL=2");
    assert!(!world.bridge.hears_more(), "what comes now has nowhere to go");
    // An ActiveMQ waits for nothing.
    world.bridge.received(Side::Remote, ConnectionInfo::default().into());
    world.bridge.received(Side::Remote, listens(7, "ActiveMQ.Advisory.Consumer.>").into());
    world.let_in();
    let orders = world.orders();
    let said = |side: Side| -> Vec<&Command> {
        let one = |order| match order {
            &Order::Send(found, ref command) if found == side => Some(command),
            _ => None,
        };
        orders.iter().filter_map(one).collect()
    };
    let there = said(Side::Remote);
    let [
        Command::ConnectionInfo(connection),
        Command::SessionInfo(_),
        Command::ProducerInfo(_),
        Command::ConsumerInfo(_),
    ] = there[..]
    else {
        panic!("{there:?}")
    };
    assert_eq!(connection.client_id.as_deref(), Some("site_here_outbound"));
    assert!(orders.contains(&Order::Stands("there".to_owned())));
    assert!(matches!(said(Side::Local)[..], [Command::ConsumerInfo(_)]), "{orders:?}");
    assert!(world.bridge.hears_more());

    // One that has not said that it connects is sent nothing, and nothing is taken of it.
    let mut world = World::responding("name=site");
    world.let_in();
    world.bridge.received(Side::Remote, listens(7, "ActiveMQ.Advisory.Consumer.>").into());
    world.bridge.received(Side::Remote, sent(1, queue("q"), true));
    let Command::MessageDispatch(told) = advisory(wants(1, queue("q")).into()) else {
        unreachable!("it is one")
    };
    let told = Message::clone(told.message.as_deref().expect("a message"));
    world.bridge.received(Side::Remote, told.into());
    assert_eq!(world.orders(), []);
}

/// A consumer of advisories over there.
fn listens(value: i64, topic: &str) -> ConsumerInfo {
    ConsumerInfo {
        consumer_id: Some(remote(value)),
        destination: Some(Arc::new(Destination::topic(topic))),
        ..ConsumerInfo::default()
    }
}

#[test]
fn what_comes_from_there_is_sent_here_and_answered_when_it_is() {
    let mut world = World::duplex(|_| ());
    world.bridge.received(Side::Remote, sent(1, queue("q"), true));
    world.bridge.received(Side::Remote, sent(2, queue("q"), true));
    world.bridge.received(Side::Remote, sent(3, queue("q"), false));
    let said = world.said(Side::Inbound);
    let [Command::Message(first), Command::Message(_), Command::Message(third)] = &said[..] else {
        panic!("{said:?}")
    };
    assert_eq!(first.message_id, message(1).message_id);
    assert_eq!(first.producer_id.as_ref().map(ToString::to_string).as_deref(), Some("unique:3:1:1"));
    assert_eq!(
        first.broker_path.as_deref(),
        Some(&[broker("ID:there")][..]),
        "the other end has said where it was"
    );
    assert!(first.response_required && !third.response_required);
    world.bridge.received(Side::Inbound, refuse(&said[1], "javax.jms.ResourceAllocationException"));
    world.bridge.received(Side::Inbound, answer(&said[0]));
    let answers = world.said(Side::Remote);
    let [Command::ExceptionResponse(refused), Command::Response(taken)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((refused.correlation_id, taken.correlation_id), (1002, 1001));
    assert_eq!(refused.exception.as_ref().and_then(|why| why.message.as_deref()), Some("no room"));
}

#[test]
fn a_topics_message_that_is_excluded_here_is_answered_and_goes_no_further() {
    let mut world =
        World::duplex(|connector| connector.excluded_destinations = vec![Address::topic("secret.>")]);
    world.bridge.received(Side::Remote, sent(1, Destination::topic("secret.a"), true));
    let answers = world.said(Side::Remote);
    assert!(
        matches!(&answers[..], [Command::Response(answer)] if answer.correlation_id == 1001),
        "{answers:?}"
    );
}

#[test]
fn who_consumes_here_is_told_there_as_a_message_unless_it_means_nothing_there() {
    let mut world = World::duplex(|connector| {
        connector.prefetch_size = 8;
        connector.excluded_destinations = vec![Address::queue("secret.>")];
    });
    world.bridge.received(Side::Remote, listens(7, "ActiveMQ.Advisory.Consumer.Queue.>").into());
    let made = world.subscribed();
    let [listener] = &made[..] else { panic!("{made:?}") };
    assert_eq!(listener.prefetch_size, 8);
    let number = listener.consumer_id.as_ref().expect("an id").value;
    let mut tell = |command: Command| {
        let Command::MessageDispatch(dispatch) = advisory(command) else { unreachable!("it is one") };
        let told = Message::clone(dispatch.message.as_deref().expect("a message"));
        let topic = Destination::topic("ActiveMQ.Advisory.Consumer.Queue.q");
        world.bridge.received(Side::Local, self::dispatch(number, topic, told));
        world.orders()
    };
    let orders = tell(wants(1, queue("q")).into());
    let [Order::Send(Side::Remote, Command::Message(told))] = &orders[..] else { panic!("{orders:?}") };
    assert!(matches!(told.data_structure, Some(DataStructure::Command(Command::ConsumerInfo(_)))));
    assert!(!told.response_required);
    // What stands for consumers over there, or for too many hops, or is excluded, is not.
    let path = |ids: &[&str]| Some(ids.iter().map(|id| broker(id)).collect());
    let back = ConsumerInfo { broker_path: path(&["ID:there"]), ..wants(2, queue("q")) };
    let far = ConsumerInfo { broker_path: path(&["ID:far"]), ..wants(3, queue("q")) };
    assert_eq!(tell(back.into()), []);
    assert_eq!(tell(far.into()), []);
    let orders = tell(wants(4, queue("secret.a")).into());
    let [Order::Send(Side::Local, Command::MessageAck(ack))] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(ack.message_count, 4, "what was sent is acknowledged here, many at a time");
    assert_eq!(tell(wants(5, queue("*.a")).into()), []);
    assert_eq!(tell(gone(1)).len(), 1);
}

#[test]
fn of_whom_it_was_told_the_other_end_hears_that_they_are_not_for_it_any_more() {
    let mut world = World::duplex(|_| ());
    world.bridge.received(Side::Remote, listens(7, "ActiveMQ.Advisory.Consumer.Topic.>").into());
    let number = world.subscribed()[0].consumer_id.as_ref().expect("an id").value;
    let mut tell = |command: Command| {
        let Command::MessageDispatch(dispatch) = advisory(command) else { unreachable!("it is one") };
        let told = Message::clone(dispatch.message.as_deref().expect("a message"));
        world.bridge.received(Side::Local, self::dispatch(number, Destination::topic("a"), told));
        world.said(Side::Remote).len()
    };
    let by = |ids: &[&str]| {
        let path = Some(ids.iter().map(|id| broker(id)).collect());
        let info = wants(6, Destination::topic("t"));
        Command::from(ConsumerInfo { network_subscription: true, broker_path: path, ..info })
    };
    // It leads there now, or is too far.
    for now in [&["ID:there"][..], &["ID:far"]] {
        assert_eq!(tell(by(now)), 0, "it was not told of");
        assert_eq!(tell(by(&[])), 1);
        assert_eq!(tell(by(now)), 1);
        assert_eq!(tell(by(now)), 0, "it knows");
        assert_eq!(tell(by(&[])), 1);
        assert_eq!(tell(gone(6)), 1);
    }
}

#[test]
fn demand_that_comes_as_a_message_is_demand() {
    let mut world = World::duplex(|connector| connector.advisory_prefetch_size = 2);
    let Command::MessageDispatch(dispatch) = advisory(wants(1, queue("q")).into()) else {
        unreachable!("it is one")
    };
    let told = Message::clone(dispatch.message.as_deref().expect("a message"));
    world.bridge.received(Side::Remote, told.clone().into());
    assert_eq!(world.subscribed().len(), 1);
    world.bridge.received(Side::Remote, told.into());
    let said = world.said(Side::Remote);
    let [Command::MessageAck(ack)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(ack.consumer_id.as_ref().map(ToString::to_string).as_deref(), Some("unique:2:1:1"));
    assert_eq!(ack.message_count, 2);
}

#[test]
fn a_consumer_over_there_of_anything_but_advisories_gets_nothing() {
    let mut world = World::duplex(|_| ());
    let queue = ConsumerInfo { consumer_id: Some(remote(9)), ..wants(9, queue("q")) };
    world.bridge.received(Side::Remote, queue.into());
    let orders = world.orders();
    assert!(matches!(&orders[..], [Order::Say(text)] if text.contains("consumes from q")), "{orders:?}");
    for value in 0..100 {
        world.bridge.received(Side::Remote, listens(value, "ActiveMQ.Advisory.Consumer.>").into());
    }
    let consumes = |order: &&Order| matches!(order, Order::Send(Side::Local, Command::ConsumerInfo(_)));
    assert_eq!(world.orders().iter().filter(consumes).count(), 16);
}

#[test]
fn a_duplex_bridge_stops_when_both_ways_are_answered_and_takes_nothing_more() {
    let mut world = World::duplex(|_| ());
    world.bridge.received(Side::Remote, sent(1, queue("q"), true));
    let taken = world.said(Side::Inbound);
    world.bridge.stop();
    world.bridge.received(Side::Remote, sent(2, queue("q"), true));
    assert_eq!(world.orders(), []);
    world.bridge.received(Side::Inbound, answer(&taken[0]));
    let orders = world.orders();
    assert!(
        matches!(&orders[0], Order::Send(Side::Remote, Command::Response(answer)) if answer.correlation_id == 1001)
    );
    assert_eq!(orders.last(), Some(&Order::Ended));
    assert_eq!(orders.len(), 5, "each line is told: {orders:?}");
}

#[test]
fn with_sync_durable_subs_the_other_end_is_told_of_the_durable_subscriptions_here() {
    let durables =
        || vec![ConsumerInfo { subscription_name: Some("till".into()), ..wants(1, Destination::topic("t")) }];
    for (duplex, sync) in [(true, true), (true, false), (false, true)] {
        let mut world = World::new(|connector| {
            connector.duplex = duplex;
            connector.sync_durable_subs = sync;
        });
        world.bridge.tells(durables());
        world.bridge.received(Side::Remote, there("ID:there"));
        if duplex {
            world.let_in();
        } else {
            let here = world.said(Side::Local);
            world.bridge.received(Side::Local, answer(&here[0]));
        }
        let said = world.said(Side::Remote);
        let told = said.iter().find_map(|command| match command {
            Command::BrokerSubscriptionInfo(info) => info.subscription_infos.as_deref(),
            _ => None,
        });
        assert_eq!(told, (duplex && sync).then(durables).as_deref());
        // Nobody is told of them before it was asked in.
        let place = |wanted: fn(&Command) -> bool| said.iter().position(wanted);
        let asked = place(|command| matches!(command, Command::ConnectionInfo(_)));
        assert!(
            told.is_none() || place(|command| matches!(command, Command::BrokerSubscriptionInfo(_))) > asked
        );
    }
}
