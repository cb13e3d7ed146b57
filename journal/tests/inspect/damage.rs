//! The damage campaign: every field of every file is flipped, zeroed, cut, duplicated, exchanged; verify must report exactly the
//! damage done, and nothing as doubtful but what stands in the last unproven batch.

use std::collections::BTreeSet;
use std::ops::Range;

use kahawai_journal::FileName;
use kahawai_journal::disk::Disk;
use kahawai_journal::disk::memory::MemoryDisk;
use kahawai_journal::inspect::{Examination, Finding, Lost, Severity};
use kahawai_store::batch::{Batch, DestinationKind};
use kahawai_store::contract::{Store as _, StoreWait as _};
use kahawai_store::names::Epoch;

use super::support::{
    At, Open, RECORD_HEADER, acknowledge, bytes_of, copy, create, enqueue, examine, inspect, records, replace,
};

/// The length of a segment's header, and how much of it its checksum covers.
const SEGMENT_HEADER: u64 = 128;
const SEGMENT_HEADER_COVERED: u64 = 102;
const MESSAGES: u64 = 96;
/// The record that creates the queue: with it goes what stands behind it until the next segment says again what exists.
const CREATION: u64 = 2;

/// A log of three epochs and several segments, closed in good order.
fn sound() -> (MemoryDisk, Vec<At>) {
    let disk = MemoryDisk::new();
    let mut id = 0;
    for epoch in 1..=3 {
        let open = Open::on(&disk);
        if epoch == 1 {
            open.journal.commit_wait(create(1, DestinationKind::Queue).into()).expect("it commits");
        }
        for _ in 0..16 {
            let operations = (0..2).map(|_| {
                id += 1;
                // Bodies of every length modulo 8, so that there is padding of each.
                enqueue(id, 1, 140 + (id % 9) as usize)
            });
            open.journal.commit_wait(Batch::new(operations.collect())).expect("it commits");
        }
        open.close();
    }
    assert_eq!(id, MESSAGES);
    let records = records(&disk);
    let found = examine(&disk);
    assert_eq!(found.findings, Vec::new(), "it is sound");
    assert!(found.closed);
    let segments: BTreeSet<u64> = records.iter().map(|record| record.segment).collect();
    assert!(segments.len() >= 6, "{segments:?}");
    (disk, records)
}

fn damage(found: &Examination) -> Vec<&Finding> {
    found.findings.iter().filter(|finding| finding.severity == Severity::Damage).collect()
}

fn waiting(found: &Examination) -> u64 {
    found.holds.destinations.iter().map(|held| held.messages).sum()
}

/// Makes sure that exactly these records are reported lost, in these files, with all of their messages named or said to be
/// unreadable, and that everything else is deliverable.
fn exactly(disk: &MemoryDisk, lost: &[&At], files: &[FileName], at: &str) {
    let found = examine(disk);
    let damage = damage(&found);
    let all = &found.findings;
    assert!(!damage.is_empty(), "{at}: nothing is reported: {all:#?}");
    let reported: BTreeSet<String> = damage.iter().map(|finding| finding.file.clone()).collect();
    let expected: BTreeSet<String> = files.iter().map(ToString::to_string).collect();
    assert_eq!(reported, expected, "{at}: the files: {all:#?}");
    assert!(
        all.iter().all(|finding| finding.severity != Severity::Doubtful),
        "{at}: something is called doubtful: {all:#?}"
    );
    let said: BTreeSet<u64> = damage
        .iter()
        .filter(|finding| !finding.problem.contains("whole"))
        .filter_map(|finding| finding.sequences)
        .flat_map(|(first, last)| first..=last)
        .collect();
    let expected: BTreeSet<u64> = lost.iter().map(|record| record.sequence).collect();
    assert_eq!(said, expected, "{at}: the records: {all:#?}");
    let expected: BTreeSet<u64> = lost.iter().flat_map(|record| &record.ids).copied().collect();
    let mut named = BTreeSet::new();
    for lost in damage.iter().flat_map(|finding| &finding.lost) {
        match lost {
            Lost::Message { id, acknowledged: false, .. } => assert!(named.insert(id.0), "{at}: named twice"),
            Lost::Other(_) => {}
            other => panic!("{at}: {other:?}"),
        }
    }
    let unreadable = damage.iter().any(|finding| finding.unreadable);
    // Where a body does not verify, a number in it may be what was damaged.
    if damage.iter().any(|finding| !finding.certain) {
        assert!(unreadable || named.len() == expected.len(), "{at}: {named:?} of {expected:?}: {all:#?}");
        assert!(named.difference(&expected).count() <= 1, "{at}: {named:?} of {expected:?}: {all:#?}");
        assert_eq!(waiting(&found), MESSAGES - expected.len() as u64, "{at}: what is deliverable: {all:#?}");
        return;
    }
    assert!(named.is_subset(&expected), "{at}: {named:?} of {expected:?}: {all:#?}");
    assert!(unreadable || named == expected, "{at}: {named:?} of {expected:?}: {all:#?}");
    assert_eq!(waiting(&found), MESSAGES - expected.len() as u64, "{at}: what is deliverable: {all:#?}");
}

