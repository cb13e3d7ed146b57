//! The question that makes a stale master harmless.

use std::io;

use kahawai_store::names::Epoch;

use crate::disk::{Disk, KeptFile};
use crate::format::name::FileName;

/// Whether epoch `epoch` is still the youngest: the next claim absent and its own present, which is held open.
///
/// Claims are never deleted, so that the first question alone decides among those who keep to the rules. The second finds a directory
/// that somebody emptied, also where another has begun a store anew in it since: the name may be there again, the file is not.
///
/// Gives the reason where it is not.
pub(crate) fn ask(
    disk: &dyn Disk,
    epoch: Epoch,
    claim: &dyn KeptFile,
) -> io::Result<Result<(), &'static str>> {
    if disk.ask(FileName::Claim(Epoch(epoch.0 + 1)))? {
        return Ok(Err("the next epoch was claimed"));
    }
    if !claim.is_in_place()? {
        return Ok(Err("its claim is gone: files were removed from the store directory under it"));
    }
    Ok(Ok(()))
}
