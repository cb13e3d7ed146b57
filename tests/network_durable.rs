//! Durable subscriptions across bridges: what is published here is kept for a subscriber over there who is away, while the bridge is, and after either
//! broker has been killed; when the last of them has unsubscribed nothing is kept any more.
//!
//! `kahawai serve` at both ends, and a real ActiveMQ 5.17 at either.

mod support;

use std::path::Path;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::destination::Destination;
use support::activemq::ActiveMq;
use support::broker::{Broker, Instance};
use support::raw::Raw;
use support::{directory, java};

const TOPIC: &str = "prices";

/// A broker that can be killed and comes back where it was.
trait Restarts {
    fn address(&self) -> String;
    fn kill(&mut self);
    fn come_back(&mut self);
}

struct Kahawai {
    instance: Instance,
    bridge: Option<String>,
    running: Broker,
}

impl Kahawai {
    fn start(name: &str, folder: &Path, bridge: Option<String>) -> Self {
        let instance = Instance::new(name, &folder.join(name));
        let running = Self::run(&instance, bridge.as_deref());
        Self { instance, bridge, running }
    }

    fn run(instance: &Instance, bridge: Option<&str>) -> Broker {
        let broker = match bridge {
            Some(bridge) => instance.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", bridge)]),
            None => instance.start(),
        };
        broker.wait_ready(0);
        broker
    }
}

impl Restarts for Kahawai {
    fn address(&self) -> String {
        self.instance.address()
    }

    fn kill(&mut self) {
        self.running.0.kill();
    }

    fn come_back(&mut self) {
        self.running = Self::run(&self.instance, self.bridge.as_deref());
    }
}

impl Restarts for ActiveMq {
    fn address(&self) -> String {
        self.address()
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn come_back(&mut self) {
        self.come_back();
    }
}

/// A bridge that loses no time.
fn connector(address: &str) -> String {
    format!("static:(tcp://{address})?initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100")
}

/// Hears of consumers of the topic.
fn listen(address: &str) -> Raw {
    let mut listener = Raw::open(address).expect("a connection");
    let advisories = Destination::topic(format!("ActiveMQ.Advisory.Consumer.Topic.{TOPIC}"));
    // What is told may come before the answer.
    let info = listener.consumer_info(&advisories, 100, 1);
    listener.send(&info.into()).expect("it is sent");
    listener
}

/// Waits until something is told of them.
fn wait_told(listener: &mut Raw, what: impl Fn(&Command) -> bool) {
    loop {
        let message = listener.read_message().expect("an advisory");
        match &message.data_structure {
            Some(DataStructure::Command(command)) if what(command) => return,
            _ => {}
        }
    }
}

/// Waits until the bridge subscribes durably.
fn wait_kept(address: &str) {
    wait_told(&mut listen(address), |told| {
        let Command::ConsumerInfo(info) = told else { return false };
        info.network_subscription
            && info.subscription_name.as_deref().is_some_and(|name| name.starts_with("NC-DS_"))
    });
}

/// Subscribes durably.
fn subscribe(address: &str) -> Raw {
    let mut subscriber = Raw::open_as(address, "subscriber").expect("a connection");
    let mut info = subscriber.consumer_info(&Destination::topic(TOPIC), 1000, 1);
    info.subscription_name = Some("till".into());
    info.client_id = Some("subscriber".into());
    // What was kept may come before the answer.
    subscriber.send(&info.into()).expect("it is sent");
    subscriber
}

/// Publishes; gives the numbers by which the messages are known.
fn publish(address: &str, count: usize) -> Vec<String> {
    let mut producer = Raw::open(address).expect("a connection");
    producer.open_producer().expect("a producer");
    let mut sent = Vec::new();
    for _ in 0..count {
        let command = producer.message(&Destination::topic(TOPIC), true, 100);
        let Command::Message(message) = &command else { unreachable!("it is a message") };
        sent.push(message.message_id.as_ref().expect("an id").to_string());
        producer.request(command).expect("it is sent");
    }
    sent
}

/// Takes what was published last, in order; what was under way at a cut may come twice, of what was published `before` too.
fn take(subscriber: &mut Raw, before: &mut Vec<String>, sent: &[String]) {
    let mut came = 0;
    let mut last = None;
    for (place, wanted) in sent.iter().enumerate() {
        loop {
            let message = subscriber.read_message().expect("it comes");
            let id = message.message_id.as_ref().expect("an id");
            let producer = id.producer_id.as_ref().expect("its producer");
            let found = format!("{producer}:{}", id.producer_sequence_id);
            came += 1;
            last = Some(message);
            if found == *wanted {
                break;
            }
            assert!(
                sent[..place].contains(&found) || before.contains(&found),
                "{found} came where {wanted} was expected"
            );
        }
    }
    // The answer is waited for, and what comes meanwhile thrown away: all of it has come.
    subscriber.acknowledge(&last.expect("some came"), came).expect("they are acknowledged");
    before.extend_from_slice(sent);
}

/// All of it, with a bridge from one broker to the other.
///
/// A Kahawai goes on with what it keeps as soon as the bridge stands again; an ActiveMQ only when the subscriber is back, or after a start of its own, and
/// not after each.
fn kept_and_delivered(here: &mut dyn Restarts, there: &mut dyn Restarts, goes_on: bool) {
    let mut before = Vec::new();
    let mut subscriber = subscribe(&there.address());
    wait_kept(&here.address());
    let sent = publish(&here.address(), 50);
    take(&mut subscriber, &mut before, &sent);

    // The subscriber is away.
    drop(subscriber);
    let mut sent = publish(&here.address(), 50);
    // Its broker is too.
    there.kill();
    sent.extend(publish(&here.address(), 50));
    there.come_back();
    if goes_on {
        wait_kept(&here.address());
    }
    take(&mut subscribe(&there.address()), &mut before, &sent);

    // The broker here is killed while it keeps something, and comes back while nobody is connected over there.
    there.kill();
    let mut sent = publish(&here.address(), 50);
    here.kill();
    there.come_back();
    here.come_back();
    if goes_on {
        wait_kept(&here.address());
    }
    sent.extend(publish(&here.address(), 50));
    let mut subscriber = subscribe(&there.address());
    take(&mut subscriber, &mut before, &sent);

    // Nothing is kept for who has unsubscribed.
    let mut listener = listen(&here.address());
    wait_told(&mut listener, |told| matches!(told, Command::ConsumerInfo(_)));
    subscriber.close_consumer(1).expect("it is closed");
    subscriber.unsubscribe("till").expect("it ends");
    wait_told(&mut listener, |told| matches!(told, Command::RemoveInfo(_)));
    wait_told(
        &mut listener,
        |told| matches!(told, Command::RemoveSubscriptionInfo(info) if info.subscription_name.as_deref().is_some_and(|name| name.starts_with("NC-DS_"))),
    );
}

#[test]
fn a_subscriber_over_there_misses_nothing() {
    let folder = directory();
    let mut there = Kahawai::start("there", folder.path(), None);
    let mut here = Kahawai::start("here", folder.path(), Some(connector(&there.address())));
    kept_and_delivered(&mut here, &mut there, true);
}

#[test]
fn a_subscriber_at_a_real_activemq_misses_nothing() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let mut there = ActiveMq::start(folder.path(), &[]);
    let mut here = Kahawai::start("here", folder.path(), Some(connector(&there.address())));
    kept_and_delivered(&mut here, &mut there, true);
}

