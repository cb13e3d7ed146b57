//! The row that an election is about.

use std::time::Duration;

use kahawai_store::names::Epoch;

use super::decide::Sighting;

/// The one row, in one database. Calls block; each is one statement, or as good as one.
pub trait LockRow: Send {
    /// Which database, for people; no secrets.
    fn description(&self) -> String;

    /// Looks at the row.
    ///
    /// # Errors
    /// As [`RowError`] says, here and below.
    fn look(&mut self) -> Result<Sighting, RowError>;

    /// Raises the epoch, if the row is as it was seen. Gives the new epoch, durable; `None` where somebody was first.
    ///
    /// # Errors
    /// The outcome is then unknown; a look tells.
    fn claim(&mut self, seen: &Sighting) -> Result<Option<Epoch>, RowError>;

    /// Renews the lease. Gives the epoch found: another than ours says that nothing was renewed.
    ///
    /// # Errors
    /// As [`RowError`] says.
    fn renew(&mut self, epoch: Epoch) -> Result<Epoch, RowError>;

    /// Notes that the holder has gone, and tells whoever waits.
    ///
    /// # Errors
    /// As [`RowError`] says.
    fn release(&mut self, epoch: Epoch) -> Result<(), RowError>;

    /// Waits until the next look is due, or somebody has told of a release.
    fn wait(&mut self, at_most: Duration);
}

/// Why the row could not be asked.
#[derive(Clone, Debug)]
pub enum RowError {
    /// The database is away and may come back.
    Away(String),
    /// It cannot be used at all.
    Failed(String),
}
