//! `kahawai store info`: what a store is, who holds it, what is in it and what takes its disk.

use std::io::Write;
use std::time::{Duration, SystemTime};

use kahawai_journal::FORMAT_VERSION;
use kahawai_journal::disk::filesystem::FileSystem;
use kahawai_journal::inspect::{
    Examination, Files, Held, Holding, HoldingState, InspectError, Inspection, ReadOnlyDirectory, Taken,
    Usage, look,
};
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::DurabilityState;
use serde_json::{Value, json};

use super::options::Common;
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::words::{bytes, count, hex, kind, time};

/// How long signs of life are watched for where nothing else tells.
pub(super) const LEASE: Duration = Duration::from_millis(2500);

struct Facts {
    path: String,
    filesystem: String,
    holding: Holding,
    found: Examination,
    usage: Usage,
    /// How many bytes the largest message takes that lives in the segment at the head of the log.
    largest_in_head: u64,
    foreign: Vec<String>,
    taken: Taken,
}

pub(super) fn run(options: &Common, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let facts = gather(options)?;
    if options.json {
        writeln!(out, "{:#}", report(&facts))?;
    } else {
        text(&facts, out)?;
    }
    Ok(Verdict::of(facts.found.is_damaged()))
}

fn gather(options: &Common) -> Result<Facts, Trouble> {
    let cannot = |error| InspectError::Directory { path: options.store.clone(), error };
    let inspection = Inspection::open(&options.store)?;
    let directory = ReadOnlyDirectory::open(&options.store).map_err(cannot)?;
    let holding = look(&directory, LEASE).map_err(cannot)?;
    let bar = Bar::new("reading");
    let found = inspection.examine(&mut |progress| bar.show(progress))?;
    let head = found.segments.first().map(|segment| segment.number);
    let mut largest = 0;
    let mut each = |held: Held| {
        if Some(held.segment) == head {
            largest = held.bytes.max(largest);
        }
    };
    let usage = inspection.usage(&found, &mut each, &mut |progress| bar.show(progress))?;
    drop(bar);
    Ok(Facts {
        path: options.store.display().to_string(),
        filesystem: FileSystem::of(&options.store).map_err(cannot)?.to_string(),
        holding,
        found,
        usage,
        largest_in_head: largest,
        foreign: directory.foreign().map_err(cannot)?,
        taken: directory.taken().map_err(cannot)?,
    })
}

impl Facts {
    /// What was written to the segments that are there.
    fn written(&self) -> u64 {
        self.found.segments.iter().map(|segment| segment.end).sum()
    }

    /// What of that was written only to write again what lived in earlier segments.
    fn written_again(&self) -> u64 {
        self.found.segments.iter().map(|segment| segment.written_again).sum()
    }

    /// How long segments are.
    fn segment_length(&self) -> u64 {
        let default = JournalOptions::default().journal_max_file_length;
        self.taken.segment_length.unwrap_or(default)
    }

    /// What of the journal's written bytes lives no more.
    fn dead(&self) -> u64 {
        self.written().saturating_sub(self.usage.live())
    }

    fn holder(&self) -> String {
        let who = self
            .holding
            .holder
            .as_ref()
            .map_or("someone who has not said who".to_owned(), ToString::to_string);
        match self.holding.state {
            HoldingState::Never => "nobody, ever".to_owned(),
            HoldingState::Released => format!("nobody; given up in good order by {who}"),
            HoldingState::Held => {
                let since = self.holding.since;
                let age = since.and_then(|since| SystemTime::now().duration_since(since).ok());
                let since = since.and_then(time).map_or(String::new(), |since| format!(", since {since}"));
                let age = age.map_or(String::new(), |age| {
                    format!(" ({})", indicatif::HumanDuration(Duration::from_secs(age.as_secs())))
                });
                format!("{who}{since}{age}")
            }
            HoldingState::Dead => format!("nobody; {who} died without giving it up"),
        }
    }

    /// What a failure of the machine costs of what was answered; none where the master has not said.
    fn durability(&self) -> Option<String> {
        let DurabilityState { level, bytes_at_risk } = self.holding.durability?;
        let risk = match (self.holding.state, bytes_at_risk) {
            (_, 0) => "all that was answered is on the disk".to_owned(),
            (HoldingState::Held, at_risk) => {
                format!("{} answered that are lost if the machine fails now", bytes(at_risk))
            }
            (_, at_risk) => format!(
                "{} were answered and not on the disk at its last sign of life: lost if the machine failed then",
                bytes(at_risk)
            ),
        };
        Some(format!("journalDiskSyncStrategy {level}; {risk}"))
    }
}

