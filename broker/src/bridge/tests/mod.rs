//! The bridge alone: what it says to what it hears.

use std::sync::Arc;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::connection::{
    BrokerInfo, ConnectionError, ConnectionInfo, DestinationInfo, RemoveInfo, ShutdownInfo,
};
use kahawai_openwire::consumer::{BrokerSubscriptionInfo, ConsumerInfo, RemoveSubscriptionInfo};
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::ids::{BrokerId, ConsumerId, MessageId, ProducerId, RemovedId};
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch};
use kahawai_openwire::response::{ExceptionResponse, Response};
use kahawai_openwire::throwable::Throwable;
use kahawai_openwire::transaction::{LocalTransactionId, TransactionId};

use super::{Bridge, Kept, NetworkConnector, Order, Side, Us};
use crate::core::address::Address;

mod duplex;
mod durable;
mod rivals;
mod temporary;
mod ways;

struct World {
    bridge: Bridge,
}

fn broker(id: &str) -> Arc<BrokerId> {
    Arc::new(BrokerId::new(id))
}

fn there(id: &str) -> Command {
    BrokerInfo { broker_id: Some(broker(id)), broker_name: Some("there".into()), ..BrokerInfo::default() }
        .into()
}

fn remote(value: i64) -> Arc<ConsumerId> {
    Arc::new(ConsumerId { connection_id: "ID:client".into(), session_id: 1, value })
}

fn wants(value: i64, destination: Destination) -> ConsumerInfo {
    ConsumerInfo {
        consumer_id: Some(remote(value)),
        destination: Some(Arc::new(destination)),
        priority: 3,
        ..ConsumerInfo::default()
    }
}

fn advisory(structure: Command) -> Command {
    let message = Message {
        data_structure: Some(DataStructure::Command(structure)),
        destination: Some(Arc::new(Destination::topic("ActiveMQ.Advisory.Consumer.Queue.q"))),
        message_id: Some(MessageId { producer_sequence_id: 1, ..MessageId::default() }),
        ..Message::default()
    };
    let consumer = ConsumerId { connection_id: "unique:2".into(), session_id: 1, value: 1 };
    MessageDispatch {
        consumer_id: Some(Arc::new(consumer)),
        destination: message.destination.clone(),
        message: Some(Arc::new(message)),
        ..MessageDispatch::default()
    }
    .into()
}

fn gone(value: i64) -> Command {
    RemoveInfo { object_id: Some(RemovedId::Consumer(remote(value))), ..RemoveInfo::default() }.into()
}

fn message(sequence: i64) -> Message {
    Message {
        persistent: true,
        message_id: Some(MessageId {
            producer_id: Some(Arc::new(ProducerId {
                connection_id: "ID:sender".into(),
                value: 1,
                session_id: 1,
            })),
            producer_sequence_id: sequence,
            broker_sequence_id: 1000 + sequence,
            ..MessageId::default()
        }),
        ..Message::default()
    }
}

fn dispatch(number: i64, destination: Destination, message: Message) -> Command {
    let consumer = ConsumerId { connection_id: "unique:1".into(), session_id: 1, value: number };
    MessageDispatch {
        consumer_id: Some(Arc::new(consumer)),
        destination: Some(Arc::new(destination)),
        message: Some(Arc::new(message)),
        ..MessageDispatch::default()
    }
    .into()
}

fn answer(command: &Command) -> Command {
    Response { correlation_id: command.command_id(), ..Response::default() }.into()
}

fn refuse(command: &Command, class: &str) -> Command {
    let exception = Some(Box::new(Throwable::new(class, "no room")));
    ExceptionResponse { correlation_id: command.command_id(), exception, ..ExceptionResponse::default() }
        .into()
}

impl World {
    fn new(change: impl FnOnce(&mut NetworkConnector)) -> Self {
        let mut connector = NetworkConnector::default();
        change(&mut connector);
        let us = Us {
            broker_id: "ID:here".into(),
            broker_name: "here".into(),
            broker_url: "tcp://127.0.0.1:61616".into(),
        };
        Self { bridge: Bridge::new(Arc::new(connector), us, "unique") }
    }

