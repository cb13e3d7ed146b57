//! What the workers of a run share.

use std::sync::atomic::{AtomicU64, Ordering};

use kahawai_client::Error;
use tokio::sync::watch;

use super::ledger::Ledger;
use super::meter::{Clock, Meter};
use super::pace::{Credit, Quota};
use super::plan::{Consuming, Plan};
use crate::connect::BrokerOptions;

/// How far a run has got. Only ever onward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Connections are being opened.
    Connecting,
    /// Producers send.
    Sending,
    /// They do not any more; consumers still consume.
    Settling,
    /// Everybody closes.
    Closing,
}

/// Silence shorter than this is no pause, in nanoseconds.
const PAUSE_LEAST: u64 = 250_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) broker: BrokerOptions,
    pub(super) clock: Clock,
    pub(super) ledger: Ledger,
    pub(super) sends: Meter,
    pub(super) receipts: Meter,
    /// By producer; bounds nothing where nobody consumes meanwhile.
    pub(super) credits: Vec<Credit>,
    pub(super) quota: Quota,
    /// When sending began, by the clock.
    pub(super) begin: AtomicU64,
    /// Connections lost and opened again.
    pub(super) reconnections: AtomicU64,
    stage: watch::Sender<Stage>,
}

impl Run {
    pub(super) fn new(plan: Plan, broker: BrokerOptions) -> Self {
        let subscriptions = plan.subscriptions() as usize;
        let most = match plan.consuming {
            Consuming::Meanwhile => i64::from(plan.ahead) * subscriptions as i64,
            Consuming::Afterwards | Consuming::ToAccount => i64::MAX,
        };
        let pause_least = if plan.reconnects { PAUSE_LEAST } else { 0 };
        Self {
            clock: Clock::start(),
            ledger: Ledger::new(plan.producers as usize, subscriptions),
            sends: Meter::new(pause_least),
            receipts: Meter::new(pause_least),
            credits: (0..plan.producers).map(|_| Credit::new(most)).collect(),
            quota: Quota::new(plan.count),
            begin: AtomicU64::new(0),
            reconnections: AtomicU64::new(0),
            stage: watch::Sender::new(Stage::Connecting),
            plan,
            broker,
        }
    }

    /// The run is this far.
    pub(super) fn advance(&self, to: Stage) {
        if to >= Stage::Settling {
            self.quota.end();
        }
        self.stage.send_modify(|stage| *stage = to.max(*stage));
    }

    /// Waits until it is this far.
    pub(super) async fn reached(&self, stage: Stage) {
        let mut receiver = self.stage.subscribe();
        // The sender lives as long as this does.
        let _ = receiver.wait_for(|at| *at >= stage).await;
    }

    pub(super) fn is_reached(&self, stage: Stage) -> bool {
        *self.stage.borrow() >= stage
    }

    /// Whether to connect again after this rather than to end.
    pub(super) fn survives(&self, error: &Error) -> bool {
        use kahawai_client::ErrorKind::{Closed, Connection, InDoubt};
        self.plan.reconnects && matches!(error.kind(), Connection | InDoubt | Closed)
    }

    pub(super) fn begin(&self) -> u64 {
        self.begin.load(Ordering::Relaxed)
    }
}
