//! A real ActiveMQ, which can be killed and comes back where it was.

use std::path::Path;

use super::java;
use super::process::Process;

/// One that is called `amq`.
pub struct ActiveMq {
    directory: String,
    options: Vec<String>,
    port: String,
    pub process: Process,
}

impl ActiveMq {
    /// Starts one whose store is in a folder, with options of `RunActiveMQ`, on a port that is free.
    pub fn start(folder: &Path, options: &[&str]) -> Self {
        Self::start_on("0", folder, options)
    }

    /// The same on this port.
    pub fn start_on(port: &str, folder: &Path, options: &[&str]) -> Self {
        let directory = folder.join("amq").to_str().expect("UTF-8").to_owned();
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let (process, port) = run(&directory, port, &options);
        Self { directory, options, port, process }
    }

    /// Where clients connect.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The same as clients write it.
    pub fn uri(&self) -> String {
        format!("tcp://{}", self.address())
    }

    /// The same for a client that comes back soon.
    pub fn failover(&self) -> String {
        format!(
            "failover:({})?initialReconnectDelay=50&maxReconnectDelay=100&useExponentialBackOff=false",
            self.uri()
        )
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, where it was.
    pub fn come_back(&mut self) {
        self.process = run(&self.directory, &self.port, &self.options).0;
    }
}

fn run(directory: &str, port: &str, options: &[String]) -> (Process, String) {
    let mut arguments = vec!["--name", "amq", "--directory", directory, "--port", port];
    arguments.extend(options.iter().map(String::as_str));
    let process = java::start("RunActiveMQ", &arguments);
    let (port, _) = process.wait_since(0, "LISTENING", |line| {
        let uri = line.strip_prefix("LISTENING tcp://127.0.0.1:")?.split_whitespace().next()?;
        Some(uri.to_owned())
    });
    (process, port)
}
