//! Finds a log whose seal is missing though it was in use: to open the store without it would lose, and then sweep away, all of it.
//!
//! That segments of an epoch stand there without a seal is nothing by itself: its master may have died before it sealed.
//! But only then: a record says that records of its own segment are durable, or a segment follows another of its epoch, only
//! after the seal was published.

use std::io::{self, ErrorKind};

use kahawai_store::names::Epoch;

use super::chain_error::ChainError;
use super::scan::{Item, Scanner};
use crate::disk::{Disk, SegmentFile};
use crate::format::RandomId;
use crate::format::name::FileName;
use crate::format::segment::{self, SegmentHeader};

/// Looks at the segments of epochs between the youngest that is sealed and the one that begins.
pub(super) fn check(
    disk: &dyn Disk,
    store: &RandomId,
    names: &[FileName],
    sealed: Epoch,
    begins: Epoch,
) -> Result<(), ChainError> {
    for name in names {
        let FileName::Segment { epoch, number } = *name else { continue };
        if epoch > sealed && epoch < begins && is_in_use(disk, store, epoch, number)? {
            let problem = format!("it is missing, though its log was in use: see {name}");
            return Err(ChainError::Seal { name: FileName::Seal(epoch), problem });
        }
    }
    Ok(())
}

/// Whether a segment proves that its epoch had sealed. One that is not there any more does not.
pub(crate) fn is_in_use(disk: &dyn Disk, store: &RandomId, epoch: Epoch, number: u64) -> io::Result<bool> {
    let file = match disk.open_segment(FileName::Segment { epoch, number }) {
        // A stale master's, who took it away again.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        result => result?,
    };
    let mut header = [0; segment::HEADER_LENGTH as usize];
    if file.length() < segment::HEADER_LENGTH {
        return Ok(false);
    }
    file.read(0, &mut header)?;
    let Ok(header) = segment::decode(&header) else { return Ok(false) };
    let is_ours = header.store == *store && header.epoch == epoch && header.number == number;
    Ok(is_ours && was_in_use(file.as_ref(), &header)?)
}

fn was_in_use(file: &dyn SegmentFile, header: &SegmentHeader) -> io::Result<bool> {
    if header.before.is_some_and(|before| before.epoch == header.epoch) {
        return Ok(true);
    }
    let mut bytes = vec![0; file.length() as usize];
    file.read(0, &mut bytes)?;
    let mut items = Scanner::new(&bytes, header.log, header.epoch, header.number, None);
    Ok(items.any(|item| match item {
        Item::Record { header: record, .. }
        | Item::PartlyDamaged { header: record, .. }
        | Item::BodyDamaged { header: record, .. } => record.durable_through >= header.first_sequence,
        Item::Gap { .. } => false,
    }))
}