fn state_name(state: HoldingState) -> &'static str {
    match state {
        HoldingState::Never => "never held",
        HoldingState::Released => "released",
        HoldingState::Held => "held",
        HoldingState::Dead => "dead",
    }
}

fn report(facts: &Facts) -> Value {
    let found = &facts.found;
    let segments: Vec<Value> = found
        .segments
        .iter()
        .map(|segment| {
            let usage = facts.usage.segments.get(&segment.number).copied().unwrap_or_default();
            json!({
                "file": segment.file,
                "number": segment.number,
                "epoch": segment.epoch.0,
                "length": segment.length,
                "end": segment.end,
                "records": segment.records,
                "live_messages": usage.live_messages,
                "live_bytes": usage.live_bytes + usage.prepared_bytes,
                "written_again": segment.written_again,
            })
        })
        .collect();
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
                "bytes": facts.usage.destinations.get(&held.destination.id).copied().unwrap_or_default(),
            })
        })
        .collect();
    let subscriptions: Vec<Value> = found
        .holds
        .subscriptions
        .iter()
        .map(|held| {
            json!({
                "id": held.subscription.id.0,
                "client_id": held.subscription.client_id.to_string(),
                "name": held.subscription.name.to_string(),
                "destination": held.subscription.destination.0,
                "selector": held.subscription.selector.as_ref().map(ToString::to_string),
                "messages": held.messages,
            })
        })
        .collect();
    let prepared: Vec<Value> = found
        .holds
        .prepared
        .iter()
        .map(|held| {
            json!({
                "xid": held.xid.to_string(),
                "enqueues": held.enqueues,
                "acknowledges": held.acknowledges.len(),
            })
        })
        .collect();
    json!({
        "store": facts.path,
        "file_system": facts.filesystem,
        "format": FORMAT_VERSION,
        "id": found.id.map(|id| hex(&id)),
        "master": {
            "state": state_name(facts.holding.state),
            "name": facts.holding.holder.as_ref().map(|holder| &holder.name),
            "host": facts.holding.holder.as_ref().map(|holder| &holder.host),
            "process": facts.holding.holder.as_ref().map(|holder| holder.process),
            "address": facts.holding.holder.as_ref().map(|holder| &holder.address),
            "epoch": facts.holding.epoch.0,
            "since": facts.holding.since.and_then(time),
        },
        "durability": facts.holding.durability.map(|durability| json!({
            "journalDiskSyncStrategy": durability.level.to_string(),
            "bytes_at_risk": durability.bytes_at_risk,
        })),
        "epochs": found.epochs.iter().map(|epoch| epoch.0).collect::<Vec<_>>(),
        "segments": segments,
        "live_bytes": facts.usage.live(),
        "dead_bytes": facts.dead(),
        "written_again": facts.written_again(),
        "bytes_on_disk": facts.taken.bytes(),
        "bound": facts.usage.bound(facts.segment_length()),
        "on_disk": {
            "segments": files(facts.taken.segments),
            "prepared": files(facts.taken.spares),
            "index": files(facts.taken.index),
            "quarantine": files(facts.taken.quarantine),
            "left_out": files(facts.taken.aside),
            "small": files(facts.taken.small),
            "backups": files(facts.taken.backups),
            "other": files(facts.taken.foreign),
        },
        "quarantined_files": facts.taken.quarantined,
        "left_out_files": facts.taken.left_out,
        "destinations": destinations,
        "subscriptions": subscriptions,
        "prepared": prepared,
        "foreign_files": facts.foreign,
        "damaged": found.is_damaged(),
    })
}

