//! What an error of the database means to the contract.

use kahawai_store::contract::StoreError;
use kahawai_store::election::Lost;
use rusqlite::ErrorCode;

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
