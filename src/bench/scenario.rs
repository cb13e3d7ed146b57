//! What a run does: the scenarios.

use clap::ValueEnum;
use serde::Serialize;

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
