//! Which segments the log consists of, found where seals are damaged or missing too.
//!
//! Recovery follows the seals and refuses where one of them cannot be read (`log::chain`). A tool goes on: the first segment of
//! an epoch says all that its seal says.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use kahawai_store::names::Epoch;

use super::finding::{Finding, Severity};
use super::small::{SmallFiles, is_gone_or_short, problem_of};
use super::walk::{Step, Walk};
use crate::disk::SegmentFile;
use crate::disk::on_demand::{OnDemand, OpenFiles};
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::seal::{LogEnd, Seal};
use crate::format::segment::{self, HEADER_LENGTH, SegmentHeader};
use crate::log::chain::{self, EpochLog};

/// The log, oldest epoch first.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    pub(crate) logs: Vec<(EpochLog, Vec<Found>)>,
    /// Where the log before the oldest ends, if its seal is gone.
    pub(crate) before: Option<LogEnd>,
    /// What the seal is missing of, and where that log ends: damage unless it was released.
    pub(crate) seal_missing: Option<LogEnd>,
    /// Names of segments that were set aside.
    pub(crate) set_aside: Vec<FileName>,
    pub(crate) findings: Vec<Finding>,
}

impl Lineage {
    /// How far the log is released, where it says so much of that itself; and what bears the name of a segment set aside and is none.
    pub(crate) fn released(&self, said: u64) -> (u64, Vec<FileName>) {
        let numbers = self.logs.iter().flat_map(|(_, found)| found).map(|found| found.number);
        chain::released_with_set_aside(said, &self.set_aside, numbers)
    }
}

/// A segment that is there.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: FileName,
    pub(crate) number: u64,
    pub(crate) file: Arc<OnDemand>,
    pub(crate) header: Option<SegmentHeader>,
    /// What is wrong with the header, where something is.
    pub(crate) problem: Option<String>,
}

/// Why the log cannot be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineageError {
    #[error("{0}: {1}")]
    Io(FileName, io::Error),
    #[error("{0}: {1}")]
    Newer(FileName, FormatError),
}

