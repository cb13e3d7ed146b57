//! What the device can do, with nothing of ours above it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file that is written to: as long as a segment of the journal, and written with zeros before, as those are.
const LENGTH: u64 = 32 << 20;

/// Bytes a write when bandwidth is measured.
const BLOCK: usize = 4 << 20;

/// A file to measure the device with; removed when dropped.
#[derive(Debug)]
pub(super) struct Floor {
    file: File,
    path: PathBuf,
    offset: u64,
}

impl Floor {
    /// Makes the file.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join("floor");
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let zeros = vec![0; BLOCK];
        for offset in (0..LENGTH).step_by(BLOCK) {
            file.write_all_at(&zeros, offset)?;
        }
        file.sync_all()?;
        Ok(Self { file, path, offset: 0 })
    }

    /// Writes so many bytes and flushes them, one after the other for this long: flushes a second.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn flushes(&mut self, bytes: usize, time: Duration) -> io::Result<f64> {
        let bytes = bytes.clamp(1, LENGTH as usize);
        let block = vec![b'x'; bytes];
        let (started, mut count) = (Instant::now(), 0_u64);
        while started.elapsed() < time {
            if self.offset + bytes as u64 > LENGTH {
                self.offset = 0;
            }
            self.file.write_all_at(&block, self.offset)?;
            self.file.sync_data()?;
            self.offset += bytes as u64;
            count += 1;
        }
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }

    /// Writes large blocks, each flushed, for this long: bytes a second.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn bandwidth(&mut self, time: Duration) -> io::Result<f64> {
        Ok(self.flushes(BLOCK, time)? * BLOCK as f64)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // The directory goes as well.
        let _ = std::fs::remove_file(&self.path);
    }
}
