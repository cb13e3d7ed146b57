//! One session's books: its transaction, and the numbers of what it opened.

use std::sync::Arc;

use kahawai_openwire::connection::{RemoveInfo, SessionInfo};
use kahawai_openwire::ids::{ConnectionId, ConsumerId, ProducerId, RemovedId, SessionId};
use kahawai_openwire::text::Text;
use kahawai_openwire::transaction::{TransactionId, TransactionInfo};

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    id: Arc<SessionId>,
    pub(super) is_transacted: bool,
    pub(super) transaction: Option<Arc<TransactionId>>,
    consumers: i64,
    producers: i64,
}

impl Session {
    pub(super) fn new(connection: &ConnectionId, value: i64, is_transacted: bool) -> Self {
        Self {
            id: Arc::new(SessionId { connection_id: connection.value.clone(), value }),
            is_transacted,
            transaction: None,
            consumers: 0,
            producers: 0,
        }
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
