//! The mapping of a segment into memory: the one place with `unsafe`.
//!
//! The mapping is held as a raw pointer ([`memmap2::MmapRaw`]); no reference into it is ever made, because another
//! process (a stale master, a tool) may write the same file. Bytes only go in and out by copying.
//!
//! A write to a page whose block cannot be had, or a file cut short by somebody, is SIGBUS: the process dies, and
//! loses nothing it has acknowledged. Segments are filled with zeros before they are mapped, so that this takes
//! a file system that copies on write and is full, or a hand that truncates.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::MmapRaw;

/// A whole file, mapped shared.
#[derive(Debug)]
pub(super) struct Mapping {
    map: MmapRaw,
    writable: bool,
}

impl Mapping {
    /// Maps a file for reading and writing.
    pub(super) fn writable(file: &File) -> io::Result<Self> {
        Ok(Self { map: MmapRaw::map_raw(file)?, writable: true })
    }

    /// Maps a file for reading alone: [`Mapping::copy_in`] must not be called then.
    pub(super) fn readable(file: &File) -> io::Result<Self> {
        Ok(Self { map: memmap2::MmapOptions::new().map_raw_read_only(file)?, writable: false })
    }

    pub(super) fn length(&self) -> usize {
        self.map.len()
    }

    /// Copies bytes in. The caller is the one writer of this file in this process.
    ///
    /// # Panics
    /// Beyond the end, or where it is mapped for reading alone; callers check before.
    pub(super) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        assert!(self.writable, "write to a mapping for reading");
        assert!(
            offset.checked_add(bytes.len()).is_some_and(|end| end <= self.map.len()),
            "write beyond the mapping"
        );
        // SAFETY: the range was just checked to lie within the mapping, which lives as long as `self` and is
        // writable. `bytes` is a Rust slice and the mapping is never lent as one, so they do not overlap.
        // Other threads read only ranges written before (the engine publishes a record's place after writing it,
        // through a lock), and what another process sees of a write under way fails its checksum.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(offset), bytes.len());
        }
    }

    /// Copies bytes out.
    ///
    /// # Panics
    /// Beyond the end; callers check before.
    pub(super) fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        assert!(
            offset.checked_add(bytes.len()).is_some_and(|end| end <= self.map.len()),
            "read beyond the mapping"
        );
        // SAFETY: the range was just checked to lie within the mapping, which lives as long as `self` and is
        // readable. `bytes` is a Rust slice and the mapping is never lent as one, so they do not overlap. What another
        // process may be writing there meanwhile is plain bytes, any value of which is valid, and is used only
        // after its checksum verified.
        unsafe {
            std::ptr::copy_nonoverlapping(self.map.as_ptr().add(offset), bytes.as_mut_ptr(), bytes.len());
        }
    }

    /// `msync(MS_SYNC)` of the pages that hold a range.
    pub(super) fn flush(&self, offset: usize, count: usize) -> io::Result<()> {
        self.map.flush_range(offset, count)
    }
}
