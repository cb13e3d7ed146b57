//! Builds a world of a pair and its clients, lets things happen to it, and judges.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kahawai_replication::record::Member;
use kahawai_simulation::chaos::Chaos;
use kahawai_simulation::fault::{Counts, Fault};
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::ledger::law::Law;
use kahawai_simulation::ledger::tag::Tag;
use kahawai_simulation::settings::Settings;
use kahawai_simulation::world::World;
use kahawai_store::contract::{Recovered, StoreWait as _};
use kahawai_store::model::Contents;

use super::arbiter::{ARBITER, ArbiterNode};
use super::bug::Bug;
use super::client::Client;
use super::member::Process;
use super::setup::{Openings, Setup};
use super::wish::group_of;

pub(crate) const LEASE: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(6);
/// Within so long everything is well again, once nothing goes wrong any more.
const HEALS_WITHIN: Duration = Duration::from_secs(60);

/// A world, and who is supervised in it.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) seed: u64,
    has_arbiter: bool,
    members: Vec<Arc<Setup>>,
}

impl Pair {
    pub(crate) fn new(seed: u64, has_arbiter: bool, bug: Bug, keep: bool) -> Self {
        let mut world = World::new(seed, Settings::default());
        if keep {
            world.trace().keep();
        }
        let mut members = Vec::new();
        for (number, name, master) in [(1, "a", None), (2, "b", Some("a".to_owned()))] {
            let setup = Arc::new(Setup {
                name,
                number: u32::from(number),
                id: Member([number; 16]),
                master,
                lease: LEASE,
                wait: WAIT,
                has_arbiter,
                bug,
                again: AtomicBool::new(false),
                openings: Openings::default(),
            });
            members.push(Arc::clone(&setup));
            let made = Arc::clone(&setup);
            world.add(name, move || Process::new(Arc::clone(&made)));
            world.start(name);
            supervise(&mut world, setup);
        }
        if has_arbiter {
            let kept = Arc::new(Mutex::default());
            world.add(ARBITER, move || ArbiterNode::new(Arc::clone(&kept)));
            world.start(ARBITER);
        }
        world.add("c", || Client::new(1, 100, 3));
        world.add("d", || Client::new(2, 80, 2));
        Self { world, seed, has_arbiter, members }
    }

    pub(crate) fn clients(&mut self) {
        self.world.start("c");
        self.world.start("d");
    }

    /// Whether one serves and the other is in sync with it.
    pub(crate) fn is_in_sync(world: &World) -> bool {
        [("a", "b"), ("b", "a")].into_iter().any(|(master, slave)| {
            let serving = world.node::<Process>(master).and_then(Process::serving);
            let status = serving.map(|serving| serving.replicated.status());
            status.and_then(|status| status.slave).is_some_and(|slave| slave.state == "in sync")
                && world.node::<Process>(slave).is_some_and(Process::is_in_sync)
        })
    }

    /// Whether it serves.
    pub(crate) fn serves(world: &World, name: &str) -> bool {
        world.node::<Process>(name).is_some_and(|process| process.serving().is_some())
    }

    /// Who serves.
    pub(crate) fn master(&self) -> Option<&'static str> {
        ["a", "b"].into_iter().find(|name| Self::serves(&self.world, name))
    }

    pub(crate) fn until_in_sync(&mut self) {
        let is_so = self.world.run_until(HEALS_WITHIN, Self::is_in_sync);
        assert!(is_so, "{}", self.lines("never in sync"));
    }

    /// The last that happened, for people.
    pub(crate) fn lines(&mut self, why: &str) -> String {
        let lines = self.world.trace().lines();
        format!("seed {}: {why}\n{}", self.seed, lines.join("\n"))
    }

    /// How many stores were cut so far, and how many could not be.
    pub(crate) fn cuts(&self) -> (u64, u64) {
        let sum = |count: fn(&Openings) -> &AtomicU64| {
            self.members.iter().map(|member| count(&member.openings).load(Ordering::Relaxed)).sum()
        };
        (sum(|openings| &openings.cut), sum(|openings| &openings.not_cut))
    }

    /// All is mended; what is wrong after a while.
    pub(crate) fn judge(mut self) -> Played {
        self.world.mend();
        // A store that failed while nobody used it ends its process at the next use.
        for name in ["a", "b"] {
            let store = self.world.node::<Process>(name).and_then(|process| process.store.as_ref());
            if store.is_some_and(|store| store.ended().is_some()) {
                self.world.kill(name);
                self.world.start(name);
            }
        }
        let mut wrong = Vec::new();
        for member in &self.members {
            wrong.append(&mut member.openings.wrong.lock().expect("nobody panicked"));
        }
        // What is cut wrong may be cut again and again.
        let heals = wrong.is_empty()
            && self.world.run_until(HEALS_WITHIN, |world| {
                let is_finished = |name| world.node::<Client>(name).is_some_and(|client| client.is_finished);
                is_finished("c") && is_finished("d") && Self::is_in_sync(world)
            });
        if !heals {
            wrong.push(format!("it does not heal: in sync {}", Self::is_in_sync(&self.world)));
        }
        // What is on the way arrives, and what was to fail has failed.
        self.world.run_for(LEASE);
        let heals = heals && self.world.run_until(HEALS_WITHIN, Self::is_in_sync);
        let stores = ["a", "b"].map(|name| {
            let store = self.world.node::<Process>(name).and_then(|process| process.store.clone());
            store.map(|store| store.eager())
        });
        let found = stores.map(|store| {
            let store = store.ok_or("no store is open")?;
            let contents = Contents::of(&store, 100).map_err(|error| error.to_string())?;
            let recovered = store.recover_wait().map_err(|error| error.to_string())?;
            // Damage is each disk's own.
            Ok::<_, String>((
                contents,
                Recovered { epoch: Default::default(), damage: Vec::new(), ..recovered },
            ))
        });
        let place = if self.master() == Some("b") { 1 } else { 0 };
        if heals && found[0] != found[1] {
            wrong.push(format!("the two differ: {:?}\nand {:?}", found[0], found[1]));
        }
        if let Ok((contents, _)) = &found[place] {
            for waiting in &contents.waiting {
                let group = group_of(waiting.destination.0 as u32, waiting.subscription);
                for stored in &waiting.messages {
                    let tag = Tag::of(&stored.message.body);
                    let entry = tag.map(|tag| Entry::Left { tag, group });
                    self.world.ledger().note(entry.unwrap_or(Entry::Garbled { consumer: 0 }));
                }
            }
            if heals && !contents.prepared.is_empty() {
                wrong.push(format!("decided, and still prepared: {:?}", contents.prepared));
            }
        } else {
            wrong.push("the master's store cannot be read".to_owned());
        }
        // A confirmation of the slave's is a proof for what it confirmed, also when that has become master since and its former master reads it late.
        let late = self.has_arbiter;
        let laws: Vec<_> = Law::ALL.into_iter().filter(|law| !late || *law != Law::TermsOnlyRise).collect();
        let violations = self.world.ledger().judge(&laws);
        wrong.extend(violations.iter().map(ToString::to_string));
        Played {
            wrong,
            counts: self.world.counts(),
            cuts: self.cuts(),
            digest: self.world.trace().digest(),
            lines: self.world.trace().lines().to_vec(),
        }
    }
}

