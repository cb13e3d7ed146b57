//! Copies of one store on several machines, nothing shared, and which of them may serve.
//!
//! So far: what an arbiter holds, the steps that change it, and an arbiter in a directory. Nothing uses it yet.
//!
//! | module | what it does |
//! |---|---|
//! | [`record`] | who is master in which term, and who could follow; the steps from one to the next |
//! | [`arbiter`] | the one place where that stands, changed by comparing and setting alone |
//! | [`directory`] | an arbiter in a directory of a file system that all members reach |
//! | [`conformance`] | what every arbiter must do |

pub mod arbiter;
pub mod conformance;
pub mod directory;
pub mod record;

pub use arbiter::{Arbiter, ArbiterError, Held, Version};
pub use record::{Member, Record, Refused};
