//! Calls about consumers.

use std::sync::Arc;
use std::time::Instant;

use crate::consumer_options::{Acknowledge, ConsumerOptions};
use crate::error::{Error, Result};
use crate::protocol::Protocol;
use crate::protocol::consumer::{Consumer, Mode};
use crate::protocol::event::{ConsumerKey, Extent, Next, RequestId, SessionKey};
use crate::protocol::request::Request;

impl Protocol {
    /// Opens a consumer.
    pub(crate) fn open_consumer(
        &mut self,
        now: Instant,
        session: SessionKey,
        options: &ConsumerOptions,
        prefetch: u32,
    ) -> Result<(ConsumerKey, RequestId)> {
        self.check_temporary(&options.destination)?;
        let opened_by = self.session(session)?;
        let mode = match options.acknowledge {
            _ if opened_by.is_transacted => Mode::Transacted,
            Acknowledge::Auto => Mode::Auto,
            Acknowledge::Lazy => Mode::Lazy,
            Acknowledge::Explicit => Mode::Explicit,
        };
        let id = Arc::new(opened_by.next_consumer_id());
        let key = ConsumerKey { session, value: id.value };
        let consumer = Consumer::new(id, options, mode, prefetch, self.recovery.is_some());
        let request = self.ask(now, consumer.info(), Request::OpenConsumer(key))?;
        // Before the answer: messages may come first.
        self.consumers.insert(key, consumer);
        Ok((key, request))
    }

    /// Closes a consumer: what it was sent and did not acknowledge is delivered again, to whom the broker likes. In a
    /// transaction that it took part in it is closed with the transaction. `None` where nothing is to be waited for.
    pub(crate) fn close_consumer(&mut self, now: Instant, key: ConsumerKey) -> Result<Option<RequestId>> {
        let Some(consumer) = self.consumers.get_mut(&key) else { return Ok(None) };
        let in_transaction = self.sessions.get(&key.session).is_some_and(|session| session.is_transacted);
        if in_transaction && consumer.has_delivered() {
            consumer.is_closing = true;
            return Ok(None);
        }
        let Some(mut consumer) = self.consumers.remove(&key) else { return Ok(None) };
        if !self.is_up() {
            return Ok(None);
        }
        self.send_all(now, consumer.take_due())?;
        self.ask(now, consumer.remove_info(), Request::Setup).map(Some)
    }

    /// Hands out a consumer's next message.
    pub(crate) fn next(&mut self, now: Instant, key: ConsumerKey) -> Result<Next> {
        let is_up = self.is_up();
        let consumer = self.consumers.get_mut(&key).filter(|consumer| !consumer.is_closing);
        let Some(consumer) = consumer else { return Err(Error::Closed) };
        if !consumer.has_waiting() {
            let (next, _) = consumer.next(None);
            let pull = if is_up { consumer.pull() } else { None };
            if let Some(pull) = pull {
                // The broker counts what is not acknowledged.
                self.send_due(now);
                self.submit(now, pull, None)?;
            }
            return Ok(next);
        }
        let transaction = self.transaction(now, key.session)?;
        let consumer = self.consumers.get_mut(&key).ok_or(Error::Closed)?;
        let was_due = consumer.is_due();
        let (next, ack) = consumer.next(transaction.as_ref());
        if !was_due && consumer.is_due() {
            self.due.push(key);
        }
        if transaction.is_some() {
            self.session(key.session)?.has_received();
        }
        self.send_all(now, ack)?;
        Ok(next)
    }

    /// Acknowledges what was handed out. `None` where nothing is to be waited for: it was acknowledged before, or the
    /// transaction will.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        key: ConsumerKey,
        arrival: u64,
        extent: Extent,
    ) -> Result<Option<RequestId>> {
        if self.session(key.session)?.is_transacted {
            return Ok(None);
        }
        let consumer = self.consumers.get_mut(&key).ok_or(Error::Closed)?;
        if consumer.forget_in_hand(arrival, extent) {
            return Err(Error::Lost(self.last_loss()));
        }
        let mut acks = consumer.acknowledge(arrival, extent);
        let Some(last) = acks.pop() else { return Ok(None) };
        self.send_all(now, acks)?;
        // Commands are carried out in order: the last one's answer is about all.
        self.submit(now, last, Some(Request::Lasting))
    }

    /// Gives up a message that was handed out: the broker puts it into the dead-letter queue.
    pub(crate) fn reject(
        &mut self,
        now: Instant,
        key: ConsumerKey,
        arrival: u64,
        cause: &str,
    ) -> Result<Option<RequestId>> {
        let consumer = self.consumers.get_mut(&key).ok_or(Error::Closed)?;
        if consumer.forget_in_hand(arrival, Extent::One) {
            return Err(Error::Lost(self.last_loss()));
        }
        let Some(ack) = consumer.reject(arrival, cause) else { return Ok(None) };
        self.submit(now, ack, Some(Request::Lasting))
    }
}
