//! The bridge alone: what it says to what it hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

use super::neighbours::Neighbours;
use super::{Bridge, Kept, NetworkConnector, Order, Side, Us};
use crate::core::address::Address;

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

/// A message as the other end forwards it.
fn sent(sequence: i64, to: Destination, asked: bool) -> Command {
    let mut message = message(sequence);
    message.command_id = 1000 + sequence as i32;
    message.response_required = asked;
    message.destination = Some(Arc::new(to));
    message.broker_path = Some([broker("ID:there")].into());
    message.into()
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
fn what_was_kept_goes_on_when_the_bridge_stands_again_unless_it_waits_for_its_clients() {
    let kept = |client_id: &str, name: &str, topic: &str| Kept {
        client_id: client_id.into(),
        name: name.into(),
        address: Address::topic(topic),
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

/// Two bridges of one broker, to two others.
fn beside_each_other(change: impl Fn(&mut NetworkConnector)) -> (World, World, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let neighbours = Arc::new(Neighbours::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let one = || {
        let mut world = World::standing(&change);
        world.bridge.beside(Arc::clone(&neighbours));
        world
    };
    (one(), one(), told)
}

/// The consumer of a topic that is told of as itself, and as who stands for it behind another broker.
fn twice() -> (ConsumerInfo, ConsumerInfo) {
    let near = wants(1, Destination::topic("t"));
    let far = ConsumerInfo {
        network_subscription: true,
        broker_path: Some([broker("ID:third")].into()),
        network_consumer_path: Some([remote(1)].into()),
        ..wants(77, Destination::topic("t"))
    };
    (near, far)
}

/// Tells a bridge of a consumer, and that the broker here has taken the subscription.
fn hear_and_begin(world: &mut World, info: &ConsumerInfo) -> usize {
    world.hear(info.clone().into());
    let made = world.said(Side::Local);
    for command in &made {
        world.bridge.received(Side::Local, answer(command));
    }
    made.len()
}

#[test]
fn a_topics_consumer_that_two_bridges_reach_is_served_over_the_nearer_one() {
    for near_first in [true, false] {
        let (mut one, mut other, told) = beside_each_other(|connector| connector.consumer_ttl = 2);
        let (near, far) = twice();
        if near_first {
            assert_eq!(hear_and_begin(&mut one, &near), 1);
            assert_eq!(hear_and_begin(&mut other, &far), 0, "it is served");
        } else {
            assert_eq!(hear_and_begin(&mut other, &far), 1);
            assert_eq!(hear_and_begin(&mut one, &near), 1, "the nearer one goes before");
            assert!(told.load(Ordering::Relaxed) > 0);
            other.bridge.look_again();
            one.bridge.look_again();
            let said = other.said(Side::Local);
            assert!(matches!(said[..], [Command::RemoveInfo(_)]), "{said:?}");
        }
        assert_eq!(one.orders(), []);
        // When the nearer way is cut the other serves.
        let before = told.load(Ordering::Relaxed);
        drop(one);
        assert!(told.load(Ordering::Relaxed) > before);
        other.bridge.look_again();
        assert_eq!(other.subscribed().len(), 1);
        other.hear(gone(77));
        assert_eq!(other.said(Side::Local).len(), 1);
    }
}

#[test]
fn who_consumes_beside_one_that_another_bridge_serves_is_served() {
    let (mut one, mut other, _) = beside_each_other(|connector| connector.consumer_ttl = 2);
    let (near, far) = twice();
    let beside = wants(5, Destination::topic("t"));
    assert_eq!(hear_and_begin(&mut other, &far), 1);
    assert_eq!(hear_and_begin(&mut other, &beside), 0, "it joins");
    assert_eq!(hear_and_begin(&mut one, &near), 1);
    other.bridge.look_again();
    assert_eq!(other.orders(), [], "the subscription stays for whom nobody else serves");
    other.hear(gone(5));
    assert_eq!(other.said(Side::Local).len(), 1);
    // And where it is the first to come after.
    assert_eq!(hear_and_begin(&mut other, &beside), 1);
}

#[test]
fn queues_and_who_says_so_are_served_over_both() {
    let (mut one, mut other, told) = beside_each_other(|connector| connector.consumer_ttl = 2);
    let (near, far) = twice();
    let of_queue =
        |info: &ConsumerInfo| ConsumerInfo { destination: Some(Arc::new(queue("q"))), ..info.clone() };
    assert_eq!(hear_and_begin(&mut one, &of_queue(&near)), 1);
    assert_eq!(hear_and_begin(&mut other, &of_queue(&far)), 1);
    let (mut one, mut other, _) = beside_each_other(|connector| {
        connector.consumer_ttl = 2;
        connector.suppress_duplicate_topic_subscriptions = false;
    });
    assert_eq!(hear_and_begin(&mut one, &near), 1);
    assert_eq!(hear_and_begin(&mut other, &far), 1);
    assert_eq!(told.load(Ordering::Relaxed), 0);
}
