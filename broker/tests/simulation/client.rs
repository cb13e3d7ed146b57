//! Clients: who sends, and who consumes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{ConnectionInfo, KeepAliveInfo, RemoveInfo, SessionInfo, ShutdownInfo};
use kahawai_openwire::consumer::{ConsumerInfo, RemoveSubscriptionInfo};
use kahawai_openwire::ids::{ConnectionId as Named, ConsumerId, MessageId, ProducerId, RemovedId, SessionId};
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch, MessageKind};
use kahawai_openwire::producer::ProducerInfo;
use kahawai_simulation::ConnectionId;
use kahawai_simulation::Context;
use kahawai_simulation::event::Event;
use kahawai_simulation::node::Node;

use super::book::{Book, Fate, Place, number_of};
use super::process::{INACTIVITY, PORT};
use super::wire::Wire;

const BEAT: u64 = 1;
const AGAIN: u64 = 2;
const WORK: u64 = 3;
/// How many persistent messages are under way at a time.
const WINDOW: usize = 4;

/// What it does.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Sends to these, now and then so.
    Producer { places: Vec<Place>, fleeting: bool, pause: Duration, is_on: Arc<AtomicBool> },
    /// Consumes, durably by its own name where it says so.
    Consumer { place: Place, durable: bool, prefetch: i32, pause: Duration },
}

/// Who it is, whichever process it is.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) id: usize,
    pub(crate) name: String,
    pub(crate) broker: String,
    pub(crate) role: Role,
    pub(crate) book: Book,
}

pub(crate) struct Client {
    person: Arc<Person>,
    line: Option<(ConnectionId, Wire)>,
    dialling: Option<ConnectionId>,
    connection: String,
    command: i32,
    sequence: i64,
    /// By their commands.
    asked: BTreeMap<i32, u64>,
    /// What is to be acknowledged: the number, and how.
    owed: VecDeque<(u64, MessageAck)>,
    is_in: bool,
    pub(crate) has_left: bool,
}

impl Client {
    pub(crate) fn new(person: Arc<Person>) -> Self {
        Self {
            person,
            line: None,
            dialling: None,
            connection: String::new(),
            command: 0,
            sequence: 0,
            asked: BTreeMap::new(),
            owed: VecDeque::new(),
            is_in: false,
            has_left: false,
        }
    }

    /// Whether it was let in, and has acknowledged all that it has.
    pub(crate) fn is_served(&self) -> bool {
        self.is_in && self.owed.is_empty()
    }

    fn dial(&mut self, context: &mut Context<'_>) {
        if !self.has_left {
            self.dialling = Some(context.connect(&self.person.broker, PORT));
            context.set_timer(AGAIN, INACTIVITY);
        }
    }

    fn say(&mut self, command: impl Into<Command>, asks: bool) -> i32 {
        let mut command = command.into();
        self.command += 1;
        command.set_command_id(self.command);
        command.set_response_required(asks);
        if let Some((_, wire)) = &mut self.line {
            wire.say(command);
        }
        self.command
    }

    fn consumer_id(&self) -> ConsumerId {
        ConsumerId { connection_id: self.connection.as_str().into(), session_id: 1, value: 1 }
    }

    fn producer_id(&self) -> ProducerId {
        ProducerId { connection_id: self.connection.as_str().into(), session_id: 1, value: 1 }
    }

