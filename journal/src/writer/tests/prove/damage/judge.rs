//! Recovers and inspects a damaged store, and compares.

use std::collections::BTreeSet;
use std::sync::Arc;

use kahawai_store::contract::StoreError;
use kahawai_store::model::Contents;
use kahawai_store::names::MessageId;

use super::super::super::driver::{real, summary};
use super::super::super::places::{Files, segment_covered};
use super::super::play;
use super::expect::{Expected, sent};
use super::stores::Sound;
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::format::name::FileName;
use crate::format::record::Kind;
use crate::inspect::{Examination, Finding, Inspection, Lost, Severity};

/// A disk with these files.
pub(super) fn disk_of(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (name, bytes) in files {
        assert!(disk.publish(*name, bytes).expect("it takes it"));
    }
    disk.sync_names().expect("it syncs");
    disk
}

fn is_index(name: &FileName) -> bool {
    matches!(name, FileName::Run { .. } | FileName::Checkpoint { .. })
}

/// What a master found: everything, and what it called damage.
type Found = (Contents, Vec<String>);

/// Recovers a disk by two masters, one after the other; where none starts, why. Damage in the index may end a life: the next one does
/// without it.
fn recover(disk: &MemoryDisk, sound: &Sound) -> Result<[Found; 2], String> {
    let mut found = Vec::new();
    let mut ended: Option<StoreError> = None;
    for epoch in sound.epoch.. {
        let store = match play::open_as_it_is(Arc::new(disk.clone()), epoch, sound.with_checkpoints) {
            Ok(store) => store,
            Err(error) if found.is_empty() && ended.is_none() => return Err(error.to_string()),
            Err(error) => panic!("after a master that started none does: {error}"),
        };
        match Contents::of(&store, 1000) {
            Ok(contents) => {
                let damage = store.damage();
                found.push((contents, real(&damage).into_iter().cloned().collect()));
            }
            Err(error) => {
                assert!(ended.is_none(), "it ends again: {error}");
                // What a reader found, the writer acts upon.
                store.idle();
                ended = Some(error);
            }
        }
        if found.len() == 2 {
            break;
        }
    }
    Ok(found.try_into().expect("two"))
}

/// Holds one damaged store against what must be left of it.
pub(super) fn judge(sound: &Sound, files: &Files, disk: MemoryDisk, expected: &Expected) {
    let prevents = |name: FileName| matches!(name, FileName::Identity | FileName::Seal(_));
    let is_refused = expected.touched.files().any(prevents);
    verify(sound, &disk, expected, is_refused);
    if sound.files.keys().any(is_index) {
        let recovered = recover(&disk_of(files), sound);
        assert_eq!(recovered.is_err(), is_refused, "whether a broker starts: {:?}", recovered.err());
        for found in recovered.into_iter().flatten() {
            compare(sound, &found, expected, true);
        }
        for name in sound.files.keys().filter(|name| is_index(name)) {
            disk.remove(*name).expect("it goes");
        }
    }
    let recovered = recover(&disk, sound);
    assert_eq!(recovered.is_err(), is_refused, "whether a broker starts: {:?}", recovered.err());
    if let Ok([first, second]) = recovered {
        compare(sound, &first, expected, false);
        assert!(first.0 == second.0, "the next master finds something else: {}", summary(&second.0));
    }
}