#[test]
fn a_subscriber_here_misses_nothing_of_a_real_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let mut there = Kahawai::start("there", folder.path(), None);
    let mut here = ActiveMq::start(folder.path(), &["--bridge", &connector(&there.address())]);
    kept_and_delivered(&mut here, &mut there, false);
}

/// Somebody who subscribed here, and went, before this broker had its duplex bridge: what is published over there is kept for them there.
fn known_when_the_bridge_comes(there: &str, kept_by: &str) {
    let folder = directory();
    let store = folder.path().join("store");
    let before = Instance::new("here", &store);
    let broker = before.serve();
    drop(subscribe(&before.address()));
    broker.stop();
    let file = folder.path().join("here.toml");
    let text = format!(
        "[store]\naddress = {store:?}\n[[networkConnector]]\nuri = {:?}\nduplex = true\nsyncDurableSubs = true\n\
         dynamicallyIncludedDestinations = [\"topic://>\"]\n",
        connector(there)
    );
    std::fs::write(&file, text).expect("the file is written");
    let here = Instance::configured("here", &file);
    let broker = here.serve();
    wait_told(&mut listen(there), |told| {
        let Command::ConsumerInfo(info) = told else { return false };
        info.subscription_name.as_deref() == Some(kept_by)
    });
    let sent = publish(there, 50);
    take(&mut subscribe(&here.address()), &mut Vec::new(), &sent);
    broker.stop();
}

#[test]
fn who_is_away_when_a_duplex_bridge_comes_misses_nothing() {
    let folder = directory();
    let there = Kahawai::start("there", folder.path(), None);
    known_when_the_bridge_comes(&there.address(), "NC-DS_there_prices");
}

#[test]
fn who_is_away_when_a_duplex_bridge_comes_misses_nothing_of_a_real_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let there = ActiveMq::start(folder.path(), &[]);
    known_when_the_bridge_comes(&there.address(), "NC-DS_amq_prices");
}
