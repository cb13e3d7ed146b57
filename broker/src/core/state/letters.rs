//! Dead letters: why, and on their way.

use std::collections::{BTreeSet, VecDeque};

use kahawai_store::batch::Operation;
use kahawai_store::names::MessageId;

use super::dispatched::Dispatched;
use super::sent::{Sent, Settled};
use crate::core::address::Address;

/// Why a message is taken out.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    Expired,
    /// The client gave up on it.
    Poison(Option<String>),
}

/// What is to be buried and is not in memory; see [`crate::core::route::condemned`].
#[derive(Debug, Default)]
pub(crate) struct Condemned {
    /// In the order in which they failed.
    pub(crate) waiting: VecDeque<(Dispatched, Reason)>,
    /// The first of them is being read.
    pub(crate) reading: bool,
}

/// A dead letter on its way.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) operations: Vec<Operation>,
    /// What takes the message out of where it was, if that is not among the operations: an engine takes a message that is
    /// larger than a batch by itself only. After a crash in between it is in both places.
    pub(crate) after: Option<Operation>,
    pub(crate) settled: Vec<Settled>,
    /// Where it goes.
    pub(crate) place: Address,
    pub(crate) sent: Sent,
}

/// How many dead letters of topics are remembered, so that each becomes one whatever the number of subscriptions.
const LETTERS_REMEMBERED: usize = 65_536;

/// Which messages of topics were made dead letters lately.
#[derive(Debug, Default)]
pub(crate) struct Letters(BTreeSet<MessageId>);

impl Letters {
    /// Whether it is the first time that this message is made one, as far as is remembered.
    pub(crate) fn is_first(&mut self, id: MessageId) -> bool {
        let first = self.0.insert(id);
        if self.0.len() > LETTERS_REMEMBERED {
            self.0.pop_first();
        }
        first
    }
}
