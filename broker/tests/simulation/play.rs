//! Builds a network and its clients, lets things happen to it, and judges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kahawai_simulation::chaos::Chaos;
use kahawai_simulation::fault::{Counts, Fault};
use kahawai_simulation::settings::Settings;
use kahawai_simulation::world::World;

use super::book::{Book, Place};
use super::bug::Bug;
use super::client::{Client, Person, Role};
use super::disk::Disk;
use super::judge;
use super::network::{Network, name};
use super::process::{Process, STOP_GRACE, Setup};

/// Within so long everything is well again, once nothing goes wrong any more.
pub(crate) const HEALS_WITHIN: Duration = Duration::from_secs(60);
/// What is quiet for so long has come to rest.
const REST: Duration = Duration::from_secs(4);

/// The faults of a play.
pub(crate) const FAULTS: [Fault; 9] = [
    Fault::Kill,
    Fault::Crash,
    Fault::Pause,
    Fault::Suspend,
    Fault::Partition,
    Fault::OneWay,
    Fault::Refuse,
    Fault::Cut,
    Fault::Delay,
];

/// A world of brokers and clients.
pub(crate) struct Play {
    pub(crate) world: World,
    pub(crate) network: Network,
    pub(crate) book: Book,
    pub(crate) disks: Vec<Disk>,
    pub(crate) people: Vec<Arc<Person>>,
    pub(crate) wrong: Vec<String>,
    /// When the first that sends began: durable subscriptions are known everywhere by then.
    pub(crate) is_on: Arc<AtomicBool>,
}

/// What a play came to.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) wrong: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) digest: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) sent: u64,
    pub(crate) crossed: u64,
    /// How many came twice to somebody, and how many of these were flagged so.
    pub(crate) twice: (u64, u64),
    /// How many wait where no bridge may take them on: ActiveMQ's stuck messages.
    pub(crate) stuck: u64,
    /// How many subscriptions of bridges are kept by each other in a ring, and by nobody else.
    pub(crate) loops: u64,
}

impl Play {
    pub(crate) fn new(seed: u64, bug: Bug, keep: bool, make: impl FnOnce(&mut World) -> Network) -> Self {
        let mut world = World::new(seed, Settings::default());
        if keep {
            world.trace().keep();
        }
        let network = make(&mut world);
        let book = Book::default();
        book.page().ttls = network.ttls();
        let mut disks = Vec::new();
        for broker in 0..network.count {
            let disk = Disk::default();
            disks.push(disk.clone());
            let own = network.connectors.iter().filter(|(from, ..)| *from == broker);
            let setup = Arc::new(Setup {
                name: name(broker),
                connectors: own.map(|(_, to, connector)| (name(*to), Arc::clone(connector))).collect(),
                disk,
                bug,
                book: book.clone(),
            });
            world.add(&name(broker), move || Process::new(Arc::clone(&setup)));
        }
        Self { world, network, book, disks, people: Vec::new(), wrong: Vec::new(), is_on: Arc::default() }
    }

    /// All brokers start, in any order.
    pub(crate) fn start(&mut self) {
        for broker in 0..self.network.count {
            let wait = self.world.random().between(Duration::ZERO, Duration::from_millis(500));
            self.world.after(wait, move |world| world.start(&name(broker)));
        }
        self.world.run_for(Duration::from_secs(1));
        self.until_bridged("at the beginning");
    }

    pub(crate) fn is_bridged(world: &World, count: usize) -> bool {
        (0..count).all(|broker| world.node::<Process>(&name(broker)).is_some_and(Process::bridges_stand))
    }

    pub(crate) fn until_bridged(&mut self, when: &str) {
        let count = self.network.count;
        if !self.world.run_until(HEALS_WITHIN, |world| Self::is_bridged(world, count)) {
            self.wrong.push(format!("not every bridge stands {when}"));
        }
    }

    /// Somebody who is not there yet.
    pub(crate) fn add(&mut self, broker: usize, role: Role) -> Arc<Person> {
        let id = self.people.len();
        let kind = match role {
            Role::Producer { .. } => "p",
            Role::Consumer { .. } => "c",
        };
        let person = Arc::new(Person {
            id,
            name: format!("{kind}{id}"),
            broker: name(broker),
            role,
            book: self.book.clone(),
        });
        self.people.push(Arc::clone(&person));
        let made = Arc::clone(&person);
        self.world.add(&person.name, move || Client::new(Arc::clone(&made)));
        person
    }

