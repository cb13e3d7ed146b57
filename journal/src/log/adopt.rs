//! Finds the youngest checkpoint that may be used, and takes it up.
//!
//! A checkpoint is only a shorter way to what the journal says. Where one is damaged, cut short, beyond what counts of its epoch's log, or
//! names what is not there, the one before it is tried, and at last the journal is read from its beginning.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use kahawai_store::batch::Operation;
use kahawai_store::names::Epoch;

use super::apply;
use super::chain::Chain;
use super::replay_error::ReplayError;
use super::segment::{Body, Segment};
use crate::disk::Disk;
use crate::format::checkpoint::{self, Checkpoint, Through};
use crate::format::name::FileName;
use crate::format::{RandomId, snapshot};
use crate::index::Index;
use crate::index::run::{Run, RunError};
use crate::index::state::PreparedChunk;

/// The log that a checkpoint must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log<'a> {
    pub(super) chain: &'a Chain,
    pub(super) present: &'a BTreeMap<u64, Arc<Segment>>,
    /// Up to this sequence the last segment is known to be on the disk.
    pub(super) durable: u64,
    /// Segments up to this number are released.
    pub(super) released: u64,
}

/// A checkpoint, taken up.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) name: FileName,
    pub(super) index: Index,
    pub(super) through: Through,
    /// Segments in which damage was found.
    pub(super) damaged: Vec<u64>,
    pub(super) damage: Vec<String>,
}

/// The youngest checkpoint that may be used, taken up; `None` where there is none.
///
/// # Errors
/// Where the disk fails: that is no reason to read everything.
pub(super) fn adopt(
    disk: &dyn Disk,
    store: &RandomId,
    log: &Log<'_>,
) -> Result<Option<Adopted>, ReplayError> {
    let names = disk.list().map_err(RunError::Io)?;
    let mut candidates: Vec<(Epoch, u64)> = names
        .iter()
        .filter_map(|name| match *name {
            FileName::Checkpoint { epoch, number } => Some((epoch, number)),
            _ => None,
        })
        .filter(|(epoch, _)| log.chain.epochs.iter().any(|found| found.epoch == *epoch))
        .collect();
    candidates.sort_unstable();
    for (epoch, number) in candidates.into_iter().rev() {
        let name = FileName::Checkpoint { epoch, number };
        match take_up(disk, store, log, name) {
            Ok(adopted) => return Ok(Some(adopted)),
            Err(Refused::Io(error)) => return Err(RunError::Io(error).into()),
            Err(Refused::Because(reason)) => {
                tracing::warn!(checkpoint = %name, %reason, "a checkpoint is not used: more of the journal is read instead");
            }
        }
    }
    Ok(None)
}

/// Why a checkpoint is not used.
enum Refused {
    Io(io::Error),
    Because(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Self::Because(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

fn because(reason: impl ToString) -> Refused {
    Refused::Because(reason.to_string())
}

fn take_up(disk: &dyn Disk, store: &RandomId, log: &Log<'_>, name: FileName) -> Result<Adopted, Refused> {
    let file = disk.open_file(name)?;
    let mut bytes = vec![0; file.length() as usize];
    file.read(0, &mut bytes)?;
    let found = checkpoint::decode(&bytes).map_err(because)?;
    if (FileName::Checkpoint { epoch: found.epoch, number: found.number }) != name || found.store != *store {
        return Err(because("it is not what its name says"));
    }
    check_place(&found, log)?;
    let Checkpoint { through, state, prepared, kept, damaged, damage, runs, .. } = found;
    let missing = kept
        .live
        .by_segment()
        .find(|(number, _)| *number > log.released && !log.present.contains_key(number));
    if let Some((number, _)) = missing {
        return Err(because(format!("segment {number} is missing")));
    }

    let mut index = Index::default();
    let (snapshot, operations) =
        snapshot::decode(&state).ok_or_else(|| because("what exists cannot be read"))?;
    index.adopt(&snapshot, &operations);
    let mut opened = Vec::new();
    for kept in runs {
        let name = FileName::Run { epoch: kept.epoch, number: kept.number };
        let run =
            Run::open(disk, name, store, Arc::clone(index.messages.fault())).map_err(
                |error| match error {
                    RunError::Io(error) => error.into(),
                    RunError::Format(error) => because(error),
                },
            )?;
        if run.checksum != kept.checksum || kept.gone.len() != run.count().div_ceil(64) as usize {
            return Err(because(format!("{name} is not the run it was written with")));
        }
        opened.push((Arc::new(run), kept.gone));
    }
    index.messages.adopt(kept, opened);
    for (xid, number, at) in prepared {
        // What was released was written again, and is found there.
        if at.segment <= log.released {
            continue;
        }
        let segment =
            log.present.get(&at.segment).ok_or_else(|| because("a prepared transaction is missing"))?;
        let Some((kind, Body::Whole(body))) = segment.read_record_of_any_kind(at.offset)? else {
            return Err(because("a prepared transaction is damaged"));
        };
        let operations = apply::chunk_of(kind, &body, &xid, number)
            .ok_or_else(|| because("a prepared transaction is not where it was"))?;
        let prepare = [Operation::Prepare { xid: xid.clone(), operations: operations.clone() }];
        index.state.admit_replayed(&prepare);
        index.state.keep_chunk(xid, PreparedChunk { number, at, operations });
    }
    index.messages.drop_released(log.released);
    if let Some(problem) = index.messages.fault().get() {
        return Err(because(problem));
    }
    Ok(Adopted { name, index, through, damaged, damage })
}

/// A checkpoint counts only within what counts of its epoch's log.
fn check_place(found: &Checkpoint, log: &Log<'_>) -> Result<(), Refused> {
    let Some(of) = log.chain.epochs.iter().find(|of| of.epoch == found.epoch && of.log == found.log) else {
        return Err(because("it belongs to a log that does not count"));
    };
    let through = found.through;
    let within = match of.end {
        Some(end) => (through.segment, through.offset) <= (end.number, end.offset),
        None => match log.present.last_key_value() {
            // That a segment was begun proves that those before it were flushed.
            Some((&last, _)) if through.segment < last => true,
            _ => through.sequence <= log.durable,
        },
    };
    if !within {
        return Err(because("it is beyond the end of its log"));
    }
    let first_missing = (through.segment..).find(|number| !log.present.contains_key(number));
    let last = log.present.last_key_value().map_or(0, |(&last, _)| last);
    if through.segment > log.released && first_missing.is_some_and(|missing| missing <= last) {
        return Err(because("segments after it are missing"));
    }
    Ok(())
}
