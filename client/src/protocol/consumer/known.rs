//! Which messages the application has had, over links that were lost too.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{MessageId, ProducerId};

use crate::protocol::consumer::entry::{Entry, id};

/// Messages that are remembered to have been handed out and acknowledged: more than a broker can have on their way
/// without knowing that they arrived.
pub(crate) const REMEMBERED_MAX: usize = 16 * 1024;

/// A message, and where it came from: a copy of it in another queue is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    destination: Arc<Destination>,
    producer: Option<Arc<ProducerId>>,
    sequence: i64,
    text_view: Option<kahawai_openwire::text::Text>,
}

impl Known {
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let MessageId { text_view, producer_id, producer_sequence_id, .. } = id(entry)?;
        Some(Self {
            destination: entry.destination.clone(),
            producer: producer_id.clone(),
            sequence: *producer_sequence_id,
            text_view: text_view.clone(),
        })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct KnownMessages {
    /// Handed out and acknowledged over this link, the newest last.
    pub(crate) remembered: VecDeque<Known>,
    /// Handed out and acknowledged over links that were lost.
    pub(crate) acknowledged: HashSet<Known>,
    /// Handed out over links that were lost and not acknowledged, by how the application names them.
    pub(crate) in_hand: HashMap<Known, u64>,
    /// How the application names messages that came again, and how the broker's order has them.
    pub(crate) renamed: BTreeMap<u64, u64>,
}

impl KnownMessages {
    pub(crate) fn remember(&mut self, entry: &Entry) {
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.extend(Known::of(entry));
    }

    /// Whether any message that comes may be known.
    pub(crate) fn knows_some(&self) -> bool {
        !self.acknowledged.is_empty() || !self.in_hand.is_empty()
    }
}
