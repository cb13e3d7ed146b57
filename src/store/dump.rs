//! `kahawai store dump`: the records of the log as JSON lines.

use std::collections::HashMap;
use std::io::{self, Write};

use bytes::Bytes;
use kahawai_journal::inspect::{Content, Inspection, Record, Severity};
use kahawai_store::batch::{Operation, Outcome};
use kahawai_store::codec::{self, Span};
use kahawai_store::contract::Recovered;
use kahawai_store::names::{Cursor, DestinationId, MessageId};
use serde_json::{Value, json};

use super::options::{DumpOptions, RecordKind};
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::words::{Names, finding_json, hex, kind};

pub(super) fn run(options: &DumpOptions, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let inspection = Inspection::open(&options.common.store)?;
    let mut filter = Filter { options, names: HashMap::new() };
    let mut written: io::Result<()> = Ok(());
    let bar = Bar::new("reading");
    let mut each = |record: Record<'_>| {
        if let Some(line) = filter.line(&record)
            && written.is_ok()
        {
            written = writeln!(out, "{line}");
        }
    };
    let findings = inspection.dump(&mut each, &mut |progress| bar.show(progress))?;
    drop(bar);
    written?;
    let mut verdict = Verdict::Sound;
    let names = Names::of(&Recovered::default());
    for finding in &findings {
        let concerns = options.segment.is_none_or(|number| finding.segment == Some(number));
        if concerns && finding.severity == Severity::Damage {
            writeln!(out, "{}", json!({ "damage": finding_json(finding, &names) }))?;
            verdict = Verdict::Damaged;
        }
    }
    Ok(verdict)
}

struct Filter<'a> {
    options: &'a DumpOptions,
    names: HashMap<DestinationId, String>,
}

