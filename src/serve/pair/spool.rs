//! What a slave that catches up is to get later, in a file without a name: it is gone with the process.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use kahawai_replication::master::Spool;

/// A file without a name.
pub(super) struct FileSpool(File);

impl FileSpool {
    /// One in this directory, on the disk that the messages are on.
    pub(super) fn in_directory(directory: &Path) -> io::Result<Self> {
        tempfile::tempfile_in(directory).map(Self)
    }
}

impl Spool for FileSpool {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        // One appends, and what reads names its places: the file's own place is the end.
        (&self.0).write_all(bytes)
    }

    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}
