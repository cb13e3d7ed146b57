//! From a sender to where a message waits, and to the dead letters.

pub(crate) mod advisory;
pub(crate) mod condemned;
pub(crate) mod dead_letter;
pub(crate) mod destination;
pub(crate) mod producer_audit;
pub(crate) mod purge;
mod replace;
pub(crate) mod send;
