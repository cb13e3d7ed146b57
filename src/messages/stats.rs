//! `kahawai stats`: what there is on a broker, and how much of it.
//!
//! Where the broker counts messages and tells on ActiveMQ's statistics destinations (its StatisticsBrokerPlugin) it is asked there. Any other
//! tells by its advisories what there is and who consumes, and a queue's depth is counted by looking through it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use kahawai_client::{Body, Connection, ConsumerOptions, Destination, Message, PrimitiveMap, Session, Value};
use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::connection::DestinationInfo;
use serde::Serialize;

use crate::connect::BrokerOptions;
use crate::exit::Failure;
use crate::figures::{grouped, number};
use crate::messages::address;
use crate::messages::bridges::{self, BridgeLine};
use crate::messages::queue::look;
use crate::table::Table;
use crate::{output, quantity};

const EXAMPLES: &str = "\
Examples:
  kahawai stats
  kahawai stats 'ORDERS.>' --watch
  kahawai stats --json | jq '.destinations[] | select(.size > 1000)'

Asks ActiveMQ's statistics destinations where the broker has them (StatisticsBrokerPlugin); otherwise what exists is learned from
advisories and depths are counted by browsing, up to --depth-limit. A Kahawai tells of its bridges to other brokers too.";

/// Asked first, as a topic: a broker that knows nothing of it drops the question, where a queue would keep it.
const BROKER_QUESTION: &str = "ActiveMQ.Statistics.Broker";

/// How long a broker that answers statistics may take to begin.
const ANSWER_WAIT: Duration = Duration::from_millis(700);

/// Advisories about what exists come at once: after so long a silence there are no more.
const ADVISORIES_WAIT: Duration = Duration::from_millis(400);

/// ActiveMQ shows browsers no more than this, unless it is told to (`maxBrowsePageSize`).
const ACTIVEMQ_BROWSE_MAX: u64 = 400;

/// Options of `kahawai stats`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsOptions {
    #[command(flatten)]
    broker: BrokerOptions,

    /// Which destinations: NAME, a pattern (ORDERS.>), or topic://PATTERN. All where it is not given.
    #[arg(value_name = "DESTINATION", value_parser = address::destination)]
    destination: Option<Destination>,

    /// Again and again, with messages a second in between; every 2 s, or so often.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s", value_parser = quantity::time)]
    watch: Option<Duration>,

    /// Where depths are counted by browsing: count so far.
    #[arg(long, value_name = "N", default_value = "10000")]
    depth_limit: u64,

    /// Tell as JSON: a line each time.
    #[arg(long)]
    json: bool,
}

/// What is known of one destination. What is not told is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Statistics {
    size: Option<u64>,
    /// The size is at least this.
    is_at_least: bool,
    enqueue_count: Option<u64>,
    dequeue_count: Option<u64>,
    inflight_count: Option<u64>,
    expired_count: Option<u64>,
    consumer_count: Option<u64>,
    producer_count: Option<u64>,
}

/// What a broker says of itself. What is not told is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct BrokerLine {
    name: Option<String>,
    memory_usage: Option<u64>,
    memory_limit: Option<u64>,
    /// How durable what is sent is when it is answered, where no policy says otherwise.
    journal_disk_sync_strategy: Option<String>,
    /// Bytes that were answered and are lost if its machine fails now.
    bytes_at_risk: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    destination: &'a str,
    #[serde(flatten)]
    statistics: &'a Statistics,
    enqueue_rate: Option<f64>,
    dequeue_rate: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    /// `statistics` or `advisories`.
    source: &'static str,
    broker: Option<&'a BrokerLine>,
    /// Those to other brokers.
    bridges: &'a [BridgeLine],
    destinations: Vec<Line<'a>>,
}

type Found = BTreeMap<String, Statistics>;

/// Tells.
///
/// # Errors
/// Where the broker cannot be reached or goes away.
pub(crate) async fn run(options: StatsOptions) -> Result<(), Failure> {
    let connection = options.broker.connect().await?;
    let session = connection.session().await?;
    let mut broker = ask_broker(&connection, &session).await?;
    let has_statistics = broker.as_ref().is_some_and(has_counts);
    let mut before: Option<(Instant, Found)> = None;
    loop {
        let about = broker.as_ref().map(broker_line);
        let bridges = broker.as_ref().map(bridges::read).unwrap_or_default();
        let found = if has_statistics {
            by_statistics(&connection, &session, options.destination.as_ref()).await?
        } else {
            by_advisories(&connection, &session, &options).await?
        };
        let now = Instant::now();
        tell(&options, has_statistics, (about.as_ref(), &bridges), before.as_ref(), now, &found)?;
        let Some(interval) = options.watch else { break };
        before = Some((now, found));
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
        if broker.is_some() {
            broker = ask_broker(&connection, &session).await?;
        }
    }
    connection.close().await?;
    Ok(())
}

