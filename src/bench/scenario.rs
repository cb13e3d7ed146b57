//! What a run does: the scenarios, and a scenario with all its numbers filled in.

use std::time::Duration;

use clap::ValueEnum;
use kahawai_client::{ConsumerOptions, Destination};
use serde::Serialize;

use crate::bench::options::BrokerBenchOptions;
use crate::bench::stamp::STAMP_BYTES;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Send persistent messages, each waiting for its answer; consume them afterwards. 32 producers, 1 queue.
    SyncSend,
    /// Send persistent messages in transactions; consume them afterwards. 4 producers, 1 queue.
    TransactedSend,
    /// Send persistent messages, each waiting for its answer, and consume them meanwhile. 10 producers, 10 consumers, 10 queues.
    EndToEnd,
    /// Send persistent messages, many unanswered at a time; then consume them. Both are measured. 4 producers, 4 consumers, 1 queue.
    FillDrain,
    /// Publish persistent messages to a topic that each of the durable subscriptions must have. 1 producer, 4 subscriptions.
    DurableTopic,
    /// Send non-persistent messages and consume them meanwhile. 4 producers, 4 consumers, 4 queues.
    NonPersistent,
    /// Send and consume at a steady pace (200 a second), connect again whenever the broker goes, and tell how long each pause was.
    FailoverWatch,
    /// All but failover-watch, one after the other.
    All,
}

impl Scenario {
    /// The scenarios to run, in order.
    pub(super) fn each(asked: &[Self]) -> Vec<Self> {
        let mut each = Vec::new();
        for scenario in asked {
            match scenario {
                Self::All => each.extend([
                    Self::SyncSend,
                    Self::TransactedSend,
                    Self::EndToEnd,
                    Self::FillDrain,
                    Self::DurableTopic,
                    Self::NonPersistent,
                ]),
                one => each.push(*one),
            }
        }
        each
    }

    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SyncSend => "sync-send",
            Self::TransactedSend => "transacted-send",
            Self::EndToEnd => "end-to-end",
            Self::FillDrain => "fill-drain",
            Self::DurableTopic => "durable-topic",
            Self::NonPersistent => "non-persistent",
            Self::FailoverWatch => "failover-watch",
            Self::All => "all",
        }
    }
}

/// How a producer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Each send waits for its answer.
    Synchronous,
    /// So many sends may be unanswered.
    Pipelined(u32),
    /// So many sends a commit.
    Transacted(u32),
    /// Nothing is answered.
    NonPersistent,
}

/// When consumers consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consuming {
    /// While producers send; that is measured.
    Meanwhile,
    /// When they have ended; measured.
    Afterwards,
    /// When they have ended, to account for every message; not measured.
    ToAccount,
}

/// A scenario with all its numbers.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) scenario: Scenario,
    pub(super) sending: Sending,
    pub(super) consuming: Consuming,
    pub(super) producers: u32,
    pub(super) consumers: u32,
    pub(super) destinations: u32,
    pub(super) is_topic: bool,
    pub(super) size: usize,
    /// Messages a second, all producers together.
    pub(super) rate: Option<u64>,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    /// Messages, all producers together.
    pub(super) count: Option<u64>,
    pub(super) ahead: u32,
    pub(super) prefetch: Option<u32>,
    pub(super) threads: u32,
    pub(super) patience: Duration,
    /// Whether lost connections are opened again rather than the end of the run.
    pub(super) reconnects: bool,
    /// Random; in names and stamps.
    pub(super) run: u64,
    prefix: String,
}

/// What failover-watch sends a second unless it is told.
const WATCH_RATE: u64 = 200;

