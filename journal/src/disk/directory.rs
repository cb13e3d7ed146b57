//! A store directory on a real file system.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use fs2::FileExt as _;
use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags};

use super::filesystem::FileSystem;
use super::finished::{MappedFile, PlainFile, WrittenOnce};
pub use super::flush_call::FlushCall;
use super::mapped::MappedSegment;
use super::plain::PlainSegment;
use super::{Disk, FinishedFile, KeptFile, LockGuard, NewFile, SMALL_FILE_MAX, SegmentFile};
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

/// From how many bytes on a write goes through the mapping in [`SegmentIo::Mixed`]. Measured: `benches/README.md`.
const MAPPED_FROM: usize = 128 << 10;

/// A directory, open.
///
/// Everything goes by the handle: a path may lead elsewhere a moment later, when the directory is moved or something is mounted over
/// it, and two directories must never be taken for one store. The path serves to find out that this has happened.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Replaced only where a candidate finds its store again.
    handle: RwLock<Arc<File>>,
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
        // The working directory may change, and what the path says with it.
        let path = std::path::absolute(path)?;
        let handle = RwLock::new(Arc::new(handle));
        Ok(Self { path, handle, filesystem, segment_io: segment_io.unwrap_or(by_itself) })
    }

    /// The file system it is on.
    pub fn filesystem(&self) -> FileSystem {
        self.filesystem
    }

    /// How segments are written.
    pub fn segment_io(&self) -> SegmentIo {
        self.segment_io
    }

    fn handle(&self) -> Arc<File> {
        Arc::clone(&self.handle.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a file in the directory.
    fn open_at(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        Ok(rustix::fs::openat(&*self.handle(), name, flags | OFlags::CLOEXEC, mode)?.into())
    }

    /// A name that nobody else uses: process ids repeat among hosts and containers, and over the life of a left-over.
    fn temporary(name: &str) -> io::Result<String> {
        use std::fmt::Write;
        let mut text = format!("{name}.");
        for byte in random_id()? {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text + TEMPORARY_ENDING)
    }

    fn remove_if_there(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&*self.handle(), name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            result => Ok(result?),
        }
    }

    /// The names of everything in it.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&*self.handle())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// Makes a segment of zeros. As long as nobody is in a hurry it is put on the disk piece by piece, with a pause as long as each piece
    /// took: a flush of the log that comes meanwhile waits for one piece at most, not for all.
    fn new_segment(
        &self,
        name: FileName,
        length: u64,
        hurry: &AtomicBool,
    ) -> io::Result<Arc<dyn SegmentFile>> {
        static ZEROS: [u8; 1 << 18] = [0; 1 << 18];
        let name = name.to_string();
        let file = self.open_at(&name, CREATE_NEW | OFlags::RDWR)?;
        let fill = || {
            let mut left = length;
            let mut began = Instant::now();
            while left > 0 {
                let count = left.min(ZEROS.len() as u64) as usize;
                file.write_all_at(&ZEROS[..count], length - left)?;
                left -= count as u64;
                if left.is_multiple_of(PIECE) && !hurry.load(Ordering::Relaxed) {
                    file.sync_data()?;
                    thread::sleep(began.elapsed().min(PAUSE_MAX));
                    began = Instant::now();
                }
            }
            file.sync_all()
        };
        if let Err(error) = fill() {
            // The error to tell is the first; what is left behind by a failing removal is swept at the next take-over.
            let _ = self.remove_if_there(&name);
            return Err(error);
        }
        self.segment(file)
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
        let probe = Self::temporary("probe")?;
        self.open_at(&probe, CREATE_NEW | OFlags::WRONLY)?;
        self.remove_if_there(&probe)
    }
}

impl Disk for Directory {
    fn create_segment(&self, name: FileName, length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        self.new_segment(name, length, &AtomicBool::new(true))
    }

    fn prepare_segment(
        &self,
        name: FileName,
        length: u64,
        hurry: &AtomicBool,
    ) -> io::Result<Arc<dyn SegmentFile>> {
        self.new_segment(name, length, hurry)
    }

