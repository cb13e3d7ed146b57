//! What the block device under a directory says of itself.
//!
//! `/sys/dev/block/MAJOR:MINOR/stat` (the kernel's `Documentation/block/stat.rst`) counts for the whole device, whoever writes.
//! What the kernel counts for a process (`/proc/self/io`) is of no use here: it counts whole folios when they are dirtied,
//! which with ext4 is up to 256 KiB for a kilobyte written.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};

/// Bytes of the kernel's sectors, whatever the device's are.
const SECTOR_BYTES: u64 = 512;

/// Which columns: sectors written, flush requests completed.
const SECTORS_WRITTEN: usize = 6;
const FLUSHES: usize = 15;

/// The device under a directory.
#[derive(Debug)]
pub(super) struct Device(PathBuf);

/// What it has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// Bytes written.
    pub(super) bytes: u64,
    /// Flushes of its cache.
    pub(super) flushes: u64,
}

impl Work {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            flushes: self.flushes.saturating_sub(before.flushes),
        }
    }
}

impl Device {
    /// The device that this directory is on.
    ///
    /// # Errors
    /// Where the directory cannot be looked at.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let device = std::fs::metadata(directory)?.dev();
        let numbers = format!("{}:{}", major(device), minor(device));
        Ok(Self(Path::new("/sys/dev/block").join(numbers).join("stat")))
    }

    /// What it has done so far; none where it is no block device of this machine's (a network, memory, an overlay).
    pub(super) fn work(&self) -> Option<Work> {
        parse(&std::fs::read_to_string(&self.0).ok()?)
    }
}

fn parse(stat: &str) -> Option<Work> {
    let columns: Vec<u64> = stat.split_whitespace().map_while(|column| column.parse().ok()).collect();
    let sectors = *columns.get(SECTORS_WRITTEN)?;
    Some(Work { bytes: sectors * SECTOR_BYTES, flushes: columns.get(FLUSHES).copied().unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_columns_are_read() {
        let stat = "  100 1 800 20  300 4 5000 60  0 700 80  0 0 0 0  9 10\n";
        assert_eq!(parse(stat), Some(Work { bytes: 5000 * 512, flushes: 9 }));
        assert_eq!(parse("1 2 3"), None);
        assert_eq!(parse(""), None);
    }
}
