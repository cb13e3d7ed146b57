//! One session's books: its transaction, and the numbers of what it opened.

use std::sync::Arc;

use kahawai_openwire::connection::{RemoveInfo, SessionInfo};
use kahawai_openwire::ids::{ConnectionId, ConsumerId, ProducerId, RemovedId, SessionId};
use kahawai_openwire::message::Message;
use kahawai_openwire::text::Text;
use kahawai_openwire::transaction::{TransactionId, TransactionInfo};

use crate::error::Loss;
use crate::protocol::weight::weight;

/// A transaction that sent more than this many bytes is not sent again to another broker.
const SENT_BYTES_MAX: usize = 1024 * 1024;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    id: Arc<SessionId>,
    pub(super) is_transacted: bool,
    pub(super) transaction: Option<Arc<TransactionId>>,
    /// What was sent in the transaction, as long as it can be sent again to another broker.
    sent: Option<Vec<Arc<Message>>>,
    sent_bytes: usize,
    /// The transaction was lost with its broker, and its owner does not know.
    broken: Option<Loss>,
    consumers: i64,
    producers: i64,
}

impl Session {
    pub(super) fn new(connection: &ConnectionId, value: i64, is_transacted: bool) -> Self {
        Self {
            id: Arc::new(SessionId { connection_id: connection.value.clone(), value }),
            is_transacted,
            transaction: None,
            sent: None,
            sent_bytes: 0,
            broken: None,
            consumers: 0,
            producers: 0,
        }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self, transaction: Arc<TransactionId>) {
        self.transaction = Some(transaction);
        self.sent = Some(Vec::new());
        self.sent_bytes = 0;
    }

    /// A message was handed out in the transaction: another broker would not know of it.
    pub(super) fn has_received(&mut self) {
        self.sent = None;
    }

    /// A message was sent in the transaction.
    pub(super) fn keep_sent(&mut self, message: Arc<Message>) {
        let Some(sent) = &mut self.sent else { return };
        self.sent_bytes += weight(&message);
        if self.sent_bytes > SENT_BYTES_MAX {
            self.sent = None;
            return;
        }
        sent.push(message);
    }

    /// What was sent in the transaction, to send it again.
    pub(super) fn sent(&self) -> &[Arc<Message>] {
        self.sent.as_deref().unwrap_or_default()
    }

    /// The link to the broker was lost: a transaction that cannot be sent again is rolled back.
    pub(super) fn interrupt(&mut self, loss: &Loss) {
        if self.transaction.is_some() && self.sent.is_none() {
            self.transaction = None;
            self.broken = Some(loss.clone());
        }
    }

    /// Why the transaction is lost, if it is.
    pub(super) fn broken(&self) -> Option<&Loss> {
        self.broken.as_ref()
    }

    pub(super) fn take_broken(&mut self) -> Option<Loss> {
        self.broken.take()
    }

    pub(super) fn info(&self) -> SessionInfo {
        SessionInfo { session_id: Some(self.id.clone()), ..SessionInfo::default() }
    }

    pub(super) fn remove_info(&self) -> RemoveInfo {
        RemoveInfo {
            object_id: Some(RemovedId::Session(self.id.clone())),
            last_delivered_sequence_id: RemoveInfo::LAST_DELIVERED_UNKNOWN,
            ..RemoveInfo::default()
        }
    }

    pub(super) fn next_consumer_id(&mut self) -> ConsumerId {
        self.consumers += 1;
        ConsumerId { connection_id: self.connection_name(), session_id: self.id.value, value: self.consumers }
    }

    pub(super) fn next_producer_id(&mut self) -> ProducerId {
        self.producers += 1;
        ProducerId { connection_id: self.connection_name(), session_id: self.id.value, value: self.producers }
    }

    fn connection_name(&self) -> Text {
        self.id.connection_id.clone()
    }
}

/// The command that moves a transaction on.
pub(super) fn transaction_info(
    connection: &Arc<ConnectionId>,
    transaction: &Arc<TransactionId>,
    operation: u8,
) -> TransactionInfo {
    TransactionInfo {
        connection_id: Some(connection.clone()),
        transaction_id: Some(transaction.clone()),
        operation,
        ..TransactionInfo::default()
    }
}
