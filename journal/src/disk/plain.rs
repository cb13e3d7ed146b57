//! Segments written with `pwrite` and `fdatasync`: for file systems where mappings are not coherent, and to compare.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::{SegmentFile, check_range};

/// A segment as a plain file.
#[derive(Debug)]
pub(super) struct PlainSegment {
    file: File,
    length: u64,
}

impl PlainSegment {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl SegmentFile for PlainSegment {
    fn length(&self) -> u64 {
        self.length
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length, io::ErrorKind::InvalidInput)?;
        self.file.write_all_at(bytes, offset)
    }

    fn flush(&self, _from: u64, _to: u64) -> io::Result<()> {
        self.file.sync_data()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length, io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(bytes, offset)
    }

    fn has_one_name(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 1)
    }
}
