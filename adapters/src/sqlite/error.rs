//! What an error of the database means to the contract.

use std::path::Path;
use std::sync::Arc;

use kahawai_store::contract::StoreError;
use kahawai_store::election::Lost;
use rusqlite::ErrorCode;

/// Why a database could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process was in the middle of a transaction for all of [`super::Options::busy_timeout`], perhaps one that is stopped.
    /// It may be opened when that process has ended or gone on.
    #[error("another process is in the middle of a transaction: {0}")]
    Busy(Arc<str>),
    /// As in the contract.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error inside the engine, before it is told to anyone.
#[derive(Debug)]
pub(super) enum Error {
    /// Of the database.
    Database(rusqlite::Error),
    /// Of the contract's.
    Store(StoreError),
}

pub(super) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Database(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Store(error) => matches!(error, StoreError::Full(_)),
        }
    }

    /// Another process is in a transaction, and did not end it in time.
    fn is_busy(&self) -> bool {
        matches!(self, Self::Database(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }

    /// As it is told to who opens a database. Names it where the error does not.
    pub(super) fn told_of(self, path: &Path) -> OpenError {
        let busy = self.is_busy();
        match self.told() {
            StoreError::Failed(reason) => {
                let name = path.display().to_string();
                let named = reason.contains(&name);
                let reason = if named { reason } else { format!("{name}: {reason}").into() };
                if busy { OpenError::Busy(reason) } else { StoreError::Failed(reason).into() }
            }
            error => error.into(),
        }
    }

    /// The store cannot go on.
    pub(super) fn failed(what: String) -> Self {
        Self::Store(StoreError::Failed(what.into()))
    }

    /// As it is told: whatever is not a full disk stops the store.
    pub(super) fn told(self) -> StoreError {
        let full = self.is_full();
        match self {
            Self::Database(error) if full => StoreError::Full(error.to_string().into()),
            Self::Database(error) => StoreError::Failed(error.to_string().into()),
            Self::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::Store(StoreError::Lost { epoch: lost.epoch, reason: lost.reason })
    }
}
