//! A broker as a process: the core, its sessions and its bridges, over a store that outlives it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kahawai_broker::bridge::neighbours::Neighbours;
use kahawai_broker::bridge::{self, Bridge, Kept, NetworkConnector, Retry, Side, Us};
use kahawai_broker::core::Core;
use kahawai_broker::core::effects::{Effects, StoreCall};
use kahawai_broker::core::keys::{CommitToken, ConnectionKey, ReadToken};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::Policies;
use kahawai_broker::core::settings::Settings;
use kahawai_broker::core::spec::LastDelivered;
use kahawai_broker::openwire::advisory::Origin;
use kahawai_broker::openwire::message::annotate;
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::KeepAliveInfo;
use kahawai_simulation::Context;
use kahawai_simulation::event::Event;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Ending};
use kahawai_store::batch::{Batch, Durability};
use kahawai_store::contract::{Committed, ReadRequest, StoreError};

use super::book::Book;
use super::bug::Bug;
use super::carried::{Carried, News, Origin as Begun};
use super::disk::{Disk, LIMITS};
use super::served::{Came, Served, Towards};
use super::wire::Wire;

/// Where brokers listen.
pub(crate) const PORT: u16 = 61616;
/// After what silence a line is given up.
pub(crate) const INACTIVITY: Duration = Duration::from_secs(3);
/// How long it may take until a bridge stands.
const OPENING: Duration = Duration::from_secs(4);
/// How long a broker that stops waits for its bridges.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(5);

/// Timers: what they are for is in the upper byte, which one in the others.
const TICK: u64 = 1 << 56;
const APPLY: u64 = 2 << 56;
const ANSWER: u64 = 3 << 56;
const BEAT: u64 = 4 << 56;
const RETRY: u64 = 5 << 56;
const OPENED: u64 = 6 << 56;
const INSIDE: u64 = 7 << 56;
const STOPPED: u64 = 8 << 56;
const NEIGHBOURS: u64 = 9 << 56;
const KIND: u64 = 0xff << 56;

/// What a broker is, whichever process it is.
pub(crate) struct Setup {
    pub(crate) name: String,
    /// Whom to bridge to, by which connector.
    pub(crate) connectors: Vec<(String, Arc<NetworkConnector>)>,
    pub(crate) disk: Disk,
    pub(crate) bug: Bug,
    pub(crate) book: Book,
}

/// One connector's bridge.
struct Try {
    retry: Retry,
    dialling: Option<ConnectionId>,
}

enum Answer {
    Commit(CommitToken, Result<Committed, StoreError>),
    Read(ReadToken, ReadRequest),
}

pub(crate) struct Process {
    setup: Arc<Setup>,
    live: Option<Live>,
}

impl Process {
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        Self { setup, live: None }
    }

    /// Whether the bridge of each connector stands.
    pub(crate) fn bridges_stand(&self) -> bool {
        self.live.as_ref().is_some_and(|live| {
            (0..live.tries.len()).all(|number| {
                let own =
                    |carried: &&Carried| matches!(carried.origin, Begun::Here(found) if found == number);
                live.carried.values().find(own).is_some_and(|carried| carried.bridge.stands())
            })
        })
    }

    /// How many subscriptions its bridges have here, each with the name of its connector.
    pub(crate) fn subscriptions(&self) -> Vec<(String, u64)> {
        let Some(live) = &self.live else { return Vec::new() };
        let all = live.carried.values().map(|carried| {
            let connector = match &carried.origin {
                Begun::Here(number) => self.setup.connectors[*number].1.name.clone(),
                Begun::There(key) => key.connector.to_string(),
            };
            (connector, carried.bridge.figures().subscriptions)
        });
        all.collect()
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.live.as_ref().is_some_and(|live| {
            live.commits.is_empty()
                && live.reads.is_empty()
                && live.answers.is_empty()
                && live
                    .carried
                    .values()
                    .all(|carried| !carried.is_filled() && carried.bridge.figures().in_flight == 0)
        })
    }

    /// An operator ends it in good order.
    pub(crate) fn stop(&mut self, context: &mut Context<'_>) {
        if let Some(live) = &mut self.live {
            live.stop(context);
            live.settle(context);
        }
    }
}

