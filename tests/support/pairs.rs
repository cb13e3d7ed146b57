//! Pairs of master and slave, as members of a network.

use std::fs;
use std::path::{Path, PathBuf};

use super::broker::{Broker, Instance, failover};

/// Stands behind a list of brokers: a bridge that loses no time.
pub const PACE: &str = "initialReconnectDelay=100&maxReconnectDelay=500&minConnectTime=100";

/// A bridge to one broker.
pub fn one(there: &Instance) -> String {
    format!("static:({})?{PACE}", there.uri())
}

/// What two brokers have in common.
#[derive(Clone, Copy)]
pub enum Shared {
    Directory,
    Database,
    Nothing,
}

/// Where a pair is, and what each of it has.
pub struct Place {
    pub shared: Shared,
    pub members: [Instance; 2],
}

impl Place {
    /// Members that have their network connectors from the environment.
    pub fn new(folder: &Path, name: &str, shared: Shared) -> Self {
        Self::bridging(folder, name, shared, "")
    }

    /// Members with these network connectors, in TOML. Both have one name, as what is kept for durable subscriptions over a bridge needs it.
    pub fn bridging(folder: &Path, name: &str, shared: Shared, networks: &str) -> Self {
        let store = match shared {
            Shared::Directory => folder.join(name).display().to_string(),
            Shared::Database => format!("sqlite:{}", folder.join(format!("{name}.db")).display()),
            Shared::Nothing => return Self { shared, members: pure(folder, name, "", networks) },
        };
        let file = written(folder, name, "", &store, networks);
        Self { shared, members: [(); 2].map(|()| Instance::configured(name, &file)) }
    }

    /// A bridge to whichever of them serves.
    pub fn connector(&self) -> String {
        let [one, two] = &self.members;
        format!("masterslave:({},{})?{PACE}", one.uri(), two.uri())
    }

    /// For clients.
    pub fn url(&self) -> String {
        failover(&[&self.members[0], &self.members[1]])
    }
}

/// Master and slave with nothing shared. `more` is said to both, and `networks` behind the rest.
pub fn pure(folder: &Path, name: &str, more: &str, networks: &str) -> [Instance; 2] {
    let configured = |number: u32, more: &str| {
        let file = format!("{name}-{number}");
        let store = folder.join(&file).display().to_string();
        Instance::configured(name, &written(folder, &file, more, &store, networks))
    };
    let master = configured(1, more);
    let of = format!("{more}\nmasterConnectorURI = \"{}\"", master.uri());
    let slave = configured(2, &of);
    [master, slave]
}

fn written(folder: &Path, name: &str, more: &str, store: &str, networks: &str) -> PathBuf {
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, format!("{more}\n[store]\naddress = {store:?}\n{networks}")).expect("written");
    file
}

/// A pair that runs, each with the same network connector.
pub struct Pair {
    pub place: Place,
    connector: String,
    /// Which of them serves.
    master: usize,
    brokers: [Broker; 2],
    /// Where the slave began to follow.
    followed: usize,
}

impl Pair {
    pub fn start(place: Place, connector: String) -> Self {
        let start = |member: &Instance| member.start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &connector)]);
        let master = start(&place.members[0]);
        master.wait_ready(0);
        let slave = start(&place.members[1]);
        let mut pair = Self { connector, master: 0, brokers: [master, slave], followed: 0, place };
        pair.wait_followed();
        pair
    }

    fn wait_followed(&mut self) {
        let slave = &self.brokers[1 - self.master];
        self.followed = match self.place.shared {
            Shared::Nothing => {
                slave.0.wait_since(0, "in sync with", |line| line.contains("in sync with").then_some(())).1
            }
            _ => {
                slave.wait_slave_of(0, self.place.members[self.master].name());
                slave.0.here()
            }
        };
    }

    /// Kills the master; the slave serves when this returns, and the killed one is its slave.
    pub fn kill_master(&mut self) {
        let killed = self.master;
        self.brokers[killed].0.kill();
        self.brokers[killed].assert_sound();
        self.master = 1 - killed;
        self.brokers[self.master].wait_ready(self.followed);
        self.brokers[killed] =
            self.place.members[killed].start_with(&[("KAHAWAI_NETWORK_CONNECTORS", &self.connector)]);
        self.wait_followed();
    }

    /// The master.
    pub fn broker(&self) -> &Broker {
        &self.brokers[self.master]
    }

    /// Waits until the master bridges to this one.
    pub fn wait_bridge(&self, there: &Instance) {
        wait_bridge(self.broker(), 0, there);
    }

    /// Which of them serves.
    pub fn serving(&self) -> &Instance {
        &self.place.members[self.master]
    }

    pub fn stop(self) {
        let [one, two] = self.brokers;
        let (master, slave) = if self.master == 0 { (one, two) } else { (two, one) };
        slave.stop();
        master.stop();
    }
}

/// Waits until a bridge stands to this one, and gives the place after.
pub fn wait_bridge(broker: &Broker, from: usize, there: &Instance) -> usize {
    let stands = format!(" at {} stands", there.uri());
    broker.0.wait_since(from, &stands, |line| line.contains(&stands).then_some(())).1
}
