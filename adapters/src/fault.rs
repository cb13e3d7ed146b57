//! What an error of a database means to its engine.

use std::fmt;
use std::sync::Arc;

use kahawai_store::catalog::Rejection;
use kahawai_store::contract::StoreError;
use kahawai_store::election::Lost;
use kahawai_store::names::Epoch;

/// An error, sorted by what to do about it. In the database's words, without secrets.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// There is no room: the batch is refused, the store goes on.
    Full(String),
    /// The database may be back at any time: ask what became of the transaction, and go on.
    Passing(String),
    /// As it is told. Where it is not a rejection, the store stops.
    Final(StoreError),
}

impl Fault {
    /// The store cannot go on.
    pub(crate) fn failed(what: impl Into<Arc<str>>) -> Self {
        Self::Final(StoreError::Failed(what.into()))
    }

    /// The epoch in the database is another's.
    pub(crate) fn lost(epoch: Epoch, found: u64) -> Self {
        let reason = format!("the database is held by epoch {found}").into();
        Self::Final(StoreError::Lost { epoch, reason })
    }

    /// As the contract has it.
    pub(crate) fn told(self) -> StoreError {
        match self {
            Self::Full(why) => StoreError::Full(why.into()),
            Self::Passing(why) => StoreError::Failed(why.into()),
            Self::Final(error) => error,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(why) | Self::Passing(why) => formatter.write_str(why),
            Self::Final(error) => fmt::Display::fmt(error, formatter),
        }
    }
}

impl From<Lost> for Fault {
    fn from(lost: Lost) -> Self {
        Self::Final(StoreError::Lost { epoch: lost.epoch, reason: lost.reason })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::Final(rejection.into())
    }
}
