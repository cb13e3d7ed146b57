//! Numbers, times and findings in words and in JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use indicatif::HumanBytes;
use jiff::Timestamp;
use kahawai_journal::inspect::{Finding, Lost, Severity};
use kahawai_store::batch::DestinationKind;
use kahawai_store::contract::Recovered;
use kahawai_store::names::{DestinationId, MessageId};
use serde_json::{Value, json};

/// A count of bytes for a person.
pub(super) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A count with its noun.
pub(super) fn count(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// A time in RFC 3339, to the second, in UTC.
pub(super) fn time(at: SystemTime) -> Option<String> {
    let at = Timestamp::try_from(at).ok()?;
    Timestamp::from_second(at.as_second()).ok().map(|at| at.to_string())
}

/// 16 bytes as people write them.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `queue` or `topic`.
pub(super) fn kind(kind: DestinationKind) -> &'static str {
    match kind {
        DestinationKind::Queue => "queue",
        DestinationKind::Topic => "topic",
    }
}

/// What destinations are called.
pub(super) struct Names(HashMap<DestinationId, String>);

impl Names {
    pub(super) fn of(holds: &Recovered) -> Self {
        Self(
            holds
                .destinations
                .iter()
                .map(|found| {
                    let destination = &found.destination;
                    (destination.id, format!("{}://{}", kind(destination.kind), destination.name))
                })
                .collect(),
        )
    }

    /// Its name, or its number where that is all there is.
    pub(super) fn get(&self, id: DestinationId) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| format!("destination {id}"))
    }

    fn json(&self, id: DestinationId) -> Value {
        json!({ "id": id.0, "name": self.0.get(&id) })
    }
}

/// A finding as JSON.
pub(super) fn finding_json(finding: &Finding, names: &Names) -> Value {
    let mut messages = Vec::new();
    let mut acknowledgements = Vec::new();
    let mut other = Vec::new();
    for lost in &finding.lost {
        match lost {
            Lost::Message { id, message_id, destination, acknowledged } => messages.push(json!({
                "id": id.0, "message_id": message_id, "destination": names.json(*destination), "acknowledged": acknowledged,
            })),
            Lost::Acknowledgement { id, message_id, destination, subscription } => acknowledgements.push(json!({
                "id": id.0, "message_id": message_id, "destination": names.json(*destination), "subscription": subscription.map(|id| id.0),
            })),
            Lost::Move { id, message_id, from, to } => other.push(json!(format!(
                "the move of {} from {} to {}",
                message(*id, message_id),
                names.get(*from),
                names.get(*to)
            ))),
            Lost::Other(text) => other.push(json!(text)),
        }
    }
    json!({
        "severity": finding.severity.to_string(),
        "file": finding.file,
        "segment": finding.segment,
        "from": finding.bytes.map(|bytes| bytes.0),
        "to": finding.bytes.map(|bytes| bytes.1),
        "sequence_first": finding.sequences.map(|sequences| sequences.0),
        "sequence_last": finding.sequences.map(|sequences| sequences.1),
        "problem": finding.problem,
        "messages": messages,
        "acknowledgements": acknowledgements,
        "other": other,
        "certain": finding.certain,
        "unreadable": finding.unreadable,
        "prevents_start": finding.prevents_start,
    })
}

/// A finding in words, in several lines.
pub(super) fn finding_text(finding: &Finding, names: &Names) -> String {
    let mut text = format!("{}: {}", finding.severity, finding.file);
    if let Some((from, to)) = finding.bytes {
        let _ = write!(text, ", bytes {from} to {to}");
    }
    match finding.sequences {
        Some((first, last)) if first == last => {
            let _ = write!(text, ", record {first}");
        }
        Some((first, last)) => {
            let _ = write!(text, ", records {first} to {last}");
        }
        None => {}
    }
    let _ = write!(text, "\n    {}", finding.problem);
    let lost = lost_in_words(finding, names);
    let what = match (finding.severity, finding.certain) {
        (Severity::Damage, true) => "lost",
        (Severity::Damage, false) => "lost, as far as the damaged bytes tell",
        _ => "it held",
    };
    if !lost.is_empty() {
        let _ = write!(text, "\n    {what}: {lost}");
    }
    if finding.unreadable {
        let _ = write!(text, "\n    what more the records held cannot be read");
    }
    if finding.prevents_start {
        let _ = write!(text, "\n    no broker starts on this store as it is");
    }
    text
}

/// A message by its number, and by the id that clients see where that is known.
fn message(id: MessageId, message_id: &Option<String>) -> String {
    match message_id {
        Some(text) => format!("message {id} ({text})"),
        None => format!("message {id}"),
    }
}

fn lost_in_words(finding: &Finding, names: &Names) -> String {
    const SHOWN_MAX: usize = 12;
    let mut words: Vec<String> = finding
        .lost
        .iter()
        .map(|lost| match lost {
            Lost::Message { id, message_id, destination, acknowledged } => {
                let settled = " (which was acknowledged later: nothing is lost with it)";
                let settled = if *acknowledged { settled } else { "" };
                format!("{} of {}{settled}", message(*id, message_id), names.get(*destination))
            }
            Lost::Acknowledgement { id, message_id, destination, .. } => format!(
                "the acknowledgement of {} of {} (it is delivered again)",
                message(*id, message_id),
                names.get(*destination)
            ),
            Lost::Move { id, message_id, from, to } => format!(
                "the move of {} from {} to {}",
                message(*id, message_id),
                names.get(*from),
                names.get(*to)
            ),
            Lost::Other(text) => text.clone(),
        })
        .collect();
    let more = words.len().saturating_sub(SHOWN_MAX);
    words.truncate(SHOWN_MAX);
    let mut text = words.join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more (--json lists all)");
    }
    text
}
