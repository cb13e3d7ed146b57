//! The connection as a state machine: bytes in, events out; calls in, bytes out. No socket, clock, thread or random
//! source of its own.
//!
//! ```text
//!              receive(bytes)                         calls (send, acknowledge, commit, …)
//!                    │                                        │
//!   link ──► commands ──► [protocol: requests, sessions,  ◄───┘
//!    ▲                     consumers, transactions] ──► poll_event()
//!    └───── commands ◄──────────┘
//!    │
//!  output()
//! ```
//!
//! [`link::Link`] is one TCP connection's bytes and nothing else; what outlives a TCP connection (sessions, consumers,
//! producers, the open transaction) is kept here, in [`Protocol`].

mod connection_calls;
mod consumer;
mod consumer_calls;
mod event;
pub(crate) mod identity;
mod keep_alive;
mod link;
mod producer;
mod producer_calls;
mod recovery;
mod request;
mod session;
mod session_calls;
mod standing;
#[cfg(test)]
mod tests;
mod weight;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::KeepAliveInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::ConnectionId;
use kahawai_openwire::message::MessageAck;
use kahawai_openwire::negotiation::Preferences;
use kahawai_openwire::text::Text;

use crate::error::{BrokerError, Error, Loss, Result};
use crate::protocol::consumer::Consumer;
pub(crate) use crate::protocol::event::{
    ConsumerKey, Event, Extent, Handed, Next, ProducerKey, RequestId, SessionKey,
};
use crate::protocol::identity::Identity;
use crate::protocol::link::{Link, Received};
use crate::protocol::producer::Producer;
use crate::protocol::request::Request;
use crate::protocol::session::Session;
use crate::protocol::standing::Recovery;

/// A connection to a broker, without the connection.
#[derive(Debug)]
pub(crate) struct Protocol {
    link: Link,
    connection_id: Arc<ConnectionId>,
    client_id: Text,
    events: VecDeque<Event>,
    requests: HashMap<RequestId, Request>,
    sessions: HashMap<SessionKey, Session>,
    consumers: BTreeMap<ConsumerKey, Consumer>,
    producers: HashMap<ProducerKey, Producer>,
    temporaries: Vec<Arc<Destination>>,
    /// Consumers with messages to acknowledge when the next bytes leave.
    due: Vec<ConsumerKey>,
    /// None where the connection ends with its link.
    recovery: Option<Box<Recovery>>,
    command_id: i32,
    session_number: i64,
    transaction_number: i64,
    temporary_number: u64,
    /// What the broker complained about outside of any answer; if it closes the connection then, this is why.
    last_words: Option<BrokerError>,
    is_shut_down: bool,
}

impl Protocol {
    /// A fresh connection: the first bytes to send are in [`Self::output`].
    ///
    /// # Errors
    /// [`Error::Encode`] where the preferences hold a text that is too long.
    pub(crate) fn new(preferences: Preferences, identity: &Identity) -> Result<Self> {
        Ok(Self {
            link: Link::new(preferences)?,
            connection_id: Arc::new(ConnectionId::new(identity.connection_id.as_str())),
            client_id: identity.client_id.as_str().into(),
            events: VecDeque::new(),
            requests: HashMap::new(),
            sessions: HashMap::new(),
            consumers: BTreeMap::new(),
            producers: HashMap::new(),
            temporaries: Vec::new(),
            due: Vec::new(),
            recovery: None,
            command_id: 0,
            session_number: 0,
            transaction_number: 0,
            temporary_number: 0,
            last_words: None,
            is_shut_down: false,
        })
    }

    /// Takes in what came: whole frames are taken off the front of `input`, the rest stays there.
    ///
    /// # Errors
    /// [`Loss`]: the connection is over; see [`Self::lose`].
    pub(crate) fn receive(&mut self, now: Instant, input: &mut BytesMut) -> Result<(), Loss> {
        self.link.heard(now);
        while let Some(received) = self.link.receive(now, input)? {
            match received {
                Received::Negotiated if self.recovery.is_some() => {
                    if let Err(error) = self.present(now) {
                        tracing::warn!(%error, "cannot say who connects");
                        return Err(Loss::EndOfStream);
                    }
                }
                Received::Negotiated => self.events.push_back(Event::Negotiated),
                Received::Command(command) => self.handle(now, command)?,
            }
        }
        Ok(())
    }

