//! The ways in which a disk is damaged.

use std::ops::Range;

use super::super::super::places::{Files, fields};
use super::stores::Sound;
use crate::disk::memory::SECTOR;
use crate::format::name::FileName;

/// What is done to a store's files.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// One bit of a byte.
    Flip {
        name: FileName,
        at: usize,
        bit: u8,
    },
    Zero {
        name: FileName,
        range: Range<usize>,
    },
    Cut {
        name: FileName,
        to: usize,
    },
    /// Bytes over others of the same file.
    Duplicate {
        name: FileName,
        from: Range<usize>,
        to: usize,
    },
    /// Two stretches of one length of the same file change places.
    Swap {
        name: FileName,
        one: Range<usize>,
        other: usize,
    },
    /// A file's content over another's.
    Copy {
        from: FileName,
        to: FileName,
    },
    Exchange {
        one: FileName,
        other: FileName,
    },
    Remove {
        name: FileName,
    },
}

impl Change {
    pub(super) fn apply(&self, files: &mut Files) {
        let bytes_of = |files: &Files, name: &FileName| files[name].clone();
        match self {
            Self::Flip { name, at, bit } => files.get_mut(name).expect("there")[*at] ^= 1 << bit,
            Self::Zero { name, range } => files.get_mut(name).expect("there")[range.clone()].fill(0),
            Self::Cut { name, to } => files.get_mut(name).expect("there").truncate(*to),
            Self::Duplicate { name, from, to } => {
                files.get_mut(name).expect("there").copy_within(from.clone(), *to);
            }
            Self::Swap { name, one, other } => {
                let bytes = files.get_mut(name).expect("there");
                for at in 0..one.len() {
                    bytes.swap(one.start + at, other + at);
                }
            }
            Self::Copy { from, to } => {
                let bytes = bytes_of(files, from);
                files.insert(*to, bytes);
            }
            Self::Exchange { one, other } => {
                let (first, second) = (bytes_of(files, one), bytes_of(files, other));
                files.insert(*one, second);
                files.insert(*other, first);
            }
            Self::Remove { name } => drop(files.remove(name)),
        }
    }
}

/// Every change that is tried on a store: of each byte one bit, or each.
pub(super) fn changes(sound: &Sound, every_bit: bool) -> Vec<Change> {
    let mut all = Vec::new();
    for (&name, bytes) in &sound.files {
        // Behind a segment's last record are zeros.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9).min(bytes.len());
        let bits = |at: usize| if every_bit { 0..8 } else { (at % 8) as u8..(at % 8) as u8 + 1 };
        all.extend((0..used).flat_map(|at| bits(at).map(move |bit| Change::Flip { name, at, bit })));
        let fields = fields(name, bytes, &sound.records);
        all.extend(fields.windows(2).map(|pair| Change::Zero { name, range: pair[0]..pair[1] }));
        all.extend(fields.iter().filter(|to| **to < bytes.len()).map(|&to| Change::Cut { name, to }));
        let sectors: Vec<_> = (0..used).step_by(SECTOR).filter(|at| at + SECTOR <= bytes.len()).collect();
        for &to in &sectors {
            all.push(Change::Zero { name, range: to..to + SECTOR });
            for &from in sectors.iter().filter(|from| **from != to) {
                all.push(Change::Duplicate { name, from: from..from + SECTOR, to });
                if from < to {
                    all.push(Change::Swap { name, one: from..from + SECTOR, other: to });
                }
            }
        }
        let records: Vec<_> = sound.records.iter().filter(|record| record.name == name).collect();
        for (at, one) in records.iter().enumerate() {
            all.push(Change::Zero { name, range: one.offset..one.end });
            if let Some(next) = records.get(at + 1) {
                all.push(Change::Zero { name, range: one.offset..next.end });
            }
            for other in &records {
                if one.offset == other.offset {
                    continue;
                }
                let length = one.end - one.offset;
                if length <= other.end - other.offset {
                    all.push(Change::Duplicate { name, from: one.offset..one.end, to: other.offset });
                }
                if one.offset < other.offset && length == other.end - other.offset {
                    all.push(Change::Swap { name, one: one.offset..one.end, other: other.offset });
                }
            }
        }
        all.push(Change::Remove { name });
        for &other in sound.files.keys().filter(|other| **other != name) {
            all.push(Change::Copy { from: name, to: other });
            if name < other {
                all.push(Change::Exchange { one: name, other });
            }
        }
    }
    all
}