    fn open_segment(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>> {
        self.segment(self.open_at(&name.to_string(), OFlags::RDWR)?)
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        let handle = self.handle();
        Ok(rustix::fs::renameat(&*handle, from.to_string(), &*handle, to.to_string())?)
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        self.remove_if_there(&name.to_string())
    }

    fn read(&self, name: FileName) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_at(&name.to_string(), OFlags::RDONLY) {
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
            let handle = self.handle();
            let temporary = Self::temporary(&name.to_string())?;
            let mut file = self.open_at(&temporary, CREATE_NEW | OFlags::WRONLY)?;
            let link = || {
                let name = name.to_string();
                Ok(rustix::fs::linkat(&*handle, &temporary, &*handle, name, AtFlags::empty())?)
            };
            let linked: io::Result<()> =
                file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| link());
            let removed = self.remove_if_there(&temporary);
            match linked {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => removed?,
            }
            handle.sync_all()?;
            return Ok(self.read(name)?.as_deref() == Some(content));
        }
        Err(io::Error::new(ErrorKind::NotFound, format!("what was to become {name} is swept away each time")))
    }

    fn overwrite(&self, name: FileName, content: &[u8]) -> io::Result<()> {
        let file = self.open_at(&name.to_string(), OFlags::CREATE | OFlags::WRONLY)?;
        file.write_all_at(content, 0)?;
        if self.filesystem.is_local() { Ok(()) } else { file.sync_data() }
    }

    fn ask(&self, name: FileName) -> io::Result<bool> {
        if !self.filesystem.is_local() {
            self.forget_cached_names()?;
        }
        // By name in the open directory: no path to walk, twice in every flush.
        match rustix::fs::accessat(&*self.handle(), name.to_string(), Access::EXISTS, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(self.names()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.handle().sync_all()
    }

    fn sweep(&self) -> io::Result<()> {
        for name in self.names()? {
            if name.ends_with(TEMPORARY_ENDING) {
                self.remove_if_there(&name)?;
            }
        }
        Ok(())
    }

    fn keep(&self, name: FileName) -> io::Result<Box<dyn KeptFile>> {
        let file = self.open_at(&name.to_string(), OFlags::RDONLY)?;
        Ok(Box::new(NamedFile::of(file, self, name)?))
    }

    fn create_file(&self, name: FileName) -> io::Result<Box<dyn NewFile>> {
        let file = self.open_at(&name.to_string(), CREATE_NEW | OFlags::WRONLY)?;
        Ok(Box::new(WrittenOnce::new(file)))
    }

    fn open_file(&self, name: FileName) -> io::Result<Arc<dyn FinishedFile>> {
        let file = self.open_at(&name.to_string(), OFlags::RDONLY)?;
        Ok(match self.segment_io {
            // An empty file cannot be mapped.
            SegmentIo::Mixed | SegmentIo::Mapped(_) if file.metadata()?.len() > 0 => {
                Arc::new(MappedFile::new(&file)?)
            }
            _ => Arc::new(PlainFile::new(file)?),
        })
    }

    fn try_lock(&self) -> io::Result<Option<Box<dyn LockGuard>>> {
        let file = self.open_at(&FileName::Lock.to_string(), OFlags::CREATE | OFlags::RDWR)?;
        match file.try_lock_exclusive() {
            Ok(()) => {
                let guard = LockedFile(NamedFile::of(file, self, FileName::Lock)?);
                // A file that lost its name between open and lock locks nobody else out.
                Ok(guard.is_in_place().then(|| Box::new(guard) as Box<dyn LockGuard>))
            }
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_in_place(&self) -> io::Result<bool> {
        let own = self.handle().metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn look_again(&self) -> io::Result<()> {
        let handle = File::open(&self.path)?;
        *self.handle.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(handle);
        Ok(())
    }
}

/// How much of a segment that nobody waits for is put on the disk at once.
const PIECE: u64 = 1 << 20;
/// The longest pause between two pieces of a segment that nobody waits for.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Makes a file, which must not be there.
const CREATE_NEW: OFlags = OFlags::CREATE.union(OFlags::EXCL);

/// A file held open, and the name by which it was found. While it is open nobody else can get its inode number.
#[derive(Debug)]
struct NamedFile {
    directory: Arc<File>,
    name: String,
    device: u64,
    inode: u64,
    /// Closing it gives a lock back.
    _file: File,
}

impl NamedFile {
    fn of(file: File, directory: &Directory, name: FileName) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            directory: directory.handle(),
            name: name.to_string(),
            device: found.dev(),
            inode: found.ino(),
            _file: file,
        })
    }

    fn is_in_place(&self) -> io::Result<bool> {
        match rustix::fs::statat(&*self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            // The fields' types differ among architectures.
            #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
            Ok(found) => Ok((found.st_dev as u64, found.st_ino as u64) == (self.device, self.inode)),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl KeptFile for NamedFile {
    fn is_in_place(&self) -> io::Result<bool> {
        Self::is_in_place(self)
    }
}

#[derive(Debug)]
struct LockedFile(NamedFile);

impl LockGuard for LockedFile {
    fn inode(&self) -> u64 {
        self.0.inode
    }

    fn is_in_place(&self) -> bool {
        self.0.is_in_place().unwrap_or(false)
    }
}
