//! Temporary destinations.

use super::*;

const REPLIES: &str = "ID:client:1:1";

fn temporary() -> Destination {
    Destination::new(DestinationKind::TemporaryQueue, REPLIES)
}

/// A temporary destination comes or goes.
fn about_temporary(operation: u8, path: &[&str]) -> Command {
    DestinationInfo {
        destination: Some(Arc::new(temporary())),
        operation,
        broker_path: (!path.is_empty()).then(|| path.iter().map(|id| broker(id)).collect()),
        ..DestinationInfo::default()
    }
    .into()
}

#[test]
fn a_temporary_destination_over_there_is_made_here_and_consumed_from_when_it_is_there() {
    let mut world = World::standing(|_| ());
    world.hear(about_temporary(DestinationInfo::ADD, &[]));
    world.hear(wants(1, temporary()).into());
    let said = world.said(Side::Local);
    let [Command::DestinationInfo(info)] = &said[..] else { panic!("its consumer waits: {said:?}") };
    assert_eq!((info.operation, info.destination.as_deref()), (DestinationInfo::ADD, Some(&temporary())));
    assert_eq!(info.broker_path.as_deref(), Some(&[broker("ID:there")][..]));
    // Another may have made it: it is there all the same.
    world.bridge.received(Side::Local, refuse(&said[0], "javax.jms.InvalidDestinationException"));
    let made = world.subscribed();
    assert_eq!(made[0].destination.as_deref(), Some(&temporary()));
    world.hear(gone(1));
    assert_eq!(world.said(Side::Local).len(), 1);
    world.hear(about_temporary(DestinationInfo::REMOVE, &[]));
    let said = world.said(Side::Local);
    let [Command::DestinationInfo(info)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(info.operation, DestinationInfo::REMOVE);
    world.hear(about_temporary(DestinationInfo::REMOVE, &[]));
    assert_eq!(world.orders(), []);
    // What was heard of by as many brokers as may be, or by this one, is not made.
    world.hear(about_temporary(DestinationInfo::ADD, &["ID:far"]));
    world.hear(about_temporary(DestinationInfo::ADD, &["ID:here"]));
    assert_eq!(world.orders(), []);
    let mut world = World::standing(|connector| connector.bridge_temp_destinations = false);
    world.hear(about_temporary(DestinationInfo::ADD, &[]));
    world.hear(wants(1, temporary()).into());
    assert_eq!(world.orders(), []);
}

#[test]
fn where_no_consumer_of_it_is_heard_of_it_is_consumed_from_all_the_same() {
    let mut world = World::standing(|connector| {
        connector.dynamically_included_destinations = vec![Address::queue("requests")];
    });
    world.hear(about_temporary(DestinationInfo::ADD, &[]));
    let said = world.said(Side::Local);
    world.bridge.received(Side::Local, answer(&said[0]));
    assert_eq!(world.subscribed()[0].destination.as_deref(), Some(&temporary()));
    world.hear(about_temporary(DestinationInfo::REMOVE, &[]));
    let said = world.said(Side::Local);
    assert!(matches!(said[..], [Command::RemoveInfo(_), Command::DestinationInfo(_)]), "{said:?}");
}

fn request(sequence: i64) -> Message {
    Message { reply_to: Some(Arc::new(temporary())), ..message(sequence) }
}

#[test]
fn a_request_is_told_over_there_where_to_reply_before_it_comes_and_once() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, queue("q")).into());
    let number = world.subscribed()[0].consumer_id.clone().expect("an id").value;
    world.bridge.received(Side::Local, dispatch(number, queue("q"), request(1)));
    let orders = world.orders();
    let [
        Order::Send(Side::Remote, Command::DestinationInfo(info)),
        Order::Send(Side::Local, Command::ConsumerInfo(listener)),
        Order::Send(Side::Remote, Command::Message(_)),
    ] = &orders[..]
    else {
        panic!("{orders:?}")
    };
    assert_eq!((info.operation, info.destination.as_deref()), (DestinationInfo::ADD, Some(&temporary())));
    let refused = refuse(&Command::from((**info).clone()), "javax.jms.InvalidDestinationException");
    world.bridge.received(Side::Remote, refused);
    world.bridge.received(Side::Local, dispatch(number, queue("q"), request(2)));
    assert_eq!(world.said(Side::Remote).len(), 1);
    // It is taken back when it goes.
    let listener = listener.consumer_id.clone().expect("an id").value;
    let Command::MessageDispatch(gone) = advisory(about_temporary(DestinationInfo::REMOVE, &[])) else {
        unreachable!("it is one")
    };
    let gone = Message::clone(gone.message.as_deref().expect("a message"));
    world.bridge.received(Side::Local, dispatch(listener, Destination::topic("t"), gone));
    let orders = world.orders();
    let [
        Order::Send(Side::Local, Command::MessageAck(_)),
        Order::Send(Side::Remote, Command::DestinationInfo(info)),
    ] = &orders[..]
    else {
        panic!("{orders:?}")
    };
    assert_eq!(info.operation, DestinationInfo::REMOVE);
}

