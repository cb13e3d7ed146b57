//! Every byte on disk, drawn in `FORMAT.md`: names of files, the small files of election, segments and records.
//!
//! Plain functions from values to bytes and back; no file is touched here.

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod checkpoint;
pub(crate) mod claim;
pub(crate) mod cut;
pub(crate) mod fields;
pub(crate) mod identity;
pub(crate) mod name;
pub(crate) mod record;
pub(crate) mod relocation;
pub(crate) mod run;
pub(crate) mod seal;
pub(crate) mod segment;
pub(crate) mod snapshot;

/// The version of the format this program writes, and the newest it reads. `FORMAT.md` has the history.
pub const FORMAT_VERSION: u16 = 2;

/// The oldest it reads: version 1 was never released.
const FORMAT_VERSION_OLDEST: u16 = 2;

/// 16 random bytes: who a store, a claim or a log is.
pub(crate) type RandomId = [u8; 16];
