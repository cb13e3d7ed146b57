//! The part that decides: connections, destinations, dispatch, transactions. It knows no protocol, socket, thread or clock.
//!
//! Calls come from protocol sessions and from the store's completions, all while the core is held by one caller; what they
//! want done is gathered in [`effects::Effects`], and carried out by the shell in that order. A caller's calls
//! between [`Core::begin_turn`] and [`Core::end_turn`] make up a turn.

pub mod acknowledge;
pub mod address;
pub mod advisory;
mod browser;
pub mod connection;
pub mod consumer;
mod cut;
pub mod dead_letter;
mod destination;
mod durable;
pub mod effects;
mod expiry;
pub mod failure;
mod filter;
mod identity;
pub mod keys;
pub mod limits;
mod meant;
pub(crate) mod notice;
mod overflow;
mod producer_audit;
mod recovery;
pub mod send;
mod slow;
mod source;
pub mod transaction;
mod turn;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytestring::ByteString;

use address::Address;
use connection::Connection;
use consumer::Consumer;
use dead_letter::{Annotate, Deferred};
use destination::Destination;
use durable::{Durable, DurableName};
use effects::Effects;
use expiry::{Letters, Sweep};
use identity::Identities;
use keys::{CommitToken, ConnectionKey, ConsumerKey, DestinationKey, KeyMap, ReadToken, SourceKey};
use limits::Limits;
use notice::Said;
use producer_audit::Remembered;
use source::Source;
use turn::{Completed, ReadFor, Turn};

/// What the core is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The broker's name, for messages to clients.
    pub broker_name: ByteString,
    /// The most bytes that the store takes in one batch.
    pub batch_bytes_max: usize,
    /// How properties are written into a message that becomes a dead letter.
    pub annotate: Annotate,
    /// How often expired messages are looked for, in milliseconds; 0 for never (`expireMessagesPeriod`).
    pub expire_messages_period: i64,
}

/// The broker's whole live state. See the module.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    limits: Limits,
    /// Milliseconds since 1970, as of this turn's beginning.
    now: i64,
    effects: Effects,
    turn: Turn,
    ids: Identities,
    connections: BTreeMap<ConnectionKey, Connection>,
    /// How many producers name each destination.
    producer_counts: HashMap<Address, usize>,
    /// Connections by the names their clients gave them.
    names: HashMap<ByteString, ConnectionKey>,
    clients: HashMap<ByteString, ConnectionKey>,
    consumers: KeyMap<ConsumerKey, Consumer>,
    /// Consumers whose destination is a pattern, in whole or in part.
    patterns: BTreeSet<ConsumerKey>,
    destinations: BTreeMap<DestinationKey, Destination>,
    by_address: HashMap<Address, DestinationKey>,
    sources: KeyMap<SourceKey, Source>,
    /// Sources to dispatch from before the turn ends.
    touched: Vec<SourceKey>,
    durables: BTreeMap<DurableName, Durable>,
    commits: KeyMap<CommitToken, Completed>,
    reads: KeyMap<ReadToken, ReadFor>,
    producers: Remembered<i64>,
    outcomes: Remembered<Vec<i64>>,
    /// Pulls that end at a time.
    pulls: BTreeSet<(i64, ConsumerKey)>,
    /// Until when slow subscribers may hold senders back.
    holds: BTreeSet<(i64, ConsumerKey)>,
    deferred_letters: Vec<Deferred>,
    /// Topic subscribers for whom too much waits in memory.
    overflowing: Vec<ConsumerKey>,
    /// The last arrival number that is known.
    arrival_last: u64,
    /// Bytes of messages that wait in memory.
    memory: usize,
    next_sweep: i64,
    sweep: Sweep,
    letters: Letters,
    said: Said,
}

impl Core {
    /// A turn begins; `now` is the time in milliseconds since 1970.
    pub fn begin_turn(&mut self, now: i64) {
        self.now = now;
    }

    /// Does what is due by now: ends pulls, looks for expired messages, offers dead letters again.
    pub fn tick(&mut self) {
        self.end_holds();
        let period = self.settings.expire_messages_period;
        if period > 0 && self.now >= self.next_sweep {
            self.next_sweep = self.now.saturating_add(period);
            self.begin_sweep();
            self.retry_letters();
        }
        self.sweep_on();
    }

    /// When [`Core::tick`] should be called next, in milliseconds since 1970.
    pub fn next_tick(&self) -> i64 {
        let sweep = if self.settings.expire_messages_period > 0 { self.next_sweep } else { i64::MAX };
        let hold = self.holds.first().map_or(i64::MAX, |(deadline, _)| *deadline);
        // A pull that is overdue waits for a page, not for the time.
        let pull = self.pulls.range((self.now.saturating_add(1), ConsumerKey(0))..).next();
        pull.map_or(sweep, |(deadline, _)| sweep.min(*deadline)).min(hold).min(self.next_sweep_page())
    }

    /// Takes what is to be done.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// What bounds memory.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a consumer is there: not refused, closed or ended by the broker.
    pub fn has_consumer(&self, key: ConsumerKey) -> bool {
        self.consumers.contains_key(&key)
    }

    /// Whether the store owes no answer.
    pub fn is_idle(&self) -> bool {
        self.commits.is_empty() && self.reads.is_empty()
    }

    /// How many destinations there are, those for advisories too, for tests and figures.
    pub fn destination_count(&self) -> usize {
        self.destinations.len()
    }

    /// Bytes of messages that wait in memory, for tests and figures.
    pub fn memory_bytes(&self) -> usize {
        self.memory
    }
}
