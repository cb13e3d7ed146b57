//! Reading the log: which segments it consists of, what stands in each, and what that adds up to.
//!
//! | module | what it does |
//! |---|---|
//! | [`segment`] | a segment that is part of the log |
//! | [`scan`] | walks the records of one segment, over damage too |
//! | [`apply`] | brings a record into the index |
//! | [`chain`] | follows the seals back and finds the segments |
//! | [`cut`] | finds where a log is to end so that it ends with a certain batch |
//! | [`found`] | the segments of an epoch's log that are there, and what each says as a whole |
//! | [`unsealed`] | finds a log whose seal is missing though it was in use |
//! | [`adopt`] | finds the youngest checkpoint that may be used, and takes it up |
//! | [`replay`] | reads the chain into an index; keeps torn tail, damage and I/O error apart |

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod chain;
pub(crate) mod chain_error;
pub(crate) mod cut;
mod found;
pub(crate) mod replay;
pub(crate) mod replay_error;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod unsealed;