/// An advisory as it comes over a duplex bridge.
fn news(structure: Command) -> Command {
    let Command::MessageDispatch(told) = advisory(structure) else { unreachable!("it is one") };
    Message::clone(told.message.as_deref().expect("a message")).into()
}

#[test]
fn a_request_waits_until_what_is_replied_to_a_topic_would_go_back() {
    let replies = || Destination::new(DestinationKind::TemporaryTopic, "ID:other:1:1");
    let made = || DestinationInfo { destination: Some(Arc::new(replies())), ..DestinationInfo::default() };
    let asks = |sequence: i64| {
        let Command::Message(mut message) = sent(sequence, queue("q"), true) else {
            unreachable!("it is one")
        };
        Arc::make_mut(&mut message).reply_to = Some(Arc::new(replies()));
        Command::Message(message)
    };
    let crosses = |world: &mut World| {
        let orders = world.orders();
        let is_message = |order: &&Order| matches!(order, Order::Send(Side::Inbound, Command::Message(_)));
        orders.iter().filter(is_message).count()
    };
    // Its consumer is told of, or never is.
    for is_told in [true, false] {
        let mut world = World::duplex(|_| ());
        world.bridge.received(Side::Remote, news(made().into()));
        let making = world.said(Side::Inbound);
        world.bridge.received(Side::Remote, asks(1));
        world.bridge.received(Side::Remote, sent(2, queue("q"), true));
        if is_told {
            world.bridge.received(Side::Remote, news(wants(1, replies()).into()));
        }
        assert_eq!(world.orders(), [], "not before it is there");
        world.bridge.received(Side::Inbound, answer(&making[0]));
        let begun = world.said(Side::Local);
        let [Command::ConsumerInfo(info)] = &begun[..] else { panic!("{begun:?}") };
        assert_eq!(info.destination.as_deref(), Some(&replies()));
        // Whoever consumes it there is served by that.
        world.bridge.received(Side::Remote, news(wants(2, replies()).into()));
        assert_eq!(world.orders(), []);
        world.bridge.received(Side::Local, answer(&begun[0]));
        assert_eq!(crosses(&mut world), 2);
        world.bridge.received(Side::Remote, asks(3));
        assert_eq!(crosses(&mut world), 1);
    }
    // Where the broker here does not let it be consumed the request is not held for ever.
    let mut world = World::duplex(|_| ());
    world.bridge.received(Side::Remote, news(made().into()));
    let making = world.said(Side::Inbound);
    world.bridge.received(Side::Remote, asks(1));
    world.bridge.received(Side::Inbound, answer(&making[0]));
    let begun = world.said(Side::Local);
    world.bridge.received(Side::Local, refuse(&begun[0], "javax.jms.JMSSecurityException"));
    assert_eq!(crosses(&mut world), 1);
    // Nor where it goes meanwhile, nor where it was never told of.
    world.bridge.received(Side::Remote, news(made().into()));
    let mut world = World::duplex(|_| ());
    world.bridge.received(Side::Remote, asks(1));
    assert_eq!(crosses(&mut world), 1);
    world.bridge.received(Side::Remote, news(made().into()));
    world.bridge.received(Side::Remote, asks(2));
    assert_eq!(crosses(&mut world), 0);
    let gone = DestinationInfo { operation: DestinationInfo::REMOVE, ..made() };
    world.bridge.received(Side::Remote, news(gone.into()));
    assert_eq!(crosses(&mut world), 1);
}

#[test]
fn over_a_duplex_bridge_it_is_told_as_an_advisory_and_made_where_messages_come_in() {
    let mut world = World::duplex(|_| ());
    world.hear(wants(1, queue("q")).into());
    let number = world.subscribed()[0].consumer_id.clone().expect("an id").value;
    world.bridge.received(Side::Local, dispatch(number, queue("q"), request(1)));
    let said = world.said(Side::Remote);
    let [Command::Message(told), Command::Message(_)] = &said[..] else { panic!("{said:?}") };
    let Some(DataStructure::Command(Command::DestinationInfo(info))) = &told.data_structure else {
        panic!("{told:?}")
    };
    assert_eq!(info.operation, DestinationInfo::ADD);
    assert_eq!(told.destination.as_deref(), Some(&Destination::topic("ActiveMQ.Advisory.TempQueue")));

    // The other way.
    let other = Destination::new(DestinationKind::TemporaryQueue, "ID:other:1:1");
    let add = DestinationInfo { destination: Some(Arc::new(other)), ..DestinationInfo::default() };
    let Command::MessageDispatch(added) = advisory(add.into()) else { unreachable!("it is one") };
    let added = Message::clone(added.message.as_deref().expect("a message"));
    world.bridge.received(Side::Remote, added.into());
    world.bridge.received(Side::Remote, sent(1, queue("q"), true));
    let said = world.said(Side::Inbound);
    assert!(matches!(said[..], [Command::DestinationInfo(_), Command::Message(_)]), "{said:?}");
}
