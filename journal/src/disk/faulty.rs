//! A disk that fails or stops at chosen calls: the door through which every fault test enters.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Disk, FinishedFile, KeptFile, LockGuard, NewFile, SegmentFile};
use crate::format::name::FileName;

/// A call of the seam, as a fault sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Disk::create_segment`], [`Disk::prepare_segment`].
    CreateSegment,
    /// [`Disk::open_segment`].
    OpenSegment,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::read`].
    Read,
    /// [`Disk::publish`].
    Publish,
    /// [`Disk::overwrite`].
    Overwrite,
    /// [`Disk::ask`], [`KeptFile::is_in_place`].
    Ask,
    /// [`Disk::list`].
    List,
    /// [`Disk::sync_names`].
    SyncNames,
    /// [`Disk::sweep`].
    Sweep,
    /// [`Disk::try_lock`].
    TryLock,
    /// [`Disk::create_file`].
    CreateFile,
    /// [`NewFile::write`].
    FileWrite,
    /// [`NewFile::finish`].
    FileFinish,
    /// [`Disk::open_file`].
    OpenFile,
    /// [`SegmentFile::write`].
    SegmentWrite,
    /// [`SegmentFile::flush`].
    SegmentFlush,
    /// [`SegmentFile::read`].
    SegmentRead,
}

type Fault = Arc<dyn Fn(Call) -> io::Result<()> + Send + Sync>;

/// A disk whose every call first passes a fault: it may answer an error, or block.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    fault: Fault,
}

impl FaultyDisk {
    /// Puts a fault before a disk.
    pub fn new(inner: Arc<dyn Disk>, fault: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { inner, fault: Arc::new(fault) }
    }

    fn segment(&self, inner: Arc<dyn SegmentFile>) -> Arc<dyn SegmentFile> {
        Arc::new(FaultySegment { inner, fault: Arc::clone(&self.fault) })
    }
}

impl std::fmt::Debug for FaultyDisk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FaultyDisk").field(&self.inner).finish()
    }
}

impl Disk for FaultyDisk {
    fn create_segment(&self, name: FileName, length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        (self.fault)(Call::CreateSegment)?;
        Ok(self.segment(self.inner.create_segment(name, length)?))
    }

    fn prepare_segment(
        &self,
        name: FileName,
        length: u64,
        hurry: &AtomicBool,
    ) -> io::Result<Arc<dyn SegmentFile>> {
        (self.fault)(Call::CreateSegment)?;
        Ok(self.segment(self.inner.prepare_segment(name, length, hurry)?))
    }

    fn open_segment(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>> {
        (self.fault)(Call::OpenSegment)?;
        Ok(self.segment(self.inner.open_segment(name)?))
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        (self.fault)(Call::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        (self.fault)(Call::Remove)?;
        self.inner.remove(name)
    }

    fn read(&self, name: FileName) -> io::Result<Option<Vec<u8>>> {
        (self.fault)(Call::Read)?;
        self.inner.read(name)
    }

    fn publish(&self, name: FileName, content: &[u8]) -> io::Result<bool> {
        (self.fault)(Call::Publish)?;
        self.inner.publish(name, content)
    }

    fn overwrite(&self, name: FileName, content: &[u8]) -> io::Result<()> {
        (self.fault)(Call::Overwrite)?;
        self.inner.overwrite(name, content)
    }

    fn ask(&self, name: FileName) -> io::Result<bool> {
        (self.fault)(Call::Ask)?;
        self.inner.ask(name)
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        (self.fault)(Call::List)?;
        self.inner.list()
    }

    fn sync_names(&self) -> io::Result<()> {
        (self.fault)(Call::SyncNames)?;
        self.inner.sync_names()
    }

    fn sweep(&self) -> io::Result<()> {
        (self.fault)(Call::Sweep)?;
        self.inner.sweep()
    }

    fn keep(&self, name: FileName) -> io::Result<Box<dyn KeptFile>> {
        (self.fault)(Call::Read)?;
        Ok(Box::new(FaultyKept { inner: self.inner.keep(name)?, fault: Arc::clone(&self.fault) }))
    }

    fn is_in_place(&self) -> io::Result<bool> {
        self.inner.is_in_place()
    }

    fn look_again(&self) -> io::Result<()> {
        self.inner.look_again()
    }

    fn create_file(&self, name: FileName) -> io::Result<Box<dyn NewFile>> {
        (self.fault)(Call::CreateFile)?;
        Ok(Box::new(FaultyNewFile { inner: self.inner.create_file(name)?, fault: Arc::clone(&self.fault) }))
    }

    fn open_file(&self, name: FileName) -> io::Result<Arc<dyn FinishedFile>> {
        (self.fault)(Call::OpenFile)?;
        self.inner.open_file(name)
    }

    fn try_lock(&self) -> io::Result<Option<Box<dyn LockGuard>>> {
        (self.fault)(Call::TryLock)?;
        self.inner.try_lock()
    }
}

struct FaultyKept {
    inner: Box<dyn KeptFile>,
    fault: Fault,
}

impl std::fmt::Debug for FaultyKept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FaultyKept").field(&self.inner).finish()
    }
}

impl KeptFile for FaultyKept {
    fn is_in_place(&self) -> io::Result<bool> {
        (self.fault)(Call::Ask)?;
        self.inner.is_in_place()
    }
}

struct FaultyNewFile {
    inner: Box<dyn NewFile>,
    fault: Fault,
}

impl std::fmt::Debug for FaultyNewFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FaultyNewFile").field(&self.inner).finish()
    }
}

impl NewFile for FaultyNewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (self.fault)(Call::FileWrite)?;
        self.inner.write(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        (self.fault)(Call::FileFinish)?;
        self.inner.finish()
    }
}

struct FaultySegment {
    inner: Arc<dyn SegmentFile>,
    fault: Fault,
}

impl std::fmt::Debug for FaultySegment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FaultySegment").field(&self.inner).finish()
    }
}

impl SegmentFile for FaultySegment {
    fn length(&self) -> u64 {
        self.inner.length()
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        (self.fault)(Call::SegmentWrite)?;
        self.inner.write(offset, parts)
    }

    fn flush(&self, from: u64, to: u64) -> io::Result<()> {
        (self.fault)(Call::SegmentFlush)?;
        self.inner.flush(from, to)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        (self.fault)(Call::SegmentRead)?;
        self.inner.read(offset, bytes)
    }

    fn has_one_name(&self) -> io::Result<bool> {
        self.inner.has_one_name()
    }
}
