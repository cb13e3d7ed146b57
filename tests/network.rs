//! Networks of brokers, with real ActiveMQ at the other end.
//!
//! A real ActiveMQ 5.17 has a static network connector, one way, to `kahawai serve`: demand here makes messages come from there, each once
//! and in order, and ends there when it ends here; what it forwards says where it has been. Kills under load lose nothing: what is sent twice
//! is what was under way when the bridge was cut. Where others are behind the broker here, it takes no harm from hearing anew where consumers are.

mod support;

use std::path::Path;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use rustix::process::Signal;
use support::activemq::ActiveMq;
use support::broker::{Broker, Instance, failover};
use support::command::kahawai;
use support::crossing_load::{CrossingLoad, Sent, UNDER_WAY, came_twice};
use support::raw::Raw;
use support::{directory, java, raw, tell};

/// The id by which other brokers know the one here.
fn broker_id(address: &str) -> String {
    let info = raw::broker_info(address);
    info.broker_id.expect("a broker has an id").value.to_string()
}

#[test]
fn the_slave_that_takes_over_and_the_master_that_comes_back_have_one_id() {
    let folder = directory();
    let path = folder.path().join("store");
    let (first, second) = (Instance::new("first", &path), Instance::new("second", &path));
    let mut master = first.serve();
    let id = broker_id(&first.address());
    let slave = second.start();
    slave.wait_slave_of(0, "first");
    master.0.kill();
    slave.wait_ready(0);
    assert_eq!(broker_id(&second.address()), id);
    slave.stop();
    let again = first.serve();
    assert_eq!(broker_id(&first.address()), id);
    again.stop();
}

/// A real ActiveMQ that bridges.
fn activemq(folder: &Path, bridge: &str) -> ActiveMq {
    // Its own delays are for networks in which nobody waits for a test.
    let bridge =
        format!("static:({bridge})?initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100");
    ActiveMq::start(folder, &["--bridge", &bridge, "--network-ttl", &NETWORK_TTL.to_string()])
}

/// How far demand and messages go.
const NETWORK_TTL: usize = 4;

/// Hears of consumers of a destination and of all it may stand for.
fn listen(address: &str, destination: &Destination) -> Raw {
    let kind = if destination.kind.is_topic() { "Topic" } else { "Queue" };
    let topic = format!("ActiveMQ.Advisory.Consumer.{kind}.{}", destination.physical_name);
    let mut listener = Raw::open(address).expect("a connection");
    listener.open_consumer(&Destination::topic(topic), 100).expect("a consumer");
    listener
}

/// What the next advisory tells.
fn advised(listener: &mut Raw) -> Command {
    let message = listener.read_message().expect("an advisory");
    match &message.data_structure {
        Some(DataStructure::Command(command)) => command.clone(),
        other => panic!("{other:?}"),
    }
}

/// Waits until a bridge consumes there.
fn wait_demand(listener: &mut Raw) -> ConsumerInfo {
    match advised(listener) {
        Command::ConsumerInfo(info) => *info,
        other => panic!("{other:?}"),
    }
}

/// Waits until it does no more.
fn wait_no_demand(listener: &mut Raw) {
    let told = advised(listener);
    assert!(matches!(told, Command::RemoveInfo(_)), "{told:?}");
}