    /// The same as the other end of a duplex bridge.
    fn responding(properties: &str) -> Self {
        let Command::BrokerInfo(mut info) = there("ID:there") else { unreachable!("it is one") };
        info.network_properties = Some(properties.into());
        let us = Us {
            broker_id: "ID:here".into(),
            broker_name: "here".into(),
            broker_url: "tcp://127.0.0.1:61616".into(),
        };
        let connector = super::respond::connector(&info);
        Self { bridge: Bridge::respond(Arc::new(connector), us, "unique", &info) }
    }

    /// Both connections here are let in.
    fn let_in(&mut self) {
        for side in [Side::Local, Side::Inbound] {
            let said = self.said(side);
            self.bridge.received(side, answer(&said[0]));
        }
    }

    /// A duplex bridge that stands.
    fn duplex(change: impl FnOnce(&mut NetworkConnector)) -> Self {
        let mut world = Self::new(|connector| {
            connector.duplex = true;
            change(connector);
        });
        world.bridge.received(Side::Remote, there("ID:there"));
        world.let_in();
        assert_eq!(world.said(Side::Remote).len(), 5);
        world.bridge.received(Side::Remote, ConnectionInfo::default().into());
        assert_eq!(world.bridge.poll_order(), Some(Order::Stands("there".to_owned())));
        world
    }

    fn orders(&mut self) -> Vec<Order> {
        std::iter::from_fn(|| self.bridge.poll_order()).collect()
    }

    /// What is said over one line, where nothing else is wanted.
    fn said(&mut self, side: Side) -> Vec<Command> {
        let all = self.orders();
        let one = |order| match order {
            Order::Send(found, command) if found == side => command,
            other => panic!("{other:?}"),
        };
        all.into_iter().map(one).collect()
    }

    fn hear(&mut self, command: Command) {
        self.bridge.received(Side::Remote, advisory(command));
    }

    /// A bridge that stands.
    fn standing(change: impl FnOnce(&mut NetworkConnector)) -> Self {
        Self::standing_with(Vec::new(), change)
    }

    /// The same where the broker here keeps durable subscriptions.
    fn standing_with(kept: Vec<Kept>, change: impl FnOnce(&mut NetworkConnector)) -> Self {
        let mut world = Self::new(change);
        world.bridge.keeps(kept);
        world.bridge.received(Side::Remote, there("ID:there"));
        let here = world.said(Side::Local);
        world.bridge.received(Side::Local, answer(&here[0]));
        let over_there = world.said(Side::Remote);
        let asked = over_there.last().expect("it opens");
        assert!(asked.response_required());
        let asked = answer(asked);
        world.bridge.received(Side::Remote, asked);
        assert_eq!(world.bridge.poll_order(), Some(Order::Stands("there".to_owned())));
        world
    }

    /// The consumers here that begin.
    fn subscribed(&mut self) -> Vec<ConsumerInfo> {
        let all = self.said(Side::Local);
        let one = |command| match command {
            Command::ConsumerInfo(info) => *info,
            other => panic!("{other:?}"),
        };
        all.into_iter().map(one).collect()
    }

    fn failure(&mut self) -> (String, bool) {
        match self.orders().pop() {
            Some(Order::Failed { why, for_good }) => (why, for_good),
            other => panic!("{other:?}"),
        }
    }
}

/// A message as the other end forwards it.
fn sent(sequence: i64, to: Destination, asked: bool) -> Command {
    let mut message = message(sequence);
    message.command_id = 1000 + sequence as i32;
    message.response_required = asked;
    message.destination = Some(Arc::new(to));
    message.broker_path = Some([broker("ID:there")].into());
    message.into()
}

fn queue(name: &str) -> Destination {
    Destination::queue(name)
}

