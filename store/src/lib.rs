//! The storage contract: plain types, two traits, the reference model and the conformance suite.
//!
//! Everything durable in Kahawai goes through [`contract::Store`]; who may write is decided through
//! [`election::Election`]. An engine (the journal, an SQL adapter, a replicating wrapper) implements
//! the contract; the broker sees nothing else. This crate knows nobody: no protocol, no engine, no I/O,
//! no clock.
//!
//! Where to look:
//!
//! | module | what it holds |
//! |---|---|
//! | [`names`] | the numbers by which things are named for life: messages, destinations, subscriptions, epochs |
//! | [`message`] | a message as it is stored: protocol-neutral header, properties and body as untouched bytes |
//! | [`batch`] | the operations, and the batch that applies them as one |
//! | [`codec`] | the one encoding of a batch, which engines keep and replicas exchange |
//! | [`catalog`] | the small state every engine must know before it accepts a batch: what exists |
//! | [`contract`] | the `Store` trait: commit, read, recover |
//! | [`election`] | the `Election` trait: acquire, prove, lost |
//! | [`replica`] | the `Replica` trait: a store as one of several copies |
//! | [`model`] | the reference model: the contract in memory, as simply as it can be said |
//! | `conformance` | the suite that every engine runs, and the mutants it must fail (feature `conformance`) |

pub mod batch;
pub mod catalog;
pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contract;
pub mod election;
pub mod message;
pub mod model;
pub mod names;
pub mod replica;
