//! A directory that cannot be used is refused in clear words and left as it is.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests: what goes wrong is to stop the test, and a gap to be told"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kahawai_journal::FileName;
use kahawai_journal::directory::{DirectoryError, StoreDirectory};
use kahawai_journal::disk::Disk as _;
use kahawai_journal::disk::directory::{Directory, FlushCall, SegmentIo};
use kahawai_journal::journal::{Journal, OpenError};
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{ReadRequest, Store, StoreError, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

const QUEUE: DestinationId = DestinationId(1);

/// Every file of a directory and its bytes.
fn everything(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default()))
        .collect()
}

fn options() -> JournalOptions {
    JournalOptions { journal_max_file_length: 64 << 10, ..JournalOptions::default() }
}

fn open(path: &Path, epoch: u64) -> Result<Journal, OpenError> {
    let store = StoreDirectory::open(path, None).expect("a store directory");
    Journal::open(&store, Arc::new(FixedHold::new(Epoch(epoch))), options())
}

fn enqueue(id: u64) -> Operation {
    let message = Arc::new(Message { body: vec![id as u8; 1000].into(), ..Message::default() });
    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message }
}

fn create() -> Operation {
    Operation::CreateDestination(Destination {
        id: QUEUE,
        kind: DestinationKind::Queue,
        name: "queue".into(),
    })
}

fn ids(journal: &Journal) -> Vec<u64> {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 100_000,
        bytes_max: usize::MAX,
    };
    journal.read_wait(request).unwrap().messages.iter().map(|stored| stored.id.0).collect()
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    for foreign in ["notes.txt", "db-1.log", "journal.data", "epoch-1.claim"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(foreign), b"someone's").unwrap();
        let before = everything(directory.path());
        let error = StoreDirectory::open(directory.path(), None).expect_err("it is no store");
        assert!(matches!(error, DirectoryError::NotAStore { .. }), "{error}");
        assert!(error.to_string().contains(foreign), "{error}");
        assert_eq!(everything(directory.path()), before);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = StoreDirectory::open(file.path(), None).expect_err("it is a file");
    assert!(matches!(error, DirectoryError::NotADirectory { .. }), "{error}");
}

#[test]
fn a_damaged_or_newer_identity_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    StoreDirectory::open(directory.path(), None).unwrap();
    let identity = directory.path().join(FileName::Identity.to_string());
    let sound = fs::read(&identity).unwrap();
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x20;
        fs::write(&identity, &damaged).unwrap();
        let before = everything(directory.path());
        let error = StoreDirectory::open(directory.path(), None).expect_err("it is damaged");
        assert!(matches!(error, DirectoryError::Format { .. }), "byte {at}: {error}");
        assert_eq!(everything(directory.path()), before);
    }
    let mut newer = sound.clone();
    newer[8] = 9;
    fs::write(&identity, &newer).unwrap();
    let error = StoreDirectory::open(directory.path(), None).expect_err("it is newer").to_string();
    assert!(error.contains("format version 9") && error.contains("newer"), "{error}");
    // A store whose identity is gone is not begun anew over what it holds.
    fs::remove_file(&identity).unwrap();
    fs::write(directory.path().join("journal-0000000001-0000000001.log"), b"").unwrap();
    let error = StoreDirectory::open(directory.path(), None).expect_err("it holds something");
    assert!(matches!(error, DirectoryError::Torn { .. }), "{error}");
}

#[test]
fn a_segment_cut_short_loses_what_was_cut_and_is_said() {
    for length in [0, 64, 200, 4096, 5000] {
        for io in [SegmentIo::Mapped(FlushCall::Msync), SegmentIo::Plain] {
            let directory = tempfile::tempdir().unwrap();
            let journal = open(directory.path(), 1).unwrap();
            journal.commit_wait(create().into()).unwrap();
            for id in 1..=200 {
                journal.commit_wait(enqueue(id).into()).unwrap();
            }
            journal.close();
            let first = directory.path().join("journal-0000000001-0000000001.log");
            fs::OpenOptions::new().write(true).open(&first).unwrap().set_len(length).unwrap();
            let store = StoreDirectory::open(directory.path(), Some(io)).unwrap();
            let again = Journal::open(&store, Arc::new(FixedHold::new(Epoch(2))), options())
                .unwrap_or_else(|error| panic!("cut to {length}, {io:?}: {error}"));
            let damage = again.recover_wait().unwrap().damage;
            assert!(!damage.is_empty(), "cut to {length}");
            let found = ids(&again);
            assert!(found.len() > 100 && found.ends_with(&[200]), "cut to {length}: {found:?}, {damage:#?}");
        }
    }
}

