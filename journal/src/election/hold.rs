//! A mastership: proves itself, beats, is lost, is released.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_store::batch::DurabilityState;
use kahawai_store::election::{Hold, Holder, Lost};
use kahawai_store::names::Epoch;

use super::{ElectionOptions, fence, machine};
use crate::disk::{Disk, KeptFile, LockGuard};
use crate::format::RandomId;
use crate::format::claim::{Beat, encode_beat};
use crate::format::name::FileName;

/// The mastership of a store directory.
pub(super) struct FileHold {
    disk: Arc<dyn Disk>,
    epoch: Epoch,
    claim: Box<dyn KeptFile>,
    started: Instant,
    /// When the youngest successful proof was begun, in nanoseconds since `started`.
    proven_at: AtomicU64,
    ended: AtomicBool,
    state: Mutex<State>,
    /// Wakes the thread that beats, to end it.
    wake: Condvar,
}

struct State {
    lost: Option<Lost>,
    released: bool,
    notices: Vec<Box<dyn FnOnce(Lost) + Send>>,
    lock: Option<Box<dyn LockGuard>>,
    beat: Beat,
    durability: Option<Durable>,
}

/// Tells how durable what the store completed is.
type Durable = Box<dyn Fn() -> DurabilityState + Send + Sync>;

impl fmt::Debug for FileHold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileHold").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl FileHold {
    /// Begins to hold an epoch that was just claimed: shows a first beat and starts the thread that goes on beating.
    pub(super) fn begin(
        disk: Arc<dyn Disk>,
        options: &ElectionOptions,
        boot: RandomId,
        epoch: Epoch,
        claim: Box<dyn KeptFile>,
        lock: Option<Box<dyn LockGuard>>,
    ) -> io::Result<Arc<Self>> {
        let holder = Holder {
            name: options.broker_name.clone(),
            host: machine::host_name(),
            process: std::process::id(),
            epoch,
            address: options.address.clone(),
        };
        let lock_inode = lock.as_ref().map_or(0, |lock| lock.inode());
        let beat = Beat { counter: 1, released: false, lock_inode, boot, durability: None, holder };
        disk.overwrite(FileName::Beat(epoch), &encode_beat(&beat))?;
        let hold = Arc::new(Self {
            disk,
            epoch,
            claim,
            started: Instant::now(),
            proven_at: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            state: Mutex::new(State {
                lost: None,
                released: false,
                notices: Vec::new(),
                lock,
                beat,
                durability: None,
            }),
            wake: Condvar::new(),
        });
        let interval = options.lease_duration / 4;
        let beating = Arc::downgrade(&hold);
        thread::Builder::new().name("kahawai-beat".into()).spawn(move || keep_beating(&beating, interval))?;
        Ok(hold)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One sign of life, after a proof; takes the lock where it was not to be had so far or its file was replaced.
    fn beat(&self) {
        if self.prove().is_err() {
            return;
        }
        // Others go by the path. What cannot be said now is said by the next beat, or by the proofs.
        if let Ok(false) = self.disk.is_in_place() {
            self.lose("the store directory was moved away, or another is in its place".to_owned());
            return;
        }
        let mut state = self.state();
        if state.lost.is_some() || state.released {
            return;
        }
        if state.lock.as_ref().is_none_or(|lock| !lock.is_in_place()) {
            if state.lock.is_some() {
                tracing::warn!(
                    epoch = self.epoch.0,
                    "the lock file was replaced under its holder; locking the new one"
                );
            }
            // Not getting it is no harm: the beat says so, and slaves go by the beat. The old file is let go of only after,
            // so that the new one cannot get its inode number.
            state.lock = self.disk.try_lock().unwrap_or_default();
        }
        state.beat.lock_inode = state.lock.as_ref().map_or(0, |lock| lock.inode());
        state.beat.counter += 1;
        state.beat.durability = state.durability.as_ref().map(|now| now());
        let written = self.disk.overwrite(FileName::Beat(self.epoch), &encode_beat(&state.beat));
        drop(state);
        if let Err(error) = written {
            self.lose(format!("cannot show a sign of life in the store directory: {error}"));
        }
    }

    fn lose(&self, reason: String) -> Lost {
        let mut state = self.state();
        if let Some(lost) = &state.lost {
            return lost.clone();
        }
        let lost = Lost { epoch: self.epoch, reason: reason.into() };
        state.lost = Some(lost.clone());
        // Giving the lock back now lets the new master have it.
        state.lock = None;
        let notices = std::mem::take(&mut state.notices);
        self.ended.store(true, Ordering::Release);
        drop(state);
        self.wake.notify_all();
        for notice in notices {
            notice(lost.clone());
        }
        lost
    }
}

impl Hold for FileHold {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn prove(&self) -> Result<(), Lost> {
        if self.ended.load(Ordering::Acquire) {
            let state = self.state();
            let released = || Lost { epoch: self.epoch, reason: "it was released".into() };
            return Err(state.lost.clone().unwrap_or_else(released));
        }
        let begun = self.started.elapsed().as_nanos() as u64;
        match fence::ask(self.disk.as_ref(), self.epoch, self.claim.as_ref()) {
            Ok(Ok(())) => {
                self.proven_at.fetch_max(begun, Ordering::AcqRel);
                Ok(())
            }
            Ok(Err(found)) => Err(self.lose(found.to_owned())),
            Err(error) => Err(self.lose(format!("cannot ask the store directory for claims: {error}"))),
        }
    }

    fn proof_age(&self) -> Duration {
        let proven_at = Duration::from_nanos(self.proven_at.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(proven_at)
    }

    fn on_lost(&self, notice: Box<dyn FnOnce(Lost) + Send>) {
        let mut state = self.state();
        match state.lost.clone() {
            None => state.notices.push(notice),
            Some(lost) => {
                drop(state);
                notice(lost);
            }
        }
    }

    fn show_durability(&self, state: Durable) {
        self.state().durability = Some(state);
    }

    fn release(&self) {
        let mut state = self.state();
        if state.released || state.lost.is_some() {
            return;
        }
        state.released = true;
        state.notices.clear();
        state.beat.counter += 1;
        state.beat.released = true;
        state.beat.durability = state.durability.as_ref().map(|now| now());
        // Only our own beat is written, which nobody reads once a younger claim is there. If it cannot be written, the slave
        // waits for the lease: nothing is lost but time.
        if let Err(error) = self.disk.overwrite(FileName::Beat(self.epoch), &encode_beat(&state.beat)) {
            tracing::warn!(%error, "cannot note the release of the store; a slave will wait for the lease");
        }
        state.lock = None;
        self.ended.store(true, Ordering::Release);
        drop(state);
        self.wake.notify_all();
    }
}

impl Drop for FileHold {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.wake.notify_all();
    }
}

fn keep_beating(hold: &Weak<FileHold>, interval: Duration) {
    while let Some(held) = hold.upgrade() {
        let state = held.state();
        if held.ended.load(Ordering::Acquire) {
            return;
        }
        let (state, _) = held.wake.wait_timeout(state, interval).unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if held.ended.load(Ordering::Acquire) {
            return;
        }
        held.beat();
    }
}
