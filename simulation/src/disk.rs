//! A host's disk: what is on it, what of it would outlive its machine, and how it fails.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kahawai_journal::disk::Disk;
use kahawai_journal::disk::faulty::{Call, FaultyDisk};
use kahawai_journal::disk::memory::MemoryDisk;

use crate::fault::{Counts, Fault};
use crate::random::Random;

/// What is to fail, and what did. Shared with the disk that a store was given, so that it sees what is armed later.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Armed>);

#[derive(Debug, Default)]
struct Armed {
    /// After how many calls more the process dies.
    dies_in: Option<u64>,
    dead: bool,
    flush_fails: bool,
    write_fails: bool,
    is_full: bool,
    counts: Counts,
}

impl Faults {
    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process died at a call.
    pub(crate) fn is_dead(&self) -> bool {
        self.armed().dead
    }

    pub(crate) fn counts(&self) -> Counts {
        self.armed().counts.clone()
    }

    fn meet(&self, call: Call) -> io::Result<()> {
        let mut armed = self.armed();
        if armed.dead {
            return Err(io::Error::other("its process is dead"));
        }
        if let Some(left) = &mut armed.dies_in {
            if *left == 0 {
                armed.dead = true;
                armed.counts.count(Fault::KillAtDisk);
                return Err(io::Error::other("its process is dead"));
            }
            *left -= 1;
        }
        match call {
            Call::SegmentFlush if armed.flush_fails => {
                armed.counts.count(Fault::Flush);
                Err(io::Error::other("the disk cannot flush"))
            }
            Call::SegmentWrite if armed.write_fails => {
                armed.counts.count(Fault::Write);
                Err(io::Error::other("the disk cannot write"))
            }
            Call::CreateSegment if armed.is_full => {
                armed.counts.count(Fault::Full);
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

/// The disk of a host.
#[derive(Debug, Default)]
pub struct HostDisk {
    pub(crate) memory: MemoryDisk,
    pub(crate) faults: Arc<Faults>,
    /// Of faults that were met by processes before this one.
    counts: Counts,
}

impl HostDisk {
    /// Flushes of the process that runs fail from now on, until its end.
    pub fn fail_flushes(&self) {
        self.faults.armed().flush_fails = true;
    }

    /// Writes of the process that runs fail from now on, until its end.
    pub fn fail_writes(&self) {
        self.faults.armed().write_fails = true;
    }

    /// The process that runs dies at the call of its disk after so many more.
    pub fn die_in(&self, calls: u64) {
        self.faults.armed().dies_in = Some(calls);
    }

    /// There is no room for another segment, or there is again.
    pub fn fill(&self, is_full: bool) {
        self.faults.armed().is_full = is_full;
    }

    /// Nothing is to fail any more that did not yet, and there is room.
    pub fn mend(&self) {
        let mut armed = self.faults.armed();
        (armed.dies_in, armed.flush_fails, armed.write_fails, armed.is_full) = (None, false, false, false);
    }

    /// What is on it, as any process that runs there sees it.
    pub fn memory(&self) -> &MemoryDisk {
        &self.memory
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.counts.clone();
        counts.add(&self.faults.counts());
        counts
    }

    /// For a process that begins: what failed for the one before works again, but for room that is missing.
    pub(crate) fn begin(&mut self) {
        let is_full = self.faults.armed().is_full;
        self.counts.add(&self.faults.counts());
        self.faults = Arc::new(Faults(Mutex::new(Armed { is_full, ..Armed::default() })));
    }

    /// For a process that is dead: whatever of it is still around reaches nothing.
    pub(crate) fn end(&mut self) {
        self.faults.armed().dead = true;
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        let faults = Arc::clone(&self.faults);
        Arc::new(FaultyDisk::new(Arc::new(self.memory.clone()), move |call| faults.meet(call)))
    }

    /// The machine died: of what was not synced, much, little or half made it.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let weight = 1 + random.below(7);
        self.memory = self.memory.crash(&mut || random.below(8) < weight);
    }
}
