//! Brokers and clients that find each other by multicast, with real ones of ActiveMQ's, on hosts of the test's own: no datagram leaves them.

mod support;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use kahawai_openwire::destination::Destination;
use rustix::process::Signal;
use support::broker::Broker;
use support::crossing::{cross_all, crosses};
use support::netns::{Hosts, inside, within};
use support::process::Process;
use support::{PATIENCE, directory, java};

/// Where `multicast://default` is.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 2, 3);
const PORT: u16 = 6155;

/// Hosts on whose links everybody agrees: ActiveMQ looks at them once, when it starts.
fn hosts() -> Option<Hosts> {
    let hosts = Hosts::new()?;
    hosts.wait_links();
    Some(hosts)
}

/// A broker of this name on a host, where others of the first two are told of it.
fn start(hosts: &Hosts, folder: &Path, host: usize, name: &str, port: u16, more: &str) -> Broker {
    let address = Hosts::address(host, 1 - host);
    let text = format!(
        "brokerName = \"{name}\"\ntransportConnectors = [\"tcp://{address}:{port}\"]\ndiscoveryUri = \"multicast://default\"\n{more}\n",
    );
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, text).expect("written");
    let mut command = Broker::command();
    command.args(["serve", "--config"]).arg(&file);
    within(hosts.name(host), || Broker(Process::start(name, &mut command)))
}

fn store(folder: &Path, name: &str) -> String {
    format!("[store]\naddress = \"{}\"", folder.join(name).display())
}

/// What is said in the group, as it is heard on a host.
struct Listener(UdpSocket);

impl Listener {
    fn new(hosts: &Hosts, host: usize) -> Self {
        let here: Ipv4Addr = Hosts::address(host, 1 - host).parse().expect("an address");
        let socket = inside(hosts.name(host), || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("a port");
            socket.join_multicast_v4(&GROUP, &here).expect("in the group");
            socket
        });
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        Self(socket)
    }

    /// What comes until this does.
    fn until(&self, last: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        let mut buffer = [0; 10_000];
        while Instant::now() < deadline {
            let Ok(count) = self.0.recv(&mut buffer) else { continue };
            heard.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
            if heard.last().is_some_and(|heard| heard == last) {
                return heard;
            }
        }
        panic!("'{last}' was not heard, but {heard:?}");
    }
}

/// Says things in the group.
struct Speaker(UdpSocket);

impl Speaker {
    fn new(hosts: &Hosts, host: usize) -> Self {
        let here: Ipv4Addr = Hosts::address(host, 1 - host).parse().expect("an address");
        Self(inside(hosts.name(host), || UdpSocket::bind((here, 0)).expect("a port")))
    }

    fn say(&self, datagram: &[u8]) {
        self.0.send_to(datagram, (GROUP, PORT)).expect("it is sent");
    }
}

/// The datagrams are those that a real ActiveMQ sends, byte by byte, but for the address.
#[test]
fn a_master_says_that_it_is_there_and_that_it_goes_and_a_slave_says_nothing() {
    let Some(hosts) = hosts() else { return };
    let folder = directory();
    let listener = Listener::new(&hosts, 1);
    let shared = store(folder.path(), "shared");
    let mut master = start(&hosts, folder.path(), 0, "master", 61616, &shared);
    let alive =
        |port: u16| format!("default.ActiveMQ-4.alive.%localhost%tcp://{}:{port}", Hosts::address(0, 1));
    assert_eq!(listener.until(&alive(61616)).len(), 1);
    let slave = start(&hosts, folder.path(), 0, "slave", 61617, &shared);
    slave.wait_slave_of(0, "master");
    for _ in 0..5 {
        assert_eq!(listener.until(&alive(61616)).len(), 1);
    }
    master.0.kill();
    let heard = listener.until(&alive(61617));
    assert!(heard.iter().rev().skip(1).all(|heard| *heard == alive(61616)), "{heard:?}");
    // Whatever is said in the group is borne, and told.
    let speaker = Speaker::new(&hosts, 1);
    for odd in [&b"default.ActiveMQ-4.asleep.%localhost%tcp://a:1"[..], &[b'x'; 9000], b"\xff"] {
        speaker.say(odd);
    }
    for why in ["it says neither alive nor dead", "it is longer than any of ActiveMQ's", "it is no text"] {
        let ignored =
            format!("is ignored what came: {why} (1 so far, the last from {}:", Hosts::address(1, 0));
        slave.0.wait_since(0, &ignored, |line| line.contains(&ignored).then_some(()));
    }
    slave.stop();
    let heard = listener.until(&alive(61617).replace("alive", "dead"));
    let others = heard.iter().rev().skip(1).filter(|heard| heard.contains("61617"));
    assert!(others.clone().all(|heard| *heard == alive(61617)), "{heard:?}");
}

