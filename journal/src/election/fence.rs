//! The question that makes a stale master harmless.

use std::io;

use kahawai_store::names::Epoch;

use crate::disk::Disk;
use crate::format::name::FileName;

/// Whether epoch `epoch` is still the youngest: the next claim absent and its own present, **asked in that order**.
///
/// Claims are deleted lowest first. Were the next claim made and already deleted again when it is asked for, ours was
/// deleted before it, and the second question finds that; in the other order both could answer yes.
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
