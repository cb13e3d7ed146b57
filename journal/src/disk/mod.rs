//! The I/O seam: a store directory as a few calls, and a segment as three.
//!
//! The engine and the election act on the disk through [`Disk`] and [`SegmentFile`] only. Implementations:
//!
//! | module | what it is |
//! |---|---|
//! | [`directory`] | a real directory; segments mapped ([`mapped`]) or plain files ([`plain`]) |
//! | [`finished`] | files written once, on a real directory |
//! | [`memory`] | a disk in memory that knows what was synced, for crash tests |
//! | [`faulty`] | a wrapper that fails or stops at chosen calls |
//! | [`on_demand`] | segments opened when they are read, few at a time |

pub mod directory;
pub mod faulty;
pub mod filesystem;
mod finished;
mod flush_call;
mod mapped;
mod mapping;
pub mod memory;
pub(crate) mod on_demand;
mod plain;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::format::name::FileName;

/// A store directory.
///
/// All calls may be made from any thread and block the caller. An error is passed on as it came; nothing is tried again.
pub trait Disk: Debug + Send + Sync {
    /// Creates a segment of this length, filled with zeros that are on the disk on return, so that no later write
    /// has to find room. The name is durable only after [`Disk::sync_names`].
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is no room; nothing is left behind then.
    fn create_segment(&self, name: FileName, length: u64) -> io::Result<Arc<dyn SegmentFile>>;

    /// The same for one that nobody waits for yet: it is written so that others' flushes are held up little, until `hurry` is set.
    ///
    /// # Errors
    /// As [`Disk::create_segment`].
    fn prepare_segment(
        &self,
        name: FileName,
        length: u64,
        hurry: &AtomicBool,
    ) -> io::Result<Arc<dyn SegmentFile>> {
        let _ = hurry;
        self.create_segment(name, length)
    }

    /// Opens a segment to read it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn open_segment(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>>;

    /// Gives a file another name, replacing what had it. Durable only after [`Disk::sync_names`].
    fn rename(&self, from: FileName, to: FileName) -> io::Result<()>;

    /// Removes a name; that it is not there is no error. Durable only after [`Disk::sync_names`].
    fn remove(&self, name: FileName) -> io::Result<()>;

    /// The content of a small file (at most [`SMALL_FILE_MAX`] bytes are read), `None` where there is none.
    fn read(&self, name: FileName) -> io::Result<Option<Vec<u8>>>;

    /// Makes a small file appear under its name, whole and durable, in one atomic step, unless the name is taken.
    /// Tells whether it is now there with exactly these bytes: a lost reply of a file server is made up for by reading back.
    fn publish(&self, name: FileName, content: &[u8]) -> io::Result<bool>;

    /// Writes a small file in place, creating it where it is missing. Not synced on a local file system: it is for others
    /// to see, not to last.
    fn overwrite(&self, name: FileName, content: &[u8]) -> io::Result<()>;

    /// Whether a name is there, asked of the file server itself: never answered from a cache of this machine.
    fn ask(&self, name: FileName) -> io::Result<bool>;

    /// The store's files, in no order. What bears no name of a store's is left out.
    fn list(&self) -> io::Result<Vec<FileName>>;

    /// Makes names created, changed and removed so far durable.
    fn sync_names(&self) -> io::Result<()>;

    /// Removes left-over files that were being published when their process died.
    fn sweep(&self) -> io::Result<()>;

    /// Holds a file open that is there, to know it again: see [`KeptFile`].
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where it is not.
    fn keep(&self, name: FileName) -> io::Result<Box<dyn KeptFile>>;

    /// Whether the directory is still where it was opened: not moved away, with nothing mounted over it and none in its place.
    fn is_in_place(&self) -> io::Result<bool>;

    /// Takes the directory that is now where this one was opened in its place. For a candidate alone, which then looks what store it is:
    /// nothing of a mastership may be under way.
    fn look_again(&self) -> io::Result<()>;

    /// Creates a file to be written once, from its beginning to its end. Its bytes are durable after [`NewFile::finish`], its name
    /// after [`Disk::sync_names`]. One that a crash cut short is there with whatever was written: readers must be able to tell.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where the name is taken.
    fn create_file(&self, name: FileName) -> io::Result<Box<dyn NewFile>>;

    /// Opens a file that was written once, to read it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn open_file(&self, name: FileName) -> io::Result<Arc<dyn FinishedFile>>;

    /// Takes the lock if it is free; `None` where someone has it. It is given back when the guard is dropped or the process ends.
    fn try_lock(&self) -> io::Result<Option<Box<dyn LockGuard>>>;
}

/// The most bytes [`Disk::read`] reads.
pub const SMALL_FILE_MAX: usize = 64 * 1024;

/// A file held open. What has its name is not always it: a name can be removed and made again.
pub trait KeptFile: Debug + Send + Sync {
    /// Whether its name still leads to this very file, asked of the file server right after [`Disk::ask`] made the client of a network file
    /// system forget what it remembered.
    fn is_in_place(&self) -> io::Result<bool>;
}

/// The store's lock, held.
pub trait LockGuard: Debug + Send + Sync {
    /// The inode of the lock file that is locked.
    fn inode(&self) -> u64;

    /// Whether the lock file's name still leads to the file that is locked.
    fn is_in_place(&self) -> bool;
}

/// A file being written.
pub trait NewFile: Debug + Send {
    /// Writes these bytes behind what was written before.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Puts everything on the disk; durable on return.
    fn finish(&mut self) -> io::Result<()>;
}

/// A file that was written once and never changes. Any number of threads read it.
pub trait FinishedFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> u64;

    /// Fills `bytes` from an offset.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] beyond the file's length.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// A segment: bytes of a fixed length that are written once, flushed, and read.
///
/// One thread writes; any number read what was written before.
pub trait SegmentFile: Debug + Send + Sync {
    /// Its length in bytes, which never changes.
    fn length(&self) -> u64;

    /// Writes parts one after another, from an offset on. Durable only after [`SegmentFile::flush`].
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] beyond the segment's length; nothing is written then.
    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// Puts everything written between two offsets on the disk; durable on return.
    fn flush(&self, from: u64, to: u64) -> io::Result<()>;

    /// Fills `bytes` from an offset.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] beyond the segment's length.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Whether the file has just one name, so that it may be recycled (a second one is a backup's).
    fn has_one_name(&self) -> io::Result<bool>;
}

/// How many bytes some parts are together.
fn total(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Checks that a range lies within a segment.
pub(crate) fn check_range(offset: u64, count: usize, length: u64, kind: io::ErrorKind) -> io::Result<()> {
    match offset.checked_add(count as u64) {
        Some(end) if end <= length => Ok(()),
        _ => Err(io::Error::new(kind, format!("{count} bytes at {offset} of a segment of {length}"))),
    }
}
