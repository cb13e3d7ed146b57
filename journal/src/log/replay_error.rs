//! Why a log cannot be read into an index.

use std::io;

use crate::format::fields::FormatError;
use crate::format::seal::LogEnd;
use crate::index::run::RunError;

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("cannot read segment {number}: {error}")]
    Io { number: u64, error: io::Error },
    #[error("the seal of epoch {epoch} is missing, though segments up to {number} were not released", epoch = .0.epoch, number = .0.number)]
    SealMissing(LogEnd),
    #[error("cannot write the index: {0}")]
    Index(#[from] RunError),
    #[error("segment {number}: {error}")]
    Newer { number: u64, error: FormatError },
}
