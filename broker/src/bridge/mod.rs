//! A network connector's bridge decides here: which messages of this broker cross to another, and what is said to both for that.
//!
//! A bridge has two lines: one to its own broker, whose ordinary client it is, and one to the broker at the other end. It is told what comes over
//! them and gives orders. It knows no socket, clock or thread; whoever carries it dials, waits and writes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | what a network connector is told, by ActiveMQ's names |
//! | [`target`] | whom a bridge goes to |
//! | [`finding`] | whom it goes to where none is named |
//! | [`candidates`] | which of several is tried next |
//! | [`pattern`] | which names a pattern stands for, and whether all of another's |
//! | [`demand`] | who wants what over there, and what is consumed here for it |
//! | [`ways`] | by which ways they are reached, and what is told of that |
//! | [`speech`] | what an initiator says of itself |
//! | [`machine`] | the bridge: how it begins, stands and ends |
//! | `hear` | what is said over there of who consumes |
//! | `durable` | durable subscriptions over there |
//! | `temporary`, `temporaries` | temporary destinations, over there and here |
//! | `forward` | messages that cross |
//! | `inbound` | the other way of a duplex bridge |
//! | [`neighbours`], `rivals` | what the bridges of a broker know of each other, and what one does by that |
//! | [`respond`] | what a broker is told that answers to a duplex connector |
//! | [`report`] | what there is to tell of one |
//! | [`retry`] | when a broken one is built anew, and what is said of it |
//!
//! What is sent is what ActiveMQ 5.17 sends as the initiator, but for this: an answer is asked for to the last command of the opening, so that a
//! bridge which was refused is not taken for one that stands; and to each subscription here, so that one which is refused ends no other's.

pub mod candidates;
pub mod demand;
mod durable;
pub mod finding;
mod forward;
mod hear;
mod inbound;
pub mod machine;
pub mod neighbours;
pub mod options;
pub mod pattern;
pub mod report;
pub mod respond;
pub mod retry;
mod rivals;
mod speech;
pub mod target;
mod temporaries;
mod temporary;
#[cfg(test)]
mod tests;
pub mod ways;

pub use candidates::Candidates;
pub use durable::{PREFIX, kept, subscribed};
pub use machine::{Bridge, Kept, Order, Side};
pub use options::NetworkConnector;
pub use report::{Figures, Report};
pub use retry::{Retry, RetryOptions};
pub use speech::Us;
pub use target::{Remote, Target};