#[test]
fn it_opens_as_activemqs_initiator_does() {
    let mut world = World::new(|connector| {
        connector.user_name = Some("me".to_owned());
        connector.remote_user_name = Some("them".to_owned());
    });
    assert_eq!(world.orders(), [], "who is there says so first");
    world.bridge.received(Side::Remote, there("ID:there"));
    let here = world.said(Side::Local);
    let [Command::ConnectionInfo(connection), Command::SessionInfo(session)] = &here[..] else {
        panic!("{here:?}")
    };
    assert_eq!(connection.client_id.as_deref(), Some("NC_there_inbound_here"));
    assert_eq!(connection.user_name.as_deref(), Some("me"));
    assert!(connection.response_required && !session.response_required);
    world.bridge.received(Side::Local, answer(&here[0]));
    let said = world.said(Side::Remote);
    let [
        Command::BrokerInfo(broker),
        Command::ConnectionInfo(connection),
        Command::SessionInfo(session),
        Command::ProducerInfo(producer),
        Command::ConsumerInfo(demand),
    ] = &said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!(broker.broker_id, Some(self::broker("ID:here")));
    assert_eq!(broker.broker_name.as_deref(), Some("here"));
    assert!(broker.network_connection && !broker.duplex_connection);
    let properties = broker.network_properties.as_deref().expect("the connector's");
    assert!(properties.contains("\nname=NC\n") && properties.contains("\nconsumerTTL=1\n"), "{properties}");
    assert!(properties.contains("\nbrokerURL=tcp\\://127.0.0.1\\:61616\n"), "{properties}");
    assert_eq!(connection.client_id.as_deref(), Some("NC_here_outbound"));
    assert_eq!(connection.user_name.as_deref(), Some("them"));
    assert!(!connection.response_required);
    let id = session.session_id.as_ref().expect("a session");
    assert_eq!((id.connection_id.as_str(), id.value), ("unique:2", 1));
    assert_eq!(producer.producer_id.as_ref().map(ToString::to_string).as_deref(), Some("unique:2:1:1"));
    assert_eq!(
        demand.destination.as_deref(),
        Some(&Destination::topic(
            "ActiveMQ.Advisory.Consumer.>,ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic"
        ))
    );
    assert!(demand.dispatch_async && demand.prefetch_size == 1000);
    assert!(!world.bridge.stands(), "not before it is let in");
    let numbers: Vec<_> = said.iter().map(Command::command_id).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn a_broker_of_the_same_id_is_none_to_bridge_to() {
    let mut world = World::new(|_| ());
    world.bridge.received(Side::Remote, there("ID:here"));
    let (why, for_good) = world.failure();
    assert!(for_good && why.contains("own id (ID:here)") && why.contains("copy"), "{why}");
}

#[test]
fn who_is_not_let_in_says_so() {
    let mut world = World::new(|_| ());
    world.bridge.received(Side::Remote, there("ID:there"));
    let here = world.said(Side::Local);
    world.bridge.received(Side::Local, refuse(&here[0], "javax.jms.InvalidClientIDException"));
    let (why, for_good) = world.failure();
    assert!(!for_good && why.contains("here does not let it in: no room"), "{why}");

    let mut world = World::new(|_| ());
    world.bridge.received(Side::Remote, there("ID:there"));
    let here = world.said(Side::Local);
    world.bridge.received(Side::Local, answer(&here[0]));
    let exception = Some(Box::new(Throwable::new("java.lang.SecurityException", "who are you?")));
    let error = ConnectionError { exception, ..ConnectionError::default() };
    world.bridge.received(Side::Remote, error.into());
    assert!(world.failure().0.contains("there says: who are you?"));
    world.bridge.received(Side::Remote, there("ID:there"));
    assert_eq!(world.orders(), [], "it is over");
}

#[test]
fn all_consumers_of_a_destination_are_one_here_until_the_last_is_gone() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, queue("q")).into());
    let made = world.subscribed();
    let [info] = &made[..] else { panic!("{made:?}") };
    assert_eq!(info.destination.as_deref(), Some(&queue("q")));
    assert_eq!((info.priority as i8, info.prefetch_size), (-5, 1000));
    assert!(info.network_subscription && info.selector.is_none());
    assert_eq!(info.broker_path.as_deref(), Some(&[broker("ID:there")][..]));
    assert_eq!(info.network_consumer_path.as_deref(), Some(&[remote(1)][..]));
    let filter = info.additional_predicate.as_ref().expect("what may not cross");
    assert_eq!((filter.network_broker_id.clone(), filter.message_ttl), (Some(broker("ID:there")), 1));
    world.hear(wants(2, queue("q")).into());
    world.hear(wants(2, queue("q")).into());
    world.hear(gone(1));
    world.hear(gone(9));
    assert_eq!(world.orders(), []);
    world.hear(gone(2));
    let said = world.said(Side::Local);
    let [Command::RemoveInfo(info)] = &said[..] else { panic!("{said:?}") };
    assert!(matches!(&info.object_id, Some(RemovedId::Consumer(id)) if id.value == 1));
    assert_eq!(info.last_delivered_sequence_id, RemoveInfo::LAST_DELIVERED_UNSET);
    world.hear(wants(3, queue("q")).into());
    assert_eq!(world.subscribed().len(), 1, "it is wanted again");
}

