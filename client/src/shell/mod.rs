//! The thin shell around the state machine: a lock, a task with a socket, and those who wait.

pub(crate) mod confirm;
pub(crate) mod driver;
pub(crate) mod failover;
pub(crate) mod names;
pub(crate) mod notice;
pub(crate) mod shared;
