//! What waits after all entries of a journal, in the order they were written: adds less removes.
//!
//! As ActiveMQ rebuilds its index: what it does not know it does not acknowledge, a topic without subscriptions keeps nothing, a
//! transaction counts when it is committed, and what was neither committed nor prepared is forgotten.
//!
//! What is remembered has a bound. A message that finds no room is not counted, so that all counts are of messages that are there:
//! 'at least'. Where an entry may be missing (damage, or one that found no room and takes messages away) only what was added after it is
//! certainly there.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::entry::{Destination, Entry, Transaction};
use crate::occupied::census::Census;

/// What remembering may take, in bytes, about.
const MEMORY_BYTES_MAX: usize = 256 << 20;
/// What one thing takes beside what is counted with it.
const THING_BYTES: usize = 112;

/// A name, as its digest: names are long, and only asked for.
type Key = u128;

/// The count.
pub(super) struct Tally {
    hashers: [RandomState; 2],
    room: usize,
    places: HashMap<Key, usize>,
    destinations: Vec<Place>,
    open: HashMap<Key, Vec<Operation>>,
    prepared: HashMap<Key, Vec<Operation>>,
    scheduled: HashSet<Key>,
    /// How often something may have been missed that took messages away.
    gaps: u32,
    schedule_gaps: bool,
    /// Whether something found no room, or may have been missed.
    is_short: bool,
    subscriptions_made: u32,
}

/// A destination.
struct Place {
    kind: u64,
    name: String,
    messages: HashMap<Key, Waiting>,
    /// Those that are, each with a number of its own.
    subscriptions: HashMap<Key, u32>,
}

/// A message.
struct Waiting {
    /// How many gaps there had been when it came.
    gaps: u32,
    /// For which subscriptions of a topic; they may be gone.
    subscriptions: Box<[u32]>,
}

/// What a transaction does when it is committed.
#[derive(Clone, Copy)]
enum Operation {
    Add(usize, Key),
    Remove(usize, Key, Option<Key>),
}

impl Tally {
    pub(super) fn new() -> Self {
        Self::with_room(MEMORY_BYTES_MAX)
    }

