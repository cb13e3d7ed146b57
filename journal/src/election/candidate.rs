//! Acts on the decisions: looks, waits, claims.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_store::election::{Cancel, Election, ElectionError, Hold, Holder};
use kahawai_store::names::Epoch;

use super::decide::{Candidate, Decision, Sighting};
use super::hold::FileHold;
use super::{ElectionOptions, machine};
use crate::disk::{Disk, KeptFile, LockGuard, is_full};
use crate::format::claim::{Beat, decode_beat, encode_claim};
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::{RandomId, identity};
use crate::steps::Step;

/// The longest pause between two looks at a directory that holds the store no more: a signal to stop is heard after it.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// A candidate for the mastership of a store directory.
#[derive(Debug)]
pub struct FileElection {
    disk: Arc<dyn Disk>,
    options: ElectionOptions,
    /// All zeros where the machine does not tell; such a boot id is never recorded as equal to another.
    boot: RandomId,
    /// What store the directory must hold, and the highest epoch that this process has seen in it; `None` for whatever is there.
    store: Option<(RandomId, Arc<AtomicU64>)>,
}

/// What a look found.
enum Look {
    Store(Sighting, Option<Box<dyn LockGuard>>),
    /// The store is not there: why, and what to do.
    Gone(String),
}

impl FileElection {
    /// A candidate on this disk.
    ///
    /// # Errors
    /// Where the kernel gives no random bytes.
    pub fn new(disk: Arc<dyn Disk>, options: ElectionOptions) -> io::Result<Self> {
        // A machine that does not tell its boot id gets a random one: it then follows nobody at once, which is safe.
        let boot = machine::boot_id().map_or_else(machine::random_id, Ok)?;
        Ok(Self { disk, options, boot, store: None })
    }

    /// A candidate for the mastership of this very store, in which this process has seen this epoch. While its directory is moved away, emptied or has another in its place, it
    /// waits, and says so: whoever has seen a store never begins another one instead.
    ///
    /// # Errors
    /// As [`FileElection::new`].
    pub(crate) fn of(
        disk: Arc<dyn Disk>,
        id: RandomId,
        seen: Arc<AtomicU64>,
        options: ElectionOptions,
    ) -> io::Result<Self> {
        Ok(Self { store: Some((id, seen)), ..Self::new(disk, options)? })
    }

    fn look(&self, started: Instant) -> Result<Look, ElectionError> {
        let begun = started.elapsed();
        // Before anything is made in the directory, were it only the lock file.
        if let Err(gone) = self.find_store() {
            return Ok(Look::Gone(gone));
        }
        // The lock first: a holder that dies after this look is met at the next.
        let lock = self.disk.try_lock().map_err(failed("take the lock"))?;
        let claimed = self.highest_claim().map_err(failed("look for claims"))?;
        if let Some((_, seen)) = &self.store {
            let seen = Epoch(seen.fetch_max(claimed.0, Ordering::AcqRel));
            if claimed < seen {
                return Ok(Look::Gone(format!(
                    "the claims of the store are gone: epoch {} was seen, the highest is {}; put its files back",
                    seen.0, claimed.0
                )));
            }
        }
        let beat = self.read_beat(claimed)?;
        let inode = lock.as_ref().map(|lock| lock.inode());
        Ok(Look::Store(Sighting { begun, done: started.elapsed(), lock: inode, claimed, beat }, lock))
    }

    /// Whether the directory, as its path leads to it now, holds the store; else why not.
    fn find_store(&self) -> Result<(), String> {
        let Some((id, _)) = &self.store else { return Ok(()) };
        let unseen = |error: io::Error| format!("the store directory cannot be looked at: {error}");
        if !self.disk.is_in_place().map_err(unseen)? {
            // It may be there again, as another mount of the same.
            let away = |error| format!("the store directory was moved away; move it back ({error})");
            self.disk.look_again().map_err(away)?;
        }
        match self.disk.read(FileName::Identity).map_err(unseen)?.as_deref().map(identity::decode) {
            Some(Ok(found)) if found == *id => Ok(()),
            Some(Ok(_)) => Err("another store is in the place of this broker's; put the directory back, or stop this broker".into()),
            Some(Err(error)) => Err(format!("the store's identity cannot be read: {error}")),
            None => Err("the store is gone from its directory ('kahawai-store' is missing): put the directory or its files back, or mount it; \
                         to begin a new store instead, stop all its brokers and start them again"
                .into()),
        }
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

    /// Makes room on a full disk: what masters before this epoch prepared for later holds nothing. A master among them that is still there
    /// ends when it finds them gone, as it does when it finds the claim that led here; of this epoch or a later one nothing is touched.
    fn remove_spares_before(&self, epoch: Epoch) -> io::Result<()> {
        for name in self.disk.list()? {
            if matches!(name, FileName::Spare { epoch: found, .. } if found < epoch) {
                self.disk.remove(name)?;
            }
        }
        self.disk.sync_names()
    }

    /// Claims an epoch; gives the claim if it is ours, and not someone else's who was first.
    ///
    /// That the name was free is all the proof there is to have, however long ago the look was that led here: claims are
    /// never deleted, and each is made only by one who saw the claim before it.
    fn claim(&self, epoch: Epoch) -> Result<Option<Box<dyn KeptFile>>, ElectionError> {
        let id = machine::random_id().map_err(failed("get random bytes"))?;
        let (name, content) = (FileName::Claim(epoch), encode_claim(epoch, &id));
        let published = match self.disk.publish(name, &content) {
            Err(error) if is_full(&error) => {
                self.remove_spares_before(epoch).map_err(failed("remove spare segments"))?;
                self.disk.publish(name, &content)
            }
            result => result,
        };
        if !published.map_err(failed("claim an epoch"))? {
            return Ok(None);
        }
        let kept = match self.disk.keep(name) {
            // Somebody has emptied the directory since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(failed("hold the claim"))?,
        };
        let own =
            self.disk.read(name).map_err(failed("read the claim"))?.is_some_and(|found| found == content);
        let in_place = kept.is_in_place().map_err(failed("ask for the claim"))?;
        // The directory may have been emptied, or another put in its place, after the look that led here.
        Ok((own && in_place && self.find_store().is_ok()).then_some(kept))
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
        let (mut gone, mut pause) = (None, Duration::ZERO);
        loop {
            if cancel.is_cancelled() {
                return Err(ElectionError::Cancelled);
            }
            let (sighting, lock) = match self.look(started)? {
                Look::Store(sighting, lock) => (sighting, lock),
                Look::Gone(why) => {
                    // It counts nobody's silence meanwhile.
                    candidate = Candidate::new(self.boot, self.options.lease_duration);
                    if gone.as_ref() != Some(&why) {
                        tracing::error!("waiting, serving nobody: {why}");
                        gone = Some(why);
                        pause = self.options.lock_acquire_sleep_interval;
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                    thread::sleep(pause);
                    continue;
                }
            };
            if gone.take().is_some() {
                tracing::warn!("the store is there again");
            }
            match candidate.decide(sighting) {
                Decision::Claim(epoch) => {
                    self.options.watch.reached(Step::ClaimDecided);
                    if let Some(claim) = self.claim(epoch)? {
                        self.options.watch.reached(Step::ClaimMade);
                        let disk = Arc::clone(&self.disk);
                        let hold = FileHold::begin(disk, &self.options, self.boot, epoch, claim, lock);
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
