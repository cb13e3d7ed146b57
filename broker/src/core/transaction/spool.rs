//! What of a transaction is given to the store before it is decided, in chunks.

use std::collections::BTreeSet;
use std::sync::Arc;

use kahawai_store::batch::Operation;

use super::Gathered;
use crate::core::cut::{cut, room, size};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, DestinationKey};
use crate::core::spec::TransactionId;
use crate::core::state::Core;
use crate::core::state::transaction::{Prepared, Published, Spooled, Transaction};
use crate::core::state::turn::Completed;

/// How often the spool threshold a transaction may hold of what only lives in memory.
const MEMORY_ONLY_FACTOR: usize = 16;

impl Core {
    /// Gives what a transaction has done so far to the store, prepared and not decided.
    ///
    /// # Errors
    /// [`FailureKind::ResourceAllocation`] where it holds too much that is not stored, or memory is full: it can only be rolled back then.
    pub(super) fn spool(&mut self, key: ConnectionKey, id: &TransactionId) -> Result<(), Failure> {
        let open = self.connection_mut(key)?.transactions.len().max(1);
        let transaction = self.transaction_mut(key, id)?;
        let sends = std::mem::take(&mut transaction.sends);
        transaction.bytes = 0;
        let spooled = transaction.spooled.take();
        let done = transaction.acknowledged_spooled;
        transaction.acknowledged_spooled = transaction.acknowledged.len();
        let acknowledged: Vec<_> =
            transaction.acknowledged[done..].iter().map(|(_, entry)| entry.clone()).collect();
        let mut spooled = spooled.unwrap_or_else(|| Spooled {
            xid: self.ids.xid(),
            prepared: false,
            destinations: BTreeSet::new(),
            publish: Vec::new(),
            publish_bytes: 0,
            enqueues: 0,
        });
        let mut gathered = Gathered::default();
        let full = sends.into_iter().try_for_each(|send| self.gather(send, key, &mut gathered)).err();
        let topics = gathered.sent.iter().map(|sent| (sent.destination, &sent.message));
        let topics =
            topics.filter(|(key, _)| self.directory.get(*key).is_some_and(|found| found.queue.is_none()));
        let memory_only = gathered.memory_only.iter().map(|(key, message)| (*key, message, false));
        for (destination, message, stored) in
            memory_only.chain(topics.map(|(key, message)| (key, message, true)))
        {
            spooled.publish_bytes += message.size();
            spooled.publish.push(Published { destination, message: Arc::clone(message), stored });
        }
        spooled.destinations.extend(gathered.sent.iter().map(|sent| sent.destination));
        spooled.enqueues += gathered.sent.len() as u64;
        for entry in &acknowledged {
            if let Some((source, operation)) = self.acknowledgement_of(entry) {
                spooled.destinations.extend(self.sources.get(&source).map(|source| source.destination));
                gathered.operations.push(operation);
            }
        }
        let most = self.limits.transaction_bytes_max * MEMORY_ONLY_FACTOR / open;
        let too_much = spooled.publish_bytes > most;
        let xid = spooled.xid.clone();
        spooled.prepared |= !too_much && full.is_none() && !gathered.operations.is_empty();
        self.transaction_mut(key, id)?.spooled = Some(spooled);
        if let Some(failure) = full {
            return Err(failure);
        }
        if too_much {
            let message =
                format!("the transaction holds more than {most} bytes of messages that are not stored");
            return Err(Failure::new(FailureKind::ResourceAllocation, message));
        }
        for operations in cut(gathered.operations, room(self.settings.batch_bytes_max)) {
            let inflight = operations.iter().map(size).sum();
            self.transaction_mut(key, id)?.chunks += 1;
            self.connection_mut(key)?.inflight += inflight;
            let prepare = Operation::Prepare { xid: xid.clone(), operations };
            self.submit(
                vec![prepare],
                Completed::Chunk { connection: key, transaction: id.clone(), inflight },
            );
        }
        Ok(())
    }

    /// Whether a transaction that is prepared in part names a destination.
    pub(crate) fn is_prepared(&self, destination: DestinationKey) -> bool {
        let mut open = self.connections.values().flat_map(|connection| connection.transactions.values());
        open.any(|open| {
            open.spooled.as_ref().is_some_and(|spooled| spooled.destinations.contains(&destination))
        })
    }

    /// Whether what a transaction has not prepared yet is too much for the batch that decides.
    pub(super) fn is_large(&self, transaction: &Transaction) -> bool {
        const OPERATION: usize = 64;
        let open = transaction.acknowledged.len() - transaction.acknowledged_spooled;
        let sequences: usize =
            transaction.sequences.iter().map(|(producer, _)| 2 * (producer.len() + 2 * OPERATION)).sum();
        // A pattern may mean many destinations.
        let copies = |send: &Prepared| match send.address.is_pattern() {
            true => self.directory.matching(&send.address).len(),
            false => 1,
        };
        let sends = transaction.sends.iter().map(|send| copies(send) * (send.message.size() + OPERATION));
        sends.sum::<usize>() + open * OPERATION + sequences > room(self.settings.batch_bytes_max) / 4 * 3
    }

    /// The store has answered a chunk of a transaction.
    pub(crate) fn chunk_ended(
        &mut self,
        key: ConnectionKey,
        id: &TransactionId,
        result: Result<(), Failure>,
    ) {
        if let Err(failure) = result {
            self.spoil_transaction(key, id, &failure);
        }
        // It may have been rolled back, or its connection lost.
        let Ok(transaction) = self.transaction_mut(key, id) else { return };
        transaction.chunks -= 1;
        if transaction.chunks == 0
            && let Some(request) = transaction.committing.take()
        {
            self.commit(key, id, request);
        }
    }

    /// Messages were committed to a destination that are not in memory.
    pub(super) fn arrived_unseen(&mut self, key: DestinationKey) {
        // A temporary one may have gone since.
        let Some(destination) = self.directory.get(key) else { return };
        let sources: Vec<_> =
            destination.queue.into_iter().chain(destination.durables.iter().copied()).collect();
        for key in sources {
            if let Some(source) = self.sources.get_mut(&key) {
                source.window.change(&mut self.memory).committed_unseen();
                // Nor does anybody know when they expire.
                source.expires_from = i64::MIN;
            }
            self.touch(key);
        }
    }
}
