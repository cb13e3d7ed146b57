//! What clients ask for and this broker does not do yet is said in its log: once, and not for what only looks like it.

mod support;

use kahawai_openwire::command::Command;
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::message::Message;
use support::broker::{Broker, Instance};
use support::directory;
use support::process::until;
use support::raw::Raw;

/// The lines of the log that warn of this.
fn warnings(broker: &Broker, what: &str) -> Vec<String> {
    let said = broker.0.said_since(0).into_iter();
    said.filter(|line| line.contains("WARN") && line.contains(what)).collect()
}

/// The log has one line of this, which names whom it concerns and what does not happen.
fn assert_said_once(broker: &Broker, what: &str, whom: &str, effect: &str) {
    until(&format!("the log tells of {what}"), || !warnings(broker, what).is_empty());
    let said = warnings(broker, what);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(whom) && said[0].contains(effect), "{said:?}");
}

#[test]
fn a_consumer_of_a_virtual_topic_a_retroactive_one_and_a_message_group_are_said_once_to_be_ignored() {
    let folder = directory();
    let instance = Instance::new("not-yet", &folder.path().join("store"));
    let broker = instance.serve();
    let mut client = Raw::open(&instance.address()).expect("a client");
    client.open_producer().expect("a producer");
    let mut number = 0;
    let mut consume = |client: &mut Raw, destination: Destination, retroactive: bool| {
        number += 1;
        let info = client.consumer_info(&destination, 10, number);
        client.request(ConsumerInfo { retroactive, ..info }.into()).expect("a consumer");
    };
    // What is no such thing.
    consume(&mut client, Destination::queue("Consumer.of.Orders"), false);
    consume(&mut client, Destination::topic("Consumer.a.VirtualTopic.b"), false);
    consume(&mut client, Destination::queue("not.back"), true);
    let plain = client.message(&Destination::queue("plain"), true, 10);
    client.request(plain).expect("it is taken");
    assert_eq!(warnings(&broker, "not yet"), Vec::<String>::new());

    for _ in 0..2 {
        consume(&mut client, Destination::queue("Consumer.till.VirtualTopic.Orders"), false);
        consume(&mut client, Destination::topic("prices"), true);
        let Command::Message(message) = client.message(&Destination::queue("groups"), true, 10) else {
            panic!("a message");
        };
        let grouped = Message { group_id: Some("g".into()), ..(*message).clone() };
        client.request(grouped.into()).expect("it is taken");
    }
    assert_said_once(
        &broker,
        "virtual topics",
        "queue://Consumer.till.VirtualTopic.Orders",
        "gets nothing that is sent to topic://VirtualTopic.Orders",
    );
    assert_said_once(&broker, "retroactive", "topic://prices", "gets only what is sent from now on");
    assert_said_once(&broker, "message groups", "queue://groups", "may go to different consumers");
    broker.stop();
}
