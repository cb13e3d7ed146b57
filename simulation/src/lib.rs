//! Machines, disks, clocks and a network in one thread from one seed: the ground on which whole clusters are tested.
//!
//! No part of the program. What runs on it are state machines that the user of this crate gives as [`node::Node`]s; the store below each is the
//! real journal on a disk in memory ([`kahawai_journal::stepped`]). There is no thread, no real time, and no chance but the seed's: a seed that
//! fails, fails again, and [`trace::Trace`] says what happened.
//!
//! | module | what it holds |
//! |---|---|
//! | [`world`] | hosts, processes, links, time: what a scenario does and what happens to it |
//! | [`node`], [`event`], [`kernel::context`] | what a process is told, and what it can do |
//! | [`network`] | connections as ordered streams of bytes; links that are cut, one-way or slow |
//! | [`chaos`], [`fault`] | faults at random, and how often each kind had an effect |
//! | [`ledger`] | what was sent, answered and received; and the laws by which it is judged |
//! | [`clock`], [`disk`], [`random`], [`settings`], [`trace`] | what their names say |

pub mod chaos;
pub mod clock;
pub mod disk;
pub mod event;
pub mod fault;
pub mod kernel;
pub mod ledger;
pub mod network;
pub mod node;
pub mod random;
pub mod settings;
pub mod trace;
pub mod world;

pub use kernel::context::Context;
pub use network::connection::{ConnectionId, Cut, Ending, Side};
pub use network::link::Partition;
