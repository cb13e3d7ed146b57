//! `kahawai receive`, `kahawai tail`, `kahawai subscribe`

use std::time::Duration;

use clap::Args;
use kahawai_client::{Acknowledge, Connection, Consumer, ConsumerOptions, Delivery, Destination};

use crate::connect::BrokerOptions;
use crate::exit::Failure;
use crate::messages::{address, show};
use crate::{output, quantity};

const RECEIVE_EXAMPLES: &str = "\
Examples:
  kahawai receive ORDERS
      what is there now; ends when nothing came for a second
  kahawai receive ORDERS --count 1 --wait 1m
      the next message, waiting for it up to a minute
  kahawai receive ORDERS --selector \"table > 3\" --json

A message is acknowledged when it was written to standard output, not before.";

const TAIL_EXAMPLES: &str = "\
Examples:
  kahawai tail topic://PRICES
  kahawai tail 'topic://PRICES.>' --json | jq .body
  kahawai tail ORDERS
      consumes the queue's messages: to look without taking, use browse

Ends with Ctrl-C.";

const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  kahawai subscribe topic://PRICES --client-id till-7 --name prices
      what the subscription kept, then what comes; Ctrl-C leaves it, and it goes on keeping
  kahawai subscribe topic://PRICES --client-id till-7 --name prices --count 0
      makes the subscription, and no more
  kahawai subscribe topic://PRICES --client-id till-7 --name prices --remove
      deletes it with what it keeps";

/// What to take, and how to show it.
#[derive(Clone, Debug, Args)]
pub(crate) struct TakeOptions {
    #[command(flatten)]
    broker: BrokerOptions,

    /// Only messages that this selector matches, in JMS syntax (SQL 92).
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,

    /// End after so many messages.
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// A line of JSON for each message: headers, properties, body. Otherwise the body alone, each ended by a new line.
    #[arg(long)]
    json: bool,
}

/// Options of `kahawai receive`.
#[derive(Debug, Args)]
#[command(after_help = RECEIVE_EXAMPLES)]
pub(crate) struct ReceiveOptions {
    /// Where from: NAME or queue://NAME, topic://NAME.
    #[arg(value_name = "DESTINATION", value_parser = address::destination)]
    destination: Destination,

    #[command(flatten)]
    take: TakeOptions,

    /// End when nothing came for so long.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = quantity::time)]
    wait: Duration,
}

/// Options of `kahawai tail`.
#[derive(Debug, Args)]
#[command(after_help = TAIL_EXAMPLES)]
pub(crate) struct TailOptions {
    /// Where from: NAME or queue://NAME, topic://NAME.
    #[arg(value_name = "DESTINATION", value_parser = address::destination)]
    destination: Destination,

    #[command(flatten)]
    take: TakeOptions,
}

/// Options of `kahawai subscribe`.
#[derive(Debug, Args)]
#[command(after_help = SUBSCRIBE_EXAMPLES)]
pub(crate) struct SubscribeOptions {
    /// The topic: topic://NAME, or NAME.
    #[arg(value_name = "TOPIC", value_parser = topic)]
    topic: Destination,

    /// The JMS client id, to which the subscription belongs.
    #[arg(long, value_name = "ID")]
    client_id: String,

    /// The subscription's name.
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Delete the subscription, with what it keeps.
    #[arg(long, conflicts_with_all = ["count", "wait"])]
    remove: bool,

    #[command(flatten)]
    take: TakeOptions,

    /// End when nothing came for so long; otherwise it goes on until Ctrl-C.
    #[arg(long, value_name = "TIME", value_parser = quantity::time)]
    wait: Option<Duration>,
}

fn topic(text: &str) -> Result<Destination, String> {
    let name = text.strip_prefix("topic://").unwrap_or(text);
    if name.is_empty() || name.contains("://") {
        return Err("needs a topic: NAME or topic://NAME".to_owned());
    }
    Ok(Destination::topic(name))
}

/// Receives what is there.
///
/// # Errors
/// Where the broker cannot be reached or goes away, or the output cannot be written.
pub(crate) async fn receive(options: ReceiveOptions) -> Result<(), Failure> {
    let connection = options.take.broker.connect().await?;
    let consumed = ConsumerOptions::new(options.destination);
    take(&connection, consumed, &options.take, Some(options.wait)).await
}

/// Receives what comes, without end.
///
/// # Errors
/// As [`receive`].
pub(crate) async fn tail(options: TailOptions) -> Result<(), Failure> {
    let connection = options.take.broker.connect().await?;
    take(&connection, ConsumerOptions::new(options.destination), &options.take, None).await
}

/// Receives from a durable subscription, or removes it.
///
/// # Errors
/// As [`receive`].
pub(crate) async fn subscribe(options: SubscribeOptions) -> Result<(), Failure> {
    let connection = options.take.broker.connect_as(&options.client_id).await?;
    if options.remove {
        connection.unsubscribe(&options.name).await?;
        connection.close().await?;
        return output::write(&format!("removed {} of {}\n", options.name, options.client_id));
    }
    let consumed = ConsumerOptions::durable(options.topic.physical_name, options.name);
    take(&connection, consumed, &options.take, options.wait).await
}

/// Takes messages until there are enough, nothing comes for as long as is waited, or a signal comes.
async fn take(
    connection: &Connection,
    consumed: ConsumerOptions,
    options: &TakeOptions,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    let mut consumed = consumed.acknowledge(Acknowledge::Explicit);
    if let Some(selector) = &options.selector {
        consumed = consumed.selector(selector.as_str());
    }
    if let Some(count) = options.count {
        // No more than are wanted: what else is sent here, others must wait for.
        consumed = consumed.prefetch(count.clamp(1, 1000) as u32);
    }
    let session = connection.session().await?;
    let mut consumer = session.consumer(consumed).await?;
    let mut taken = 0;
    while options.count.is_none_or(|count| taken < count) {
        let Some(delivery) = next(&mut consumer, wait).await? else { break };
        show(&delivery, options.json)?;
        // The answer is awaited when the consumer closes.
        drop(delivery.start_acknowledge()?);
        taken += 1;
    }
    consumer.close().await?;
    connection.close().await?;
    Ok(())
}

/// The next message; none where nothing comes for as long as is waited, or a signal comes.
pub(super) async fn next(
    consumer: &mut Consumer,
    wait: Option<Duration>,
) -> Result<Option<Delivery>, Failure> {
    let limit = async {
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        item = consumer.next() => Ok(item.transpose()?),
        () = limit => Ok(None),
        _ = tokio::signal::ctrl_c() => Ok(None),
    }
}

fn show(delivery: &Delivery, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&show::json_of(delivery));
    }
    let mut body = show::raw_body(delivery)?;
    body.push(b'\n');
    output::bytes(&body)
}