/// Makes sure that exactly this message is reported lost, with its place, and that all others are deliverable.
fn exactly_message(disk: &MemoryDisk, record: &At, id: u64, range: &Range<u64>, at: &str) {
    let found = examine(disk);
    let [finding] = found.findings.as_slice() else { panic!("{at}: {:#?}", found.findings) };
    assert_eq!((finding.severity, &finding.file), (Severity::Damage, &record.name.to_string()), "{at}");
    assert_eq!(finding.sequences, Some((record.sequence, record.sequence)), "{at}");
    assert_eq!(finding.bytes, Some((range.start, range.end)), "{at}");
    let [Lost::Message { id: lost, acknowledged: false, .. }] = finding.lost[..] else {
        panic!("{at}: {finding:#?}")
    };
    assert_eq!(lost.0, id, "{at}");
    assert!(finding.certain && !finding.unreadable, "{at}: {finding:#?}");
    assert_eq!(waiting(&found), MESSAGES - 1, "{at}: what is deliverable");
}

/// The records whose header or body a change of these bytes of a segment meets. Padding is none of theirs.
fn met(records: &[At], body_end: impl Fn(&At) -> u64, name: FileName, from: u64, to: u64) -> Vec<&At> {
    let meets = |record: &&At| record.name == name && record.offset < to && from < body_end(record);
    records.iter().filter(meets).collect()
}

/// Where a record's body ends, by the length in its header.
fn body_end(disk: &MemoryDisk, record: &At) -> u64 {
    let bytes = bytes_of(disk, record.name);
    let at = record.offset as usize + 8;
    let length = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    record.offset + RECORD_HEADER + u64::from(length)
}

#[test]
fn a_flipped_byte_in_every_field_of_every_record_is_that_record() {
    let (disk, records) = sound();
    let last = records.last().expect("records").clone();
    let (mut cases, mut of_messages) = (0, 0);
    let is_tried = |record: &At| record.sequence != last.sequence && record.sequence != CREATION;
    for (number, record) in records.iter().enumerate().filter(|(_, record)| is_tried(record)) {
        let end = body_end(&disk, record);
        let fields = [0, 3, 4, 8, 10, 11, 12, 13, 16, 23, 24, 31, 32, 39];
        let body = end - record.offset - RECORD_HEADER;
        let in_body = [0, 1, body / 3, body / 2, body.saturating_sub(9), body.saturating_sub(1)];
        let in_body = in_body.into_iter().filter(|at| *at < body).map(|at| RECORD_HEADER + at);
        for (which, field) in fields.into_iter().chain(in_body).enumerate() {
            // Every field of a third of the records, a third of the fields of every one.
            if number % 3 != 0 && which % 3 != number % 3 {
                continue;
            }
            let damaged = copy(&disk);
            let place = record.offset + field;
            damaged.damage(record.name, place as usize, |bytes| bytes[0] ^= 0x11);
            let at = format!("{} record {} byte {field}", record.name, record.sequence);
            cases += 1;
            if let Some((&id, range)) = record.messages.iter().find(|(_, at)| at.contains(&place)) {
                of_messages += 1;
                exactly_message(&damaged, record, id, range, &at);
                continue;
            }
            exactly(&damaged, &[record], &[record.name], &at);
            let found = examine(&damaged);
            let place_said = damage(&found)[0].bytes.expect("a place");
            assert_eq!(place_said, (record.offset, record.offset + record.length), "{at}");
        }
        for padding in end..record.offset + record.length {
            let damaged = copy(&disk);
            damaged.damage(record.name, padding as usize, |bytes| bytes[0] ^= 1);
            let found = examine(&damaged);
            assert_eq!(damage(&found).len(), 1, "padding at {padding}: {:#?}", found.findings);
            assert_eq!(waiting(&found), MESSAGES);
            cases += 1;
        }
    }
    println!("{cases} flips in records, {of_messages} of them in messages");
    assert!(cases > 500 && of_messages > 25, "{cases}, {of_messages}");
}