#[test]
fn a_pattern_covers_what_comes_later_and_a_composite_is_its_parts() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, Destination::topic("A.>")).into());
    assert_eq!(world.subscribed().len(), 1);
    world.hear(wants(2, Destination::topic("A.B")).into());
    assert_eq!(world.orders(), []);
    world.hear(wants(3, queue("A.B,topic://A.C,C")).into());
    let made: Vec<_> = world.subscribed().into_iter().filter_map(|info| info.destination).collect();
    assert_eq!(made.iter().map(ToString::to_string).collect::<Vec<_>>(), ["queue://A.B", "queue://C"]);
    world.hear(gone(3));
    assert_eq!(world.said(Side::Local).len(), 2);
    world.hear(gone(1));
    assert_eq!(world.orders(), [], "another still wants it");
    world.hear(gone(2));
    assert_eq!(world.said(Side::Local).len(), 1);
}

#[test]
fn without_conduits_each_consumer_has_one_of_its_own() {
    let mut world = World::standing(|connector| {
        connector.conduit_subscriptions = false;
        connector.decrease_network_consumer_priority = false;
    });
    for value in [1, 2] {
        world.hear(wants(value, queue("q")).into());
        let made = world.subscribed();
        assert_eq!((made.len(), made[0].priority), (1, 3));
    }
    world.hear(gone(1));
    assert_eq!(world.said(Side::Local).len(), 1);
}

#[test]
fn who_stands_for_others_has_one_of_its_own_and_comes_after() {
    let far = |value| ConsumerInfo {
        network_subscription: true,
        broker_path: Some([broker("ID:far")].into()),
        network_consumer_path: Some([remote(70)].into()),
        ..wants(value, queue("q"))
    };
    let mut world = World::standing(|connector| connector.consumer_ttl = 2);
    world.hear(wants(1, queue("q")).into());
    assert_eq!(world.subscribed().len(), 1);
    world.hear(far(2).into());
    let made = world.subscribed();
    assert_eq!(made[0].priority as i8, -8);
    assert_eq!(made[0].broker_path.as_deref(), Some(&[broker("ID:far"), broker("ID:there")][..]));
    assert_eq!(made[0].network_consumer_path.as_deref(), Some(&[remote(70), remote(2)][..]));
    let mut world = World::standing(|connector| {
        connector.consumer_ttl = -1;
        connector.conduit_network_queue_subscriptions = true;
    });
    world.hear(far(1).into());
    world.hear(far(2).into());
    assert_eq!(world.subscribed().len(), 1);
}