/// Messages that are sent there come here, each once and in order, from whatever is consumed here; then nothing comes.
fn crosses(amq: &ActiveMq, here: &Instance, consumed: &Destination, sent_to: &Destination, persistent: bool) {
    const MESSAGES: usize = 200;
    let mut listener = listen(&amq.address(), consumed);
    let mut consumer = Raw::open(&here.address()).expect("a connection");
    consumer.open_consumer(consumed, 1000).expect("a consumer");
    let demand = wait_demand(&mut listener);
    // ActiveMQ knows where the demand comes from: it tells it of its own consumer.
    assert!(demand.network_subscription, "{demand:?}");
    let path = demand.broker_path.as_deref().unwrap_or_default();
    let path: Vec<_> = path.iter().map(|id| id.value.to_string()).collect();
    assert_eq!(path, [broker_id(&here.address())]);

    let mut producer = Raw::open(&amq.address()).expect("a connection");
    producer.open_producer().expect("a producer");
    let mut sent = Vec::new();
    for _ in 0..MESSAGES {
        let command = producer.message(sent_to, persistent, 100);
        let Command::Message(message) = &command else { unreachable!("it is a message") };
        sent.push(message.message_id.clone().expect("an id"));
        producer.request(command).expect("it is sent");
    }
    let mut last = None;
    let came_from = broker_id(&amq.address());
    for sent in &sent {
        let message = consumer.read_message().expect("a message comes");
        let id = message.message_id.as_ref().expect("an id");
        assert_eq!(
            (&id.producer_id, id.producer_sequence_id),
            (&sent.producer_id, sent.producer_sequence_id)
        );
        assert_ne!(message.producer_id, sent.producer_id, "it comes from the bridge");
        assert_eq!(message.destination.as_deref(), Some(sent_to));
        let path = message.broker_path.clone().unwrap_or_default();
        last = Some(message);
        assert_eq!(path.iter().map(|id| &*id.value).collect::<Vec<_>>(), [&*came_from]);
    }
    let last = last.expect("some came");
    consumer.acknowledge(&last, MESSAGES as i32).expect("they are acknowledged");
    consumer.close_consumer(1).expect("it is closed");
    wait_no_demand(&mut listener);
    if !sent_to.kind.is_topic() {
        // What is sent from now on stays there.
        let command = producer.message(sent_to, persistent, 100);
        producer.request(command).expect("it is sent");
        let waiting =
            |uri: &str| kahawai(&["browse", &sent_to.physical_name, "--url", uri, "--json"]).json().len();
        assert_eq!((waiting(&amq.uri()), waiting(&here.uri())), (1, 0), "{sent_to:?}");
    }
}

/// Sends heaps there and consumes here while the broker here is killed again and again: nothing is lost, and what comes twice was under way.
fn survives_kills(amq: &ActiveMq, here: &Instance, mut broker: Broker, folder: &Path) -> Broker {
    let mut crossing = CrossingLoad::start(folder, &amq.uri(), &failover(&[here]), "killed", Sent::Heaps);
    for _ in 0..CUTS {
        crossing.wait_come_from_now(10);
        broker.0.kill();
        broker.assert_sound();
        broker = here.serve();
    }
    crossing.wait_come_from_now(1000);
    let figures = crossing.finish();
    tell(&format!("{CUTS} cuts: {figures}"));
    assert!(came_twice(&figures) <= CUTS * UNDER_WAY, "more came twice than was under way: {figures}");
    broker
}

/// How often the broker here is killed.
const CUTS: usize = 3;

#[test]
fn a_real_activemq_bridges_to_this_broker() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let here = Instance::new("here", &folder.path().join("store"));
    let broker = here.serve();
    let mut amq = activemq(folder.path(), &here.uri());
    let (_, from) = broker.0.wait_since(0, "bridged by", |line| {
        let named = line.contains(" bridged by the network connector NC of the broker amq (ID:");
        (named && line.contains("127.0.0.1:")).then_some(())
    });
    assert!(amq.process.is_running(), "{}", amq.process.tail());

    for persistent in [true, false] {
        let (queue, topic) = (Destination::queue("crossing"), Destination::topic("crossing"));
        if persistent {
            crosses(&amq, &here, &queue, &queue, persistent);
        }
        crosses(&amq, &here, &topic, &topic, persistent);
        let below = format!("below.{persistent}");
        let all = format!("{below}.>");
        let one = format!("{below}.one");
        crosses(
            &amq,
            &here,
            &Destination::queue(all.as_str()),
            &Destination::queue(one.as_str()),
            persistent,
        );
        crosses(
            &amq,
            &here,
            &Destination::topic(all.as_str()),
            &Destination::topic(one.as_str()),
            persistent,
        );
    }
    let said = broker.0.said_since(from);
    assert!(!said.iter().any(|line| line.contains("bridged by")), "the bridge was cut: {said:?}");
    let broker = survives_kills(&amq, &here, broker, folder.path());

    amq.process.signal(Signal::TERM);
    amq.process.wait_end();
    broker.0.wait_since(0, "no longer bridged", |line| {
        line.contains("no longer bridged by the network connector NC of the broker amq (ID:").then_some(())
    });
    broker.stop();
}

