//! A few bytes with a version, in a row of a table of their own, changed by comparing and setting alone: what an arbiter of a pair needs of a database.
//! What the bytes mean is none of its business.
//!
//! Each change is one statement that commits by itself, so that it was made or not, whatever becomes of the session. What a server says is committed is
//! taken as durable: it must be set up so (MySQL's `innodb_flush_log_at_trx_commit` is the whole server's), and a server that takes over for another
//! must have all that was committed there (a synchronous standby).

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// How long a session may take to be made. One that takes longer is of no use to whoever wants to know now.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// How long a statement may take, its commit too.
pub(crate) const STATEMENT: Duration = Duration::from_secs(1);

/// What drives a row's session. It may go wherever its owner goes, within another runtime too: nothing is waited for then.
pub(crate) struct Driver(Option<Runtime>);

impl Driver {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    /// Runs it to its end.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let Some(runtime) = &self.0 else { return Err("it is over".to_owned()) };
        runtime.block_on(work)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A version, and what is there in it.
pub type Versioned = (u64, Vec<u8>);

/// What came of asking; or whether the session was an old one, which may have ended long ago, and why there is no answer.
pub(crate) type Asked<T> = Result<T, (bool, String)>;

/// A row with a name. Calls block, for at most about four seconds; not to be made from within a runtime.
pub trait RecordRow: Send {
    /// Its version and what it holds; `None` where there is none yet.
    ///
    /// # Errors
    /// Why there is no answer, in words, without secrets.
    fn read(&mut self) -> Result<Option<Versioned>, String>;

    /// Puts these bytes in the place of those of this version, 0 where there are none yet; whether that was done. Then the version is one more, and the change
    /// is committed.
    ///
    /// # Errors
    /// Why there is no answer. The change may have been made all the same, or still be made: whoever comes with a version will find out.
    fn replace(&mut self, version: u64, bytes: &[u8]) -> Result<bool, String>;
}
