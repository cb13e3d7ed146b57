//! Open files run out: connections must not take those of the store, and with them the mastership.

mod support;

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::SystemTime;

use kahawai_openwire::destination::Destination;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::broker::Instance;
use support::directory;
use support::process::until;
use support::raw::Raw;

/// Lets this process have as many open files as it may.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("the limit");
}

/// When the master gave its last sign of life.
fn last_beat(store: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(store).expect("the store").flatten();
    let beats = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".beat"));
    beats.filter_map(|beat| beat.metadata().ok()?.modified().ok()).max()
}

/// Whether the broker closes a connection without a word.
fn is_refused(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(support::PATIENCE)).expect("a socket");
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_flood_of_connections_costs_neither_the_mastership_nor_those_who_are_connected() {
    raise_open_files();
    let folder = directory();
    let store = folder.path().join("store");
    // A segment for each message: the store needs descriptors all the while.
    let instance = Instance::new("flooded", &store).with(&["--journal-max-file-length", "64kb"]);
    let mut broker = instance.start_with_open_files(256);
    broker.wait_ready(0);
    broker.0.wait_since(0, "what it allows", |line| {
        (line.contains("maximumConnections") && line.contains("256 open files")).then_some(())
    });
    let queue = Destination::queue("steady");
    let (mut sender, mut receiver) = (
        Raw::open(&instance.address()).expect("a sender"),
        Raw::open(&instance.address()).expect("a receiver"),
    );
    sender.open_producer().expect("a producer");
    receiver.open_consumer(&queue, 1000).expect("a consumer");
    let here = broker.0.here();
    let mut flood: Vec<_> =
        (0..600).map(|_| TcpStream::connect(instance.address()).expect("a connection")).collect();
    broker.0.wait_since(here, "connection refused", |line| line.contains("connection refused").then_some(()));
    assert!(is_refused(flood.last_mut().expect("a connection")), "the last is refused");
    for number in 0..20 {
        let message = sender.message(&queue, true, 60_000);
        let done = sender.request(message).and_then(|()| receiver.read_dispatch());
        done.unwrap_or_else(|error| panic!("message {number}: {error}\n{}", broker.0.tail()));
    }
    for _ in 0..3 {
        let last = last_beat(&store);
        until("the master gives a sign of life", || last_beat(&store) != last);
    }
    assert!(broker.0.is_running());
    assert!(!broker.0.said_since(0).iter().any(|line| line.contains("stepped down")), "{}", broker.0.tail());
    drop(flood);
    until("newcomers are served again", || Raw::open(&instance.address()).is_ok());
    assert_eq!(broker.epoch(), 1);
    broker.stop();
}
