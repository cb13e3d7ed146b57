//! Follows the seals back from the youngest and finds the segments of each epoch's log.
//!
//! Which epochs count is told by the seals alone, so that what a stale master wrote is never taken for part of the log. The
//! directory is listed only for the numbers of an epoch that counts: to tell segments that are gone since they were released
//! from those that are still there. Which of them must be there, the log itself says.

use std::collections::BTreeSet;

use kahawai_store::names::Epoch;

use super::chain_error::ChainError;
use super::unsealed;
use crate::disk::Disk;
use crate::format::RandomId;
use crate::format::name::FileName;
use crate::format::seal::{self, LogEnd, Seal};

/// The log of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EpochLog {
    pub(crate) epoch: Epoch,
    pub(crate) log: RandomId,
    pub(crate) first_number: u64,
    pub(crate) first_sequence: u64,
    /// Where it ends, if a younger epoch has sealed it.
    pub(crate) end: Option<LogEnd>,
    /// The numbers of its segments that are there, within what counts.
    pub(crate) present: BTreeSet<u64>,
}

/// The log that a new epoch finds, oldest epoch first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) epochs: Vec<EpochLog>,
    /// Where the log before the oldest of them ends, if there was one: its seal is gone, as it should be once all of it is released.
    pub(crate) before: Option<LogEnd>,
    /// Where it ends with a cut: up to this sequence its records are known to be on the disk, by what is left out.
    pub(crate) durable: u64,
}

impl Chain {
    /// Where in a segment it is cut: only a youngest log that is cut has an end.
    pub(super) fn cut_in(&self, number: u64) -> Option<u64> {
        let end = self.epochs.last()?.end?;
        (end.number == number).then_some(end.offset)
    }
}

/// How far a log is released, where `said` is what the log says of that and these segments were set aside: each was at the front of the log
/// then, and segments after it were there. A name that does not fit, as from a file that was put here, does not count: it is given back.
pub(crate) fn released_with_set_aside(
    said: u64,
    names: &[FileName],
    present: impl Iterator<Item = u64> + Clone,
) -> (u64, Vec<FileName>) {
    let mut aside: Vec<_> = names
        .iter()
        .filter_map(|&name| match name {
            FileName::Quarantine { number, .. } => Some((number, name)),
            _ => None,
        })
        .collect();
    aside.sort_unstable();
    let (mut released, mut odd) = (said, Vec::new());
    for (number, name) in aside {
        let is_front = !present.clone().any(|found| found > released && found <= number);
        if number <= released || is_front && present.clone().any(|found| found > number) {
            released = released.max(number);
        } else {
            odd.push(name);
        }
    }
    (released, odd)
}

/// Finds the log that stands before `epoch`.
pub(crate) fn find(disk: &dyn Disk, store: &RandomId, epoch: Epoch) -> Result<Chain, ChainError> {
    let names = disk.list()?;
    let mut epochs = Vec::new();
    let mut next = youngest_seal(disk, store, epoch)?;
    let sealed = next.as_ref().map_or(Epoch(0), |seal| seal.epoch);
    unsealed::check(disk, store, &names, sealed, epoch)?;
    let mut end = None;
    while let Some(seal) = next {
        let last = end.map_or(u64::MAX, |end: LogEnd| end.number);
        let present = names.iter().filter_map(|name| match *name {
            FileName::Segment { epoch, number } if epoch == seal.epoch => Some(number),
            _ => None,
        });
        epochs.push(EpochLog {
            epoch: seal.epoch,
            log: seal.log,
            first_number: seal.first_number,
            first_sequence: seal.first_sequence,
            end,
            present: present.filter(|number| (seal.first_number..=last).contains(number)).collect(),
        });
        end = seal.sealed;
        next = match seal.sealed {
            Some(sealed) if sealed.epoch < seal.epoch => read_seal(disk, store, sealed.epoch)?,
            Some(sealed) => {
                let problem = format!("it seals epoch {}, which is not before it", sealed.epoch);
                return Err(ChainError::Seal { name: FileName::Seal(seal.epoch), problem });
            }
            None => None,
        };
    }
    epochs.reverse();
    Ok(Chain { epochs, before: end, durable: 0 })
}

fn youngest_seal(disk: &dyn Disk, store: &RandomId, epoch: Epoch) -> Result<Option<Seal>, ChainError> {
    for before in (1..epoch.0).rev() {
        if let Some(seal) = read_seal(disk, store, Epoch(before))? {
            return Ok(Some(seal));
        }
    }
    Ok(None)
}

fn read_seal(disk: &dyn Disk, store: &RandomId, epoch: Epoch) -> Result<Option<Seal>, ChainError> {
    let name = FileName::Seal(epoch);
    let Some(content) = disk.read(name)? else { return Ok(None) };
    let seal =
        seal::decode(&content).map_err(|error| ChainError::Seal { name, problem: error.to_string() })?;
    if seal.epoch != epoch || seal.store != *store {
        let problem = format!("it belongs to epoch {} of another store", seal.epoch);
        return Err(ChainError::Seal { name, problem });
    }
    Ok(Some(seal))
}