#[test]
fn what_a_lost_creation_takes_with_it_is_named() {
    let (disk, records) = sound();
    let creation = records.iter().find(|record| record.sequence == CREATION).expect("its record");
    let damaged = copy(&disk);
    damaged.damage(creation.name, (creation.offset + 2) as usize, |bytes| bytes[0] ^= 1);
    let found = examine(&damaged);
    let gone: BTreeSet<u64> = records
        .iter()
        .filter(|record| record.name == creation.name)
        .flat_map(|record| record.ids.iter().copied())
        .collect();
    let named: BTreeSet<u64> = damage(&found)
        .iter()
        .flat_map(|finding| &finding.lost)
        .filter_map(|lost| match lost {
            Lost::Message { id, .. } => Some(id.0),
            _ => None,
        })
        .collect();
    assert_eq!(named, gone, "{:#?}", found.findings);
    assert_eq!(waiting(&found), MESSAGES - gone.len() as u64);
}

#[test]
fn damage_to_a_segments_header_takes_nothing_and_is_said() {
    let (disk, records) = sound();
    let names: BTreeSet<FileName> = records.iter().map(|record| record.name).collect();
    for name in names {
        for place in 0..SEGMENT_HEADER {
            let damaged = copy(&disk);
            damaged.damage(name, place as usize, |bytes| bytes[0] ^= 0x24);
            exactly(&damaged, &[], &[name], &format!("{name} byte {place}"));
            let found = examine(&damaged);
            let from = if place < SEGMENT_HEADER_COVERED { 0 } else { SEGMENT_HEADER_COVERED };
            assert_eq!(damage(&found)[0].bytes, Some((from, SEGMENT_HEADER)), "{name} byte {place}");
        }
    }
}

#[test]
fn zeroed_duplicated_and_exchanged_records_are_those_records() {
    let (disk, records) = sound();
    let last = records.last().expect("records").sequence;
    let end = |record: &At| body_end(&disk, record);
    let mut cases = 0;
    for count in [1, 2, 3, 5] {
        for window in records.windows(count).step_by(3) {
            let (first, behind) = (&window[0], &window[count - 1]);
            let creates = window.iter().any(|record| record.sequence == CREATION);
            if first.name != behind.name || behind.sequence == last || creates {
                continue;
            }
            for fill in [0x00, 0xff] {
                let damaged = copy(&disk);
                let (from, to) = (first.offset + 3, behind.offset + behind.length / 2);
                damaged.damage(first.name, from as usize, |bytes| bytes[..(to - from) as usize].fill(fill));
                let lost = met(&records, end, first.name, from, to);
                let at = format!("{} from {from} to {to} filled with {fill:x}", first.name);
                exactly(&damaged, &lost, &[first.name], &at);
                cases += 1;
            }
        }
    }
    for pair in records.windows(4).step_by(2) {
        let (from, onto) = (&pair[0], &pair[3]);
        if from.name != onto.name || from.length > onto.length || onto.sequence == last || !from.is_batch {
            continue;
        }
        let source = bytes_of(&disk, from.name);
        let source = &source[from.offset as usize..(from.offset + from.length) as usize];
        let damaged = copy(&disk);
        damaged
            .damage(onto.name, onto.offset as usize, |bytes| bytes[..source.len()].copy_from_slice(source));
        exactly(&damaged, &[onto], &[onto.name], &format!("record {} over {}", from.sequence, onto.sequence));
        cases += 1;
        if from.length == onto.length {
            let other = bytes_of(&disk, onto.name);
            let other = &other[onto.offset as usize..(onto.offset + onto.length) as usize];
            damaged
                .damage(from.name, from.offset as usize, |bytes| bytes[..other.len()].copy_from_slice(other));
            let at = format!("records {} and {} exchanged", from.sequence, onto.sequence);
            exactly(&damaged, &[from, onto], &[from.name], &at);
            cases += 1;
        }
    }
    println!("{cases} records zeroed, duplicated, exchanged");
    assert!(cases > 40, "{cases}");
}

