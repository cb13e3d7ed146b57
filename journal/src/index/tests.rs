//! The index with runs against plain maps: whatever is frozen, written, merged and swept in between, it says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kahawai_store::batch::DestinationKind;
use kahawai_store::codec::Span;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId};
use proptest::prelude::*;

use super::going::Reach;
use super::location::{Change, Location};
use super::merge_input::MergeInput;
use super::messages::Messages;
use super::write_run::{RunName, merge, write_table};
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;

const STORE: [u8; 16] = [7; 16];
const DESTINATIONS: u64 = 4;

/// One step. Of four destinations the first two are queues, the others topics; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Insert {
        destination: u64,
        rank: u8,
    },
    /// The message chosen is acknowledged, on a topic by the subscription chosen.
    Acknowledge {
        message: usize,
        subscription: usize,
    },
    Move {
        message: usize,
        to: u64,
        rank: u8,
    },
    Relocate {
        message: usize,
    },
    Subscribe {
        topic: u64,
    },
    Unsubscribe {
        subscription: usize,
    },
    /// It is removed, and another created in its stead.
    Clear {
        destination: u64,
    },
    /// Some of what is gone is taken out.
    Sweep {
        most: usize,
        frozen: bool,
        runs: bool,
    },
    Freeze,
    Install,
    BeginMerge,
    EndMerge,
    /// Keeps what a checkpoint would and takes it up again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..=DESTINATIONS, 0..3_u8).prop_map(|(destination, rank)| Step::Insert { destination, rank }),
        8 => any::<(usize, usize)>()
            .prop_map(|(message, subscription)| Step::Acknowledge { message, subscription }),
        1 => (any::<usize>(), 1..=2_u64, 0..3_u8)
            .prop_map(|(message, to, rank)| Step::Move { message, to, rank }),
        1 => any::<usize>().prop_map(|message| Step::Relocate { message }),
        2 => (3..=4_u64).prop_map(|topic| Step::Subscribe { topic }),
        2 => any::<usize>().prop_map(|subscription| Step::Unsubscribe { subscription }),
        1 => (1..=DESTINATIONS).prop_map(|destination| Step::Clear { destination }),
        3 => (1..8_usize, any::<bool>(), any::<bool>())
            .prop_map(|(most, frozen, runs)| Step::Sweep { most, frozen, runs }),
        3 => Just(Step::Freeze),
        3 => Just(Step::Install),
        2 => Just(Step::BeginMerge),
        2 => Just(Step::EndMerge),
        1 => Just(Step::Reopen),
    ]
}

/// The same in plain maps: each message with those who wait for it.
#[derive(Default)]
struct Plain {
    messages: BTreeMap<MessageId, (DestinationId, Cursor, Location, BTreeSet<SubscriptionId>)>,
    subscriptions: BTreeMap<SubscriptionId, DestinationId>,
    /// What went with its destination.
    removed: Vec<MessageId>,
}

impl Plain {
    fn waiting(
        &self,
        destination: DestinationId,
        subscription: Option<SubscriptionId>,
    ) -> Vec<(Cursor, MessageId)> {
        let mut found: Vec<_> = self
            .messages
            .iter()
            .filter(|(_, kept)| kept.0 == destination)
            .filter(|(_, kept)| subscription.is_none_or(|id| kept.3.contains(&id)))
            .map(|(id, kept)| (kept.1, *id))
            .collect();
        found.sort_unstable();
        found
    }

    fn drop_unwanted(&mut self) {
        self.messages.retain(|_, kept| is_queue(kept.0) || !kept.3.is_empty());
    }
}

struct Both {
    disk: MemoryDisk,
    index: Messages,
    plain: Plain,
    /// The destinations that are there now.
    destinations: [DestinationId; DESTINATIONS as usize],
    sweeps_later: bool,
    arrival: u64,
    number: u64,
    frozen: Option<Arc<super::table::Table>>,
    merging: Option<(Vec<MergeInput>, Arc<super::run::Run>)>,
}

