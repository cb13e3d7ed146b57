//! What a command found, or why it could not.

use std::io;

use kahawai_journal::inspect::InspectError;

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sound,
    Damaged,
}

impl Verdict {
    pub(super) fn of(is_damaged: bool) -> Self {
        if is_damaged { Self::Damaged } else { Self::Sound }
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Other(String),
}
