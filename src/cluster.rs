//! `kahawai cluster`: how a pair stands, and a planned switch from master to slave.

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use kahawai_replication::frame::Asked;
use serde_json::{Map, Value};

use crate::exit::{Exit, Failure};
use crate::serve::ask;

/// How long an answer may take, and a switch.
const ANSWER: Duration = Duration::from_secs(3);
const SWITCH: Duration = Duration::from_secs(60);

/// Look at a pair of brokers without a shared store, and switch it.
#[derive(Debug, Args)]
pub(crate) struct ClusterOptions {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Who is master, in which term, and how far its slave is.
    Status(Members),
    /// Let the slave take over, which must be in sync: nothing is lost, and clients on failover: go over to it.
    Switch(Members),
}

#[derive(Debug, Args)]
struct Members {
    /// The brokers' connectors, with commas between. A slave does not listen: whoever answers is master.
    #[arg(
        long,
        value_name = "URLS",
        value_delimiter = ',',
        default_value = "tcp://127.0.0.1:61616",
        env = "KAHAWAI_URL"
    )]
    url: Vec<String>,

    /// Print JSON instead of words.
    #[arg(long)]
    json: bool,
}

/// Runs a command.
pub(crate) fn run(options: &ClusterOptions) -> Result<(), Failure> {
    match &options.command {
        ClusterCommand::Status(members) => {
            let (address, told) = find(members, Asked::Status)?;
            show(members, &address, &told)
        }
        ClusterCommand::Switch(members) => switch(members),
    }
}

type Told = Vec<(String, String)>;

/// The member that serves, and what it says.
fn find(members: &Members, what: Asked) -> Result<(String, Told), Failure> {
    let mut problems = Vec::new();
    for url in &members.url {
        match ask(url, what, ANSWER) {
            Ok(told) => return Ok((url.clone(), told)),
            Err(problem) => problems.push(format!("{url}: {problem}")),
        }
    }
    Err(Failure::new(Exit::Broker, format!("no master answers: {}", problems.join("; "))))
}

fn switch(members: &Members) -> Result<(), Failure> {
    let (address, told) = find(members, Asked::Switch)?;
    let value = |name: &str| {
        told.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let answer = value("switch");
    if !answer.starts_with("begun") {
        return Err(Failure::new(Exit::Broker, format!("{address}: {answer}")));
    }
    let (before, since) = (value("term"), Instant::now());
    // Where only the master's own address is known, nobody can be asked what came of it.
    while members.url.len() > 1 && since.elapsed() < SWITCH {
        if let Ok((address, told)) = find(members, Asked::Status)
            && told.iter().any(|(name, value)| name == "term" && *value != before)
        {
            return show(members, &address, &told);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    match members.url.len() {
        1 => say(&format!("{answer}; name both members with --url to see it serve")),
        _ => Err(Failure::new(Exit::Broker, "the slave does not serve yet: look at its log")),
    }
}

fn show(members: &Members, address: &str, told: &Told) -> Result<(), Failure> {
    if members.json {
        let mut map: Map<String, Value> = told
            .iter()
            .map(|(name, value)| (name.replace([' ', '\''], "_"), Value::from(value.as_str())))
            .collect();
        map.insert("url".to_owned(), address.into());
        return say(&format!("{:#}", Value::from(map)));
    }
    let width = told.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = format!("{:width$}  {address}", "url");
    for (name, value) in told {
        text.push_str(&format!("\n{name:width$}  {value}"));
    }
    say(&text)
}

fn say(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::new(Exit::Silent, error),
        _ => Failure::new(Exit::Other, error),
    })
}
