//! A scenario with all its numbers filled in.

use std::time::Duration;

use kahawai_client::{ConsumerOptions, Destination};

use super::options::BrokerBenchOptions;
use super::scenario::Scenario;
use super::stamp::STAMP_BYTES;

/// How a producer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
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
pub(crate) enum Consuming {
    /// While producers send; that is measured.
    Meanwhile,
    /// When they have ended; measured.
    Afterwards,
    /// When they have ended, to account for every message; not measured.
    ToAccount,
}

/// A scenario with all its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) sending: Sending,
    pub(crate) consuming: Consuming,
    pub(crate) producers: u32,
    pub(crate) consumers: u32,
    pub(crate) destinations: u32,
    pub(crate) is_topic: bool,
    pub(crate) size: usize,
    /// Messages a second, all producers together.
    pub(crate) rate: Option<u64>,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Messages, all producers together.
    pub(crate) count: Option<u64>,
    pub(crate) ahead: u32,
    pub(crate) prefetch: Option<u32>,
    pub(crate) threads: u32,
    pub(crate) patience: Duration,
    /// Whether lost connections are opened again rather than the end of the run.
    pub(crate) reconnects: bool,
    /// Random; in names and stamps.
    pub(crate) run: u64,
    prefix: String,
}

impl Plan {
    /// Fills in what the options leave open.
    pub(crate) fn new(scenario: Scenario, options: &BrokerBenchOptions, run: u64) -> Self {
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
    pub(crate) fn destination_of_producer(&self, producer: u32) -> Destination {
        self.destination(producer % self.destinations)
    }

    /// What a consumer consumes.
    pub(crate) fn consumer(&self, consumer: u32) -> ConsumerOptions {
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
    pub(crate) const SUBSCRIPTION: &str = "bench";

    /// The client id of a durable subscription.
    pub(crate) fn client_id(&self, consumer: u32) -> String {
        format!("{}.{:016x}.{consumer}", self.prefix, self.run)
    }

    /// Which consumers' books a message goes into: each durable subscription has its own, those of queues share one.
    pub(crate) fn subscription(&self, consumer: u32) -> u32 {
        // Subscriptions to one topic are consumers that are whole rounds apart.
        if self.is_topic { consumer / self.destinations } else { 0 }
    }

    /// How many subscriptions must have each message.
    pub(crate) fn subscriptions(&self) -> u32 {
        if self.is_topic { self.consumers / self.destinations } else { 1 }
    }

    /// Consumers that take part: as many for each topic.
    pub(crate) fn consumers(&self) -> u32 {
        if self.is_topic { self.subscriptions() * self.destinations } else { self.consumers }
    }

    /// In a line.
    pub(crate) fn describe(&self) -> String {
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

/// What failover-watch sends a second unless it is told.
pub(crate) const WATCH_RATE: u64 = 200;
