//! What was found wrong: where, what it was, and what it takes.

use std::fmt;

use kahawai_store::batch::Operation;
use kahawai_store::codec::header;
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId};

use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::body;
use crate::format::record::Kind;
use crate::format::relocation;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing that was acknowledged is concerned.
    Note,
    /// In the last flush, whose end nobody saw: it may or may not have been acknowledged by the disk, never to a client.
    Doubtful,
    /// Bytes that were durable are not what was written.
    Damage,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Note => "note",
            Self::Doubtful => "doubtful",
            Self::Damage => "damage",
        })
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, by its name in the store's directory.
    pub file: String,
    /// The segment's number, where it is one.
    pub segment: Option<u64>,
    /// From which byte of the file to which (not included), where that is known.
    pub bytes: Option<(u64, u64)>,
    /// The sequences of the records concerned: the first and the last.
    pub sequences: Option<(u64, u64)>,
    /// What is wrong.
    pub problem: String,
    /// What the records held that are lost, as far as it can be read.
    pub lost: Vec<Lost>,
    /// Whether `lost` was read from bytes that verify. Where not, it is what the damaged bytes say, and a number in it may be wrong.
    pub certain: bool,
    /// Whether the records concerned held things that cannot be read any more.
    pub unreadable: bool,
    /// Whether no broker starts on the store as it is.
    pub prevents_start: bool,
}

/// Something that a damaged record held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A message.
    Message {
        /// Its id.
        id: MessageId,
        /// The id that clients see (`JMSMessageID`), where it can be read.
        message_id: Option<String>,
        /// Where it had arrived.
        destination: DestinationId,
        /// Whether the log says later that it was acknowledged: then nothing is lost with it.
        acknowledged: bool,
    },
    /// An acknowledgement: the message is delivered again.
    Acknowledgement {
        /// The message's id.
        id: MessageId,
        /// The id that clients see (`JMSMessageID`), where the message is still there to be read.
        message_id: Option<String>,
        /// Where it was.
        destination: DestinationId,
        /// For whom it was acknowledged, on a topic.
        subscription: Option<SubscriptionId>,
    },
    /// A move: the message stays where it was.
    Move {
        /// The message's id.
        id: MessageId,
        /// The id that clients see (`JMSMessageID`), where the message is still there to be read.
        message_id: Option<String>,
        /// Where it was.
        from: DestinationId,
        /// Where it went.
        to: DestinationId,
    },
    /// Anything else, in words.
    Other(String),
}

impl Lost {
    /// A message of which no more is known.
    pub(crate) fn message(id: MessageId, destination: DestinationId) -> Self {
        Self::Message { id, message_id: None, destination, acknowledged: false }
    }

    /// The message that it is, or is about, and what is known of the id that clients see.
    pub(crate) fn about(&mut self) -> Option<(MessageId, &mut Option<String>)> {
        match self {
            Self::Message { id, message_id, .. }
            | Self::Acknowledgement { id, message_id, .. }
            | Self::Move { id, message_id, .. } => Some((*id, message_id)),
            Self::Other(_) => None,
        }
    }
}

impl Finding {
    pub(crate) fn new(severity: Severity, file: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self {
            severity,
            file: file.to_string(),
            segment: None,
            bytes: None,
            sequences: None,
            problem: problem.into(),
            lost: Vec::new(),
            certain: true,
            unreadable: false,
            prevents_start: false,
        }
    }

    pub(crate) fn damage(file: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::new(Severity::Damage, file, problem)
    }

    pub(crate) fn in_segment(mut self, number: u64) -> Self {
        self.segment = Some(number);
        self
    }

    pub(crate) fn at(mut self, from: u64, to: u64) -> Self {
        self.bytes = Some((from, to));
        self
    }

    pub(crate) fn records(mut self, first: u64, last: u64) -> Self {
        self.sequences = Some((first, last));
        self
    }

    pub(crate) fn preventing_start(mut self) -> Self {
        self.prevents_start = true;
        self
    }

    /// `lost` was read from bytes that do not verify.
    pub(crate) fn uncertain(mut self) -> Self {
        self.certain = self.lost.is_empty();
        self
    }

    /// Says what a record's body held, as far as it can be read.
    pub(crate) fn held(mut self, kind: Kind, body: &[u8]) -> Self {
        match (kind, decode_batch_body(body)) {
            (Kind::Batch, Some((operations, _))) => self.lost.extend(name(&operations)),
            (Kind::Batch, None) => self.unreadable = true,
            (Kind::Snapshot, _) => {
                self.lost.push(Lost::Other("the list of what existed when the segment was begun".to_owned()));
            }
            (Kind::Relocation, _) => match relocation::decode(body) {
                Some(found) => {
                    let lost = found.messages.iter().map(|again| Lost::message(again.id, again.destination));
                    self.lost.extend(lost);
                }
                None => self.unreadable = true,
            },
            (Kind::Prepared, _) => match decode_prepared(body) {
                Some((_, _, operations)) => self.lost.extend(name(&operations)),
                None => self.unreadable = true,
            },
            (Kind::Lost, _) => {
                self.lost.push(Lost::Other("the list of what was lost with a damaged segment".to_owned()));
            }
            (Kind::Idle | Kind::Close, _) => {}
            (Kind::Release, _) => {
                self.lost.push(Lost::Other("the note that segments are released".to_owned()))
            }
        }
        self.name_messages(kind, body);
        self
    }

    /// Adds the ids that clients see, of messages that a body holds.
    pub(crate) fn name_messages(&mut self, kind: Kind, body: &[u8]) {
        let held = body::held_in(kind, body).unwrap_or_default();
        for (id, message_id) in self.lost.iter_mut().filter_map(Lost::about) {
            let found = held.iter().find(|held| held.id == id);
            let bytes = found.and_then(|held| body.get(held.span.range()));
            *message_id = bytes.and_then(header::message_id).map(|text| text.to_string());
        }
    }
}

/// What operations did.
pub(crate) fn name<M>(operations: &[Operation<M>]) -> Vec<Lost> {
    let mut named = Vec::new();
    for operation in operations {
        named.push(match operation {
            Operation::Enqueue { id, destination, .. } => Lost::message(*id, *destination),
            Operation::Acknowledge { id, destination, subscription, .. } => {
                let (id, destination, subscription) = (*id, *destination, *subscription);
                Lost::Acknowledgement { id, message_id: None, destination, subscription }
            }
            Operation::Move { id, from, to, .. } => {
                Lost::Move { id: *id, message_id: None, from: *from, to: *to }
            }
            Operation::Prepare { operations, .. } => {
                named.extend(name(operations));
                continue;
            }
            Operation::CreateDestination(found) => {
                Lost::Other(format!("the creation of {:?} '{}' ({})", found.kind, found.name, found.id))
            }
            Operation::RemoveDestination(id) => Lost::Other(format!("the removal of destination {id}")),
            Operation::Subscribe(found) => Lost::Other(format!(
                "the creation of subscription '{}' of client '{}' ({})",
                found.name, found.client_id, found.id
            )),
            Operation::Unsubscribe(id) => Lost::Other(format!("the removal of subscription {id}")),
            Operation::Decide { xid, outcome } => {
                Lost::Other(format!("the decision of transaction {xid}: {outcome:?}"))
            }
            Operation::Put { table, .. } => Lost::Other(format!("a value of table '{table}'")),
        });
    }
    named
}