    /// The stream ended: why, as far as the broker said.
    pub(crate) fn end_of_stream(&mut self) -> Loss {
        match self.last_words.take() {
            Some(words) => Loss::Broker(words),
            None if self.is_shut_down => Loss::Shutdown,
            None => Loss::EndOfStream,
        }
    }

    /// The connection is over: every request that waits is answered with that.
    pub(crate) fn lose(&mut self, loss: &Loss) {
        for (request, kind) in std::mem::take(&mut self.requests) {
            let error = match kind {
                Request::Lasting | Request::Send(_) | Request::Commit(_) => {
                    Error::OutcomeUnknown(loss.clone())
                }
                _ => Error::Lost(loss.clone()),
            };
            self.events.push_back(Event::Answered { request, outcome: Err(error) });
        }
    }

    /// What happened since the last time.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes that wait to be sent. Whoever sends them takes them out.
    pub(crate) fn output(&mut self, now: Instant) -> &mut BytesMut {
        self.send_due(now);
        self.link.output()
    }

    /// Whether there are bytes to send.
    pub(crate) fn has_output(&mut self) -> bool {
        !self.due.is_empty() || !self.link.output().is_empty()
    }

    /// About how many bytes wait to be sent.
    pub(crate) fn output_bytes(&mut self) -> usize {
        self.link.output().len()
    }