/// Whoever comes in the stead of another gets a number that is four higher.
fn is_queue(destination: DestinationId) -> bool {
    (destination.0 - 1) % DESTINATIONS <= 1
}

fn kind(destination: DestinationId) -> DestinationKind {
    if is_queue(destination) { DestinationKind::Queue } else { DestinationKind::Topic }
}

impl Both {
    fn new(sweeps_later: bool) -> Self {
        let mut index = Messages::default();
        if sweeps_later {
            index.sweep_later();
        }
        let destinations = [1, 2, 3, 4].map(DestinationId);
        for destination in destinations {
            index.apply(Change::Begin { destination, kind: kind(destination) });
        }
        let (disk, plain) = (MemoryDisk::new(), Plain::default());
        let (arrival, number, frozen, merging) = (1, 1, None, None);
        Self { disk, index, plain, destinations, sweeps_later, arrival, number, frozen, merging }
    }

    fn destination(&self, number: u64) -> DestinationId {
        self.destinations[number as usize - 1]
    }

    fn name(&mut self) -> RunName {
        self.number += 1;
        RunName { store: STORE, epoch: Epoch(1), number: self.number }
    }

    fn location(&self) -> Location {
        let span = Span { start: self.arrival as u32, length: 10 + (self.arrival % 7) as u32 };
        Location { segment: 1 + self.arrival / 20, record: self.arrival * 8, span }
    }

    fn chosen(&self, number: usize) -> Option<MessageId> {
        let count = self.plain.messages.len();
        (count > 0).then(|| *self.plain.messages.keys().nth(number % count).expect("there"))
    }

    fn install(&mut self) {
        if let Some(table) = self.frozen.take() {
            let name = self.name();
            let run = write_table(&self.disk, &name, &table, self.index.fault()).expect("it is written");
            self.index.install(run);
        }
    }

    fn end_merge(&mut self) {
        if let Some((inputs, run)) = self.merging.take() {
            self.index.install_merged(&inputs, run);
        }
    }