    fn connected(&mut self, socket: ConnectionId, context: &mut Context<'_>) {
        self.dialling = None;
        context.cancel_timer(AGAIN);
        self.line = Some((socket, Wire::new(context.now())));
        self.connection = format!("ID:{}-{:x}:1", self.person.name, context.random().number());
        let id = Arc::new(Named::new(self.connection.as_str()));
        let client_id = Some(self.person.name.as_str().into());
        self.say(ConnectionInfo { connection_id: Some(id), client_id, ..ConnectionInfo::default() }, false);
        let id = SessionId { connection_id: self.connection.as_str().into(), value: 1 };
        self.say(SessionInfo { session_id: Some(Arc::new(id)), ..SessionInfo::default() }, false);
        let asked = match self.person.role.clone() {
            Role::Producer { .. } => {
                let id = Some(Arc::new(self.producer_id()));
                self.say(ProducerInfo { producer_id: id, ..ProducerInfo::default() }, true)
            }
            Role::Consumer { place, durable, prefetch, .. } => {
                let info = ConsumerInfo {
                    consumer_id: Some(Arc::new(self.consumer_id())),
                    destination: Some(Arc::new(place.destination())),
                    prefetch_size: prefetch,
                    subscription_name: durable.then(|| "kept".into()),
                    ..ConsumerInfo::default()
                };
                self.say(info, true)
            }
        };
        self.asked.insert(asked, u64::MAX);
        context.set_timer(BEAT, INACTIVITY / 3);
    }

    fn gone(&mut self, context: &mut Context<'_>) {
        self.person.book.disturbed();
        if let Some((socket, _)) = self.line.take() {
            context.close(socket);
        }
        if let Some(socket) = self.dialling.take() {
            context.close(socket);
        }
        self.asked.clear();
        self.owed.clear();
        self.is_in = false;
        context.cancel_timer(WORK);
        context.set_timer(AGAIN, Duration::from_millis(200));
    }

    fn hear(&mut self, command: Command, context: &mut Context<'_>) -> bool {
        match command {
            Command::Response(answer) => match self.asked.remove(&answer.correlation_id) {
                Some(u64::MAX) => {
                    self.is_in = true;
                    self.work_later(context);
                }
                Some(number) => self.person.book.answered(number, Fate::Taken),
                None => {}
            },
            Command::ExceptionResponse(answer) => match self.asked.remove(&answer.correlation_id) {
                Some(number) if number < u64::MAX => self.person.book.answered(number, Fate::Refused),
                _ => return false,
            },
            Command::MessageDispatch(dispatch) => self.got(&dispatch, context),
            Command::ConnectionError(_) | Command::ShutdownInfo(_) => return false,
            _ => {}
        }
        true
    }

    fn got(&mut self, dispatch: &MessageDispatch, context: &mut Context<'_>) {
        let Some(message) = &dispatch.message else { return };
        let Some(number) = message.content.as_deref().and_then(number_of) else { return };
        context.note(format_args!("gets {number}"));
        self.person.book.got(number, self.person.id, dispatch.redelivery_counter > 0);
        let ack = MessageAck {
            destination: dispatch.destination.clone(),
            consumer_id: dispatch.consumer_id.clone(),
            ack_type: MessageAck::INDIVIDUAL,
            last_message_id: message.message_id.clone(),
            message_count: 1,
            ..MessageAck::default()
        };
        self.owed.push_back((number, ack));
        if self.owed.len() == 1 {
            self.work_later(context);
        }
    }

    fn work_later(&mut self, context: &mut Context<'_>) {
        let most = match &self.person.role {
            Role::Producer { pause, .. } | Role::Consumer { pause, .. } => *pause,
        };
        let wait = context.random().between(Duration::ZERO, most);
        context.set_timer(WORK, wait);
    }

    fn work(&mut self, context: &mut Context<'_>) {
        match self.person.role.clone() {
            Role::Producer { places, fleeting, is_on, .. } => {
                if self.is_in && is_on.load(Ordering::Relaxed) && self.asked.len() < WINDOW {
                    let place = *context.random().pick(&places).expect("it sends somewhere");
                    let persistent = !fleeting || context.random().below(3) > 0;
                    let number = self.send(place, persistent);
                    context.note(format_args!("sends {number} to {}, persistent {persistent}", place.name()));
                }
                match is_on.load(Ordering::Relaxed) {
                    true => self.work_later(context),
                    false => context.set_timer(WORK, Duration::from_millis(200)),
                }
            }
            Role::Consumer { .. } => {
                if let Some((number, ack)) = self.owed.pop_front() {
                    self.say(ack, false);
                    self.person.book.acknowledges(number, self.person.id);
                }
                if !self.owed.is_empty() {
                    self.work_later(context);
                }
            }
        }
    }

