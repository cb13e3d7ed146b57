//! What an error of the database means.

use mysql_async::Error;

use crate::fault::Fault;

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Sorts an error by its number (MariaDB's and MySQL's lists of server errors).
pub(super) fn fault(error: Error) -> Fault {
    match error {
        Error::Server(error) => {
            let words = format!("{} [error {}, SQLSTATE {}]", error.message, error.code, error.state);
            match error.code {
                // Disk full, record file full.
                1021 | 1114 => Fault::Full(words),
                // Too many connections; shutdown; no answer, packet broken; lock wait timeout, deadlock; read-only by an option or as a
                // replica; connection killed or timed out; a Galera node that is not ready.
                1040
                | 1053
                | 1077..=1079
                | 1152..=1161
                | 1184
                | 1203
                | 1205
                | 1213
                | 1290
                | 1317
                | 1792
                | 1836
                | 1927
                | 3024
                | 4031
                | 1047 => Fault::Passing(words),
                _ => Fault::failed(words),
            }
        }
        Error::Io(error) => Fault::Passing(error.to_string()),
        Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            Fault::Passing("the connection was closed".to_owned())
        }
        other => Fault::failed(other.to_string()),
    }
}