fn compare(sound: &Sound, (found, damage): &Found, expected: &Expected, with_index: bool) {
    let sent = sent(sound);
    // What a checkpoint says is not read again: what is damaged before it costs nothing but the messages themselves.
    let mut unsure = expected.unsure.clone();
    let (mut catalogue_unsure, mut prepared_unsure) = (expected.catalogue_unsure, expected.prepared_unsure);
    if with_index {
        let lost = sound.records.iter().zip(&expected.fates).filter(|(_, fate)| fate.is_lost || fate.is_cut);
        for (record, _) in lost {
            unsure.extend(&record.about);
            catalogue_unsure = true;
            prepared_unsure = true;
        }
    }
    let sure = |id: &MessageId| !unsure.contains(id);
    let places = |contents: &Contents| -> BTreeSet<_> {
        contents.waiting.iter().map(|waiting| (waiting.destination, waiting.subscription)).collect()
    };
    for place in places(found).union(&places(&expected.contents)) {
        let of = |contents: &Contents| {
            let waiting =
                contents.waiting.iter().find(|found| (found.destination, found.subscription) == *place);
            let messages = waiting.map_or(Vec::new(), |waiting| waiting.messages.clone());
            let damaged =
                waiting.map_or(BTreeSet::new(), |waiting| waiting.damaged.iter().copied().collect());
            (messages, damaged)
        };
        let ((mut messages, damaged), (mut expected_messages, expected_damaged)) =
            (of(found), of(&expected.contents));
        for stored in &messages {
            assert_eq!(
                Some(&stored.message),
                sent.get(&stored.id),
                "{place:?}: {} is not what was sent",
                stored.id
            );
        }
        messages.retain(|stored| sure(&stored.id));
        expected_messages.retain(|stored| sure(&stored.id));
        let ids = |messages: &[kahawai_store::contract::StoredMessage]| {
            messages
                .iter()
                .map(|stored| (stored.id.0, stored.cursor.rank, stored.cursor.arrival))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            ids(&messages),
            ids(&expected_messages),
            "{place:?}: what is delivered; it said {damage:#?}\n{}",
            summary(found)
        );
        let sure_of = |ids: BTreeSet<MessageId>| ids.into_iter().filter(sure).collect::<BTreeSet<_>>();
        assert_eq!(sure_of(damaged), sure_of(expected_damaged), "{place:?}: what cannot be read");
    }
    if !catalogue_unsure {
        let named = |contents: &Contents| {
            let destinations: Vec<_> =
                contents.destinations.iter().map(|found| found.destination.clone()).collect();
            let subscriptions: Vec<_> =
                contents.subscriptions.iter().map(|found| found.subscription.clone()).collect();
            (destinations, subscriptions)
        };
        assert_eq!(named(found), named(&expected.contents), "what exists");
    }
    if !catalogue_unsure && !prepared_unsure {
        assert_eq!(found.tables, expected.contents.tables);
        assert_eq!(found.prepared, expected.contents.prepared);
    }
    let is_damage = expected.fates.iter().any(|fate| fate.is_hit() && !fate.is_cut);
    if is_damage && !with_index {
        assert!(!damage.is_empty(), "it says nothing");
    }
    let is_untouched = expected.files(sound).0.is_empty()
        && !expected.touched.files().any(|name| matches!(name, FileName::Segment { .. }));
    if is_untouched {
        assert_eq!(*damage, Vec::<String>::new(), "it speaks of damage where there is none");
    }
}

fn examine(disk: &MemoryDisk) -> Examination {
    let inspection = Inspection::on(Arc::new(disk.clone()), "the disk".to_owned()).expect("a store");
    inspection.examine(&mut |_| {}).expect("it can be read")
}