    fn take(&mut self, step: Step) {
        self.arrival += 1;
        let arrival = self.arrival;
        match step {
            Step::Insert { destination, rank } => {
                let (id, cursor, location) = (MessageId(arrival), Cursor { rank, arrival }, self.location());
                let destination = self.destination(destination);
                self.index.apply(Change::Insert { destination, id, cursor, location });
                let waits = self.plain.subscriptions.iter().filter(|(_, topic)| **topic == destination);
                let waits = waits.map(|(id, _)| *id).collect();
                self.plain.messages.insert(id, (destination, cursor, location, waits));
            }
            Step::Acknowledge { message, subscription } => {
                let Some(id) = self.chosen(message) else { return };
                let kept = self.plain.messages.get_mut(&id).expect("there");
                let (destination, cursor) = (kept.0, kept.1);
                let subscription = if is_queue(destination) {
                    None
                } else {
                    let of_topic: Vec<_> =
                        self.plain.subscriptions.iter().filter(|(_, topic)| **topic == destination).collect();
                    Some(*of_topic[subscription % of_topic.len()].0)
                };
                // Where it does not stand, nothing happens.
                let elsewhere = Cursor { rank: cursor.rank + 1, ..cursor };
                for cursor in [elsewhere, Cursor { arrival: arrival + 1, ..cursor }, cursor] {
                    self.index.apply(Change::Acknowledge { destination, id, cursor, subscription });
                }
                match subscription {
                    None => drop(self.plain.messages.remove(&id)),
                    Some(subscription) => drop(kept.3.remove(&subscription)),
                }
            }
            Step::Move { message, to, rank } => {
                let Some(id) = self.chosen(message) else { return };
                let to = self.destination(to);
                let kept = self.plain.messages.get_mut(&id).expect("there");
                let (from, cursor, to, end) = (kept.0, kept.1, to, Cursor { rank, arrival });
                self.index.apply(Change::Move { id, from, cursor, to, end });
                if is_queue(from) {
                    (kept.0, kept.1) = (to, end);
                }
            }
            Step::Relocate { message } => {
                let Some(id) = self.chosen(message) else { return };
                let to = self.location();
                let kept = self.plain.messages.get_mut(&id).expect("there");
                assert!(self.index.relocate(id, &kept.2, to));
                assert!(!self.index.relocate(id, &kept.2, to), "it is not there any more");
                kept.2 = to;
            }
            Step::Subscribe { topic } => {
                let (topic, id) = (self.destination(topic), SubscriptionId(arrival));
                self.index.apply(Change::Subscribe { topic, id, start: arrival });
                self.plain.subscriptions.insert(id, topic);
            }
            Step::Unsubscribe { subscription } => {
                let count = self.plain.subscriptions.len();
                let Some(&id) = self.plain.subscriptions.keys().nth(subscription % count.max(1)) else {
                    return;
                };
                self.index.apply(Change::Unsubscribe(id));
                self.plain.subscriptions.remove(&id);
                for kept in self.plain.messages.values_mut() {
                    kept.3.remove(&id);
                }
            }
            Step::Clear { destination } => {
                let id = self.destination(destination);
                let next = DestinationId(id.0 + DESTINATIONS);
                self.destinations[destination as usize - 1] = next;
                self.index.apply(Change::Remove(id));
                self.index.apply(Change::Begin { destination: next, kind: kind(next) });
                let gone = self.plain.messages.iter().filter(|(_, kept)| kept.0 == id);
                self.plain.removed.extend(gone.map(|(id, _)| *id));
                self.plain.messages.retain(|_, kept| kept.0 != id);
                self.plain.subscriptions.retain(|_, topic| *topic != id);
            }
            Step::Sweep { most, frozen, runs } => {
                self.index.sweep(most, Reach { frozen, runs });
            }
            Step::Freeze => self.frozen = self.frozen.take().or_else(|| self.index.freeze()),
            Step::Install => self.install(),
            Step::BeginMerge if self.merging.is_none() => {
                let inputs = self.index.runs();
                if inputs.len() > 1 {
                    let name = self.name();
                    let fault = Arc::clone(self.index.fault());
                    let run = merge(&self.disk, &name, &inputs, &fault).expect("it is merged");
                    self.merging = Some((inputs, run));
                }
            }
            Step::BeginMerge => {}
            Step::EndMerge => self.end_merge(),
            Step::Reopen => {
                self.install();
                self.end_merge();
                self.frozen = self.index.freeze();
                self.install();
                self.index.sweep_all();
                let (kept, runs) = (self.index.kept(), self.index.runs());
                self.index = Messages::default();
                let fault = Arc::clone(self.index.fault());
                let open = |input: MergeInput| {
                    let run = super::run::Run::open(&self.disk, input.run.name, &STORE, Arc::clone(&fault));
                    (Arc::new(run.expect("it opens")), input.gone)
                };
                let runs: Vec<_> = runs.into_iter().map(open).collect();
                self.index.adopt(kept, runs);
                if self.sweeps_later {
                    self.index.sweep_later();
                }
            }
        }
        self.plain.drop_unwanted();
    }

