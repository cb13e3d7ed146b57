//! Another broker at the other end of a connection: what it says is kept, and told as ActiveMQ tells it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peer;

use std::sync::Arc;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::connection::{BrokerInfo, ConnectionInfo, KeepAliveInfo, RemoveInfo, SessionInfo};
use kahawai_openwire::consumer::{ConsumerInfo, RemoveSubscriptionInfo};
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::ids::{
    BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, RemovedId, SessionId,
};
use kahawai_openwire::message::{Message, MessageDispatch, MessageKind};
use kahawai_openwire::producer::ProducerInfo;
use kahawai_openwire::text::Text;
use kahawai_store::model::Memory;
use peer::{Peer, Setup, start, start_over};

fn brokers(ids: &[&str]) -> Option<Arc<[Arc<BrokerId>]>> {
    Some(ids.iter().map(|id| Arc::new(BrokerId::new(*id))).collect())
}

fn consumer_id(connection: &str, value: i64) -> Arc<ConsumerId> {
    Arc::new(ConsumerId { connection_id: connection.into(), session_id: 1, value })
}

/// A message as a broker forwards it: named by who sent it there, and carrying the bridge's producer.
fn forwarded(peer: &Peer, sequence: i64, persistent: bool) -> Message {
    let producer =
        |connection: &str| Arc::new(ProducerId { connection_id: connection.into(), value: 1, session_id: 1 });
    Message {
        kind: MessageKind::Text,
        message_id: Some(MessageId {
            text_view: None,
            producer_id: Some(producer("ID:far-1")),
            producer_sequence_id: sequence,
            broker_sequence_id: 77,
        }),
        producer_id: Some(producer(&peer.name)),
        destination: Some(Arc::new(Destination::queue("q"))),
        persistent,
        broker_path: brokers(&["ID:one", "ID:two"]),
        ..Message::default()
    }
}

async fn dispatched(peer: &mut Peer) -> Box<MessageDispatch> {
    loop {
        if let Command::MessageDispatch(dispatch) = peer.read().await.expect("a dispatch") {
            return dispatch;
        }
    }
}

