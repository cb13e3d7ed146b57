//! A broker as a process: the core, its sessions and its bridges, over a store that outlives it.

mod bridges;
mod connections;
mod store;

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
