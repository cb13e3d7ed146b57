//! A message that a consumer has.

use std::sync::Arc;

use kahawai_store::message::Message;
use kahawai_store::names::MessageId;

use crate::core::dispatch::window::{Position, Waiting};
use crate::core::keys::SourceKey;

/// A message that a consumer has and has not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Dispatched {
    pub(crate) id: MessageId,
    /// Counts deliveries to this consumer; 0 before the first.
    pub(crate) serial: u64,
    /// Where it goes back to; topics take nothing back.
    pub(crate) source: Option<SourceKey>,
    pub(crate) position: Position,
    /// `None` where memory is short: it is read again when needed.
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) redeliveries: u32,
    pub(crate) stored: bool,
    /// The client had it before it lost its last connection, and has said that it keeps it.
    pub(crate) replayed: bool,
}

impl Dispatched {
    /// One that goes nowhere, neither when it is acknowledged nor when its consumer closes: a topic's subscriber had it from memory, or
    /// a browser looked at it.
    pub(crate) fn passing(id: MessageId) -> Self {
        Self {
            id,
            serial: 0,
            source: None,
            position: Position { rank: 0, arrival: 0, minor: 0 },
            message: None,
            redeliveries: 0,
            stored: false,
            replayed: false,
        }
    }

    /// One that waited in a source until now; whether it is kept in memory is said by `keep`.
    pub(crate) fn from_source(source: SourceKey, waiting: &Waiting, keep: bool) -> Self {
        Self {
            id: waiting.id,
            serial: 0,
            source: Some(source),
            position: waiting.position,
            message: keep.then(|| Arc::clone(&waiting.message)),
            redeliveries: waiting.redeliveries,
            stored: waiting.stored,
            replayed: false,
        }
    }
}
