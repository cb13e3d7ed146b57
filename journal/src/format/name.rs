//! The names of files in a store directory: one type that formats and parses them.

use std::fmt;
use std::str::FromStr;

use kahawai_store::names::Epoch;

/// A file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// What store this is, and in which format: `kahawai-store`.
    Identity,
    /// The file whose lock tells of its holder's death: `lock`.
    Lock,
    /// An epoch is taken: `epoch-N.claim`.
    Claim(Epoch),
    /// The holder of an epoch lives: `epoch-N.beat`.
    Beat(Epoch),
    /// An epoch has begun its log, and sealed the one before: `epoch-N.seal`.
    Seal(Epoch),
    /// An epoch leaves out some of the log before, and sets that aside: `epoch-N.cut`.
    Cut(Epoch),
    /// A segment of an epoch's log: `journal-EPOCH-NUMBER.log`.
    Segment {
        /// The epoch that created the file, and alone writes it.
        epoch: Epoch,
        /// Its number, which rises along the log through all epochs.
        number: u64,
    },
    /// A segment prepared for later use: `spare-EPOCH-COUNT.log`.
    Spare {
        /// The epoch that created the file.
        epoch: Epoch,
        /// Counts the spares of the epoch.
        count: u64,
    },
    /// A damaged segment that was set aside once what could be read of it was written anew: `quarantine-EPOCH-NUMBER.log`.
    Quarantine {
        /// The epoch that created the file.
        epoch: Epoch,
        /// Its number as a segment.
        number: u64,
    },
    /// A segment that a cut left out, as it was, or what of it stood behind the cut: `aside-BY-EPOCH-NUMBER.log`.
    Aside {
        /// The epoch that made the cut.
        by: Epoch,
        /// The epoch that wrote what is in it.
        epoch: Epoch,
        /// Its number as a segment.
        number: u64,
    },
    /// A part of an epoch's index, written once: `index-EPOCH-NUMBER.run`.
    Run {
        /// The epoch that created the file.
        epoch: Epoch,
        /// Counts the runs of the epoch.
        number: u64,
    },
    /// What the index and everything else in memory was at a place of the log: `checkpoint-EPOCH-NUMBER.point`.
    Checkpoint {
        /// The epoch that created the file.
        epoch: Epoch,
        /// Counts the checkpoints of the epoch.
        number: u64,
    },
}

/// What the names of files under way end with; a left-over is swept at the next take-over.
pub(crate) const TEMPORARY_ENDING: &str = ".tmp";

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => formatter.write_str("kahawai-store"),
            Self::Lock => formatter.write_str("lock"),
            Self::Claim(epoch) => write!(formatter, "epoch-{:010}.claim", epoch.0),
            Self::Beat(epoch) => write!(formatter, "epoch-{:010}.beat", epoch.0),
            Self::Seal(epoch) => write!(formatter, "epoch-{:010}.seal", epoch.0),
            Self::Cut(epoch) => write!(formatter, "epoch-{:010}.cut", epoch.0),
            Self::Segment { epoch, number } => write!(formatter, "journal-{:010}-{number:010}.log", epoch.0),
            Self::Spare { epoch, count } => write!(formatter, "spare-{:010}-{count:010}.log", epoch.0),
            Self::Quarantine { epoch, number } => {
                write!(formatter, "quarantine-{:010}-{number:010}.log", epoch.0)
            }
            Self::Aside { by, epoch, number } => {
                write!(formatter, "aside-{:010}-{:010}-{number:010}.log", by.0, epoch.0)
            }
            Self::Run { epoch, number } => write!(formatter, "index-{:010}-{number:010}.run", epoch.0),
            Self::Checkpoint { epoch, number } => {
                write!(formatter, "checkpoint-{:010}-{number:010}.point", epoch.0)
            }
        }
    }
}

/// A name that is none of a store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl FromStr for FileName {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let parsed = Self::parse(text).ok_or(Foreign)?;
        // One spelling for each name: what does not come out as it went in is somebody else's.
        if parsed.to_string() == text { Ok(parsed) } else { Err(Foreign) }
    }
}

impl FileName {
    fn parse(text: &str) -> Option<Self> {
        let number = |digits: &str| digits.parse::<u64>().ok();
        match text {
            "kahawai-store" => return Some(Self::Identity),
            "lock" => return Some(Self::Lock),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix("epoch-") {
            let (digits, ending) = rest.split_once('.')?;
            let epoch = Epoch(number(digits)?);
            return match ending {
                "claim" => Some(Self::Claim(epoch)),
                "beat" => Some(Self::Beat(epoch)),
                "seal" => Some(Self::Seal(epoch)),
                "cut" => Some(Self::Cut(epoch)),
                _ => None,
            };
        }
        let (rest, ending) = text.split_once('.')?;
        let (kind, rest) = rest.split_once('-')?;
        if kind == "aside" {
            let mut numbers = rest.splitn(3, '-').map(number);
            let [by, epoch, number] = [numbers.next()??, numbers.next()??, numbers.next()??];
            return (ending == "log").then_some(Self::Aside { by: Epoch(by), epoch: Epoch(epoch), number });
        }
        let (first, second) = rest.split_once('-')?;
        let (epoch, number) = (Epoch(number(first)?), number(second)?);
        match (kind, ending) {
            ("journal", "log") => Some(Self::Segment { epoch, number }),
            ("spare", "log") => Some(Self::Spare { epoch, count: number }),
            ("quarantine", "log") => Some(Self::Quarantine { epoch, number }),
            ("index", "run") => Some(Self::Run { epoch, number }),
            ("checkpoint", "point") => Some(Self::Checkpoint { epoch, number }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_to_itself_and_no_other_spelling_does() {
        let names = [
            FileName::Identity,
            FileName::Lock,
            FileName::Claim(Epoch(7)),
            FileName::Beat(Epoch(u64::MAX)),
            FileName::Seal(Epoch(1)),
            FileName::Cut(Epoch(12)),
            FileName::Aside { by: Epoch(12), epoch: Epoch(3), number: 12_345_678_901 },
            FileName::Segment { epoch: Epoch(3), number: 12_345_678_901 },
            FileName::Spare { epoch: Epoch(3), count: 0 },
            FileName::Quarantine { epoch: Epoch(3), number: 9 },
            FileName::Run { epoch: Epoch(3), number: 9 },
            FileName::Checkpoint { epoch: Epoch(3), number: 9 },
        ];
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for foreign in [
            "db-1.log",
            "epoch-7.claim",
            "epoch-0000000007.claims",
            "journal-1-2.log",
            "aside-0000000007-0000000003.log",
            "aside-0000000007-0000000003-0000000001-0000000001.log",
            "aside-0000000007-0000000003-0000000001.run",
            "lock ",
            "",
        ] {
            assert_eq!(foreign.parse::<FileName>(), Err(Foreign), "{foreign}");
        }
    }
}
