//! Stores on a disk in memory, and what stands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kahawai_journal::FileName;
use kahawai_journal::cut::Cut;
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::Disk;
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::inspect::{Content, Examination, Inspection};
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{Destination, DestinationKind, Operation};
use kahawai_store::contract::Store as _;
use kahawai_store::election::{Cancel, Election as _, Hold};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId};

/// An open store and its mastership.
pub(crate) struct Open {
    pub(crate) journal: Journal,
    hold: Arc<dyn Hold>,
}

impl Open {
    /// Opens the store on a disk as its next master, with segments so small that a few batches fill one.
    pub(crate) fn on(disk: &MemoryDisk) -> Self {
        Self::with(disk, None)
    }

    /// The same, leaving something out.
    pub(crate) fn cut(disk: &MemoryDisk, cut: Cut) -> Self {
        Self::with(disk, Some(cut))
    }

    fn with(disk: &MemoryDisk, cut: Option<Cut>) -> Self {
        let store = StoreDirectory::on(Arc::new(disk.clone())).expect("a store");
        let options = ElectionOptions {
            lock_acquire_sleep_interval: Duration::from_millis(1),
            ..ElectionOptions::default()
        };
        let mut election = FileElection::new(Arc::clone(store.disk()), options).expect("a candidate");
        let hold = election.acquire(&Cancel::default(), &mut |_| {}).expect("the mastership");
        let options = JournalOptions {
            journal_max_file_length: 4 << 10,
            // No idle record but where a test waits for one: what stands in the log is always the same.
            idle_interval: Duration::from_secs(3600),
            ..JournalOptions::default()
        };
        let journal = Journal::open_cut(&store, Arc::clone(&hold), options, cut).expect("it opens");
        Self { journal, hold }
    }

    /// Closes it in good order.
    pub(crate) fn close(self) {
        self.journal.close();
        self.hold.release();
    }
}

pub(crate) fn create(id: u64, kind: DestinationKind) -> Operation {
    Operation::CreateDestination(Destination {
        id: DestinationId(id),
        kind,
        name: format!("destination {id}").into(),
    })
}

pub(crate) fn message(id: u64, length: usize) -> Arc<Message> {
    let body: Vec<u8> = (0..length as u64).map(|at| (at.wrapping_mul(31) ^ at >> 8 ^ id) as u8).collect();
    Arc::new(Message { body: Bytes::from(body), ..Message::default() })
}

pub(crate) fn enqueue(id: u64, destination: u64, length: usize) -> Operation {
    let (destination, message) = (DestinationId(destination), message(id, length));
    Operation::Enqueue { id: MessageId(id), destination, rank: 0, message }
}

/// Acknowledges a message where all were sent in the order of their ids, from 1.
pub(crate) fn acknowledge(id: u64, destination: u64) -> Operation {
    let (destination, cursor) = (DestinationId(destination), Cursor { rank: 0, arrival: id - 1 });
    Operation::Acknowledge { destination, id: MessageId(id), cursor, subscription: None }
}

pub(crate) fn copy(disk: &MemoryDisk) -> MemoryDisk {
    disk.crash(&mut || true)
}

pub(crate) fn inspect(disk: &MemoryDisk) -> Inspection {
    Inspection::on(Arc::new(disk.clone()), "the disk".to_owned()).expect("a store")
}

pub(crate) fn examine(disk: &MemoryDisk) -> Examination {
    inspect(disk).examine(&mut |_| {}).expect("it can be read")
}

/// The length of a record's header.
pub(crate) const RECORD_HEADER: u64 = 40;

/// A record of a sound log.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) name: FileName,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) sequence: u64,
    /// Where its body ends: what follows is padding.
    pub(crate) is_batch: bool,
    /// The messages that it brings.
    pub(crate) ids: BTreeSet<u64>,
    /// From where to where of the file each of them stands.
    pub(crate) messages: BTreeMap<u64, Range<u64>>,
}

/// Every record of a sound log.
pub(crate) fn records(disk: &MemoryDisk) -> Vec<At> {
    let mut records = Vec::new();
    let findings = inspect(disk).dump(
        &mut |record| {
            let mut messages = BTreeMap::new();
            if let Content::Batch { operations, .. } = &record.content {
                let body = record.offset + RECORD_HEADER;
                messages.extend(operations.iter().filter_map(|operation| match operation {
                    Operation::Enqueue { id, message, .. } => {
                        let start = body + u64::from(message.start);
                        Some((id.0, start..start + u64::from(message.length)))
                    }
                    _ => None,
                }));
            }
            records.push(At {
                name: record.file.parse().expect("a name"),
                segment: record.segment,
                offset: record.offset,
                length: record.length,
                sequence: record.sequence,
                is_batch: matches!(record.content, Content::Batch { .. }),
                ids: messages.keys().copied().collect(),
                messages,
            });
        },
        &mut |_| {},
    );
    assert_eq!(findings.expect("it can be read"), Vec::new(), "it is sound");
    records
}

/// A file's bytes.
pub(crate) fn bytes_of(disk: &MemoryDisk, name: FileName) -> Vec<u8> {
    let file = disk.open_segment(name).expect("it opens");
    let mut bytes = vec![0; file.length() as usize];
    file.read(0, &mut bytes).expect("it reads");
    bytes
}

/// Puts other bytes, of any length, in a file's place.
pub(crate) fn replace(disk: &MemoryDisk, name: FileName, bytes: &[u8]) {
    disk.remove(name).expect("it goes");
    assert!(disk.publish(name, bytes).expect("it is published"));
}
