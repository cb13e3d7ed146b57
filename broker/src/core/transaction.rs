//! Local transactions: what is sent and acknowledged in one becomes one batch, or nothing.
//!
//! A transaction too large for memory, or for one batch, is given to the store in chunks, prepared under an id of the
//! broker's own (a negative XA format), and decided by its last batch. Such transactions that a broker finds when it
//! starts were never decided: it rolls them back.

mod spool;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kahawai_store::batch::{Operation, Outcome};
use kahawai_store::contract::Committed;
use kahawai_store::message::Message;
use kahawai_store::names::BatchName;

use super::address::Address;
use super::failure::{Failure, FailureKind};
use super::keys::{ConnectionKey, ConsumerKey, DestinationKey, RequestId};
use super::spec::{Sending, TransactionId};
use super::state::Core;
use super::state::dispatched::Dispatched;
use super::state::sent::Sent;
use super::state::transaction::{Ending, Prepared, Published, Transaction};
use super::state::turn::Completed;

impl Core {
    /// A client begins a transaction. One that is open already stays as it is.
    ///
    /// # Errors
    /// [`FailureKind::IllegalState`] for too many.
    pub fn begin(&mut self, key: ConnectionKey, id: TransactionId) -> Result<(), Failure> {
        self.check_name("transaction id", &id.client)?;
        let limit = self.limits.transactions_per_connection_max;
        let connection = self.connection_mut(key)?;
        if connection.transactions.len() >= limit && !connection.transactions.contains_key(&id) {
            let message = format!("too many open transactions on the connection: the limit is {limit}");
            return Err(Failure::new(FailureKind::IllegalState, message));
        }
        connection.transactions.entry(id).or_insert_with(|| Transaction {
            sends: Vec::new(),
            bytes: 0,
            acknowledged: Vec::new(),
            acknowledged_spooled: 0,
            sequences: Vec::new(),
            spooled: None,
            chunks: 0,
            committing: None,
            spoiled: None,
        });
        Ok(())
    }

    pub(crate) fn check_transaction(
        &mut self,
        key: ConnectionKey,
        id: &TransactionId,
    ) -> Result<(), Failure> {
        self.transaction_mut(key, id).map(|_| ())
    }

    fn transaction_mut(
        &mut self,
        key: ConnectionKey,
        id: &TransactionId,
    ) -> Result<&mut Transaction, Failure> {
        self.connection_mut(key)?.transactions.get_mut(id).ok_or_else(|| not_started(id))
    }

    pub(crate) fn send_in_transaction(
        &mut self,
        key: ConnectionKey,
        id: &TransactionId,
        sending: &Sending,
        parts: &[Address],
    ) -> Result<(), Failure> {
        let share = {
            let open = self.connection_mut(key)?.transactions.len().max(1);
            self.limits.transaction_bytes_max / open
        };
        let transaction = self.transaction_mut(key, id)?;
        for address in parts {
            transaction.bytes += sending.message.size();
            let (address, message) = (address.clone(), Arc::clone(&sending.message));
            transaction.sends.push(Prepared { address, message });
        }
        if let (Some(producer), Some(sequence)) = (&sending.producer, sending.sequence) {
            match transaction.sequences.iter_mut().find(|(known, _)| known == producer) {
                Some((_, last)) => *last = sequence,
                None => transaction.sequences.push((producer.clone(), sequence)),
            }
        }
        if transaction.bytes > share
            && let Err(failure) = self.spool(key, id)
        {
            // More than this one message went with it.
            self.spoil_transaction(key, id, &failure);
            return Err(failure);
        }
        Ok(())
    }

    pub(crate) fn acknowledge_in_transaction(
        &mut self,
        key: ConnectionKey,
        id: &TransactionId,
        consumer: ConsumerKey,
        mut entry: Dispatched,
    ) {
        if entry.stored {
            // Nobody knows how many come: what the store has is read again if it comes back.
            entry.message = None;
        }
        match self.transaction_mut(key, id) {
            Ok(transaction) => transaction.acknowledged.push((consumer, entry)),
            Err(_) => self.give_back(entry),
        }
    }