    pub(crate) fn consumer(&mut self, broker: usize, place: Place, durable: bool) -> Arc<Person> {
        let prefetch = *self.world.random().pick(&[1, 5, 100]).expect("some");
        let pause =
            *self.world.random().pick(&[Duration::from_millis(2), Duration::from_millis(60)]).expect("some");
        self.add(broker, Role::Consumer { place, durable, prefetch, pause })
    }

    pub(crate) fn producer(&mut self, broker: usize, places: Vec<Place>, fleeting: bool) -> Arc<Person> {
        let pause = *self
            .world
            .random()
            .pick(&[Duration::from_millis(10), Duration::from_millis(200)])
            .expect("some");
        let is_on = Arc::clone(&self.is_on);
        self.add(broker, Role::Producer { places, fleeting, pause, is_on })
    }

    pub(crate) fn send_for(&mut self, time: Duration) {
        self.is_on.store(true, Ordering::Relaxed);
        self.pass(time);
        self.is_on.store(false, Ordering::Relaxed);
    }

    /// Lets time pass, unless something is wrong already: what goes round for ever takes its time.
    fn pass(&mut self, time: Duration) {
        let book = self.book.clone();
        self.world.run_until(time, |_| book.is_wrong());
    }

    /// Until nothing happens any more.
    pub(crate) fn rest(&mut self, when: &str) {
        let count = self.network.count;
        for _ in 0..60 {
            let before = self.book.order();
            self.pass(REST);
            if self.book.is_wrong() {
                return;
            }
            let is_idle = (0..count)
                .all(|broker| self.world.node::<Process>(&name(broker)).is_some_and(Process::is_idle));
            if is_idle && self.book.order() == before {
                return;
            }
        }
        self.wrong.push(format!("it does not come to rest {when}"));
    }

    /// The end of it.
    pub(crate) fn played(mut self) -> Played {
        let page = self.book.page();
        let mut wrong = std::mem::take(&mut self.wrong);
        wrong.extend(page.wrong.iter().cloned());
        let mut played = Played {
            wrong,
            counts: self.world.counts(),
            digest: self.world.trace().digest(),
            lines: self.world.trace().lines().to_vec(),
            sent: page.sent.len() as u64,
            ..Played::default()
        };
        for sent in page.sent.values() {
            played.crossed += sent.arrivals.values().sum::<u64>();
            let mut seen = BTreeMap::<usize, u64>::new();
            for got in &sent.got {
                let key = if sent.place.is_queue() { 0 } else { got.consumer };
                let times = seen.entry(key).or_default();
                if *times > 0 {
                    played.twice.0 += 1;
                    played.twice.1 += u64::from(got.is_flagged);
                }
                *times += 1;
            }
        }
        drop(page);
        if !played.wrong.is_empty() {
            for way in &self.network.ways {
                let (from, to) = (name(way.from), name(way.to));
                played.lines.push(format!("{from} to {to}: {:?}", way.connector));
            }
            played.lines.extend(self.people.iter().map(|person| format!("{person:?}")));
        }
        played
    }
}

