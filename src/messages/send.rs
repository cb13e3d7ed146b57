//! `kahawai send`

use std::collections::VecDeque;
use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use kahawai_client::{Confirm, Destination, Message, Producer, Value};
use serde_json::json;

use crate::connect::BrokerOptions;
use crate::exit::{Exit, Failure};
use crate::figures::counted;
use crate::messages::address;
use crate::messages::progress::Progress;
use crate::{output, quantity};

const EXAMPLES: &str = "\
Examples:
  kahawai send ORDERS 'one espresso'
  kahawai send ORDERS --file order.xml --property table:int=7 --type order --reply-to READY
  seq 1000 | kahawai send ORDERS
      a message for each line of standard input
  kahawai send topic://PRICES '{\"fish\": 12.5}' --non-persistent --count 1000 --rate 50

Exit code 0 says that the broker has stored every persistent message.";

/// Sends that may wait for their answers.
const WINDOW: usize = 1000;

/// A line of standard input is at most so long.
const LINE_BYTES_MAX: u64 = 100 << 20;

/// Options of `kahawai send`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SendOptions {
    #[command(flatten)]
    broker: BrokerOptions,

    /// Where to: NAME or queue://NAME, topic://NAME.
    #[arg(value_name = "DESTINATION", value_parser = address::target)]
    destination: Destination,

    /// The body. Without it and without --file, each line of standard input is a message.
    #[arg(value_name = "BODY", conflicts_with = "file")]
    body: Option<String>,

    /// Send this file's content as one message (- for standard input).
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Send bytes messages; otherwise text messages, but for a file that is not UTF-8.
    #[arg(long)]
    bytes: bool,

    /// How often to send it.
    #[arg(long, value_name = "N", default_value = "1")]
    count: u64,

    /// Messages a second at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,

    /// A property: NAME=TEXT, or NAME:TYPE=VALUE with boolean, byte, short, int, long, float, double or text. May be given several times.
    #[arg(long, short = 'p', value_name = "NAME[:TYPE]=VALUE", value_parser = property)]
    property: Vec<(String, Value)>,

    /// JMSPriority, 0 to 9.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: u8,

    /// How long the message is of use (JMSExpiration): 10s, 5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = quantity::time)]
    time_to_live: Option<Duration>,

    /// JMSCorrelationID.
    #[arg(long, value_name = "TEXT")]
    correlation_id: Option<String>,

    /// JMSType.
    #[arg(long = "type", value_name = "TEXT")]
    message_type: Option<String>,

    /// JMSReplyTo.
    #[arg(long, value_name = "DESTINATION", value_parser = address::target)]
    reply_to: Option<Destination>,

    /// JMSXGroupID.
    #[arg(long, value_name = "TEXT")]
    group: Option<String>,

    /// Messages need not survive a restart of the broker, and are not answered for.
    #[arg(long)]
    non_persistent: bool,

    /// Tell on standard output as JSON what was sent.
    #[arg(long)]
    json: bool,
}

/// A property in the words of the command line.
fn property(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("needs NAME=VALUE or NAME:TYPE=VALUE")?;
    let (name, kind) = name.rsplit_once(':').unwrap_or((name, "text"));
    if name.is_empty() {
        return Err("a property needs a name".to_owned());
    }
    fn parsed<T: std::str::FromStr + Into<Value>>(value: &str, kind: &str) -> Result<Value, String> {
        value.parse::<T>().map(Into::into).map_err(|_| format!("{value:?} is no {kind}"))
    }
    let value = match kind {
        "text" => Value::from(value),
        "boolean" => parsed::<bool>(value, kind)?,
        "byte" => parsed::<i8>(value, kind)?,
        "short" => parsed::<i16>(value, kind)?,
        "int" => parsed::<i32>(value, kind)?,
        "long" => parsed::<i64>(value, kind)?,
        "float" => parsed::<f32>(value, kind)?,
        "double" => parsed::<f64>(value, kind)?,
        _ => {
            return Err(format!(
                "{kind:?} is no type: use boolean, byte, short, int, long, float, double or text"
            ));
        }
    };
    Ok((name.to_owned(), value))
}

/// Where the bodies come from.
enum Bodies {
    One(Vec<u8>),
    Lines,
}

