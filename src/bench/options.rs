//! The command line of `kahawai bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::bench::scenario::Scenario;
use crate::bench::store::options::StoreBenchOptions;
use crate::connect::BrokerOptions;
use crate::quantity;

const EXAMPLES: &str = "\
Examples:
  kahawai bench
      ten producers and ten consumers on ten queues of the broker on this machine, for ten seconds

  kahawai bench --url tcp://broker:61616 --scenario sync-send --producers 32
      how many persistent messages a second the broker takes, every send waiting for its answer

  kahawai bench --scenario end-to-end --rate 2000 --duration 60 --svg latency.svg
      latency at a fixed load; what the broker delays counts, for the messages held back by it too

  kahawai bench --scenario failover-watch --url 'failover:(tcp://a:61616,tcp://b:61616)' --duration 5m
      stop the master meanwhile: how long clients wait, and whether a message is lost

  kahawai bench --scenario all --json > results.json

  kahawai bench store --directory /var/lib/kahawai
      what this disk can do, and how near to it each storage engine comes; needs no broker

Every message is accounted for. The exit code is 8 where one was lost, came twice unmarked or out of order.";

/// Options of `kahawai bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct BenchCommand {
    #[command(subcommand)]
    pub(crate) what: Option<BenchWhat>,

    #[command(flatten)]
    pub(crate) broker: BrokerBenchOptions,
}

/// What else can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchWhat {
    /// Measure storage engines on a directory, against what the device under it can do. Needs no broker.
    Store(StoreBenchOptions),
}

/// What is sent how to a broker.
#[derive(Clone, Debug, Args)]
pub(crate) struct BrokerBenchOptions {
    #[command(flatten)]
    pub(crate) broker: BrokerOptions,

    /// What to do; may be given several times.
    #[arg(long, value_enum, value_name = "SCENARIO", default_value = "end-to-end", value_delimiter = ',')]
    pub(crate) scenario: Vec<Scenario>,

    /// How many producers, each with a connection of its own. [default: by scenario]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) producers: Option<u32>,

    /// How many consumers (durable-topic: subscriptions), each with a connection of its own. [default: by scenario]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) consumers: Option<u32>,

    /// How many queues (durable-topic: topics) producers and consumers are spread over. [default: by scenario]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) queues: Option<u32>,

    /// The size of a body: bytes, or with a suffix; at least 40.
    #[arg(long, value_name = "SIZE", default_value = "1kb", value_parser = quantity::bytes)]
    pub(crate) size: u64,

    /// Messages a second, all producers together. Without it each producer sends as fast as it is let. With it latency
    /// counts from when a message was due, so that a broker that stalls is charged for all that it held up.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) rate: Option<u64>,

    /// How long to send in the measured time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::time)]
    pub(crate) duration: Duration,

    /// Stop when so many messages were sent, all producers together, the warm-up's included; otherwise --duration decides.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// How long to send before measuring begins. [default: 2s; 0 with --count]
    #[arg(long, value_name = "TIME", value_parser = quantity::time)]
    pub(crate) warm_up: Option<Duration>,

    /// Messages a commit (transacted-send).
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,

    /// How many unanswered sends a producer may have (fill-drain).
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) window: u32,

    /// How far a producer may be ahead of those who consume from it, in messages, where they consume meanwhile. Without
    /// a bound the broker's queue would be measured, not the broker.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) ahead: u32,

    /// Consumers' prefetch. [default: ActiveMQ's: queues 1000, durable subscriptions 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32_767))]
    pub(crate) prefetch: Option<u32>,

    /// Threads of the generator. One drives more than 100000 messages a second.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,

    /// How long to wait for messages that do not come before they count as lost.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = quantity::time)]
    pub(crate) patience: Duration,

    /// What destinations' names begin with. They stay behind, empty.
    #[arg(long, value_name = "NAME", default_value = "kahawai.bench")]
    pub(crate) prefix: String,

    /// Write the results as JSON on standard output, instead of as tables.
    #[arg(long)]
    pub(crate) json: bool,

    /// Draw a chart into this file: messages a second over time, and latency by percentile.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}
