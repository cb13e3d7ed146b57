//! The election itself: old listings, late claims, races, lock file and beats destroyed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_journal::FileName;
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::directory::SegmentIo;
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::disk::{Disk, FinishedFile, KeptFile, LockGuard, NewFile, SegmentFile};
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::Journal;
use kahawai_journal::steps::{Step, Watch};
use kahawai_store::contract::Store;
use kahawai_store::election::{Cancel, Election};
use kahawai_store::names::Epoch;

use crate::gate::*;
use crate::masters::*;
use crate::scale;

/// A disk whose listings are as old as they were when it was made, where it has one, and whose holder shows one sign of life
/// and none after: as if it were stopped, or cut off.
#[derive(Debug)]
struct Lame {
    inner: MemoryDisk,
    listing: Option<Vec<FileName>>,
    beats: AtomicU64,
}

impl Lame {
    fn new(inner: &MemoryDisk, listing: Option<Vec<FileName>>) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), listing, beats: AtomicU64::new(0) })
    }
}

impl Disk for Lame {
    fn create_segment(&self, name: FileName, length: u64) -> std::io::Result<Arc<dyn SegmentFile>> {
        self.inner.create_segment(name, length)
    }
    fn open_segment(&self, name: FileName) -> std::io::Result<Arc<dyn SegmentFile>> {
        self.inner.open_segment(name)
    }
    fn rename(&self, from: FileName, to: FileName) -> std::io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: FileName) -> std::io::Result<()> {
        self.inner.remove(name)
    }
    fn read(&self, name: FileName) -> std::io::Result<Option<Vec<u8>>> {
        self.inner.read(name)
    }
    fn publish(&self, name: FileName, content: &[u8]) -> std::io::Result<bool> {
        self.inner.publish(name, content)
    }
    fn overwrite(&self, name: FileName, content: &[u8]) -> std::io::Result<()> {
        match self.beats.fetch_add(1, Ordering::SeqCst) {
            0 => self.inner.overwrite(name, content),
            _ => Ok(()),
        }
    }
    fn ask(&self, name: FileName) -> std::io::Result<bool> {
        self.inner.ask(name)
    }
    fn list(&self) -> std::io::Result<Vec<FileName>> {
        self.listing.clone().map_or_else(|| self.inner.list(), Ok)
    }
    fn sync_names(&self) -> std::io::Result<()> {
        self.inner.sync_names()
    }
    fn sweep(&self) -> std::io::Result<()> {
        self.inner.sweep()
    }
    fn keep(&self, name: FileName) -> std::io::Result<Box<dyn KeptFile>> {
        self.inner.keep(name)
    }
    fn is_in_place(&self) -> std::io::Result<bool> {
        self.inner.is_in_place()
    }
    fn look_again(&self) -> std::io::Result<()> {
        self.inner.look_again()
    }

    fn create_file(&self, name: FileName) -> std::io::Result<Box<dyn NewFile>> {
        self.inner.create_file(name)
    }
    fn open_file(&self, name: FileName) -> std::io::Result<Arc<dyn FinishedFile>> {
        self.inner.open_file(name)
    }
    fn try_lock(&self) -> std::io::Result<Option<Box<dyn LockGuard>>> {
        self.inner.try_lock()
    }
}

#[test]
fn a_candidate_with_an_old_listing_claims_no_epoch_twice() {
    let disk = MemoryDisk::new();
    let store = StoreDirectory::on(Arc::new(disk.clone())).unwrap();
    let mut listings = vec![disk.list().unwrap()];
    let mut old = Vec::new();
    for epoch in 1..=6 {
        let hold = acquire(Lame::new(&disk, None));
        assert_eq!(hold.epoch(), Epoch(epoch));
        // Opened, so that what older epochs left is swept.
        let journal = Journal::open(&store, Arc::clone(&hold), journal_options(Watch::default())).unwrap();
        listings.push(disk.list().unwrap());
        journal.close();
        old.push(hold);
    }
    for (number, listing) in listings.into_iter().enumerate() {
        let youngest = old.last().unwrap().epoch();
        let hold = acquire(Lame::new(&disk, Some(listing)));
        assert_eq!(hold.epoch(), Epoch(youngest.0 + 1), "listing {number}");
        for hold in &old {
            assert!(hold.prove().is_err(), "epoch {} still thinks it is master", hold.epoch());
        }
        old.push(hold);
    }
}

