//! `kahawai serve` as a child process.

use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use super::port::Port;
use super::process::{Process, Stream};

/// How a broker is started, again and again.
#[derive(Debug)]
pub struct Instance {
    name: String,
    port: Port,
    arguments: Vec<String>,
}

impl Instance {
    /// A broker on this store, with a port of its own.
    pub fn new(name: &str, store: &Path) -> Self {
        let port = Port::new();
        let store = store.to_str().expect("a path in UTF-8");
        let bind = port.address();
        let arguments = ["serve", "--store", store, "--bind", &bind, "--name", name];
        Self { name: name.to_owned(), port, arguments: arguments.map(str::to_owned).into() }
    }

    /// A broker on what this file says, but for its name and port.
    pub fn configured(name: &str, file: &Path) -> Self {
        let port = Port::new();
        let file = file.to_str().expect("a path in UTF-8");
        let bind = port.address();
        let arguments = ["serve", "--config", file, "--bind", &bind, "--name", name];
        Self { name: name.to_owned(), port, arguments: arguments.map(str::to_owned).into() }
    }

    /// With more options.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.arguments.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `host:port`
    pub fn address(&self) -> String {
        self.port.address()
    }

    pub fn uri(&self) -> String {
        format!("tcp://{}", self.address())
    }

    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Starts it.
    pub fn start(&self) -> Broker {
        self.start_with(&[])
    }

    /// Starts it with these variables in its environment.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Broker {
        let mut command = Broker::command();
        command.args(&self.arguments).envs(variables.iter().copied());
        Broker(Process::start(&self.name, &mut command))
    }

    /// Starts it with at most so many open files, which it cannot raise.
    pub fn start_with_open_files(&self, most: u64) -> Broker {
        let mut command = clean(Command::new("sh"));
        let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_kahawai")]).args(&self.arguments);
        Broker(Process::start(&self.name, &mut command))
    }

    /// Starts it and waits until it serves.
    pub fn serve(&self) -> Broker {
        let broker = self.start();
        broker.wait_ready(0);
        broker
    }
}

/// A running broker.
pub struct Broker(pub Process);

impl Broker {
    /// The command with an environment free of what would change it.
    pub fn command() -> Command {
        clean(Command::new(env!("CARGO_BIN_EXE_kahawai")))
    }

    /// Waits until it says from that place on that it serves; gives the place after.
    pub fn wait_ready(&self, from: usize) -> usize {
        self.0.wait_line(from, "ready").1
    }

    /// Waits until it says from that place on that it waits as slave, and for whom; gives the line.
    pub fn wait_slave(&self, from: usize) -> String {
        self.0.wait_line(from, "role: slave").0
    }

    /// Waits until it says that it waits as slave for this one.
    pub fn wait_slave_of(&self, from: usize, master: &str) {
        let held = format!("held by {master} ");
        self.0.wait_since(from, &held, |line| {
            (line.starts_with("role: slave: waiting for the store, held by ") && line.contains(&held))
                .then_some(())
        });
    }

    /// The epoch it said last.
    pub fn epoch(&self) -> u64 {
        let said = self.0.said_on(Stream::Out);
        let epoch = said.iter().rev().find_map(|line| line.strip_prefix("epoch: "));
        epoch.expect("it has said its epoch").parse().expect("a number")
    }

    /// Asks it to stop with SIGTERM, waits, and makes sure that it did so in good order.
    pub fn stop(mut self) {
        self.0.signal(Signal::TERM);
        let status = self.0.wait_end();
        assert!(status.success(), "{} ended with {status}\n{}", self.0.name(), self.0.tail());
        self.assert_sound();
    }

    pub fn wait_end(&mut self) -> ExitStatus {
        self.0.wait_end()
    }

    /// Nothing it has said tells of damage, and nothing in it panicked.
    pub fn assert_sound(&self) {
        for line in self.0.said_since(0) {
            let bad = line.contains("damage") || line.contains("panicked") || line.contains("ERROR");
            assert!(!bad, "{} says: {line}\n{}", self.0.name(), self.0.tail());
        }
    }
}

/// An environment free of what would change a broker.
fn clean(mut command: Command) -> Command {
    command.env_remove("NOTIFY_SOCKET");
    // Every setting has a variable.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KAHAWAI_") {
            command.env_remove(name);
        }
    }
    command
}

/// The URL of clients that follow the master, and notice within seconds that one is silent.
///
/// They try the brokers in this order: one that was stopped takes connections and answers nothing for 15 s.
pub fn failover(instances: &[&Instance]) -> String {
    let uris: Vec<_> = instances
        .iter()
        .map(|instance| {
            let watch =
                "wireFormat.maxInactivityDuration=2000&wireFormat.maxInactivityDurationInitalDelay=1000";
            format!("{}?{watch}", instance.uri())
        })
        .collect();
    let pace = "initialReconnectDelay=50&maxReconnectDelay=100&useExponentialBackOff=false&randomize=false";
    format!("failover:({})?{pace}", uris.join(","))
}
