//! The reference model: the contract said as simply as it can be, in memory.
//!
//! [`State`] holds the rules, plain and synchronous; [`Model`] makes a [`Store`](crate::contract::Store) of it with one thread that takes
//! calls in order; [`Contents`] is everything of a store that can be observed, to compare any two.

mod contents;
mod state;
mod store;

pub use contents::{Contents, Waiting};
pub use state::State;
pub use store::{Memory, Model};
