//! The part that decides: connections, destinations, dispatch, transactions. It knows no protocol, socket, thread or clock.
//!
//! Calls come from protocol sessions and from the store's completions, all while the core is held by one caller; what they
//! want done is gathered in [`effects::Effects`], and carried out by the shell in that order. A caller's calls
//! between [`Core::begin_turn`] and [`Core::end_turn`] make up a turn.

pub mod address;
pub(crate) mod broker_id;
mod clients;
mod cut;
mod dispatch;
mod durable;
pub mod effects;
mod entries;
pub mod failure;
mod identity;
pub mod keys;
pub mod limits;
mod memory;
mod notice;
pub mod policy;
mod recovery;
mod remembered;
mod route;
pub mod settings;
pub mod spec;
mod state;
mod timers;
mod transaction;
mod turn;

use effects::Effects;
use keys::ConsumerKey;
use limits::Limits;
use memory::Holds;
pub use state::Core;
use timers::Kind;

impl Core {
    /// A turn begins; `now` is the time in milliseconds since 1970.
    pub fn begin_turn(&mut self, now: i64) {
        self.now = now;
    }

    /// Does what is due by now: ends pulls, looks for expired messages, offers dead letters again.
    pub fn tick(&mut self) {
        self.end_holds();
        if self.timers.take_due(Kind::Sweep, self.now).is_some() {
            self.begin_sweeps();
        }
        if self.timers.take_due(Kind::Purge, self.now).is_some() {
            self.set_purge();
            self.purge();
        }
        if self.timers.take_due(Kind::Letters, self.now).is_some() {
            self.retry_letters();
        }
        self.sweep_on();
    }

    /// When [`Core::tick`] should be called next, in milliseconds since 1970.
    pub fn next_tick(&self) -> i64 {
        self.timers.next(self.now)
    }

    /// Takes what is to be done.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The broker's name.
    pub fn broker_name(&self) -> &str {
        &self.settings.broker_name
    }

    /// What bounds the broker's memory.
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
        self.directory.len()
    }

    /// Bytes of messages that wait in memory, for tests and figures.
    pub fn memory_bytes(&self) -> usize {
        debug_assert_eq!(
            self.memory.used(),
            self.sources.values().map(|source| source.window.bytes()).sum(),
            "what is counted is not what the windows hold"
        );
        self.memory.used()
    }
}
