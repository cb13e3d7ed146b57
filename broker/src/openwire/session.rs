//! The reading half of a connection: from a client's commands to calls of the core.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytestring::ByteString;
use kahawai_openwire::command::{Command, DataArrayResponse};
use kahawai_openwire::connection::{
    BrokerInfo, ConnectionControl, ConnectionInfo, DestinationInfo, KeepAliveInfo, RemoveInfo, WireFormatInfo,
};
use kahawai_openwire::consumer::{ConsumerControl, ConsumerInfo, MessagePull, RemoveSubscriptionInfo};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{ConsumerId, ProducerId, RemovedId};
use kahawai_openwire::message::{Message, MessageAck};
use kahawai_openwire::producer::ProducerInfo;
use kahawai_openwire::response::IntegerResponse;
use kahawai_openwire::text::Text;
use kahawai_openwire::transaction::TransactionInfo;

use super::failure::{missing, protocol};
use super::message::to_stored;
use super::network::{Peer, demand, leaves_out, subscriptions};
use super::not_yet::{tell_of_consumer, tell_of_message};
use super::outgoing::Outgoing;
use super::stage::Stage;
use super::statistics::{self, LookBeside};
use super::translate::{address, last_delivered, local_transaction, message_id, string};
use crate::core::Core;
use crate::core::address::Address;
use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::{ConnectionKey, ConsumerKey, RequestId};
use crate::core::spec::{
    Acknowledgement, AcknowledgementKind, ConnectionSpec, ConsumerSpec, LastDelivered, Sending,
};

/// What to do after a command.
#[derive(Debug)]
pub enum Flow {
    /// Read on.
    Continue,
    /// The peer says how it wants to write: agree, then read on.
    Negotiate(Box<WireFormatInfo>),
    /// The peer is leaving.
    Shutdown,
    /// The peer is a slave, and says nothing more in OpenWire.
    Slave,
    /// The peer is a broker whose bridge goes both ways, by this and as this: what it says from here on is for the bridge's other end.
    Duplex(Box<(BrokerInfo, Peer)>),
    /// The connection was refused and told so; it is closed if the peer does not do it.
    Refused(Failure),
}

/// The session id of what a connection consumes by itself: advisories.
const CONNECTION_SESSION: i64 = -1;
/// How many destinations a connection remembers in the core's form, and how long their names may be.
const ADDRESSES_MAX: usize = 64;
const ADDRESS_BYTES_MAX: usize = 4096;
/// How much of what a client says about a message it cannot consume is kept with the dead letter.
const CAUSE_BYTES_MAX: usize = 4096;
/// What the client's memory accounting adds to each message (`Message.DEFAULT_MINIMUM_MESSAGE_SIZE`).
const MESSAGE_OVERHEAD: usize = 1024;

/// One connection's state, as far as OpenWire has any.
pub struct Session {
    key: ConnectionKey,
    remote: ByteString,
    beside: LookBeside,
    own_id: Text,
    stage: Stage,
    /// The version of OpenWire that the peer speaks at most.
    version: i32,
    /// The broker at the other end, if it is one's that bridges.
    bridge: Option<Peer>,
    sessions: HashSet<i64>,
    consumers: HashMap<ConsumerId, ConsumerKey>,
    producers: HashMap<ProducerId, ByteString>,
    addresses: HashMap<Arc<Destination>, Address>,
}

type Push<'a> = &'a mut dyn FnMut(Outgoing);