    fn send(&mut self, place: Place, persistent: bool) -> u64 {
        let number = self.person.book.sends(self.person.id, place, persistent, &self.person.broker);
        self.sequence += 1;
        let producer = Arc::new(self.producer_id());
        let message = Message {
            kind: MessageKind::Bytes,
            producer_id: Some(Arc::clone(&producer)),
            message_id: Some(MessageId {
                producer_id: Some(producer),
                producer_sequence_id: self.sequence,
                ..MessageId::default()
            }),
            destination: Some(Arc::new(place.destination())),
            persistent,
            priority: 4,
            content: Some(Bytes::copy_from_slice(&number.to_be_bytes())),
            ..Message::default()
        };
        let command = self.say(message, persistent);
        if persistent {
            self.asked.insert(command, number);
        }
        number
    }

    /// Goes in good order, for good; without its durable subscription where it had one.
    pub(crate) fn leave(&mut self, context: &mut Context<'_>) {
        let durable = matches!(self.person.role, Role::Consumer { durable: true, .. });
        let remove = |id| RemoveInfo {
            object_id: Some(id),
            last_delivered_sequence_id: RemoveInfo::LAST_DELIVERED_UNKNOWN,
            ..RemoveInfo::default()
        };
        if matches!(self.person.role, Role::Consumer { .. }) {
            self.person.book.disturbed();
            self.say(remove(RemovedId::Consumer(Arc::new(self.consumer_id()))), false);
        }
        let connection = Arc::new(Named::new(self.connection.as_str()));
        if durable {
            let info = RemoveSubscriptionInfo {
                connection_id: Some(Arc::clone(&connection)),
                client_id: Some(self.person.name.as_str().into()),
                subscription_name: Some("kept".into()),
                ..RemoveSubscriptionInfo::default()
            };
            self.say(info, false);
        }
        self.say(remove(RemovedId::Connection(connection)), false);
        self.say(ShutdownInfo::default(), false);
        self.write(context);
        if let Some((socket, _)) = self.line.take() {
            context.close(socket);
        }
        self.has_left = true;
        self.is_in = false;
        self.owed.clear();
        context.cancel_timer(WORK);
    }

    fn write(&mut self, context: &mut Context<'_>) {
        let now = context.now();
        if let Some((socket, wire)) = &mut self.line
            && let Some(bytes) = wire.take_out(now)
        {
            context.send(*socket, bytes);
        }
    }
}

impl Node for Client {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        let now = context.now();
        match event {
            Event::Started => self.dial(context),
            Event::Connected(socket) if self.dialling == Some(socket) => self.connected(socket, context),
            Event::Refused(socket) if self.dialling == Some(socket) => self.gone(context),
            Event::Received { connection, bytes } => {
                let Some((_, wire)) = self.line.as_mut().filter(|(socket, _)| *socket == connection) else {
                    return;
                };
                wire.feed(&bytes, now);
                while let Some((_, wire)) = &mut self.line {
                    let Some(command) = wire.next() else { break };
                    if !self.hear(command, context) {
                        self.gone(context);
                    }
                }
            }
            Event::Ended { connection, .. }
                if self.line.as_ref().is_some_and(|(socket, _)| *socket == connection) =>
            {
                self.gone(context);
            }
            Event::Timer(AGAIN) => {
                if let Some(socket) = self.dialling.take() {
                    context.close(socket);
                }
                if self.line.is_none() {
                    self.dial(context);
                }
            }
            Event::Timer(BEAT) => {
                let Some((_, wire)) = &mut self.line else { return };
                if now >= wire.last_read + INACTIVITY {
                    return self.gone(context);
                }
                if now >= wire.last_write + INACTIVITY / 3 {
                    wire.say(KeepAliveInfo::default().into());
                }
                context.set_timer(BEAT, INACTIVITY / 3);
            }
            Event::Timer(WORK) if self.line.is_some() => self.work(context),
            _ => {}
        }
        self.write(context);
    }
}
