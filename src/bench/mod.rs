//! `kahawai bench`: a load generator for any broker that speaks OpenWire, and a measure of storage engines.
//!
//! | module | what it does |
//! |---|---|
//! | [`options`] | the command line |
//! | [`scenario`], [`plan`] | what a run does; the same with all numbers filled in |
//! | [`execute`] | conducts one run |
//! | [`mod@run`] | what the workers of a run share |
//! | [`producer`], [`consumer`] | the workers; [`workers`] are their threads |
//! | [`pace`] | when to send |
//! | [`stamp`], [`ledger`] | every message accounted for |
//! | [`meter`], [`processor`] | what is measured |
//! | [`outcome`] | the results, as numbers |
//! | [`summary`], [`chart`], [`progress`] | the results, to look at |
//! | [`store`] | `kahawai bench store` |

mod chart;
mod consumer;
mod execute;
mod ledger;
mod meter;
pub(crate) mod options;
mod outcome;
mod pace;
mod plan;
mod processor;
mod producer;
mod progress;
mod run;
pub(crate) mod scenario;
mod stamp;
pub(crate) mod store;
mod summary;
mod workers;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::connect;
use crate::exit::{Exit, Failure};
use crate::output;
use options::{BenchCommand, BenchWhat, BrokerBenchOptions};
use outcome::{Report, VERSION};
use plan::Plan;
use progress::Progress;
use scenario::Scenario;

/// Measures.
///
/// # Errors
/// Where the broker cannot be reached or goes away, and where messages are not accounted for.
pub(crate) fn run(command: BenchCommand) -> Result<(), Failure> {
    match command.what {
        Some(BenchWhat::Store(options)) => store::run(&options),
        None => connect::run(broker(command.broker)),
    }
}

async fn broker(options: BrokerBenchOptions) -> Result<(), Failure> {
    let progress = Progress::new();
    let mut results = Vec::new();
    let mut failed = None;
    for scenario in Scenario::each(&options.scenario) {
        let plan = Plan::new(scenario, &options, run_number());
        let outcome = execute::execute(plan, options.broker.clone(), &progress).await;
        progress.clear();
        match outcome {
            Ok(outcome) => {
                if !options.json {
                    output::write(&format!("{}\n", summary::summary(&outcome)))?;
                }
                let is_interrupted = outcome.is_interrupted;
                results.push(outcome);
                if is_interrupted {
                    break;
                }
            }
            // What was measured before is still told.
            Err(failure) => {
                failed = Some(failure.within(scenario.name()));
                break;
            }
        }
    }
    if let Some(path) = &options.svg {
        let text = chart::chart(&results);
        std::fs::write(path, text).map_err(|error| {
            Failure::new(Exit::Other, format!("cannot write the chart {}: {error}", path.display()))
        })?;
    }
    let unsound: Vec<_> =
        results.iter().filter(|outcome| !outcome.is_sound()).map(|outcome| outcome.scenario.name()).collect();
    let unsound = (!unsound.is_empty()).then(|| {
        let told = format!("not every message is accounted for in {}: see the results", unsound.join(", "));
        Failure::new(Exit::Unaccounted, told)
    });
    if options.json {
        output::json(&Report { version: VERSION, url: options.broker.url.to_string(), results })?;
    }
    failed.or(unsound).map_or(Ok(()), Err)
}

/// A number that no other run has: the time, and this process.
fn run_number() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_nanos() as u64).rotate_left(16) ^ u64::from(std::process::id())
}
