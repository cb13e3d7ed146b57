//! Every way that two members and their arbiter can take, up to a few batches and terms: whoever becomes master has all that was ever answered.
//!
//! The steps of the record are the real ones; around them stands the least that a pair does: append, copy, confirm, answer, cut off, let in, take over,
//! die, come back, join. Messages that are lost and links that are cut are steps that are not taken. Each law is left out once, and must be missed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeSet, HashSet, VecDeque};

use kahawai_replication::record::{Member, Record};
use kahawai_store::names::Term;

const BATCHES: u8 = 4;
const TERMS: u64 = 5;

/// A law that is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Without {
    Nothing,
    /// A master waits for its slave before the arbiter knows it as in sync, and no longer than the arbiter does.
    WaitingForWhoIsInTheSet,
    /// A member is let in that has everything.
    CatchingUp,
    /// A member promotes itself out of the set alone.
    TheSet,
    /// A slave confirms nothing of a term that it has left.
    TermsOfConfirmations,
    /// A member follows nobody of a lower term than its own.
    TermsOfMasters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Down,
    Waiting,
    Slave,
    Master,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    role: Role,
    /// The last term that it served or followed; on its disk.
    term: u64,
    /// The batches that it has flushed.
    log: Vec<u8>,
    /// As master: whether it answers nobody without the other.
    waits: bool,
    /// As master: how much of its log the other has confirmed.
    confirmed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    term: u64,
    master: usize,
    in_sync: [bool; 2],
    nodes: [Node; 2],
    answered: BTreeSet<u8>,
    appended: u8,
}

/// Takes a step from the world as it is.
type Add<'a> = &'a mut dyn FnMut(&dyn Fn(&mut World));

fn member(index: usize) -> Member {
    Member([index as u8 + 1; 16])
}

impl World {
    fn begin() -> Self {
        let node = |role| Node { role, term: 1, log: Vec::new(), waits: false, confirmed: 0 };
        Self {
            term: 1,
            master: 0,
            in_sync: [true, false],
            nodes: [node(Role::Master), node(Role::Waiting)],
            answered: BTreeSet::new(),
            appended: 0,
        }
    }

    fn record(&self) -> Record {
        let in_sync = (0..2).filter(|index| self.in_sync[*index]).map(member).collect();
        Record { pair: [0; 16], term: Term(self.term), master: member(self.master), in_sync }
    }

    fn set(&mut self, record: &Record) {
        self.term = record.term.0;
        self.master = usize::from(record.master == member(1));
        self.in_sync = [0, 1].map(|index| record.in_sync.contains(&member(index)));
    }

    /// Whoever may be master now has all that was answered.
    fn is_sound(&self) -> bool {
        let has_all = |node: &Node| self.answered.iter().all(|batch| node.log.contains(batch));
        (0..2).all(|index| !self.in_sync[index] || has_all(&self.nodes[index]))
    }

    fn next(&self, without: Without) -> Vec<Self> {
        let mut next = Vec::new();
        for own in 0..2 {
            let other = 1 - own;
            let mut add = |change: &dyn Fn(&mut Self)| {
                let mut world = self.clone();
                change(&mut world);
                next.push(world);
            };
            let (node, peer) = (&self.nodes[own], &self.nodes[other]);
            match node.role {
                Role::Down => add(&|world| world.nodes[own].role = Role::Waiting),
                _ => add(&|world| {
                    let node = &mut world.nodes[own];
                    (node.role, node.waits, node.confirmed) = (Role::Down, false, 0);
                }),
            }
            if matches!(node.role, Role::Slave | Role::Waiting) && self.term < TERMS {
                let mut record = self.record();
                if without == Without::TheSet {
                    record.in_sync.insert(member(own));
                }
                if let Ok(promoted) = record.promote(member(own)) {
                    add(&|world| {
                        world.set(&promoted);
                        let node = &mut world.nodes[own];
                        (node.role, node.term) = (Role::Master, promoted.term.0);
                        (node.waits, node.confirmed) = (false, 0);
                    });
                }
            }
            let follows =
                peer.role == Role::Master && (peer.term >= node.term || without == Without::TermsOfMasters);
            if node.role == Role::Waiting && follows {
                add(&|world| {
                    let common =
                        node.log.iter().zip(&peer.log).take_while(|(own, other)| own == other).count();
                    let node = &mut world.nodes[own];
                    node.log.truncate(common);
                    (node.role, node.term) = (Role::Slave, peer.term);
                });
            }
            if node.role == Role::Master {
                self.as_master(own, without, &mut add);
            }
        }
        next
    }

