//! Calls about producers.

use std::sync::Arc;
use std::time::Instant;

use kahawai_openwire::connection::RemoveInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{MessageId, ProducerId, RemovedId};
use kahawai_openwire::message::Message;
use kahawai_openwire::producer::ProducerInfo;

use crate::error::{Error, Result};
use crate::protocol::event::{ProducerKey, RequestId, SessionKey};
use crate::protocol::{Protocol, Request};

/// One producer's books.
#[derive(Debug)]
pub(super) struct Producer {
    id: Arc<ProducerId>,
    /// Number of its newest message.
    sequence: i64,
}

impl Protocol {
    /// Opens a producer. Without a destination each message names its own.
    pub(crate) fn open_producer(
        &mut self,
        now: Instant,
        session: SessionKey,
        destination: Option<&Destination>,
    ) -> Result<(ProducerKey, RequestId)> {
        let id = Arc::new(self.session(session)?.next_producer_id());
        let key = ProducerKey { session, value: id.value };
        let info = ProducerInfo {
            producer_id: Some(id.clone()),
            destination: destination.cloned().map(Arc::new),
            ..ProducerInfo::default()
        };
        let request = self.ask(now, info, Request::Setup)?;
        self.producers.insert(key, Producer { id, sequence: 0 });
        Ok((key, request))
    }

    /// Closes a producer; `None` where it is closed already.
    pub(crate) fn close_producer(&mut self, now: Instant, key: ProducerKey) -> Result<Option<RequestId>> {
        let Some(producer) = self.producers.remove(&key) else { return Ok(None) };
        let info = RemoveInfo {
            object_id: Some(RemovedId::Producer(producer.id)),
            last_delivered_sequence_id: RemoveInfo::LAST_DELIVERED_UNKNOWN,
            ..RemoveInfo::default()
        };
        self.ask(now, info, Request::Setup).map(Some)
    }

    /// Sends a message. A persistent one outside of a transaction is answered; all others are not.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        key: ProducerKey,
        mut message: Message,
    ) -> Result<Option<RequestId>> {
        if !self.producers.contains_key(&key) {
            return Err(Error::Closed);
        }
        message.transaction_id = self.transaction(now, key.session)?;
        let producer = self.producers.get_mut(&key).ok_or(Error::Closed)?;
        producer.sequence += 1;
        message.producer_id = Some(producer.id.clone());
        message.message_id = Some(MessageId {
            producer_id: Some(producer.id.clone()),
            producer_sequence_id: producer.sequence,
            ..MessageId::default()
        });
        let is_answered = message.persistent && message.transaction_id.is_none();
        self.submit(now, message, is_answered.then_some(Request::Lasting))
    }
}
