//! Bytes and files that are not what was written: exactly what was damaged is lost, and said; everything else is delivered; what
//! was damaged is kept; and a store that cannot be understood is left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use kahawai_store::batch::{DestinationKind, Operation};
use kahawai_store::codec::MESSAGE_CHECKSUM_LENGTH;
use kahawai_store::contract::{Page, ReadRequest, Store, StoreWait};
use kahawai_store::names::{DestinationId, Epoch};

use super::driver::{Driven, real, without_checkpoints};
use super::places;
use super::script::{create, enqueue};
use crate::FileName;
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::writer::begin_error::BeginError;

const QUEUE: DestinationId = DestinationId(1);

/// Opens without checkpoints: all of the log is read at each start.
fn open(disk: Arc<dyn Disk>, epoch: u64) -> Result<Driven, BeginError> {
    Driven::open_with(disk, epoch, without_checkpoints())
}

/// A record of the sound log.
#[derive(Clone, Debug)]
struct At {
    name: FileName,
    number: u64,
    offset: usize,
    length: usize,
    kind: Kind,
    /// The messages in it, and from where to where of the record each stands.
    messages: BTreeMap<u64, Range<usize>>,
}

impl At {
    fn ids(&self) -> BTreeSet<u64> {
        self.messages.keys().copied().collect()
    }

    /// What is lost with a byte of it: the message it is of, or all of them.
    fn lost_with(&self, byte: usize) -> BTreeSet<u64> {
        let one = self.messages.iter().find(|(_, at)| at.contains(&byte));
        one.map_or_else(|| self.ids(), |(id, _)| BTreeSet::from([*id]))
    }
}

/// A log of two epochs and several segments, closed in good order, that holds messages only.
fn sound() -> (MemoryDisk, BTreeSet<u64>) {
    let disk = MemoryDisk::new();
    let mut id = 0;
    for epoch in 1..=2 {
        let store = open(Arc::new(disk.clone()), epoch).expect("it opens");
        if epoch == 1 {
            store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
        }
        for _ in 0..16 {
            let operations = (0..2).map(|_| {
                id += 1;
                enqueue(id, QUEUE, 150)
            });
            let batch = kahawai_store::batch::Batch::new(operations.collect());
            store.commit_wait(batch).expect("it commits");
        }
        store.close();
    }
    (disk, (1..=id).collect())
}

fn copy(disk: &MemoryDisk) -> MemoryDisk {
    disk.crash(&mut || true)
}

fn records(disk: &MemoryDisk) -> Vec<At> {
    let records = places::records(&places::files_of(disk)).into_iter();
    let at = |record: places::Record| {
        let places::Record { name, number, offset, end, header, messages, .. } = record;
        let within = |range: Range<usize>| range.start - offset..range.end - offset;
        let messages = messages.into_iter().map(|(id, range)| (id.0, within(range))).collect();
        At { name, number, offset, length: end - offset, kind: header.kind, messages }
    };
    records.map(at).collect()
}

/// What the queue delivers.
fn page(store: &Driven) -> Page {
    let request = ReadRequest {
        destination: QUEUE,
        subscription: None,
        after: None,
        messages_max: 10_000,
        bytes_max: usize::MAX,
    };
    store.read_wait(request).expect("it can be read")
}

fn delivered(store: &Driven) -> BTreeSet<u64> {
    page(store).messages.iter().map(|stored| stored.id.0).collect()
}

