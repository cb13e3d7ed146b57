//! Setting aside what the seal of an epoch leaves out of the log before.
//!
//! The order: `epoch-N.cut` is there, durably, before the seal is published. **The seal is the cut**: from then on nothing of what is left out is read,
//! whoever opens the store. Then the segments get their names as what is set aside, and at last `epoch-N.cut` goes. Whoever finds it beside a seal that
//! counts does what is left to do, before anything is swept; whoever finds it without one knows that nothing was cut.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IoSlice};

use kahawai_store::election::Hold;
use kahawai_store::names::Epoch;

use super::begin_error::BeginError;
use crate::disk::Disk;
use crate::format::name::FileName;
use crate::format::seal::LogEnd;
use crate::format::{RandomId, cut, segment};
use crate::log::chain::Chain;
use crate::log::scan::Scanner;
use crate::log::unsealed;

/// Says, durably, that the seal of this epoch is going to leave something out.
pub(super) fn announce(disk: &dyn Disk, store: &RandomId, epoch: Epoch) -> Result<(), BeginError> {
    let published = disk.publish(FileName::Cut(epoch), &cut::encode(store, epoch));
    match published.map_err(|error| BeginError::Io { doing: "announce a cut", error })? {
        true => Ok(()),
        false => Err(BeginError::Sealed(epoch)),
    }
}

/// Copies what of a segment stands behind a cut, at the places where it stands there, under its name as what is set aside: the rest of the segment is kept in
/// the log, and goes when nothing in it lives.
pub(super) fn copy_end(disk: &dyn Disk, by: Epoch, log: RandomId, at: LogEnd) -> Result<(), BeginError> {
    let aside = FileName::Aside { by, epoch: at.epoch, number: at.number };
    let copied = try_copy(disk, aside, log, at);
    if copied.is_err() {
        // As far as it can be: what is left the next epoch takes away.
        let _ = disk.remove(aside).and_then(|()| disk.remove(FileName::Cut(by)));
    }
    copied.map_err(|error| BeginError::Io { doing: "set aside what was cut", error })
}

fn try_copy(disk: &dyn Disk, aside: FileName, log: RandomId, at: LogEnd) -> io::Result<()> {
    let LogEnd { epoch, number, offset } = at;
    let from = disk.open_segment(FileName::Segment { epoch, number })?;
    let mut bytes = vec![0; from.length() as usize];
    from.read(0, &mut bytes)?;
    // Records are verified at their places, so the file is as long, with nothing where the log goes on.
    let mut behind = Scanner::new(&bytes, log, epoch, number, None).from(offset);
    while behind.next().is_some() {}
    let end = behind.offset() as usize;
    let to = disk.create_segment(aside, from.length())?;
    to.write(0, &[IoSlice::new(&bytes[..segment::HEADER_LENGTH as usize])])?;
    to.write(offset, &[IoSlice::new(&bytes[offset as usize..end])])?;
    to.flush(0, end as u64)?;
    disk.sync_names()
}

/// Takes away what epochs had announced, and copied for it, whose seals do not count: nothing was cut by them. Where it is not known whose do, what
/// has a name as set aside keeps it.
pub(super) fn discard(disk: &dyn Disk, epoch: Epoch, knows_seals: bool) -> io::Result<()> {
    let names = disk.list()?;
    let announced: BTreeSet<Epoch> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Cut(found) if *found < epoch => Some(*found),
            _ => None,
        })
        .collect();
    if announced.is_empty() {
        return Ok(());
    }
    for name in names {
        if knows_seals && matches!(name, FileName::Aside { by, .. } if announced.contains(&by)) {
            disk.remove(name)?;
        }
    }
    // First what is announced, durably: otherwise nobody would know that it is no more than a copy.
    disk.sync_names()?;
    announced.into_iter().try_for_each(|found| disk.remove(FileName::Cut(found)))
}

/// Finishes the cuts of epochs whose seals count and that were broken off behind them.
pub(super) fn finish_earlier(
    disk: &dyn Disk,
    store: &RandomId,
    hold: &dyn Hold,
    chain: &Chain,
) -> Result<(), BeginError> {
    let cannot = |error| BeginError::Io { doing: "set aside what was cut", error };
    let names = disk.list().map_err(cannot)?;
    let mut sealed = chain.before;
    for log in &chain.epochs {
        if names.contains(&FileName::Cut(log.epoch)) {
            hold.prove()?;
            set_aside(disk, store, log.epoch, sealed).map_err(cannot)?;
        }
        sealed = log.end;
    }
    Ok(())
}

/// Gives what stands behind where the log is kept, or all of it, its names as what is set aside. To be called when the seal of the epoch that cuts is
/// published, and mastership was proven since. What of this was done before is no error.
pub(super) fn set_aside(
    disk: &dyn Disk,
    store: &RandomId,
    by: Epoch,
    kept: Option<LogEnd>,
) -> io::Result<()> {
    let mut names = disk.list()?;
    names.sort_unstable();
    let seals: BTreeSet<Epoch> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Seal(epoch) => Some(*epoch),
            _ => None,
        })
        .collect();
    let is_behind = |epoch, number| kept.is_none_or(|kept| (epoch, number) > (kept.epoch, kept.number));
    for name in names {
        let aside = match name {
            FileName::Segment { epoch, number } if epoch < by && is_behind(epoch, number) => {
                // What a candidate had begun that died before it sealed holds nothing of its own.
                if !seals.contains(&epoch) && !unsealed::is_in_use(disk, store, epoch, number)? {
                    continue;
                }
                FileName::Aside { by, epoch, number }
            }
            // With all of a log, what was damaged in it goes too.
            FileName::Quarantine { epoch, number } if kept.is_none() => FileName::Aside { by, epoch, number },
            _ => continue,
        };
        match disk.rename(name, aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => tracing::warn!("{name} is left out of the journal by epoch {by} and set aside as {aside}"),
        }
    }
    disk.sync_names()?;
    disk.remove(FileName::Cut(by))
}
