//! An arbiter that is a process of its own: a witness, which keeps the records of many pairs, each under a name.
//!
//! | module | what it does |
//! |---|---|
//! | [`name`] | how a pair is called at a witness |
//! | [`message`] | what is asked and answered, byte by byte |
//! | [`desk`] | bytes in, bytes out: what a witness answers |
//! | [`shelf`] | the records on its disk |
//! | [`client`] | the arbiter as a member sees it |
//!
//! Sockets are no business of this module: whoever has them carries one question to a witness and one answer back, on a line of its own.
//! So an answer is never taken for that of another question.

pub mod client;
pub mod desk;
pub mod message;
pub mod name;
pub mod shelf;

pub use client::{Carry, WitnessArbiter};
pub use desk::{Records, answer};
pub use name::PairName;
pub use shelf::Shelf;