/// Checks a damaged disk twice: exactly these messages are lost, damage is reported, and the damaged file stays, whatever is
/// acknowledged.
fn exactly_lost(
    disk: &MemoryDisk,
    all: &BTreeSet<u64>,
    lost: &BTreeSet<u64>,
    kept: Option<FileName>,
    at: &str,
) -> Vec<String> {
    let mut said = Vec::new();
    for epoch in 3..5 {
        let store = open(Arc::new(disk.clone()), epoch).unwrap_or_else(|error| panic!("{at}: {error}"));
        let damage = store.damage();
        assert!(!real(&damage).is_empty(), "{at}, epoch {epoch}: nothing is said: {damage:?}");
        let found = delivered(&store);
        let missing: BTreeSet<u64> = all.difference(&found).copied().collect();
        assert_eq!(&missing, lost, "{at}, epoch {epoch}: {damage:#?}");
        assert!(found.is_subset(all), "{at}");
        said = damage;
        if epoch == 4 {
            for stored in page(&store).messages {
                let (id, cursor) = (stored.id, stored.cursor);
                let done = Operation::Acknowledge { destination: QUEUE, id, cursor, subscription: None };
                store.commit_wait(done.into()).unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
        store.close();
    }
    let store = open(Arc::new(disk.clone()), 5).unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(delivered(&store), BTreeSet::new(), "{at}: acknowledged and back");
    if let Some(kept) = kept {
        let FileName::Segment { epoch, number } = kept else { panic!("{kept}") };
        let aside = FileName::Quarantine { epoch, number };
        let is_there = [kept, aside].into_iter().any(|name| disk.ask(name).expect("an answer"));
        assert!(is_there, "{at}: {kept} is gone");
    }
    said
}

#[test]
fn damage_to_a_record_loses_the_message_it_is_in_or_the_record_and_names_what_is_lost() {
    let (disk, all) = sound();
    let records = records(&disk);
    assert!(records.iter().map(|record| record.number).collect::<BTreeSet<_>>().len() >= 4);
    // Checksum, the body's checksum, its length, kind, zeros, epoch, sequence, durable through; then the body's first, a middle, and
    // its last byte.
    let fields = [0, 4, 8, 11, 12, 14, 16, 24, 32];
    let mut cases = 0;
    for (index, record) in records.iter().enumerate() {
        // Something that holds messages, and now and then something that does not; the very last says nothing durable of itself.
        let shown = record.kind == Kind::Batch && !record.messages.is_empty();
        if !shown {
            continue;
        }
        let first = record.messages.values().next().expect("a message");
        // Of the skeleton: the first, of a message's checksum, and one of the last; of a message: its first byte and its last.
        let skeleton = [HEADER_LENGTH, first.start - MESSAGE_CHECKSUM_LENGTH, record.length - 16];
        let message = [first.start, first.end - 1];
        let body = [&skeleton[..], &message[..]].concat();
        // Every field of a few records, and one field of each.
        let all_fields = index % 9 == 2;
        for (number, field) in fields.into_iter().chain(body).enumerate() {
            if !all_fields && number != index % 14 {
                continue;
            }
            let damaged = copy(&disk);
            damaged.damage(record.name, record.offset + field, |bytes| bytes[0] ^= 0x10);
            let at = format!("{}, record at {}, byte {field}", record.name, record.offset);
            let lost = record.lost_with(field);
            assert_eq!(lost.len(), if message.contains(&field) { 1 } else { 2 }, "{at}");
            let said = exactly_lost(&damaged, &all, &lost, Some(record.name), &at).join("; ");
            // What damages the batch's own structure leaves no names to read; then that is said, and which record it was.
            let unreadable = skeleton.contains(&field);
            for id in lost.iter().filter(|_| !(unreadable && said.contains("cannot be read"))) {
                assert!(said.contains(&format!("message {id} ")), "{at}: message {id} is not named: {said}");
            }
            cases += 1;
        }
        if all_fields {
            let damaged = copy(&disk);
            damaged.damage(record.name, record.offset, |bytes| bytes[..record.length].fill(0));
            let at = format!("{}, record at {} zeroed", record.name, record.offset);
            exactly_lost(&damaged, &all, &record.ids(), Some(record.name), &at);
            cases += 1;
        }
    }
    println!("{cases} damaged records");
}

#[test]
fn damage_to_several_records_in_a_row_loses_those() {
    let (disk, all) = sound();
    let records = records(&disk);
    for window in records.windows(3).step_by(4) {
        let [first, .., last] = window else { continue };
        if first.name != last.name
            || first.kind != Kind::Batch
            || first.messages.is_empty()
            || last.kind != Kind::Batch
        {
            continue;
        }
        let damaged = copy(&disk);
        let length = last.offset + last.length - first.offset;
        damaged.damage(first.name, first.offset, |bytes| bytes[..length].fill(0xff));
        let lost = window.iter().flat_map(|record| record.ids()).collect();
        exactly_lost(
            &damaged,
            &all,
            &lost,
            Some(first.name),
            &format!("{} from {}", first.name, first.offset),
        );
    }
}

#[test]
fn damage_to_a_segment_header_loses_nothing_and_is_said() {
    let (disk, all) = sound();
    let names: BTreeSet<_> = records(&disk).into_iter().map(|record| record.name).collect();
    for name in names {
        // Magic, store, epoch, log, number, first sequence, before, released, checksum.
        for field in [0, 10, 26, 34, 50, 58, 66, 74, 82, 90, 98] {
            let damaged = copy(&disk);
            damaged.damage(name, field, |bytes| bytes[0] ^= 1);
            exactly_lost(
                &damaged,
                &all,
                &BTreeSet::new(),
                Some(name),
                &format!("{name}, header byte {field}"),
            );
        }
    }
}

#[test]
fn a_segment_cut_between_two_records_loses_what_was_behind_and_is_said() {
    let (disk, all) = sound();
    let records = records(&disk);
    let last = records.last().expect("records").name;
    for name in records.iter().map(|record| record.name).collect::<BTreeSet<_>>() {
        if name == last {
            continue;
        }
        let own: Vec<_> = records.iter().filter(|record| record.name == name).collect();
        // Behind the header, with no record left; and behind some record.
        let cuts = own.iter().map(|record| record.offset);
        for cut in cuts {
            let damaged = copy(&disk);
            let content = places::files_of(&damaged).remove(&name).expect("it is there");
            damaged.remove(name).expect("it goes");
            assert!(damaged.publish(name, &content[..cut]).expect("it is published"));
            let lost =
                own.iter().filter(|record| record.offset >= cut).flat_map(|record| record.ids()).collect();
            exactly_lost(&damaged, &all, &lost, Some(name), &format!("{name} cut at {cut}"));
        }
    }
}

#[test]
fn an_epoch_whose_segments_are_all_missing_keeps_no_later_master_from_starting() {
    let (disk, all) = sound();
    let first = |record: &&At| matches!(record.name, FileName::Segment { epoch: Epoch(1), .. });
    let records = records(&disk);
    let lost = records.iter().filter(first).flat_map(|record| record.ids()).collect();
    for record in records.iter().filter(first) {
        disk.remove(record.name).expect("it goes");
    }
    exactly_lost(&disk, &all, &lost, None, "without the segments of epoch 1");
}

#[test]
fn a_missing_segment_loses_its_messages_and_is_said() {
    let (disk, all) = sound();
    let mut held: BTreeMap<FileName, BTreeSet<u64>> = BTreeMap::new();
    for record in records(&disk) {
        held.entry(record.name).or_default().extend(record.ids());
    }
    let last = *held.keys().max().expect("segments");
    for (name, lost) in &held {
        // That the log went on into a last segment is known to that segment alone.
        if *name == last {
            continue;
        }
        let damaged = copy(&disk);
        damaged.remove(*name).expect("it goes");
        let said = exactly_lost(&damaged, &all, lost, None, &format!("{name} is missing"));
        let FileName::Segment { number, .. } = name else { unreachable!("a segment") };
        assert!(said.iter().any(|line| line.contains(&format!("segment {number} is missing"))), "{said:?}");
    }
    // All of them.
    let damaged = copy(&disk);
    for name in held.keys() {
        damaged.remove(*name).expect("it goes");
    }
    let store = open(Arc::new(damaged), 3).expect("it opens");
    assert!(!store.damage().is_empty());
}

fn refused(disk: &MemoryDisk, at: &str) -> String {
    let before = places::files_of(disk);
    let error = match open(Arc::new(disk.clone()), 3) {
        Err(error) => error.to_string(),
        Ok(store) => panic!("{at}: it opened, with {:?}", store.damage()),
    };
    assert!(places::files_of(disk) == before, "{at}: something was touched");
    error
}

#[test]
fn a_damaged_or_newer_small_file_is_refused_and_nothing_touched() {
    let (disk, _) = sound();
    for name in [FileName::Identity, FileName::Seal(Epoch(1)), FileName::Seal(Epoch(2))] {
        let length = disk.read(name).expect("it reads").expect("it is there").len();
        for at in 0..length {
            let damaged = copy(&disk);
            damaged.damage(name, at, |bytes| bytes[0] ^= 0x40);
            refused(&damaged, &format!("{name}, byte {at}"));
        }
        let newer = copy(&disk);
        newer.damage(name, 8, |bytes| bytes[..2].copy_from_slice(&7_u16.to_le_bytes()));
        let error = refused(&newer, "newer");
        assert!(error.contains("format version 7"), "{error}");
        for length in [0, 1, 9, length - 1] {
            let cut = copy(&disk);
            let content = cut.read(name).expect("it reads").expect("it is there");
            cut.remove(name).expect("it goes");
            assert!(cut.publish(name, &content[..length]).expect("it is published"));
            refused(&cut, &format!("{name} cut to {length}"));
        }
    }
}

#[test]
fn a_newer_segment_is_refused_and_nothing_touched() {
    let (disk, all) = sound();
    let name = records(&disk)[0].name;
    let damaged = copy(&disk);
    let say_seven = |bytes: &mut [u8]| bytes[8..10].copy_from_slice(&7_u16.to_le_bytes());
    disk.damage(name, 0, |bytes| {
        say_seven(bytes);
        let crc = crc32fast::hash(&bytes[..98]);
        bytes[98..102].copy_from_slice(&crc.to_le_bytes());
    });
    let error = refused(&disk, "newer");
    assert!(error.contains("format version 7"), "{error}");
    // One that says so and does not verify is damaged, and no reason not to start.
    damaged.damage(name, 0, say_seven);
    exactly_lost(&damaged, &all, &BTreeSet::new(), Some(name), "a damaged version");
}

#[test]
fn a_missing_seal_of_a_log_in_use_is_refused_and_nothing_touched() {
    for epochs in [&[1][..], &[2], &[1, 2]] {
        let (disk, _) = sound();
        for &epoch in epochs {
            disk.remove(FileName::Seal(Epoch(epoch))).expect("it goes");
        }
        let error = refused(&disk, &format!("without the seals of {epochs:?}"));
        assert!(error.contains("missing"), "{error}");
    }
}

/// What nobody was told is on the disk may be torn; it is no damage, however it is torn.
#[test]
fn a_torn_last_flush_is_no_damage() {
    let disk = MemoryDisk::new();
    let store = open(Arc::new(disk.clone()), 1).expect("it opens");
    store.commit_wait(create(QUEUE, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=3 {
        store.commit_wait(enqueue(id, QUEUE, 150).into()).expect("it commits");
    }
    drop(store);
    let last = records(&disk).pop().expect("records");
    for at in 0..last.length {
        let torn = copy(&disk);
        torn.damage(last.name, last.offset + at, |bytes| bytes[0] ^= 0xff);
        let store = open(Arc::new(torn), 2).expect("it opens");
        let damage = store.damage();
        assert!(real(&damage).is_empty(), "byte {at}: {damage:?}");
        let found = delivered(&store);
        assert!(found.is_superset(&[1, 2].into()), "byte {at}: {found:?}");
    }
}