    /// From here on a transaction can only be rolled back.
    pub(crate) fn spoil_transaction(&mut self, key: ConnectionKey, id: &TransactionId, failure: &Failure) {
        if let Ok(transaction) = self.transaction_mut(key, id) {
            transaction.spoiled.get_or_insert_with(|| failure.clone());
        }
    }

    /// Sorts a send by whether the store takes it.
    ///
    /// # Errors
    /// Where there is no room for it: the transaction cannot be committed.
    fn gather(
        &mut self,
        send: Prepared,
        sender: ConnectionKey,
        gathered: &mut Gathered,
    ) -> Result<(), Failure> {
        // It was there when the message was sent; a temporary destination may have gone since, and its messages with it.
        for key in self.route(&send.address).unwrap_or_default() {
            if !self.goes_to_store(key, &send.message)? {
                gathered.memory_only.push((key, Arc::clone(&send.message)));
                continue;
            }
            let id = self.ids.message();
            let Some(destination) = self.stored_destination(key) else {
                debug_assert!(false, "a message is placed where it was routed");
                continue;
            };
            let message = Arc::clone(&send.message);
            gathered.operations.push(Operation::Enqueue { id, destination, rank: 0, message });
            gathered.sent.push(Sent {
                destination: key,
                id,
                message: Arc::clone(&send.message),
                sender: Some(sender),
            });
        }
        Ok(())
    }

    /// A client commits. Answered when it is durable.
    pub fn commit(&mut self, key: ConnectionKey, id: &TransactionId, request: Option<RequestId>) {
        if let Err(failure) = self.try_commit(key, id, request) {
            self.answer(key, request, Err(failure));
        }
    }