/// One seed: a network of any kind, clients of any kind, with faults where `faulty`.
pub(crate) fn play(seed: u64, faulty: bool, bug: Bug, keep: bool) -> Played {
    let mut play = Play::new(seed, bug, keep, |world| Network::any(world.random()));
    play.start();
    let count = play.network.count;
    let any = |play: &mut Play| play.world.random().below(count as u64) as usize;
    // Durable subscribers: known everywhere before anything is sent.
    let mut durables = Vec::new();
    for _ in 0..play.world.random().below(3) {
        let (broker, topic) = (any(&mut play), play.world.random().below(2) as usize);
        let person = play.consumer(broker, Place::Topic(topic), true);
        play.world.start(&person.name);
        durables.push(person);
    }
    let mut consumers = Vec::new();
    for _ in 0..1 + play.world.random().below(4) {
        let broker = any(&mut play);
        let number = play.world.random().below(2) as usize;
        let place =
            if play.world.random().below(4) > 0 { Place::Queue(number) } else { Place::Topic(number) };
        consumers.push(play.consumer(broker, place, false));
    }
    for person in &consumers {
        // In plays without faults all are there from the first message on.
        if !faulty || play.world.random().below(3) > 0 {
            play.world.start(&person.name);
        }
    }
    play.rest("before anything is sent");
    for person in &durables {
        if play.world.random().one_in(2) {
            play.world.kill(&person.name);
        }
    }
    for _ in 0..1 + play.world.random().below(2) {
        let broker = any(&mut play);
        let places = vec![Place::Queue(0), Place::Queue(1), Place::Topic(0), Place::Topic(1)];
        let fleeting = play.world.random().one_in(3);
        let person = play.producer(broker, places, fleeting);
        play.world.start(&person.name);
    }
    let time = Duration::from_secs(6);
    if faulty {
        disturb(&mut play, &consumers, &durables, time);
    }
    play.send_for(time + Duration::from_secs(1));
    if play.book.is_wrong() {
        return play.played();
    }
    // All is well again, but those clients that are away stay away.
    let away: Vec<_> = play.people.iter().filter(|person| !play.world.runs(&person.name)).cloned().collect();
    for disk in &play.disks {
        disk.fill(false);
    }
    play.world.mend();
    for person in &away {
        play.world.kill(&person.name);
    }
    // One that was about to end has ended by then.
    play.world.run_for(STOP_GRACE * 2);
    for broker in 0..count {
        play.world.start(&name(broker));
    }
    play.until_bridged("when all is mended");
    play.rest("when all is mended");
    judge::bridges(&mut play);
    let stuck = judge::nothing_waits(&mut play);
    judge::kept_has_moved(&mut play);
    // Who was away is back.
    for person in durables.iter().chain(&consumers) {
        play.world.start(&person.name);
    }
    play.rest("when all are back");
    judge::nothing_waits(&mut play);
    judge::nothing_is_lost(&mut play);
    judge::durables_have_all(&mut play);
    judge::nothing_came_twice(&mut play, faulty);
    // And all go.
    let everybody: Vec<_> = play.people.iter().map(|person| person.name.clone()).collect();
    for name in everybody {
        play.world.call(&name, Client::leave);
    }
    play.rest("when all have left");
    let loops = judge::nothing_is_wanted(&mut play);
    Played { stuck, loops, ..play.played() }
}

/// Things go wrong for so long.
fn disturb(play: &mut Play, consumers: &[Arc<Person>], durables: &[Arc<Person>], time: Duration) {
    let until = play.world.now() + time;
    let brokers: Vec<String> = (0..play.network.count).map(name).collect();
    let mut links: Vec<_> =
        play.network.connectors.iter().map(|(from, to, _)| (name(*from), name(*to))).collect();
    links.extend(play.people.iter().map(|person| (person.name.clone(), person.broker.clone())));
    let every =
        *play.world.random().pick(&[Duration::from_millis(600), Duration::from_secs(3)]).expect("some");
    let chaos = Chaos {
        hosts: brokers.clone(),
        links,
        faults: FAULTS.to_vec(),
        every,
        lasts: Duration::from_secs(2),
        jump: Duration::ZERO,
        skew: 0,
    };
    chaos.begin(&mut play.world, time);
    let people = consumers.iter().chain(durables).map(|person| person.name.clone()).collect::<Vec<_>>();
    come_and_go(&mut play.world, people, until);
    operate(&mut play.world, brokers, play.disks.clone(), play.book.clone(), until);
}

/// Consumers come and go.
fn come_and_go(world: &mut World, people: Vec<String>, until: Duration) {
    let wait = world.random().between(Duration::ZERO, Duration::from_secs(2));
    world.after(wait, move |world| {
        if world.now() < until {
            if let Some(name) = world.random().pick(&people).cloned() {
                match world.runs(&name) {
                    true => world.kill(&name),
                    false => world.start(&name),
                }
            }
            come_and_go(world, people, until);
        }
    });
}

/// Brokers are stopped in good order, and disks are full.
fn operate(world: &mut World, brokers: Vec<String>, disks: Vec<Disk>, book: Book, until: Duration) {
    let wait = world.random().between(Duration::ZERO, Duration::from_secs(3));
    world.after(wait, move |world| {
        if world.now() < until {
            let number = world.random().below(brokers.len() as u64) as usize;
            let lasts = world.random().between(Duration::ZERO, Duration::from_secs(2));
            let broker = brokers[number].clone();
            if world.random().one_in(2) {
                world.call(&broker, Process::stop);
                world.after(lasts, move |world| world.start(&broker));
            } else {
                book.disturbed();
                let disk = disks[number].clone();
                disk.fill(true);
                let book = book.clone();
                world.after(lasts, move |_| {
                    book.disturbed();
                    disk.fill(false);
                });
            }
            operate(world, brokers, disks, book, until);
        }
    });
}
