//! What stands where in the files of a sound store, by the code that reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kahawai_store::batch::Operation;
use kahawai_store::codec::{MESSAGE_CHECKSUM_LENGTH, Span};
use kahawai_store::names::{Epoch, MessageId};

use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::format::batch::{decode_batch_body, decode_prepared};
use crate::format::body;
use crate::format::fields::traced;
use crate::format::name::FileName;
use crate::format::record::{self, HEADER_LENGTH, Kind, Place, RecordHeader};
use crate::format::{checkpoint, claim, identity, relocation, run, seal, segment};
use crate::log::scan::{Item, Scanner};

/// Every file of a disk, and its bytes.
pub(crate) type Files = BTreeMap<FileName, Vec<u8>>;

pub(crate) fn files_of(disk: &MemoryDisk) -> Files {
    files_where(disk, |name| name != FileName::Lock)
}

/// Every file that an epoch made, and its bytes.
pub(crate) fn files_of_epoch(disk: &MemoryDisk, epoch: Epoch) -> Files {
    files_where(disk, |name| match name {
        FileName::Claim(of) | FileName::Beat(of) | FileName::Seal(of) | FileName::Cut(of) => of == epoch,
        FileName::Aside { by, .. } => by == epoch,
        FileName::Segment { epoch: of, .. }
        | FileName::Spare { epoch: of, .. }
        | FileName::Quarantine { epoch: of, .. }
        | FileName::Run { epoch: of, .. }
        | FileName::Checkpoint { epoch: of, .. } => of == epoch,
        FileName::Identity | FileName::Lock => false,
    })
}

fn files_where(disk: &MemoryDisk, wanted: impl Fn(FileName) -> bool) -> Files {
    let names = disk.list().expect("a list").into_iter().filter(|name| wanted(*name));
    let files = names.map(|name| {
        let file = disk.open_file(name).expect("it opens");
        let mut bytes = vec![0; file.length() as usize];
        file.read(0, &mut bytes).expect("it reads");
        (name, bytes)
    });
    files.collect()
}

/// A record that counts.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: FileName,
    pub(crate) number: u64,
    pub(crate) header: RecordHeader,
    pub(crate) offset: usize,
    /// Where its body ends: what follows is padding.
    pub(crate) body_end: usize,
    pub(crate) end: usize,
    /// Which batch of the store it holds, from 0.
    pub(crate) batch: Option<usize>,
    /// The messages in it, and from where to where of the file each stands.
    pub(crate) messages: Vec<(MessageId, Range<usize>)>,
    /// Every message that it brings or is about.
    pub(crate) about: BTreeSet<MessageId>,
}

/// Messages that operations bring or are about.
fn about<M>(operations: &[Operation<M>]) -> BTreeSet<MessageId> {
    let mut found = BTreeSet::new();
    for operation in operations {
        match operation {
            Operation::Enqueue { id, .. }
            | Operation::Acknowledge { id, .. }
            | Operation::Move { id, .. } => {
                found.insert(*id);
            }
            Operation::Prepare { operations, .. } => found.extend(about(operations)),
            _ => {}
        }
    }
    found
}

/// The records that count, in the order of the log.
pub(crate) fn records(files: &Files) -> Vec<Record> {
    let mut ends: BTreeMap<(Epoch, u64), u64> = BTreeMap::new();
    for (name, bytes) in files {
        if let FileName::Seal(_) = name
            && let Some(end) = seal::decode(bytes).expect("a sound seal").sealed
        {
            ends.insert((end.epoch, end.number), end.offset);
        }
    }
    let mut records = Vec::new();
    for (&name, bytes) in files {
        let FileName::Segment { epoch, number } = name else { continue };
        let header = segment::decode(bytes).expect("a sound header");
        let end = ends.get(&(epoch, number)).copied();
        for item in Scanner::new(bytes, header.log, epoch, number, end) {
            let Item::Record { header, offset } = item else { panic!("{name}: {item:?}") };
            records.push(record(name, number, bytes, header, offset as usize));
        }
    }
    records.sort_unstable_by_key(|record| record.number);
    records
}

fn record(name: FileName, number: u64, bytes: &[u8], header: RecordHeader, offset: usize) -> Record {
    let start = offset + HEADER_LENGTH;
    let body_end = start + header.body_length as usize;
    let body = &bytes[start..body_end];
    let held = body::held_in(header.kind, body).expect("a sound body").into_iter();
    let range = |span: Span| start + span.range().start..start + span.range().end;
    let messages: Vec<_> = held.map(|held| (held.id, range(held.span))).collect();
    let (mut batch, mut is_about) = (None, messages.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>());
    match header.kind {
        Kind::Batch => {
            let (operations, trailer) = decode_batch_body(body).expect("a sound batch");
            batch = Some(trailer.name.number as usize - 1);
            is_about.extend(about(&operations));
            is_about.extend(about(&trailer.decided));
        }
        Kind::Prepared => is_about.extend(about(&decode_prepared(body).expect("a sound chunk").2)),
        Kind::Relocation => assert!(relocation::decode(body).is_some(), "a sound relocation"),
        _ => {}
    }
    let end = offset + header.record_length() as usize;
    Record { name, number, header, offset, body_end, end, batch, messages, about: is_about }
}