impl Node for Process {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match (&mut self.live, event) {
            (None, Event::Started) => {
                let mut live = Live::start(Arc::clone(&self.setup), context);
                live.settle(context);
                self.live = Some(live);
            }
            (Some(live), event) => {
                live.handle(event, context);
                live.settle(context);
            }
            _ => {}
        }
    }
}

struct Live {
    setup: Arc<Setup>,
    core: Core,
    origin: Arc<Origin>,
    served: BTreeMap<ConnectionKey, Served>,
    carried: BTreeMap<u64, Carried>,
    tries: Vec<Try>,
    commits: VecDeque<(CommitToken, Batch)>,
    reads: VecDeque<(ReadToken, ReadRequest)>,
    answers: VecDeque<Answer>,
    key_next: u64,
    is_stopping: bool,
    ticks_at: i64,
    /// Timers that are not put off when they are asked for again.
    armed: BTreeSet<u64>,
    /// What its bridges know of each other, and whether that has changed.
    neighbours: Arc<Neighbours>,
    has_news: Arc<AtomicBool>,
}

fn wall(context: &Context<'_>) -> i64 {
    1_700_000_000_000 + context.now().as_millis() as i64
}

impl Live {
    fn start(setup: Arc<Setup>, context: &mut Context<'_>) -> Self {
        let (epoch, recovered) = setup.disk.open();
        if epoch > 1 {
            setup.book.disturbed();
        }
        let name = &setup.name;
        let origin = Origin {
            broker_id: format!("ID:{name}").into(),
            advisory_producer: format!("ID:{name}-{epoch}:0:1").into(),
            broker_name: name.as_str().into(),
            broker_url: format!("tcp://{name}:{PORT}").into(),
        };
        let settings = Settings {
            broker_name: name.as_str().into(),
            batch_bytes_max: LIMITS.batch_bytes_max,
            durability: Durability::Always,
            purge_period: 0,
            purged_max: 0,
            annotate,
        };
        let core = Core::new(settings, Limits::default(), Policies::default(), recovered, wall(context));
        let tries = setup
            .connectors
            .iter()
            .map(|(_, connector)| Try { retry: Retry::new(connector.retry.clone()), dialling: None });
        let has_news = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&has_news);
        let mut live = Self {
            tries: tries.collect(),
            core,
            origin: Arc::new(origin),
            served: BTreeMap::new(),
            carried: BTreeMap::new(),
            commits: VecDeque::new(),
            reads: VecDeque::new(),
            answers: VecDeque::new(),
            key_next: 1,
            is_stopping: false,
            ticks_at: 0,
            armed: BTreeSet::new(),
            neighbours: Arc::new(Neighbours::new(move || told.store(true, Ordering::Relaxed))),
            has_news,
            setup,
        };
        live.turn(context, |_| ());
        context.listen(PORT);
        context.set_timer(BEAT, INACTIVITY / 3);
        for number in 0..live.tries.len() {
            live.dial(number, context);
        }
        live
    }

    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        let now = context.now();
        match event {
            Event::Accepted { connection, .. } => {
                self.serve(Towards::Socket(connection), now);
            }
            Event::Connected(socket) => self.connected(socket, context),
            Event::Refused(socket) => {
                if let Some(number) = self.tries.iter().position(|one| one.dialling == Some(socket)) {
                    self.failed(number, "refused", false, context);
                }
            }
            Event::Received { connection, bytes } => {
                if let Some(carried) = self.carried.values_mut().find(|carried| carried.socket == connection)
                {
                    carried.remote.feed(&bytes, now);
                } else if let Some(served) = self.served_by(connection) {
                    served.feed(&bytes, now);
                }
            }
            Event::Ended { connection, ending } => {
                self.setup.book.disturbed();
                if let Some(carried) = self.carried.values_mut().find(|carried| carried.socket == connection)
                {
                    // What came before its end comes first.
                    if ending == Ending::Closed {
                        carried.hear();
                    }
                    carried.bridge.lost(Side::Remote, "it was closed");
                } else if let Some(key) = self.served_by(connection).map(|served| served.key) {
                    if ending == Ending::Closed {
                        self.read(key, context);
                    }
                    self.unserve(key, context);
                } else if let Some(number) =
                    self.tries.iter().position(|one| one.dialling == Some(connection))
                {
                    self.failed(number, "it was closed", false, context);
                }
            }
            Event::Timer(token) => {
                self.armed.remove(&token);
                self.timer(token & KIND, token & !KIND, context);
            }
            Event::Started | Event::Done(_) => {}
        }
    }

    fn served_by(&mut self, connection: ConnectionId) -> Option<&mut Served> {
        self.served.values_mut().find(|served| served.towards == Towards::Socket(connection))
    }

    fn timer(&mut self, kind: u64, number: u64, context: &mut Context<'_>) {
        match kind {
            TICK => {
                self.ticks_at = 0;
                self.turn(context, Core::tick);
            }
            APPLY => self.apply(context),
            ANSWER => self.answer(context),
            BEAT => self.beat(context),
            RETRY => self.dial(number as usize, context),
            OPENED => {
                let number = number as usize;
                if self.tries[number].dialling.is_some() {
                    return self.failed(number, "it does not answer", false, context);
                }
                let opening = self.carried.iter_mut().find(|(_, carried)| {
                    matches!(carried.origin, Begun::Here(found) if found == number)
                        && !carried.bridge.stands()
                });
                if let Some((_, carried)) = opening {
                    carried.bridge.lost(Side::Remote, "it does not answer");
                }
            }
            INSIDE => {
                let now = context.now();
                let Some(carried) = self.carried.get_mut(&number) else { return };
                for (key, bytes) in carried.pass(context.random(), now) {
                    if let Some(served) = self.served.get_mut(&key) {
                        served.feed(&bytes, now);
                    }
                }
            }
            NEIGHBOURS => {
                if let Some(carried) = self.carried.get_mut(&number) {
                    carried.bridge.look_again();
                }
            }
            STOPPED => context.exit(),
            _ => {}
        }
    }

    // ---- the core ----

    fn turn<T>(&mut self, context: &mut Context<'_>, act: impl FnOnce(&mut Core) -> T) -> T {
        self.core.begin_turn(wall(context));
        let result = act(&mut self.core);
        self.end_turn(context);
        result
    }

    fn end_turn(&mut self, context: &mut Context<'_>) {
        self.core.end_turn();
        let effects = self.core.take_effects();
        self.carry_out(effects, context);
    }

    fn carry_out(&mut self, effects: Effects, context: &mut Context<'_>) {
        let now = wall(context);
        for (key, event) in effects.events {
            if let Some(served) = self.served.get_mut(&key) {
                served.event(event, now);
            }
        }
        for notice in effects.notices {
            context.note(format_args!("{}", notice.text));
        }
        for call in effects.store {
            match call {
                StoreCall::Commit(token, batch) => self.commits.push_back((token, batch)),
                StoreCall::Read(token, request) => self.reads.push_back((token, request)),
            }
        }
    }

    /// The store makes some of what it was given durable; nobody knows of it yet.
    fn apply(&mut self, context: &mut Context<'_>) {
        let count = 1 + context.random().below(self.commits.len() as u64) as usize;
        for (token, batch) in self.commits.drain(..count.min(self.commits.len())) {
            self.answers.push_back(Answer::Commit(token, self.setup.disk.apply(batch)));
        }
        for (token, request) in self.reads.drain(..) {
            self.answers.push_back(Answer::Read(token, request));
        }
        if !self.answers.is_empty() {
            self.arm(ANSWER, Duration::ZERO, Duration::from_micros(300), context);
        }
    }

    /// The store answers.
    fn answer(&mut self, context: &mut Context<'_>) {
        for answer in std::mem::take(&mut self.answers) {
            match answer {
                Answer::Commit(token, result) => self.turn(context, |core| core.committed(token, result)),
                Answer::Read(token, request) => {
                    let page = self.setup.disk.read(&request);
                    self.turn(context, |core| core.page(token, page));
                }
            }
        }
    }

    // ---- connections ----

    fn serve(&mut self, towards: Towards, now: Duration) -> ConnectionKey {
        let key = ConnectionKey(self.key_next);
        self.key_next += 1;
        self.served.insert(key, Served::new(key, towards, &self.origin, now));
        key
    }

    /// A connection is no more.
    fn unserve(&mut self, key: ConnectionKey, context: &mut Context<'_>) {
        if let Some(served) = self.served.remove(&key) {
            if let Towards::Socket(socket) = served.towards {
                context.close(socket);
            }
            self.turn(context, |core| core.disconnect(key, LastDelivered::Unknown, false));
        }
    }

    /// Handles what a connection has received.
    fn read(&mut self, key: ConnectionKey, context: &mut Context<'_>) {
        let now = wall(context);
        loop {
            // What waits for room in the store, or for memory, is read later.
            if !self.core.may_read(key) {
                return;
            }
            let Some(mut served) = self.served.remove(&key) else { return };
            let Some(command) = served.next() else {
                self.served.insert(key, served);
                return;
            };
            if let Command::Message(message) = &command
                && let Some(number) = self.setup.book.arrives(&self.setup.name, message)
            {
                let by = served.session.bridge().map(ToString::to_string);
                context.note(format_args!("message {number} comes by {by:?}"));
            }
            self.core.begin_turn(now);
            let came = served.handle(&mut self.core, &self.origin, now, command);
            self.served.insert(key, served);
            self.end_turn(context);
            match came {
                Came::Nothing => {}
                Came::Over(why) => {
                    if let Some(why) = why {
                        context.note(format_args!("connection {} is refused: {why}", key.0));
                    }
                    self.write(context);
                    return self.unserve(key, context);
                }
                Came::Duplex(who) => {
                    self.write(context);
                    let Some(served) = self.served.remove(&key) else { return };
                    self.turn(context, |core| core.disconnect(key, LastDelivered::Unknown, false));
                    return self.respond(served, *who, context);
                }
            }
        }
    }

    /// Writes what there is to write.
    fn write(&mut self, context: &mut Context<'_>) {
        let now = context.now();
        let mut written = Vec::new();
        for served in self.served.values_mut() {
            if let Some(bytes) = served.take_out(now) {
                match served.towards {
                    Towards::Socket(socket) => context.send(socket, bytes),
                    Towards::Inside => {
                        let lines = self.carried.values_mut().flat_map(|carried| &mut carried.inside);
                        if let Some(inside) = lines.into_iter().find(|inside| inside.key == served.key) {
                            inside.from_core.extend_from_slice(&bytes);
                        }
                    }
                }
            }
            let count = served.take_written();
            if count > 0 {
                written.push((served.key, count));
            }
        }
        for (key, count) in written {
            self.turn(context, |core| core.written(key, count));
        }
        for carried in self.carried.values_mut() {
            if let Some(bytes) = carried.remote.take_out(now) {
                context.send(carried.socket, bytes);
            }
            carried.fill(now);
        }
    }

    /// Signs of life, and whoever gives none.
    fn beat(&mut self, context: &mut Context<'_>) {
        context.set_timer(BEAT, INACTIVITY / 3);
        let now = context.now();
        let mut silent = Vec::new();
        for served in self.served.values_mut().filter(|served| matches!(served.towards, Towards::Socket(_))) {
            if now >= served.last_read + INACTIVITY {
                silent.push(served.key);
            } else if now >= served.last_write + INACTIVITY / 3 {
                served.beat();
            }
        }
        for carried in self.carried.values_mut() {
            if now >= carried.remote.last_read + INACTIVITY {
                carried.bridge.lost(Side::Remote, "nothing was heard");
            } else if now >= carried.remote.last_write + INACTIVITY / 3 {
                carried.remote.say(KeepAliveInfo::default().into());
            }
        }
        for key in silent {
            self.setup.book.disturbed();
            self.unserve(key, context);
        }
    }

    // ---- bridges ----

    fn us(&self) -> Us {
        Us {
            broker_id: self.origin.broker_id.clone(),
            broker_name: self.origin.broker_name.clone(),
            broker_url: self.origin.broker_url.clone(),
        }
    }

    fn kept(&self) -> Vec<Kept> {
        if self.setup.bug == Bug::ForgetsKept { Vec::new() } else { bridge::kept(&self.core) }
    }

    fn unique(&self, context: &mut Context<'_>) -> String {
        format!("ID:{}-nc-{:x}", self.setup.name, context.random().number())
    }

    fn dial(&mut self, number: usize, context: &mut Context<'_>) {
        if self.is_stopping {
            return;
        }
        let socket = context.connect(&self.setup.connectors[number].0, PORT);
        self.tries[number].dialling = Some(socket);
        context.set_timer(OPENED | number as u64, OPENING);
    }

    fn connected(&mut self, socket: ConnectionId, context: &mut Context<'_>) {
        let Some(number) = self.tries.iter().position(|one| one.dialling == Some(socket)) else {
            return context.close(socket);
        };
        self.tries[number].dialling = None;
        let connector = Arc::clone(&self.setup.connectors[number].1);
        let unique = self.unique(context);
        let mut bridge = Bridge::new(connector, self.us(), &unique);
        bridge.keeps(self.kept());
        bridge.beside(Arc::clone(&self.neighbours));
        let wire = Wire::new(context.now());
        self.carry(Begun::Here(number), bridge, socket, wire, context);
    }

    fn carry(
        &mut self,
        begun: Begun,
        bridge: Bridge,
        socket: ConnectionId,
        wire: Wire,
        context: &mut Context<'_>,
    ) {
        let now = context.now();
        let count = if bridge.is_duplex() { 2 } else { 1 };
        let keys = (0..count).map(|_| self.serve(Towards::Inside, now)).collect();
        let id = self.key_next;
        self.key_next += 1;
        let carried = Carried::new(begun, bridge, socket, wire, keys, self.setup.bug, now);
        self.carried.insert(id, carried);
    }

    /// The other end of a duplex bridge that another broker began.
    fn respond(
        &mut self,
        served: Served,
        (info, peer): (kahawai_openwire::connection::BrokerInfo, kahawai_broker::openwire::network::Peer),
        context: &mut Context<'_>,
    ) {
        let Towards::Socket(socket) = served.towards else { return };
        let key = peer.key();
        let before = self
            .carried
            .iter()
            .find(|(_, carried)| matches!(&carried.origin, Begun::There(found) if *found == key));
        if let Some(id) = before.map(|(id, _)| *id) {
            self.finish(id, None, context);
        }
        let connector = Arc::new(bridge::respond::connector(&info));
        let unique = self.unique(context);
        let mut bridge = Bridge::respond(connector, self.us(), &unique, &info);
        bridge.keeps(self.kept());
        bridge.beside(Arc::clone(&self.neighbours));
        let wire = served.into_wire(context.now());
        self.carry(Begun::There(key), bridge, socket, wire, context);
    }

    /// A bridge is no more; why, where that is no good end.
    fn finish(&mut self, id: u64, failed: Option<(String, bool)>, context: &mut Context<'_>) {
        let Some(mut carried) = self.carried.remove(&id) else { return };
        self.setup.book.disturbed();
        let now = context.now();
        carried.fill(now);
        if let Some(bytes) = carried.remote.take_out(now).filter(|_| failed.is_none()) {
            context.send(carried.socket, bytes);
        }
        for inside in &mut carried.inside {
            // What was written into its lines comes; what was not written is gone.
            let count = match &failed {
                None => inside.to_core.len(),
                Some(_) => context.random().below(inside.to_core.len() as u64 + 1) as usize,
            };
            let bytes = inside.to_core.split_to(count);
            if let Some(served) = self.served.get_mut(&inside.key) {
                served.feed(&bytes, now);
            }
            self.read(inside.key, context);
            self.unserve(inside.key, context);
        }
        context.close(carried.socket);
        if let (Begun::Here(number), Some((why, for_good))) = (carried.origin, failed) {
            self.tries[number].retry.broke(now);
            self.failed(number, &why, for_good, context);
        }
    }

    fn failed(&mut self, number: usize, why: &str, for_good: bool, context: &mut Context<'_>) {
        context.cancel_timer(OPENED | number as u64);
        let one = &mut self.tries[number];
        if let Some(socket) = one.dialling.take() {
            context.close(socket);
        }
        if self.setup.bug == Bug::NeverTriesAgain && why != "refused" {
            return;
        }
        let next = one.retry.failed(context.now(), why, for_good);
        if let Some(text) = next.say {
            context.note(format_args!("no bridge to {}: {text}", self.setup.connectors[number].0));
        }
        let wait = next.wait.expect("it is tried for ever");
        context.set_timer(RETRY | number as u64, wait);
    }

    fn stop(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.is_stopping, true) {
            return;
        }
        // Its clients go one by one: what one had, the next may be given.
        self.setup.book.disturbed();
        context.stop_listening(PORT);
        context.set_timer(STOPPED, STOP_GRACE);
        for number in 0..self.tries.len() {
            if let Some(socket) = self.tries[number].dialling.take() {
                context.close(socket);
            }
        }
        let clients: Vec<_> = self
            .served
            .values()
            .filter(|served| served.towards != Towards::Inside)
            .map(|served| served.key)
            .collect();
        for key in clients {
            if let Some(served) = self.served.get_mut(&key) {
                served.farewell();
            }
            self.write(context);
            self.unserve(key, context);
        }
        let ids: Vec<_> = self.carried.keys().copied().collect();
        for id in ids {
            if self.setup.bug == Bug::LeavesAtOnce {
                self.finish(id, None, context);
            } else if let Some(carried) = self.carried.get_mut(&id) {
                carried.bridge.stop();
            }
        }
    }

    // ---- until there is nothing to do at this moment ----

    fn settle(&mut self, context: &mut Context<'_>) {
        loop {
            let mut is_quiet = true;
            let ids: Vec<_> = self.carried.keys().copied().collect();
            for id in ids {
                let Some(carried) = self.carried.get_mut(&id) else { continue };
                carried.hear();
                for news in carried.carry_out(&mut |text| context.note(format_args!("{text}"))) {
                    is_quiet = false;
                    let begun = format!("{:?}", self.carried.get(&id).map(|carried| carried.origin.clone()));
                    match news {
                        News::Stands => {
                            context.note(format_args!("the bridge {begun} stands"));
                            if let Some(Begun::Here(number)) =
                                self.carried.get(&id).map(|carried| carried.origin.clone())
                            {
                                self.tries[number].retry.stands(context.now());
                                context.cancel_timer(OPENED | number as u64);
                            }
                        }
                        News::Failed(why, for_good) => {
                            context.note(format_args!("the bridge {begun} has failed: {why}"));
                            self.finish(id, Some((why, for_good)), context);
                        }
                        News::Ended => {
                            context.note(format_args!("the bridge {begun} has ended"));
                            self.finish(id, None, context);
                        }
                    }
                }
            }
            let keys: Vec<_> = self
                .served
                .values()
                .filter(|served| served.has_received())
                .map(|served| served.key)
                .collect();
            for key in keys {
                self.read(key, context);
            }
            self.write(context);
            let closing: Vec<_> = self
                .served
                .values_mut()
                .filter_map(|served| Some((served.key, served.closes.take()?)))
                .collect();
            for (key, why) in closing {
                context.note(format_args!("connection {} is closed: {why}", key.0));
                is_quiet = false;
                let inside =
                    self.carried.values_mut().find(|carried| carried.inside.iter().any(|one| one.key == key));
                if let Some(carried) = inside {
                    carried.bridge.lost(Side::Local, &why);
                } else {
                    self.unserve(key, context);
                }
            }
            if is_quiet {
                break;
            }
        }
        self.write(context);
        self.wake(context);
    }

    fn arm(&mut self, token: u64, least: Duration, most: Duration, context: &mut Context<'_>) {
        if self.armed.insert(token) {
            let wait = context.random().between(least, most);
            context.set_timer(token, wait);
        }
    }

    /// Asks to be woken for what is to be done later.
    fn wake(&mut self, context: &mut Context<'_>) {
        if (!self.commits.is_empty() || !self.reads.is_empty()) && self.answers.is_empty() {
            self.arm(APPLY, Duration::from_micros(50), Duration::from_millis(2), context);
        }
        let filled: Vec<_> =
            self.carried.iter().filter(|(_, carried)| carried.is_filled()).map(|(id, _)| *id).collect();
        for id in filled {
            self.arm(INSIDE | id, Duration::ZERO, Duration::from_micros(200), context);
        }
        if self.has_news.swap(false, Ordering::Relaxed) {
            let ids: Vec<_> = self.carried.keys().copied().collect();
            for id in ids {
                self.arm(NEIGHBOURS | id, Duration::ZERO, Duration::from_micros(300), context);
            }
        }
        let next = self.core.next_tick();
        if next != self.ticks_at && next < i64::MAX {
            self.ticks_at = next;
            let wait = next.saturating_sub(wall(context)).clamp(1, 60_000);
            context.set_timer(TICK, Duration::from_millis(wait as u64));
        }
        if self.is_stopping && self.carried.is_empty() && self.core.is_idle() {
            context.exit();
        }
    }
}