    fn try_commit(
        &mut self,
        key: ConnectionKey,
        id: &TransactionId,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let large = match self.connection_mut(key)?.transactions.get(id) {
            Some(transaction) if transaction.chunks == 0 && transaction.spoiled.is_none() => {
                let known = self.connections.get(&key).and_then(|connection| connection.transactions.get(id));
                known.is_some_and(|transaction| self.is_large(transaction))
            }
            _ => false,
        };
        if large && let Err(failure) = self.spool(key, id) {
            self.spoil_transaction(key, id, &failure);
        }
        if let Ok(transaction) = self.transaction_mut(key, id)
            && transaction.chunks > 0
        {
            transaction.committing = Some(request);
            return Ok(());
        }
        let mut transaction = self.connection_mut(key)?.transactions.remove(id);
        // A client on `failover:` begins its transactions anew where it reconnects and sends again what it sent in them, but
        // not what it acknowledged. It begins none that stays empty: this one's acknowledgements went down with the
        // master before us, and to answer that they are committed would be a lie.
        let hollow = transaction.as_ref().is_some_and(Transaction::is_empty) && self.is_reconnected(key);
        let Some(mut transaction) = transaction.take_if(|_| !hollow) else {
            if !self.was_committed(id) {
                return Err(if hollow { went_down(id) } else { not_started(id) });
            }
            // It was given to the store, and its client missed the answer; it is durable when this is.
            let transaction = id.clone();
            self.submit(Vec::new(), Completed::Recommitted { connection: key, request, transaction });
            return Ok(());
        };
        let mut gathered = Gathered::default();
        let sends = std::mem::take(&mut transaction.sends);
        let spoiled = transaction.spoiled.clone().map_or(Ok(()), Err);
        let gather = |send| self.gather(send, key, &mut gathered);
        if let Err(failure) = spoiled.and_then(|()| sends.into_iter().try_for_each(gather)) {
            self.undo_transaction(transaction);
            let message = format!("the transaction was rolled back: {failure}");
            return Err(Failure::new(FailureKind::TransactionRolledBack, message));
        }
        let mut settled = Vec::new();
        for (index, (_, entry)) in transaction.acknowledged.iter().enumerate() {
            if let Some((source, operation)) = self.acknowledgement_of(entry) {
                if index >= transaction.acknowledged_spooled {
                    gathered.operations.push(operation);
                }
                settled.push((source, entry.id));
            }
        }
        let mut ending = Ending {
            connection: key,
            transaction: id.clone(),
            request,
            sent: gathered.sent,
            memory_only: gathered.memory_only,
            settled,
            acknowledged: transaction.acknowledged,
            spooled: transaction.spooled,
            inflight: transaction.bytes,
            sequences: transaction.sequences,
        };
        if gathered.operations.is_empty() && ending.spooled.is_none() {
            for (producer, sequence) in std::mem::take(&mut ending.sequences) {
                self.sequence_operations(&producer, sequence, false);
            }
            ending.inflight = 0;
            self.transaction_ended(
                ending,
                Ok(Committed { arrival_first: self.arrival_last, name: BatchName::default() }),
            );
            return Ok(());
        }
        for (producer, sequence) in &ending.sequences {
            gathered.operations.extend(self.sequence_operations(producer, *sequence, true));
        }
        gathered.operations.extend(self.outcome_operations(id));
        self.connection_mut(key)?.inflight += ending.inflight;
        let operations = match &ending.spooled {
            None => gathered.operations,
            Some(spooled) => {
                let xid = spooled.xid.clone();
                vec![
                    Operation::Prepare { xid: xid.clone(), operations: gathered.operations },
                    Operation::Decide { xid, outcome: Outcome::Commit },
                ]
            }
        };
        for sent in &ending.sent {
            self.goes_under_way(sent.destination, sent.message.header.persistent);
        }
        // Of those in chunks it is not known which need not be stored.
        for destination in ending.spooled.iter().flat_map(|spooled| &spooled.destinations) {
            self.goes_under_way(*destination, true);
        }
        self.submit(operations, Completed::Transaction(Box::new(ending)));
        Ok(())
    }

    /// A client rolls back. What it acknowledged is in its hands again, to be delivered again by itself.
    pub fn rollback(&mut self, key: ConnectionKey, id: &TransactionId, request: Option<RequestId>) {
        let result = match self.connection_mut(key) {
            Err(failure) => Err(failure),
            Ok(connection) => match connection.transactions.remove(id) {
                None => Err(not_started(id)),
                Some(transaction) => {
                    self.undo_transaction(transaction);
                    Ok(())
                }
            },
        };
        self.answer(key, request, result);
    }

    pub(crate) fn undo_transaction(&mut self, transaction: Transaction) {
        if let Some(spooled) = transaction.spooled.filter(|spooled| spooled.prepared) {
            let decide = Operation::Decide { xid: spooled.xid, outcome: Outcome::Rollback };
            self.submit(vec![decide], Completed::RolledBack);
        }
        self.unacknowledge(transaction.acknowledged);
    }

    /// Rolls back what a connection that is gone has left open.
    pub(crate) fn abort_transaction(&mut self, key: ConnectionKey, mut transaction: Transaction) {
        if let Some(request) = transaction.committing.take() {
            let message = "the connection was lost before the transaction was decided";
            let failure = Failure::new(FailureKind::TransactionRolledBack, message);
            self.answer(key, request, Err(failure));
        }
        self.undo_transaction(transaction);
    }

    /// What a transaction acknowledged is its consumers' again, in the old order; where the consumer is gone it waits again.
    fn unacknowledge(&mut self, acknowledged: Vec<(ConsumerKey, Dispatched)>) {
        let mut living: BTreeMap<ConsumerKey, Vec<Dispatched>> = BTreeMap::new();
        for (key, mut entry) in acknowledged {
            if self.consumers.contains_key(&key) {
                living.entry(key).or_default().push(entry);
            } else {
                entry.redeliveries += 1;
                self.give_back(entry);
            }
        }
        for (key, entries) in living {
            if let Some(consumer) = self.consumers.get_mut(&key) {
                consumer.hand.put_back(entries);
            }
        }
    }

