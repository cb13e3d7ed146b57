//! Segments written with `pwrite` and `fdatasync`: for file systems where mappings are not coherent, and to compare.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::{SegmentFile, check_range, total};

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

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        check_range(offset, total(parts), self.length, io::ErrorKind::InvalidInput)?;
        write_parts(&self.file, offset, parts)
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

/// Writes all parts at an offset: one `pwritev` for up to 1,024 of them (`UIO_MAXIOV`), and where the system takes less
/// than all, the rest after it.
pub(super) fn write_parts(file: &File, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
    const PARTS_MAX: usize = 1024;
    for parts in parts.chunks(PARTS_MAX) {
        let mut written = rustix::io::pwritev(file, parts, offset)?;
        for part in parts {
            if written < part.len() {
                file.write_all_at(&part[written..], offset + written as u64)?;
            }
            written = written.saturating_sub(part.len());
            offset += part.len() as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_one_after_another_however_many_they_are() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(100_000).expect("a length");
        let segment = PlainSegment::new(file).expect("a segment");
        let parts: Vec<Vec<u8>> = (0..2500_usize).map(|part| vec![part as u8; part % 37]).collect();
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        segment.write(11, &slices).expect("a write");
        let mut read = vec![0; total(&slices)];
        segment.read(11, &mut read).expect("a read");
        assert_eq!(read, parts.concat());
        assert!(segment.write(100_000 - 10, &slices).is_err(), "beyond the end");
    }
}
