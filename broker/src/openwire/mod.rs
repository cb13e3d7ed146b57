//! The OpenWire session: from a client's commands to calls of the core, and from the core's events to commands.

pub mod advisory;
pub mod failure;
pub mod foreign;
pub mod message;
pub mod network;
mod not_yet;
pub mod outgoing;
pub mod session;
pub mod stage;
pub mod statistics;
pub mod translate;
