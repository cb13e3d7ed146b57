//! Commands that look at messages, send them, and move them about.
//!
//! | module | commands |
//! |---|---|
//! | [`send`] | `send` |
//! | [`receive`] | `receive`, `tail`, `subscribe` |
//! | [`queue`] | `browse`, `move`, `purge` |
//! | [`dead_letters`] | `dlq list`, `dlq replay` |
//! | [`stats`] | `stats` |
//! | [`bridges`] | what `stats` tells of bridges |
//! | [`address`], [`show`], [`relay`], [`progress`] | what they share |

mod address;
mod bridges;
pub(crate) mod dead_letters;
mod progress;
pub(crate) mod queue;
pub(crate) mod receive;
mod relay;
pub(crate) mod send;
mod show;
pub(crate) mod stats;