/// A client that is given nothing but the group.
#[test]
fn a_java_client_finds_a_broker_and_moves_to_another_when_it_is_killed() {
    if java::is_skipped() {
        return;
    }
    let Some(hosts) = hosts() else { return };
    let folder = directory();
    let mut a = start(&hosts, folder.path(), 0, "a", 61616, &store(folder.path(), "a"));
    a.wait_ready(0);
    let ledger = folder.path().join("sent").display().to_string();
    let url = "discovery:(multicast://default)?initialReconnectDelay=50&maxReconnectDelay=100&useExponentialBackOff=false";
    let arguments = [url, "--queue", "found", "--ledger", &ledger, "--progress", "10"];
    let mut client = within(hosts.name(1), || java::start("Produce", &arguments));
    client.wait_line(0, "PROGRESS");
    let b = start(&hosts, folder.path(), 1, "b", 61616, &store(folder.path(), "b"));
    b.wait_ready(0);
    a.0.kill();
    let mut from = client.here();
    for _ in 0..10 {
        from = client.wait_line(from, "PROGRESS").1;
    }
    client.tell("stop");
    assert!(client.wait_end().success(), "{}", client.tail());
    b.stop();
}

/// A network connector as the article has it, but for how soon one that was killed is tried again.
const FINDS: &str = "[[networkConnector]]\nuri = \"multicast://default\"\n";

fn wait_said(broker: &Broker, from: usize, text: &str) -> usize {
    broker.0.wait_since(from, text, |line| line.contains(text).then_some(())).1
}

fn at(host: usize) -> String {
    format!("{}:61616", Hosts::address(host, 1 - host))
}

#[test]
fn brokers_find_each_other_and_one_that_was_killed_is_not_tried_until_it_comes_back() {
    let Some(hosts) = hosts() else { return };
    let folder = directory();
    let serve = |host: usize, name: &str| {
        let more = format!("{}\n{FINDS}", store(folder.path(), name));
        start(&hosts, folder.path(), host, name, 61616, &more)
    };
    let a = serve(0, "a");
    let mut b = serve(1, "b");
    let stands = |broker: &Broker, from: usize, name: &str, host: usize| {
        wait_said(
            broker,
            from,
            &format!("network connector NC: the bridge to {name} at tcp://{} stands", at(host)),
        )
    };
    stands(&a, 0, "b", 1);
    stands(&b, 0, "a", 0);
    inside(hosts.name(0), || {
        cross_all(&at(0), &at(1), "out");
        cross_all(&at(1), &at(0), "back");
    });
    // What anybody says is borne: this one is never its own neighbour, and nothing but a plain address is tried.
    let speaker = Speaker::new(&hosts, 1);
    let alive = |service: &str| format!("default.ActiveMQ-4.alive.%localhost%{service}").into_bytes();
    speaker.say(&alive(&format!("tcp://{}", at(0))));
    speaker.say(&alive("vm://a?brokerConfig=xbean:http://b/c.xml"));
    let from = wait_said(
        &a,
        0,
        "a broker is said to be at vm://a?brokerConfig=xbean:http://b/c.xml, which is ignored: needs tcp://HOST:PORT",
    );
    b.0.kill();
    let from = wait_said(&a, from, &format!("there is no bridge to tcp://{}: ", at(1)));
    let from = wait_said(&a, from, &format!("tcp://{} is gone: it is not tried any more", at(1)));
    let b = serve(1, "b");
    stands(&a, from, "b", 1);
    stands(&b, 0, "a", 0);
    inside(hosts.name(0), || {
        let again = Destination::queue("again");
        crosses(&at(0), &at(1), &again, &again, true);
        crosses(&at(1), &at(0), &again, &again, true);
    });
    b.stop();
    let itself = format!("tcp://{} is there", at(0));
    assert!(!a.0.said_since(0).iter().any(|line| line.contains(&itself)), "{}", a.0.tail());
    a.stop();
}

#[test]
fn a_real_activemq_and_this_broker_find_each_other() {
    if java::is_skipped() {
        return;
    }
    let Some(hosts) = hosts() else { return };
    let folder = directory();
    let more = format!("{}\n{FINDS}", store(folder.path(), "a"));
    let a = start(&hosts, folder.path(), 0, "a", 61616, &more);
    let directory = folder.path().join("amq").display().to_string();
    let host = Hosts::address(1, 0);
    let default = "multicast://default";
    let arguments = [
        "--name",
        "amq",
        "--directory",
        &directory,
        "--host",
        &host,
        "--port",
        "61616",
        "--discovery",
        default,
        "--bridge",
        default,
    ];
    let mut amq = within(hosts.name(1), || java::start("RunActiveMQ", &arguments));
    wait_said(&a, 0, "bridged by the network connector NC of the broker amq (ID:");
    let from = wait_said(&a, 0, "network connector NC: the bridge to amq at tcp://");
    inside(hosts.name(0), || {
        cross_all(&at(0), &at(1), "out");
        cross_all(&at(1), &at(0), "back");
    });
    // It says that it goes before or after its line is cut.
    amq.signal(Signal::TERM);
    a.0.wait_since(from, "it is gone", |line| {
        (line.contains(" is gone: it is not tried any more") || line.contains(", which is gone, ended: "))
            .then_some(())
    });
    assert!(amq.wait_end().code().is_some(), "{}", amq.tail());
    a.stop();
}
