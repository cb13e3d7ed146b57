//! A door for fuzz targets and property tests to what reads bytes from the disk. No part of the crate's interface.

use std::sync::Arc;

use kahawai_store::names::Epoch;

use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::disk::on_demand::OpenFiles;
use crate::format::claim::{self, decode_beat, encode_beat};
use crate::format::name::FileName;
use crate::format::record::{self, Kind, Place, RecordHeader};
use crate::format::seal::{self, Seal};
use crate::format::segment::{self, SegmentHeader};
use crate::format::{RandomId, batch, checkpoint, identity, run, snapshot};
use crate::index::write_run::{RunName, RunsOf};
use crate::log::{chain, replay};

const STORE: RandomId = [1; 16];
const LOG: RandomId = [2; 16];
const LENGTH: u64 = 16 << 10;

/// Replays a log of one or two segments whose bytes come from outside: as they are, and as the bodies of records that verify.
///
/// # Panics
/// Where the journal does: that is what is looked for.
pub fn segments(input: &[u8]) {
    let disk = MemoryDisk::new();
    let seal =
        Seal { store: STORE, epoch: Epoch(1), log: LOG, first_number: 1, first_sequence: 1, sealed: None };
    let published = disk.publish(FileName::Seal(Epoch(1)), &seal::encode(&seal));
    assert!(published.is_ok_and(|published| published));
    let mut input = input.iter().copied();
    let Some(options) = input.next() else { return };
    let count = 1 + u64::from(options & 1);
    for number in 1..=count {
        let name = FileName::Segment { epoch: Epoch(1), number };
        let Ok(file) = disk.create_segment(name, LENGTH) else { return };
        let mut bytes = Vec::new();
        if options & 2 == 0 {
            let before = (number > 1).then_some(seal::LogEnd {
                epoch: Epoch(1),
                number: number - 1,
                offset: LENGTH / 2,
            });
            let first_sequence = if options & 4 == 0 { 1 } else { wide(&mut input) };
            let released = if options & 8 == 0 { 0 } else { wide(&mut input) };
            let header = SegmentHeader {
                store: STORE,
                epoch: Epoch(1),
                log: LOG,
                number,
                first_sequence,
                before,
                released,
            };
            bytes.extend_from_slice(&segment::encode(&header));
        }
        bytes.resize(segment::HEADER_LENGTH as usize, 0);
        let mut sequence = 0_u64;
        while let Some(kind) = input.next() {
            match Kind::from_number(kind % 10) {
                Some(kind) => {
                    let flags = input.next().unwrap_or_default();
                    let length = usize::from(input.next().unwrap_or_default()) * (1 + usize::from(flags & 3));
                    let body: Vec<u8> = input.by_ref().take(length).collect();
                    sequence = if flags & 4 == 0 { sequence.wrapping_add(1) } else { wide(&mut input) };
                    let durable_through = if flags & 8 == 0 { sequence } else { wide(&mut input) };
                    let header = RecordHeader {
                        body_crc: crc32fast::hash(&body) ^ u32::from(flags & 16),
                        body_length: body.len() as u32,
                        kind,
                        epoch: Epoch(1),
                        sequence,
                        durable_through,
                    };
                    let place = Place { log: LOG, number, offset: bytes.len() as u64 };
                    bytes.extend_from_slice(&record::encode(&header, &place));
                    bytes.extend_from_slice(&body);
                }
                // The next segment.
                None if kind % 10 == 9 && number < count => break,
                // Bytes that are no record.
                None => {
                    let length = usize::from(input.next().unwrap_or_default());
                    bytes.extend(input.by_ref().take(length));
                }
            }
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes.truncate(LENGTH as usize);
        if file.write(0, &[std::io::IoSlice::new(&bytes)]).is_err() {
            return;
        }
    }
    let Ok(chain) = chain::find(&disk, &STORE, Epoch(2)) else { return };
    let next = RunName { store: STORE, epoch: Epoch(2), number: 1 };
    let mut runs = RunsOf { next, table_max: 64 };
    let files = OpenFiles::new(Arc::new(disk), 1);
    let Ok(replayed) = replay::replay(&files, &STORE, &chain, &mut runs) else { return };
    // What was understood can be told, and written down again.
    let recovered = replayed.index.recovered(Epoch(2), replayed.damage);
    assert!(recovered.epoch == Epoch(2));
    let encoded = snapshot::encode(replayed.index.state.snapshot());
    assert!(snapshot::decode(&encoded).is_some(), "a snapshot of ours cannot be read");
    for (_, body) in &replayed.tail {
        let _ = batch::decode_batch_body(body);
    }
}

fn wide(input: &mut impl Iterator<Item = u8>) -> u64 {
    let mut bytes = [0; 8];
    for byte in &mut bytes {
        *byte = input.next().unwrap_or_default();
    }
    u64::from_le_bytes(bytes)
}

/// Reads every kind of small file from bytes from outside: as they are, and with a checksum that verifies.
///
/// # Panics
/// Where the journal does, or where what was understood is not what is written for it.
pub fn small_files(input: &[u8]) {
    let _ = (identity::decode(input), seal::decode(input), decode_beat(input), segment::decode(input));
    let _ = (checkpoint::decode(input), run::decode_tail(input));
    let _ = (snapshot::decode(input), batch::decode_batch_body(input));
    let _ = std::str::from_utf8(input).map(str::parse::<FileName>);
    let sound = [
        identity::encode(&STORE),
        claim::encode_claim(Epoch(1), &STORE),
        seal::encode(&Seal {
            store: STORE,
            epoch: Epoch(2),
            log: LOG,
            first_number: 1,
            first_sequence: 1,
            sealed: None,
        }),
    ];
    for beginning in sound.iter().map(|sound| &sound[..10]).chain([&b"KAHABEA\n\x02\x00"[..]]) {
        let mut content = beginning.to_vec();
        content.extend_from_slice(input);
        let crc = crc32fast::hash(&content);
        content.extend_from_slice(&crc.to_le_bytes());
        if let Ok(seal) = seal::decode(&content) {
            assert_eq!(seal::decode(&seal::encode(&seal)).as_ref(), Ok(&seal));
        }
        if let Ok(beat) = decode_beat(&content) {
            assert_eq!(decode_beat(&encode_beat(&beat)).map(|again| again.counter), Ok(beat.counter));
        }
        let _ = identity::decode(&content);
    }
    // And as a store's own files.
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let published = disk.publish(FileName::Seal(Epoch(1)), input);
    assert!(published.is_ok());
    if seal::decode(input).is_err() {
        assert!(chain::find(disk.as_ref(), &STORE, Epoch(2)).is_err(), "what is no seal was taken for one");
    }
}
