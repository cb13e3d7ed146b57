//! The store's files vanish under its brokers: somebody empties the directory, moves it, or puts another in its place. Nobody answers on
//! what is not there, nobody begins a new store where there was one, and when the directory is back everything goes on.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kahawai_openwire::destination::Destination;
use rustix::process::Signal;
use support::broker::{Broker, Instance};
use support::directory;
use support::process::until;
use support::raw::Raw;

const QUEUE: &str = "kept";

/// Sends so many messages and has each of them acknowledged.
fn send(address: &str, count: usize) -> Raw {
    let mut sender = Raw::open(address).expect("the master serves");
    sender.open_producer().expect("a producer");
    for _ in 0..count {
        let message = sender.message(&Destination::queue(QUEUE), true, 100);
        sender.request(message).expect("an answer");
    }
    sender
}

/// Takes so many messages.
fn take(address: &str, count: usize) {
    let mut taker = Raw::open(address).expect("the master serves");
    taker.open_consumer(&Destination::queue(QUEUE), 1000).expect("a consumer");
    for number in 0..count {
        taker.read_dispatch().unwrap_or_else(|error| panic!("message {number} of {count}: {error}"));
    }
}

/// Waits until it says that it serves nobody, and why; makes sure that nobody reaches it.
fn assert_serves_nobody(instance: &Instance, broker: &Broker, from: usize, why: &str) {
    broker
        .0
        .wait_since(from, why, |line| (line.contains("serving nobody") && line.contains(why)).then_some(()));
    until("its port is closed", || !instance.port().is_open());
}

/// Stops one that has said an error, as it was to.
fn stop(mut broker: Broker) {
    broker.0.signal(Signal::TERM);
    let status = broker.0.wait_end();
    assert!(status.success(), "{status}: {}", broker.0.tail());
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn empty(path: &Path) {
    // As a shell does it: one after another, while they may come and go.
    for name in names(path) {
        let _ = fs::remove_file(path.join(name));
    }
}

/// A store directory, and where it is moved to.
fn places(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("store"), folder.join("store.old"))
}

#[test]
fn nobody_answers_on_a_directory_that_was_emptied_and_a_new_start_begins_anew() {
    let folder = directory();
    let (store, _) = places(folder.path());
    let (one, two) = (Instance::new("one", &store), Instance::new("two", &store));
    let (master, slave) = (one.serve(), two.start());
    slave.wait_slave_of(0, "one");
    let mut sender = send(&one.address(), 3);
    let (here, there) = (master.0.here(), slave.0.here());
    empty(&store);
    let message = sender.message(&Destination::queue(QUEUE), true, 100);
    assert!(sender.request(message).is_err(), "it answered for what is not there");
    assert_serves_nobody(&one, &master, here, "'kahawai-store' is missing");
    assert_serves_nobody(&two, &slave, there, "'kahawai-store' is missing");
    assert!(!names(&store).iter().any(|name| name.ends_with(".claim")), "{:?}", names(&store));
    stop(master);
    stop(slave);
    empty(&store);
    let again = one.serve();
    send(&one.address(), 1);
    again.stop();
}

#[test]
fn a_master_whose_directory_was_moved_answers_nobody_and_leaves_another_store_alone() {
    let folder = directory();
    let (store, old) = places(folder.path());
    let (one, two) = (Instance::new("one", &store), Instance::new("two", &store));
    let moved = one.serve();
    send(&one.address(), 3);
    let here = moved.0.here();
    fs::rename(&store, &old).expect("a move");
    let other = two.serve();
    send(&two.address(), 1);
    assert_serves_nobody(&one, &moved, here, "another store is in the place");
    let claims = names(&store).iter().filter(|name| name.ends_with(".claim")).count();
    assert_eq!(claims, 1, "the other one's alone: {:?}", names(&store));
    other.stop();
    // Back again, and on with what was acknowledged.
    let here = moved.0.here();
    fs::rename(&store, folder.path().join("store.other")).expect("a move");
    fs::rename(&old, &store).expect("a move");
    moved.wait_ready(here);
    take(&one.address(), 3);
    stop(moved);
}

#[test]
fn a_slave_makes_no_store_of_an_empty_directory_in_the_place_of_its_own() {
    let folder = directory();
    let (store, old) = places(folder.path());
    let (one, two) = (Instance::new("one", &store), Instance::new("two", &store));
    let (master, slave) = (one.serve(), two.start());
    slave.wait_slave_of(0, "one");
    send(&one.address(), 3);
    let (here, there) = (master.0.here(), slave.0.here());
    fs::rename(&store, &old).expect("a move");
    fs::create_dir(&store).expect("a directory");
    assert_serves_nobody(&one, &master, here, "'kahawai-store' is missing");
    assert_serves_nobody(&two, &slave, there, "'kahawai-store' is missing");
    assert_eq!(names(&store), Vec::<String>::new(), "it is as it was made");
    let claims = names(&old).iter().filter(|name| name.ends_with(".claim")).count();
    assert_eq!(claims, 1, "nobody claimed anything meanwhile");
    fs::remove_dir(&store).expect("an empty directory");
    fs::rename(&old, &store).expect("a move");
    until("one of them serves", || one.port().is_open() || two.port().is_open());
    let serving = if one.port().is_open() { &one } else { &two };
    take(&serving.address(), 3);
    assert!(!(one.port().is_open() && two.port().is_open()), "one master");
    stop(master);
    stop(slave);
}

#[test]
fn a_broker_alone_makes_no_new_store_where_its_own_was() {
    let folder = directory();
    let (store, _) = places(folder.path());
    let one = Instance::new("one", &store);
    let broker = one.serve();
    send(&one.address(), 3);
    let here = broker.0.here();
    empty(&store);
    assert_serves_nobody(&one, &broker, here, "'kahawai-store' is missing");
    stop(broker);
    empty(&store);
    one.serve().stop();
}

#[test]
fn a_store_that_lost_the_file_that_says_which_it_is_is_refused_with_what_to_do() {
    let folder = directory();
    let (store, _) = places(folder.path());
    let one = Instance::new("one", &store);
    one.serve().stop();
    fs::remove_file(store.join("kahawai-store")).expect("the file");
    let mut broker = one.start();
    assert_eq!(broker.0.wait_end().code(), Some(3));
    assert!(broker.0.tail().contains("'kahawai-store' is missing"), "{}", broker.0.tail());
}