    fn as_master(&self, own: usize, without: Without, add: Add<'_>) {
        let other = 1 - own;
        let (node, peer) = (&self.nodes[own], &self.nodes[other]);
        let record = self.record();
        let is_followed = peer.role == Role::Slave && peer.term == node.term;
        if self.appended < BATCHES {
            add(&|world| {
                world.nodes[own].log.push(world.appended);
                world.appended += 1;
            });
        }
        if is_followed && peer.log.len() < node.log.len() {
            add(&|world| world.nodes[other].log.push(node.log[peer.log.len()]));
        }
        let confirms = is_followed || (without == Without::TermsOfConfirmations && peer.role != Role::Down);
        if confirms {
            // Late ones tell less than is true.
            let length = match is_followed {
                true => peer.log.len(),
                false => node.log.len(),
            };
            add(&|world| world.nodes[own].confirmed = length);
        }
        for (place, batch) in node.log.iter().enumerate() {
            if (!node.waits || place < node.confirmed) && !self.answered.contains(batch) {
                add(&|world| {
                    world.answered.insert(*batch);
                });
            }
        }
        // To let it in: first its answers are waited for, then it is in the set.
        if is_followed && !node.waits {
            add(&|world| world.nodes[own].waits = true);
        }
        let has_all = node.confirmed >= node.log.len() || without == Without::CatchingUp;
        let waits = node.waits || without == Without::WaitingForWhoIsInTheSet;
        let admitted = record.admit(member(own), Term(node.term), member(other));
        if let Ok(admitted) = admitted
            && is_followed
            && waits
            && has_all
        {
            add(&|world| world.set(&admitted));
        }
        // To cut it off: first it is out of the set, then nobody waits for it.
        if let Ok(cut_off) = record.cut_off(member(own), Term(node.term), member(other)) {
            add(&|world| world.set(&cut_off));
            if !self.in_sync[other] && node.waits {
                add(&|world| (world.nodes[own].waits, world.nodes[own].confirmed) = (false, 0));
            }
        } else {
            // It hears that it was overtaken, now or later.
            add(&|world| {
                let node = &mut world.nodes[own];
                (node.role, node.waits, node.confirmed) = (Role::Waiting, false, 0);
            });
        }
        if without == Without::WaitingForWhoIsInTheSet && node.waits {
            add(&|world| world.nodes[own].waits = false);
        }
    }
}

/// All worlds that there are, or the first in which somebody may be master who lacks what was answered.
fn explore(without: Without) -> Result<HashSet<World>, Box<World>> {
    let mut seen = HashSet::from([World::begin()]);
    let mut open = VecDeque::from([World::begin()]);
    while let Some(world) = open.pop_front() {
        if !world.is_sound() {
            return Err(Box::new(world));
        }
        for next in world.next(without) {
            if seen.insert(next.clone()) {
                open.push_back(next);
            }
        }
    }
    Ok(seen)
}

#[test]
fn whoever_may_be_master_has_all_that_was_answered() {
    let worlds = explore(Without::Nothing).unwrap();
    // What is asked for does come about: both have served, each waited for the other, and all was answered.
    let is_full = |world: &World| {
        let served = &world.nodes[world.master];
        world.term == TERMS && served.role == Role::Master && served.waits && world.in_sync == [true, true]
    };
    for master in [0, 1] {
        let all = usize::from(BATCHES);
        let found = worlds
            .iter()
            .any(|world| world.master == master && is_full(world) && world.answered.len() == all);
        assert!(
            found,
            "{master} is never master of a pair that has answered all, in {} worlds",
            worlds.len()
        );
    }
}

#[test]
fn no_law_can_be_left_out() {
    for without in [
        Without::WaitingForWhoIsInTheSet,
        Without::CatchingUp,
        Without::TheSet,
        Without::TermsOfConfirmations,
        Without::TermsOfMasters,
    ] {
        let found = explore(without);
        assert!(found.is_err(), "{without:?} is not missed in {} worlds", found.unwrap().len());
    }
}
