//! A network of two pairs and a real ActiveMQ 5.17 under load, while every broker of it is killed, one after another, and comes back.
//!
//! ```text
//!        left: two on one directory  ◄── duplex, dialled by left ──►  right: two with nothing shared
//!                 ▲                                                              │
//!                 └──────────── one way ──────── ActiveMQ ◄──── one way ─────────┘
//! ```
//!
//! Five loads cross: heaps from left to right, from left over right to ActiveMQ (two bridges), and from ActiveMQ to left; messages one after the other from
//! right to left; and a topic of left with a durable subscriber at right. Nothing is lost, torn or made up. Twice may come, for each kill, what was on its
//! way: 1000 messages on each bridge that a load crosses, and 1000 whose acknowledgements by the client were.
//!
//! Each broker is killed once here; `KAHAWAI_TEST_SCALE=20 cargo test --release --test network_killed` kills a hundred.

mod support;

use std::path::Path;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::destination::Destination;
use support::activemq::ActiveMq;
use support::broker::Broker;
use support::crossing_load::{CrossingLoad, PREFETCH, Sent, came_twice};
use support::pairs::{PACE, Pair, Place, Shared};
use support::port::Port;
use support::raw::Raw;
use support::{directory, java, scale, tell};

/// All of it.
struct Network {
    left: Pair,
    right: Pair,
    amq: ActiveMq,
    /// Its own for as long as it is.
    _port: Port,
}

/// How far each side's log has been read.
#[derive(Clone, Copy)]
struct Read {
    left: usize,
    right: usize,
}

impl Network {
    fn start(folder: &Path) -> Self {
        let port = Port::new();
        // What ActiveMQ forwards to left is not to come back to it: only what is for it goes there.
        let to_amq = format!(
            "[[networkConnector]]\nuri = \"static:(tcp://{})?{PACE}\"\nnetworkTTL = 2\ndynamicallyIncludedDestinations = [\"queue://AMQ.>\"]\n",
            port.address()
        );
        let right = Place::bridging(folder, "right", Shared::Nothing, &to_amq);
        let to_right =
            format!("[[networkConnector]]\nuri = \"{}\"\nduplex = true\nnetworkTTL = 2\n", right.connector());
        let left = Place::bridging(folder, "left", Shared::Directory, &to_right);
        let to_left = left.connector();
        let right = Pair::start(right, String::new());
        let left = Pair::start(left, String::new());
        let address = port.address();
        let (_, number) = address.rsplit_once(':').expect("a port");
        let amq = ActiveMq::start_on(number, folder, &["--bridge", &to_left]);
        let network = Self { left, right, amq, _port: port };
        network.wait_bridges(Read { left: 0, right: 0 });
        network
    }

    fn read(&self) -> Read {
        Read { left: self.left.broker().0.here(), right: self.right.broker().0.here() }
    }

    fn wait_bridges(&self, from: Read) {
        self.wait_to_right(from.left);
        self.wait_to_amq(from.right);
        self.wait_from_amq(from.left);
    }

    fn wait_to_right(&self, from: usize) {
        wait_said(self.left.broker(), from, &format!(" at {} stands", self.right.serving().uri()));
    }

    fn wait_to_amq(&self, from: usize) {
        wait_said(self.right.broker(), from, &format!(" at tcp://{} stands", self.amq.address()));
    }

    fn wait_from_amq(&self, from: usize) {
        wait_said(self.left.broker(), from, " bridged by the network connector NC of the broker amq (ID:");
    }

    /// Kills one of them; all bridges stand again when this returns, and who was killed is back.
    fn kill(&mut self, which: usize) {
        let before = self.read();
        match which {
            0 => {
                self.left.kill_master();
                self.wait_to_right(0);
                self.wait_from_amq(0);
            }
            1 => {
                self.right.kill_master();
                self.wait_to_right(before.left);
                self.wait_to_amq(0);
            }
            _ => {
                self.amq.kill();
                self.amq.come_back();
                self.wait_to_amq(before.right);
                self.wait_from_amq(before.left);
            }
        }
    }
}

fn wait_said(broker: &Broker, from: usize, text: &str) {
    broker.0.wait_since(from, text, |line| line.contains(text).then_some(()));
}

/// Waits until a bridge has a durable subscription to a topic.
fn wait_kept(address: &str, topic: &str) {
    let mut listener = Raw::open(address).expect("a connection");
    let advisories = Destination::topic(format!("ActiveMQ.Advisory.Consumer.Topic.{topic}"));
    // What is told may come before the answer.
    let info = listener.consumer_info(&advisories, 100, 1);
    listener.send(&info.into()).expect("it is sent");
    loop {
        let message = listener.read_message().expect("an advisory");
        let Some(DataStructure::Command(Command::ConsumerInfo(info))) = &message.data_structure else {
            continue;
        };
        let name = info.subscription_name.as_deref();
        if info.network_subscription && name.is_some_and(|name| name.starts_with("NC-DS_")) {
            return;
        }
    }
}

/// For each that is killed, the heaps whose way it is on.
const HEAPS: [usize; 3] = [1, 2, 3];

#[test]
fn nothing_is_lost_whoever_of_two_pairs_and_an_activemq_is_killed() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let folder = folder.path();
    let mut network = Network::start(folder);
    let (left, right) = (network.left.place.url(), network.right.place.url());
    let amq = network.amq.failover();
    let kept = network.left.serving().address();
    let prices = CrossingLoad::start_durable(folder, &left, &right, "prices", Sent::Ever, || {
        wait_kept(&kept, "prices");
    });
    // With each, how many bridges it crosses.
    let mut loads = [
        (1, prices),
        (1, CrossingLoad::start(folder, &left, &right, "out", Sent::SparseHeaps)),
        (2, CrossingLoad::start(folder, &left, &amq, "AMQ.far", Sent::SparseHeaps)),
        (1, CrossingLoad::start(folder, &amq, &left, "home", Sent::SparseHeaps)),
        (1, CrossingLoad::start(folder, &right, &left, "back", Sent::Ever)),
    ];
    let mut kills = 0;
    // Each broker of a pair is its master for one of two kills.
    for which in [0, 1, 2, 0, 1].repeat(usize::try_from(scale()).expect("not so often")) {
        for (_, load) in &mut loads {
            load.wait_come_from_now(10);
        }
        // The first of a heap that the killed one has part in: the rest of it is on its way.
        loads[HEAPS[which]].1.wait_come_from_now(10);
        network.kill(which);
        kills += 1;
    }
    for (_, load) in &mut loads {
        load.wait_come_from_now(100);
    }
    for (_, load) in &mut loads {
        load.stop_sending();
    }
    for (bridges, load) in loads {
        let name = load.name().to_owned();
        let figures = load.finish();
        tell(&format!("{kills} kills, {name}: {figures}"));
        assert!(
            came_twice(&figures) <= kills * (bridges + 1) * PREFETCH,
            "more came twice than was under way: {name}: {figures}"
        );
    }
    network.left.stop();
    network.right.stop();
}
