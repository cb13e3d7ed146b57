//! Files that are written once, then only read: through a mapping where the file system is local.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use super::mapping::Mapping;
use super::{FinishedFile, NewFile, check_range};

/// A file being written, through a buffer of some length.
#[derive(Debug)]
pub(super) struct WrittenOnce(io::BufWriter<File>);

impl WrittenOnce {
    pub(super) fn new(file: File) -> Self {
        const BUFFER: usize = 256 << 10;
        Self(io::BufWriter::with_capacity(BUFFER, file))
    }
}

impl NewFile for WrittenOnce {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_all()
    }
}

/// A file, mapped to be read.
#[derive(Debug)]
pub(super) struct MappedFile(Mapping);

impl MappedFile {
    pub(super) fn new(file: &File) -> io::Result<Self> {
        Ok(Self(Mapping::readable(file)?))
    }
}

impl FinishedFile for MappedFile {
    fn length(&self) -> u64 {
        self.0.length() as u64
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length(), io::ErrorKind::UnexpectedEof)?;
        self.0.copy_out(offset as usize, bytes);
        Ok(())
    }
}

/// A file, read with `pread`.
#[derive(Debug)]
pub(super) struct PlainFile {
    file: File,
    length: u64,
}

impl PlainFile {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl FinishedFile for PlainFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length, io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(bytes, offset)
    }
}