#[test]
fn a_segment_cut_short_loses_what_was_behind_the_cut() {
    let (disk, records) = sound();
    let last = records.last().expect("records").clone();
    let names: BTreeSet<FileName> = records.iter().map(|record| record.name).collect();
    let mut silent = 0;
    for name in names {
        let bytes = bytes_of(&disk, name);
        let own: Vec<&At> = records.iter().filter(|record| record.name == name).collect();
        let mut cuts = vec![SEGMENT_HEADER, SEGMENT_HEADER + 7];
        cuts.extend(own.iter().flat_map(|record| {
            let end = record.offset + record.length;
            [record.offset + 20, record.offset + RECORD_HEADER + 4, end - 8, end]
        }));
        for cut in cuts {
            let damaged = copy(&disk);
            replace(&damaged, name, &bytes[..cut as usize]);
            let at = format!("{name} cut at {cut}");
            let lost: Vec<&At> =
                own.iter().copied().filter(|record| record.offset + record.length > cut).collect();
            if lost.is_empty() {
                // Only zeros behind the last record are gone.
                assert_eq!(damage(&examine(&damaged)), Vec::<&Finding>::new(), "{at}");
                continue;
            }
            if name != last.name {
                exactly(&damaged, &lost, &[name], &at);
                continue;
            }
            // The end of the log itself: a cut within a record proves itself; one between two records is told only by
            // the note that the log was closed, which is missing.
            let found = examine(&damaged);
            assert!(!found.findings.is_empty(), "{at}: silent");
            assert!(!found.closed, "{at}");
            silent += u64::from(damage(&found).is_empty());
        }
        let damaged = copy(&disk);
        damaged.remove(name).expect("it goes");
        let at = format!("{name} is missing");
        if name == last.name {
            let found = examine(&damaged);
            assert!(!found.findings.is_empty(), "{at}: silent");
        } else {
            exactly(&damaged, &own, &[name], &at);
        }
    }
    println!("{silent} cuts of the log's end are told by the missing close note only");
}

#[test]
fn exchanged_and_duplicated_segments_are_said_to_be() {
    let (disk, records) = sound();
    let last = records.last().expect("records").name;
    let names: Vec<FileName> = records
        .iter()
        .map(|record| record.name)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|name| *name != last)
        .collect();
    let of = |names: &[FileName]| -> Vec<&At> {
        records.iter().filter(|record| names.contains(&record.name)).collect()
    };
    let mut cases = 0;
    for (index, one) in names.iter().enumerate() {
        for other in &names[index + 1..] {
            let (a, b) = (bytes_of(&disk, *one), bytes_of(&disk, *other));
            let damaged = copy(&disk);
            replace(&damaged, *other, &a);
            let at = format!("{one} copied over {other}");
            exactly(&damaged, &of(&[*other]), &[*other], &at);
            assert!(
                damage(&examine(&damaged)).iter().any(|found| found.problem.contains("exchanged or copied")),
                "{at}"
            );
            replace(&damaged, *one, &b);
            exactly(&damaged, &of(&[*one, *other]), &[*one, *other], &format!("{one} and {other} exchanged"));
            cases += 2;
        }
    }
    assert!(cases >= 20, "{cases}");
}

