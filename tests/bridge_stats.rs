//! What `kahawai stats` tells of bridges: whether each stands, since when, why not, and what has crossed.

mod support;

use kahawai_openwire::destination::Destination;
use serde_json::Value;
use support::broker::Instance;
use support::command::kahawai;
use support::directory;
use support::port::Port;
use support::process::until;
use support::raw::Raw;

/// What a broker tells of its only bridge.
fn told(broker: &Instance) -> Value {
    let mut told = kahawai(&["stats", "--url", &broker.uri(), "--json"]).json().remove(0);
    let bridges = told["bridges"].as_array_mut().expect("a list");
    assert_eq!(bridges.len(), 1, "{bridges:?}");
    bridges.remove(0)
}

/// Waits until what it tells has this value, and gives all of it.
fn wait_told(broker: &Instance, name: &str, expected: impl Into<Value>) -> Value {
    let expected = expected.into();
    let mut last = Value::Null;
    until(&format!("{name} is {expected}"), || {
        last = told(broker);
        last[name] == expected
    });
    last
}

/// Sends so many.
fn send(broker: &Instance, queue: &str, messages: usize) {
    let mut producer = Raw::open(&broker.address()).expect("a connection");
    producer.open_producer().expect("a producer");
    for _ in 0..messages {
        let command = producer.message(&Destination::queue(queue), true, 100);
        producer.request(command).expect("it is sent");
    }
}

fn consume(broker: &Instance, queue: &str) -> Raw {
    let mut consumer = Raw::open(&broker.address()).expect("a connection");
    consumer.open_consumer(&Destination::queue(queue), 1000).expect("a consumer");
    consumer
}

#[test]
fn each_end_of_a_bridge_tells_of_it_and_why_it_is_down() {
    let folder = directory();
    let closed = Port::new();
    let there = Instance::new("there", &folder.path().join("there"));
    let list = format!("failover:(tcp://{},{})", closed.address(), there.uri());
    let file = folder.path().join("here.toml");
    let uri = format!("static:({list}?randomize=false)?initialReconnectDelay=100&maxReconnectDelay=100");
    let store = folder.path().join("here");
    let text = format!("[store]\naddress = {store:?}\n[[networkConnector]]\nuri = {uri:?}\nduplex = true\n");
    std::fs::write(&file, text).expect("written");
    let here = Instance::configured("here", &file);
    let one = here.serve();
    one.0.wait_since(0, "there is no bridge", |line| line.contains("there is no bridge to ").then_some(()));
    let down = told(&here);
    assert!(down["tries"].as_u64() > Some(0), "{down}");
    assert_eq!((&down["connector"], &down["target"]), (&"NC".into(), &list.as_str().into()));
    assert_eq!((&down["stands"], &down["broker"]), (&false.into(), &Value::Null));
    let why = down["why"].as_str().expect("a reason");
    let reason = |uri: &str| format!("{uri}: it cannot be reached: ");
    assert!(why.starts_with(&reason(&format!("tcp://{}", closed.address()))), "{why}");
    assert!(why.contains(&reason(&there.uri())), "{why}");
    let shown = kahawai(&["stats", "--url", &here.uri()]).ok();
    assert!(shown.contains(&format!("NC to {list}: no bridge for ")) && shown.contains(why), "{shown}");

    let mut other = there.serve();
    let up = wait_told(&here, "stands", true);
    assert_eq!((&up["broker"], &up["address"]), (&"there".into(), &there.uri().as_str().into()));
    assert_eq!((&up["why"], &up["tries"], &up["forwarded"]), (&Value::Null, &0.into(), &0.into()));
    assert!(up["since"].as_u64() > down["since"].as_u64(), "{down} {up}");
    let mut consumer = consume(&there, "out");
    wait_told(&here, "subscriptions", 1);
    send(&here, "out", 30);
    let up = wait_told(&here, "acknowledged", 30);
    assert_eq!((&up["forwarded"], &up["in_flight"]), (&30.into(), &0.into()));

    // The other end has it too, and what crosses that way is another matter.
    let its = wait_told(&there, "stands", true);
    assert!(its["target"].as_str().is_some_and(|from| from.starts_with("from tcp://127.0.0.1:")), "{its}");
    assert_eq!((&its["connector"], &its["broker"]), (&"NC".into(), &"here".into()));
    assert_eq!(&its["forwarded"], &0);
    let _back = consume(&here, "back");
    wait_told(&there, "subscriptions", 1);
    send(&there, "back", 20);
    wait_told(&there, "acknowledged", 20);
    let shown = kahawai(&["stats", "--url", &there.uri()]).ok();
    assert!(shown.contains(" stands for "), "{shown}");

    // Nobody wants it any more, and then nobody is there.
    consumer.close_consumer(1).expect("it is closed");
    wait_told(&here, "subscriptions", 0);
    other.0.kill();
    let down = wait_told(&here, "stands", false);
    assert_eq!((&down["broker"], &down["forwarded"]), (&"there".into(), &30.into()));
    one.stop();
}
