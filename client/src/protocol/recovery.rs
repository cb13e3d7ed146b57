//! Going on with another broker: what a lost link leaves behind, and what the next broker is told.
//!
//! | at the loss there is | what becomes of it |
//! |---|---|
//! | session, producer, consumer, temporary destination | opened again |
//! | a persistent message without its answer | sent again, in order; the broker knows it by its number if it has it |
//! | a message that no answer was asked for | sent again if it is remembered (`trackMessages`); else it may be lost |
//! | a message that came and was not handed out | forgotten; the broker delivers it again |
//! | an acknowledgement without its answer | [`Error::OutcomeUnknown`] |
//! | a transaction in which messages were only sent, up to 1 MiB | begun and sent again |
//! | any other transaction | rolled back: its commit, or its next send, fails with [`Error::RolledBack`] |
//! | a commit without its answer | [`Error::OutcomeUnknown`] |

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{ConnectionInfo, DestinationInfo};
use kahawai_openwire::message::Message;
use kahawai_openwire::negotiation::Preferences;
use kahawai_openwire::text::Text;
use kahawai_openwire::transaction::TransactionInfo;

use crate::error::{BrokerError, Error, Loss, Result};
use crate::failover::Told;
use crate::protocol::Protocol;
use crate::protocol::event::{Event, RequestId, SessionKey};
use crate::protocol::identity::Identity;
use crate::protocol::link::Link;
use crate::protocol::request::Request;
use crate::protocol::session::transaction_info;
use crate::protocol::standing::{Recovery, Standing};
use crate::protocol::weight::weight;