/// Gets a message that was forwarded, which must be as it was.
async fn get(peer: &mut Peer, persistent: bool, redelivered: i32) {
    let message = dispatched(peer).await.message.unwrap();
    let sent = forwarded(peer, 1, persistent);
    assert_eq!(message.broker_path, sent.broker_path);
    assert_eq!(message.redelivery_counter, redelivered);
    let (found, wanted) = (message.message_id.as_ref().unwrap(), sent.message_id.unwrap());
    assert_eq!((&found.producer_id, found.producer_sequence_id), (&wanted.producer_id, 1));
    assert_eq!(message.producer_id.as_ref().unwrap().value, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_message_has_been_is_kept_through_store_restart_and_redelivery() {
    for persistent in [true, false] {
        let memory = Memory::default();
        let mut setup = start_over(&memory, 1, |_| ()).await;
        let mut bridge = Peer::connect(&setup).await;
        let sent = forwarded(&bridge, 1, persistent).into();
        assert!(matches!(bridge.ask(sent).await, Some(Command::Response(_))));
        let mut consumer = Peer::connect(&setup).await;
        let (_, info) = consumer.consumer(10);
        consumer.send_request(info).await;
        get(&mut consumer, persistent, 0).await;
        // It goes without a word: what it had comes again.
        drop(consumer);
        if persistent {
            setup.broker.stop().await;
            setup = start_over(&memory, 2, |_| ()).await;
        }
        let mut again = Peer::connect(&setup).await;
        let (_, info) = again.consumer(10);
        again.send_request(info).await;
        // After a restart nobody knows that it was given out.
        get(&mut again, persistent, i32::from(!persistent)).await;
        setup.broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_brokers_consumer_stands_for_is_told_in_its_advisory_and_to_whom_comes_later() {
    let setup = start(|_| ()).await;
    let listen = |peer: &Peer| ConsumerInfo {
        consumer_id: Some(consumer_id(&peer.name, 9)),
        destination: Some(Arc::new(Destination::topic("ActiveMQ.Advisory.Consumer.>"))),
        prefetch_size: 100,
        ..ConsumerInfo::default()
    };
    let mut early = Peer::connect(&setup).await;
    early.send_request(listen(&early).into()).await;
    let mut bridge = Peer::connect(&setup).await;
    let plain = ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 1)),
        destination: Some(Arc::new(Destination::queue("q"))),
        prefetch_size: 1000,
        ..ConsumerInfo::default()
    };
    let far: Arc<[Arc<ConsumerId>]> = [consumer_id("ID:far-1:2", 3), consumer_id("ID:far-2", 4)].into();
    let network = ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 2)),
        network_subscription: true,
        broker_path: brokers(&["ID:one", "ID:two"]),
        network_consumer_path: Some(far),
        ..plain.clone()
    };
    for info in [&plain, &network] {
        assert!(matches!(bridge.ask(info.clone().into()).await, Some(Command::Response(_))));
    }
    let mut late = Peer::connect(&setup).await;
    late.send_request(listen(&late).into()).await;
    for listener in [&mut early, &mut late] {
        for sent in [&plain, &network] {
            let message = dispatched(listener).await.message.unwrap();
            let Some(DataStructure::Command(Command::ConsumerInfo(told))) = &message.data_structure else {
                panic!("{message:?}");
            };
            assert_eq!(told.consumer_id, sent.consumer_id);
            assert_eq!(told.network_subscription, sent.network_subscription);
            assert_eq!(told.broker_path, sent.broker_path);
            assert_eq!(told.network_consumer_path, sent.network_consumer_path);
        }
    }
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_brokers_consumer_stands_for_may_change_and_nothing_else_of_it() {
    let setup = start(|_| ()).await;
    let mut bridge = Peer::connect(&setup).await;
    let listen = |peer: &Peer| ConsumerInfo {
        consumer_id: Some(consumer_id(&peer.name, 9)),
        destination: Some(Arc::new(Destination::topic("ActiveMQ.Advisory.Consumer.>"))),
        prefetch_size: 100,
        ..ConsumerInfo::default()
    };
    let mut listener = Peer::connect(&setup).await;
    listener.send_request(listen(&listener).into()).await;
    let plain = ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 1)),
        destination: Some(Arc::new(Destination::queue("q"))),
        prefetch_size: 1000,
        ..ConsumerInfo::default()
    };
    let network = |path: &[&str]| ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 2)),
        network_subscription: true,
        broker_path: brokers(path),
        destination: Some(Arc::new(Destination::topic("t"))),
        ..plain.clone()
    };
    let (far, near) = (network(&["ID:one", "ID:two"]), network(&["ID:two"]));
    // A client that says again what it has said tells nobody anything, whatever it says now.
    let other = ConsumerInfo { broker_path: brokers(&["ID:one"]), ..plain.clone() };
    for info in [&plain, &far, &far, &plain, &other, &near] {
        assert!(matches!(bridge.ask(info.clone().into()).await, Some(Command::Response(_))));
    }
    let (mut late, removed) = (Peer::connect(&setup).await, consumer_id(&bridge.name, 2));
    late.send_request(listen(&late).into()).await;
    let expected: [(&mut Peer, &[&ConsumerInfo]); 2] =
        [(&mut listener, &[&plain, &far, &near]), (&mut late, &[&plain, &near])];
    let mut listeners = Vec::new();
    for (listener, all) in expected {
        for sent in all {
            let message = dispatched(listener).await.message.unwrap();
            let Some(DataStructure::Command(Command::ConsumerInfo(told))) = &message.data_structure else {
                panic!("{message:?}");
            };
            assert_eq!((&told.consumer_id, &told.broker_path), (&sent.consumer_id, &sent.broker_path));
        }
        listeners.push(listener);
    }
    let remove = RemoveInfo { object_id: Some(RemovedId::Consumer(removed)), ..RemoveInfo::default() };
    assert!(matches!(bridge.ask(remove.into()).await, Some(Command::Response(_))));
    for listener in listeners {
        let message = dispatched(listener).await.message.unwrap();
        assert!(matches!(&message.data_structure, Some(DataStructure::Command(Command::RemoveInfo(_)))));
    }
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stands_for_too_many_or_for_a_name_without_end_is_refused() {
    let setup = start(|config| {
        config.limits.network_names_max = 3;
        config.limits.name_bytes_max = 100;
    })
    .await;
    let mut bridge = Peer::connect(&setup).await;
    let info = |bridge: &Peer, path: &[&str]| ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 1)),
        destination: Some(Arc::new(Destination::queue("q"))),
        broker_path: brokers(path),
        network_consumer_path: Some([consumer_id("ID:far", 1)].into()),
        ..ConsumerInfo::default()
    };
    for path in [&["a", "b", "c"][..], &[&"x".repeat(101)]] {
        let answer = bridge.ask(info(&bridge, path).into()).await;
        assert!(matches!(answer, Some(Command::ExceptionResponse(_))), "{answer:?}");
    }
    let answer = bridge.ask(info(&bridge, &["a", "b"]).into()).await;
    assert!(matches!(answer, Some(Command::Response(_))), "{answer:?}");
    setup.broker.stop().await;
}

