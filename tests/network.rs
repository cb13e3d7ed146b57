//! Networks of brokers, with real ActiveMQ at the other end.

mod support;

use support::broker::Instance;
use support::{directory, raw};

/// The id by which other brokers know this one.
fn broker_id(instance: &Instance) -> String {
    let info = raw::broker_info(&instance.address());
    info.broker_id.expect("a broker has an id").value.to_string()
}

#[test]
fn the_slave_that_takes_over_and_the_master_that_comes_back_have_one_id() {
    let folder = directory();
    let path = folder.path().join("store");
    let (first, second) = (Instance::new("first", &path), Instance::new("second", &path));
    let mut master = first.serve();
    let id = broker_id(&first);
    let slave = second.start();
    slave.wait_slave_of(0, "first");
    master.0.kill();
    slave.wait_ready(0);
    assert_eq!(broker_id(&second), id);
    slave.stop();
    let again = first.serve();
    assert_eq!(broker_id(&first), id);
    again.stop();
}
