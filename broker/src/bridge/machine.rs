//! The bridge: what comes over its two lines, and what it says to that.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::connection::{BrokerInfo, RemoveInfo, ShutdownInfo};
use kahawai_openwire::consumer::{ConsumerInfo, NetworkBridgeFilter};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{BrokerId, ConsumerId, MessageId, ProducerId, RemovedId};
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch};
use kahawai_openwire::text::Text;
use kahawai_openwire::throwable::Throwable;

use super::demand::{Comes, Demand};
use super::options::NetworkConnector;
use super::speech::{self, Us};
use crate::core::address::Address;
use crate::openwire::translate::{address, destination};

/// How many consumers over there are known at most, and how long the names of theirs may be that are kept.
const CONSUMERS_MAX: usize = 100_000;
const NAME_BYTES_MAX: usize = 4096;
/// How many messages may be on their way before no more is read from the broker here.
const FLIGHT_MAX: usize = 20_000;
/// The least priority that a subscription has.
const PRIORITY_MIN: i32 = i8::MIN as i32;

/// One of a bridge's two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To its own broker.
    Local,
    /// To the other one.
    Remote,
}

/// What a bridge wants done.
#[derive(Debug, PartialEq)]
pub enum Order {
    /// Say this over a line.
    Send(Side, Command),
    /// Tell the operator.
    Say(String),
    /// It stands: messages cross from now on. The name of the other broker.
    Stands(String),
    /// It has failed for this reason: both lines are to be cut. `for_good` where another try would come to the same.
    Failed {
        /// In words.
        why: String,
        /// As long as nobody changes something.
        for_good: bool,
    },
    /// It has come to its end in good order, and has said so on both lines.
    Ended,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Who is there has not said so yet.
    Asking,
    /// The broker here is asked to let it in, by this command.
    OpeningHere(i32),
    /// The broker there is.
    OpeningThere(i32),
    Stands,
    /// What is on its way is waited for.
    Stopping,
    Over,
}

/// The broker at the other end.
struct Peer {
    id: Arc<BrokerId>,
    name: Text,
}

/// A message that was forwarded and not answered.
struct Forwarded {
    subscription: i64,
    destination: Option<Arc<Destination>>,
    message_id: Option<MessageId>,
}

/// See the module.
pub struct Bridge {
    connector: Arc<NetworkConnector>,
    us: Us,
    own_id: Arc<BrokerId>,
    /// The names of its connections here and there.
    names: [Text; 2],
    stage: Stage,
    peer: Option<Peer>,
    producer: Arc<ProducerId>,
    commands: [i32; 2],
    demand: Demand,
    /// By their commands.
    flight: HashMap<i32, Forwarded>,
    /// Subscriptions that the broker here has not answered yet, by their commands.
    opening: HashMap<i32, i64>,
    advisories: u32,
    is_full_said: bool,
    orders: VecDeque<Order>,
}