const TEMPORARIES: &str = "ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic";

/// How a broker introduces itself where its network connector bridges one way; the properties as Java writes them.
fn introduction(id: &str) -> BrokerInfo {
    let properties = "#\n#Sat Nov 28 02:50:14 UTC 2026\nname=north\\u00e4st\nsyncDurableSubs=false\nduplex=false\n\
                      bridgeFactory=org.apache.activemq.network.NetworkBridgeFactory@1\nbrokerURL=vm\\://far\n";
    BrokerInfo {
        broker_id: Some(Arc::new(BrokerId::new(id))),
        broker_name: Some("far".into()),
        broker_url: Some("vm://far".into()),
        network_connection: true,
        network_properties: Some(properties.into()),
        ..BrokerInfo::default()
    }
}

/// What follows it, none of which waits for an answer.
fn connection(peer: &Peer, client_id: &str) -> [Command; 4] {
    let connection = ConnectionInfo {
        connection_id: Some(Arc::new(ConnectionId::new(peer.name.as_str()))),
        client_id: Some(client_id.into()),
        ..ConnectionInfo::default()
    };
    let session = SessionId { connection_id: peer.name.as_str().into(), value: 1 };
    let producer = ProducerId { connection_id: peer.name.as_str().into(), session_id: 1, value: 1 };
    let demand = ConsumerInfo {
        consumer_id: Some(consumer_id(&peer.name, 1)),
        destination: Some(Arc::new(Destination::topic(format!(
            "ActiveMQ.Advisory.Consumer.>,{TEMPORARIES}"
        )))),
        prefetch_size: 1000,
        dispatch_async: true,
        ..ConsumerInfo::default()
    };
    let session = SessionInfo { session_id: Some(Arc::new(session)), ..SessionInfo::default() };
    let producer = ProducerInfo { producer_id: Some(Arc::new(producer)), ..ProducerInfo::default() };
    [connection.into(), session.into(), producer.into(), demand.into()]
}

async fn bridge(setup: &Setup, info: BrokerInfo, client_id: &str) -> Peer {
    bridge_and(setup, info, client_id, None).await
}

async fn bridge_and(setup: &Setup, info: BrokerInfo, client_id: &str, more: Option<Command>) -> Peer {
    let mut peer = Peer::negotiated(setup).await;
    let mut said = vec![info.into()];
    said.extend(connection(&peer, client_id));
    said.extend(more);
    peer.write_all(&said).await;
    peer
}

/// What the broker says to one that it does not take.
async fn refusal(peer: &mut Peer) -> String {
    match peer.read().await {
        Some(Command::ConnectionError(error)) => error.exception.unwrap().message.unwrap().to_string(),
        other => panic!("{other:?}"),
    }
}

