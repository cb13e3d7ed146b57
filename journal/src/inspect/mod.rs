//! Looking at a store without being its master: what the tools are made of.
//!
//! Everything here only reads, through [`ReadOnlyDirectory`], streams the log through a window, and keeps of each message its id
//! at most. It works on a store that nobody serves and beside a running master.
//!
//! | module | what it does |
//! |---|---|
//! | [`directory`] | a store's directory, opened so that nothing in it can be changed |
//! | [`holder`] | who holds the store |
//! | [`finding`] | what was found wrong: where, and what it takes |
//! | [`small`] | checks the small files |
//! | [`lineage`] | finds the segments of the log, past damaged seals too |
//! | [`walk`] | walks the records of one segment |
//! | [`read`] | reads the log from end to end: torn, doubtful, damaged |
//! | [`aside`] | what was left out by cuts |
//! | [`contents`] | what lives, as sets of ids |
//! | [`examine`] | all of that together: an [`Examination`] |
//! | [`usage`] | how much of each segment lives, and which messages those are |
//! | [`taken`] | what takes the disk, by kind of file |
//! | [`dump`] | the records one by one |
//! | [`backup`] | copies a store, beside its running master too |
//! | [`pins`] | second names of segments, for as long as a backup takes |
//! | [`salvage`] | copies what is deliverable into another store |

mod aside;
mod backup;
mod contents;
mod directory;
mod dump;
mod examine;
mod finding;
mod holder;
mod inside;
mod lineage;
mod pins;
mod read;
mod salvage;
mod small;
mod taken;
mod usage;
mod walk;

pub use backup::{BackedUp, backup};
pub use directory::{LockSeen, ReadOnlyDirectory};
pub use dump::{Content, Record};
pub use examine::{Examination, InspectError, Inspection, OnProgress, Progress, SegmentFound};
pub use finding::{Finding, Lost, Severity};
pub use holder::{Holding, HoldingState, look};
pub use salvage::{SalvageError, Salvaged};
pub use taken::{Files, Taken};
pub use usage::{Held, SegmentUsage, Usage};
