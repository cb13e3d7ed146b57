//! Copies of one store on several machines, nothing shared, and which of them may serve.
//!
//! | module | what it does |
//! |---|---|
//! | [`record`] | who is master in which term, and who could follow; the steps from one to the next |
//! | [`arbiter`] | the one place where that stands, changed by comparing and setting alone |
//! | [`directory`] | an arbiter in a directory of a file system that all members reach |
//! | [`witness`] | an arbiter that is a process of its own |
//! | [`standing`] | what a store says of its pair, in a table that is copied with the rest |
//! | [`history`] | what is appended to an empty store to make a copy |
//! | [`master`] | a store over a store: what it takes is the slave's too before anybody is answered |
//! | [`slave`] | appends what its master sends |
//! | [`takeover`] | who serves: at the start, and when a master is gone |
//! | [`member`] | what a member does until it serves: asks, follows, takes over |
//! | [`oversight`] | what a master does whose slave is gone |
//! | [`frame`] | what members say to each other, byte by byte |
//! | [`conformance`] | what every arbiter must do |

pub mod arbiter;
pub mod conformance;
pub mod directory;
mod fields;
pub mod frame;
pub mod history;
pub mod master;
pub mod member;
pub mod oversight;
pub mod record;
pub mod slave;
pub mod standing;
pub mod takeover;
pub mod witness;

pub use arbiter::{Arbiter, ArbiterError, Held, Version};
pub use record::{Member, Record, Refused};
