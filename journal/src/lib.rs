//! The storage engine: an append-only, memory-mapped log with election by epoch.
//!
//! `FORMAT.md` beside this crate draws every byte and tells the crash story. From the bottom up:
//!
//! | module | what it holds |
//! |---|---|
//! | [`disk`] | the I/O seam and its implementations |
//! | `format` | every byte on disk: names, small files, segments, records |
//! | `index` | what lives, in which order, and where its bytes are |
//! | `log` | reading the log: chain of seals, scan, replay |
//! | `writer` | writing the log: rounds, rolling, releasing, beginning an epoch |
//! | [`election`] | who may write |
//! | [`directory`] | a directory that is, or becomes, a store |
//! | [`journal`] | the engine: threads around writer and readers; `Store` |
//! | `stepped` | the engine without threads, for simulations (feature `simulation`) |
//! | [`cut`] | what of a log is left out when a store is opened |
//! | [`inspect`] | looking at a store without being its master |
//! | [`options`], [`steps`] | how it works; the named steps at which tests stop it |

mod compact;
pub mod cut;
pub mod directory;
pub mod disk;
pub mod election;
mod format;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(test, feature = "simulation"))]
mod in_place;
mod index;
pub mod inspect;
pub mod journal;
mod log;
pub mod options;
mod prepared;
mod queue;
mod shared;
#[cfg(feature = "simulation")]
pub mod stepped;
pub mod steps;
mod submission;
mod writer;

pub use format::FORMAT_VERSION;
pub use format::name::{FileName, Foreign};