#[test]
fn every_byte_of_the_small_files_is_watched_over() {
    let (disk, _) = sound();
    let small: Vec<FileName> = disk
        .list()
        .expect("a list")
        .into_iter()
        .filter(|name| matches!(name, FileName::Identity | FileName::Claim(_) | FileName::Seal(_)))
        .collect();
    assert_eq!(small.len(), 7, "{small:?}");
    let alone = |damaged: &MemoryDisk, names: &[FileName], at: &str| {
        let found = examine(damaged);
        let said: BTreeSet<String> = damage(&found).iter().map(|finding| finding.file.clone()).collect();
        let expected: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(said, expected, "{at}: {:#?}", found.findings);
        assert_eq!(waiting(&found), MESSAGES, "{at}: {:#?}", found.findings);
        let prevents = |name: &FileName| !matches!(name, FileName::Claim(_));
        assert_eq!(
            damage(&found).iter().any(|finding| finding.prevents_start),
            names.iter().any(prevents),
            "{at}"
        );
    };
    for name in &small {
        let content = disk.read(*name).expect("it reads").expect("it is there");
        for place in 0..content.len() {
            let damaged = copy(&disk);
            damaged.damage(*name, place, |bytes| bytes[0] ^= 0x41);
            alone(&damaged, &[*name], &format!("{name} byte {place}"));
        }
        for length in [0, 5, 9, content.len() - 1] {
            let damaged = copy(&disk);
            replace(&damaged, *name, &content[..length]);
            alone(&damaged, &[*name], &format!("{name} cut to {length}"));
        }
        let damaged = copy(&disk);
        replace(&damaged, *name, &vec![0; content.len()]);
        alone(&damaged, &[*name], &format!("{name} zeroed"));
        let damaged = copy(&disk);
        damaged.remove(*name).expect("it goes");
        let found = examine(&damaged);
        // The youngest claim is known by its seal; the youngest of all by nothing, if its epoch never sealed.
        assert!(
            damage(&found).iter().any(|finding| finding.file == name.to_string()),
            "{name} is missing: {:#?}",
            found.findings
        );
        assert_eq!(waiting(&found), MESSAGES, "{name} is missing");
    }
    for kind in [FileName::Claim as fn(Epoch) -> FileName, FileName::Seal] {
        let (one, other) = (kind(Epoch(1)), kind(Epoch(2)));
        let a = disk.read(one).expect("it reads").expect("it is there");
        let b = disk.read(other).expect("it reads").expect("it is there");
        let damaged = copy(&disk);
        replace(&damaged, other, &a);
        alone(&damaged, &[other], &format!("{one} copied over {other}"));
        replace(&damaged, one, &b);
        alone(&damaged, &[one, other], &format!("{one} and {other} exchanged"));
    }
    // A sign of life that cannot be read concerns nothing that is stored.
    let beat = FileName::Beat(Epoch(3));
    let length = disk.read(beat).expect("it reads").expect("it is there").len();
    for place in 0..length {
        let damaged = copy(&disk);
        damaged.damage(beat, place, |bytes| bytes[0] ^= 0x41);
        let found = examine(&damaged);
        assert_eq!(damage(&found), Vec::<&Finding>::new(), "{beat} byte {place}");
        assert!(found.findings.iter().any(|finding| finding.file == beat.to_string()), "{beat} byte {place}");
    }
}

