//! `kahawai store verify`: reads everything and says what is damaged and what is deliverable.

use std::io::Write;

use kahawai_journal::inspect::{Examination, Inspection, Severity};
use serde_json::{Value, json};

use super::options::Common;
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::words::{Names, bytes, count, finding_json, finding_text, kind};

pub(super) fn run(options: &Common, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let inspection = Inspection::open(&options.store)?;
    let bar = Bar::new("reading");
    let found = inspection.examine(&mut |progress| bar.show(progress))?;
    drop(bar);
    if options.json {
        writeln!(out, "{:#}", report(&found))?;
    } else {
        text(&found, out)?;
    }
    Ok(Verdict::of(found.is_damaged()))
}

/// All that was found, as JSON.
pub(super) fn report(found: &Examination) -> Value {
    let names = Names::of(&found.holds);
    let findings: Vec<Value> = found.findings.iter().map(|finding| finding_json(finding, &names)).collect();
    json!({
        "sound": !found.is_damaged(),
        "findings": findings,
        "segments_read": found.segments.len(),
        "bytes_read": found.segments.iter().map(|segment| segment.length).sum::<u64>(),
        "records": found.segments.iter().map(|segment| segment.records).sum::<u64>(),
        "sequence_last": found.sequence_last,
        "durable_through": found.durable_through,
        "closed": found.closed,
        "deliverable": deliverable(found),
    })
}

/// What waits where, as JSON.
pub(super) fn deliverable(found: &Examination) -> Value {
    let destinations: Vec<Value> = found
        .holds
        .destinations
        .iter()
        .map(|held| {
            json!({
                "id": held.destination.id.0,
                "kind": kind(held.destination.kind),
                "name": held.destination.name.to_string(),
                "messages": held.messages,
            })
        })
        .collect();
    json!({
        "messages": found.holds.destinations.iter().map(|held| held.messages).sum::<u64>(),
        "destinations": destinations,
        "prepared": found.holds.prepared.len(),
    })
}

fn text(found: &Examination, out: &mut dyn Write) -> Result<(), Trouble> {
    let names = Names::of(&found.holds);
    for finding in &found.findings {
        writeln!(out, "{}", finding_text(finding, &names))?;
    }
    let of = |severity| found.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let read = found.segments.iter().map(|segment| segment.length).sum();
    let records: u64 = found.segments.iter().map(|segment| segment.records).sum();
    let segments = found.segments.len() as u64;
    let read = format!(
        "{} in {}, {} read",
        count(records, "record", "records"),
        count(segments, "segment", "segments"),
        bytes(read)
    );
    let doubtful = match of(Severity::Doubtful) {
        0 => String::new(),
        number => format!(", {number} doubtful (in the last flush; nobody was answered from it)"),
    };
    match of(Severity::Damage) {
        0 => writeln!(out, "sound: {read}{doubtful}")?,
        number => writeln!(out, "damaged in {}: {read}{doubtful}", count(number, "place", "places"))?,
    }
    let messages = found.holds.destinations.iter().map(|held| held.messages).sum();
    let places = found.holds.destinations.iter().filter(|held| held.messages > 0).count() as u64;
    write!(out, "deliverable: {}", count(messages, "message", "messages"))?;
    if messages > 0 {
        write!(out, " in {}", count(places, "destination", "destinations"))?;
    }
    if !found.holds.prepared.is_empty() {
        let number = found.holds.prepared.len() as u64;
        write!(out, "; {} not decided", count(number, "prepared transaction", "prepared transactions"))?;
    }
    writeln!(out)?;
    if found.is_damaged() {
        writeln!(
            out,
            "next: kahawai store repair STORE --into DIR salvages what is deliverable; nothing in STORE is changed"
        )?;
    }
    Ok(())
}
