//! The question that makes a stale master harmless.

use std::io;

use kahawai_store::names::Epoch;

use crate::disk::Disk;
use crate::format::name::FileName;

/// Whether epoch `epoch` is still the youngest: the next claim absent and its own present.
///
/// Claims are never deleted, so that the first question alone decides. The second finds a directory that somebody emptied
/// or put another in the place of.
///
/// Gives the reason where it is not.
pub(super) fn ask(disk: &dyn Disk, epoch: Epoch) -> io::Result<Result<(), &'static str>> {
    if disk.ask(FileName::Claim(Epoch(epoch.0 + 1)))? {
        return Ok(Err("the next epoch was claimed"));
    }
    if !disk.ask(FileName::Claim(epoch))? {
        return Ok(Err("its claim is gone"));
    }
    Ok(Ok(()))
}
