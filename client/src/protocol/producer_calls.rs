//! Calls about producers.

use std::sync::Arc;
use std::time::Instant;

use kahawai_openwire::command::Command;
use kahawai_openwire::connection::RemoveInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{MessageId, RemovedId};
use kahawai_openwire::message::Message;

use crate::error::{Error, Result};
use crate::protocol::Protocol;
use crate::protocol::event::{ProducerKey, RequestId, SessionKey};
use crate::protocol::producer::Producer;
use crate::protocol::request::Request;
use crate::protocol::weight::weight;

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
        let producer = Producer { id, destination: destination.cloned().map(Arc::new), sequence: 0 };
        let request = self.ask(now, producer.info(), Request::OpenProducer(key))?;
        self.producers.insert(key, producer);
        Ok((key, request))
    }

    /// Closes a producer; `None` where it is closed already.
    pub(crate) fn close_producer(&mut self, now: Instant, key: ProducerKey) -> Result<Option<RequestId>> {
        let Some(producer) = self.producers.remove(&key) else { return Ok(None) };
        if !self.is_up() {
            return Ok(None);
        }
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
        self.check_not_broken(key.session)?;
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
        if self.recovery.is_some() {
            return self.send_and_keep(now, key, message, is_answered);
        }
        self.submit(now, message, is_answered.then_some(Request::Lasting))
    }

    /// As [`Self::send`], for a connection that recovers: the message is kept as long as it may have to be sent again.
    fn send_and_keep(
        &mut self,
        now: Instant,
        key: ProducerKey,
        mut message: Message,
        is_answered: bool,
    ) -> Result<Option<RequestId>> {
        message.response_required = is_answered;
        message.command_id = self.next_command_id();
        let message = Arc::new(message);
        self.link.send(now, &Command::Message(message.clone()))?;
        self.command_id = message.command_id;
        if message.transaction_id.is_some() {
            self.session(key.session)?.keep_sent(message);
        } else if is_answered {
            if let Some(recovery) = &mut self.recovery {
                recovery.held_bytes += weight(&message);
            }
            let request = RequestId(message.command_id);
            self.requests.insert(request, Request::Send(message));
            return Ok(Some(request));
        } else {
            self.track(&message);
        }
        Ok(None)
    }
}
