//! Calls about sessions and their transactions.

use std::sync::Arc;
use std::time::Instant;

use kahawai_openwire::transaction::{LocalTransactionId, TransactionId, TransactionInfo};

use crate::error::{Error, Result};
use crate::protocol::Protocol;
use crate::protocol::event::{ConsumerKey, Event, RequestId, SessionKey};
use crate::protocol::request::Request;
use crate::protocol::session::{Session, transaction_info};

impl Protocol {
    /// Opens a session.
    pub(crate) fn open_session(&mut self, now: Instant, transacted: bool) -> Result<(SessionKey, RequestId)> {
        self.session_number += 1;
        let key = SessionKey(self.session_number);
        let session = Session::new(&self.connection_id, key.0, transacted);
        let request = self.ask(now, session.info(), Request::OpenSession(key))?;
        self.sessions.insert(key, session);
        Ok((key, request))
    }

    /// Closes a session with its consumers and producers; an open transaction is rolled back. `None` where it is
    /// closed already.
    pub(crate) fn close_session(&mut self, now: Instant, key: SessionKey) -> Result<Option<RequestId>> {
        let Some(session) = self.sessions.remove(&key) else { return Ok(None) };
        let is_up = self.is_up();
        self.send_due(now);
        if is_up && let Some(transaction) = &session.transaction {
            let roll_back = transaction_info(&self.connection_id, transaction, TransactionInfo::ROLLBACK);
            self.submit(now, roll_back, None)?;
        }
        let first = ConsumerKey { session: key, value: i64::MIN };
        let last = ConsumerKey { session: key, value: i64::MAX };
        let consumers: Vec<_> = self.consumers.range(first..=last).map(|(key, _)| *key).collect();
        for key in consumers {
            // By itself, not with the session: the broker is told what was handed out.
            if let Some(mut consumer) = self.consumers.remove(&key) {
                if is_up {
                    self.send_all(now, consumer.take_due())?;
                    self.submit(now, consumer.remove_info(), None)?;
                }
                self.events.push_back(Event::Deliverable(key));
            }
        }
        self.producers.retain(|producer, _| producer.session != key);
        if !is_up {
            return Ok(None);
        }
        self.ask(now, session.remove_info(), Request::Setup).map(Some)
    }

    pub(super) fn session(&mut self, key: SessionKey) -> Result<&mut Session> {
        self.sessions.get_mut(&key).ok_or(Error::Closed)
    }

    /// The session's transaction, begun if need be; none where the session is not transacted.
    pub(super) fn transaction(
        &mut self,
        now: Instant,
        key: SessionKey,
    ) -> Result<Option<Arc<TransactionId>>> {
        let session = self.session(key)?;
        if !session.is_transacted || session.transaction.is_some() {
            return Ok(session.transaction.clone());
        }
        let id = LocalTransactionId {
            value: self.transaction_number + 1,
            connection_id: Some(self.connection_id.clone()),
        };
        let transaction = Arc::new(TransactionId::Local(id));
        let begin = transaction_info(&self.connection_id, &transaction, TransactionInfo::BEGIN);
        self.submit(now, begin, None)?;
        self.transaction_number += 1;
        self.session(key)?.begin(transaction.clone());
        Ok(Some(transaction))
    }

    /// Ends the session's transaction well: what was sent is sent, what was handed out is acknowledged. `None` where
    /// there is nothing to commit.
    pub(crate) fn commit(&mut self, now: Instant, key: SessionKey) -> Result<Option<RequestId>> {
        if let Some(loss) = self.session(key)?.take_broken() {
            // What came since belongs to the same work.
            self.roll_back(now, key)?;
            return Err(Error::RolledBack(loss));
        }
        let Some(transaction) = self.end_transaction(key)? else { return Ok(None) };
        let mut settling = Vec::new();
        for consumer_key in self.consumers_of(key) {
            let Some(consumer) = self.consumers.get_mut(&consumer_key) else { continue };
            let (acks, settled) = consumer.settle(&transaction);
            if !settled.is_empty() {
                settling.push((consumer_key, settled));
            }
            self.send_all(now, acks)?;
        }
        let commit = transaction_info(&self.connection_id, &transaction, TransactionInfo::COMMIT_ONE_PHASE);
        let request = self.ask(now, commit, Request::Commit(settling))?;
        self.finish_closing(now, key)?;
        Ok(Some(request))
    }

    /// Undoes the session's transaction: what was sent is forgotten, what was handed out comes again. `None` where
    /// there is nothing to undo.
    pub(crate) fn roll_back(&mut self, now: Instant, key: SessionKey) -> Result<Option<RequestId>> {
        self.session(key)?.take_broken();
        let Some(transaction) = self.end_transaction(key)? else { return Ok(None) };
        let roll_back = transaction_info(&self.connection_id, &transaction, TransactionInfo::ROLLBACK);
        let request = self.ask(now, roll_back, Request::Setup)?;
        // What a consumer that is closing had is the broker's to deliver again.
        self.finish_closing(now, key)?;
        for consumer_key in self.consumers_of(key) {
            let Some(consumer) = self.consumers.get_mut(&consumer_key) else { continue };
            let acks = consumer.roll_back();
            if consumer.has_waiting() {
                self.events.push_back(Event::Deliverable(consumer_key));
            }
            self.send_all(now, acks)?;
        }
        Ok(Some(request))
    }

    /// # Errors
    /// [`Error::RolledBack`] where the open transaction was lost with its broker: nothing more belongs to it.
    pub(super) fn check_not_broken(&mut self, key: SessionKey) -> Result<()> {
        self.session(key)?.broken().map_or(Ok(()), |loss| Err(Error::RolledBack(loss.clone())))
    }

    fn end_transaction(&mut self, key: SessionKey) -> Result<Option<Arc<TransactionId>>> {
        let session = self.session(key)?;
        if !session.is_transacted {
            return Err(Error::Usage("the session is not transacted"));
        }
        Ok(session.transaction.take())
    }

    fn consumers_of(&self, session: SessionKey) -> Vec<ConsumerKey> {
        self.consumers.keys().filter(|key| key.session == session).copied().collect()
    }

    fn finish_closing(&mut self, now: Instant, session: SessionKey) -> Result<()> {
        for key in self.consumers_of(session) {
            if self.consumers.get(&key).is_some_and(|consumer| consumer.is_closing)
                && let Some(consumer) = self.consumers.remove(&key)
            {
                self.submit(now, consumer.remove_info(), None)?;
            }
        }
        Ok(())
    }
}