/// A candidate that was stopped between its look and its claim, while several others came and went, and a master of the epoch
/// that it is about to claim who was stopped as long.
#[test]
fn a_claim_that_comes_very_late_makes_nobody_master() {
    let disk = MemoryDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = StoreDirectory::on(Arc::clone(&shared)).unwrap();
    let first = acquire(Arc::clone(&shared));
    Journal::open(&store, Arc::clone(&first), journal_options(Watch::default())).unwrap().close();
    let gate = Arc::new(Gate::default());
    let (watch, late_disk) = (gated(Step::ClaimDecided, &gate), Arc::clone(&shared));
    first.release();
    let late = thread::spawn(move || {
        let mut election = FileElection::new(late_disk, election_options(watch)).unwrap();
        election.acquire(&Cancel::default(), &mut |_| {}).unwrap()
    });
    gate.wait_closed("the late one");
    // The late one has the lock too; the others wait for the lease.
    let mut others = Vec::new();
    for _ in 0..3 {
        let hold = acquire(Lame::new(&disk, None));
        Journal::open(&store, Arc::clone(&hold), journal_options(Watch::default())).unwrap().close();
        others.push(hold);
    }
    gate.let_go();
    let late = late.join().unwrap();
    assert_eq!(late.epoch(), Epoch(others.last().unwrap().epoch().0 + 1));
    assert!(late.prove().is_ok());
    for other in others {
        assert!(other.prove().is_err(), "epoch {}", other.epoch());
    }
}

#[test]
fn of_racing_slaves_each_gets_an_epoch_of_its_own() {
    for round in 0..3 * scale() {
        let directory = tempfile::tempdir().unwrap();
        let master = acquire(on_disk(directory.path(), SegmentIo::Plain));
        let racing: Vec<_> = (0..6)
            .map(|_| {
                let disk = on_disk(directory.path(), SegmentIo::Plain);
                thread::spawn(move || {
                    let store = StoreDirectory::on(Arc::clone(&disk)).unwrap();
                    let hold = acquire(disk);
                    // With its sweep, which must not hurt those who are still claiming.
                    let options = journal_options(Watch::default());
                    let journal = Journal::open(&store, Arc::clone(&hold), options)
                        .unwrap_or_else(|error| panic!("epoch {}: {error}", hold.epoch()));
                    journal.close();
                    let proven = hold.prove();
                    hold.release();
                    (hold.epoch(), proven)
                })
            })
            .collect();
        master.release();
        let mut epochs = Vec::new();
        for thread in racing {
            let (epoch, proven) = thread.join().expect("no panic");
            proven
                .unwrap_or_else(|lost| panic!("round {round}: a master in good order was overtaken: {lost}"));
            epochs.push(epoch);
        }
        epochs.sort_unstable();
        assert_eq!(epochs, (2..=7).map(Epoch).collect::<Vec<_>>());
    }
}

#[test]
fn a_clean_release_is_followed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = || ElectionOptions { lease_duration: PATIENCE * 10, ..election_options(Watch::default()) };
    let elect = || {
        let disk = on_disk(directory.path(), SegmentIo::Plain);
        FileElection::new(disk, options()).unwrap().acquire(&Cancel::default(), &mut |_| {}).unwrap()
    };
    let mut epoch = 0;
    // Were the lease waited for, this would take for ever.
    for _ in 0..5 {
        let hold = elect();
        assert!(hold.epoch().0 > epoch);
        epoch = hold.epoch().0;
        hold.release();
    }
}

#[test]
fn a_deleted_lock_file_elects_nobody_while_the_master_beats() {
    let directory = tempfile::tempdir().unwrap();
    let master = acquire(on_disk(directory.path(), SegmentIo::Plain));
    let cancel = Cancel::default();
    let slave = {
        let (disk, cancel) = (on_disk(directory.path(), SegmentIo::Plain), cancel.clone());
        thread::spawn(move || {
            let mut election = FileElection::new(disk, election_options(Watch::default())).unwrap();
            election.acquire(&cancel, &mut |_| {}).map(|hold| hold.epoch())
        })
    };
    // Several leases long, the lock file goes again and again.
    let until = Instant::now() + 3 * LEASE;
    while Instant::now() < until {
        let _ = std::fs::remove_file(directory.path().join("lock"));
        thread::sleep(Duration::from_millis(10));
    }
    let proven = master.prove();
    cancel.cancel();
    assert!(slave.join().unwrap().is_err(), "the slave took over from a living master");
    proven.expect("the master still is one");
}

#[test]
fn a_beat_that_is_deleted_or_garbage_costs_a_take_over_at_most() {
    for garbage in [None, Some(&b"not a beat"[..]), Some(&[0; 4096][..]), Some(b"")] {
        let directory = tempfile::tempdir().unwrap();
        let disk = || on_disk(directory.path(), SegmentIo::Plain);
        let ledger = Arc::new(Ledger::default());
        let master = wait_for(begin(disk(), Watch::default(), &ledger), "the first");
        let beat = directory.path().join(FileName::Beat(master.epoch).to_string());
        let slave = begin(disk(), Watch::default(), &ledger);
        let until = Instant::now() + Duration::from_millis(1200);
        while Instant::now() < until {
            match garbage {
                None => drop(std::fs::remove_file(&beat)),
                Some(garbage) => drop(std::fs::write(&beat, garbage)),
            }
            thread::sleep(Duration::from_millis(5));
        }
        if master.load.is_finished() {
            master.must_be_lost("its beat was destroyed");
        } else {
            master.end();
        }
        wait_for(slave, "the slave").end();
        judge(disk(), &ledger, "a destroyed beat");
    }
}
