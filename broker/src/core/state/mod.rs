//! The broker's whole live state: types with what they know of themselves. What is done with them is in the files beside this folder.

pub(crate) mod backlog;
pub(crate) mod connection;
pub(crate) mod consumer;
pub(crate) mod destination;
pub(crate) mod directory;
pub(crate) mod dispatched;
pub(crate) mod durable;
pub(crate) mod letters;
pub(crate) mod levels;
pub(crate) mod said;
pub(crate) mod sent;
pub(crate) mod source;
pub(crate) mod sweep;
pub(crate) mod transaction;
pub(crate) mod turn;

use std::collections::{BTreeMap, HashMap};

use bytestring::ByteString;

use super::address::Address;
use super::effects::Effects;
use super::identity::Identities;
use super::keys::{CommitToken, ConnectionKey, ConsumerKey, KeyMap, ReadToken, SourceKey};
use super::limits::Limits;
use super::memory::Memory;
use super::policy::Policies;
use super::remembered::Remembered;
use super::settings::Settings;
use super::timers::Timers;
use connection::Connection;
use consumer::Consumer;
use directory::Directory;
use durable::{Durable, DurableName};
use letters::{Deferred, Letters};
use levels::Levels;
use said::Said;
use source::Source;
use sweep::Sweep;
use turn::{Completed, ReadFor, Turn};

/// The broker's whole live state. See the module.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) policies: Policies,
    /// Milliseconds since 1970, as of this turn's beginning.
    pub(super) now: i64,
    pub(super) effects: Effects,
    pub(super) turn: Turn,
    pub(super) ids: Identities,
    pub(super) connections: BTreeMap<ConnectionKey, Connection>,
    /// How many producers name each destination.
    pub(super) producer_counts: HashMap<Address, usize>,
    /// Connections by the names their clients gave them.
    pub(super) names: HashMap<ByteString, ConnectionKey>,
    pub(super) clients: HashMap<ByteString, ConnectionKey>,
    pub(super) consumers: KeyMap<ConsumerKey, Consumer>,
    pub(super) directory: Directory,
    pub(super) sources: KeyMap<SourceKey, Source>,
    /// Sources to dispatch from before the turn ends.
    pub(super) touched: Vec<SourceKey>,
    pub(super) durables: BTreeMap<DurableName, Durable>,
    pub(super) commits: KeyMap<CommitToken, Completed>,
    pub(super) reads: KeyMap<ReadToken, ReadFor>,
    pub(super) producers: Remembered<i64>,
    pub(super) outcomes: Remembered<Vec<i64>>,
    pub(super) timers: Timers,
    pub(super) deferred_letters: Vec<Deferred>,
    /// Topic subscribers for whom too much waits in memory.
    pub(super) overflowing: Vec<ConsumerKey>,
    /// The last arrival number that is known.
    pub(super) arrival_last: u64,
    /// What the sources' windows hold.
    pub(super) memory: Memory,
    /// How durable what is done for a destination is to be, where its policy says so.
    pub(super) levels: Levels,
    pub(super) sweep: Sweep,
    pub(super) letters: Letters,
    pub(super) said: Said,
}