/// Finds the log that stands now.
pub(crate) fn find(
    files: &Arc<OpenFiles>,
    names: &[FileName],
    small: &SmallFiles,
) -> Result<Lineage, LineageError> {
    let set_aside =
        names.iter().filter(|name| matches!(name, FileName::Quarantine { .. })).copied().collect();
    let mut lineage = Lineage { set_aside, ..Lineage::default() };
    let mut epochs: BTreeSet<Epoch> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Segment { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    let sealed = small.seals.keys().next_back().copied().unwrap_or_default();
    let mut next = Some(sealed).filter(|epoch| *epoch != Epoch(0));
    // Segments of a younger epoch: of a candidate that died, or a log in use whose seal is gone.
    for epoch in epochs.split_off(&Epoch(sealed.0.saturating_add(1))) {
        let found = open(files, names, epoch, 0..=u64::MAX, small)?;
        let mut in_use = found.len() > 1;
        for segment in &found {
            in_use |= is_in_use(segment).map_err(|error| LineageError::Io(segment.name, error))?;
        }
        if in_use {
            let problem = "it is missing, though the epoch's log was in use";
            lineage.findings.push(Finding::damage(FileName::Seal(epoch), problem).preventing_start());
            next = Some(epoch);
        } else {
            for segment in found {
                let problem = "begun by an epoch that never sealed: it holds nothing that counts, and goes at the next take-over";
                lineage
                    .findings
                    .push(Finding::new(Severity::Note, segment.name, problem).in_segment(segment.number));
            }
        }
    }
    let mut end: Option<LogEnd> = None;
    let mut followed = BTreeSet::new();
    while let Some(epoch) = next {
        followed.insert(epoch);
        let last = end.map_or(u64::MAX, |end| end.number);
        let rebuilt;
        let seal = match small.seals.get(&epoch) {
            Some(Some(seal)) => seal,
            damaged_or_missing => {
                if damaged_or_missing.is_none() {
                    lineage.seal_missing = end;
                }
                match rebuild(files, names, epoch, last, small)? {
                    Some(seal) => {
                        rebuilt = seal;
                        &rebuilt
                    }
                    None => {
                        if damaged_or_missing.is_none() {
                            lineage.before = end;
                        } else {
                            let problem = "nothing is left that says what it said: its log cannot be read";
                            lineage.findings.push(Finding::damage(FileName::Seal(epoch), problem));
                        }
                        break;
                    }
                }
            }
        };
        let found = open(files, names, epoch, seal.first_number..=last, small)?;
        for name in names {
            let FileName::Segment { epoch: of, number } = *name else { continue };
            if of == epoch && number > last {
                let problem = "written by a stale master behind the end of its log: it does not count";
                lineage.findings.push(Finding::new(Severity::Note, name, problem).in_segment(number));
            }
        }
        let log = EpochLog {
            epoch,
            log: seal.log,
            first_number: seal.first_number,
            first_sequence: seal.first_sequence,
            end,
            present: found.iter().map(|found| found.number).collect(),
        };
        end = seal.sealed;
        next = seal.sealed.map(|sealed| sealed.epoch).filter(|sealed| *sealed < epoch);
        if next.is_none() {
            lineage.before = None;
        }
        lineage.logs.push((log, found));
    }
    lineage.logs.reverse();
    let oldest = followed.first().copied().unwrap_or_default();
    for epoch in epochs.into_iter().filter(|epoch| *epoch > oldest && !followed.contains(epoch)) {
        let problem = format!("segments of epoch {epoch}, which no seal leads to: they do not count");
        lineage.findings.push(Finding::new(Severity::Note, FileName::Seal(epoch), problem));
    }
    Ok(lineage)
}

/// What an epoch's first segment that is there says of its log.
fn rebuild(
    files: &Arc<OpenFiles>,
    names: &[FileName],
    epoch: Epoch,
    last: u64,
    small: &SmallFiles,
) -> Result<Option<Seal>, LineageError> {
    let found = open(files, names, epoch, 0..=last, small)?;
    let header = found.into_iter().find_map(|found| {
        let read = segment::decode(&read_header(found.file.as_ref()).ok()?).ok()?;
        (Some(read.store) == small.store && read.epoch == epoch && read.number == found.number)
            .then_some(read)
    });
    Ok(header.map(|header| Seal {
        store: header.store,
        epoch,
        log: header.log,
        first_number: header.number,
        first_sequence: header.first_sequence,
        sealed: header.before.filter(|before| before.epoch < epoch),
    }))
}

/// Opens the segments of an epoch with these numbers, lowest first, and reads their headers.
fn open(
    files: &Arc<OpenFiles>,
    names: &[FileName],
    epoch: Epoch,
    numbers: std::ops::RangeInclusive<u64>,
    small: &SmallFiles,
) -> Result<Vec<Found>, LineageError> {
    let mut wanted: Vec<u64> = names
        .iter()
        .filter_map(|name| match *name {
            FileName::Segment { epoch: of, number } if of == epoch && numbers.contains(&number) => {
                Some(number)
            }
            _ => None,
        })
        .collect();
    wanted.sort_unstable();
    let log = small.seals.get(&epoch).and_then(Option::as_ref).map(|seal| seal.log);
    let mut segments = Vec::new();
    for number in wanted {
        let name = FileName::Segment { epoch, number };
        let file = match files.find(name) {
            // Given up meanwhile; where it was not, it is found missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(|error| LineageError::Io(name, error))?,
        };
        let bytes = read_header(file.as_ref()).map_err(|error| LineageError::Io(name, error))?;
        let (header, problem) = match segment::decode(&bytes) {
            Err(error @ FormatError::Newer { .. }) if segment::is_borne_out(&bytes) => {
                return Err(LineageError::Newer(name, error));
            }
            Err(error) => (None, Some(problem_of(&error))),
            Ok(header) if header.epoch != epoch || header.number != number => {
                let problem = format!(
                    "it holds segment {} of epoch {}: files were exchanged or copied",
                    header.number, header.epoch
                );
                (None, Some(problem))
            }
            Ok(header) if Some(header.store) != small.store || log.is_some_and(|log| log != header.log) => {
                (None, Some("its header is of another store or another log".to_owned()))
            }
            Ok(header) => (Some(header), None),
        };
        segments.push(Found { name, number, file, header, problem });
    }
    Ok(segments)
}

fn read_header(file: &dyn SegmentFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.length().min(HEADER_LENGTH) as usize];
    match file.read(0, &mut bytes) {
        Err(error) if !is_gone_or_short(&error) => Err(error),
        _ => Ok(bytes),
    }
}

/// Whether a segment proves that its epoch had sealed: see `log::unsealed`.
fn is_in_use(segment: &Found) -> io::Result<bool> {
    let Some(header) = &segment.header else { return Ok(false) };
    if header.before.is_some_and(|before| before.epoch == header.epoch) {
        return Ok(true);
    }
    let mut walk = Walk::new(segment.file.as_ref(), header.log, header.epoch, header.number, None);
    while let Some(step) = walk.next()? {
        if let Step::Record { header: record, .. } | Step::BodyDamaged { header: record, .. } = step
            && record.durable_through >= header.first_sequence
        {
            return Ok(true);
        }
    }
    Ok(false)
}