/// Starts a process again that ended by itself.
fn supervise(world: &mut World, setup: Arc<Setup>) {
    world.after(LEASE / 5, move |world| {
        if setup.again.swap(false, Ordering::Relaxed) {
            world.start(setup.name);
        }
        supervise(world, setup);
    });
}

/// Now and then an operator has the other one serve.
fn switch(world: &mut World, until: Duration) {
    let pause = world.random().between(Duration::ZERO, LEASE * 6);
    world.after(pause, move |world| {
        if world.now() < until {
            for name in ["a", "b"] {
                world.call(name, Process::switch);
            }
            switch(world, until);
        }
    });
}

/// A world after its play.
pub(crate) struct Played {
    pub(crate) wrong: Vec<String>,
    pub(crate) counts: Counts,
    /// How many stores were cut, and how many could not be.
    pub(crate) cuts: (u64, u64),
    pub(crate) digest: u64,
    pub(crate) lines: Vec<String>,
}

/// Which faults there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// With an arbiter: everything.
    Arbiter,
    /// Without: no network that is cut for longer than a lease, no clock that jumps.
    Alone,
}

pub(crate) const ALONE: [Fault; 7] =
    [Fault::Kill, Fault::KillAtDisk, Fault::Pause, Fault::Crash, Fault::Cut, Fault::Flush, Fault::Full];

impl Family {
    pub(crate) fn faults(self) -> Vec<Fault> {
        match self {
            Self::Arbiter => Fault::ALL.to_vec(),
            Self::Alone => [ALONE.to_vec(), vec![Fault::Write]].concat(),
        }
    }
}

pub(crate) fn play(family: Family, seed: u64, bug: Bug, keep: bool) -> Played {
    play_with(family, &family.faults(), seed, bug, keep)
}

pub(crate) fn play_with(family: Family, faults: &[Fault], seed: u64, bug: Bug, keep: bool) -> Played {
    let has_arbiter = family == Family::Arbiter;
    let mut pair = Pair::new(seed, has_arbiter, bug, keep);
    pair.clients();
    let mut links = vec![
        ("a".into(), "b".into()),
        ("a".into(), "b".into()),
        ("c".into(), "a".into()),
        ("d".into(), "b".into()),
    ];
    let mut hosts = vec!["a".into(), "b".into()];
    if has_arbiter {
        links.extend([("a".into(), ARBITER.into()), ("b".into(), ARBITER.into())]);
        hosts.extend(["a".into(), "b".into(), ARBITER.into()]);
    }
    let chaos = Chaos {
        hosts,
        links,
        faults: faults.to_vec(),
        every: Duration::from_millis(900),
        lasts: LEASE * 2,
        jump: Duration::from_secs(3),
        skew: 200_000,
    };
    // Now and then the pair is in sync when it begins.
    let quiet = pair.world.random().between(Duration::ZERO, Duration::from_millis(800));
    pair.world.run_for(quiet);
    // Without an arbiter a network so slow that nobody is heard in time is a partition.
    let lasts = if has_arbiter { LEASE * 2 } else { LEASE / 4 };
    Chaos { faults: vec![Fault::Delay], lasts, ..chaos.clone() }
        .begin(&mut pair.world, Duration::from_secs(12));
    chaos.begin(&mut pair.world, Duration::from_secs(12));
    switch(&mut pair.world, Duration::from_secs(12));
    pair.world.run_for(Duration::from_secs(13));
    pair.judge()
}
