//! The part that acts: sockets, tasks, time, the store's completions, the log.

mod bridges;
pub mod broker;
mod clock;
pub mod config;
mod connection;
mod gate;
mod hub;
pub mod listen;
mod multicast;
mod outbox;
mod own_id;
mod places;
mod rarely;
mod relay;
mod reports;
mod responders;
pub mod slaves;
mod stoppable;
mod stream;
