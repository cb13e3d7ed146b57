//! What must be left of a damaged store, by the rules of `FORMAT.md` and the model alone.
//!
//! A record is lost with its header or its skeleton, a message with its own bytes or their checksum's; what was lost took its arrivals.
//! The last segment ends before the first torn record that no other says was durable.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome};
use kahawai_store::message::Message;
use kahawai_store::model::{Contents, State};
use kahawai_store::names::{DestinationId, MessageId, Xid};

use super::super::super::driver::contents_of;
use super::super::super::places::{Files, Record, segment_covered};
use super::super::super::script::{create, enqueue};
use super::stores::Sound;
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::format::segment;

/// A topic that nobody is subscribed to: a message for it leaves nothing but that an arrival was taken.
const NOWHERE: DestinationId = DestinationId(1 << 40);

/// Which bytes of a sound store's files are not what they were, or not there.
pub(super) struct Touched(BTreeMap<FileName, Vec<bool>>);

impl Touched {
    pub(super) fn new(sound: &Files, damaged: &Files) -> Self {
        let mut touched = BTreeMap::new();
        for (name, bytes) in sound {
            let now = damaged.get(name).map_or(&[][..], |bytes| bytes);
            if now != bytes {
                let differs = |(at, byte): (usize, &u8)| now.get(at) != Some(byte);
                touched.insert(*name, bytes.iter().enumerate().map(differs).collect());
            }
        }
        Self(touched)
    }

    pub(super) fn meets(&self, name: FileName, range: Range<usize>) -> bool {
        self.0.get(&name).is_some_and(|touched| touched[range].contains(&true))
    }

    pub(super) fn files(&self) -> impl Iterator<Item = FileName> {
        self.0.keys().copied()
    }
}

/// What became of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) is_lost: bool,
    /// The messages in it that are not what was written.
    pub(super) bad: BTreeSet<MessageId>,
    pub(super) padding: bool,
    /// Beyond what the log proves: a torn tail and no damage.
    pub(super) is_cut: bool,
}

impl Fate {
    pub(super) fn is_hit(&self) -> bool {
        self.is_lost || !self.bad.is_empty()
    }
}

/// What must be found.
pub(super) struct Expected {
    pub(super) fates: Vec<Fate>,
    pub(super) touched: Touched,
    /// What the store holds, with what cannot be read.
    pub(super) contents: Contents,
    pub(super) unreadable: BTreeSet<MessageId>,
    /// Messages of which the rules leave open what becomes of them.
    pub(super) unsure: BTreeSet<MessageId>,
    /// Whether that goes for what exists, or for transactions.
    pub(super) catalogue_unsure: bool,
    pub(super) prepared_unsure: bool,
}

fn fate(record: &Record, touched: &Touched, length: usize) -> Fate {
    let mut at = record.offset;
    let mut is_lost = record.end > length;
    let mut bad = BTreeSet::new();
    for (id, range) in &record.messages {
        is_lost |= touched.meets(record.name, at..range.start);
        if touched.meets(record.name, range.clone()) {
            bad.insert(*id);
        }
        at = range.end;
    }
    is_lost |= touched.meets(record.name, at..record.body_end);
    let padding = touched.meets(record.name, record.body_end..record.end);
    Fate { is_lost, bad, padding, is_cut: false }
}

/// Finds where the last segment is torn: nothing that is left says that this was durable.
fn tear(records: &[Record], fates: &mut [Fate], touched: &Touched, files: &Files) {
    let Some(last) = records.last() else { return };
    let first = records.iter().position(|record| record.number == last.number).expect("it is there");
    let reads = |at: usize, fates: &[Fate]| {
        let record = &records[at];
        let length = files.get(&record.name).map_or(0, Vec::len);
        record.end <= length
            && !touched.meets(record.name, record.offset..record.offset + HEADER_LENGTH)
            && !fates[at].is_cut
    };
    let has_header = !touched.meets(last.name, 0..segment_covered());
    let said =
        (first..records.len()).filter(|&at| reads(at, fates)).map(|at| records[at].header.durable_through);
    let said = said.max().unwrap_or(0);
    let first_read =
        (first..records.len()).find(|&at| reads(at, fates)).map(|at| records[at].header.sequence);
    let FileName::Segment { epoch, .. } = last.name else { unreachable!("a segment") };
    let of_epoch = records
        .iter()
        .filter(|record| matches!(record.name, FileName::Segment { epoch: of, .. } if of == epoch));
    let has_one_before = of_epoch.into_iter().any(|record| record.number != last.number);
    if !has_header && has_one_before && first_read.is_none_or(|first| said < first) {
        fates[first..].iter_mut().for_each(|fate| fate.is_cut = true);
        return;
    }
    let before = records[first].header.sequence - 1;
    let durable = said.max(before);
    let torn = (first..records.len()).find(|&at| fates[at].is_hit() && records[at].header.sequence > durable);
    if let Some(torn) = torn {
        fates[torn..].iter_mut().for_each(|fate| fate.is_cut = true);
    }
}

