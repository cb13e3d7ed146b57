//! `kahawai dlq`: what could not be delivered, and back with it.

use std::time::Duration;

use clap::{Args, Subcommand};
use kahawai_client::{Delivery, Destination, PrimitiveMap};
use kahawai_openwire::body;
use serde_json::json;

use crate::connect::BrokerOptions;
use crate::exit::{Exit, Failure};
use crate::figures::counted;
use crate::messages::queue::look;
use crate::messages::relay::{Fate, Taking, relay};
use crate::messages::{address, show};
use crate::table::Table;
use crate::{output, quantity};

const EXAMPLES: &str = "\
Examples:
  kahawai dlq list
  kahawai dlq list --json | jq .originalDestination
  kahawai dlq replay
      every message back to where it was dead-lettered from
  kahawai dlq replay --selector \"JMSType = 'order'\" --count 10
  kahawai dlq replay --queue DLQ.ORDERS --to ORDERS.REPAIR";

/// The property in which brokers say why (`ActiveMQMessage.DLQ_DELIVERY_FAILURE_CAUSE_PROPERTY`).
const CAUSE: &str = "dlqDeliveryFailureCause";

/// The property that keeps when it would have expired (`RegionBroker.ORIGINAL_EXPIRATION`).
const EXPIRATION: &str = "originalExpiration";

/// A cause in a table has at most so many characters, a body too.
const CAUSE_WIDTH: usize = 60;
const BODY_WIDTH: usize = 30;

/// Options of `kahawai dlq`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DeadLetterCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show dead letters, with where they were to go and why they did not.
    List(ListOptions),
    /// Send dead letters again to where they were to go.
    Replay(ReplayOptions),
}

#[derive(Debug, Args)]
struct DeadLetterQueue {
    #[command(flatten)]
    broker: BrokerOptions,

    /// The dead-letter queue.
    #[arg(long, value_name = "QUEUE", default_value = "ActiveMQ.DLQ", value_parser = address::queue)]
    queue: Destination,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct ListOptions {
    #[command(flatten)]
    dead: DeadLetterQueue,

    /// Show at most so many.
    #[arg(long, value_name = "N", default_value = "100")]
    limit: u64,

    /// A line of JSON for each message: headers, properties, body.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct ReplayOptions {
    #[command(flatten)]
    dead: DeadLetterQueue,

    /// Only messages that this selector matches, in JMS syntax (SQL 92).
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,

    /// At most so many.
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Send them there, not to where they were to go.
    #[arg(long, value_name = "DESTINATION", value_parser = address::target)]
    to: Option<Destination>,

    /// The dead-letter queue counts as empty when nothing came for so long.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = quantity::time)]
    wait: Duration,

    /// Tell on standard output as JSON what was done.
    #[arg(long)]
    json: bool,
}

/// Lists or replays.
///
/// # Errors
/// Where the broker cannot be reached, refuses or goes away; where a message does not say where it was to go.
pub(crate) async fn run(command: DeadLetterCommand) -> Result<(), Failure> {
    match command.what {
        What::List(options) => list(options).await,
        What::Replay(options) => replay(options).await,
    }
}

/// Where it was to go.
fn origin(delivery: &Delivery) -> Option<&Destination> {
    delivery.wire().original_destination.as_deref()
}

async fn list(options: ListOptions) -> Result<(), Failure> {
    let connection = options.dead.broker.connect().await?;
    let mut table = Table::new(&["id", "sent", "was to go to", "cause", "body"]);
    let shown = look(&connection, &options.dead.queue, None, options.limit, |delivery| {
        if options.json {
            return output::json(&show::json_of(delivery));
        }
        let cause = delivery.property(CAUSE).ok().flatten();
        let cause = cause.as_ref().map(show::json_of_value);
        let cause = cause.as_ref().and_then(|cause| cause.as_str()).unwrap_or("-").to_owned();
        table.row([
            delivery.message_id().unwrap_or_default(),
            show::date(delivery.wire().timestamp),
            origin(delivery).map_or_else(|| "-".to_owned(), ToString::to_string),
            show::shortened(&cause, CAUSE_WIDTH),
            show::line_of_body(delivery, BODY_WIDTH),
        ]);
        Ok(())
    })
    .await?;
    connection.close().await?;
    if options.json {
        return Ok(());
    }
    if table.is_empty() {
        return output::write(&format!("{} shows no messages\n", options.dead.queue));
    }
    let more = if shown == options.limit { " (the limit: there may be more)" } else { "" };
    output::write(&format!("{table}{}{more}\n", counted(shown as u64, "message")))
}

async fn replay(options: ReplayOptions) -> Result<(), Failure> {
    let connection = options.dead.broker.connect().await?;
    let taking = Taking {
        queue: &options.dead.queue,
        selector: options.selector.as_deref(),
        count: options.count,
        wait: options.wait,
    };
    let replayed = relay(&connection, taking, "replayed", |delivery| {
        let to = options.to.as_ref().or(origin(delivery)).cloned().ok_or_else(|| {
            let id = delivery.message_id().unwrap_or_default();
            Failure::new(Exit::Other, format!("message {id} does not say where it was to go: give --to"))
        })?;
        let mut wire = (**delivery.wire()).clone();
        wire.original_destination = None;
        let properties = delivery.properties()?;
        if properties.get(CAUSE).is_some() || properties.get(EXPIRATION).is_some() {
            // What the broker wrote into it when it was dead: the next time it is written anew.
            let mut kept = PrimitiveMap::new();
            for (name, value) in properties.iter().filter(|(name, _)| *name != CAUSE && *name != EXPIRATION) {
                kept.put(name.clone(), value.clone());
            }
            wire.marshalled_properties = (!kept.is_empty()).then(|| body::encode_properties(&kept));
        }
        Ok(Fate::To(to, Box::new(wire)))
    })
    .await?;
    connection.close().await?;
    if options.json {
        return output::json(&json!({"queue": options.dead.queue.to_string(), "replayed": replayed}));
    }
    output::write(&format!("replayed {} of {}\n", counted(replayed as u64, "message"), options.dead.queue))
}
