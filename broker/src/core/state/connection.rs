//! A client's connection and its producers.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;

use super::transaction::Transaction;
use crate::core::address::Address;
use crate::core::keys::{ConsumerKey, DestinationKey};
use crate::core::spec::{ConnectionSpec, TransactionId};

/// A producer of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Producer {
    pub(crate) address: Option<Address>,
    /// How many bytes it sends before it wants to hear that some were taken; 0 for any.
    pub(crate) window_bytes: u32,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) spec: ConnectionSpec,
    pub(crate) consumers: BTreeSet<ConsumerKey>,
    pub(crate) producers: BTreeMap<ByteString, Producer>,
    pub(crate) temporaries: Vec<DestinationKey>,
    pub(crate) transactions: BTreeMap<TransactionId, Transaction>,
    /// Bytes delivered to it and not known to have been written.
    pub(crate) unwritten: usize,
    /// Bytes it sent that are not durable yet.
    pub(crate) inflight: usize,
    /// How many slow subscribers hold it back.
    pub(crate) held_by: usize,
}

impl Connection {
    /// Whether deliveries to it wait until what was delivered is written, of which at most so many bytes should be under way.
    pub(crate) fn is_congested(&self, most: usize) -> bool {
        self.unwritten >= most
    }
}