impl Plan {
    /// Fills in what the options leave open.
    pub(super) fn new(scenario: Scenario, options: &BrokerBenchOptions, run: u64) -> Self {
        let (producers, consumers, destinations) = match scenario {
            Scenario::SyncSend => (32, 4, 1),
            Scenario::TransactedSend | Scenario::FillDrain => (4, 4, 1),
            Scenario::EndToEnd | Scenario::All => (10, 10, 10),
            Scenario::DurableTopic => (1, 4, 1),
            Scenario::NonPersistent => (4, 4, 4),
            Scenario::FailoverWatch => (1, 1, 1),
        };
        let sending = match scenario {
            Scenario::TransactedSend => Sending::Transacted(options.batch),
            Scenario::FillDrain => Sending::Pipelined(options.window),
            Scenario::NonPersistent => Sending::NonPersistent,
            _ => Sending::Synchronous,
        };
        let consuming = match scenario {
            Scenario::SyncSend | Scenario::TransactedSend => Consuming::ToAccount,
            Scenario::FillDrain => Consuming::Afterwards,
            _ => Consuming::Meanwhile,
        };
        let is_watch = scenario == Scenario::FailoverWatch;
        let is_topic = scenario == Scenario::DurableTopic;
        let producers = options.producers.unwrap_or(producers);
        let destinations = options.queues.unwrap_or_else(|| destinations.min(producers)).min(producers);
        // A queue without a consumer would keep its messages.
        let consumers = options.consumers.unwrap_or_else(|| consumers.max(destinations)).max(destinations);
        let warm_up =
            if options.count.is_some() || is_watch { Duration::ZERO } else { Duration::from_secs(2) };
        Self {
            scenario,
            sending,
            consuming,
            producers,
            consumers,
            destinations,
            is_topic,
            size: (options.size as usize).max(STAMP_BYTES),
            rate: options.rate.or(is_watch.then_some(WATCH_RATE)),
            warm_up: options.warm_up.unwrap_or(warm_up),
            duration: options.duration,
            count: options.count,
            ahead: options.ahead,
            prefetch: options.prefetch,
            threads: options.threads,
            patience: options.patience,
            reconnects: is_watch,
            run,
            prefix: options.prefix.clone(),
        }
    }

    fn destination(&self, number: u32) -> Destination {
        let name = format!("{}.{}.{:016x}.{number}", self.prefix, self.scenario.name(), self.run);
        if self.is_topic { Destination::topic(name) } else { Destination::queue(name) }
    }

    /// Where a producer sends to.
    pub(super) fn destination_of_producer(&self, producer: u32) -> Destination {
        self.destination(producer % self.destinations)
    }

    /// What a consumer consumes.
    pub(super) fn consumer(&self, consumer: u32) -> ConsumerOptions {
        let destination = self.destination(consumer % self.destinations);
        let options = if self.is_topic {
            ConsumerOptions::durable(destination.physical_name, Self::SUBSCRIPTION)
        } else {
            ConsumerOptions::new(destination)
        };
        match self.prefetch {
            Some(prefetch) => options.prefetch(prefetch),
            None => options,
        }
    }

    /// The name of a durable subscription, within its client id.
    pub(super) const SUBSCRIPTION: &str = "bench";

    /// The client id of a durable subscription.
    pub(super) fn client_id(&self, consumer: u32) -> String {
        format!("{}.{:016x}.{consumer}", self.prefix, self.run)
    }

    /// Which consumers' books a message goes into: each durable subscription has its own, those of queues share one.
    pub(super) fn subscription(&self, consumer: u32) -> u32 {
        // Subscriptions to one topic are consumers that are whole rounds apart.
        if self.is_topic { consumer / self.destinations } else { 0 }
    }

    /// How many subscriptions must have each message.
    pub(super) fn subscriptions(&self) -> u32 {
        if self.is_topic { self.consumers / self.destinations } else { 1 }
    }

    /// Consumers that take part: as many for each topic.
    pub(super) fn consumers(&self) -> u32 {
        if self.is_topic { self.subscriptions() * self.destinations } else { self.consumers }
    }

    /// In a line.
    pub(super) fn describe(&self) -> String {
        let number = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let consumers = if self.is_topic { "durable subscription" } else { "consumer" };
        let how = match self.sending {
            Sending::Synchronous => "persistent, each send answered".to_owned(),
            Sending::Pipelined(window) => format!("persistent, up to {window} sends unanswered"),
            Sending::Transacted(batch) => format!("persistent, {batch} a commit"),
            Sending::NonPersistent => "non-persistent".to_owned(),
        };
        let pace = match self.rate {
            Some(rate) => format!("{rate} messages/s asked for"),
            None => "as fast as it goes".to_owned(),
        };
        format!(
            "{}, {}, {}, {} B {how}, {pace}",
            number(self.producers, "producer"),
            number(self.consumers(), consumers),
            number(self.destinations, if self.is_topic { "topic" } else { "queue" }),
            self.size,
        )
    }
}