#[test]
fn what_is_no_demand_of_ours_is_passed_over() {
    let path = |ids: &[&str]| Some(ids.iter().map(|id| broker(id)).collect::<Vec<_>>().into());
    let infos = [
        ("a browser", ConsumerInfo { browser: true, ..wants(1, queue("q")) }),
        ("too far away", ConsumerInfo { broker_path: path(&["ID:far"]), ..wants(1, queue("q")) }),
        ("advisories", wants(1, Destination::topic("ActiveMQ.Advisory.Queue"))),
    ];
    for (what, info) in infos {
        let mut world = World::standing(|_| ());
        world.hear(info.into());
        assert_eq!(world.orders(), [], "{what}");
    }
    let mut world = World::standing(|connector| connector.consumer_ttl = 9);
    world.hear(ConsumerInfo { broker_path: path(&["ID:far"]), ..wants(1, queue("q")) }.into());
    assert_eq!(world.subscribed().len(), 1);
    world.hear(ConsumerInfo { broker_path: path(&["ID:here"]), ..wants(2, queue("r")) }.into());
    assert_eq!(world.orders(), [], "our own");
}

#[test]
fn what_is_excluded_or_not_included_is_not_consumed() {
    let mut world = World::standing(|connector| {
        connector.excluded_destinations = vec![Address::queue("A.X.>"), Address::topic("T.X")];
        connector.dynamically_included_destinations = vec![Address::queue("A.>"), Address::topic("T.>")];
    });
    for (value, name) in [(1, "A.X"), (2, "A.X.Y"), (3, "B"), (4, ">")] {
        world.hear(wants(value, queue(name)).into());
        assert_eq!(world.orders(), [], "{name}");
    }
    world.hear(wants(5, queue("A.B")).into());
    assert_eq!(world.subscribed().len(), 1);
    // A queue's message cannot be handed back.
    world.hear(wants(6, queue("A.*")).into());
    let said = world.orders();
    assert!(matches!(&said[..], [Order::Say(text)] if text.contains("queue://A.*")), "{said:?}");
    // A topic's is another one for each.
    world.hear(wants(7, Destination::topic("T.*")).into());
    let number = world.subscribed()[0].consumer_id.as_ref().map_or(0, |id| id.value);
    world.bridge.received(Side::Local, dispatch(number, Destination::topic("T.X"), message(1)));
    let said = world.said(Side::Local);
    assert!(matches!(&said[..], [Command::MessageAck(_)]), "{said:?}");
    world.bridge.received(Side::Local, dispatch(number, Destination::topic("T.Y"), message(2)));
    assert_eq!(world.said(Side::Remote).len(), 1);
}

#[test]
fn what_is_included_statically_crosses_from_the_beginning() {
    let mut world = World::standing(|connector| {
        connector.excluded_destinations = vec![Address::queue("X")];
        connector.statically_included_destinations = vec![Address::queue("S"), Address::queue("X")];
    });
    let orders = world.orders();
    let [Order::Send(Side::Local, Command::ConsumerInfo(info)), Order::Say(told)] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!(info.destination.as_deref(), Some(&queue("S")));
    assert_eq!(info.broker_path.as_deref(), Some(&[broker("ID:there")][..]));
    assert!(told.contains("queue://X"));
    world.hear(wants(1, queue("S")).into());
    world.hear(gone(1));
    assert_eq!(world.orders(), [], "it stays");
    let mut world = World::new(|connector| connector.static_bridge = true);
    world.bridge.received(Side::Remote, there("ID:there"));
    let here = world.said(Side::Local);
    world.bridge.received(Side::Local, answer(&here[0]));
    let said = world.said(Side::Remote);
    assert!(matches!(said.last(), Some(Command::ProducerInfo(_))), "nobody's demand is asked for");
}

