//! Finds where a log is to be cut so that it ends with a certain batch.
//!
//! The cut is before the record of the first batch whose name is greater: what was written again, or released, before that stays. Names rise along the
//! log, and each segment's snapshot says the last one before it: so only one segment is read, and the beginnings of those behind it.

use std::io;
use std::sync::Arc;

use kahawai_store::names::BatchName;

use super::chain::Chain;
use super::found::{self, Found};
use super::replay::{self, Replayed};
use super::replay_error::ReplayError;
use super::scan::{Item, Scanner};
use super::segment::Body;
use crate::disk::on_demand::OpenFiles;
use crate::format::RandomId;
use crate::format::batch::decode_batch_body;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::format::seal::LogEnd;
use crate::format::{segment, snapshot};
use crate::index::write_run::RunsOf;

/// Why a log cannot be cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CutError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What would be kept is not all there.
    #[error("{0}")]
    Cannot(String),
}

impl CutError {
    fn io(number: u64) -> impl Fn(io::Error) -> Self {
        move |error| Self::Replay(ReplayError::Io { number, error })
    }
}

/// Where a log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the first record stands that is left out.
    pub(crate) at: LogEnd,
    /// Up to this sequence what is before it is known to be on the disk.
    pub(crate) durable: u64,
}

/// What of a chain is before a place.
pub(crate) fn before(chain: &Chain, place: &Place) -> Chain {
    let mut kept = chain.clone();
    kept.epochs.retain(|log| log.epoch <= place.at.epoch);
    if let Some(log) = kept.epochs.last_mut() {
        log.end = Some(place.at);
        log.present.retain(|number| *number <= place.at.number);
    }
    kept.durable = place.durable;
    kept
}

/// The place behind the last batch whose name is not greater than this one; nothing where no batch is behind it.
pub(crate) fn find(
    files: &Arc<OpenFiles>,
    store: &RandomId,
    chain: &Chain,
    last: BatchName,
) -> Result<Option<Place>, CutError> {
    let mut logs = Vec::new();
    for log in &chain.epochs {
        logs.push(found::read_headers(files, store, log)?);
    }
    if let Some(youngest) = logs.last_mut() {
        // What is doubtful in it is told of by whoever reads the log.
        found::leave_out_what_was_being_begun(youngest, &mut Vec::new())?;
    }
    // Whether anything is known to be behind the batch.
    let mut is_any_behind = false;
    for (position, (log, segments)) in chain.epochs.iter().zip(&logs).enumerate().rev() {
        for (index, found) in segments.iter().enumerate().rev() {
            let number = found.segment.number;
            let next = segments.get(index + 1);
            let before_next = next.and_then(|next| next.header.as_ref()).and_then(|header| header.before);
            let end = if next.is_some() { before_next } else { log.end };
            let end = end.filter(|end| end.number == number).map(|end| end.offset);
            let begins_behind = last_before(found).map_err(CutError::io(number))?;
            if begins_behind.is_some_and(|before| before > last) {
                is_any_behind = true;
                continue;
            }
            let bytes = found.bytes()?;
            let offset = first_behind(found.scanner(&bytes, end), &bytes, last);
            match (offset, begins_behind) {
                (Some(offset), Some(_)) => {
                    let is_last = position + 1 == logs.len() && next.is_none();
                    let durable = if is_last { found.survey(None)?.durable_through } else { u64::MAX };
                    let at = LogEnd { epoch: log.epoch, number, offset };
                    return Ok(Some(Place { at, durable }));
                }
                (None, Some(_)) if is_any_behind => {
                    let text =
                        format!("what follows batch {last} in segment {number} or behind it is damaged");
                    return Err(CutError::Cannot(text));
                }
                (None, Some(_)) => return Ok(None),
                // One that was being begun, or is damaged.
                (offset, None) => is_any_behind |= offset.is_some(),
            }
        }
    }
    match logs.iter().flatten().next() {
        None => Ok(None),
        Some(first) => {
            let number = first.segment.number;
            let text = format!(
                "the log begins behind batch {last}, with segment {number}: what was before is released"
            );
            Err(CutError::Cannot(text))
        }
    }
}

/// The name of the last batch before a segment, by its snapshot.
fn last_before(found: &Found) -> io::Result<Option<BatchName>> {
    if found.header.is_none() {
        return Ok(None);
    }
    let at = segment::HEADER_LENGTH;
    Ok(match found.segment.read_record_of_any_kind(at)? {
        Some((Kind::Snapshot, Body::Whole(body))) => {
            snapshot::decode(&body).map(|(snapshot, _)| snapshot.batch_last)
        }
        _ => None,
    })
}

/// Where the first batch stands whose name is greater.
fn first_behind(scanner: Scanner<'_>, bytes: &[u8], last: BatchName) -> Option<u64> {
    for item in scanner {
        if let Item::Record { header, offset } | Item::PartlyDamaged { header, offset, .. } = item
            && header.kind == Kind::Batch
        {
            let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
            if decode_batch_body(body).is_some_and(|(_, trailer)| trailer.name > last) {
                return Some(offset);
            }
        }
    }
    None
}

/// Reads what is before a cut, which must be all there: a store that lacks some of it is no copy.
pub(crate) fn replay(
    files: &Arc<OpenFiles>,
    store: &RandomId,
    kept: &Chain,
    runs: &mut RunsOf,
) -> Result<Replayed, CutError> {
    let replayed = match replay::replay(files, store, kept, runs) {
        Err(ReplayError::SealMissing(before)) => {
            let text = format!("segments up to {} are gone that were not released there", before.number);
            return Err(CutError::Cannot(text));
        }
        replayed => replayed?,
    };
    if let Some(problem) = &replayed.incomplete {
        return Err(CutError::Cannot(format!("{problem}, and it was not released there")));
    }
    if let Some(number) = replayed.damaged.first() {
        return Err(CutError::Cannot(format!("segment {number} is damaged")));
    }
    Ok(replayed)
}