/// A small file system of its own, unmounted when dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// `None`, told loudly, where mounting is not allowed.
    fn new(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(directory));
        }
        eprintln!("SKIPPED: cannot mount a tmpfs here; run as root to test full and read-only file systems");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_read_only_file_system_is_refused_in_clear_words() {
    let Some(mounted) = Mounted::new("size=4m") else { return };
    let path = mounted.path().join("store");
    open(&path, 1).unwrap().close();
    let remounted =
        Command::new("mount").args(["-o", "remount,ro"]).arg(mounted.path()).status().unwrap().success();
    assert!(remounted);
    let before = everything(&path);
    let error = StoreDirectory::open(&path, None).expect_err("it cannot be written");
    assert!(matches!(error, DirectoryError::ReadOnly { .. }), "{error}");
    assert_eq!(everything(&path), before);
    let error = StoreDirectory::open(&mounted.path().join("new"), None).expect_err("it cannot be made");
    assert!(matches!(error, DirectoryError::ReadOnly { .. }), "{error}");
}

#[test]
fn a_full_file_system_is_back_pressure_and_nothing_is_lost() {
    let Some(mounted) = Mounted::new("size=1m") else { return };
    let path = mounted.path().join("store");
    let journal = open(&path, 1).unwrap();
    journal.commit_wait(create().into()).unwrap();
    let mut sent = Vec::new();
    let full = loop {
        let id = sent.len() as u64 + 1;
        match journal.commit_wait(enqueue(id).into()) {
            Ok(_) => sent.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(sent.len() > 300, "{} messages on a megabyte", sent.len());
    assert_eq!(ids(&journal), sent);
    // Nor does it need room to be opened again.
    journal.close();
    let journal = open(&path, 2).unwrap_or_else(|error| panic!("a full store does not open: {error}"));
    assert_eq!(ids(&journal), sent);
    for &id in &sent {
        let (id, cursor) = (MessageId(id), Cursor { rank: 0, arrival: id - 1 });
        let done = Operation::Acknowledge { destination: QUEUE, id, cursor, subscription: None };
        journal.commit_wait(done.into()).unwrap_or_else(|error| panic!("acknowledging {id}: {error}"));
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while let Err(error) = journal.commit_wait(enqueue(9_999).into()) {
        assert!(matches!(error, StoreError::Full(_)) && std::time::Instant::now() < until, "{error}");
        std::thread::yield_now();
    }
    assert_eq!(ids(&journal), [9_999]);
    journal.close();
}

#[test]
fn a_file_system_that_is_full_from_the_start_is_said_to_be() {
    let Some(mounted) = Mounted::new("size=64k") else { return };
    fs::write(mounted.path().join("ballast"), vec![1; 60 << 10]).unwrap();
    let store = mounted.path().join("store");
    match StoreDirectory::open(&store, None) {
        Err(DirectoryError::Full { .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(directory) => {
            let opened = Journal::open(&directory, Arc::new(FixedHold::new(Epoch(1))), options());
            assert!(matches!(opened, Err(OpenError::Full(_))), "{opened:?}");
        }
    }
}

#[test]
fn a_segment_that_nobody_waits_for_is_the_same_in_the_end_in_a_hurry_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Directory::open(directory.path(), None).unwrap();
    // Not a whole number of pieces.
    let length = (3 << 20) + 4096;
    for (count, hurry) in [false, true].into_iter().enumerate() {
        let name = FileName::Spare { epoch: Epoch(1), count: count as u64 };
        let segment = disk.prepare_segment(name, length, &AtomicBool::new(hurry)).unwrap();
        assert_eq!(segment.length(), length);
        let mut bytes = vec![1; length as usize];
        segment.read(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
        // All of it has its room: nothing is a hole.
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(directory.path().join(name.to_string())).unwrap();
        assert!(found.blocks() * 512 >= length, "{} blocks", found.blocks());
    }
}
