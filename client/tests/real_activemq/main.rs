//! Proves that the client's features work with a real ActiveMQ 5.17: each test is one feature, on destinations of its
//! own. Where this machine cannot run one the tests say `SKIPPED` and pass.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// The example of the README.
#[allow(dead_code, reason = "its main is for the reader")]
#[path = "../../examples/espresso.rs"]
mod espresso;

mod acknowledging;
mod connections;
mod failover;
mod messages;
mod support;
mod topics;
mod transactions;