/// Sends.
///
/// # Errors
/// Where the broker cannot be reached or refuses, or the body cannot be read.
pub(crate) async fn run(options: SendOptions) -> Result<(), Failure> {
    let bodies = match (&options.body, &options.file) {
        (Some(body), _) => Bodies::One(body.clone().into_bytes()),
        (None, Some(path)) => Bodies::One(read(path)?),
        (None, None) => Bodies::Lines,
    };
    let connection = options.broker.connect().await?;
    let producer = connection.session().await?.producer(options.destination.clone()).await?;
    let mut sender = Sender::new(producer, &options);
    match bodies {
        Bodies::One(body) => {
            for _ in 0..options.count {
                sender.send(&options, &body).await?;
            }
        }
        Bodies::Lines => {
            // A thread reads: a terminal or a pipe may keep it waiting while answers come in.
            let (lines, mut coming) = tokio::sync::mpsc::channel::<Result<Vec<u8>, Failure>>(64);
            std::thread::spawn(move || read_lines(&lines));
            while let Some(line) = coming.recv().await {
                let line = line?;
                for _ in 0..options.count {
                    sender.send(&options, &line).await?;
                }
            }
        }
    }
    let sent = sender.finish().await?;
    connection.close().await?;
    if options.json {
        return output::json(&json!({"destination": options.destination.to_string(), "sent": sent}));
    }
    output::write(&format!("sent {} to {}\n", counted(sent, "message"), options.destination))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let content = if path == Path::new("-") {
        let mut content = Vec::new();
        std::io::stdin().lock().read_to_end(&mut content).map(|_| content)
    } else {
        std::fs::read(path)
    };
    content.map_err(|error| Failure::new(Exit::Other, format!("cannot read {}: {error}", path.display())))
}

fn read_lines(lines: &tokio::sync::mpsc::Sender<Result<Vec<u8>, Failure>>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = std::io::Read::by_ref(&mut input).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
        let line = match read {
            Ok(0) => return,
            Ok(_) if line.len() as u64 > LINE_BYTES_MAX => {
                Err(Failure::new(Exit::Other, "a line of standard input is longer than 100 MiB"))
            }
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(line)
            }
            Err(error) => Err(Failure::new(Exit::Other, format!("cannot read standard input: {error}"))),
        };
        let is_end = line.is_err();
        // Nobody takes them any more where the broker went away.
        if lines.blocking_send(line).is_err() || is_end {
            return;
        }
    }
}

struct Sender {
    producer: Producer,
    waiting: VecDeque<Confirm>,
    sent: u64,
    started: Instant,
    progress: Progress,
}

impl Sender {
    fn new(producer: Producer, options: &SendOptions) -> Self {
        let total = (options.body.is_some() || options.file.is_some()).then_some(options.count);
        let progress = Progress::new("sent", total);
        Self { producer, waiting: VecDeque::new(), sent: 0, started: Instant::now(), progress }
    }

    async fn send(&mut self, options: &SendOptions, body: &[u8]) -> Result<(), Failure> {
        if let Some(rate) = options.rate {
            let due = self.started + Duration::from_secs_f64(self.sent as f64 / rate as f64);
            tokio::time::sleep_until(due.into()).await;
        }
        if self.waiting.len() >= WINDOW {
            self.settle_first().await?;
        }
        let confirm = self.producer.start_send(message(options, body)).await?;
        self.waiting.push_back(confirm);
        self.sent += 1;
        self.progress.set(self.sent);
        Ok(())
    }

    async fn settle_first(&mut self) -> Result<(), Failure> {
        let Some(confirm) = self.waiting.pop_front() else { return Ok(()) };
        let stored = self.sent - self.waiting.len() as u64 - 1;
        confirm
            .await
            .map_err(|error| Failure::from(error).within(&format!("after {}", counted(stored, "message"))))
    }

    /// Waits for the answers that are missing; gives how many were sent.
    async fn finish(mut self) -> Result<u64, Failure> {
        while !self.waiting.is_empty() {
            self.settle_first().await?;
        }
        self.progress.clear();
        // What is not answered is on its way when the broker has answered something that came after it.
        self.producer.close().await?;
        Ok(self.sent)
    }
}

fn message(options: &SendOptions, body: &[u8]) -> Message {
    let text = if options.bytes { None } else { std::str::from_utf8(body).ok() };
    let mut message = match text {
        Some(text) => Message::text(text),
        None => Message::bytes(body.to_vec()),
    };
    message = message.priority(options.priority).persistent(!options.non_persistent);
    for (name, value) in &options.property {
        message = message.property(name.as_str(), value.clone());
    }
    if let Some(time_to_live) = options.time_to_live {
        message = message.time_to_live(time_to_live);
    }
    if let Some(id) = &options.correlation_id {
        message = message.correlation_id(id.as_str());
    }
    if let Some(message_type) = &options.message_type {
        message = message.message_type(message_type.as_str());
    }
    if let Some(reply_to) = &options.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    if let Some(group) = &options.group {
        message = message.group(group.as_str());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_have_types() {
        assert_eq!(property("a=b=c"), Ok(("a".to_owned(), Value::from("b=c"))));
        assert_eq!(property("n:int=7"), Ok(("n".to_owned(), Value::Integer(7))));
        assert_eq!(property("x.y:double=0.5"), Ok(("x.y".to_owned(), Value::Double(0.5))));
        assert_eq!(property("b:boolean=true"), Ok(("b".to_owned(), Value::Boolean(true))));
        for wrong in ["a", "=b", "n:int=seven", "n:whole=7", ":int=1"] {
            assert!(property(wrong).is_err(), "{wrong}");
        }
    }
}