#[test]
fn a_message_crosses_as_it_is_and_is_acknowledged_when_it_is_over_there() {
    let mut world = World::standing(|connector| connector.message_ttl = 5);
    world.hear(wants(1, queue("q")).into());
    world.subscribed();
    let transaction = Arc::new(TransactionId::Local(LocalTransactionId { value: 7, connection_id: None }));
    for (sequence, persistent) in [(1, true), (2, false)] {
        let sent = Message {
            persistent,
            broker_path: Some([broker("ID:before")].into()),
            transaction_id: Some(Arc::clone(&transaction)),
            ..message(sequence)
        };
        world.bridge.received(Side::Local, dispatch(1, queue("q"), sent.clone()));
        let said = world.said(Side::Remote);
        let [command @ Command::Message(crossing)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(crossing.message_id, sent.message_id);
        assert_eq!(crossing.producer_id.as_ref().map(ToString::to_string).as_deref(), Some("unique:2:1:1"));
        assert_eq!((crossing.transaction_id.clone(), crossing.response_required), (None, true));
        assert_eq!(crossing.original_transaction_id, Some(Arc::clone(&transaction)));
        assert_eq!(crossing.broker_path.as_deref(), Some(&[broker("ID:before"), broker("ID:here")][..]));
        assert_eq!(crossing.destination.as_deref(), Some(&queue("q")));
        world.bridge.received(Side::Remote, answer(command));
        let said = world.said(Side::Local);
        let [Command::MessageAck(ack)] = &said[..] else { panic!("{said:?}") };
        assert_eq!((ack.ack_type, ack.message_count), (MessageAck::INDIVIDUAL, 1));
        assert_eq!(ack.last_message_id, sent.message_id);
        assert_eq!(ack.consumer_id.as_ref().map(|id| id.value), Some(1));
    }
}

#[test]
fn demand_that_is_heard_of_before_the_answer_is_served_at_once() {
    let mut world = World::new(|_| ());
    world.bridge.received(Side::Remote, there("ID:there"));
    let here = world.said(Side::Local);
    world.bridge.received(Side::Local, answer(&here[0]));
    let opening = world.said(Side::Remote);
    world.hear(wants(1, queue("q")).into());
    assert_eq!(world.subscribed().len(), 1);
    world.bridge.received(Side::Local, dispatch(1, queue("q"), message(1)));
    let crossing = world.said(Side::Remote);
    assert!(matches!(&crossing[..], [Command::Message(_)]), "{crossing:?}");
    world.bridge.received(Side::Remote, answer(&opening[4]));
    assert!(matches!(&world.orders()[..], [Order::Stands(_)]));
    world.bridge.received(Side::Remote, answer(&crossing[0]));
    assert!(matches!(&world.said(Side::Local)[..], [Command::MessageAck(_)]));
}

#[test]
fn without_always_sync_send_what_is_not_persistent_waits_for_nobody() {
    let mut world = World::standing(|connector| connector.always_sync_send = false);
    world.hear(wants(1, queue("q")).into());
    world.subscribed();
    let sent = Message { persistent: false, ..message(1) };
    world.bridge.received(Side::Local, dispatch(1, queue("q"), sent));
    let orders = world.orders();
    let [Order::Send(Side::Remote, crossing), Order::Send(Side::Local, Command::MessageAck(_))] = &orders[..]
    else {
        panic!("{orders:?}")
    };
    assert!(!crossing.response_required());
    world.bridge.received(Side::Local, dispatch(1, queue("q"), message(2)));
    assert!(world.said(Side::Remote)[0].response_required());
}

#[test]
fn a_topics_message_that_was_there_or_came_too_far_is_done_with() {
    for (ttl, path, crosses) in [
        (1, &["ID:far"][..], false),
        (2, &["ID:far"], true),
        (2, &["ID:there"], false),
        (-1, &["ID:far", "ID:further"], true),
        (-1, &["ID:far", "ID:there", "ID:further"], false),
    ] {
        let mut world = World::standing(|connector| connector.message_ttl = ttl);
        world.hear(wants(1, Destination::topic("t")).into());
        world.subscribed();
        let path = path.iter().map(|id| broker(id)).collect::<Vec<_>>().into();
        let sent = Message { broker_path: Some(path), ..message(1) };
        world.bridge.received(Side::Local, dispatch(1, Destination::topic("t"), sent));
        let orders = world.orders();
        match &orders[..] {
            [Order::Send(Side::Remote, Command::Message(_))] => assert!(crosses),
            [Order::Send(Side::Local, Command::MessageAck(_))] => assert!(!crosses),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn who_closes_waits_for_what_is_on_its_way_and_takes_no_more() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, queue("q")).into());
    world.subscribed();
    world.bridge.received(Side::Local, dispatch(1, queue("q"), message(1)));
    let crossing = world.said(Side::Remote);
    world.hear(gone(1));
    assert_eq!(world.orders(), []);
    world.bridge.received(Side::Local, dispatch(1, queue("q"), message(2)));
    assert_eq!(world.orders(), [], "it goes back to its queue");
    world.bridge.received(Side::Remote, answer(&crossing[0]));
    let said = world.said(Side::Local);
    assert!(matches!(&said[..], [Command::MessageAck(_), Command::RemoveInfo(_)]), "{said:?}");
}

#[test]
fn a_message_that_is_refused_ends_the_bridge_and_is_not_acknowledged() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, queue("q")).into());
    world.subscribed();
    world.bridge.received(Side::Local, dispatch(1, queue("q"), message(1)));
    let crossing = world.said(Side::Remote);
    world.bridge.received(Side::Remote, refuse(&crossing[0], "javax.jms.ResourceAllocationException"));
    let orders = world.orders();
    let [Order::Failed { why, for_good: false }] = &orders[..] else { panic!("{orders:?}") };
    assert!(why.contains("ID:sender:1:1:1 to queue://q") && why.contains("no room"), "{why}");
}

