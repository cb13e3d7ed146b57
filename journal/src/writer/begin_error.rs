//! Why an epoch's log cannot be begun.

use std::io;

use kahawai_store::election::Lost;
use kahawai_store::names::Epoch;

use crate::log::chain_error::ChainError;
use crate::log::cut::CutError;
use crate::log::replay_error::ReplayError;

/// Why an epoch's log cannot be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error("cannot follow the journal back: {0}")]
    Chain(#[from] ChainError),
    #[error("cannot read the journal: {0}")]
    Replay(#[from] ReplayError),
    #[error("cannot {doing}: {error}")]
    Io { doing: &'static str, error: io::Error },
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("the journal cannot be cut there: {0}")]
    CannotCut(String),
    #[error("epoch {0} has a log already")]
    Sealed(Epoch),
}

impl From<CutError> for BeginError {
    fn from(error: CutError) -> Self {
        match error {
            CutError::Replay(error) => Self::Replay(error),
            CutError::Cannot(why) => Self::CannotCut(why),
        }
    }
}
