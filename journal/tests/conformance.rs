//! The journal keeps the storage contract: the suite that every engine runs, on each implementation of the I/O seam.
//!
//! On the disk in memory a crash is a power failure: of what was not synced, each sector is kept or lost by chance.

use std::sync::Arc;

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::conformance::Engine;
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::conformance::replica::Copies;
use kahawai_store::contract::Store;
use kahawai_store::names::Epoch;
use kahawai_store::replica::Replica;

/// Small segments, so that every case rolls, releases and recycles.
fn options() -> JournalOptions {
    JournalOptions { journal_max_file_length: 16 << 10, ..JournalOptions::default() }
}

struct InMemory {
    disk: MemoryDisk,
    epoch: u64,
    chance: u64,
}

impl InMemory {
    fn new() -> Self {
        Self { disk: MemoryDisk::new(), epoch: 0, chance: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl InMemory {
    fn open_journal(&mut self) -> Arc<Journal> {
        self.epoch += 1;
        let store = StoreDirectory::on(Arc::new(self.disk.clone())).expect("a store on the disk in memory");
        let hold = Arc::new(FixedHold::new(Epoch(self.epoch)));
        Arc::new(Journal::open(&store, hold, options()).expect("the journal opens"))
    }
}

impl Engine for InMemory {
    fn open(&mut self) -> Arc<dyn Store> {
        self.open_journal()
    }

    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str> {
        let chance = &mut self.chance;
        let after = self.disk.crash(&mut || {
            *chance ^= *chance << 13;
            *chance ^= *chance >> 7;
            *chance ^= *chance << 17;
            *chance & 1 == 0
        });
        self.disk = after;
        drop(store);
        Ok(())
    }
}

struct OnDisk {
    directory: tempfile::TempDir,
    segment_io: SegmentIo,
    epoch: u64,
    hold: Option<Arc<FixedHold>>,
}

impl OnDisk {
    fn new(segment_io: SegmentIo) -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), segment_io, epoch: 0, hold: None }
    }
}

impl OnDisk {
    fn open_journal(&mut self) -> Arc<Journal> {
        self.epoch += 1;
        let path = self.directory.path().join("store");
        let store = StoreDirectory::open(&path, Some(self.segment_io)).expect("a store directory");
        let hold = Arc::new(FixedHold::new(Epoch(self.epoch)));
        self.hold = Some(Arc::clone(&hold));
        Arc::new(Journal::open(&store, hold, options()).expect("the journal opens"))
    }
}

impl Engine for OnDisk {
    fn open(&mut self) -> Arc<dyn Store> {
        self.open_journal()
    }

    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str> {
        // The next epoch opens the directory while this one still has it: as after a SIGSTOP, whose effects are harder to
        // bear than a SIGKILL's. Whatever its threads do yet, they cannot prove themselves: as if the next claim were there.
        if let Some(hold) = self.hold.take() {
            hold.lose("killed");
        }
        std::mem::forget(store);
        Ok(())
    }
}

mod in_memory {
    use super::*;
    kahawai_store::conformance_tests!(InMemory::new());
}

mod mixed {
    use super::*;
    kahawai_store::conformance_tests!(OnDisk::new(SegmentIo::Mixed));
}

mod mapped_msync {
    use super::*;
    kahawai_store::conformance_tests!(OnDisk::new(SegmentIo::Mapped(FlushCall::Msync)));
}

mod mapped_fdatasync {
    use super::*;
    kahawai_store::conformance_tests!(OnDisk::new(SegmentIo::Mapped(FlushCall::Fdatasync)));
}

mod plain {
    use super::*;
    kahawai_store::conformance_tests!(OnDisk::new(SegmentIo::Plain));
}

/// Two journals that are to be copies of each other: one on a disk in memory, one in a directory.
#[derive(Default)]
struct Two {
    engines: Option<(InMemory, OnDisk)>,
}

impl Copies for Two {
    fn open(&mut self, copy: usize) -> Arc<dyn Replica> {
        let (memory, disk) =
            self.engines.get_or_insert_with(|| (InMemory::new(), OnDisk::new(SegmentIo::Mixed)));
        if copy == 0 { memory.open_journal() } else { disk.open_journal() }
    }
}

mod copies {
    use super::*;
    kahawai_store::replica_conformance_tests!(Two::default());
}
