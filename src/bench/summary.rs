//! A run's outcome as a person reads it.

use std::fmt::Write as _;

use crate::bench::outcome::{Latency, Measured, Outcome};
use crate::figures::{counted, grouped, microseconds};
use crate::table::Table;

/// From this share of its threads' time on, the generator may be what was measured.
const BUSY: f64 = 0.9;

/// The outcome in words and tables.
pub(super) fn summary(outcome: &Outcome) -> String {
    let mut out = String::new();
    let name = outcome.scenario.name();
    // Writing to a string does not fail.
    let _ = writeln!(out, "{name}: {}", outcome.description);
    let mut table = Table::new(&[
        "",
        ">messages",
        ">seconds",
        ">messages/s",
        ">mean",
        ">p50",
        ">p90",
        ">p99",
        ">p99.9",
        ">p99.99",
        ">max",
        "latency of",
    ]);
    row(&mut table, "sent", &outcome.sent);
    if outcome.received.rate.is_some() {
        row(&mut table, "received", &outcome.received);
    }
    let _ = write!(out, "{table}");
    if outcome.rate_asked.is_none() {
        out.push_str("  as fast as it goes: each latency is of a message sent when the one before was done with; use --rate for latency at a load\n");
    } else if outcome.is_corrected_for_coordinated_omission {
        out.push_str(
            "  latency counts from when a message was due: what the broker held up is charged to it\n",
        );
    }
    let _ = writeln!(out, "  {}", balance(outcome));
    let cores = outcome.generator_cores;
    let _ = write!(out, "  the generator used {cores:.2} cores of {}", outcome.generator_threads);
    if cores >= BUSY * f64::from(outcome.generator_threads) {
        out.push_str(": it may be what was measured; raise --threads");
    }
    out.push('\n');
    if outcome.reconnections > 0 || !outcome.pauses.is_empty() {
        let _ = writeln!(out, "  connected again {}", counted(outcome.reconnections, "time"));
        for pause in &outcome.pauses {
            let (of, from) = (pause.of, pause.from_seconds);
            let length = microseconds(pause.milliseconds * 1e3);
            let _ = writeln!(out, "  pause: no {of} for {length}, from {from:.1} s on");
        }
    } else if outcome.scenario == crate::bench::scenario::Scenario::FailoverWatch {
        out.push_str("  no pause of 250 ms or more\n");
    }
    if outcome.is_interrupted {
        out.push_str("  ended by a signal before its time\n");
    }
    out
}

fn row(table: &mut Table, what: &str, measured: &Measured) {
    let mut cells = vec![
        what.to_owned(),
        grouped(measured.messages as f64),
        format!("{:.1}", measured.seconds),
        measured.rate.map_or_else(|| "-".to_owned(), grouped),
    ];
    if let Some(latency) = &measured.latency {
        let Latency { of, mean_us, p50_us, p90_us, p99_us, p99_9_us, p99_99_us, max_us, .. } = latency;
        let times = [mean_us, p50_us, p90_us, p99_us, p99_9_us, p99_99_us, max_us];
        cells.extend(times.map(|time| microseconds(*time)));
        cells.push((*of).to_owned());
    }
    table.row(cells);
}

/// What became of every message.
fn balance(outcome: &Outcome) -> String {
    let balance = &outcome.balance;
    let mut parts = vec![format!(
        "every message accounted for: {} sent, {} received",
        grouped(balance.sent as f64),
        grouped(balance.received as f64)
    )];
    let mut wrong = Vec::new();
    for (count, what) in [
        (balance.lost, "lost"),
        (balance.duplicated, "duplicated"),
        (balance.out_of_order, "out of order"),
        (balance.delivered_again, "delivered again (marked so, or after a lost connection)"),
    ] {
        if count > 0 {
            wrong.push(format!("{} {what}", grouped(count as f64)));
        }
    }
    if wrong.is_empty() {
        parts.push("none lost, duplicated or out of order".to_owned());
    } else {
        parts.append(&mut wrong);
    }
    if balance.in_doubt > 0 {
        parts.push(format!("{} in doubt ({} of them came)", balance.in_doubt, balance.in_doubt_received));
    }
    if balance.refused > 0 {
        parts.push(format!("{} refused or not sent", balance.refused));
    }
    if balance.foreign > 0 {
        parts.push(format!("{} that this run did not send", balance.foreign));
    }
    let told = parts.join(", ");
    if outcome.is_sound() { told } else { told.replacen("every message accounted for", "NOT SOUND", 1) }
}
