//! Messages that cross a bridge, one way, while they are wanted at its other end.

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::destination::Destination;

use super::raw::{self, Raw};

/// What the next advisory tells.
pub fn advised(listener: &mut Raw) -> Command {
    let message = listener.read_message().expect("an advisory");
    match &message.data_structure {
        Some(DataStructure::Command(command)) => command.clone(),
        other => panic!("{other:?}"),
    }
}

/// What is sent here comes there, each once and in order, while it is consumed there.
pub fn crosses(here: &str, there: &str, consumed: &Destination, sent_to: &Destination, persistent: bool) {
    const MESSAGES: usize = 200;
    let kind = if consumed.kind.is_topic() { "Topic" } else { "Queue" };
    let mut listener = Raw::open(here).expect("a connection");
    let advisories = format!("ActiveMQ.Advisory.Consumer.{kind}.{}", consumed.physical_name);
    listener.open_consumer(&Destination::topic(advisories), 100).expect("a consumer");
    let mut consumer = Raw::open(there).expect("a connection");
    consumer.open_consumer(consumed, 1000).expect("a consumer");
    let Command::ConsumerInfo(demand) = advised(&mut listener) else { panic!("a bridge consumes") };
    assert!(demand.network_subscription, "{demand:?}");

    let id = |address: &str| raw::broker_info(address).broker_id.expect("an id").value.to_string();
    let came_from = id(here);
    let mut producer = Raw::open(here).expect("a connection");
    producer.open_producer().expect("a producer");
    let mut sent = Vec::new();
    for _ in 0..MESSAGES {
        let command = producer.message(sent_to, persistent, 100);
        let Command::Message(message) = &command else { unreachable!("it is a message") };
        sent.push(message.message_id.clone().expect("an id"));
        producer.request(command).expect("it is sent");
    }
    let mut last = None;
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
        assert_eq!(path.iter().map(|id| &*id.value).collect::<Vec<_>>(), [&*came_from]);
        last = Some(message);
    }
    consumer.acknowledge(&last.expect("some came"), MESSAGES as i32).expect("they are acknowledged");
    consumer.close_consumer(1).expect("it is closed");
    let told = advised(&mut listener);
    assert!(matches!(told, Command::RemoveInfo(_)), "{told:?}");
}

/// The same of queues and topics, names and patterns, persistent and not; `word` is part of the names.
pub fn cross_all(here: &str, there: &str, word: &str) {
    let named = |name: &str| format!("{word}.{name}");
    for persistent in [true, false] {
        let (queue, topic) = (Destination::queue(named("crossing")), Destination::topic(named("crossing")));
        crosses(here, there, &queue, &queue, persistent);
        crosses(here, there, &topic, &topic, persistent);
        let (all, one) = (named("some.>"), named("some.a.b"));
        crosses(here, there, &Destination::queue(all), &Destination::queue(one), persistent);
        let (all, one) = (named("some.*"), named("some.a"));
        crosses(here, there, &Destination::topic(all), &Destination::topic(one), persistent);
    }
}