/// Where the fields of a record's header begin: which bytes change with each, and with each part of the place, is asked of what
/// encodes it.
fn header_fields() -> Vec<usize> {
    let place = Place { log: [0; 16], number: 0, offset: 0 };
    let header = RecordHeader {
        body_crc: 0,
        body_length: 0,
        kind: Kind::Batch,
        epoch: Epoch(0),
        sequence: 0,
        durable_through: 0,
    };
    let others = [
        RecordHeader { body_crc: u32::MAX, ..header },
        RecordHeader { body_length: u32::MAX, ..header },
        RecordHeader { kind: Kind::Lost, ..header },
        RecordHeader { epoch: Epoch(u64::MAX), ..header },
        RecordHeader { sequence: u64::MAX, ..header },
        RecordHeader { durable_through: u64::MAX, ..header },
    ];
    let plain = record::encode(&header, &place);
    let mut found = vec![0, HEADER_LENGTH];
    for other in others {
        let bytes = record::encode(&other, &place);
        // The checksum, which stands first, changes with all of them.
        let changed: Vec<_> = (4..HEADER_LENGTH).filter(|&at| bytes[at] != plain[at]).collect();
        found.extend(changed.first());
        found.extend(changed.last().map(|last| last + 1));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Where each field of a file begins, and where the last ends.
pub(crate) fn fields(name: FileName, bytes: &[u8], records: &[Record]) -> Vec<usize> {
    let of_small = |decode: fn(&[u8])| traced::boundaries(bytes, decode);
    match name {
        FileName::Identity => of_small(|bytes| assert!(identity::decode(bytes).is_ok())),
        FileName::Claim(_) => of_small(|bytes| assert!(claim::decode_claim(bytes).is_ok())),
        FileName::Beat(_) => of_small(|bytes| assert!(claim::decode_beat(bytes).is_ok())),
        FileName::Seal(_) => of_small(|bytes| assert!(seal::decode(bytes).is_ok())),
        FileName::Checkpoint { .. } => of_small(|bytes| assert!(checkpoint::decode(bytes).is_ok())),
        FileName::Run { .. } => of_run(bytes),
        FileName::Segment { .. } => {
            let covered = segment_covered();
            let mut found = traced::boundaries(&bytes[..covered], |bytes| {
                segment::decode(bytes).expect("sound");
            });
            found.push(segment::HEADER_LENGTH as usize);
            for record in records.iter().filter(|record| record.name == name) {
                found.extend(header_fields().into_iter().map(|at| record.offset + at));
                for (_, range) in &record.messages {
                    found.extend([range.start - MESSAGE_CHECKSUM_LENGTH, range.start, range.end]);
                }
                // Within a skeleton by words: batches have no fields of fixed length.
                found.extend((record.offset + HEADER_LENGTH..record.body_end).step_by(8));
                found.extend([record.body_end, record.end]);
            }
            found.push(bytes.len());
            found.sort_unstable();
            found.dedup();
            found
        }
        // Nobody reads them.
        FileName::Spare { .. }
        | FileName::Quarantine { .. }
        | FileName::Cut(_)
        | FileName::Aside { .. }
        | FileName::Lock => vec![0, bytes.len()],
    }
}

/// How many bytes of a segment's header its checksum covers, with itself.
pub(crate) fn segment_covered() -> usize {
    let header = segment::SegmentHeader {
        store: [1; 16],
        epoch: Epoch(1),
        log: [1; 16],
        number: 1,
        first_sequence: 1,
        before: None,
        released: u64::MAX,
    };
    let bytes = segment::encode(&header);
    // The shortest beginning that decodes.
    (0..bytes.len()).find(|&length| segment::decode(&bytes[..length]).is_ok()).expect("a header")
}

fn of_run(bytes: &[u8]) -> Vec<usize> {
    let end = bytes.len() - run::END_LENGTH;
    let length = u64::from_le_bytes(bytes[end..].try_into().expect("eight")) as usize;
    let tail = end - length;
    let count = run::decode_tail(&bytes[tail..end]).expect("sound").count as usize;
    let ids = count * run::ENTRY_LENGTH;
    let mut found: Vec<usize> = (0..ids).step_by(8).chain((ids..tail).step_by(4)).collect();
    let in_tail = traced::boundaries(&bytes[tail..end], |bytes| {
        run::decode_tail(bytes).expect("sound");
    });
    found.extend(in_tail.into_iter().map(|at| tail + at));
    found.push(bytes.len());
    found
}