fn takes_arrivals(operation: &Operation, prepared: &BTreeMap<Xid, usize>) -> usize {
    match operation {
        Operation::Enqueue { .. } | Operation::Move { .. } => 1,
        Operation::Decide { xid, outcome: Outcome::Commit } => prepared.get(xid).copied().unwrap_or(0),
        _ => 0,
    }
}

fn says_what_exists(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::CreateDestination(_)
            | Operation::RemoveDestination(_)
            | Operation::Subscribe(_)
            | Operation::Unsubscribe(_)
            | Operation::Put { .. }
    )
}

pub(super) fn expect(sound: &Sound, damaged: &Files) -> Expected {
    let touched = Touched::new(&sound.files, damaged);
    let records = &sound.records;
    let length = |record: &Record| damaged.get(&record.name).map_or(0, Vec::len);
    let mut fates: Vec<Fate> = records.iter().map(|record| fate(record, &touched, length(record))).collect();
    tear(records, &mut fates, &touched, damaged);
    let is_gone = |at: usize| fates[at].is_lost || fates[at].is_cut;
    let mut expected = Expected {
        touched,
        contents: Contents::default(),
        unreadable: BTreeSet::new(),
        unsure: BTreeSet::new(),
        catalogue_unsure: false,
        prepared_unsure: false,
        fates: fates.clone(),
    };
    let snapshot_after = |at: usize| {
        (at + 1..records.len()).find(|&at| records[at].header.kind == Kind::Snapshot && !is_gone(at))
    };
    let relocated: BTreeSet<MessageId> = (0..records.len())
        .filter(|&at| records[at].header.kind == Kind::Relocation && !is_gone(at))
        .flat_map(|at| records[at].messages.iter().map(|(id, _)| *id))
        .collect();
    let record_of = |batch: usize| records.iter().position(|record| record.batch == Some(batch));
    let decides = |xid: &Xid| {
        let mut all = sound.batches.iter().enumerate();
        all.any(|(number, batch)| {
            let decides =
                |operation: &Operation| matches!(operation, Operation::Decide { xid: of, .. } if of == xid);
            batch.operations.iter().any(decides) && record_of(number).is_none_or(|at| !is_gone(at))
        })
    };
    for at in (0..records.len()).filter(|&at| is_gone(at)) {
        let record = &records[at];
        let next = snapshot_after(at);
        let until_next = records[at..next.unwrap_or(records.len())].iter();
        let until_next = until_next.flat_map(|record| record.about.iter().copied());
        let operations = record.batch.map_or(&[][..], |batch| &sound.batches[batch].operations);
        if operations.iter().any(says_what_exists) {
            expected.unsure.extend(until_next.clone());
            expected.catalogue_unsure |= next.is_none();
        }
        // A decision remembers what it decides, but for the messages' bytes.
        let is_open = |operation: &Operation| match operation {
            Operation::Prepare { xid, .. } => !decides(xid),
            Operation::Decide { .. } => record.about.iter().any(|id| relocated.contains(id)),
            _ => false,
        };
        if operations.iter().any(is_open) || record.header.kind == Kind::Prepared {
            expected.prepared_unsure = true;
            expected.unsure.extend(&record.about);
        }
        // What exists is said by nothing else where what created it was released.
        if record.header.kind == Kind::Snapshot && at == 0 && record.number > 1 {
            expected.unsure.extend(until_next);
            expected.prepared_unsure = true;
            expected.catalogue_unsure |= next.is_none();
        }
        // Where a subscription's floor stands may say what the lost acknowledgement said.
        let by_subscription = operations.iter().filter_map(|operation| match operation {
            Operation::Acknowledge { id, subscription: Some(_), .. } if relocated.contains(id) => Some(*id),
            _ => None,
        });
        expected.unsure.extend(by_subscription);
    }

    let state = play(sound, &|batch, operation| {
        let Some(at) = record_of(batch) else { return true };
        match operation {
            _ if !is_gone(at) => true,
            Operation::Enqueue { id, .. } => relocated.contains(id),
            Operation::Prepare { xid, .. } => decides(xid),
            operation => says_what_exists(operation) && snapshot_after(at).is_some(),
        }
    });
    let mut contents = contents_of(&state);
    contents.destinations.retain(|found| found.destination.id != NOWHERE);
    for waiting in &mut contents.waiting {
        waiting.messages.retain(|stored| {
            let carries = |at: &usize| records[*at].messages.iter().any(|(id, _)| *id == stored.id);
            // The last place counts.
            let Some(at) = (0..records.len()).filter(carries).rfind(|&at| !is_gone(at)) else { return false };
            if fates[at].bad.contains(&stored.id) {
                waiting.damaged.push(stored.id);
                expected.unreadable.insert(stored.id);
                return false;
            }
            true
        });
    }
    expected.contents = contents;
    expected
}