impl Protocol {
    /// A connection that has no link yet and outlives each that it will have. Messages that no answer is asked for
    /// are remembered up to so many bytes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn recovering(identity: Identity, tracked_bytes_max: usize) -> Result<Self> {
        let mut this = Self::new(Preferences::default(), &identity)?;
        this.link.output().clear();
        this.recovery = Some(Box::new(Recovery {
            identity,
            standing: Standing::Down,
            was_up: false,
            loss: Loss::EndOfStream,
            held_bytes: 0,
            tracked: VecDeque::new(),
            tracked_bytes: 0,
            tracked_bytes_max,
        }));
        Ok(this)
    }

    /// Whether calls reach a broker. Where a connection does not recover its opener sees to that.
    pub(crate) fn is_up(&self) -> bool {
        self.recovery.as_ref().is_none_or(|recovery| recovery.standing == Standing::Up)
    }

    /// Why the last link was lost.
    pub(crate) fn last_loss(&self) -> Loss {
        self.recovery.as_ref().map_or(Loss::EndOfStream, |recovery| recovery.loss.clone())
    }

    /// Bytes of messages that are kept until they are answered.
    pub(crate) fn held_bytes(&self) -> usize {
        self.recovery.as_ref().map_or(0, |recovery| recovery.held_bytes)
    }

    /// There is a new link, over which nothing was said yet.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn resume(&mut self, preferences: Preferences) -> Result<()> {
        self.link = Link::new(preferences)?;
        self.last_words = None;
        self.is_shut_down = false;
        if let Some(recovery) = &mut self.recovery {
            recovery.standing = Standing::Presenting;
        }
        Ok(())
    }

    /// The wire format is agreed on: says who connects.
    pub(super) fn present(&mut self, now: Instant) -> Result<()> {
        let Some(recovery) = &self.recovery else { return Ok(()) };
        let info = ConnectionInfo {
            fault_tolerant: true,
            failover_reconnect: recovery.was_up,
            ..self.connection_info(&recovery.identity)
        };
        self.ask(now, info, Request::Present).map(drop)
    }

    /// The broker's answer to that.
    pub(super) fn presented(&mut self, now: Instant, outcome: Result<(), BrokerError>) {
        let Some(recovery) = &mut self.recovery else { return };
        match outcome {
            Ok(()) => {
                recovery.standing = Standing::Up;
                let is_first = !std::mem::replace(&mut recovery.was_up, true);
                if !is_first && let Err(error) = self.replay(now) {
                    tracing::warn!(%error, "not all could be told to the broker");
                }
                self.events.push_back(Event::Restored);
            }
            Err(error) => {
                let is_final = !recovery.was_up;
                self.events.push_back(Event::Refused { error, is_final });
            }
        }
    }

    /// The broker says something about its cluster.
    pub(super) fn note_told(&mut self, rebalance: bool, brokers: Option<Text>, reconnect_to: Option<Text>) {
        let text =
            |text: Option<Text>| text.map(|text| text.as_str().to_owned()).filter(|text| !text.is_empty());
        let told = Told { brokers: text(brokers), rebalance, reconnect_to: text(reconnect_to) };
        if self.recovery.is_some() && (told.brokers.is_some() || told.reconnect_to.is_some()) {
            self.events.push_back(Event::Told(told));
        }
    }

    /// Remembers a message that no answer was asked for.
    pub(super) fn track(&mut self, message: &Arc<Message>) {
        let Some(recovery) = self.recovery.as_mut().filter(|recovery| recovery.tracked_bytes_max > 0) else {
            return;
        };
        recovery.tracked_bytes += weight(message);
        recovery.tracked.push_back(message.clone());
        while recovery.tracked_bytes > recovery.tracked_bytes_max {
            let Some(oldest) = recovery.tracked.pop_front() else { break };
            recovery.tracked_bytes -= weight(&oldest);
        }
    }

    /// The link is lost, and another will come. See the module for what becomes of what.
    pub(crate) fn interrupt(&mut self, loss: &Loss) {
        let Some(recovery) = &mut self.recovery else { return };
        let was_up = recovery.standing == Standing::Up;
        recovery.standing = Standing::Down;
        recovery.loss = loss.clone();
        self.link.output().clear();
        self.due.clear();
        self.requests.retain(|_, request| !matches!(request, Request::Present));
        if !was_up {
            return;
        }
        let (kept, ended): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.requests).into_iter().partition(|(_, request)| request.is_kept());
        self.requests.extend(kept);
        for (request, kind) in ended {
            let outcome = match kind {
                Request::Lasting | Request::Commit(_) => Err(Error::OutcomeUnknown(loss.clone())),
                // What is closed is not opened again: that is all that was asked.
                _ => Ok(()),
            };
            self.events.push_back(Event::Answered { request, outcome });
        }
        for session in self.sessions.values_mut() {
            session.interrupt(loss);
        }
        self.consumers.retain(|_, consumer| !consumer.is_closing);
        for (key, consumer) in &mut self.consumers {
            consumer.interrupt();
            if consumer.is_ended {
                self.events.push_back(Event::Deliverable(*key));
            }
        }
    }

    /// Tells a new broker all that the one before knew.
    fn replay(&mut self, now: Instant) -> Result<()> {
        let connection = self.connection_id.clone();
        let open = self.requests_to_open();
        for destination in self.temporaries.clone() {
            let info = DestinationInfo {
                connection_id: Some(connection.clone()),
                destination: Some(destination.clone()),
                operation: DestinationInfo::ADD,
                ..DestinationInfo::default()
            };
            self.tell(now, info, open.of(&Opened::Temporary(destination)))?;
        }
        let mut sessions: Vec<_> =
            self.sessions.iter().map(|(key, session)| (*key, session.info())).collect();
        sessions.sort_unstable_by_key(|(key, _)| *key);
        for (key, info) in &sessions {
            self.tell(now, info.clone(), open.of(&Opened::Session(*key)))?;
        }
        let mut producers: Vec<_> =
            self.producers.iter().map(|(key, producer)| (*key, producer.info())).collect();
        producers.sort_unstable_by_key(|(key, _)| *key);
        for (key, info) in producers {
            self.tell(now, info, open.of(&Opened::Producer(key)))?;
        }
        let consumers: Vec<_> = self
            .consumers
            .iter()
            .filter(|(_, consumer)| !consumer.is_ended)
            .map(|(key, consumer)| (*key, consumer.info()))
            .collect();
        for (key, info) in consumers {
            // Asked for an answer in any case: what the broker does not have again ends.
            match open.of(&Opened::Consumer(key)) {
                None => drop(self.ask(now, info, Request::OpenConsumer(key))?),
                pending => self.tell(now, info, pending)?,
            }
            // Whoever waits pulls again.
            self.events.push_back(Event::Deliverable(key));
        }
        for (key, _) in sessions {
            self.replay_transaction(now, key)?;
        }
        self.replay_messages(now)
    }

    /// The requests to open something that were not answered: their answers are still awaited.
    fn requests_to_open(&self) -> Pending {
        let opened = self.requests.iter().filter_map(|(id, request)| {
            let what = match request {
                Request::OpenSession(key) => Opened::Session(*key),
                Request::OpenProducer(key) => Opened::Producer(*key),
                Request::OpenConsumer(key) => Opened::Consumer(*key),
                Request::CreateTemporary(destination) => Opened::Temporary(destination.clone()),
                _ => return None,
            };
            Some((what, *id))
        });
        Pending(opened.collect())
    }

    /// Says something once more: by the number of the request that waits for it, or without asking for an answer.
    fn tell(&mut self, now: Instant, command: impl Into<Command>, pending: Option<RequestId>) -> Result<()> {
        let Some(RequestId(id)) = pending else { return self.submit(now, command, None).map(drop) };
        let mut command = command.into();
        command.set_command_id(id);
        command.set_response_required(true);
        Ok(self.link.send(now, &command)?)
    }

    fn replay_transaction(&mut self, now: Instant, key: SessionKey) -> Result<()> {
        let Some(session) = self.sessions.get(&key) else { return Ok(()) };
        let Some(transaction) = session.transaction.clone() else { return Ok(()) };
        let sent = session.sent().to_vec();
        let begin = transaction_info(&self.connection_id, &transaction, TransactionInfo::BEGIN);
        self.submit(now, begin, None)?;
        for message in sent {
            self.submit(now, Command::Message(message), None)?;
        }
        Ok(())
    }

    /// Sends again what has no answer yet and what is remembered, in the order in which it was sent.
    fn replay_messages(&mut self, now: Instant) -> Result<()> {
        let newest = self.command_id;
        let mut messages: Vec<Arc<Message>> = Vec::new();
        messages.extend(self.requests.values().filter_map(|request| match request {
            Request::Send(message) => Some(message.clone()),
            _ => None,
        }));
        messages.extend(self.recovery.iter().flat_map(|recovery| recovery.tracked.iter().cloned()));
        // Numbers begin again after the greatest: older ones are further behind the newest.
        messages.sort_unstable_by_key(|message| message.command_id.wrapping_sub(newest));
        for message in messages {
            let id = RequestId(message.command_id);
            let is_answered = message.response_required;
            if let Err(error) = self.link.send(now, &Command::Message(message)) {
                // The frames of this broker are smaller.
                match self.requests.remove(&id) {
                    Some(request) if is_answered => {
                        self.release(&request);
                        let outcome = Err(Error::Encode(error));
                        self.events.push_back(Event::Answered { request: id, outcome });
                    }
                    _ => tracing::warn!(%error, "a remembered message cannot be sent to this broker"),
                }
            }
        }
        Ok(())
    }

    /// A message that was kept is kept no more.
    pub(super) fn release(&mut self, request: &Request) {
        if let (Request::Send(message), Some(recovery)) = (request, &mut self.recovery) {
            recovery.held_bytes = recovery.held_bytes.saturating_sub(weight(message));
        }
    }
}

/// What was asked to be opened.
#[derive(PartialEq)]
enum Opened {
    Session(SessionKey),
    Producer(crate::protocol::ProducerKey),
    Consumer(crate::protocol::ConsumerKey),
    Temporary(Arc<kahawai_openwire::destination::Destination>),
}

struct Pending(Vec<(Opened, RequestId)>);

impl Pending {
    fn of(&self, opened: &Opened) -> Option<RequestId> {
        self.0.iter().find(|(what, _)| what == opened).map(|(_, id)| *id)
    }
}

impl Request {
    /// Whether the next broker will answer it.
    fn is_kept(&self) -> bool {
        matches!(
            self,
            Self::OpenSession(_)
                | Self::OpenProducer(_)
                | Self::OpenConsumer(_)
                | Self::CreateTemporary(_)
                | Self::Send(_)
        )
    }
}
