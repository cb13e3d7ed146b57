//! What a run gave: plain numbers, for the table, for JSON and for the chart.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::bench::ledger::Balance;
use crate::bench::meter::Pause;
use crate::bench::scenario::Scenario;

/// The version of the JSON: raised when a field changes its meaning or goes.
pub(super) const VERSION: u32 = 1;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) version: u32,
    /// The broker's address, without user and options.
    pub(super) url: String,
    pub(super) results: Vec<Outcome>,
}

/// What one scenario gave.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) scenario: Scenario,
    /// In words.
    pub(super) description: String,
    pub(super) producers: u32,
    pub(super) consumers: u32,
    pub(super) destinations: u32,
    pub(super) message_bytes: usize,
    /// Messages a second that were asked for; none is as many as go.
    pub(super) rate_asked: Option<u64>,
    /// Whether latency counts from when a message was due, not from when it could be sent.
    pub(super) is_corrected_for_coordinated_omission: bool,
    pub(super) sent: Measured,
    pub(super) received: Measured,
    pub(super) balance: Balance,
    /// Pauses of a failover watch.
    pub(super) pauses: Vec<NamedPause>,
    pub(super) reconnections: u64,
    /// Processor time of the generator per second, in cores, while it was measured.
    pub(super) generator_cores: f64,
    pub(super) generator_threads: u32,
    /// Over time: the run's course.
    pub(super) course: Vec<Sample>,
    /// Whether it was ended by a signal.
    pub(super) is_interrupted: bool,
}

/// One kind of event.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// Events within the measured time.
    pub(super) messages: u64,
    /// The measured time, in seconds.
    pub(super) seconds: f64,
    /// Messages a second; none where it was not measured.
    pub(super) rate: Option<f64>,
    /// What one latency is of; none where none was measured.
    pub(super) latency: Option<Latency>,
}

/// Latencies, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    /// From what to what.
    pub(super) of: &'static str,
    pub(super) count: u64,
    pub(super) mean_us: f64,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p99_us: f64,
    pub(super) p99_9_us: f64,
    pub(super) p99_99_us: f64,
    pub(super) max_us: f64,
    /// The whole distribution: pairs of percentile and microseconds.
    pub(super) percentiles: Vec<(f64, f64)>,
}

impl Latency {
    /// None where nothing was recorded.
    pub(super) fn of(of: &'static str, histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let percentiles = histogram
            .iter_quantiles(4)
            .map(|step| (step.quantile_iterated_to() * 100.0, step.value_iterated_to() as f64 / 1e3))
            .collect();
        Some(Self {
            of,
            count: histogram.len(),
            mean_us: histogram.mean() / 1e3,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            p99_99_us: at(0.9999),
            max_us: histogram.max() as f64 / 1e3,
            percentiles,
        })
    }
}

/// Where a run was at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sample {
    /// Seconds since sending began.
    pub(super) seconds: f64,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// A time in which nothing went through.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct NamedPause {
    /// `send` or `receive`.
    pub(super) of: &'static str,
    /// Seconds since sending began.
    pub(super) from_seconds: f64,
    pub(super) milliseconds: f64,
}

impl NamedPause {
    pub(super) fn new(of: &'static str, pause: Pause, begin: u64) -> Self {
        Self {
            of,
            from_seconds: pause.from.saturating_sub(begin) as f64 / 1e9,
            milliseconds: pause.length as f64 / 1e6,
        }
    }
}

impl Outcome {
    /// Whether every message is accounted for: nothing lost, twice unmarked, out of order, or twice without a reason.
    pub(super) fn is_sound(&self) -> bool {
        self.balance.is_sound() && (self.balance.delivered_again == 0 || self.reconnections > 0)
    }
}
