//! Whatever a peer does on its socket, the others are served, memory stays bounded, and the log says once who and why.
//!
//! Ten thousand connections that say nothing; a subscriber that stops reading; lengths that promise much; bytes that are
//! no OpenWire, before and after the handshake. A good client is served all the while. `java_client` has more cases from the
//! side of ActiveMQ's own codec.

mod support;

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kahawai_openwire::destination::Destination;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::broker::{Broker, Instance};
use support::process::until;
use support::raw::Raw;
use support::{directory, tell};

/// Anonymous memory of a process, in KiB.
fn anonymous_kib(broker: &Broker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.0.pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Lets this process, and those it starts, have as many open files as it may.
fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).expect("the limit");
    most
}

/// A good client is served: it sends a persistent message and gets it. Gives the time that took.
fn serve_a_good_one(address: &str) -> Duration {
    let begin = Instant::now();
    let queue = Destination::queue("good");
    let mut good = Raw::open(address).expect("a good client is connected");
    good.open_producer().expect("a producer");
    let message = good.message(&queue, true, 1000);
    good.request(message).expect("its message is taken");
    begin.elapsed()
}

/// Reads to the end of a connection: it must be closed while a test waits.
fn wait_closed(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(support::PATIENCE)).expect("a socket");
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the connection is not closed: {error}"),
        }
    }
}

/// What the log says of each peer's connection.
fn said_of_peers(broker: &Broker) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for line in broker.0.said_since(0) {
        if let Some((_, peer)) = line.rsplit_once("peer=") {
            found.entry(peer.trim().to_owned()).or_default().push(line.clone());
        }
    }
    found
}

fn peer_of(stream: &TcpStream) -> String {
    stream.local_addr().expect("an address").to_string()
}

/// The log has one line of this peer, and it gives this reason.
fn assert_said_once(broker: &Broker, peer: &str, reason: &str) {
    until(&format!("the log says why {peer} was closed"), || said_of_peers(broker).contains_key(peer));
    let said = said_of_peers(broker).remove(peer).unwrap_or_default();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("connection closed: ") && said[0].contains(reason),
        "'{reason}' is not in {said:?}"
    );
}

#[test]
fn ten_thousand_half_open_connections_cost_little_and_are_closed() {
    let allowed = raise_open_files();
    let wanted = 10_000;
    let count = wanted.min(allowed.saturating_sub(allowed / 4 + 500));
    if count < wanted {
        tell(&format!("only {count} connections: {allowed} open files are allowed (ulimit -n)"));
    }
    let folder = directory();
    let instance = Instance::new("half-open", &folder.path().join("store"));
    let broker = instance.serve();
    serve_a_good_one(&instance.address());
    let before = anonymous_kib(&broker);
    let begin = Instant::now();
    let mut open: Vec<_> =
        (0..count).map(|_| TcpStream::connect(instance.address()).expect("a connection")).collect();
    let opened = begin.elapsed();
    // They are all served in so far as the broker has greeted them: then they are in its memory.
    for stream in &mut open {
        stream.set_read_timeout(Some(support::PATIENCE)).expect("a socket");
        stream.read_exact(&mut [0; 4]).expect("a greeting");
    }
    let with = anonymous_kib(&broker);
    let slowest = (0..20).map(|_| serve_a_good_one(&instance.address())).max().expect("a time");
    tell(&format!(
        "{count} half-open connections in {opened:.1?}: {before} KiB of anonymous memory before, {with} KiB with them; \
         a good client was served in {slowest:.1?} at most"
    ));
    assert!(with - before < 16 * count.max(1000), "more than 16 KiB each");
    // Half of them go by themselves.
    let peers: Vec<_> = open.iter().map(peer_of).collect();
    let rest = open.split_off(open.len() / 2);
    drop(open);
    serve_a_good_one(&instance.address());
    // The others are closed when they have said nothing for 30 s.
    for mut stream in rest {
        wait_closed(&mut stream);
    }
    let (gone, closed) = peers.split_at(peers.len() / 2);
    let all_said = || {
        let said = said_of_peers(&broker);
        closed.iter().all(|peer| said.contains_key(peer))
    };
    until("the log says of each why", all_said);
    let said = said_of_peers(&broker);
    for peer in closed {
        assert_eq!(said[peer].len(), 1, "{:?}", said[peer]);
        assert!(said[peer][0].contains("no WireFormatInfo within 30 s"), "{:?}", said[peer]);
    }
    // This also guards the backlog: where connections are dropped and tried again, to open them takes longer than the 30 s.
    assert!(gone.iter().all(|peer| !said.contains_key(peer)), "a connection that ended by itself is no news");
    serve_a_good_one(&instance.address());
    tell(&format!("{} KiB when they are gone", anonymous_kib(&broker)));
    broker.stop();
}

