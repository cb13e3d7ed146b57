//! The bridge: what comes over its lines, and what it says to that.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, ShutdownInfo};
use kahawai_openwire::consumer::{BrokerSubscriptionInfo, ConsumerInfo};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{BrokerId, ConsumerId, MessageId, ProducerId};
use kahawai_openwire::message::Message;
use kahawai_openwire::text::Text;
use kahawai_openwire::throwable::Throwable;

use super::demand::{Demand, Reason};
use super::neighbours::Rivals;
use super::options::NetworkConnector;
use super::report::Figures;
use super::speech::{self, Us};
use super::temporaries::Temporaries;
use crate::core::address::Address;

/// How many consumers over there are known at most, and how long the names of theirs may be that are kept.
pub(super) const CONSUMERS_MAX: usize = 100_000;
pub(super) const NAME_BYTES_MAX: usize = 4096;
/// How many messages may be on their way before no more is read from the broker here.
const FLIGHT_MAX: usize = 20_000;

/// One of a bridge's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To its own broker: what crosses from here is consumed over it.
    Local,
    /// To the other one.
    Remote,
    /// To its own broker too, where messages go both ways: what comes from the other one is sent over it, so that neither way waits for room in
    /// the other.
    Inbound,
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
pub(super) enum Stage {
    /// Who is there has not said so yet.
    Asking,
    /// The broker here is asked to let it in, by this command.
    OpeningHere(i32),
    /// And to let in what comes from there.
    OpeningInbound(i32),
    /// The broker there is asked, by this command.
    OpeningThere(i32),
    /// The broker there is to open a connection of its own over this line, which it does where it lets messages go both ways.
    Joining,
    Stands,
    /// What is on its way is waited for.
    Stopping,
    Over,
}

/// The broker at the other end.
pub(super) struct Peer {
    pub(super) id: Arc<BrokerId>,
    pub(super) name: Text,
}

/// A message that was forwarded and not answered.
pub(super) struct Forwarded {
    pub(super) subscription: i64,
    pub(super) destination: Option<Arc<Destination>>,
    pub(super) message_id: Option<MessageId>,
}

/// What goes the other way, from there to here.
pub(super) struct Inbound {
    pub(super) producer: Arc<ProducerId>,
    /// What the broker here is to answer: by its command here, the command over there.
    pub(super) asked: HashMap<i32, i32>,
    /// What came from there before the broker here let it in.
    pub(super) early: Vec<Command>,
    /// Messages from there that wait, as what is replied to the first of them would not go back yet.
    pub(super) held: VecDeque<Message>,
    /// Whether the broker there has opened its connection.
    pub(super) has_joined: bool,
    /// Whether it was said that it consumes what it may not.
    pub(super) is_refusal_said: bool,
    /// Other bridges' consumers here that it was told of, and may have to hear that they are not for it any more.
    pub(super) told: HashSet<ConsumerId>,
    /// Its consumers of advisories: by the number of the one here, how many of what it was sent it does not know to be acknowledged here.
    pub(super) listeners: HashMap<i64, Listener>,
}

/// A consumer of advisories that the broker there has here, by a subscription of this bridge's.
pub(super) struct Listener {
    pub(super) remote: Arc<ConsumerId>,
    /// How many it was sent that are not acknowledged here.
    pub(super) sent: u32,
}

/// A durable subscription that the broker here keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is.
    pub client_id: Text,
    /// Its name.
    pub name: Text,
    /// What it is for.
    pub address: Address,
    /// The brokers that the demand had passed when it was told last, with the one over there.
    pub passed: Vec<Text>,
}

/// A durable subscription that takes the place of others, while both get the same messages.
pub(super) struct Overlap {
    pub(super) durable: i64,
    pub(super) others: Vec<i64>,
    /// What crossed of either, by their ids, which need not be of a producer.
    pub(super) crossed: HashSet<String>,
}