#[test]
fn a_consumer_that_is_refused_here_ends_no_other() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, queue("q")).into());
    let asked = world.said(Side::Local);
    world.bridge.received(Side::Local, refuse(&asked[0], "javax.jms.JMSException"));
    let orders = world.orders();
    assert!(matches!(&orders[..], [Order::Say(text)] if text.contains("queue://q")), "{orders:?}");
    world.hear(wants(2, queue("q")).into());
    assert_eq!(world.subscribed().len(), 1, "the next one is another try");
}

#[test]
fn it_stops_when_what_is_on_its_way_has_come() {
    let mut world = World::standing(|_| ());
    world.hear(wants(1, queue("q")).into());
    world.hear(wants(2, queue("r")).into());
    world.subscribed();
    world.bridge.received(Side::Local, dispatch(1, queue("q"), message(1)));
    let crossing = world.said(Side::Remote);
    world.bridge.stop();
    let said = world.said(Side::Local);
    assert!(matches!(&said[..], [Command::RemoveInfo(_)]), "the one that owes nothing: {said:?}");
    world.hear(wants(3, queue("s")).into());
    assert_eq!(world.orders(), []);
    world.bridge.received(Side::Remote, answer(&crossing[0]));
    let orders = world.orders();
    let [
        Order::Send(Side::Local, Command::MessageAck(_)),
        Order::Send(Side::Local, Command::RemoveInfo(_)),
        Order::Send(Side::Local, Command::ShutdownInfo(_)),
        Order::Send(Side::Remote, Command::ShutdownInfo(_)),
        Order::Ended,
    ] = &orders[..]
    else {
        panic!("{orders:?}")
    };
}

#[test]
fn whoever_leaves_ends_it() {
    for (side, expected) in [(Side::Local, "here is stopping"), (Side::Remote, "there is stopping")] {
        let mut world = World::standing(|_| ());
        world.bridge.received(side, ShutdownInfo::default().into());
        assert!(world.failure().0.contains(expected));
    }
    let mut world = World::standing(|_| ());
    world.bridge.lost(Side::Remote, "reset");
    assert_eq!(world.failure(), ("the line is gone: reset".to_owned(), false));
    world.bridge.lost(Side::Local, "");
    assert_eq!(world.orders(), []);
}

#[test]
fn advisories_are_acknowledged_in_time() {
    let mut world = World::standing(|connector| connector.advisory_prefetch_size = 4);
    for _ in 0..3 {
        world.hear(gone(1));
    }
    assert_eq!(world.orders(), []);
    world.hear(gone(1));
    let said = world.said(Side::Remote);
    let [Command::MessageAck(ack)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((ack.ack_type, ack.message_count), (MessageAck::STANDARD, 4));
    assert!(ack.last_message_id.is_some() && ack.destination.is_some());
    assert_eq!(ack.consumer_id.as_ref().map(ToString::to_string).as_deref(), Some("unique:2:1:1"));
}