impl Bridge {
    /// A bridge of a connector whose lines were just opened. `unique` is a text that no other bridge of any run has.
    pub fn new(connector: Arc<NetworkConnector>, us: Us, unique: &str) -> Self {
        let name = |number: u8| Text::from(format!("{unique}:{number}"));
        let names = [name(1), name(2)];
        Self {
            own_id: Arc::new(BrokerId::new(us.broker_id.clone())),
            producer: Arc::new(speech::producer_id(&names[1])),
            connector,
            us,
            names,
            stage: Stage::Asking,
            peer: None,
            commands: [0; 2],
            demand: Demand::new(CONSUMERS_MAX),
            flight: HashMap::new(),
            opening: HashMap::new(),
            advisories: 0,
            is_full_said: false,
            orders: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Whether it stands, or did.
    pub fn stands(&self) -> bool {
        matches!(self.stage, Stage::Stands | Stage::Stopping)
    }

    /// Whether more is to be read from the broker here: what it gives may have nowhere to go yet.
    pub fn takes_more(&self) -> bool {
        self.flight.len() < FLIGHT_MAX
    }

    /// A command came. What comes once it is over says nothing any more.
    pub fn received(&mut self, side: Side, command: Command) {
        if self.stage == Stage::Over {
            return;
        }
        match side {
            Side::Local => self.received_here(command),
            Side::Remote => self.received_there(command),
        }
    }

    /// A line is gone.
    pub fn lost(&mut self, side: Side, why: &str) {
        let which = match side {
            Side::Local => "the broker here let it go",
            Side::Remote => "the line is gone",
        };
        self.fail(format!("{which}: {why}"), false);
    }

    /// It is to end in good order: nothing more crosses, and it is over when what is on its way was answered.
    pub fn stop(&mut self) {
        match self.stage {
            Stage::Stopping | Stage::Over => return,
            Stage::OpeningThere(_) | Stage::Stands => {}
            Stage::Asking | Stage::OpeningHere(_) => return self.end(),
        }
        self.stage = Stage::Stopping;
        for number in self.demand.close_all() {
            self.close_here(number);
        }
        self.end_if_idle();
    }

    fn received_here(&mut self, command: Command) {
        match command {
            Command::MessageDispatch(dispatch) => self.forward(*dispatch),
            Command::Response(answer) => self.answered_here(answer.correlation_id, None),
            Command::ExceptionResponse(answer) => {
                self.answered_here(answer.correlation_id, Some(words(answer.exception.as_deref())));
            }
            Command::ConnectionError(error) => {
                self.fail(format!("the broker here says: {}", words(error.exception.as_deref())), false);
            }
            Command::ShutdownInfo(_) => self.fail("the broker here is stopping".to_owned(), false),
            _ => {}
        }
    }

    fn received_there(&mut self, command: Command) {
        match command {
            Command::MessageDispatch(dispatch) => self.hear(*dispatch),
            Command::Response(answer) => self.answered_there(answer.correlation_id, None),
            Command::ExceptionResponse(answer) => {
                self.answered_there(answer.correlation_id, Some(answer.exception.as_deref()));
            }
            Command::BrokerInfo(info) if self.stage == Stage::Asking => self.introduce(&info),
            Command::ConnectionError(error) => {
                self.fail(format!("the broker there says: {}", words(error.exception.as_deref())), false);
            }
            Command::ShutdownInfo(_) => self.fail("the broker there is stopping".to_owned(), false),
            _ => {}
        }
    }

    /// The broker there has said who it is.
    fn introduce(&mut self, info: &BrokerInfo) {
        let Some(id) = info.broker_id.clone().filter(|id| id.value.len() <= NAME_BYTES_MAX) else {
            return self.fail("the broker there does not say which it is".to_owned(), false);
        };
        let name = info.broker_name.clone().unwrap_or_default();
        if id == self.own_id {
            let why = format!(
                "the broker there ('{name}') has this broker's own id ({id}): the connector leads back to where it comes from, or one store is a \
                 copy of the other's; there is no bridge"
            );
            return self.fail(why, true);
        }
        self.peer = Some(Peer { id, name: name.clone() });
        let info = speech::local_connection(&self.us, &self.connector, &name, &self.names[0]);
        let asked = self.ask(Side::Local, info.into());
        self.stage = Stage::OpeningHere(asked);
        self.say(Side::Local, speech::session(&self.names[0]).into());
    }

    /// The broker here has let it in: now the one there is asked.
    fn open_there(&mut self) {
        let connector = Arc::clone(&self.connector);
        self.say(Side::Remote, speech::broker_info(&self.us, &connector).into());
        let name = self.names[1].clone();
        self.say(Side::Remote, speech::remote_connection(&self.us, &connector, &name).into());
        self.say(Side::Remote, speech::session(&name).into());
        let producer = speech::producer(&self.producer).into();
        let asked = match connector.static_bridge {
            true => self.ask(Side::Remote, producer),
            false => {
                self.say(Side::Remote, producer);
                self.ask(Side::Remote, speech::demand_consumer(&name, &connector).into())
            }
        };
        self.stage = Stage::OpeningThere(asked);
    }

    fn answered_here(&mut self, correlation: i32, refused: Option<String>) {
        if self.stage == Stage::OpeningHere(correlation) {
            return match refused {
                None => self.open_there(),
                Some(why) => self.fail(format!("the broker here does not let it in: {why}"), false),
            };
        }
        let Some(number) = self.opening.remove(&correlation) else { return };
        if let Some(why) = refused {
            let what = self.demand.get(number).map_or_else(String::new, |one| one.address.to_string());
            self.demand.close(number);
            self.orders.push_back(Order::Say(format!(
                "the broker here refuses the consumer of {what}, which does not cross: {why}"
            )));
        }
    }

    fn answered_there(&mut self, correlation: i32, refused: Option<Option<&Throwable>>) {
        if self.stage == Stage::OpeningThere(correlation) {
            return match refused {
                None => self.begin(),
                Some(why) => self.fail(format!("the broker there does not let it in: {}", words(why)), false),
            };
        }
        let Some(forwarded) = self.flight.remove(&correlation) else { return };
        match refused {
            None => self.acknowledge(&forwarded, MessageAck::INDIVIDUAL),
            Some(why) if is_gone(&forwarded, why) => {
                // Temporary ones go with their connection, while something is on its way to them.
                let what = forwarded.destination.as_deref().map_or_else(String::new, ToString::to_string);
                self.orders.push_back(Order::Say(format!(
                    "a message came too late for {what} and is a dead letter here: {}",
                    words(why)
                )));
                self.acknowledge(&forwarded, MessageAck::POISON);
            }
            Some(why) => {
                let id = forwarded.message_id.as_ref().map_or_else(String::new, ToString::to_string);
                let to = forwarded.destination.as_deref().map_or_else(String::new, ToString::to_string);
                let why = words(why);
                let text = format!("the broker there refuses message {id} to {to}, which stays here: {why}");
                return self.fail(text, false);
            }
        }
        if let Some(over) = self.demand.answered(forwarded.subscription) {
            self.close_here(over);
        }
        self.end_if_idle();
    }

    /// Both have let it in.
    fn begin(&mut self) {
        self.stage = Stage::Stands;
        let name = self.peer.as_ref().map_or_else(String::new, |peer| peer.name.to_string());
        self.orders.push_back(Order::Stands(name));
        let connector = Arc::clone(&self.connector);
        for address in &connector.statically_included_destinations {
            if connector.excluded_destinations.iter().any(|one| super::pattern::contains(one, address)) {
                self.orders.push_back(Order::Say(format!(
                    "{address} is included statically and excluded: it does not cross"
                )));
                continue;
            }
            if let Some(excluded) = self.excluded_of_queue(address) {
                self.tell_excluded(address, &excluded);
                continue;
            }
            let number = self.demand.number();
            let info = ConsumerInfo {
                consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
                network_subscription: true,
                ..ConsumerInfo::default()
            };
            self.subscribe(address, &info, true);
        }
    }

    /// An advisory came from over there.
    fn hear(&mut self, dispatch: MessageDispatch) {
        let Some(message) = dispatch.message else { return };
        self.advisories += 1;
        // As ActiveMQ counts.
        let ahead =
            u64::from(self.connector.advisories_ahead()) * u64::from(self.connector.advisory_ack_percentage);
        if u64::from(self.advisories) * 100 > ahead {
            let count = std::mem::take(&mut self.advisories);
            let ack = MessageAck {
                destination: message.destination.clone(),
                consumer_id: dispatch.consumer_id,
                ack_type: MessageAck::STANDARD,
                last_message_id: message.message_id.clone(),
                message_count: i32::try_from(count).unwrap_or(i32::MAX),
                ..MessageAck::default()
            };
            self.say(Side::Remote, ack.into());
        }
        if self.stage == Stage::Stopping {
            return;
        }
        match &message.data_structure {
            Some(DataStructure::Command(Command::ConsumerInfo(info))) => self.comes(info),
            Some(DataStructure::Command(Command::RemoveInfo(info))) => {
                if let Some(RemovedId::Consumer(id)) = &info.object_id {
                    for over in self.demand.goes(id) {
                        self.close_here(over);
                    }
                }
            }
            _ => {}
        }
    }

    /// A consumer over there, as it is told of.
    fn comes(&mut self, info: &ConsumerInfo) {
        let (Some(id), Some(wanted)) = (&info.consumer_id, &info.destination) else { return };
        let too_long = wanted.physical_name.len() > NAME_BYTES_MAX || id.connection_id.len() > NAME_BYTES_MAX;
        let path = info.broker_path.as_deref().unwrap_or_default();
        let ttl = self.connector.consumer_ttl;
        let too_far = info.broker_path.is_some() && usize::try_from(ttl).is_ok_and(|ttl| path.len() >= ttl);
        if too_long || info.browser || too_far || path.contains(&self.own_id) {
            return;
        }
        for wanted in address(wanted).parts() {
            // Advisories are each broker's own, and temporary destinations do not cross yet.
            if wanted.is_advisory() || wanted.kind.is_temporary() || !self.connector.permits(&wanted) {
                continue;
            }
            if let Some(excluded) = self.excluded_of_queue(&wanted) {
                self.tell_excluded(&wanted, &excluded);
                continue;
            }
            // Whoever stands for others behind it is one of its own, so that what goes there is not what is wanted here.
            let may_join = self.connector.conduit_subscriptions
                && (!info.network_subscription
                    || !wanted.kind.is_queue()
                    || self.connector.conduit_network_queue_subscriptions);
            match self.demand.comes(id, &wanted, may_join) {
                Comes::Known | Comes::Joined => {}
                Comes::Wanted => self.subscribe(&wanted, info, false),
                Comes::TooMany => {
                    if !std::mem::replace(&mut self.is_full_said, true) {
                        self.orders.push_back(Order::Say(format!(
                            "the broker there has more than {CONSUMERS_MAX} consumers: what the others want does not cross"
                        )));
                    }
                }
            }
        }
    }

    /// A queue's message that may not cross cannot be handed back, so none of such a pattern is taken.
    fn excluded_of_queue(&self, wanted: &Address) -> Option<Address> {
        self.connector.excluded_of(wanted).filter(|_| wanted.kind.is_queue()).cloned()
    }

    fn tell_excluded(&mut self, wanted: &Address, excluded: &Address) {
        self.orders.push_back(Order::Say(format!(
            "consumers of {wanted} get nothing by the bridge, as {excluded} of it is excluded: consume from each queue by its name there"
        )));
    }

    /// Consumes here for somebody over there.
    fn subscribe(&mut self, wanted: &Address, info: &ConsumerInfo, is_static: bool) {
        let Some(peer) = &self.peer else { return };
        let mut path: Vec<_> = info.broker_path.as_deref().unwrap_or_default().to_vec();
        path.push(Arc::clone(&peer.id));
        let mut stands_for: Vec<_> = info.network_consumer_path.as_deref().unwrap_or_default().to_vec();
        stands_for.extend(info.consumer_id.clone());
        let priority = if self.connector.decrease_network_consumer_priority {
            let base = i32::from(self.connector.consumer_priority_base);
            let further = if path.len() > 1 { path.len() + 1 } else { 0 };
            let further = i32::try_from(further).unwrap_or(i32::MAX);
            base.saturating_sub(further).max(PRIORITY_MIN)
        } else {
            i32::from(info.priority as i8)
        };
        let filter = NetworkBridgeFilter {
            network_broker_id: Some(Arc::clone(&peer.id)),
            message_ttl: self.connector.message_ttl,
            consumer_ttl: self.connector.consumer_ttl,
        };
        let number = self.demand.number();
        let destination = destination(wanted);
        let subscription = ConsumerInfo {
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
            destination: Some(Arc::clone(&destination)),
            prefetch_size: i32::try_from(self.connector.prefetch_size).unwrap_or(i32::MAX),
            maximum_pending_message_limit: info.maximum_pending_message_limit,
            dispatch_async: self.connector.dispatch_async,
            exclusive: info.exclusive,
            priority: i8::try_from(priority).unwrap_or(i8::MIN) as u8,
            broker_path: Some(path.into()),
            additional_predicate: Some(filter),
            network_subscription: true,
            network_consumer_path: Some(stands_for.into()),
            ..ConsumerInfo::default()
        };
        // Of those that stand for others behind that broker, each is by itself unless the connector says otherwise.
        let takes_others = self.connector.conduit_subscriptions
            && (is_static
                || !info.network_subscription
                || !wanted.kind.is_queue()
                || self.connector.conduit_network_queue_subscriptions);
        let remote = info.consumer_id.as_deref().filter(|_| !is_static).cloned();
        self.demand.begin(number, wanted.clone(), destination, remote, takes_others);
        let asked = self.ask(Side::Local, subscription.into());
        self.opening.insert(asked, number);
    }

    /// A message of a subscription here.
    fn forward(&mut self, dispatch: MessageDispatch) {
        let (Some(message), Some(consumer)) = (dispatch.message, dispatch.consumer_id) else { return };
        let number = consumer.value;
        let Some(one) = self.demand.get(number) else { return };
        // What comes once nobody wants it goes back to its queue when the subscription is closed. What comes before the other broker has answered
        // goes: who consumes there may be told of first, and what is passed over here would be in this hand for ever.
        if one.is_closing() || self.stage == Stage::Stopping {
            return;
        }
        let Some(to) = dispatch.destination.clone().or_else(|| message.destination.clone()) else { return };
        let forwarded = Forwarded {
            subscription: number,
            destination: Some(Arc::clone(&to)),
            message_id: message.message_id.clone(),
        };
        let is_topic = to.kind.is_topic();
        if !self.may_cross(&message) || (is_topic && !self.connector.permits(&address(&to))) {
            debug_assert!(
                is_topic,
                "the broker here gives no queue's message to a bridge that it may not cross"
            );
            if is_topic {
                self.acknowledge(&forwarded, MessageAck::INDIVIDUAL);
            }
            return;
        }
        let mut path: Vec<_> = message.broker_path.as_deref().unwrap_or_default().to_vec();
        path.push(Arc::clone(&self.own_id));
        let mut crossing = Message::clone(&message);
        drop(message);
        crossing.broker_path = Some(path.into());
        crossing.producer_id = Some(Arc::clone(&self.producer));
        crossing.destination = Some(to);
        let transaction = crossing.transaction_id.take();
        crossing.original_transaction_id = crossing.original_transaction_id.or(transaction);
        if crossing.persistent || self.connector.always_sync_send {
            let asked = self.ask(Side::Remote, crossing.into());
            self.flight.insert(asked, forwarded);
            self.demand.owes(number);
        } else {
            self.say(Side::Remote, crossing.into());
            self.acknowledge(&forwarded, MessageAck::INDIVIDUAL);
        }
    }

    /// Whether a message has not been over there yet, nor come too far.
    fn may_cross(&self, message: &Message) -> bool {
        let path = message.broker_path.as_deref().unwrap_or_default();
        let was_there = self.peer.as_ref().is_some_and(|peer| path.contains(&peer.id));
        let too_far = usize::try_from(self.connector.message_ttl).is_ok_and(|ttl| path.len() >= ttl);
        !was_there && !too_far
    }

    /// A message is done with here.
    fn acknowledge(&mut self, forwarded: &Forwarded, ack_type: u8) {
        let ack = MessageAck {
            destination: forwarded.destination.clone(),
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], forwarded.subscription))),
            ack_type,
            last_message_id: forwarded.message_id.clone(),
            message_count: 1,
            ..MessageAck::default()
        };
        self.say(Side::Local, ack.into());
    }

    /// Consumes no longer. Whatever of it was not forwarded waits in its queue again, and was seen by nobody.
    fn close_here(&mut self, number: i64) {
        let id: ConsumerId = speech::consumer_id(&self.names[0], number);
        let info = RemoveInfo {
            object_id: Some(RemovedId::Consumer(Arc::new(id))),
            last_delivered_sequence_id: RemoveInfo::LAST_DELIVERED_UNSET,
            ..RemoveInfo::default()
        };
        self.say(Side::Local, info.into());
    }

    fn end_if_idle(&mut self) {
        if self.stage == Stage::Stopping && self.flight.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.stage = Stage::Over;
        for side in [Side::Local, Side::Remote] {
            self.say(side, ShutdownInfo::default().into());
        }
        self.orders.push_back(Order::Ended);
    }

    fn fail(&mut self, why: String, for_good: bool) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.orders.push_back(Order::Failed { why, for_good });
        }
    }

    fn say(&mut self, side: Side, mut command: Command) {
        command.set_command_id(self.next_command(side));
        self.orders.push_back(Order::Send(side, command));
    }

    /// Says something that is answered; gives by what the answer is known.
    fn ask(&mut self, side: Side, mut command: Command) -> i32 {
        let id = self.next_command(side);
        command.set_command_id(id);
        command.set_response_required(true);
        self.orders.push_back(Order::Send(side, command));
        id
    }

    fn next_command(&mut self, side: Side) -> i32 {
        let last = &mut self.commands[side as usize];
        *last = last.wrapping_add(1);
        *last
    }
}

/// Whether it was for a temporary destination that is no more.
fn is_gone(forwarded: &Forwarded, why: Option<&Throwable>) -> bool {
    let is_temporary = forwarded.destination.as_deref().is_some_and(|to| to.kind.is_temporary());
    let class = why.and_then(|why| why.class_name.as_deref()).unwrap_or_default();
    is_temporary && class.ends_with("DestinationDoesNotExistException")
}

/// An exception in words, as many as fit in a line.
fn words(exception: Option<&Throwable>) -> String {
    const MOST: usize = 500;
    let text = exception.and_then(|found| found.message.as_deref().or(found.class_name.as_deref()));
    let text = text.unwrap_or("an error without a word");
    text[..text.floor_char_boundary(MOST)].escape_debug().to_string()
}