#[test]
fn a_subscriber_that_stops_reading_holds_up_nobody_and_is_closed() {
    let folder = directory();
    let instance = Instance::new("stops-reading", &folder.path().join("store"));
    let broker = instance.serve();
    let address = instance.address();
    let topic = Destination::topic("news");
    let mut deaf = Raw::open(&address).expect("a client");
    deaf.open_consumer(&topic, 32_766).expect("its subscription");
    let peer = deaf.local_address();
    let mut reading = Raw::open(&address).expect("a client");
    reading.open_consumer(&topic, 32_766).expect("its subscription");
    let mut publisher = Raw::open(&address).expect("a client");
    publisher.open_producer().expect("a producer");
    let before = anonymous_kib(&broker);
    let (count, size) = (2000, 64 << 10);
    // The publisher waits for the answer to each, the reader takes each: nothing is ahead of it but for the deaf one.
    let begin = Instant::now();
    let mut most = before;
    for number in 0..count {
        let message = publisher.message(&topic, false, size);
        publisher.request(message).expect("it is taken");
        reading.read_dispatch().expect("it comes");
        if number % 100 == 0 {
            most = most.max(anonymous_kib(&broker));
        }
    }
    let took = begin.elapsed();
    tell(&format!(
        "{count} messages of 64 KiB beside a deaf subscriber in {took:.1?}; anonymous memory {before} KiB before, {most} KiB at most"
    ));
    assert!(most - before < 48 << 10, "more than 48 MiB for one who does not read");
    serve_a_good_one(&address);
    // It still reads nothing: the log tells that it was closed.
    assert_said_once(&broker, &peer, "read nothing for 30 s");
    drop(deaf);
    serve_a_good_one(&address);
    broker.stop();
}

#[test]
fn what_is_no_openwire_is_closed_with_one_line() {
    let folder = directory();
    let instance = Instance::new("noise", &folder.path().join("store"));
    let broker = instance.serve();
    let frame = |length: u32, body: &[u8]| [&length.to_be_bytes(), body].concat();
    let long = frame(0x7fff_ffff, b"x");
    let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let magic = frame(20, b"\x01ActiveMX\0\0\0\x0c\0\0\0\0\0\0\0");
    let unknown = frame(8, &[250; 8]);
    let mut cases = vec![
        ("frame of 2147483647 bytes", long),
        ("looks like HTTP", http),
        ("looks like a TLS client hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("looks like STOMP", b"CONNECT\naccept-version:1.2\n\n\0".to_vec()),
        ("looks like MQTT", b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04name".to_vec()),
        ("looks like AMQP", b"AMQP\x00\x01\x00\x00".to_vec()),
        ("", magic),
        ("", unknown),
    ];
    // Noise that is one whole frame, so that it is looked at.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200 * support::scale() {
        let body: Vec<u8> = (0..64)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed as u8
            })
            .collect();
        cases.push(("", frame(64, &body)));
    }
    let count = cases.len();
    for (reason, bytes) in cases {
        let mut stream = TcpStream::connect(instance.address()).expect("a connection");
        let peer = peer_of(&stream);
        // The broker may close it while this is being written.
        let _ = stream.write_all(&bytes);
        wait_closed(&mut stream);
        assert_said_once(&broker, &peer, reason);
    }
    tell(&format!("{count} peers that speak something else were closed with one line each"));
    serve_a_good_one(&instance.address());
    assert!(anonymous_kib(&broker) < 64 << 10, "{} KiB of anonymous memory", anonymous_kib(&broker));
    broker.stop();
}

#[test]
fn a_length_is_believed_only_as_far_as_bytes_have_come() {
    raise_open_files();
    let folder = directory();
    let instance = Instance::new("lengths", &folder.path().join("store"));
    let broker = instance.serve();
    let before = anonymous_kib(&broker);
    // Within the limit for those who have said who they are: 100 MiB.
    let promise = ((100_u32 << 20) - 1).to_be_bytes();
    let promising: Vec<_> = (0..200)
        .map(|_| {
            let mut raw = Raw::open(&instance.address()).expect("a client");
            raw.send_bytes(&promise).expect("it is written");
            raw.send_bytes(&[1; 1000]).expect("it is written");
            raw
        })
        .collect();
    for _ in 0..20 {
        serve_a_good_one(&instance.address());
    }
    let with = anonymous_kib(&broker);
    tell(&format!(
        "200 clients promise 100 MiB each: {before} KiB of anonymous memory before, {with} KiB with them"
    ));
    assert!(with - before < 64 << 10, "memory is taken for what was only promised");
    drop(promising);
    broker.stop();
}

#[test]
fn a_client_whose_id_is_taken_fills_no_log_by_trying_again() {
    let folder = directory();
    let instance = Instance::new("taken", &folder.path().join("store"));
    let broker = instance.serve();
    let first = Raw::open_as(&instance.address(), "till-7").expect("the first is let in");
    for _ in 0..27 {
        let refused = Raw::open_as(&instance.address(), "till-7").err().expect("another is refused");
        assert!(refused.to_string().contains("already connected"), "{refused}");
    }
    let other = Raw::open_as(&instance.address(), "till-8").expect("another id is let in");
    assert!(Raw::open_as(&instance.address(), "till-8").is_err());
    let refused = |id: &str| {
        let said = broker.0.said_since(0).into_iter();
        said.filter(|line| line.contains("connection refused") && line.contains(id)).collect::<Vec<_>>()
    };
    until("the other is told of too", || refused("till-8").len() == 1);
    let said = refused("till-7");
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(said[4].contains("16 times so far"), "{said:?}");
    drop((first, other));
    broker.stop();
}