/// The model after what counts of each batch; of the rest, only the arrivals.
fn play(sound: &Sound, counts: &dyn Fn(usize, &Operation) -> bool) -> State {
    let mut state = State::default();
    state.apply(create(NOWHERE, DestinationKind::Topic).into()).expect("the model takes it");
    let mut prepared: BTreeMap<Xid, usize> = BTreeMap::new();
    let mut nothing = 1 << 40;
    for (number, batch) in sound.batches.iter().enumerate() {
        for operation in &batch.operations {
            let arrivals = takes_arrivals(operation, &prepared);
            if let Operation::Prepare { xid, operations } = operation {
                let more: usize =
                    operations.iter().map(|operation| takes_arrivals(operation, &prepared)).sum();
                *prepared.entry(xid.clone()).or_default() += more;
            }
            if counts(number, operation) && state.apply(Batch::new(vec![operation.clone()])).is_ok() {
                continue;
            }
            for _ in 0..arrivals {
                nothing += 1;
                state.apply(enqueue(nothing, NOWHERE, 0).into()).expect("the model takes it");
            }
        }
    }
    state
}

/// Every message that was ever sent.
pub(super) fn sent(sound: &Sound) -> BTreeMap<MessageId, Arc<Message>> {
    let mut sent = BTreeMap::new();
    for batch in &sound.batches {
        for (id, _, message) in kahawai_store::batch::messages_of(&batch.operations) {
            sent.insert(id, Arc::clone(message));
        }
    }
    sent
}

impl Expected {
    /// Whether the rules leave something open.
    pub(super) fn is_unsure(&self) -> bool {
        !self.unsure.is_empty() || self.catalogue_unsure || self.prepared_unsure
    }

    /// Files of which damage must be said, and those of which it may be.
    pub(super) fn files(&self, sound: &Sound) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
        for name in self.touched.files() {
            match name {
                FileName::Identity | FileName::Claim(_) | FileName::Seal(_) => {
                    must.insert(name.to_string());
                }
                FileName::Segment { .. } => {
                    let header = self.touched.meets(name, 0..segment::HEADER_LENGTH as usize);
                    let own = || {
                        let all = sound.records.iter().zip(&self.fates);
                        all.filter(|(record, _)| record.name == name).map(|(_, fate)| fate)
                    };
                    let hit = own().any(|fate| (fate.is_hit() || fate.padding) && !fate.is_cut);
                    if (header && own().any(|fate| !fate.is_cut)) || hit {
                        must.insert(name.to_string());
                    } else if header || own().any(|fate| fate.is_cut) {
                        may.insert(name.to_string());
                    }
                }
                _ => {}
            }
        }
        (must, may)
    }
}
