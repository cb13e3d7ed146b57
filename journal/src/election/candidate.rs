//! Acts on the decisions: looks, waits, claims.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use kahawai_store::election::{Cancel, Election, ElectionError, Hold, Holder};
use kahawai_store::names::Epoch;

use super::decide::{Candidate, Decision, Sighting};
use super::hold::FileHold;
use super::{ElectionOptions, machine};
use crate::disk::{Disk, LockGuard};
use crate::format::RandomId;
use crate::format::claim::{Beat, decode_beat, encode_claim};
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::steps::Step;

/// A candidate for the mastership of a store directory.
#[derive(Debug)]
pub struct FileElection {
    disk: Arc<dyn Disk>,
    options: ElectionOptions,
    /// All zeros where the machine does not tell; such a boot id is never recorded as equal to another.
    boot: RandomId,
}

impl FileElection {
    /// A candidate on this disk.
    ///
    /// # Errors
    /// Where the kernel gives no random bytes.
    pub fn new(disk: Arc<dyn Disk>, options: ElectionOptions) -> io::Result<Self> {
        // A machine that does not tell its boot id gets a random one: it then follows nobody at once, which is safe.
        let boot = machine::boot_id().map_or_else(machine::random_id, Ok)?;
        Ok(Self { disk, options, boot })
    }

    fn look(&self, started: Instant) -> Result<(Sighting, Option<Box<dyn LockGuard>>), ElectionError> {
        let begun = started.elapsed();
        // The lock first: a holder that dies after this look is met at the next.
        let lock = self.disk.try_lock().map_err(failed("take the lock"))?;
        let claimed = self.highest_claim().map_err(failed("look for claims"))?;
        let beat = self.read_beat(claimed)?;
        let inode = lock.as_ref().map(|lock| lock.inode());
        Ok((Sighting { begun, done: started.elapsed(), lock: inode, claimed, beat }, lock))
    }

    /// The highest epoch claimed, zero where there is none.
    fn highest_claim(&self) -> io::Result<Epoch> {
        let names = self.disk.list()?;
        let claims = names.iter().filter_map(|name| match name {
            FileName::Claim(epoch) => Some(*epoch),
            _ => None,
        });
        let mut highest = claims.max().unwrap_or_default();
        // A listing may be old; claims leave no gaps and are never deleted.
        while self.disk.ask(FileName::Claim(Epoch(highest.0 + 1)))? {
            highest = Epoch(highest.0 + 1);
        }
        Ok(highest)
    }

    fn read_beat(&self, epoch: Epoch) -> Result<Option<Beat>, ElectionError> {
        let content = self.disk.read(FileName::Beat(epoch)).map_err(failed("read the beat"))?;
        match content.as_deref().map(decode_beat) {
            Some(Ok(beat)) => Ok(Some(beat)),
            Some(Err(error @ FormatError::Newer { .. })) => {
                Err(ElectionError::Failed(error.to_string().into()))
            }
            // Half written, or not yet: it says nothing.
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// Claims an epoch; tells whether it is ours, and not someone else's who was first.
    ///
    /// That the name was free is all the proof there is to have, however long ago the look was that led here: claims are
    /// never deleted, and each is made only by one who saw the claim before it.
    fn claim(&self, epoch: Epoch) -> Result<bool, ElectionError> {
        let id = machine::random_id().map_err(failed("get random bytes"))?;
        let content = encode_claim(epoch, &id);
        self.disk.publish(FileName::Claim(epoch), &content).map_err(failed("claim an epoch"))
    }
}

impl Election for FileElection {
    fn acquire(
        &mut self,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Arc<dyn Hold>, ElectionError> {
        let started = Instant::now();
        let mut candidate = Candidate::new(self.boot, self.options.lease_duration);
        let mut waits_for: Option<(Epoch, u32, String)> = None;
        loop {
            if cancel.is_cancelled() {
                return Err(ElectionError::Cancelled);
            }
            let (sighting, lock) = self.look(started)?;
            match candidate.decide(sighting) {
                Decision::Claim(epoch) => {
                    self.options.watch.reached(Step::ClaimDecided);
                    if self.claim(epoch)? {
                        self.options.watch.reached(Step::ClaimMade);
                        let hold =
                            FileHold::begin(Arc::clone(&self.disk), &self.options, self.boot, epoch, lock);
                        return Ok(hold.map_err(failed("begin to beat"))?);
                    }
                }
                Decision::Wait(holder) => {
                    drop(lock);
                    let holder = holder.unwrap_or_default();
                    let key = (holder.epoch, holder.process, holder.address.clone());
                    if waits_for.as_ref() != Some(&key) {
                        waiting(&holder);
                        waits_for = Some(key);
                    }
                }
            }
            thread::sleep(self.options.lock_acquire_sleep_interval);
        }
    }
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> ElectionError {
    move |error| ElectionError::Failed(format!("cannot {doing} in the store directory: {error}").into())
}
