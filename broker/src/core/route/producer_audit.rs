//! What producers and transactions are remembered by, so that what a client sends again after a failover is stored once.
//!
//! A producer's last sequence lives in the store beside its messages, written in the same batch; so does the number of a
//! connection's last committed transaction. Both are forgotten when the client says goodbye, and the longest unused
//! ones when there are too many.

use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::contract::TableEntry;

use crate::core::cut::{cut, room, size};
use crate::core::effects::Notice;
use crate::core::entries::{Unreadable, numbers_value, read_numbers};
use crate::core::spec::TransactionId;
use crate::core::state::Core;
use crate::core::state::turn::Completed;

/// The table of producers' last sequences.
pub(crate) const PRODUCERS: ByteString = ByteString::from_static("producers");
/// The table of connections' last commits.
pub(crate) const OUTCOMES: ByteString = ByteString::from_static("outcomes");

/// How many of a connection's last commits are remembered: its sessions commit side by side, and each may miss an answer.
const COMMITS: usize = 16;

/// The operation that writes numbers under a name, or with none removes it.
fn put(table: ByteString, name: &ByteString, numbers: Option<&[i64]>) -> Operation {
    let value = numbers.map(numbers_value);
    Operation::Put { table, key: name.as_bytes().clone(), value }
}

impl Core {
    /// Whether a producer's message was given to the store already.
    pub(crate) fn is_duplicate(&self, producer: Option<&ByteString>, sequence: Option<i64>) -> bool {
        match (producer.and_then(|producer| self.producers.get(producer)), sequence) {
            (Some(last), Some(sequence)) => sequence <= *last,
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
        if let Some((noted, index)) = &self.turn.noted
            && noted == producer
            && durable
            && let Some(Operation::Put { value, .. }) = self.turn.sends.get_mut(*index)
            && let Some(last) = self.producers.get_mut(producer)
        {
            // The batch says it once, for the last of the run.
            *last = sequence;
            *value = Some(numbers_value(&[sequence]));
            return;
        }
        let operations = self.sequence_operations(producer, sequence, durable);
        if durable {
            self.turn.noted = Some((producer.clone(), self.turn.sends.len()));
        }
        self.turn.sends_bytes += operations.iter().map(size).sum::<usize>();
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
            operations.push(put(PRODUCERS, producer, Some(&[sequence])));
        }
        operations.extend(forgotten.map(|oldest| put(PRODUCERS, &oldest, None)));
        operations
    }

    /// A message was not stored after all: if it comes again, it is no duplicate.
    pub(crate) fn retract_sequence(&mut self, producer: Option<&ByteString>, sequence: Option<i64>) {
        if let (Some(producer), Some(sequence)) = (producer, sequence)
            && let Some(last) = self.producers.get_mut(producer)
        {
            *last = (*last).min(sequence.saturating_sub(1));
        }
    }

    /// Producers have said goodbye.
    pub(crate) fn forget_producers<'a>(&mut self, names: impl IntoIterator<Item = &'a ByteString>) {
        let names = names.into_iter().filter(|name| self.producers.remove(name));
        let operations = names.map(|name| put(PRODUCERS, name, None)).collect();
        self.forget(operations);
    }

    /// Removes entries, behind this turn's sends, whose batch may still note them.
    fn forget(&mut self, operations: Vec<Operation>) {
        for operations in cut(operations, room(self.settings.batch_bytes_max)) {
            self.submit(operations, Completed::Nothing);
        }
    }

    /// Whether a transaction was committed already.
    pub(crate) fn was_committed(&self, transaction: &TransactionId) -> bool {
        let last = self.outcomes.get(&transaction.client);
        last.is_some_and(|numbers| numbers.contains(&transaction.number))
    }

    /// The operations by which the store learns that a transaction was committed. One of the broker's own needs none.
    pub(crate) fn outcome_operations(&mut self, transaction: &TransactionId) -> Vec<Operation> {
        if transaction.client.is_empty() {
            return Vec::new();
        }
        let most = self.limits.outcomes_max;
        let mut numbers = self.outcomes.get(&transaction.client).cloned().unwrap_or_default();
        numbers.push(transaction.number);
        numbers.drain(..numbers.len().saturating_sub(COMMITS));
        let mut operations = vec![put(OUTCOMES, &transaction.client, Some(&numbers))];
        let forgotten = self.outcomes.set(&transaction.client, numbers, true, most);
        operations.extend(forgotten.map(|oldest| put(OUTCOMES, &oldest, None)));
        operations
    }

    /// A transaction was not committed after all.
    pub(crate) fn retract_outcome(&mut self, transaction: &TransactionId) {
        if let Some(numbers) = self.outcomes.get_mut(&transaction.client) {
            numbers.retain(|number| *number != transaction.number);
        }
    }

    /// A connection has said goodbye.
    pub(crate) fn forget_outcome(&mut self, client: &ByteString) {
        if self.outcomes.remove(client) {
            self.forget(vec![put(OUTCOMES, client, None)]);
        }
    }

    /// Takes an entry that a store held. One that is too many is removed there.
    pub(crate) fn recover_entry(&mut self, entry: &TableEntry) {
        let name = ByteString::try_from(entry.key.clone()).map_err(|_| Unreadable::Malformed);
        let (name, numbers) = match name.and_then(|name| Ok((name, read_numbers(&entry.value)?))) {
            Ok(read) => read,
            Err(problem) => return self.entry_unreadable(entry, problem),
        };
        let forgotten = match numbers.last() {
            Some(last) if entry.table == PRODUCERS => {
                self.producers.set(&name, *last, true, self.limits.producers_max)
            }
            Some(_) => self.outcomes.set(&name, numbers, true, self.limits.outcomes_max),
            None => None,
        };
        let table = entry.table.clone();
        self.turn.sends.extend(forgotten.map(|oldest| put(table, &oldest, None)));
    }

    /// An entry that this broker cannot read stays as it is, and is told.
    pub(crate) fn entry_unreadable(&mut self, entry: &TableEntry, problem: Unreadable) {
        let key = entry.key.escape_ascii();
        let text = format!(
            "the entry '{key}' of the store's table '{}' is not used and left as it is: {problem}",
            entry.table
        );
        self.effects.notices.push(Notice { text });
    }
}