    /// The store has answered a transaction's batch.
    pub(crate) fn transaction_ended(&mut self, ending: Ending, result: Result<Committed, Failure>) {
        let Ending {
            connection,
            transaction,
            request,
            sent,
            memory_only,
            settled,
            acknowledged,
            spooled,
            inflight,
            sequences,
        } = ending;
        self.landed(connection, inflight);
        for destination in spooled.iter().flat_map(|spooled| &spooled.destinations) {
            self.is_answered(*destination, true);
        }
        let committed = match result {
            Ok(committed) => committed,
            Err(failure) => {
                self.answered_for(&sent);
                self.retract_outcome(&transaction);
                for (producer, sequence) in sequences {
                    self.retract_sequence(Some(&producer), Some(sequence));
                }
                if let Some(spooled) = spooled.filter(|spooled| spooled.prepared) {
                    let decide = Operation::Decide { xid: spooled.xid, outcome: Outcome::Rollback };
                    self.submit(vec![decide], Completed::RolledBack);
                }
                self.unacknowledge(acknowledged);
                let message = format!("the transaction was rolled back: {failure}");
                let failure = Failure::new(FailureKind::TransactionRolledBack, message);
                self.answer(connection, request, Err(failure));
                return;
            }
        };
        match spooled {
            None => {
                for (arrival, sent) in (committed.arrival_first..).zip(&sent) {
                    self.arrived(sent, arrival);
                    self.arrival_last = self.arrival_last.max(arrival);
                }
            }
            Some(spooled) => {
                // They are in the store and nowhere else: whoever consumes reads them.
                let arrivals = spooled.enqueues + sent.len() as u64;
                self.arrival_last =
                    self.arrival_last.max((committed.arrival_first + arrivals).saturating_sub(1));
                let destinations =
                    spooled.destinations.into_iter().chain(sent.iter().map(|sent| sent.destination));
                for destination in destinations.collect::<BTreeSet<_>>() {
                    self.arrived_unseen(destination);
                }
                for Published { destination, message, stored } in spooled.publish {
                    let id = self.ids.transient();
                    match stored {
                        true => self.publish(destination, id, &message, Some(connection), true),
                        false => self.place_in_memory(destination, id, &message, Some(connection)),
                    }
                }
                self.answered_for(&sent);
                for sent in &sent {
                    self.publish(sent.destination, sent.id, &sent.message, sent.sender, true);
                }
            }
        }
        self.settle(&settled);
        for (destination, message) in memory_only {
            let id = self.ids.transient();
            self.place_in_memory(destination, id, &message, Some(connection));
        }
        self.answer(connection, request, Ok(()));
        let consumers: BTreeSet<_> = acknowledged.iter().map(|(consumer, _)| *consumer).collect();
        for consumer in consumers {
            self.consumer_has_room(consumer);
        }
    }
}

/// A transaction's sends, sorted by whether the store takes them.
#[derive(Default)]
struct Gathered {
    operations: Vec<Operation>,
    sent: Vec<Sent>,
    memory_only: Vec<(DestinationKey, Arc<Message>)>,
}

fn not_started(id: &TransactionId) -> Failure {
    let message = format!("Transaction 'TX:{}:{}' has not been started.", id.client, id.number);
    Failure::new(FailureKind::General, message)
}

fn went_down(id: &TransactionId) -> Failure {
    let message = format!(
        "the transaction TX:{}:{} was rolled back: what was acknowledged in it was lost with the last connection",
        id.client, id.number
    );
    Failure::new(FailureKind::TransactionRolledBack, message)
}
