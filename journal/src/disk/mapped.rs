//! Segments that are mapped: read through the mapping, and written through it or beside it.
//!
//! A page written through a mapping costs a fault each time after it was flushed, and its protection is taken back at each flush, on
//! every core. A `pwrite` of a few records costs less, a copy of many less still: `benches/README.md` has the figures. On a
//! local file system both see the same page cache, so a segment may be written now one way, now the other.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::MetadataExt;

use super::flush_call::FlushCall;
use super::mapping::Mapping;
use super::plain::write_parts;
use super::{SegmentFile, check_range, total};

/// A segment mapped into memory.
#[derive(Debug)]
pub(super) struct MappedSegment {
    mapping: Mapping,
    file: File,
    /// Writes of fewer bytes than this go beside the mapping.
    mapped_from: usize,
    flush_call: FlushCall,
}

impl MappedSegment {
    pub(super) fn new(file: File, mapped_from: usize, flush_call: FlushCall) -> io::Result<Self> {
        Ok(Self { mapping: Mapping::writable(&file)?, file, mapped_from, flush_call })
    }
}

impl SegmentFile for MappedSegment {
    fn length(&self) -> u64 {
        self.mapping.length() as u64
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = total(parts);
        check_range(offset, bytes, self.length(), io::ErrorKind::InvalidInput)?;
        if bytes < self.mapped_from {
            return write_parts(&self.file, offset, parts);
        }
        let mut at = offset as usize;
        for part in parts {
            self.mapping.copy_in(at, part);
            at += part.len();
        }
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