/// What the broker says of itself, if it says anything.
async fn ask_broker(connection: &Connection, session: &Session) -> Result<Option<PrimitiveMap>, Failure> {
    Ok(ask(connection, session, &Destination::topic(BROKER_QUESTION)).await?.pop())
}

/// Whether a broker that says this of itself counts messages: then it can be asked of its destinations too.
fn has_counts(broker: &PrimitiveMap) -> bool {
    broker.get("enqueueCount").is_some()
}

fn broker_line(map: &PrimitiveMap) -> BrokerLine {
    let text = |name: &str| match map.get(name) {
        Some(Value::Text(text)) => Some(text.to_string()),
        _ => None,
    };
    BrokerLine {
        name: text("brokerName"),
        memory_usage: count(map, "memoryUsage"),
        memory_limit: count(map, "memoryLimit"),
        journal_disk_sync_strategy: text("journalDiskSyncStrategy"),
        bytes_at_risk: count(map, "bytesAtRisk"),
    }
}

fn count(map: &PrimitiveMap, name: &str) -> Option<u64> {
    match map.get(name) {
        Some(Value::Long(value)) => u64::try_from(*value).ok(),
        Some(Value::Integer(value)) => u64::try_from(*value).ok(),
        _ => None,
    }
}

/// Sends a question, gives the answers: maps.
async fn ask(
    connection: &Connection,
    session: &Session,
    question: &Destination,
) -> Result<Vec<PrimitiveMap>, Failure> {
    const END: &str = "ActiveMQ.Statistics.Destination.List.End.With.Null";
    let answers_to = connection.temporary_queue().await?;
    let mut consumer = session.consumer(Destination::from(&answers_to)).await?;
    let producer = session.producer(question.clone()).await?;
    let asked = Message::empty().persistent(false).reply_to(&answers_to).property(END, true);
    producer.send(asked).await?;
    let mut answers = Vec::new();
    while let Ok(Some(delivery)) = tokio::time::timeout(ANSWER_WAIT, consumer.next()).await {
        match delivery?.body()? {
            Body::Map(map) if map.get("brokerName").is_some() => answers.push(map),
            // The end of the list.
            _ => break,
        }
        if &*question.physical_name == BROKER_QUESTION {
            break;
        }
    }
    consumer.close().await?;
    answers_to.delete(connection).await?;
    Ok(answers)
}

async fn by_statistics(
    connection: &Connection,
    session: &Session,
    only: Option<&Destination>,
) -> Result<Found, Failure> {
    let questions = match only {
        Some(only) => vec![only.clone()],
        None => vec![Destination::queue(">"), Destination::topic(">")],
    };
    let mut found = Found::new();
    for asked in questions {
        let name = format!("ActiveMQ.Statistics.Destination.{}", asked.physical_name);
        // A topic's question goes to a topic; its answers are as many.
        let question = Destination::new(asked.kind, name);
        for map in ask(connection, session, &question).await? {
            let Some(Value::Text(name)) = map.get("destinationName") else { continue };
            let name = name.to_string();
            if only.is_some() || !name.contains("://ActiveMQ.") {
                found.insert(name, statistics_of(&map));
            }
        }
    }
    Ok(found)
}

fn statistics_of(map: &PrimitiveMap) -> Statistics {
    let count = |name| count(map, name);
    Statistics {
        size: count("size"),
        is_at_least: false,
        enqueue_count: count("enqueueCount"),
        dequeue_count: count("dequeueCount"),
        inflight_count: count("inflightCount"),
        expired_count: count("expiredCount"),
        consumer_count: count("consumerCount"),
        producer_count: count("producerCount"),
    }
}

async fn by_advisories(
    connection: &Connection,
    session: &Session,
    options: &StatsOptions,
) -> Result<Found, Failure> {
    let only = options.destination.as_ref();
    let is_wanted = |destination: &Destination| {
        let is_ours = destination.physical_name.starts_with("ActiveMQ.Advisory.")
            || &*destination.physical_name == BROKER_QUESTION;
        only.map_or(!is_ours, |only| {
            only.kind == destination.kind && matches(&only.physical_name, &destination.physical_name)
        })
    };
    let mut found: BTreeMap<Destination, Statistics> = BTreeMap::new();
    for topic in ["ActiveMQ.Advisory.Queue", "ActiveMQ.Advisory.Topic"] {
        for command in advisories(session, topic).await? {
            let Command::DestinationInfo(info) = command else { continue };
            let destination = info.destination.as_deref().filter(|destination| is_wanted(destination));
            let Some(destination) = destination else { continue };
            if info.operation == DestinationInfo::ADD {
                let statistics = Statistics { consumer_count: Some(0), ..Statistics::default() };
                found.insert(destination.clone(), statistics);
            } else {
                found.remove(destination);
            }
        }
    }
    for topic in ["ActiveMQ.Advisory.Consumer.Queue.>", "ActiveMQ.Advisory.Consumer.Topic.>"] {
        for command in advisories(session, topic).await? {
            let Command::ConsumerInfo(info) = command else { continue };
            let consumed = info.destination.as_deref().and_then(|destination| found.get_mut(destination));
            if let Some(Statistics { consumer_count: Some(count), .. }) = consumed {
                *count += 1;
            }
        }
    }
    for (destination, statistics) in &mut found {
        if destination.kind.is_queue() && !destination.kind.is_temporary() {
            let size = look(connection, destination, None, options.depth_limit, |_| Ok(())).await?;
            statistics.size = Some(size);
            statistics.is_at_least = size == options.depth_limit || size == ACTIVEMQ_BROWSE_MAX;
        }
    }
    Ok(found.into_iter().map(|(destination, statistics)| (destination.to_string(), statistics)).collect())
}