    fn with_room(room: usize) -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            room,
            places: HashMap::new(),
            destinations: Vec::new(),
            open: HashMap::new(),
            prepared: HashMap::new(),
            scheduled: HashSet::new(),
            gaps: 0,
            schedule_gaps: false,
            is_short: false,
            subscriptions_made: 0,
        }
    }

    /// Entries may be missing here.
    pub(super) fn damage(&mut self) {
        self.gaps = self.gaps.saturating_add(1);
        self.is_short = true;
        self.schedule_gaps = true;
    }

    /// Counts the next entry in.
    pub(super) fn count(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Add { transaction, destination, message } => {
                let message = self.key(message);
                let Some(place) = self.place(*destination) else { return };
                self.now_or_later(*transaction, Operation::Add(place, message));
            }
            Entry::Update { destination, message } => {
                let message = self.key(message);
                let Some(place) = self.place(*destination) else { return };
                self.now_or_later(None, Operation::Add(place, message));
            }
            Entry::Remove { transaction, destination, message, subscription } => {
                let (message, subscription) = (self.key(message), subscription.map(|key| self.key(key)));
                let Some(place) = self.known(*destination) else { return };
                self.now_or_later(*transaction, Operation::Remove(place, message, subscription));
            }
            Entry::Prepare(transaction) => {
                let key = self.transaction(*transaction);
                if let Some(operations) = self.open.remove(&key) {
                    self.prepared.insert(key, operations);
                }
            }
            Entry::Commit(transaction) => {
                for operation in self.end(*transaction) {
                    self.apply(operation);
                }
            }
            Entry::Rollback(transaction) => drop(self.end(*transaction)),
            Entry::RemoveDestination(destination) => {
                if let Some(place) = self.known(*destination) {
                    self.clear(place);
                }
            }
            Entry::Subscribe { destination, subscription, retroactive } => {
                self.subscribe(*destination, subscription, *retroactive);
            }
            Entry::Unsubscribe { destination, subscription } => {
                let key = self.key(subscription);
                let Some(place) = self.known(*destination) else { return };
                let left = &mut self.destinations[place].subscriptions;
                if left.remove(&key).is_some() && left.is_empty() {
                    self.clear(place);
                }
            }
            Entry::Schedule(job) => {
                let job = self.key(job);
                if self.take_room(0) {
                    self.scheduled.insert(job);
                }
            }
            Entry::Unschedule(job) => {
                let job = self.key(job);
                if self.scheduled.remove(&job) {
                    self.give_room(1);
                }
            }
            // Which these are is in the entries' bodies; it is a command that hardly anybody gives.
            Entry::UnscheduleTime => self.schedule_gaps = true,
            Entry::UnscheduleAll => self.scheduled.clear(),
            Entry::Rewritten { .. } | Entry::Other => {}
        }
    }

    /// What waits.
    pub(super) fn census(&self) -> Census {
        let mut census = Census {
            is_exact: !self.is_short,
            prepared: self.prepared.len() as u64,
            scheduled: self.scheduled.len() as u64,
            ..Census::default()
        };
        if self.schedule_gaps && !self.scheduled.is_empty() {
            census.scheduled = 0;
            census.is_exact = false;
        }
        for place in &self.destinations {
            let there: HashSet<u32> = place.subscriptions.values().copied().collect();
            census.subscriptions += there.len() as u64;
            let is_sure = |waiting: &&Waiting| {
                // A subscription may have gone in a gap, and all that waited for it alone.
                let gaps = if place.kind == TOPIC && self.gaps > 0 { u32::MAX } else { waiting.gaps };
                let waits = place.kind != TOPIC || waiting.subscriptions.iter().any(|id| there.contains(id));
                waits && gaps == self.gaps
            };
            let messages = place.messages.values().filter(is_sure).count() as u64;
            if messages > 0 {
                census.destinations.insert(named(place), messages);
            }
        }
        let adds =
            self.prepared.values().flatten().filter(|operation| matches!(operation, Operation::Add(..)));
        census.prepared_messages = adds.count() as u64;
        census
    }

    fn key(&self, bytes: &[u8]) -> Key {
        let [one, other] = &self.hashers;
        u128::from(one.hash_one(bytes)) << 64 | u128::from(other.hash_one(bytes))
    }

    fn transaction(&self, transaction: Transaction<'_>) -> Key {
        self.key(&[&[u8::from(transaction.is_xa)], transaction.id].concat())
    }

    /// Takes room for a thing with so many bytes; `false` where there is none.
    fn take_room(&mut self, bytes: usize) -> bool {
        match self.room.checked_sub(THING_BYTES + bytes) {
            Some(left) => {
                self.room = left;
                true
            }
            None => {
                self.is_short = true;
                false
            }
        }
    }

    fn give_room(&mut self, things: usize) {
        self.room = self.room.saturating_add(things * THING_BYTES);
    }

    fn known(&self, destination: Destination<'_>) -> Option<usize> {
        self.places.get(&self.key_of(destination)).copied()
    }

    fn key_of(&self, destination: Destination<'_>) -> Key {
        self.key(&[&destination.kind.to_be_bytes()[..], destination.name].concat())
    }

    /// The destination, which is made where it is not known; `None` where there is no room.
    fn place(&mut self, destination: Destination<'_>) -> Option<usize> {
        if let Some(known) = self.known(destination) {
            return Some(known);
        }
        if !self.take_room(destination.name.len() + THING_BYTES) {
            return None;
        }
        let place = self.destinations.len();
        self.places.insert(self.key_of(destination), place);
        self.destinations.push(Place {
            kind: destination.kind,
            name: String::from_utf8_lossy(destination.name).into_owned(),
            messages: HashMap::new(),
            subscriptions: HashMap::new(),
        });
        Some(place)
    }

    fn now_or_later(&mut self, transaction: Option<Transaction<'_>>, operation: Operation) {
        let Some(transaction) = transaction else { return self.apply(operation) };
        if self.take_room(0) {
            let key = self.transaction(transaction);
            self.open.entry(key).or_default().push(operation);
        } else if matches!(operation, Operation::Remove(..)) {
            self.gaps = self.gaps.saturating_add(1);
        }
    }

    /// Ends a transaction; gives what it did.
    fn end(&mut self, transaction: Transaction<'_>) -> Vec<Operation> {
        let key = self.transaction(transaction);
        let operations = self.open.remove(&key).or_else(|| self.prepared.remove(&key)).unwrap_or_default();
        self.give_room(operations.len());
        operations
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Add(place, message) => self.add(place, message),
            Operation::Remove(place, message, None) => {
                if self.destinations[place].messages.remove(&message).is_some() {
                    self.give_room(1);
                }
            }
            Operation::Remove(place, message, Some(subscription)) => {
                let place = &mut self.destinations[place];
                let Some(id) = place.subscriptions.get(&subscription) else { return };
                let Some(waiting) = place.messages.get_mut(&message) else { return };
                waiting.subscriptions =
                    waiting.subscriptions.iter().copied().filter(|one| one != id).collect();
                if waiting.subscriptions.is_empty() {
                    place.messages.remove(&message);
                    self.give_room(1);
                }
            }
        }
    }

    fn add(&mut self, place: usize, message: Key) {
        let at = &self.destinations[place];
        let nobody = at.kind == TOPIC && at.subscriptions.is_empty();
        if nobody || at.messages.contains_key(&message) {
            return;
        }
        let subscriptions: Box<[u32]> = at.subscriptions.values().copied().collect();
        if self.take_room(subscriptions.len() * size_of::<u32>()) {
            let waiting = Waiting { gaps: self.gaps, subscriptions };
            self.destinations[place].messages.insert(message, waiting);
        }
    }

    fn subscribe(&mut self, destination: Destination<'_>, subscription: &[u8], retroactive: bool) {
        let key = self.key(subscription);
        let Some(place) = self.place(destination) else { return };
        if self.destinations[place].subscriptions.contains_key(&key) || !self.take_room(0) {
            return;
        }
        self.subscriptions_made = self.subscriptions_made.wrapping_add(1);
        let (id, place) = (self.subscriptions_made, &mut self.destinations[place]);
        if retroactive {
            let there: HashSet<u32> = place.subscriptions.values().copied().collect();
            for waiting in place.messages.values_mut() {
                if waiting.subscriptions.iter().any(|one| there.contains(one)) {
                    waiting.subscriptions = waiting.subscriptions.iter().copied().chain([id]).collect();
                }
            }
        }
        place.subscriptions.insert(key, id);
    }

    fn clear(&mut self, place: usize) {
        let place = &mut self.destinations[place];
        let things = place.messages.len() + place.subscriptions.len();
        place.messages.clear();
        place.subscriptions.clear();
        self.give_room(things);
    }
}