/// See the module.
pub struct Bridge {
    pub(super) connector: Arc<NetworkConnector>,
    pub(super) us: Us,
    pub(super) own_id: Arc<BrokerId>,
    /// Whether the other broker began it.
    pub(super) responds: bool,
    /// The names of its connections, by their sides.
    pub(super) names: [Text; 3],
    pub(super) stage: Stage,
    pub(super) peer: Option<Peer>,
    pub(super) producer: Arc<ProducerId>,
    pub(super) inbound: Inbound,
    pub(super) commands: [i32; 3],
    pub(super) demand: Demand,
    /// By their commands.
    pub(super) flight: HashMap<i32, Forwarded>,
    /// Subscriptions that the broker here has not answered yet, by their commands.
    pub(super) opening: HashMap<i32, i64>,
    /// What it has done.
    pub(super) figures: Figures,
    /// Durable subscriptions of this client that the broker here keeps, as of the beginning.
    pub(super) kept: Vec<Kept>,
    /// Whether the broker there was asked for whom they may be, and those of them that were for it, by their numbers.
    pub(super) asks_for_whom: bool,
    /// The durable subscriptions here that the broker there is to be told of, as of the beginning.
    pub(super) durables: Vec<ConsumerInfo>,
    pub(super) kept_for_peer: HashSet<i64>,
    pub(super) overlaps: Vec<Overlap>,
    pub(super) temporaries: Temporaries,
    pub(super) rivals: Rivals,
    /// What the broker there told of its durable subscriptions before the bridge stood.
    pub(super) told: Option<Box<BrokerSubscriptionInfo>>,
    pub(super) advisories: u32,
    pub(super) is_full_said: bool,
    pub(super) orders: VecDeque<Order>,
}

impl Bridge {
    /// A bridge of a connector whose lines were just opened. `unique` is a text that no other bridge of any run has.
    pub fn new(connector: Arc<NetworkConnector>, us: Us, unique: &str) -> Self {
        let name = |number: u8| Text::from(format!("{unique}:{number}"));
        let names = [name(1), name(2), name(3)];
        Self {
            own_id: Arc::new(BrokerId::new(us.broker_id.clone())),
            producer: Arc::new(speech::producer_id(&names[Side::Remote as usize])),
            inbound: Inbound {
                producer: Arc::new(speech::producer_id(&names[Side::Inbound as usize])),
                asked: HashMap::new(),
                early: Vec::new(),
                held: VecDeque::new(),
                has_joined: false,
                is_refusal_said: false,
                told: HashSet::new(),
                listeners: HashMap::new(),
            },
            connector,
            us,
            responds: false,
            names,
            stage: Stage::Asking,
            peer: None,
            commands: [0; 3],
            demand: Demand::new(CONSUMERS_MAX),
            flight: HashMap::new(),
            opening: HashMap::new(),
            figures: Figures::default(),
            kept: Vec::new(),
            asks_for_whom: false,
            durables: Vec::new(),
            kept_for_peer: HashSet::new(),
            overlaps: Vec::new(),
            temporaries: Temporaries::default(),
            rivals: Rivals::default(),
            told: None,
            advisories: 0,
            is_full_said: false,
            orders: VecDeque::new(),
        }
    }

    /// The other end of a duplex bridge: of a connector that another broker told of over a line that is open and agreed on, when it said who it is.
    /// See [`super::respond::connector`].
    pub fn respond(connector: Arc<NetworkConnector>, us: Us, unique: &str, initiator: &BrokerInfo) -> Self {
        debug_assert!(connector.duplex, "a broker that dials gets an answer only where it wants one");
        let mut bridge = Self::new(connector, us, unique);
        bridge.responds = true;
        bridge.introduce(initiator);
        bridge
    }

    /// Before anything is received: the durable subscriptions that the broker here keeps for bridges. Those of this one go on, though nobody may be
    /// connected over there.
    pub fn keeps(&mut self, kept: Vec<Kept>) {
        self.kept = kept;
    }

