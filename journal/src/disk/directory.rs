//! A store directory on a real file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs2::FileExt as _;
use rustix::fs::{Access, AtFlags};

use super::filesystem::FileSystem;
use super::mapped::MappedSegment;
use super::plain::PlainSegment;
use super::{Disk, LockGuard, SMALL_FILE_MAX, SegmentFile};
use crate::election::random_id;
use crate::format::name::{FileName, TEMPORARY_ENDING};

/// How segments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentIo {
    /// Mapped; many records at once are copied into the mapping, a few are written beside it, and all are flushed by
    /// `fdatasync`.
    Mixed,
    /// Always through the shared mapping, flushed by the call named.
    Mapped(FlushCall),
    /// With `pwrite`, flushed by `fdatasync`.
    Plain,
}

/// Which system call flushes a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushCall {
    /// `msync` of the pages written.
    Msync,
    /// `fdatasync` of the file, which writes pages dirtied through a mapping too.
    Fdatasync,
}

/// From how many bytes on a write goes through the mapping in [`SegmentIo::Mixed`]. Measured: `benches/README.md`.
const MAPPED_FROM: usize = 128 << 10;

/// A directory, open.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: File,
    filesystem: FileSystem,
    segment_io: SegmentIo,
}

impl Directory {
    /// Opens a directory that exists. `segment_io` is as asked for, or by itself: mapped where the file system is known to be
    /// local, plain elsewhere.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path, segment_io: Option<SegmentIo>) -> io::Result<Self> {
        let handle = File::open(path)?;
        let filesystem = FileSystem::of(path)?;
        let by_itself = if filesystem.is_local() { SegmentIo::Mixed } else { SegmentIo::Plain };
        Ok(Self { path: path.to_owned(), handle, filesystem, segment_io: segment_io.unwrap_or(by_itself) })
    }

    /// The file system it is on.
    pub fn filesystem(&self) -> FileSystem {
        self.filesystem
    }

    /// How segments are written.
    pub fn segment_io(&self) -> SegmentIo {
        self.segment_io
    }

    fn path_of(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// A name that nobody else uses: process ids repeat among hosts and containers, and over the life of a left-over.
    fn temporary(&self, name: &str) -> io::Result<PathBuf> {
        use std::fmt::Write;
        let mut text = format!("{name}.");
        for byte in random_id()? {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(self.path.join(text + TEMPORARY_ENDING))
    }

    fn segment(&self, file: File) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(match self.segment_io {
            SegmentIo::Mixed => Arc::new(MappedSegment::new(file, MAPPED_FROM, FlushCall::Fdatasync)?),
            SegmentIo::Mapped(flush_call) => Arc::new(MappedSegment::new(file, 0, flush_call)?),
            SegmentIo::Plain => Arc::new(PlainSegment::new(file)?),
        })
    }

    /// Changes the directory, so that a client of a network file system gives up what it remembers of names in it
    /// and asks its server about the next one.
    fn forget_cached_names(&self) -> io::Result<()> {
        let probe = self.temporary("probe")?;
        OpenOptions::new().write(true).create_new(true).open(&probe)?;
        remove_if_there(&probe)
    }
}

impl Disk for Directory {
    fn create_segment(&self, name: FileName, length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        static ZEROS: [u8; 1 << 18] = [0; 1 << 18];
        let path = self.path_of(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let fill = || {
            let mut left = length;
            while left > 0 {
                let count = left.min(ZEROS.len() as u64) as usize;
                file.write_all_at(&ZEROS[..count], length - left)?;
                left -= count as u64;
            }
            file.sync_all()
        };
        if let Err(error) = fill() {
            // The error to tell is the first; what is left behind by a failing removal is swept at the next take-over.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        self.segment(file)
    }

    fn open_segment(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path_of(name))?;
        self.segment(file)
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        fs::rename(self.path_of(from), self.path_of(to))
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        remove_if_there(&self.path_of(name))
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

    fn publish(&self, name: FileName, content: &[u8]) -> io::Result<bool> {
        // Another master may sweep the temporary file away in the middle: then it is written again.
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let temporary = self.temporary(&name.to_string())?;
            let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            let linked = file
                .write_all(content)
                .and_then(|()| file.sync_all())
                .and_then(|()| fs::hard_link(&temporary, self.path_of(name)));
            let removed = remove_if_there(&temporary);
            match linked {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => removed?,
            }
            self.handle.sync_all()?;
            return Ok(self.read(name)?.as_deref() == Some(content));
        }
        Err(io::Error::new(ErrorKind::NotFound, format!("what was to become {name} is swept away each time")))
    }

    fn overwrite(&self, name: FileName, content: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.path_of(name))?;
        file.write_all_at(content, 0)?;
        if self.filesystem.is_local() { Ok(()) } else { file.sync_data() }
    }

    fn ask(&self, name: FileName) -> io::Result<bool> {
        if !self.filesystem.is_local() {
            self.forget_cached_names()?;
        }
        // By name in the open directory: no path to walk, twice in every flush.
        match rustix::fs::accessat(&self.handle, name.to_string(), Access::EXISTS, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
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
        self.handle.sync_all()
    }

    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(TEMPORARY_ENDING) {
                remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }

    fn try_lock(&self) -> io::Result<Option<Box<dyn LockGuard>>> {
        let path = self.path_of(FileName::Lock);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock_exclusive() {
            Ok(()) => {
                let guard = LockedFile { inode: file.metadata()?.ino(), _file: file, path };
                // A file that lost its name between open and lock locks nobody else out.
                Ok(guard.is_in_place().then(|| Box::new(guard) as Box<dyn LockGuard>))
            }
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[derive(Debug)]
struct LockedFile {
    inode: u64,
    path: PathBuf,
    /// Closing it gives the lock back.
    _file: File,
}

impl LockGuard for LockedFile {
    fn inode(&self) -> u64 {
        self.inode
    }

    fn is_in_place(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode)
    }
}
