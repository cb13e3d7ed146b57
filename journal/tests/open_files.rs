//! How many files and mappings a journal has open, whatever its backlog: counted in `/proc/self`.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: what goes wrong is to stop the test, and a gap to be told"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::directory::Directory;
use kahawai_journal::disk::faulty::{Call, FaultyDisk};
use kahawai_journal::inspect::{Inspection, backup};
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{ReadRequest, StoreWait};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

const QUEUE: DestinationId = DestinationId(1);
const SEGMENT: u64 = 16 << 10;
/// Of 4 KiB each, so that a segment holds three.
const MESSAGES: u64 = 1200;
/// What is promised of a broker, and of a tool, which maps nothing.
const MOST: usize = 64;
const MOST_OF_A_TOOL: usize = 300;

/// How many files in a directory this process has open, and how many mappings of such.
fn open_in(directory: &Path) -> (usize, usize) {
    let path = directory.to_str().unwrap();
    let files = fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        // One may be closed by another thread just now.
        let target = entry.as_ref().ok().and_then(|entry| fs::read_link(entry.path()).ok());
        target.is_some_and(|target: PathBuf| target.to_string_lossy().starts_with(path))
    });
    let files = files.count();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    (files, maps.lines().filter(|line| line.contains(path)).count())
}

/// Notes the most that were ever open.
#[derive(Clone, Default)]
struct Peak(Arc<AtomicUsize>);

impl Peak {
    fn look(&self, directory: &Path) {
        let (files, mappings) = open_in(directory);
        self.0.fetch_max(files.max(mappings), Ordering::Relaxed);
    }

    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Opens a journal, and looks at what is open whenever a segment is about to be opened.
fn open(directory: &Path, epoch: u64, peak: &Peak) -> Journal {
    let (watched, peak) = (directory.to_owned(), peak.clone());
    let disk = FaultyDisk::new(Arc::new(Directory::open(directory, None).unwrap()), move |call| {
        if call == Call::OpenSegment {
            peak.look(&watched);
        }
        Ok(())
    });
    let store = StoreDirectory::on(Arc::new(disk)).unwrap();
    let options = JournalOptions { journal_max_file_length: SEGMENT, ..JournalOptions::default() };
    Journal::open(&store, Arc::new(FixedHold::new(Epoch(epoch))), options).unwrap()
}

fn read_all(journal: &Journal, look: impl Fn()) {
    let mut after: Option<Cursor> = None;
    for id in 1..=MESSAGES {
        let request =
            ReadRequest { destination: QUEUE, subscription: None, after, messages_max: 1, bytes_max: 1 };
        let page = journal.read_wait(request).unwrap();
        let [stored] = page.messages.as_slice() else { panic!("message {id}: {page:?}") };
        assert_eq!((stored.id.0, &stored.message.body[..]), (id, &[id as u8; 4096][..]));
        after = Some(stored.cursor);
        look();
    }
}

fn segments_in(directory: &Path) -> usize {
    let names = fs::read_dir(directory).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().metadata().unwrap().len() == SEGMENT).count()
}

#[test]
fn open_files_and_mappings_stay_below_64_whatever_the_backlog() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let peak = Peak::default();
    let journal = open(&directory, 1, &peak);
    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "queue".into() };
    journal.commit_wait(Operation::CreateDestination(queue).into()).unwrap();
    for id in 1..=MESSAGES {
        let message = Arc::new(Message { body: vec![id as u8; 4096].into(), ..Message::default() });
        let enqueue = Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message };
        journal.commit_wait(Batch::new(vec![enqueue])).unwrap();
        if id % 10 == 0 {
            peak.look(&directory);
        }
    }
    assert!(segments_in(&directory) > 300, "{} segments", segments_in(&directory));
    let most = peak.take();
    assert!((1..MOST).contains(&most), "{most} were open while it was filled");
    read_all(&journal, || peak.look(&directory));
    let most = peak.take();
    assert!((1..MOST).contains(&most), "{most} were open while it was read");
    drop(journal);
    assert_eq!(open_in(&directory), (0, 0), "all is closed with the journal");

    let journal = open(&directory, 2, &peak);
    let most = peak.take();
    assert!((1..MOST).contains(&most), "{most} were open while it was opened again");
    read_all(&journal, || {});

    let mut progress = |_| peak.look(&directory);
    peak.take();
    let inspection = Inspection::open(&directory).unwrap();
    let found = inspection.examine(&mut progress).unwrap();
    // The holds of this test claim nothing, and that is found.
    assert!(found.findings.iter().all(|finding| finding.segment.is_none()), "{:?}", found.findings);
    assert!(found.segments.len() > 300, "{} segments", found.segments.len());
    let copy = tempfile::tempdir().unwrap();
    backup(&directory, copy.path(), &mut progress).unwrap();
    let most = peak.take();
    assert!((1..MOST_OF_A_TOOL).contains(&most), "{most} were open while tools looked at it");
}