    fn compare(&self) {
        assert_eq!(self.index.fault().get(), None);
        let mut live: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (&id, (destination, cursor, location, waits)) in &self.plain.messages {
            let place = self.index.place(id).expect("it lives");
            assert_eq!((place.destination, place.cursor, place.location), (*destination, *cursor, *location));
            let counts = live.entry(location.segment).or_default();
            *counts = (counts.0 + 1, counts.1 + u64::from(location.span.length));
            if !is_queue(*destination) {
                let floors = self.index.floors(*destination);
                let above: BTreeSet<_> =
                    floors.filter(|(_, floor)| *floor <= cursor.arrival).map(|(id, _)| id).collect();
                let have: BTreeSet<_> =
                    self.index.acknowledged_by(*destination, cursor.arrival).into_iter().collect();
                assert_eq!(&(&above - &have), waits);
            }
        }
        let total: u64 = live.values().map(|counts| counts.0).sum();
        let is_exact = !self.index.is_sweeping();
        assert!(is_exact || self.sweeps_later, "something is left");
        let counted = self.index.live_total().count;
        assert!(counted == total || !is_exact && counted > total, "{counted} for {total}");
        for (segment, (count, bytes)) in live {
            let found = self.index.live_in(segment);
            let is_more = found.count >= count && found.bytes >= bytes;
            assert!(
                (found.count, found.bytes) == (count, bytes) || !is_exact && is_more,
                "segment {segment}"
            );
        }
        let queues = self.destinations.iter().filter(|id| is_queue(**id)).map(|id| (*id, None));
        let topics = self.plain.subscriptions.iter().map(|(id, topic)| (*topic, Some(*id)));
        for (destination, subscription) in queues.chain(topics) {
            let expected = self.plain.waiting(destination, subscription);
            let found: Vec<_> = self.index.after(destination, subscription, None).collect();
            let found: Vec<_> = found.into_iter().map(|found| (found.cursor, found.id)).collect();
            assert_eq!(found, expected, "{destination} {subscription:?}");
            let half = expected.get(expected.len() / 2).map(|(cursor, _)| *cursor);
            let rest = self.index.after(destination, subscription, half).count();
            assert_eq!(rest, half.map_or(expected.len(), |_| expected.len() - expected.len() / 2 - 1));
            if let Some(id) = subscription {
                assert_eq!(self.index.waiting(id), expected.len() as u64);
            }
        }
        for destination in self.destinations {
            let expected = self.plain.waiting(destination, None).len() as u64;
            let found = self.index.count(destination);
            assert!(found == expected || !is_exact && !is_queue(destination) && found > expected);
        }
        for segment in 1..self.arrival / 20 + 2 {
            let expected = self.plain.messages.iter().filter(|(_, kept)| kept.2.segment == segment);
            let expected: BTreeSet<_> = expected.map(|(id, kept)| (kept.0, *id)).collect();
            let found: BTreeSet<_> = self.index.living_in(segment).into_iter().collect();
            // What only a subscription waited for that went is found only when it is taken out.
            let more = |found: &(DestinationId, MessageId)| {
                expected.contains(found) || self.destinations.contains(&found.0) && !is_queue(found.0)
            };
            assert!(
                found == expected || !is_exact && found.is_superset(&expected) && found.iter().all(more),
                "segment {segment}"
            );
        }
        assert!(self.plain.removed.iter().all(|id| self.index.place(*id).is_none()));
        assert!(self.index.place(MessageId(u64::MAX)).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn the_index_says_what_plain_maps_say_whatever_is_written_and_merged(
        steps in prop::collection::vec(step(), 1..160),
        sweeps_later in any::<bool>(),
    ) {
        let mut both = Both::new(sweeps_later);
        for step in steps {
            both.take(step);
            both.compare();
        }
        both.index.sweep_all();
        both.compare();
    }
}

#[test]
fn a_damaged_run_is_noticed_and_nothing_it_says_is_used() {
    let mut both = Both::new(false);
    for _ in 0..2000 {
        both.take(Step::Insert { destination: 1, rank: 0 });
    }
    both.take(Step::Freeze);
    both.take(Step::Install);
    let name = both.index.run_names()[0];
    let length = both.disk.open_file(name).expect("there").length() as usize;
    for at in (0..length).step_by(997) {
        both.disk.damage(name, at, |bytes| bytes[0] ^= 1);
        let fault = super::run::Fault::default();
        if let Ok(run) = super::run::Run::open(&both.disk, name, &STORE, Arc::clone(&fault)) {
            let whole = [MergeInput { gone: vec![0; run.count().div_ceil(64) as usize], run: Arc::new(run) }];
            let name = both.name();
            assert!(merge(&both.disk, &name, &whole, &fault).is_err(), "byte {at}");
            assert!(fault.get().is_some(), "byte {at}");
        }
        both.disk.damage(name, at, |bytes| bytes[0] ^= 1);
    }
    both.compare();
}