    /// Acknowledges what was handed out since the last bytes left: messages that were handed out in the meantime share
    /// one acknowledgement.
    fn send_due(&mut self, now: Instant) {
        if self.due.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.due) {
            let ack = self.consumers.get_mut(&key).and_then(Consumer::take_due);
            if let Err(error) = self.send_all(now, ack) {
                tracing::warn!(%error, "an acknowledgement could not be written");
            }
        }
    }

    /// Requests that wait for their answer.
    pub(crate) fn requests_pending(&self) -> usize {
        self.requests.len()
    }

    /// When to call [`Self::look`] next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    /// Does what is due by the clock.
    ///
    /// # Errors
    /// [`Loss::Inactive`]: the connection is over.
    pub(crate) fn look(&mut self, now: Instant) -> Result<(), Loss> {
        self.link.look(now)
    }

    fn handle(&mut self, now: Instant, command: Command) -> Result<(), Loss> {
        match command {
            Command::MessageDispatch(dispatch) => {
                let Some(id) = &dispatch.consumer_id else { return Ok(()) };
                let key = ConsumerKey { session: SessionKey(id.session_id), value: id.value };
                // What was on its way to a consumer that is closed stays the broker's.
                let Some(consumer) = self.consumers.get_mut(&key) else { return Ok(()) };
                let (is_deliverable, acks) = consumer.dispatch(*dispatch)?;
                if is_deliverable {
                    self.events.push_back(Event::Deliverable(key));
                }
                if let Err(error) = self.send_all(now, acks) {
                    tracing::warn!(%error, "an acknowledgement could not be written");
                }
            }
            Command::Response(response) => self.answer(now, response.correlation_id, Ok(())),
            Command::DataResponse(response) => self.answer(now, response.correlation_id, Ok(())),
            Command::DataArrayResponse(response) => self.answer(now, response.correlation_id, Ok(())),
            Command::IntegerResponse(response) => self.answer(now, response.correlation_id, Ok(())),
            Command::ExceptionResponse(response) => {
                self.answer(
                    now,
                    response.correlation_id,
                    Err(BrokerError::from(response.exception.as_deref())),
                );
            }
            Command::ConnectionError(error) => {
                let error = BrokerError::from(error.exception.as_deref());
                tracing::warn!(connection = %self.connection_id, %error, "the broker reports an error");
                self.last_words = Some(error);
            }
            Command::KeepAliveInfo(info) if info.response_required => {
                let answer = self.link.send(now, &KeepAliveInfo::default().into());
                debug_assert_eq!(answer, Ok(()), "a command without fields always fits");
            }
            Command::ShutdownInfo(_) => self.is_shut_down = true,
            Command::ConnectionControl(control) if control.close || control.exit => {
                return Err(self.last_words.take().map_or(Loss::Shutdown, Loss::Broker));
            }
            Command::ConnectionControl(control) => {
                self.note_told(control.rebalance_connection, control.connected_brokers, control.reconnect_to);
            }
            Command::ConsumerControl(control) => {
                let Some(id) = control.consumer_id else { return Ok(()) };
                let key = ConsumerKey { session: SessionKey(id.session_id), value: id.value };
                let Some(consumer) = self.consumers.get_mut(&key) else { return Ok(()) };
                if control.close {
                    consumer.is_ended = true;
                    self.events.push_back(Event::Deliverable(key));
                } else {
                    consumer.set_prefetch(u32::try_from(control.prefetch).unwrap_or(0));
                }
            }
            other @ Command::WireFormatInfo(_) => return Err(Loss::UnexpectedCommand(other.name())),
            other => tracing::trace!(command = other.name(), "nothing to do"),
        }
        Ok(())
    }

    fn answer(&mut self, now: Instant, correlation_id: i32, outcome: Result<(), BrokerError>) {
        let request = RequestId(correlation_id);
        let Some(kind) = self.requests.remove(&request) else {
            tracing::debug!(correlation_id, "an answer to nothing that was asked");
            return;
        };
        self.release(&kind);
        match (&outcome, &kind) {
            (_, Request::Present) => return self.presented(now, outcome),
            (Ok(()), Request::OpenConsumer(key)) => {
                if let Some(consumer) = self.consumers.get_mut(key) {
                    consumer.is_open = true;
                }
            }
            (Ok(()), _) => {}
            (Err(_), _) => self.undo(now, kind),
        }
        self.events.push_back(Event::Answered { request, outcome: outcome.map_err(Error::Broker) });
    }

    /// The broker refused.
    fn undo(&mut self, now: Instant, request: Request) {
        match request {
            Request::Setup | Request::Present | Request::Lasting | Request::Send(_) => {}
            Request::OpenSession(key) => drop(self.sessions.remove(&key)),
            Request::OpenProducer(key) => drop(self.producers.remove(&key)),
            Request::CreateTemporary(destination) => self.temporaries.retain(|known| *known != destination),
            Request::OpenConsumer(key) => match self.consumers.get_mut(&key) {
                // Its broker accepted it, this one does not.
                Some(consumer) if consumer.is_open => {
                    consumer.is_ended = true;
                    self.events.push_back(Event::Deliverable(key));
                }
                _ => drop(self.consumers.remove(&key)),
            },
            Request::Commit(settling) => {
                for (key, settling) in settling {
                    let Some(consumer) = self.consumers.get_mut(&key) else { continue };
                    let acks = consumer.unsettle(settling);
                    if consumer.has_waiting() {
                        self.events.push_back(Event::Deliverable(key));
                    }
                    if let Err(error) = self.send_all(now, acks) {
                        tracing::warn!(%error, "an acknowledgement could not be written");
                    }
                }
            }
        }
    }

    /// Numbers a command and makes it into bytes; with a request, an answer will come.
    fn submit(
        &mut self,
        now: Instant,
        command: impl Into<Command>,
        request: Option<Request>,
    ) -> Result<Option<RequestId>> {
        if !self.link.is_agreed() {
            return Err(Error::Usage("the connection is not open yet"));
        }
        let mut command = command.into();
        let id = self.next_command_id();
        command.set_command_id(id);
        command.set_response_required(request.is_some());
        self.link.send(now, &command)?;
        self.command_id = id;
        Ok(request.map(|request| {
            self.requests.insert(RequestId(id), request);
            RequestId(id)
        }))
    }

    fn next_command_id(&self) -> i32 {
        match self.command_id.wrapping_add(1) {
            0 => 1,
            id => id,
        }
    }

    fn ask(&mut self, now: Instant, command: impl Into<Command>, request: Request) -> Result<RequestId> {
        let id = self.submit(now, command, Some(request))?;
        id.ok_or(Error::Usage("a request without an answer"))
    }

    fn send_all(&mut self, now: Instant, commands: impl IntoIterator<Item = MessageAck>) -> Result<()> {
        commands.into_iter().try_for_each(|command| self.submit(now, command, None).map(drop))
    }
}