/// What a broker announces at once to a new listener: what there is.
async fn advisories(session: &Session, topic: &str) -> Result<Vec<Command>, Failure> {
    let mut consumer = session.consumer(ConsumerOptions::topic(topic)).await?;
    let mut commands = Vec::new();
    while let Ok(Some(delivery)) = tokio::time::timeout(ADVISORIES_WAIT, consumer.next()).await {
        if let Some(DataStructure::Command(command)) = &delivery?.wire().data_structure {
            commands.push(command.clone());
        }
    }
    consumer.close().await?;
    Ok(commands)
}

/// Whether a name matches a pattern in ActiveMQ's words: `*` is one part between dots, `>` is all that is left.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = name.split('.');
    for wanted in pattern.split('.') {
        match (wanted, parts.next()) {
            (">", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

fn tell(
    options: &StatsOptions,
    has_statistics: bool,
    (broker, bridges): (Option<&BrokerLine>, &[BridgeLine]),
    before: Option<&(Instant, Found)>,
    now: Instant,
    found: &Found,
) -> Result<(), Failure> {
    let rate = |name: &str, of: fn(&Statistics) -> Option<u64>| {
        let (at, before) = before?;
        let grown = of(found.get(name)?)?.checked_sub(of(before.get(name)?)?)?;
        Some(grown as f64 / now.duration_since(*at).as_secs_f64())
    };
    let lines: Vec<_> = found
        .iter()
        .map(|(name, statistics)| Line {
            destination: name,
            statistics,
            enqueue_rate: rate(name, |statistics| statistics.enqueue_count),
            dequeue_rate: rate(name, |statistics| statistics.dequeue_count),
        })
        .collect();
    if options.json {
        let source = if has_statistics { "statistics" } else { "advisories" };
        return output::json(&Told { source, broker, bridges, destinations: lines });
    }
    if let Some(line) = broker.and_then(durability_line) {
        output::write(&line)?;
    }
    if options.destination.is_none() && !bridges.is_empty() {
        output::write(&(bridges::show(bridges) + "\n"))?;
    }
    if lines.is_empty() {
        return output::write("no such destinations\n");
    }
    let mut table = Table::new(&[
        "destination",
        ">messages",
        ">consumers",
        ">producers",
        ">enqueued",
        ">dequeued",
        ">in flight",
        ">expired",
        ">in/s",
        ">out/s",
    ]);
    let count = |value: Option<u64>| value.map_or("-".to_owned(), |value| grouped(value as f64));
    let pace = |value: Option<f64>| value.map_or("-".to_owned(), number);
    for line in &lines {
        let Statistics { size, is_at_least, .. } = line.statistics;
        let size = if *is_at_least { format!("≥ {}", count(*size)) } else { count(*size) };
        table.row([
            line.destination.to_owned(),
            size,
            count(line.statistics.consumer_count),
            count(line.statistics.producer_count),
            count(line.statistics.enqueue_count),
            count(line.statistics.dequeue_count),
            count(line.statistics.inflight_count),
            count(line.statistics.expired_count),
            pace(line.enqueue_rate),
            pace(line.dequeue_rate),
        ]);
    }
    let mut text = table.without_columns_of("-").to_string();
    if options.watch.is_some() {
        text.push('\n');
    }
    output::write(&text)
}

/// What a failure of the machine costs; none where the broker does not tell, or nothing is at risk and everybody expects that.
fn durability_line(broker: &BrokerLine) -> Option<String> {
    let strategy = broker.journal_disk_sync_strategy.as_deref()?;
    let risk = match broker.bytes_at_risk.unwrap_or_default() {
        0 if strategy == "always" => return None,
        0 => "all that was answered is on the disk".to_owned(),
        at_risk => {
            format!("{} bytes answered that are lost if its machine fails now", grouped(at_risk as f64))
        }
    };
    Some(format!("journalDiskSyncStrategy {strategy}: {risk}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_parts() {
        for (pattern, name, expected) in [
            (">", "A.B", true),
            ("A.>", "A.B.C", true),
            ("A.*", "A.B", true),
            ("A.*", "A.B.C", false),
            ("A.B", "A.B", true),
            ("A.B", "A", false),
            ("A", "A.B", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
