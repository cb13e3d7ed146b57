//! Segments written through a mapping.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::directory::FlushCall;
use super::mapping::Mapping;
use super::{SegmentFile, check_range};

/// A segment mapped into memory.
#[derive(Debug)]
pub(super) struct MappedSegment {
    mapping: Mapping,
    file: File,
    flush_call: FlushCall,
}

impl MappedSegment {
    pub(super) fn new(file: File, flush_call: FlushCall) -> io::Result<Self> {
        Ok(Self { mapping: Mapping::writable(&file)?, file, flush_call })
    }
}

impl SegmentFile for MappedSegment {
    fn length(&self) -> u64 {
        self.mapping.length() as u64
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length(), io::ErrorKind::InvalidInput)?;
        self.mapping.copy_in(offset as usize, bytes);
        Ok(())
    }

    fn flush(&self, from: u64, to: u64) -> io::Result<()> {
        check_range(from, to.saturating_sub(from) as usize, self.length(), io::ErrorKind::InvalidInput)?;
        match self.flush_call {
            FlushCall::Msync => self.mapping.flush(from as usize, (to - from) as usize),
            FlushCall::Fdatasync => self.file.sync_data(),
        }
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length(), io::ErrorKind::UnexpectedEof)?;
        self.mapping.copy_out(offset as usize, bytes);
        Ok(())
    }

    fn has_one_name(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 1)
    }
}
