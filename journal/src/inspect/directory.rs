//! A store's directory, opened so that nothing in it can be changed.
//!
//! The engine opens segments to write them and maps them. A tool does neither: it reads with `pread`, so that a file that is cut
//! short or taken away meanwhile is an error or a finding, never a signal; and whatever would write is refused here.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::pins::is_of_a_backup;
use crate::disk::{
    Disk, FinishedFile, KeptFile, LockGuard, NewFile, SMALL_FILE_MAX, SegmentFile, check_range,
};
use crate::format::name::FileName;

/// A directory that is only read.
#[derive(Clone, Debug)]
pub struct ReadOnlyDirectory {
    path: PathBuf,
}

impl ReadOnlyDirectory {
    /// A directory that is there.
    ///
    /// # Errors
    /// Where it is not, is no directory, or may not be looked at.
    pub fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(ErrorKind::NotADirectory.into())
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is.
    pub fn path_of(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// The names that are none of a store's, sorted.
    ///
    /// # Errors
    /// As `read_dir`.
    pub fn foreign(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.parse::<FileName>().is_err() && !is_of_a_backup(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// When a file was last written, where it is there.
    pub fn written_at(&self, name: FileName) -> Option<SystemTime> {
        fs::metadata(self.path_of(name)).and_then(|found| found.modified()).ok()
    }

    /// Whether somebody has the store's lock: `None` where there is no lock file. For a moment the lock is shared with whoever
    /// only looks too; a candidate that looks at that very moment looks again a moment later.
    ///
    /// # Errors
    /// Where the lock file cannot be opened or locked at all.
    pub fn lock(&self) -> io::Result<Option<LockSeen>> {
        let file = match File::open(self.path_of(FileName::Lock)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let inode = file.metadata()?.ino();
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(LockSeen { held: false, inode })),
            Err(TryLockError::WouldBlock) => Ok(Some(LockSeen { held: true, inode })),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What was seen of the lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockSeen {
    /// Whether somebody has it.
    pub held: bool,
    /// Which file it is.
    pub inode: u64,
}

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(ErrorKind::ReadOnlyFilesystem, "the store is opened to be read only"))
}

impl Disk for ReadOnlyDirectory {
    fn create_segment(&self, _name: FileName, _length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        refused()
    }

    fn open_segment(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>> {
        let file = File::open(self.path_of(name))?;
        let length = file.metadata()?.len();
        Ok(Arc::new(ReadOnlySegment { file, length }))
    }

    fn rename(&self, _from: FileName, _to: FileName) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _name: FileName) -> io::Result<()> {
        refused()
    }

    fn read(&self, name: FileName) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path_of(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let mut content = Vec::new();
        file.take(SMALL_FILE_MAX as u64).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    fn publish(&self, _name: FileName, _content: &[u8]) -> io::Result<bool> {
        refused()
    }

    fn overwrite(&self, _name: FileName, _content: &[u8]) -> io::Result<()> {
        refused()
    }

    fn ask(&self, name: FileName) -> io::Result<bool> {
        self.path_of(name).try_exists()
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            if let Some(name) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_names(&self) -> io::Result<()> {
        refused()
    }

    fn sweep(&self) -> io::Result<()> {
        refused()
    }

    fn keep(&self, _name: FileName) -> io::Result<Box<dyn KeptFile>> {
        refused()
    }

    fn is_in_place(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn look_again(&self) -> io::Result<()> {
        refused()
    }

    fn create_file(&self, _name: FileName) -> io::Result<Box<dyn NewFile>> {
        refused()
    }

    fn open_file(&self, _name: FileName) -> io::Result<Arc<dyn FinishedFile>> {
        // The tools read the journal itself, and no index.
        refused()
    }

    fn try_lock(&self) -> io::Result<Option<Box<dyn LockGuard>>> {
        refused()
    }
}

/// A segment as it was long when it was opened.
#[derive(Debug)]
struct ReadOnlySegment {
    file: File,
    length: u64,
}

impl SegmentFile for ReadOnlySegment {
    fn length(&self) -> u64 {
        self.length
    }

    fn write(&self, _offset: u64, _parts: &[io::IoSlice<'_>]) -> io::Result<()> {
        refused()
    }

    fn flush(&self, _from: u64, _to: u64) -> io::Result<()> {
        refused()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length, ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(bytes, offset)
    }

    fn has_one_name(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 1)
    }
}
