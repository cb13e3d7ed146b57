//! `kahawai browse`, `kahawai move`, `kahawai purge`

use std::time::Duration;

use clap::Args;
use kahawai_client::{Connection, ConsumerOptions, Delivery, Destination};
use serde_json::json;

use crate::connect::BrokerOptions;
use crate::exit::{Exit, Failure};
use crate::figures::counted;
use crate::messages::relay::{Fate, Taking, relay};
use crate::messages::{address, show};
use crate::table::Table;
use crate::{output, quantity};

const BROWSE_EXAMPLES: &str = "\
Examples:
  kahawai browse ORDERS
  kahawai browse ORDERS --selector \"JMSPriority > 6\" --limit 20
  kahawai browse ORDERS --json | jq .properties

Nothing is taken from the queue. ActiveMQ shows at most 400 messages (maxBrowsePageSize).";

const MOVE_EXAMPLES: &str = "\
Examples:
  kahawai move ORDERS ORDERS.OLD
  kahawai move ActiveMQ.DLQ ORDERS --selector \"type = 'order'\" --count 100

In transactions: a message is in one queue or the other, whatever happens. Messages get new ids; all else stays.";

const PURGE_EXAMPLES: &str = "\
Examples:
  kahawai purge ORDERS.OLD --yes
  kahawai purge ORDERS --selector \"test = TRUE\" --yes";

/// A body in a table has at most so many characters.
const BODY_WIDTH: usize = 60;

/// Options of `kahawai browse`.
#[derive(Debug, Args)]
#[command(after_help = BROWSE_EXAMPLES)]
pub(crate) struct BrowseOptions {
    #[command(flatten)]
    broker: BrokerOptions,

    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = address::queue)]
    queue: Destination,

    /// Only messages that this selector matches, in JMS syntax (SQL 92).
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,

    /// Show at most so many.
    #[arg(long, value_name = "N", default_value = "100")]
    limit: u64,

    /// A line of JSON for each message: headers, properties, body.
    #[arg(long)]
    json: bool,
}

/// Options of `kahawai move`.
#[derive(Debug, Args)]
#[command(after_help = MOVE_EXAMPLES)]
pub(crate) struct MoveOptions {
    #[command(flatten)]
    broker: BrokerOptions,

    /// The queue to take from.
    #[arg(value_name = "FROM", value_parser = address::queue)]
    from: Destination,

    /// Where to put them: NAME or queue://NAME, topic://NAME.
    #[arg(value_name = "TO", value_parser = address::target)]
    to: Destination,

    /// Only messages that this selector matches, in JMS syntax (SQL 92).
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,

    /// At most so many.
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// The queue counts as empty when nothing came for so long.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = quantity::time)]
    wait: Duration,

    /// Tell on standard output as JSON what was done.
    #[arg(long)]
    json: bool,
}

/// Options of `kahawai purge`.
#[derive(Debug, Args)]
#[command(after_help = PURGE_EXAMPLES)]
pub(crate) struct PurgeOptions {
    #[command(flatten)]
    broker: BrokerOptions,

    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = address::queue)]
    queue: Destination,

    /// Only messages that this selector matches, in JMS syntax (SQL 92).
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,

    /// Do it: what is purged is gone.
    #[arg(long)]
    yes: bool,

    /// The queue counts as empty when nothing came for so long.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = quantity::time)]
    wait: Duration,

    /// Tell on standard output as JSON what was done.
    #[arg(long)]
    json: bool,
}

/// How long a browser may be silent before it counts as at its end: only where a broker never says so.
const BROWSE_PATIENCE: Duration = Duration::from_secs(10);

/// Looks at a queue's messages, one after the other, until all were seen or `limit` were.
pub(super) async fn look(
    connection: &Connection,
    queue: &Destination,
    selector: Option<&str>,
    limit: u64,
    mut seen: impl FnMut(&Delivery) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut options = ConsumerOptions::browse(queue.physical_name.clone());
    if let Some(selector) = selector {
        options = options.selector(selector);
    }
    let mut consumer = connection.session().await?.consumer(options).await?;
    let mut count = 0;
    while count < limit {
        let delivery = match tokio::time::timeout(BROWSE_PATIENCE, consumer.next()).await {
            Ok(Some(delivery)) => delivery?,
            Ok(None) | Err(_) => break,
        };
        seen(&delivery)?;
        count += 1;
    }
    consumer.close().await?;
    Ok(count)
}

/// Shows a queue's messages.
///
/// # Errors
/// Where the broker cannot be reached, refuses or goes away.
pub(crate) async fn browse(options: BrowseOptions) -> Result<(), Failure> {
    let connection = options.broker.connect().await?;
    let mut table = Table::new(&["id", "sent", ">prio", "mode", "type", "correlation id", "body"]);
    let shown = look(&connection, &options.queue, options.selector.as_deref(), options.limit, |delivery| {
        if options.json {
            return output::json(&show::json_of(delivery));
        }
        table.row([
            delivery.message_id().unwrap_or_default(),
            show::date(delivery.wire().timestamp),
            delivery.priority().to_string(),
            if delivery.is_persistent() { "persistent" } else { "non-persistent" }.to_owned(),
            delivery.message_type().unwrap_or_default().to_owned(),
            delivery.correlation_id().unwrap_or_default().to_owned(),
            show::line_of_body(delivery, BODY_WIDTH),
        ]);
        Ok(())
    })
    .await?;
    connection.close().await?;
    if options.json {
        return Ok(());
    }
    if shown == 0 {
        return output::write(&format!("{} shows no messages\n", options.queue));
    }
    let more = if shown == options.limit { " (the limit: there may be more)" } else { "" };
    output::write(&format!("{table}{}{more}\n", counted(shown as u64, "message")))
}

/// Moves messages.
///
/// # Errors
/// As [`browse`].
pub(crate) async fn move_messages(options: MoveOptions) -> Result<(), Failure> {
    if options.from == options.to {
        return Err(Failure::new(Exit::Other, "FROM and TO are the same queue: nothing to move"));
    }
    let connection = options.broker.connect().await?;
    let taking = Taking {
        queue: &options.from,
        selector: options.selector.as_deref(),
        count: options.count,
        wait: options.wait,
    };
    let moved = relay(&connection, taking, "moved", |delivery| {
        Ok(Fate::To(options.to.clone(), Box::new((**delivery.wire()).clone())))
    })
    .await?;
    connection.close().await?;
    if options.json {
        let (from, to) = (options.from.to_string(), options.to.to_string());
        return output::json(&json!({"from": from, "to": to, "moved": moved}));
    }
    output::write(&format!(
        "moved {} from {} to {}\n",
        counted(moved as u64, "message"),
        options.from,
        options.to
    ))
}

/// Takes messages away.
///
/// # Errors
/// As [`browse`]; without `--yes`.
pub(crate) async fn purge(options: PurgeOptions) -> Result<(), Failure> {
    if !options.yes {
        let told = format!("{} would lose its messages for good: say --yes", options.queue);
        return Err(Failure::new(Exit::Other, told));
    }
    let connection = options.broker.connect().await?;
    let taking = Taking {
        queue: &options.queue,
        selector: options.selector.as_deref(),
        count: None,
        wait: options.wait,
    };
    let purged = relay(&connection, taking, "purged", |_| Ok(Fate::Gone)).await?;
    connection.close().await?;
    if options.json {
        return output::json(&json!({"queue": options.queue.to_string(), "purged": purged}));
    }
    output::write(&format!("purged {} of {}\n", counted(purged as u64, "message"), options.queue))
}
