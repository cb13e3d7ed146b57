//! What producers and transactions are remembered by, so that what a client sends again after a failover is stored once.
//!
//! A producer's last sequence lives in the store beside its messages, written in the same batch; so does the number of a
//! connection's last committed transaction. Both are forgotten when the client says goodbye, and the longest unused
//! ones when there are too many.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::Operation;

use super::Core;
use super::transaction::TransactionId;

/// The table of producers' last sequences.
pub(crate) const PRODUCERS: ByteString = ByteString::from_static("producers");
/// The table of connections' last commits.
pub(crate) const OUTCOMES: ByteString = ByteString::from_static("outcomes");

/// Names with a number each, the least recently used of which are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    entries: HashMap<ByteString, Entry>,
    by_use: BTreeMap<u64, ByteString>,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: i64,
    /// Whether the store has an entry for it.
    stored: bool,
    used: u64,
}

impl Remembered {
    pub(crate) fn get(&self, name: &ByteString) -> Option<i64> {
        self.entries.get(name).map(|entry| entry.number)
    }

    /// Sets a number; gives the name of a stored entry that had to go.
    pub(crate) fn set(
        &mut self,
        name: &ByteString,
        number: i64,
        stored: bool,
        most: usize,
    ) -> Option<ByteString> {
        self.uses += 1;
        let used = self.uses;
        match self.entries.get_mut(name) {
            Some(entry) => {
                let name = self.by_use.remove(&entry.used);
                *entry = Entry { number, stored: stored || entry.stored, used };
                self.by_use.insert(used, name.unwrap_or_default());
                None
            }
            None => {
                self.entries.insert(name.clone(), Entry { number, stored, used });
                self.by_use.insert(used, name.clone());
                if self.entries.len() <= most {
                    return None;
                }
                let (_, oldest) = self.by_use.pop_first()?;
                self.entries.remove(&oldest).filter(|entry| entry.stored).map(|_| oldest)
            }
        }
    }

    fn lower(&mut self, name: &ByteString, number: i64) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.number = entry.number.min(number);
        }
    }

    /// Forgets a name; gives whether the store has an entry for it.
    pub(crate) fn remove(&mut self, name: &ByteString) -> bool {
        let Some(entry) = self.entries.remove(name) else { return false };
        self.by_use.remove(&entry.used);
        entry.stored
    }
}

pub(crate) fn put(table: ByteString, name: &ByteString, number: Option<i64>) -> Operation {
    let value = number.map(|number| Bytes::copy_from_slice(&number.to_be_bytes()));
    Operation::Put { table, key: name.as_bytes().clone(), value }
}

impl Core {
    /// Whether a producer's message was given to the store already.
    pub(crate) fn is_duplicate(&self, producer: Option<&ByteString>, sequence: Option<i64>) -> bool {
        match (producer.and_then(|producer| self.producers.get(producer)), sequence) {
            (Some(last), Some(sequence)) => sequence <= last,
            _ => false,
        }
    }

    /// Notes how far a producer has got, in this turn's batch if the message is in it.
    pub(crate) fn note_sequence(
        &mut self,
        producer: Option<&ByteString>,
        sequence: Option<i64>,
        durable: bool,
    ) {
        let (Some(producer), Some(sequence)) = (producer, sequence) else { return };
        let operations = self.sequence_operations(producer, sequence, durable);
        self.turn.sends.extend(operations);
    }

    /// The operations by which the store learns how far a producer has got.
    pub(crate) fn sequence_operations(
        &mut self,
        producer: &ByteString,
        sequence: i64,
        durable: bool,
    ) -> Vec<Operation> {
        let forgotten = self.producers.set(producer, sequence, durable, self.limits.producers_max);
        let mut operations = Vec::new();
        if durable {
            operations.push(put(PRODUCERS, producer, Some(sequence)));
        }
        operations.extend(forgotten.map(|oldest| put(PRODUCERS, &oldest, None)));
        operations
    }

    /// The operation that says again how far a producer has got.
    pub(crate) fn sequence_operation(&self, producer: &ByteString) -> Vec<Operation> {
        vec![put(PRODUCERS, producer, self.producers.get(producer))]
    }

    /// A message was not stored after all: if it comes again, it is no duplicate.
    pub(crate) fn retract_sequence(&mut self, producer: Option<&ByteString>, sequence: Option<i64>) {
        if let (Some(producer), Some(sequence)) = (producer, sequence) {
            self.producers.lower(producer, sequence - 1);
        }
    }

    /// A producer has said goodbye.
    pub(crate) fn forget_producer(&mut self, name: &ByteString) {
        if self.producers.remove(name) {
            // Behind this turn's sends, whose batch may still note the sequence.
            self.submit(vec![put(PRODUCERS, name, None)], super::turn::Completed::Nothing);
        }
    }

    /// Whether a transaction was committed already.
    pub(crate) fn was_committed(&self, transaction: &TransactionId) -> bool {
        self.outcomes.get(&transaction.client).is_some_and(|last| transaction.number <= last)
    }

    /// The operations by which the store learns that a transaction was committed.
    pub(crate) fn outcome_operations(&mut self, transaction: &TransactionId) -> Vec<Operation> {
        let most = self.limits.outcomes_max;
        let forgotten = self.outcomes.set(&transaction.client, transaction.number, true, most);
        let mut operations = vec![put(OUTCOMES, &transaction.client, Some(transaction.number))];
        operations.extend(forgotten.map(|oldest| put(OUTCOMES, &oldest, None)));
        operations
    }

    /// A connection has said goodbye.
    pub(crate) fn forget_outcome(&mut self, client: &ByteString) {
        if self.outcomes.remove(client) {
            self.submit(vec![put(OUTCOMES, client, None)], super::turn::Completed::Nothing);
        }
    }
}