    /// The same: the durable subscriptions here that the broker there is to be told of. See [`super::subscribed`].
    pub fn tells(&mut self, durables: Vec<ConsumerInfo>) {
        self.durables = durables;
    }

    /// What is to be done next.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Whether it stands, or did.
    pub fn stands(&self) -> bool {
        matches!(self.stage, Stage::Stands | Stage::Stopping)
    }

    /// Whether messages come this way too, by a line of their own.
    pub fn is_duplex(&self) -> bool {
        self.connector.duplex
    }

    /// Whether more is to be read from the broker there: what it sends may have nowhere to go yet.
    pub fn hears_more(&self) -> bool {
        let is_opening = matches!(self.stage, Stage::OpeningHere(_) | Stage::OpeningInbound(_));
        self.inbound.asked.len() + self.inbound.held.len() < FLIGHT_MAX && !(self.responds && is_opening)
    }

    /// Whether more is to be read from the broker here: what it gives may have nowhere to go yet.
    pub fn takes_more(&self) -> bool {
        self.flight.len() < FLIGHT_MAX
    }

    /// What it has done and has to do.
    pub fn figures(&self) -> Figures {
        let (in_flight, subscriptions) = (self.flight.len() as u64, self.demand.count() as u64);
        Figures { in_flight, subscriptions, ..self.figures }
    }

    /// A command came. What comes once it is over says nothing any more.
    pub fn received(&mut self, side: Side, command: Command) {
        if self.stage == Stage::Over {
            return;
        }
        match side {
            Side::Local => self.received_here(command),
            Side::Remote => self.received_there(command),
            Side::Inbound => self.received_inbound(command),
        }
        self.tell_changes();
        self.let_in();
    }

    /// A line is gone.
    pub fn lost(&mut self, side: Side, why: &str) {
        let which = match side {
            Side::Local | Side::Inbound => "the broker here let it go",
            Side::Remote => "the line is gone",
        };
        self.fail(format!("{which}: {why}"), false);
    }

    /// It is to end in good order: nothing more crosses, and it is over when what is on its way was answered.
    pub fn stop(&mut self) {
        match self.stage {
            Stage::Stopping | Stage::Over => return,
            Stage::OpeningThere(_) | Stage::Joining | Stage::Stands => {}
            Stage::Asking | Stage::OpeningHere(_) | Stage::OpeningInbound(_) => return self.end(),
        }
        self.stage = Stage::Stopping;
        for over in self.demand.close_all() {
            self.close_here(over);
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
            Command::BrokerSubscriptionInfo(told) => self.all_subscribed(told),
            command if self.connector.duplex => self.received_by_duplex(command),
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
        let info = speech::local_connection(&self.us, &self.connector, &name, &self.names[0], false);
        let asked = self.ask(Side::Local, info.into());
        self.stage = Stage::OpeningHere(asked);
        self.say(Side::Local, speech::session(&self.names[0]).into());
    }

    /// The broker here has let it in: now for what comes from there.
    fn open_inbound(&mut self) {
        let name = &self.names[Side::Inbound as usize];
        let remote_name = self.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
        let info = speech::local_connection(&self.us, &self.connector, &remote_name, name, true);
        let session = speech::session(name);
        let producer = speech::producer(&self.inbound.producer);
        let asked = self.ask(Side::Inbound, info.into());
        self.stage = Stage::OpeningInbound(asked);
        self.say(Side::Inbound, session.into());
        self.say(Side::Inbound, producer.into());
    }

    /// All is ready here, and whoever dialled may be let in.
    fn opened_inbound(&mut self) {
        self.stage = Stage::Joining;
        if !self.responds {
            return self.open_there();
        }
        for command in std::mem::take(&mut self.inbound.early) {
            self.received(Side::Remote, command);
        }
    }

    /// The broker here has let it in: now the one there is asked.
    pub(super) fn open_there(&mut self) {
        let connector = Arc::clone(&self.connector);
        if !self.responds {
            self.asks_for_whom = self.keeps_some();
            let info = speech::broker_info(&self.us, &connector, self.asks_for_whom);
            self.say(Side::Remote, info.into());
        }
        let name = self.names[Side::Remote as usize].clone();
        self.say(Side::Remote, speech::remote_connection(&self.us, &connector, &name).into());
        if !self.responds {
            self.tell_durables();
        }
        self.say(Side::Remote, speech::session(&name).into());
        let producer = speech::producer(&self.producer).into();
        if connector.duplex {
            // An ActiveMQ answers none of these where messages go both ways: it opens a connection of its own instead.
            self.say(Side::Remote, producer);
            if !connector.static_bridge {
                self.say(Side::Remote, speech::demand_consumer(&name, &connector).into());
            }
            return;
        }
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
                None if self.connector.duplex => self.open_inbound(),
                None => self.open_there(),
                Some(why) => self.fail(format!("the broker here does not let it in: {why}"), false),
            };
        }
        let Some(number) = self.opening.remove(&correlation) else {
            return self.temporary_made(Side::Local, correlation);
        };
        if refused.is_none() {
            self.demand.has_begun(number);
        }
        self.durable_began(number, refused.is_none());
        self.began(number, refused.is_none());
        if let Some(why) = refused {
            let what = self.demand.get(number).map_or_else(String::new, |one| one.address.to_string());
            self.demand.close(number, false);
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
        self.crossed(correlation, refused);
    }