impl Filter<'_> {
    /// A record's line, if it is wanted.
    fn line(&mut self, record: &Record<'_>) -> Option<Value> {
        let (kind, operations) = match &record.content {
            Content::Batch { operations, .. } => (RecordKind::Batch, operations.as_slice()),
            Content::Snapshot { operations } => (RecordKind::Snapshot, operations.as_slice()),
            Content::Release(_) => (RecordKind::Release, &[][..]),
            Content::Relocation { operations } => (RecordKind::Relocation, operations.as_slice()),
            Content::Prepared { operations } => (RecordKind::Prepared, operations.as_slice()),
            Content::Lost { .. } => (RecordKind::Lost, &[][..]),
            Content::Idle => (RecordKind::Idle, &[][..]),
            Content::Close => (RecordKind::Close, &[][..]),
            Content::Unreadable => (RecordKind::Unreadable, &[][..]),
        };
        // Names are learnt from what is left out too.
        for operation in operations {
            if let Operation::CreateDestination(found) = operation {
                self.names.insert(found.id, found.name.to_string());
            }
        }
        if self.options.segment.is_some_and(|number| number != record.segment)
            || self.options.kind.is_some_and(|wanted| wanted != kind)
        {
            return None;
        }
        let filtered = self.options.id.is_some() || self.options.destination.is_some();
        let wanted: Vec<_> = operations.iter().filter(|operation| self.wants(operation)).collect();
        if filtered && wanted.is_empty() {
            return None;
        }
        let mut line = json!({
            "file": record.file,
            "segment": record.segment,
            "offset": record.offset,
            "length": record.length,
            "epoch": record.epoch.0,
            "sequence": record.sequence,
            "durable_through": record.durable_through,
            "standing": record.standing,
            "kind": format!("{kind:?}").to_lowercase(),
        });
        match &record.content {
            Content::Batch { arrival_first, term, number, .. } => {
                line["arrival_first"] = json!(arrival_first);
                line["term"] = json!(term.0);
                line["number"] = json!(number);
            }
            Content::Release(number) => line["released_through"] = json!(number),
            Content::Lost { segment, messages } => {
                line["damaged_segment"] = json!(segment);
                line["messages_lost"] = json!(messages);
            }
            _ => {}
        }
        if let Content::Batch { .. }
        | Content::Snapshot { .. }
        | Content::Relocation { .. }
        | Content::Prepared { .. } = record.content
        {
            let operations: Vec<Value> =
                wanted.into_iter().map(|operation| self.operation(operation, record.body)).collect();
            line["operations"] = operations.into();
        }
        Some(line)
    }

    fn wants(&self, operation: &Operation<Span>) -> bool {
        if let Operation::Prepare { operations, .. } = operation {
            return operations.iter().any(|operation| self.wants(operation));
        }
        let (destinations, id): (Vec<DestinationId>, Option<MessageId>) = match operation {
            Operation::CreateDestination(found) => (vec![found.id], None),
            Operation::RemoveDestination(id) => (vec![*id], None),
            Operation::Subscribe(found) => (vec![found.destination], None),
            Operation::Enqueue { id, destination, .. } | Operation::Acknowledge { id, destination, .. } => {
                (vec![*destination], Some(*id))
            }
            Operation::Move { id, from, to, .. } => (vec![*from, *to], Some(*id)),
            _ => (Vec::new(), None),
        };
        let named = |wanted: &String| {
            destinations.iter().any(|id| self.names.get(id) == Some(wanted) || id.to_string() == *wanted)
        };
        self.options.id.is_none_or(|wanted| id == Some(MessageId(wanted)))
            && self.options.destination.as_ref().is_none_or(named)
    }

    fn destination(&self, id: DestinationId) -> Value {
        json!({ "id": id.0, "name": self.names.get(&id) })
    }

    fn operation(&self, operation: &Operation<Span>, body: &[u8]) -> Value {
        match operation {
            Operation::CreateDestination(found) => json!({
                "operation": "create destination", "id": found.id.0, "kind": kind(found.kind), "name": found.name.to_string(),
            }),
            Operation::RemoveDestination(id) => {
                json!({ "operation": "remove destination", "destination": self.destination(*id) })
            }
            Operation::Subscribe(found) => json!({
                "operation": "subscribe", "id": found.id.0, "destination": self.destination(found.destination),
                "client_id": found.client_id.to_string(), "name": found.name.to_string(),
                "selector": found.selector.as_ref().map(ToString::to_string), "no_local": found.no_local,
            }),
            Operation::Unsubscribe(id) => json!({ "operation": "unsubscribe", "subscription": id.0 }),
            Operation::Enqueue { id, destination, rank, message } => json!({
                "operation": "enqueue", "id": id.0, "destination": self.destination(*destination), "rank": rank,
                "message": self.message(*id, *message, body),
            }),
            Operation::Acknowledge { destination, id, cursor, subscription } => json!({
                "operation": "acknowledge", "id": id.0, "destination": self.destination(*destination),
                "cursor": place(*cursor),
                "subscription": subscription.map(|id| id.0),
            }),
            Operation::Move { id, from, cursor, to, rank } => json!({
                "operation": "move", "id": id.0, "from": self.destination(*from), "cursor": place(*cursor),
                "to": self.destination(*to), "rank": rank,
            }),
            Operation::Prepare { xid, operations } => json!({
                "operation": "prepare", "xid": xid.to_string(),
                "operations": operations.iter().map(|operation| self.operation(operation, body)).collect::<Vec<_>>(),
            }),
            Operation::Decide { xid, outcome } => json!({
                "operation": if *outcome == Outcome::Commit { "commit" } else { "roll back" }, "xid": xid.to_string(),
            }),
            Operation::Put { table, key, value } => json!({
                "operation": "put", "table": table.to_string(), "key": hex(key),
                "value": value.as_ref().map(|value| hex(value)),
            }),
        }
    }

    fn message(&self, id: MessageId, span: Span, body: &[u8]) -> Value {
        let bytes = codec::checked_message(body, id, span).map(Bytes::copy_from_slice);
        let Some(message) = bytes.and_then(|bytes| codec::decode_message(&bytes).ok()) else {
            return json!({ "length": span.length, "unreadable": true });
        };
        let header = &message.header;
        let mut value = json!({
            "length": span.length,
            "message_id": header.message_id.to_string(),
            "timestamp": header.timestamp,
            "expiration": header.expiration,
            "priority": header.priority,
            "persistent": header.persistent,
            "redeliveries": header.redeliveries,
            "body_kind": format!("{:?}", header.body_kind).to_lowercase(),
            "body_length": message.body.len(),
        });
        let texts = [
            ("correlation_id", &header.correlation_id),
            ("reply_to", &header.reply_to),
            ("type", &header.message_type),
            ("user_id", &header.user_id),
            ("group_id", &header.group_id),
            ("original_destination", &header.original_destination),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                value[name] = json!(text.to_string());
            }
        }
        if self.options.bodies {
            value["properties"] = json!(hex(&message.properties));
            value["body"] = json!(hex(&message.body));
        }
        value
    }
}

/// Where a message stands.
fn place(cursor: Cursor) -> Value {
    json!({ "rank": cursor.rank, "arrival": cursor.arrival })
}