/// Of [`Destination::kind`].
const TOPIC: u64 = 1;

fn named(place: &Place) -> String {
    let scheme = match place.kind {
        TOPIC => "topic",
        2 => "temp-queue",
        3 => "temp-topic",
        _ => "queue",
    };
    format!("{scheme}://{}", place.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: Destination<'_> = Destination { kind: 0, name: b"Q" };
    const PRICES: Destination<'_> = Destination { kind: TOPIC, name: b"T" };
    const LOCAL: Option<Transaction<'_>> = Some(Transaction { is_xa: false, id: b"1" });
    const XA: Option<Transaction<'_>> = Some(Transaction { is_xa: true, id: b"1" });

    fn add<'a>(
        transaction: Option<Transaction<'a>>,
        destination: Destination<'a>,
        message: &'a [u8],
    ) -> Entry<'a> {
        Entry::Add { transaction, destination, message }
    }

    fn remove<'a>(transaction: Option<Transaction<'a>>, message: &'a [u8]) -> Entry<'a> {
        Entry::Remove { transaction, destination: QUEUE, message, subscription: None }
    }

    fn acknowledge<'a>(message: &'a [u8], subscription: &'a [u8]) -> Entry<'a> {
        Entry::Remove { transaction: None, destination: PRICES, message, subscription: Some(subscription) }
    }

    fn subscribe(subscription: &[u8], retroactive: bool) -> Entry<'_> {
        Entry::Subscribe { destination: PRICES, subscription, retroactive }
    }

    fn tally(entries: &[Entry<'_>]) -> Tally {
        let mut tally = Tally::new();
        entries.iter().for_each(|entry| tally.count(entry));
        tally
    }

    fn total(entries: &[Entry<'_>]) -> u64 {
        let census = tally(entries).census();
        assert!(census.is_exact);
        census.messages()
    }

    #[test]
    fn a_queue_keeps_what_was_not_acknowledged() {
        let two = [add(None, QUEUE, b"1"), add(None, QUEUE, b"2"), add(None, QUEUE, b"2")];
        assert_eq!(total(&two), 2);
        assert_eq!(total(&[add(None, QUEUE, b"1"), add(None, QUEUE, b"2"), remove(None, b"1")]), 1);
        // What is not there is not acknowledged in advance.
        assert_eq!(total(&[remove(None, b"1"), add(None, QUEUE, b"1")]), 1);
        assert_eq!(total(&[add(None, QUEUE, b"1"), Entry::RemoveDestination(QUEUE)]), 0);
        let update = Entry::Update { destination: QUEUE, message: b"1" };
        assert_eq!(total(&[add(None, QUEUE, b"1"), update]), 1);
    }

    #[test]
    fn a_transaction_counts_as_it_ends() {
        let sent = || add(LOCAL, QUEUE, b"1");
        let local = LOCAL.expect("a transaction");
        assert_eq!(total(&[sent()]), 0);
        assert_eq!(total(&[sent(), Entry::Commit(local)]), 1);
        assert_eq!(total(&[sent(), Entry::Rollback(local), Entry::Commit(local)]), 0);
        let taken = || [add(None, QUEUE, b"2"), remove(LOCAL, b"2")];
        assert_eq!(total(&taken()), 1);
        let [first, second] = taken();
        assert_eq!(total(&[first, second, Entry::Commit(local)]), 0);
        // The same name, decided by an XA manager, is another one.
        assert_eq!(total(&[sent(), Entry::Commit(XA.expect("a transaction"))]), 0);
    }

    #[test]
    fn what_is_prepared_is_counted_apart() {
        let xa = XA.expect("a transaction");
        let begun = || {
            vec![
                add(None, QUEUE, b"1"),
                add(XA, QUEUE, b"2"),
                add(XA, QUEUE, b"3"),
                remove(XA, b"1"),
                Entry::Prepare(xa),
            ]
        };
        let census = tally(&begun()).census();
        assert_eq!((census.messages(), census.prepared, census.prepared_messages), (1, 1, 2));
        let mut committed = begun();
        committed.push(Entry::Commit(xa));
        let census = tally(&committed).census();
        assert_eq!((census.messages(), census.prepared), (2, 0));
        let mut rolled_back = begun();
        rolled_back.push(Entry::Rollback(xa));
        assert_eq!(total(&rolled_back), 1);
    }

    #[test]
    fn a_topic_keeps_what_a_subscription_waits_for() {
        let sent = || add(None, PRICES, b"1");
        assert_eq!(total(&[sent(), subscribe(b"a", false)]), 0);
        assert_eq!(total(&[subscribe(b"a", false), sent()]), 1);
        assert_eq!(total(&[subscribe(b"a", false), sent(), acknowledge(b"1", b"a")]), 0);
        let both = || vec![subscribe(b"a", false), subscribe(b"b", false), sent(), acknowledge(b"1", b"a")];
        assert_eq!(total(&both()), 1);
        let gone = |who| Entry::Unsubscribe { destination: PRICES, subscription: who };
        let mut other_gone = both();
        other_gone.push(gone(b"b"));
        assert_eq!(total(&other_gone), 0);
        // One that comes again is another.
        other_gone.push(subscribe(b"b", false));
        assert_eq!(total(&other_gone), 0);
        let mut late = both();
        late.push(subscribe(b"c", true));
        late.push(acknowledge(b"1", b"b"));
        assert_eq!(total(&late), 1);
        assert_eq!(tally(&late).census().subscriptions, 3);
        assert_eq!(total(&[subscribe(b"a", false), sent(), gone(b"a"), subscribe(b"a", true)]), 0);
    }

    #[test]
    fn behind_damage_only_what_came_after_it_is_sure() {
        let mut tally = tally(&[subscribe(b"a", false), add(None, PRICES, b"1"), add(None, QUEUE, b"1")]);
        tally.damage();
        tally.count(&add(None, QUEUE, b"2"));
        tally.count(&add(None, QUEUE, b"3"));
        tally.count(&remove(None, b"2"));
        let census = tally.census();
        assert_eq!((census.is_exact, census.messages()), (false, 1));
    }

    #[test]
    fn without_room_it_is_at_least() {
        let mut tally = Tally::with_room(30 * THING_BYTES);
        let names: Vec<_> = (0..1000).map(|number: u32| number.to_string()).collect();
        for name in &names {
            tally.count(&add(None, QUEUE, name.as_bytes()));
        }
        let census = tally.census();
        let counted = census.messages();
        assert!(!census.is_exact && (20..30).contains(&counted), "{counted}");
        // What goes makes room again, and what goes without having been counted takes nothing away.
        for name in &names {
            tally.count(&remove(None, name.as_bytes()));
        }
        assert_eq!(tally.census().messages(), 0);
        tally.count(&add(None, QUEUE, b"another"));
        assert_eq!(tally.census().messages(), 1);
        // Acknowledgements that find no room make all before them doubtful.
        for name in &names {
            tally.count(&remove(LOCAL, name.as_bytes()));
        }
        assert_eq!(tally.census().messages(), 0);
        let destination = |name| Destination { kind: 0, name };
        for name in &names {
            tally.count(&add(None, destination(name.as_bytes()), b"1"));
        }
        assert!(tally.destinations.len() < 30);
    }

    #[test]
    fn what_is_to_be_sent_later_is_counted() {
        let jobs = || vec![Entry::Schedule(b"1"), Entry::Schedule(b"2"), Entry::Unschedule(b"1")];
        assert_eq!(tally(&jobs()).census().scheduled, 1);
        let mut unsure = jobs();
        unsure.push(Entry::UnscheduleTime);
        let census = tally(&unsure).census();
        assert_eq!((census.scheduled, census.is_exact), (0, false));
        unsure.push(Entry::UnscheduleAll);
        assert!(tally(&unsure).census().is_exact);
    }
}