/// One of those behind another, at which somebody consumes.
struct Behind {
    instance: Instance,
    broker: Broker,
    consumer: Raw,
}

/// The ids of the brokers that the one consumer of a bridge was told of last to have passed.
fn told_last(listener: &mut Raw, ways: &[&[&str]]) {
    let mut last = None;
    for way in ways {
        let info = wait_demand(listener);
        let path: Vec<_> =
            info.broker_path.iter().flat_map(|path| path.iter()).map(|id| id.value.to_string()).collect();
        assert_eq!(path, *way);
        assert!(last.is_none_or(|last| last == info.consumer_id), "it is another one");
        last = Some(info.consumer_id);
    }
}

#[test]
fn a_real_activemq_hears_of_consumers_at_several_brokers_and_serves_each_once() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let topic = Destination::topic("prices");
    let mut names = Vec::new();
    let mut behind = Vec::new();
    let mut next: Option<String> = None;
    for name in ["far", "near"] {
        let (instance, broker) = bridging(folder.path(), name, next.as_deref());
        let consumer = Raw::open(&instance.address()).expect("a connection");
        names.push(broker_id(&instance.address()));
        next = Some(instance.uri());
        behind.push(Behind { instance, broker, consumer });
    }
    let (here, broker) = bridging(folder.path(), "here", next.as_deref());
    let own = broker_id(&here.address());
    let amq = activemq(folder.path(), &here.uri());
    let mut there = listen(&amq.address(), &topic);
    let mut listener = listen(&here.address(), &topic);
    let (far, near) = (names[0].as_str(), names[1].as_str());

    // The further one first: the way of the nearer one is told here when it comes, by the same consumer, which the ActiveMQ knows.
    behind[0].consumer.open_consumer(&topic, 1000).expect("a consumer");
    told_last(&mut listener, &[&[far, near]]);
    told_last(&mut there, &[&[far, near, &own]]);
    behind[1].consumer.open_consumer(&topic, 1000).expect("a consumer");
    told_last(&mut listener, &[&[near]]);
    let mut producer = Raw::open(&amq.address()).expect("a connection");
    producer.open_producer().expect("a producer");
    const MESSAGES: usize = 50;
    for _ in 0..MESSAGES {
        let message = producer.message(&topic, false, 100);
        producer.request(message).expect("it is sent");
    }
    // One after another, and one that ends: where a message came twice the last one would not be next.
    let last = producer.message(&topic, false, 7);
    producer.request(last).expect("it is sent");
    for one in &mut behind {
        for number in 0..=MESSAGES {
            let message = one.consumer.read_message().expect("a message comes");
            let is_last = message.content.as_ref().is_some_and(|content| content.len() < 100);
            assert_eq!(is_last, number == MESSAGES, "message {number} at {}", one.instance.address());
        }
    }
    behind[1].consumer.close_consumer(1).expect("it is closed");
    told_last(&mut listener, &[&[far, near]]);
    behind[0].consumer.close_consumer(1).expect("it is closed");
    wait_no_demand(&mut listener);
    wait_no_demand(&mut there);
    for one in behind {
        one.broker.stop();
    }
    broker.stop();
}

/// Starts one that bridges to another, and waits until it does.
fn bridging(folder: &Path, name: &str, next: Option<&str>) -> (Instance, Broker) {
    let store = folder.join(name);
    let mut text = format!("[store]\naddress = {store:?}\n");
    if let Some(next) = next {
        text += &format!("[[networkConnector]]\nuri = \"static:({next})\"\nnetworkTTL = {NETWORK_TTL}\n");
    }
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, text).expect("the file is written");
    let instance = Instance::configured(name, &file);
    let broker = instance.serve();
    if next.is_some() {
        broker.0.wait_since(0, "the bridge stands", |line| {
            (line.contains("the bridge to ") && line.contains(" stands")).then_some(())
        });
    }
    (instance, broker)
}