    /// What the broker here says to what came from there.
    fn received_inbound(&mut self, command: Command) {
        match command {
            Command::Response(answer) if self.stage == Stage::OpeningInbound(answer.correlation_id) => {
                self.opened_inbound();
            }
            Command::ExceptionResponse(answer)
                if self.stage == Stage::OpeningInbound(answer.correlation_id) =>
            {
                let why = words(answer.exception.as_deref());
                self.fail(format!("the broker here does not let in what comes from there: {why}"), false);
            }
            Command::Response(answer) => self.taken(answer.correlation_id, Ok(())),
            Command::ExceptionResponse(answer) => self.taken(answer.correlation_id, Err(answer.exception)),
            Command::ConnectionError(error) => {
                self.fail(format!("the broker here says: {}", words(error.exception.as_deref())), false);
            }
            Command::ShutdownInfo(_) => self.fail("the broker here is stopping".to_owned(), false),
            _ => {}
        }
    }

    /// Both have let it in.
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Stands;
        let name = self.peer.as_ref().map_or_else(String::new, |peer| peer.name.to_string());
        self.orders.push_back(Order::Stands(name));
        self.resume_kept();
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
            self.subscribe(address, &info, Reason::Inclusion, None);
        }
        if let Some(told) = self.told.take() {
            self.all_subscribed(told);
        }
    }

    pub(super) fn end_if_idle(&mut self) {
        if self.stage == Stage::Stopping && self.flight.is_empty() && self.inbound.asked.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.stage = Stage::Over;
        for side in [Side::Local, Side::Remote] {
            self.say(side, ShutdownInfo::default().into());
        }
        if self.connector.duplex {
            self.say(Side::Inbound, ShutdownInfo::default().into());
        }
        self.orders.push_back(Order::Ended);
    }

    pub(super) fn fail(&mut self, why: String, for_good: bool) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.orders.push_back(Order::Failed { why, for_good });
        }
    }

    pub(super) fn say(&mut self, side: Side, mut command: Command) {
        command.set_command_id(self.next_command(side));
        self.orders.push_back(Order::Send(side, command));
    }

    /// Says something that is answered; gives by what the answer is known.
    pub(super) fn ask(&mut self, side: Side, mut command: Command) -> i32 {
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

/// An exception in words, as many as fit in a line.
pub(super) fn words(exception: Option<&Throwable>) -> String {
    const MOST: usize = 500;
    let text = exception.and_then(|found| found.message.as_deref().or(found.class_name.as_deref()));
    let text = text.unwrap_or("an error without a word");
    text[..text.floor_char_boundary(MOST)].escape_debug().to_string()
}