impl Session {
    /// A session of a connection from this address; `beside` is asked when its client asks for statistics, `own_id` is this broker's.
    pub fn new(key: ConnectionKey, remote: impl Into<ByteString>, beside: LookBeside, own_id: Text) -> Self {
        Self {
            key,
            remote: remote.into(),
            beside,
            own_id,
            stage: Stage::Opening,
            version: 0,
            bridge: None,
            sessions: HashSet::from([CONNECTION_SESSION]),
            consumers: HashMap::new(),
            producers: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// How far the connection is.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The broker at the other end, where it bridges to this one and was let in.
    pub fn bridge(&self) -> Option<&Peer> {
        self.bridge.as_ref().filter(|_| self.stage.was_let_in())
    }

    /// Takes one command. What must be said at once is pushed; everything else comes as the core's events.
    ///
    /// # Errors
    /// Where the peer breaks the protocol: it is told and closed.
    pub fn handle(
        &mut self,
        core: &mut Core,
        now: i64,
        command: Command,
        push: Push<'_>,
    ) -> Result<Flow, Failure> {
        let request = command.response_required().then(|| RequestId(command.command_id()));
        if let Command::WireFormatInfo(info) = command {
            if !self.stage.is_opening() {
                return Err(protocol("a second WireFormatInfo"));
            }
            self.stage = Stage::Negotiated;
            self.version = info.version;
            return Ok(Flow::Negotiate(info));
        }
        if self.stage.is_opening() {
            return Err(protocol(&format!("{} {}", command.name(), self.stage.why_not())));
        }
        // What may come before the connection is known.
        let command = match command {
            Command::ConnectionInfo(info) if info.broker_master_connector => {
                self.stage = Stage::Slave;
                core.answer(self.key, request, Ok(()));
                return Ok(Flow::Continue);
            }
            Command::BrokerInfo(info) if self.stage == Stage::Slave && info.slave_broker => {
                return Ok(Flow::Slave);
            }
            Command::BrokerInfo(info) if self.stage == Stage::Negotiated && info.network_connection => {
                return self.bridge_begins(core, &info, request);
            }
            Command::ConnectionInfo(info) => return self.connect(core, &info, request, push),
            Command::KeepAliveInfo(info) => {
                if info.response_required {
                    push(Outgoing::Command(KeepAliveInfo::default().into()));
                }
                return Ok(Flow::Continue);
            }
            // What the failover transport says of itself first.
            Command::ConnectionControl(_) => {
                core.answer(self.key, request, Ok(()));
                return Ok(Flow::Continue);
            }
            Command::ShutdownInfo(_) => {
                core.answer(self.key, request, Ok(()));
                return Ok(Flow::Shutdown);
            }
            command => command,
        };
        if !self.stage.is_connected() {
            return Err(protocol(&format!("{} {}", command.name(), self.stage.why_not())));
        }
        let result = self.handle_connected(core, now, command, request, push);
        if let Err(failure) = result {
            core.answer(self.key, request, Err(failure));
        }
        Ok(Flow::Continue)
    }

    fn handle_connected(
        &mut self,
        core: &mut Core,
        now: i64,
        command: Command,
        request: Option<RequestId>,
        push: Push<'_>,
    ) -> Result<(), Failure> {
        match command {
            Command::Message(message) => return self.send(core, now, &message, request),
            Command::MessageAck(ack) => return self.acknowledge(core, &ack, request),
            Command::ConsumerInfo(info) => return self.add_consumer(core, &info, request, push),
            Command::TransactionInfo(info) => return self.transaction(core, &info, request, push),
            Command::DestinationInfo(info) => return self.destination(core, &info, request),
            Command::RemoveSubscriptionInfo(info) => return self.unsubscribe(core, &info, request),
            Command::SessionInfo(info) => {
                let id = info.session_id.ok_or_else(|| missing("SessionInfo", "session id"))?;
                let limit = core.limits().sessions_per_connection_max;
                if self.sessions.len() > limit {
                    let message = format!("Can't add session on connection: at maximum limit: {limit}");
                    return Err(Failure::new(FailureKind::IllegalState, message));
                }
                self.sessions.insert(id.value);
            }
            Command::ProducerInfo(info) => self.add_producer(core, *info)?,
            Command::RemoveInfo(info) => return self.remove(core, &info, request),
            Command::MessagePull(pull) => self.pull(core, &pull)?,
            Command::ConsumerControl(control) => self.control(core, &control)?,
            Command::FlushCommand(_)
            // What a bridge with syncDurableSubs sends to whoever may bridge back.
            | Command::BrokerSubscriptionInfo(_)
            | Command::ControlCommand(_)
            | Command::Response(_)
            | Command::ConnectionError(_)
            | Command::ProducerAck(_) => {}
            command => {
                let message = format!("{} is not supported by this broker", command.name());
                return Err(Failure::new(FailureKind::NotSupported, message));
            }
        }
        core.answer(self.key, request, Ok(()));
        Ok(())
    }

    /// A broker says who it is, before its bridge connects as a client does.
    fn bridge_begins(
        &mut self,
        core: &mut Core,
        info: &BrokerInfo,
        request: Option<RequestId>,
    ) -> Result<Flow, Failure> {
        if self.bridge.is_some() {
            return Err(protocol("a second BrokerInfo"));
        }
        match Peer::introduced(info, &self.own_id) {
            Ok(peer) => {
                core.answer(self.key, request, Ok(()));
                if info.duplex_connection {
                    return Ok(Flow::Duplex(Box::new((info.clone(), peer))));
                }
                self.bridge = Some(peer);
                Ok(Flow::Continue)
            }
            Err(failure) => {
                core.answer(self.key, request, Err(failure.clone()));
                Ok(Flow::Refused(failure))
            }
        }
    }

    fn connect(
        &mut self,
        core: &mut Core,
        info: &ConnectionInfo,
        request: Option<RequestId>,
        push: Push<'_>,
    ) -> Result<Flow, Failure> {
        let id = info.connection_id.clone().ok_or_else(|| missing("ConnectionInfo", "connection id"))?;
        if let Stage::Connected(known) = &self.stage {
            if **known == *id {
                core.answer(self.key, request, Ok(()));
                return Ok(Flow::Continue);
            }
            return Err(protocol("a second connection on one transport"));
        }
        let spec = ConnectionSpec {
            name: string(&id.value),
            client_id: info.client_id.as_ref().map(string).unwrap_or_default(),
            user: info.user_name.as_ref().map(string),
            remote: self.remote.clone(),
            reconnect: info.failover_reconnect,
            bridge: self.bridge.as_ref().map(Peer::key),
        };
        if let Err(failure) = core.connect(self.key, spec) {
            core.answer(self.key, request, Err(failure.clone()));
            return Ok(Flow::Refused(failure));
        }
        self.stage = Stage::Connected(id);
        // Nobody hears of subscriptions before it was let in.
        if let Some(peer) = self.bridge.as_ref().filter(|peer| peer.wants_subscriptions(self.version)) {
            push(Outgoing::Command(subscriptions(core, peer, &self.own_id).into()));
        }
        if info.manageable {
            push(Outgoing::Command(ConnectionControl::default().into()));
        }
        core.answer(self.key, request, Ok(()));
        Ok(Flow::Continue)
    }

    fn check_session(&self, what: &str, session: i64) -> Result<(), Failure> {
        if self.sessions.contains(&session) {
            return Ok(());
        }
        let message = format!("Cannot add a {what} to a session that had not been registered: {session}");
        Err(Failure::new(FailureKind::IllegalState, message))
    }

    fn address(&mut self, destination: &Arc<Destination>) -> Address {
        if let Some(address) = self.addresses.get(destination) {
            return address.clone();
        }
        if destination.physical_name.len() > ADDRESS_BYTES_MAX {
            return address(destination);
        }
        if self.addresses.len() >= ADDRESSES_MAX {
            self.addresses.clear();
        }
        let made = address(destination);
        self.addresses.insert(Arc::clone(destination), made.clone());
        made
    }

    fn add_consumer(
        &mut self,
        core: &mut Core,
        info: &ConsumerInfo,
        request: Option<RequestId>,
        push: Push<'_>,
    ) -> Result<(), Failure> {
        let id = info.consumer_id.clone().ok_or_else(|| missing("ConsumerInfo", "consumer id"))?;
        let destination = info.destination.as_ref().ok_or_else(|| missing("ConsumerInfo", "destination"))?;
        self.check_session("consumer", id.session_id)?;
        if let Some(key) = self.consumers.get(&*id).filter(|key| core.has_consumer(**key)) {
            core.change_demand(self.key, *key, demand(info), request);
            return Ok(());
        }
        let key = core.new_consumer_key();
        let spec = ConsumerSpec {
            name: id.to_string().into(),
            address: self.address(destination),
            prefetch: info.prefetch_size.max(0) as u32,
            // A byte on the wire, signed in Java.
            priority: info.priority as i8,
            exclusive: info.exclusive,
            no_local: info.no_local,
            browser: info.browser,
            pending_messages_max: info.maximum_pending_message_limit.max(0) as u32,
            selector: info.selector.as_ref().map(string),
            subscription: info.subscription_name.as_ref().map(string),
            network: demand(info),
            leaves_out: leaves_out(info),
        };
        push(Outgoing::Consumer(key, Arc::clone(&id)));
        core.add_consumer(self.key, key, spec, request);
        if core.has_consumer(key) {
            self.consumers.insert((*id).clone(), key);
            tell_of_consumer(core, info);
        }
        Ok(())
    }

    fn add_producer(&mut self, core: &mut Core, info: ProducerInfo) -> Result<(), Failure> {
        let id = info.producer_id.ok_or_else(|| missing("ProducerInfo", "producer id"))?;
        self.check_session("producer", id.session_id)?;
        let name = ByteString::from(id.to_string());
        let destination = info.destination.as_ref().map(|destination| self.address(destination));
        core.add_producer(self.key, name.clone(), destination, info.window_size.max(0) as u32)?;
        self.producers.insert((*id).clone(), name);
        Ok(())
    }

    fn send(
        &mut self,
        core: &mut Core,
        now: i64,
        message: &Message,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let destination = message.destination.as_ref().ok_or_else(|| missing("message", "destination"))?;
        if statistics::is_question(destination) {
            if let Some(sending) = statistics::answer(core, &self.beside, message, now) {
                core.send(self.key, sending, None);
            }
            core.answer(self.key, request, Ok(()));
            return Ok(());
        }
        let id = message.message_id.as_ref().ok_or_else(|| missing("message", "message id"))?;
        let transaction = message.transaction_id.as_deref().map(local_transaction).transpose()?;
        let producer = message.producer_id.as_ref().map(|id| match self.producers.get(&**id) {
            Some(name) => name.clone(),
            None => id.to_string().into(),
        });
        let own_id = id.producer_id.is_some() && id.producer_id == message.producer_id;
        let payload = [&message.marshalled_properties, &message.content];
        let payload: usize = payload.into_iter().flatten().map(bytes::Bytes::len).sum();
        let sending = Sending {
            address: self.address(destination),
            message: Arc::new(to_stored(message, now)),
            sequence: own_id.then_some(id.producer_sequence_id),
            producer,
            transaction,
            window_bytes: (MESSAGE_OVERHEAD + payload) as u32,
        };
        tell_of_message(core, message);
        core.send(self.key, sending, request);
        Ok(())
    }

    fn acknowledge(
        &mut self,
        core: &mut Core,
        ack: &MessageAck,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let id = ack.consumer_id.as_ref().ok_or_else(|| missing("MessageAck", "consumer id"))?;
        let last = ack.last_message_id.as_ref().ok_or_else(|| missing("MessageAck", "last message id"))?;
        let transaction = ack.transaction_id.as_deref().map(local_transaction).transpose()?;
        let Some(consumer) = self.consumers.get(&**id).copied() else {
            let message = format!("The subscription does not exist: {id}");
            return Err(Failure::new(FailureKind::IllegalState, message));
        };
        let kind = match ack.ack_type {
            MessageAck::DELIVERED => AcknowledgementKind::Delivered,
            MessageAck::POISON => {
                let cause = ack.poison_cause.as_deref().map(|cause| {
                    let class = cause.class_name.as_deref().unwrap_or("java.lang.Throwable");
                    let mut text = match &cause.message {
                        Some(message) => format!("{class}: {message}"),
                        None => class.to_owned(),
                    };
                    text.truncate(text.floor_char_boundary(CAUSE_BYTES_MAX));
                    text
                });
                AcknowledgementKind::Poison(cause)
            }
            MessageAck::STANDARD | MessageAck::UNMATCHED => AcknowledgementKind::Standard,
            MessageAck::REDELIVERED => AcknowledgementKind::Redelivered,
            MessageAck::INDIVIDUAL => AcknowledgementKind::Individual,
            MessageAck::EXPIRED => AcknowledgementKind::Expired,
            found => return Err(protocol(&format!("acknowledgement type {found}"))),
        };
        let acknowledgement = Acknowledgement {
            consumer,
            kind,
            first: ack.first_message_id.as_ref().map(message_id),
            last: message_id(last),
            count: ack.message_count.max(0) as usize,
            transaction,
        };
        core.acknowledge(self.key, acknowledgement, request);
        Ok(())
    }

    fn transaction(
        &mut self,
        core: &mut Core,
        info: &TransactionInfo,
        request: Option<RequestId>,
        push: Push<'_>,
    ) -> Result<(), Failure> {
        if info.operation == TransactionInfo::RECOVER {
            if let Some(request) = request {
                let none = DataArrayResponse { correlation_id: request.0, ..DataArrayResponse::default() };
                push(Outgoing::Command(none.into()));
            }
            return Ok(());
        }
        let id =
            info.transaction_id.as_deref().ok_or_else(|| missing("TransactionInfo", "transaction id"))?;
        let id = local_transaction(id)?;
        match info.operation {
            TransactionInfo::BEGIN => core.begin(self.key, id)?,
            TransactionInfo::COMMIT_ONE_PHASE | TransactionInfo::COMMIT_TWO_PHASE => {
                core.commit(self.key, &id, request);
                return Ok(());
            }
            TransactionInfo::ROLLBACK => {
                core.rollback(self.key, &id, request);
                return Ok(());
            }
            TransactionInfo::END | TransactionInfo::FORGET => {}
            TransactionInfo::PREPARE => {
                // A local transaction has one phase: nothing is promised here.
                if let Some(request) = request {
                    let ready = IntegerResponse { correlation_id: request.0, ..IntegerResponse::default() };
                    push(Outgoing::Command(ready.into()));
                }
                return Ok(());
            }
            found => return Err(protocol(&format!("transaction operation {found}"))),
        }
        core.answer(self.key, request, Ok(()));
        Ok(())
    }

    fn destination(
        &mut self,
        core: &mut Core,
        info: &DestinationInfo,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let destination =
            info.destination.as_ref().ok_or_else(|| missing("DestinationInfo", "destination"))?;
        let address = self.address(destination);
        match info.operation {
            DestinationInfo::ADD => match info.broker_path.as_deref() {
                Some(path) if !path.is_empty() => {
                    let passed = path.iter().map(|id| string(&id.value)).collect();
                    core.add_destination_from(self.key, &address, passed, request);
                }
                _ => core.add_destination(self.key, &address, request),
            },
            DestinationInfo::REMOVE => core.remove_destination(self.key, &address, request),
            found => return Err(protocol(&format!("destination operation {found}"))),
        }
        Ok(())
    }

    fn unsubscribe(
        &mut self,
        core: &mut Core,
        info: &RemoveSubscriptionInfo,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let name = info.subscription_name.as_ref();
        let name = name.ok_or_else(|| missing("RemoveSubscriptionInfo", "subscription name"))?;
        core.unsubscribe(self.key, &string(name), request);
        Ok(())
    }

    fn remove(
        &mut self,
        core: &mut Core,
        info: &RemoveInfo,
        request: Option<RequestId>,
    ) -> Result<(), Failure> {
        let last = last_delivered(info.last_delivered_sequence_id);
        match info.object_id.as_ref().ok_or_else(|| missing("RemoveInfo", "object id"))? {
            RemovedId::Consumer(id) => {
                let Some(key) = self.consumers.remove(&**id) else {
                    let message = format!("Cannot remove a consumer that had not been registered: {id}");
                    return Err(Failure::new(FailureKind::IllegalState, message));
                };
                core.remove_consumer(key, last);
            }
            RemovedId::Producer(id) => {
                let name = self.producers.remove(&**id).unwrap_or_else(|| id.to_string().into());
                core.remove_producer(self.key, &name)?;
            }
            RemovedId::Session(id) => {
                if !self.sessions.remove(&id.value) {
                    let message = format!("Cannot remove session that had not been registered: {id}");
                    return Err(Failure::new(FailureKind::IllegalState, message));
                }
                let mut consumers: Vec<_> =
                    self.consumers.extract_if(|consumer, _| consumer.session_id == id.value).collect();
                consumers.sort_by_key(|(_, key)| *key);
                for (_, key) in consumers {
                    core.remove_consumer(key, last);
                }
                let mut producers: Vec<_> =
                    self.producers.extract_if(|producer, _| producer.session_id == id.value).collect();
                producers.sort_by(|(_, one), (_, other)| one.cmp(other));
                for (_, name) in producers {
                    core.remove_producer(self.key, &name)?;
                }
            }
            RemovedId::Connection(_) => {
                core.goodbye(self.key, last, request);
                self.stage = Stage::Left;
                self.consumers.clear();
                self.producers.clear();
                self.sessions = HashSet::from([CONNECTION_SESSION]);
                return Ok(());
            }
        }
        core.answer(self.key, request, Ok(()));
        Ok(())
    }

    fn pull(&mut self, core: &mut Core, pull: &MessagePull) -> Result<(), Failure> {
        let id = pull.consumer_id.as_ref().ok_or_else(|| missing("MessagePull", "consumer id"))?;
        if let Some(key) = self.consumers.get(&**id) {
            // Below zero the client does not wait at all, at zero for however long it takes.
            core.pull(*key, u64::try_from(pull.timeout).ok());
        }
        Ok(())
    }

    fn control(&mut self, core: &mut Core, control: &ConsumerControl) -> Result<(), Failure> {
        let id = control.consumer_id.as_ref().ok_or_else(|| missing("ConsumerControl", "consumer id"))?;
        let Some(key) = self.consumers.get(&**id).copied() else { return Ok(()) };
        if control.close {
            self.consumers.remove(&**id);
            core.remove_consumer(key, LastDelivered::Unknown);
        } else if !control.start && !control.stop && !control.flush {
            core.set_prefetch(key, control.prefetch.max(0) as u32);
        }
        Ok(())
    }
}
