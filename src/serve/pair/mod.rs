//! Master and slave without a shared store, as a process: sockets, threads, clocks around what `kahawai-replication` decides.
//!
//! | module | what it does |
//! |---|---|
//! | [`pairing`] | what does not change while the process lives |
//! | [`prelude`] | the OpenWire before replication |
//! | [`mod@line`] | frames on a socket |
//! | [`course`] | what a member does until it serves |
//! | [`master`] | what a master does beside serving: takes slaves, finds out what became of one |
//! | [`hold`] | a mastership that a slave may have ended |

mod course;
mod hold;
mod line;
mod master;
mod pairing;
mod prelude;
mod spool;

pub(super) use course::{Came, run};
pub(super) use master::{PairEnd, serve};
pub(super) use pairing::Pairing;
pub(crate) use prelude::ask;
