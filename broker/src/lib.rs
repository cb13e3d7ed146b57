//! The broker: protocols, routing, dispatch, transactions, on top of the storage contract.
//!
//! | module | what it does | what it must not know |
//! |---|---|---|
//! | [`bridge`] | decides what crosses to another broker | sockets, threads, clocks |
//! | [`discovery`] | decides who else is there, by what a multicast group says | sockets, threads, clocks |
//! | [`core`] | decides | sockets, threads, clocks, OpenWire |
//! | [`openwire`] | translates commands to calls of the core, and its events to commands | sockets, threads, clocks |
//! | [`shell`] | acts: sockets, tasks, time, the store's completions | what a message means |
//!
//! Start with [`shell::broker::Broker`]; the way of a message through the files is told in `README.md`.

// Here a task is there for each of many connections, and carries the room of every future that it may come to await.
#![warn(clippy::large_futures)]

pub mod bridge;
pub mod core;
pub mod discovery;
pub mod openwire;
pub mod shell;

pub use shell::broker::{Broker, StartError, SteppedDown};
pub use shell::config::{BrokerConfig, Hidden, Pair};
pub use shell::listen;
pub use shell::slaves::{Slaves, TakeSlaves};
