//! Acknowledgements, as OpenWire's clients mean them: ranges over what was dispatched to a consumer, in that order.

use kahawai_store::batch::Operation;

use super::meant::{self, Meant};
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, RequestId};
use crate::core::spec::{Acknowledgement, AcknowledgementKind};
use crate::core::state::Core;
use crate::core::state::dispatched::Dispatched;
use crate::core::state::letters::Reason;

impl Core {
    /// A client acknowledges. The answer, if one is wanted, comes when it is durable.
    pub fn acknowledge(
        &mut self,
        connection: ConnectionKey,
        acknowledgement: Acknowledgement,
        request: Option<RequestId>,
    ) {
        let transaction = acknowledgement.transaction.clone();
        match self.try_acknowledge(connection, acknowledgement) {
            Ok(true) => match request {
                // There is something to wait for among this turn's acknowledgements.
                Some(request) if !self.turn.acknowledgements.is_empty() => {
                    self.turn.acknowledgers.push((connection, request));
                }
                _ => self.answer(connection, request, Ok(())),
            },
            Ok(false) => self.answer(connection, request, Ok(())),
            Err(failure) => {
                let reconnected = self.is_reconnected(connection);
                if let Some(transaction) = transaction {
                    self.spoil_transaction(connection, &transaction, &failure);
                    if reconnected {
                        // Its client would deliver the same messages again by itself and acknowledge them in the same wrong
                        // way, for ever. Over a new connection it begins with what it is sent.
                        self.cut(connection, failure.message.clone());
                    }
                }
                // After a failover a client acknowledges what the master before us sent it: it comes again.
                let result = if reconnected { Ok(()) } else { Err(failure) };
                self.answer(connection, request, result);
            }
        }
    }

    /// Whether the client came here because it lost another connection.
    pub(crate) fn is_reconnected(&self, connection: ConnectionKey) -> bool {
        self.connections.get(&connection).is_some_and(|connection| connection.spec.reconnect)
    }

    /// Gives whether something was said to the store.
    fn try_acknowledge(
        &mut self,
        connection: ConnectionKey,
        acknowledgement: Acknowledgement,
    ) -> Result<bool, Failure> {
        let Acknowledgement { consumer: key, kind, first, last, count, transaction } = acknowledgement;
        let reconnected = self.is_reconnected(connection);
        let Some(consumer) =
            self.consumers.get_mut(&key).filter(|consumer| consumer.connection == connection)
        else {
            let message = "The subscription does not exist: no such consumer on this connection";
            return Err(Failure::new(FailureKind::IllegalState, message));
        };
        let dispatched = consumer.hand.dispatched();
        let meant = match kind {
            AcknowledgementKind::Individual => meant::range(dispatched, Some(last), last).map(Meant::Range),
            AcknowledgementKind::Standard if transaction.is_some() && reconnected => {
                meant::counted(dispatched, first, last, count)
            }
            _ => meant::range(dispatched, first, last).map(Meant::Range),
        }?;
        match kind {
            AcknowledgementKind::Redelivered => return Ok(false),
            AcknowledgementKind::Delivered => {
                // So a client speaks of what it has had since before a failover, and keeps.
                if reconnected && first.is_none() && count == 1 {
                    consumer.hand.replayed(last);
                }
                consumer.hand.delivered(count);
                self.consumer_has_room(key);
                return Ok(false);
            }
            AcknowledgementKind::Poison(_) if transaction.is_some() => {
                return Err(Failure::new(FailureKind::General, "Poison ack cannot be transacted"));
            }
            _ => {}
        }
        if let Some(transaction) = &transaction {
            self.check_transaction(connection, transaction)?;
        }
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "it was there a moment ago");
            return Ok(false);
        };
        let mut stored = false;
        for entry in consumer.hand.take(&meant) {
            match (&kind, &transaction) {
                (AcknowledgementKind::Expired, _) => stored |= self.bury(entry, Reason::Expired),
                (AcknowledgementKind::Poison(cause), _) => {
                    stored |= self.bury(entry, Reason::Poison(cause.clone()));
                }
                (_, Some(transaction)) => {
                    self.acknowledge_in_transaction(connection, transaction, key, entry)
                }
                (_, None) => stored |= self.consume(&entry),
            }
        }
        self.consumer_has_room(key);
        Ok(stored)
    }

    /// A message is done with. Gives whether the store had it.
    pub(crate) fn consume(&mut self, entry: &Dispatched) -> bool {
        let Some((key, operation)) = self.acknowledgement_of(entry) else { return false };
        // Before, not after: whoever asked waits for the last batch.
        self.make_room_for_acknowledgement();
        self.turn.acknowledgements.push(operation);
        self.turn.settled.push((key, entry.id));
        true
    }

    /// What tells the store that a message is done with, if it has it.
    pub(crate) fn acknowledgement_of(
        &self,
        entry: &Dispatched,
    ) -> Option<(crate::core::keys::SourceKey, Operation)> {
        if !entry.stored {
            return None;
        }
        let key = entry.source?;
        let source = self.sources.get(&key)?;
        let destination = source.stored?;
        let (id, cursor, subscription) = (entry.id, entry.position.cursor(), source.subscription);
        Some((key, Operation::Acknowledge { destination, id, cursor, subscription }))
    }
}
