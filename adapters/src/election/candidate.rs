//! Acts on the decisions: looks, waits, claims.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kahawai_store::election::{Cancel, Election, ElectionError, Hold, Holder};
use kahawai_store::names::Epoch;

use super::decide::{Candidate, Decision};
use super::hold::RowHold;
use super::{LeaseOptions, LockRow, RowError};
use crate::pause::Pause;

/// How long a candidate sleeps at most before it looks whether it was asked to give up.
const NAP: Duration = Duration::from_millis(100);

/// A candidate for the mastership of a store in a database.
pub struct RowElection {
    make: Box<dyn Fn() -> io::Result<Box<dyn LockRow>> + Send>,
    options: LeaseOptions,
}

impl RowElection {
    /// A candidate that gets at the row in this way.
    pub fn new(
        make: impl Fn() -> io::Result<Box<dyn LockRow>> + Send + 'static,
        options: LeaseOptions,
    ) -> Self {
        Self { make: Box::new(make), options }
    }

    /// As [`Election::acquire`], with the hold as what it is.
    ///
    /// # Errors
    /// As [`Election::acquire`]. A database that is away is waited for.
    pub fn acquire_row(
        &mut self,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Arc<RowHold>, ElectionError> {
        let mut row = (self.make)()
            .map_err(|error| ElectionError::Failed(format!("no connection can be made: {error}").into()))?;
        let mut candidate = Candidate::new(self.options.lease_duration);
        let mut waits_for: Option<(Epoch, u32, String)> = None;
        let mut pause: Option<Pause> = None;
        loop {
            if cancel.is_cancelled() {
                return Err(ElectionError::Cancelled);
            }
            let tried = row.look().and_then(|seen| match candidate.decide(&seen) {
                Decision::Claim => Ok((row.claim(&seen)?, seen)),
                Decision::Wait => Ok((None, seen)),
            });
            match tried {
                Ok((Some(epoch), _)) => {
                    let begun = RowHold::begin(row, epoch, self.options.lease_duration);
                    return begun.map_err(|error| {
                        ElectionError::Failed(
                            format!("the thread that renews the lease cannot be started: {error}").into(),
                        )
                    });
                }
                Ok((None, seen)) => {
                    if let Some(pause) = pause.take() {
                        pause.is_over();
                    }
                    let key = (seen.holder.epoch, seen.holder.process, seen.holder.address.clone());
                    if !seen.released && waits_for.as_ref() != Some(&key) {
                        waiting(&seen.holder);
                        waits_for = Some(key);
                    }
                    row.wait(self.options.lock_acquire_sleep_interval.min(NAP));
                }
                Err(RowError::Away(why)) => {
                    let pause = pause.get_or_insert_with(|| Pause::new("the database", row.description()));
                    std::thread::sleep(pause.next(&why).min(NAP));
                }
                Err(RowError::Failed(why)) => return Err(ElectionError::Failed(why.into())),
            }
        }
    }
}

impl Election for RowElection {
    fn acquire(
        &mut self,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Arc<dyn Hold>, ElectionError> {
        Ok(self.acquire_row(cancel, waiting)?)
    }
}

impl std::fmt::Debug for RowElection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RowElection")
    }
}
