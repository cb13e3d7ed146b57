//! The bridge: what comes over its two lines, and what it says to that.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, ShutdownInfo};
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{BrokerId, MessageId, ProducerId};
use kahawai_openwire::text::Text;
use kahawai_openwire::throwable::Throwable;

use super::demand::Demand;
use super::options::NetworkConnector;
use super::speech::{self, Us};

/// How many consumers over there are known at most, and how long the names of theirs may be that are kept.
pub(super) const CONSUMERS_MAX: usize = 100_000;
pub(super) const NAME_BYTES_MAX: usize = 4096;
/// How many messages may be on their way before no more is read from the broker here.
const FLIGHT_MAX: usize = 20_000;
/// The least priority that a subscription has.
pub(super) const PRIORITY_MIN: i32 = i8::MIN as i32;

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
pub(super) enum Stage {
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

/// See the module.
pub struct Bridge {
    pub(super) connector: Arc<NetworkConnector>,
    pub(super) us: Us,
    pub(super) own_id: Arc<BrokerId>,
    /// The names of its connections here and there.
    pub(super) names: [Text; 2],
    pub(super) stage: Stage,
    pub(super) peer: Option<Peer>,
    pub(super) producer: Arc<ProducerId>,
    pub(super) commands: [i32; 2],
    pub(super) demand: Demand,
    /// By their commands.
    pub(super) flight: HashMap<i32, Forwarded>,
    /// Subscriptions that the broker here has not answered yet, by their commands.
    pub(super) opening: HashMap<i32, i64>,
    pub(super) advisories: u32,
    pub(super) is_full_said: bool,
    pub(super) orders: VecDeque<Order>,
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
        self.crossed(correlation, refused);
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

    pub(super) fn end_if_idle(&mut self) {
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
