//! Why the seals cannot be followed back.

use std::io;

use crate::format::name::FileName;

/// Why the chain cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{name}: {problem}")]
    Seal { name: FileName, problem: String },
}
