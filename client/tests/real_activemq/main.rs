//! Proves that the client's features work with a real ActiveMQ 5.17: each test is one feature, on destinations of its
//! own. Where this machine cannot run one the tests say `SKIPPED` and pass.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acknowledging;
mod connections;
mod messages;
mod support;
mod topics;
mod transactions;
