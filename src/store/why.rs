//! `kahawai store why SEGMENT`: which messages hold a segment.

use std::io::Write;

use kahawai_journal::inspect::{Held, Inspection, Severity};
use serde_json::{Value, json};

use super::options::WhyOptions;
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::words::{Names, bytes, count};

pub(super) fn run(options: &WhyOptions, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let number = options.segment;
    let inspection = Inspection::open(&options.common.store)?;
    let bar = Bar::new("reading");
    let found = inspection.examine(&mut |progress| bar.show(progress))?;
    let Some(segment) = found.segments.iter().find(|segment| segment.number == number).cloned() else {
        drop(bar);
        let has = match (found.segments.first(), found.segments.last()) {
            (Some(first), Some(last)) => format!("it has {} to {}", first.number, last.number),
            _ => "it has none".to_owned(),
        };
        let why = if number <= found.released { "it is released, or never was" } else { "it is not there" };
        return Err(Trouble::Other(format!("the store has no segment {number}: {why}; {has}")));
    };
    let names = Names::of(&found.holds);
    let mut held = Vec::new();
    let mut first_held = None;
    let mut each = |message: Held| {
        first_held.get_or_insert(message.segment);
        if message.segment == number {
            held.push(message);
        }
    };
    let usage = inspection.usage(&found, &mut each, &mut |progress| bar.show(progress))?;
    drop(bar);
    let damage = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Damage && finding.segment == Some(number));
    let damage: Vec<_> = damage.collect();
    let first_damaged = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Damage)
        .filter_map(|finding| finding.segment)
        .min();
    let is_last = found.segments.last().is_some_and(|last| last.number == number);
    // Segments are given up from the front of the log: what holds one before it holds it too.
    let held_by_earlier =
        [first_held, first_damaged].into_iter().flatten().min().filter(|first| *first < number);
    let usage = usage.segments.get(&number).copied().unwrap_or_default();
    if options.common.json {
        let report = json!({
            "file": segment.file,
            "segment": number,
            "live_messages": usage.live_messages,
            "live_bytes": usage.live_bytes,
            "prepared_bytes": usage.prepared_bytes,
            "damaged": !damage.is_empty(),
            "being_written": is_last,
            "held_by_earlier_segment": held_by_earlier,
            "messages": held.iter().map(|message| json(message, &names)).collect::<Vec<_>>(),
        });
        writeln!(out, "{report:#}")?;
        return Ok(Verdict::of(found.is_damaged()));
    }
    let messages = count(held.len() as u64, "message", "messages");
    let size = bytes(usage.live_bytes + usage.prepared_bytes);
    writeln!(out, "{}: {messages} in it live, {size} of {}", segment.file, bytes(segment.length))?;
    for message in &held {
        let place = names.get(message.destination);
        let again = if message.written_again { ", written again by the cleaner" } else { "" };
        let prepared = message.transaction.as_ref().map_or(String::new(), |xid| {
            format!(", sent in prepared transaction {xid}, which waits for its decision")
        });
        writeln!(
            out,
            "  message {} ({}) of {place}, {} at {}{again}{prepared}",
            message.id,
            message.message_id,
            bytes(message.bytes),
            message.offset
        )?;
    }
    if !damage.is_empty() {
        let places = count(damage.len() as u64, "place", "places");
        writeln!(out, "it is damaged in {places}, and kept for that: kahawai store verify says where")?;
    }
    if is_last {
        writeln!(out, "it is the last, which is being written")?;
    }
    if let Some(earlier) = held_by_earlier {
        writeln!(
            out,
            "segments are given up from the front of the log, and segment {earlier} before it is held: kahawai store why STORE {earlier}"
        )?;
    }
    if held.is_empty() && damage.is_empty() && !is_last && held_by_earlier.is_none() {
        writeln!(
            out,
            "nothing holds it: its master gives it up with its next round, the next master otherwise"
        )?;
    }
    Ok(Verdict::of(found.is_damaged()))
}

fn json(message: &Held, names: &Names) -> Value {
    json!({
        "id": message.id.0,
        "message_id": message.message_id,
        "destination": { "id": message.destination.0, "name": names.get(message.destination) },
        "offset": message.offset,
        "bytes": message.bytes,
        "written_again": message.written_again,
        "transaction": message.transaction.as_ref().map(ToString::to_string),
    })
}
