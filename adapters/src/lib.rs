//! The storage contract on SQL databases.
//!
//! Each database has a module of the same plan, so that who knows one knows all:
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the engine: opens, starts the threads, passes calls on |
//! | `schema.rs` | the tables, by numbered migrations |
//! | `writer.rs` | the one thread that writes: many batches, one SQL transaction |
//! | `state.rs` | what the writer knows without asking: what exists, counters |
//! | `apply.rs` | each operation as SQL |
//! | `reader.rs` | the one thread that reads: pages and recovery |
//! | `value.rs` | numbers and messages as columns |
//! | `error.rs` | what an error of the database means to the contract |
//! | `connection.rs` | a session with the database |
//! | `lock.rs` | the row that the election is about |
//! | `set_aside.rs` | a store that is no copy is kept under another name, an empty one takes its place |
//! | `activemq.rs` | rows of ActiveMQ's where a store would begin |
//! | `record_row.rs` | a few bytes with a version, for an arbiter of a pair |
//!
//! Databases with a server share how they commit (`commit`, `plan`), read (`look`), wait (`pause`), what errors mean (`fault`) and the
//! `election` on a row; all share what a writer knows
//! (`known`), what makes a store one of several copies (`copies`), threads and gathering (`worker`).

#[cfg(feature = "server")]
pub mod activemq;
#[cfg(feature = "server")]
mod aside;
#[cfg(feature = "server")]
mod commit;
#[cfg(any(feature = "sqlite", feature = "server"))]
mod copies;
#[cfg(feature = "server")]
pub mod election;
#[cfg(feature = "server")]
mod fault;
#[cfg(any(feature = "sqlite", feature = "server"))]
mod known;
#[cfg(feature = "server")]
mod look;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "server")]
mod pause;
#[cfg(feature = "server")]
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "server")]
pub mod record_row;
#[cfg(any(feature = "sqlite", feature = "server"))]
mod worker;

#[cfg(feature = "sqlite")]
pub mod sqlite;