#[test]
fn what_the_last_flush_left_is_torn_or_doubtful_and_never_damage() {
    let disk = MemoryDisk::new();
    let open = Open::on(&disk);
    open.journal.commit_wait(create(1, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=4 {
        open.journal.commit_wait(enqueue(id, 1, 150).into()).expect("it commits");
    }
    // A master that is killed closes nothing.
    let crashed = copy(&disk);
    drop(open);
    let records = records(&crashed);
    let last = records.last().expect("records");
    for place in 0..last.length - 8 {
        let damaged = copy(&crashed);
        damaged.damage(last.name, (last.offset + place) as usize, |bytes| bytes[0] ^= 0xff);
        let found = examine(&damaged);
        assert_eq!(damage(&found), Vec::<&Finding>::new(), "byte {place}");
        assert_eq!(waiting(&found), 3, "byte {place}: {:#?}", found.findings);
    }
    // Two records were in one last flush, and the first of them is torn: the second is doubtful, and nothing else is.
    let [.., before, torn, behind] = records.as_slice() else { panic!("{records:?}") };
    let mut bytes = bytes_of(&crashed, last.name);
    let durable = before.sequence;
    for record in [torn, behind] {
        rewrite_durable(&crashed, &mut bytes, record, durable);
    }
    let damaged = copy(&crashed);
    replace(&damaged, last.name, &bytes);
    assert_eq!(examine(&damaged).findings, Vec::new(), "both are whole");
    damaged.damage(last.name, (torn.offset + RECORD_HEADER + 9) as usize, |bytes| bytes[0] ^= 0xff);
    let found = examine(&damaged);
    assert_eq!(damage(&found), Vec::<&Finding>::new());
    let doubtful: Vec<_> =
        found.findings.iter().filter(|finding| finding.severity == Severity::Doubtful).collect();
    assert_eq!(doubtful.len(), 1, "{:#?}", found.findings);
    assert_eq!(doubtful[0].sequences, Some((behind.sequence, behind.sequence)));
    assert_eq!(doubtful[0].bytes, Some((behind.offset, behind.offset + behind.length)));
    assert_eq!(waiting(&found), 2);
}

/// Makes a record say that the log was durable through another sequence, checksum and all.
fn rewrite_durable(disk: &MemoryDisk, bytes: &mut [u8], record: &At, durable: u64) {
    let seal = disk.read(FileName::Seal(Epoch(1))).expect("it reads").expect("it is there");
    let at = record.offset as usize;
    bytes[at + 32..at + 40].copy_from_slice(&durable.to_le_bytes());
    let mut covered = seal[34..50].to_vec();
    covered.extend_from_slice(&record.segment.to_le_bytes());
    covered.extend_from_slice(&record.offset.to_le_bytes());
    covered.extend_from_slice(&bytes[at + 4..at + 40]);
    let crc = crc32fast::hash(&covered);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_lost_message_that_was_acknowledged_and_a_lost_acknowledgement_are_told_apart() {
    let disk = MemoryDisk::new();
    let open = Open::on(&disk);
    open.journal.commit_wait(create(1, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=3 {
        open.journal.commit_wait(enqueue(id, 1, 100).into()).expect("it commits");
    }
    open.journal.commit_wait(acknowledge(2, 1).into()).expect("it commits");
    open.close();
    let records = records(&disk);
    let of = |id: u64| records.iter().find(|record| record.ids.contains(&id)).expect("its record");
    let acknowledgement = records.iter().rev().find(|record| record.is_batch).expect("its record");
    let flip = |record: &At| {
        let damaged = copy(&disk);
        damaged.damage(record.name, (record.offset + RECORD_HEADER + 30) as usize, |bytes| bytes[0] ^= 1);
        examine(&damaged)
    };
    let found = flip(of(2));
    assert!(matches!(damage(&found)[0].lost[..], [Lost::Message { acknowledged: true, .. }]), "{found:#?}");
    assert_eq!(waiting(&found), 2);
    let found = flip(of(3));
    assert!(matches!(damage(&found)[0].lost[..], [Lost::Message { acknowledged: false, .. }]), "{found:#?}");
    assert_eq!(waiting(&found), 1);
    let damaged = copy(&disk);
    let place = (acknowledgement.offset + 1) as usize;
    damaged.damage(acknowledgement.name, place, |bytes| bytes[0] ^= 1);
    let found = examine(&damaged);
    assert!(matches!(damage(&found)[0].lost[..], [Lost::Acknowledgement { .. }]), "{found:#?}");
    assert_eq!(waiting(&found), 3, "it is delivered again");
    assert!(inspect(&damaged).usage(&found, &mut |_| {}, &mut |_| {}).is_ok());
}

#[test]
fn a_segment_that_was_set_aside_is_told_of_and_is_not_missed() {
    let disk = MemoryDisk::new();
    let open = Open::on(&disk);
    open.journal.commit_wait(create(1, DestinationKind::Queue).into()).expect("it commits");
    for id in 1..=60 {
        open.journal.commit_wait(enqueue(id, 1, 300).into()).expect("it commits");
    }
    open.close();
    let records = records(&disk);
    let hit = records.iter().find(|record| record.is_batch && !record.ids.is_empty()).expect("a message");
    // Of its skeleton: the message is lost with it.
    let at = (hit.offset + RECORD_HEADER + 2) as usize;
    disk.damage(hit.name, at, |bytes| bytes[0] ^= 1);
    for name in disk.list().expect("a list") {
        if matches!(name, FileName::Run { .. } | FileName::Checkpoint { .. }) {
            disk.remove(name).expect("it goes");
        }
    }
    let open = Open::on(&disk);
    for id in (1..=60).filter(|id| !hit.ids.contains(id)) {
        open.journal.commit_wait(acknowledge(id, 1).into()).expect("it commits");
    }
    let FileName::Segment { epoch, number } = hit.name else { panic!("{}", hit.name) };
    let aside = FileName::Quarantine { epoch, number };
    assert!(disk.ask(aside).expect("an answer") && !disk.ask(hit.name).expect("an answer"));
    // As it is now, and after the log itself says so.
    for closes in [false, true] {
        let found = examine(&copy(&disk));
        let told: Vec<_> = damage(&found);
        assert_eq!(told.len(), 1, "closes {closes}: {told:#?}");
        assert_eq!((told[0].file.as_str(), told[0].segment), (aside.to_string().as_str(), Some(number)));
        assert!(found.released >= number && !told[0].prevents_start);
        if !closes {
            open.journal.close();
        }
    }
}