/// What the tools say is the damage done, and nothing else.
fn verify(sound: &Sound, disk: &MemoryDisk, expected: &Expected, is_refused: bool) {
    let found = examine(disk);
    let all = &found.findings;
    let damage: Vec<&Finding> = all.iter().filter(|finding| finding.severity == Severity::Damage).collect();
    let (must, may) = expected.files(sound);
    let lost = || sound.records.iter().zip(&expected.fates).filter(|(_, fate)| fate.is_lost || fate.is_cut);
    // What the note of a release said is not known without it, nor where it stands once more.
    let says_release = |name: FileName| {
        matches!(name, FileName::Segment { .. }) && expected.touched.meets(name, 0..segment_covered())
    };
    let forgets_release = lost().any(|(record, _)| record.header.kind == Kind::Release)
        || expected.touched.files().any(says_release);
    let was_there = |file: &str| sound.files.keys().any(|name| name.to_string() == file);
    let is_consequence = |finding: &&&Finding| {
        finding.problem.starts_with("the record is whole, and names")
            || forgets_release && finding.problem.contains("missing") && !was_there(&finding.file)
    };
    let direct: Vec<_> = damage.iter().filter(|finding| !is_consequence(finding)).collect();
    let said: BTreeSet<String> = direct.iter().map(|finding| finding.file.clone()).collect();
    // Where a seal is gone, and the header of its first segment too, nothing tells of that log.
    let (must, may) = match is_refused {
        true => (
            must.iter().filter(|name| !name.starts_with("journal")).cloned().collect(),
            must.union(&may).cloned().collect(),
        ),
        false => (must, may),
    };
    assert!(must.is_subset(&said), "not said of {:?}: {all:#?}", must.difference(&said));
    let beyond: BTreeSet<_> = said.difference(&must).filter(|name| !may.contains(*name)).collect();
    assert!(beyond.is_empty(), "said of {beyond:?}, which is sound: {all:#?}");
    assert_eq!(
        damage.iter().any(|finding| finding.prevents_start),
        is_refused,
        "whether a broker starts: {all:#?}"
    );
    let of_records = direct.iter().filter(|finding| !finding.problem.contains("the record itself is whole"));
    let sequences: BTreeSet<u64> =
        of_records.filter_map(|finding| finding.sequences).flat_map(|(first, last)| first..=last).collect();
    if is_refused && expected.touched.files().count() > 1 {
        return;
    }
    let all_records = || sound.records.iter().zip(&expected.fates);
    let hit: BTreeSet<u64> = all_records()
        .filter(|(_, fate)| fate.is_hit() && !fate.is_cut)
        .map(|(record, _)| record.header.sequence)
        .collect();
    let cut: BTreeSet<u64> =
        all_records().filter(|(_, fate)| fate.is_cut).map(|(record, _)| record.header.sequence).collect();
    // With the header of the first segment goes what said which record the log begins with.
    let front = sound.records.first().expect("records");
    let begins = match expected.touched.meets(front.name, 0..segment_covered()) {
        true => all_records()
            .find(|(_, fate)| !fate.is_lost)
            .map_or(u64::MAX, |(record, _)| record.header.sequence),
        false => 0,
    };
    // What none that is whole follows is counted by nothing.
    let last = all_records().rfind(|(_, fate)| !fate.is_lost && !fate.is_cut);
    let ends = last.map_or(0, |(record, _)| record.header.sequence);
    let must: BTreeSet<u64> =
        hit.iter().copied().filter(|sequence| (begins..=ends).contains(sequence)).collect();
    let sequences: BTreeSet<u64> = sequences.into_iter().filter(|sequence| *sequence >= begins).collect();
    assert!(
        must.is_subset(&sequences),
        "the records {:?} are not said: {all:#?}",
        must.difference(&sequences)
    );
    let beyond: BTreeSet<_> = sequences.difference(&hit).filter(|sequence| !cut.contains(sequence)).collect();
    assert!(beyond.is_empty(), "said of the records {beyond:?}, which are whole: {all:#?}");
    let about: BTreeSet<MessageId> = all_records()
        .filter(|(_, fate)| fate.is_hit() || fate.is_cut)
        .flat_map(|(record, _)| record.about.iter().copied())
        .collect();
    for finding in direct.iter().filter(|finding| finding.certain) {
        for lost in &finding.lost {
            let (Lost::Message { id, .. } | Lost::Acknowledgement { id, .. } | Lost::Move { id, .. }) = lost
            else {
                continue;
            };
            assert!(about.contains(id), "message {id} is said to be lost: {finding:#?}");
        }
    }
    let doubtful = all.iter().filter(|finding| finding.severity == Severity::Doubtful).count();
    assert!(doubtful == 0 || !cut.is_empty(), "something is called doubtful: {all:#?}");
}