fn text(facts: &Facts, out: &mut dyn Write) -> Result<(), Trouble> {
    let found = &facts.found;
    let id = found.id.map_or("unknown".to_owned(), |id| hex(&id));
    writeln!(out, "store: {} ({}), format {FORMAT_VERSION}, id {id}", facts.path, facts.filesystem)?;
    writeln!(out, "master: {}", facts.holder())?;
    if let Some(durability) = facts.durability() {
        writeln!(out, "durability: {durability}")?;
    }
    let epochs: Vec<_> = found.epochs.iter().map(ToString::to_string).collect();
    writeln!(out, "epochs: {} claimed; logs of {}", found.epoch_claimed, or_none(epochs.join(", ")))?;
    let length = found.segments.iter().map(|segment| segment.length).sum();
    write!(out, "segments: {}, {}", found.segments.len(), bytes(length))?;
    if let (Some(first), Some(last)) = (found.segments.first(), found.segments.last()) {
        write!(out, ", numbers {} to {}", first.number, last.number)?;
    }
    writeln!(out)?;
    for segment in &found.segments {
        let usage = facts.usage.segments.get(&segment.number).copied().unwrap_or_default();
        writeln!(
            out,
            "  {}: written {} of {}, {} live in {}",
            segment.file,
            bytes(segment.end),
            bytes(segment.length),
            bytes(usage.live_bytes + usage.prepared_bytes),
            count(usage.live_messages, "message", "messages"),
        )?;
    }
    disk(facts, out)?;
    writeln!(out, "destinations: {}", found.holds.destinations.len())?;
    for held in &found.holds.destinations {
        let size = facts.usage.destinations.get(&held.destination.id).copied().unwrap_or_default();
        let messages = count(held.messages, "message", "messages");
        writeln!(
            out,
            "  {}://{}: {messages}, {}",
            kind(held.destination.kind),
            held.destination.name,
            bytes(size)
        )?;
    }
    writeln!(out, "subscriptions: {}", found.holds.subscriptions.len())?;
    for held in &found.holds.subscriptions {
        let subscription = &held.subscription;
        let topic =
            found.holds.destinations.iter().find(|found| found.destination.id == subscription.destination);
        let topic = topic.map_or(String::new(), |found| found.destination.name.to_string());
        let messages = count(held.messages, "message waits", "messages wait");
        writeln!(
            out,
            "  '{}' of client '{}' on {topic}: {messages}",
            subscription.name, subscription.client_id
        )?;
    }
    writeln!(out, "prepared transactions: {}", found.holds.prepared.len())?;
    for held in &found.holds.prepared {
        let (enqueues, acknowledges) = (held.enqueues, held.acknowledges.len() as u64);
        writeln!(out, "  {}: {enqueues} to send, {acknowledges} to acknowledge", held.xid)?;
    }
    if !facts.foreign.is_empty() {
        writeln!(out, "other files, of which this program knows nothing: {}", facts.foreign.join(", "))?;
    }
    if found.is_damaged() {
        writeln!(out, "damaged: kahawai store verify says where and what is lost")?;
    }
    Ok(())
}

/// Why the disk is as full as it is.
fn disk(facts: &Facts, out: &mut dyn Write) -> Result<(), Trouble> {
    let taken = &facts.taken;
    let (live, dead) = (bytes(facts.usage.live()), bytes(facts.dead()));
    writeln!(out, "bytes: {live} live, {dead} dead, {} on the disk", bytes(taken.bytes()))?;
    writeln!(
        out,
        "  {} in segments, {} in segments prepared for later, {} in the index, {} in small files, {} in other files",
        bytes(taken.segments.bytes),
        bytes(taken.spares.bytes),
        bytes(taken.index.bytes),
        bytes(taken.small.bytes),
        bytes(taken.foreign.bytes)
    )?;
    let length = facts.segment_length();
    writeln!(
        out,
        "  its master keeps that below {}: two times what lives, and eight segments of {}",
        bytes(facts.usage.bound(length)),
        bytes(length)
    )?;
    let (again, new) = (facts.written_again(), facts.written().saturating_sub(facts.written_again()));
    if again > 0 {
        writeln!(
            out,
            "  written again to give up segments: {} of the log, {:.2} bytes for each new one",
            bytes(again),
            again as f64 / new.max(1) as f64
        )?;
    }
    if taken.backups.count > 0 {
        writeln!(
            out,
            "  {} held by a backup that is under way or was killed, and given up by the master: the next backup or master takes away what nobody wants",
            bytes(taken.backups.bytes)
        )?;
    }
    if facts.largest_in_head > length {
        writeln!(
            out,
            "  a message of {} lives in the first segment: on a full disk it is written again, and what is behind it given up, when there is so much room",
            bytes(facts.largest_in_head)
        )?;
    }
    if taken.quarantine.count > 0 {
        writeln!(
            out,
            "quarantine: {}, {}, damaged and set aside; what could be read of them is in the log: {}",
            count(taken.quarantine.count, "segment", "segments"),
            bytes(taken.quarantine.bytes),
            taken.quarantined.join(", ")
        )?;
    }
    if taken.aside.count > 0 {
        writeln!(
            out,
            "left out: {}, {}, set aside when this store was made a copy of another's; no broker reads them, and they may be removed: {}",
            count(taken.aside.count, "file", "files"),
            bytes(taken.aside.bytes),
            taken.left_out.join(", ")
        )?;
    }
    Ok(())
}

fn files(files: Files) -> Value {
    json!({ "files": files.count, "bytes": files.bytes })
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
