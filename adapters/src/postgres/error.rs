//! What an error of the database means to the contract.

use kahawai_store::contract::StoreError;
use kahawai_store::election::Lost;
use tokio_postgres::error::SqlState;

use crate::fault::Fault;

/// An error inside the engine, before it is told to anyone.
#[derive(Debug)]
pub(super) enum Error {
    /// Of the database, or of the connection to it.
    Database(tokio_postgres::Error),
    /// There is no connection to be had, for this reason.
    Unreachable(String),
    /// The server has refused us: credentials, database, rights.
    Refused(String),
    /// Of the contract's.
    Store(StoreError),
}

pub(super) type Result<T> = std::result::Result<T, Error>;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There is no room: the batch is refused, the store goes on.
    Full,
    /// The database may be back at any time: ask what became of the transaction, and go on.
    Passing,
    /// The store stops.
    Final,
}

impl Error {
    /// The store cannot go on.
    pub(super) fn failed(what: impl Into<std::sync::Arc<str>>) -> Self {
        Self::Store(StoreError::Failed(what.into()))
    }

    /// What to do about it.
    pub(super) fn meaning(&self) -> Meaning {
        match self {
            // A fail-over may pass through servers that do not know us yet; who begins is told at once (`lock`).
            Self::Unreachable(_) | Self::Refused(_) => Meaning::Passing,
            Self::Store(StoreError::Full(_)) => Meaning::Full,
            Self::Store(_) => Meaning::Final,
            Self::Database(error) => match error.code() {
                Some(code) => meaning_of(code),
                // Without a code it is the connection that failed, or what was to be sent was beyond the protocol.
                None if error.is_closed() || std::error::Error::source(error).is_some_and(is_io) => {
                    Meaning::Passing
                }
                None => Meaning::Final,
            },
        }
    }

    /// As it is told: whatever is not a full disk stops the store.
    pub(super) fn told(self) -> StoreError {
        let meaning = self.meaning();
        match self {
            Self::Store(error) => error,
            Self::Unreachable(reason) | Self::Refused(reason) => StoreError::Failed(reason.into()),
            Self::Database(error) if meaning == Meaning::Full => StoreError::Full(words(&error).into()),
            Self::Database(error) => StoreError::Failed(words(&error).into()),
        }
    }

    /// In words, for a log line.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Store(error) => error.to_string(),
            Self::Unreachable(reason) | Self::Refused(reason) => reason.clone(),
            Self::Database(error) => words(error),
        }
    }
}

fn is_io(source: &(dyn std::error::Error + 'static)) -> bool {
    source.is::<std::io::Error>()
}

/// A database's error with its own message and code: the crate's own text leaves both out.
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(told), _) => {
            let hint = told.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{} [SQLSTATE {}]{hint}", told.message(), told.code().code())
        }
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// By SQLSTATE (PostgreSQL's manual, appendix A).
fn meaning_of(code: &SqlState) -> Meaning {
    let code = code.code();
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "53100") => Meaning::Full,
        // Connection exceptions; insufficient resources; the administrator, a crash or a start; rollbacks that ask to be
        // repeated (serialization, deadlock); a server that has become, or still is, a standby; an idle transaction that was ended; a
        // lock not to be had; not yet to be reached under its name.
        ("08" | "53" | "57", _)
        | (_, "40001" | "40003" | "40P01" | "25006" | "25P03" | "25P04" | "55P03" | "55P02") => {
            Meaning::Passing
        }
        _ => Meaning::Final,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error.meaning() {
            Meaning::Full => Self::Full(error.words()),
            Meaning::Passing => Self::Passing(error.words()),
            Meaning::Final => Self::Final(error.told()),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        for (code, meaning) in [
            ("53100", Meaning::Full),
            ("53300", Meaning::Passing),
            ("57P01", Meaning::Passing),
            ("57P03", Meaning::Passing),
            ("25006", Meaning::Passing),
            ("40001", Meaning::Passing),
            ("08006", Meaning::Passing),
            ("42P01", Meaning::Final),
            ("42501", Meaning::Final),
            ("58030", Meaning::Final),
            ("XX001", Meaning::Final),
        ] {
            assert_eq!(meaning_of(&SqlState::from_code(code)), meaning, "{code}");
        }
    }
}