/// Whether a connection of a bridge is there and served.
async fn is_served(peer: &mut Peer) -> bool {
    let sent = forwarded(peer, 9, false).into();
    matches!(peer.ask(sent).await, Some(Command::Response(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_is_let_in_hears_of_demand_and_is_answered_for_what_it_forwards() {
    let setup = start(|_| ()).await;
    let mut bridge = bridge(&setup, introduction("ID:far"), "north_far_outbound").await;
    let mut client = Peer::connect(&setup).await;
    let (id, info) = client.consumer(10);
    assert!(matches!(client.ask(info).await, Some(Command::Response(_))));
    let message = dispatched(&mut bridge).await.message.unwrap();
    let Some(DataStructure::Command(Command::ConsumerInfo(told))) = &message.data_structure else {
        panic!("{message:?}");
    };
    assert_eq!(told.consumer_id.as_ref(), Some(&id));
    // alwaysSyncSend: what is not persistent is answered too.
    for persistent in [true, false] {
        let sent = forwarded(&bridge, 1, persistent).into();
        assert!(matches!(bridge.ask(sent).await, Some(Command::Response(_))));
        get(&mut client, persistent, 0).await;
    }
    let remove = RemoveInfo { object_id: Some(RemovedId::Consumer(id.clone())), ..RemoveInfo::default() };
    assert!(matches!(client.ask(remove.into()).await, Some(Command::Response(_))));
    let message = dispatched(&mut bridge).await.message.unwrap();
    let Some(DataStructure::Command(Command::RemoveInfo(told))) = &message.data_structure else {
        panic!("{message:?}");
    };
    assert_eq!(told.object_id, Some(RemovedId::Consumer(id)));
    // A reply to who is gone does not end the bridge there: it looks at how the message begins.
    let mut late = forwarded(&bridge, 2, false);
    late.destination = Some(Arc::new(Destination::new(DestinationKind::TemporaryQueue, "ID:gone:1")));
    let Some(Command::ExceptionResponse(answer)) = bridge.ask(late.into()).await else {
        panic!("no refusal")
    };
    let exception = answer.exception.unwrap();
    assert_eq!(&*exception.class_name.unwrap(), "org.apache.activemq.DestinationDoesNotExistException");
    assert_eq!(&*exception.message.unwrap(), "temp-queue://ID:gone:1");
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_leads_back_or_breaks_the_order_is_told_why_and_closed() {
    let setup = start(|_| ()).await;
    let own = Peer::negotiated(&setup).await.broker.broker_id.unwrap().value.clone();
    let nameless = BrokerInfo { broker_id: None, ..introduction("") };
    let client = BrokerInfo { network_connection: false, ..introduction("ID:far") };
    for (info, why) in [
        (introduction(&own), "this broker's own id"),
        (nameless, "without broker id"),
        (client, "BrokerInfo before ConnectionInfo"),
    ] {
        let alive = KeepAliveInfo { response_required: true, ..KeepAliveInfo::default() };
        let mut peer = bridge_and(&setup, info, "c", Some(alive.into())).await;
        let told = refusal(&mut peer).await;
        assert!(told.contains(why), "not '{why}': {told}");
        // It had said more without waiting, which nobody listens to.
        assert_eq!(peer.read().await, None);
    }
    let mut twice = Peer::negotiated(&setup).await;
    for _ in 0..2 {
        twice.write(&introduction("ID:far").into()).await;
    }
    assert!(refusal(&mut twice).await.contains("a second BrokerInfo"));
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_comes_back_takes_the_place_of_its_predecessor_and_of_no_other() {
    let setup = start(|_| ()).await;
    let client_id = "north_far_outbound";
    let mut first = bridge(&setup, introduction("ID:far"), client_id).await;
    assert!(is_served(&mut first).await);
    let mut second = bridge(&setup, introduction("ID:far"), client_id).await;
    assert!(is_served(&mut second).await);
    // It may have been sent an advisory before.
    let told = loop {
        match first.read().await {
            Some(Command::ConnectionError(error)) => break error.exception.unwrap().message.unwrap(),
            Some(_) => {}
            None => panic!("it was told nothing"),
        }
    };
    assert!(told.contains("the same bridge connected again"), "{told}");
    assert_eq!(first.read().await, None);
    // Another broker of that name, another connector of that broker, and a client are not the same.
    let mut other = introduction("ID:far");
    other.network_properties = Some("name=south".into());
    for info in [introduction("ID:other"), other] {
        let mut third = bridge(&setup, info, client_id).await;
        assert!(refusal(&mut third).await.contains("already connected"));
    }
    let mut client = Peer::negotiated(&setup).await;
    client.write_all(&connection(&client, client_id)).await;
    assert!(refusal(&mut client).await.contains("already connected"));
    assert!(is_served(&mut second).await);
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durable_subscriptions_are_told_to_a_bridge_that_asks_and_only_once_it_was_let_in() {
    let setup = start(|_| ()).await;
    let mut client = Peer::connect(&setup).await;
    for (number, topic) in [(1, "prices.gold"), (2, "other"), (3, "prices.>")] {
        let info = ConsumerInfo {
            consumer_id: Some(consumer_id(&client.name, number)),
            destination: Some(Arc::new(Destination::topic(topic))),
            subscription_name: Some(format!("till-{number}").as_str().into()),
            ..ConsumerInfo::default()
        };
        assert!(matches!(client.ask(info.into()).await, Some(Command::Response(_))));
    }
    let away = RemoveInfo {
        object_id: Some(RemovedId::Consumer(consumer_id(&client.name, 3))),
        ..RemoveInfo::default()
    };
    assert!(matches!(client.ask(away.into()).await, Some(Command::Response(_))));
    let asking = |sync: &str, list: &str| {
        let properties = format!("syncDurableSubs={sync}\ndynamicallyIncludedDestinations=[{list}]");
        BrokerInfo { network_properties: Some(properties.as_str().into()), ..introduction("ID:far") }
    };
    let list = "queue\\://x, topic\\://prices.>?forceDurable\\=true";
    let mut peer = Peer::negotiated(&setup).await;
    peer.write(&asking("true", list).into()).await;
    // Its sign of life is answered: so was everything before it.
    peer.write(&KeepAliveInfo { response_required: true, ..KeepAliveInfo::default() }.into()).await;
    assert!(matches!(peer.read().await, Some(Command::KeepAliveInfo(_))));
    peer.write_all(&connection(&peer, "north_far_outbound")).await;
    let Some(Command::BrokerSubscriptionInfo(told)) = peer.read().await else { panic!("not told") };
    assert_eq!(told.broker_name.as_deref(), Some("localhost"));
    let found = told.subscription_infos.unwrap();
    let mut found: Vec<_> = found
        .iter()
        .map(|info| {
            let connection = info.consumer_id.as_ref().unwrap().connection_id.to_string();
            (info.subscription_name.clone().unwrap().to_string(), info.client_id.clone().unwrap(), connection)
        })
        .collect();
    found.sort();
    let client_id = Text::from(client.name.as_str());
    let expected = [("till-1", client.name.as_str()), ("till-3", "OFFLINE")]
        .map(|(name, connection)| (name.to_owned(), client_id.clone(), connection.to_owned()));
    assert_eq!(found, expected);
    drop(peer);
    // Who does not ask for it is told nothing.
    let mut quiet = bridge(&setup, asking("false", list), "other_far_outbound").await;
    while let Command::MessageDispatch(_) | Command::BrokerSubscriptionInfo(_) = {
        let command = quiet.ask(forwarded(&quiet, 9, false).into()).await.unwrap();
        assert!(!matches!(command, Command::BrokerSubscriptionInfo(_)));
        command
    } {}
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_keeps_some_is_told_all_durable_subscriptions_behind_an_empty_entry() {
    let setup = start(|_| ()).await;
    let mut client = Peer::connect(&setup).await;
    let info = ConsumerInfo {
        consumer_id: Some(consumer_id(&client.name, 1)),
        destination: Some(Arc::new(Destination::topic("prices"))),
        subscription_name: Some("till".into()),
        ..ConsumerInfo::default()
    };
    assert!(matches!(client.ask(info.into()).await, Some(Command::Response(_))));
    let info =
        BrokerInfo { network_properties: Some("tellAllDurableSubs=true".into()), ..introduction("ID:far") };
    let mut peer = bridge(&setup, info, "asks_far_outbound").await;
    let told = loop {
        if let Command::BrokerSubscriptionInfo(told) = peer.read().await.expect("it is told") {
            break told.subscription_infos.unwrap();
        }
    };
    let names: Vec<_> = told.iter().map(|info| info.subscription_name.as_deref()).collect();
    assert_eq!(names, [None, Some("till")]);
    setup.broker.stop().await;
}

/// What a bridge is told of a durable subscription here.
async fn told_of(setup: &Setup, name: &str) -> ConsumerInfo {
    let properties = "syncDurableSubs=true\ndynamicallyIncludedDestinations=[topic\\://>]";
    let info = BrokerInfo { network_properties: Some(properties.into()), ..introduction("ID:far") };
    let mut peer = bridge(setup, info, "asks_far_outbound").await;
    loop {
        if let Command::BrokerSubscriptionInfo(told) = peer.read().await.expect("it is told") {
            let all = told.subscription_infos.unwrap();
            return all
                .iter()
                .find(|info| info.subscription_name.as_deref() == Some(name))
                .expect("it is")
                .clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_which_way_demand_came_is_kept_with_a_bridges_durable_subscription() {
    let memory = Memory::default();
    let setup = start_over(&memory, 1, |_| ()).await;
    let mut bridge = Peer::connect(&setup).await;
    let durable = |bridge: &Peer, path: &[&str]| ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 1)),
        destination: Some(Arc::new(Destination::topic("t"))),
        subscription_name: Some("NC-DS_here_t".into()),
        network_subscription: true,
        broker_path: brokers(path),
        ..ConsumerInfo::default()
    };
    let plain = ConsumerInfo {
        consumer_id: Some(consumer_id(&bridge.name, 2)),
        subscription_name: Some("plain".into()),
        network_subscription: false,
        broker_path: None,
        ..durable(&bridge, &[])
    };
    let (far, near) = (durable(&bridge, &["ID:one", "ID:two"]), durable(&bridge, &["ID:two"]));
    assert!(matches!(bridge.ask(plain.into()).await, Some(Command::Response(_))));
    assert!(matches!(bridge.ask(far.clone().into()).await, Some(Command::Response(_))));
    let told = told_of(&setup, "NC-DS_here_t").await;
    assert_eq!((told.network_subscription, told.broker_path), (true, far.broker_path));
    assert!(matches!(bridge.ask(near.clone().into()).await, Some(Command::Response(_))));
    let closed = RemoveInfo { object_id: near.consumer_id.map(RemovedId::Consumer), ..RemoveInfo::default() };
    assert!(matches!(bridge.ask(closed.into()).await, Some(Command::Response(_))));
    setup.broker.stop().await;
    let setup = start_over(&memory, 2, |_| ()).await;
    assert_eq!(told_of(&setup, "NC-DS_here_t").await.broker_path, brokers(&["ID:two"]));
    let told = told_of(&setup, "plain").await;
    assert_eq!((told.network_subscription, told.broker_path), (false, None));
    setup.broker.stop().await;
    // It is told by another way when it comes again.
    let setup = start_over(&memory, 3, |_| ()).await;
    let mut again = Peer::negotiated(&setup).await;
    again.name.clone_from(&bridge.name);
    again.introduce().await;
    let mut bridge = again;
    let other = durable(&bridge, &["ID:three", "ID:two"]);
    assert!(matches!(bridge.ask(other.clone().into()).await, Some(Command::Response(_))));
    drop(bridge);
    setup.broker.stop().await;
    let setup = start_over(&memory, 4, |_| ()).await;
    assert_eq!(told_of(&setup, "NC-DS_here_t").await.broker_path, other.broker_path);
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_hears_that_a_durable_subscription_has_ended_for_good() {
    let setup = start(|_| ()).await;
    let mut bridge = bridge(&setup, introduction("ID:far"), "north_far_outbound").await;
    let mut client = Peer::connect(&setup).await;
    let info = ConsumerInfo {
        consumer_id: Some(consumer_id(&client.name, 1)),
        destination: Some(Arc::new(Destination::topic("prices"))),
        subscription_name: Some("till-7".into()),
        ..ConsumerInfo::default()
    };
    let closed = RemoveInfo {
        object_id: Some(RemovedId::Consumer(consumer_id(&client.name, 1))),
        ..RemoveInfo::default()
    };
    let ended = RemoveSubscriptionInfo {
        client_id: Some(client.name.as_str().into()),
        subscription_name: Some("till-7".into()),
        ..RemoveSubscriptionInfo::default()
    };
    for command in [info.into(), closed.into(), ended.clone().into()] {
        assert!(matches!(client.ask(command).await, Some(Command::Response(_))));
    }
    let mut told = Vec::new();
    while told.len() < 3 {
        let message = dispatched(&mut bridge).await.message.unwrap();
        let Some(DataStructure::Command(command)) = message.data_structure.clone() else {
            panic!("{message:?}")
        };
        told.push(command);
    }
    assert!(matches!(told[..], [Command::ConsumerInfo(_), Command::RemoveInfo(_), _]), "{told:?}");
    let Command::RemoveSubscriptionInfo(found) = &told[2] else { panic!("{told:?}") };
    assert_eq!((&found.client_id, &found.subscription_name), (&ended.client_id, &ended.subscription_name));
    setup.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bridge_sends_again_is_told_as_redelivered() {
    for persistent in [true, false] {
        let setup = start(|_| ()).await;
        let mut far = Peer::connect(&setup).await;
        let again = Message { redelivery_counter: 3, ..forwarded(&far, 1, persistent) };
        assert!(matches!(far.ask(again.into()).await, Some(Command::Response(_))));
        let mut consumer = Peer::connect(&setup).await;
        let (_, info) = consumer.consumer(10);
        consumer.send_request(info).await;
        let dispatch = dispatched(&mut consumer).await;
        assert_eq!((dispatch.redelivery_counter, dispatch.message.unwrap().redelivery_counter), (1, 1));
        setup.broker.stop().await;
    }
}
