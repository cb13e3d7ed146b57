//! Segments that are opened when they are read, and of which few are open at a time.
//!
//! A log has as many segments as its backlog asks for, and a process may have so many files open and no more. Those that are full
//! are opened by their names when somebody reads them; of those that were read, the least recently used are closed. The one that is
//! being written stays open.
//!
//! **No name is ever given to a second file**: a segment's number rises within its epoch, and an epoch is claimed once. So what is
//! opened again is what was open before, or is gone. But a file may get another *name*, when it is recycled, and then
//! other bytes: whoever recycles it must know that nobody reads it, see [`OnDemand::take`].

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, SegmentFile};
use crate::format::name::FileName;

/// The segments of a store that are open, and the disk where the others are.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    disk: Arc<dyn Disk>,
    /// How many may be open, beside those that are being written.
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    files: HashMap<FileName, OpenFile>,
    /// Counts uses.
    uses: u64,
}

#[derive(Debug)]
struct OpenFile {
    file: Arc<dyn SegmentFile>,
    used: u64,
    is_written: bool,
}

impl Open {
    /// Takes the least recently used out until no more than this are open. They are given back, to be closed without the lock.
    fn reduce(&mut self, most: usize) -> Vec<OpenFile> {
        let mut closed = Vec::new();
        loop {
            let idle = || self.files.iter().filter(|(_, open)| !open.is_written);
            if idle().count() <= most {
                return closed;
            }
            let Some(name) = idle().min_by_key(|(_, open)| open.used).map(|(name, _)| *name) else {
                return closed;
            };
            closed.extend(self.files.remove(&name));
        }
    }

    fn add(&mut self, name: FileName, file: Arc<dyn SegmentFile>, is_written: bool) {
        self.uses += 1;
        self.files.insert(name, OpenFile { file, used: self.uses, is_written });
    }
}

impl OpenFiles {
    /// At most so many are open at a time, beside those that are being written and what is just read by a thread each.
    pub(crate) fn new(disk: Arc<dyn Disk>, most: usize) -> Arc<Self> {
        debug_assert!(most > 0, "what is read must be open");
        Arc::new(Self { disk, most, open: Mutex::default() })
    }

    /// The disk on which they are.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Finds a segment, of which the length is taken now.
    ///
    /// # Errors
    /// As [`Disk::open_segment`].
    pub(crate) fn find(self: &Arc<Self>, name: FileName) -> io::Result<Arc<OnDemand>> {
        let length = self.opened(name)?.length();
        Ok(Arc::new(OnDemand { files: Arc::clone(self), name, length }))
    }

    /// Takes in a segment that is there under this name and will be written: it stays open until [`OnDemand::seal`].
    pub(crate) fn being_written(
        self: &Arc<Self>,
        name: FileName,
        file: &Arc<dyn SegmentFile>,
    ) -> Arc<OnDemand> {
        self.open().add(name, Arc::clone(file), true);
        Arc::new(OnDemand { files: Arc::clone(self), name, length: file.length() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that is open, or is opened now.
    fn opened(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>> {
        let closed = {
            let mut open = self.open();
            open.uses += 1;
            let uses = open.uses;
            if let Some(found) = open.files.get_mut(&name) {
                found.used = uses;
                return Ok(Arc::clone(&found.file));
            }
            // Room first, so that not even for a moment there are more.
            open.reduce(self.most - 1)
        };
        drop(closed);
        let file = self.disk.open_segment(name)?;
        let mut open = self.open();
        let closed = match open.files.get(&name) {
            // Another thread was faster.
            Some(found) => return Ok(Arc::clone(&found.file)),
            None => open.reduce(self.most - 1),
        };
        open.add(name, Arc::clone(&file), false);
        drop(open);
        drop(closed);
        Ok(file)
    }

    /// Takes a file out, if it is open.
    fn remove(&self, name: FileName) -> Option<OpenFile> {
        self.open().files.remove(&name)
    }
}

/// A segment under its name: opened when it is read, and closed when others are.
///
/// A read fails with [`io::ErrorKind::NotFound`] where the name has gone meanwhile.
#[derive(Debug)]
pub(crate) struct OnDemand {
    files: Arc<OpenFiles>,
    name: FileName,
    length: u64,
}

impl OnDemand {
    fn file(&self) -> io::Result<Arc<dyn SegmentFile>> {
        self.files.opened(self.name)
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.files.open().files.contains_key(&self.name)
    }

    /// Its length when it was found.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// As [`SegmentFile::read`], and as [`Disk::open_segment`].
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file()?.read(offset, bytes)
    }

    /// As [`SegmentFile::has_one_name`].
    pub(crate) fn has_one_name(&self) -> io::Result<bool> {
        self.file()?.has_one_name()
    }

    /// Notes that it is not written any more: it may be closed from now on.
    pub(crate) fn seal(&self) {
        let closed = {
            let mut open = self.files.open();
            if let Some(found) = open.files.get_mut(&self.name) {
                found.is_written = false;
            }
            open.reduce(self.files.most)
        };
        drop(closed);
    }

    /// Takes the file itself, to give it another name and other bytes. The caller is the only one who has this segment: whoever reads
    /// one has it for as long.
    ///
    /// # Errors
    /// As [`Disk::open_segment`].
    pub(crate) fn take(self: Arc<Self>) -> io::Result<Arc<dyn SegmentFile>> {
        debug_assert!(Arc::strong_count(&self) == 1, "{} is taken while somebody may read it", self.name);
        match self.files.remove(self.name) {
            Some(open) => Ok(open.file),
            None => self.files.disk.open_segment(self.name),
        }
    }
}

impl Drop for OnDemand {
    /// Nobody asks for it any more: where its name is gone too, its room on the disk is free from now on.
    fn drop(&mut self) {
        drop(self.files.remove(self.name));
    }
}

impl SegmentFile for OnDemand {
    fn length(&self) -> u64 {
        Self::length(self)
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.file()?.write(offset, parts)
    }

    fn flush(&self, from: u64, to: u64) -> io::Result<()> {
        self.file()?.flush(from, to)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        Self::read(self, offset, bytes)
    }

    fn has_one_name(&self) -> io::Result<bool> {
        Self::has_one_name(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kahawai_store::names::Epoch;

    use super::*;
    use crate::disk::faulty::{Call, FaultyDisk};
    use crate::disk::memory::MemoryDisk;

    const LENGTH: u64 = 4096;

    fn name(number: u64) -> FileName {
        FileName::Segment { epoch: Epoch(1), number }
    }

    /// A disk with segments 1 to `count`, each filled with its number.
    fn disk(count: u64) -> MemoryDisk {
        let disk = MemoryDisk::new();
        for number in 1..=count {
            let file = disk.create_segment(name(number), LENGTH).expect("room");
            file.write(0, &[IoSlice::new(&[number as u8; LENGTH as usize])]).expect("a write");
        }
        disk
    }

    /// Counts how often a segment is opened.
    fn counting(disk: &MemoryDisk) -> (Arc<dyn Disk>, Arc<Mutex<u64>>) {
        let opened = Arc::new(Mutex::new(0));
        let told = Arc::clone(&opened);
        let counting = FaultyDisk::new(Arc::new(disk.clone()), move |call| {
            *told.lock().expect("no panic") += u64::from(call == Call::OpenSegment);
            Ok(())
        });
        (Arc::new(counting), opened)
    }

    fn first_byte(segment: &OnDemand) -> u8 {
        let mut byte = [0];
        segment.read(0, &mut byte).expect("a read");
        byte[0]
    }

    #[test]
    fn however_many_there_are_few_are_open_and_all_can_be_read() {
        let disk = disk(20);
        let files = OpenFiles::new(Arc::new(disk.clone()), 3);
        let all: Vec<_> = (1..=20).map(|number| files.find(name(number)).expect("there")).collect();
        for pass in 0..3 {
            for (number, segment) in (1..).zip(&all) {
                assert_eq!(first_byte(segment), number, "pass {pass}");
                assert_eq!(segment.length(), LENGTH);
                assert!(disk.segments_open() <= 3, "{} are open", disk.segments_open());
            }
        }
    }

    #[test]
    fn the_one_that_was_used_longest_ago_is_closed() {
        let (disk, opened) = counting(&disk(3));
        let files = OpenFiles::new(disk, 2);
        let [one, two, three] = [1, 2, 3].map(|number| files.find(name(number)).expect("there"));
        // Two and three are open.
        *opened.lock().expect("no panic") = 0;
        assert_eq!((first_byte(&two), first_byte(&one), first_byte(&two)), (2, 1, 2));
        assert_eq!(*opened.lock().expect("no panic"), 1, "three was used longest ago, and one is opened");
        assert_eq!(first_byte(&three), 3);
        assert_eq!(first_byte(&two), 2);
        assert_eq!(*opened.lock().expect("no panic"), 2, "one was used longest ago, two is still open");
    }

    #[test]
    fn what_is_written_stays_open_until_it_is_full() {
        let memory = disk(3);
        let (disk, opened) = counting(&memory);
        let files = OpenFiles::new(disk, 1);
        let file = files.disk().create_segment(name(4), LENGTH).expect("room");
        let written = files.being_written(name(4), &file);
        drop(file);
        let others: Vec<_> = (1..=3).map(|number| files.find(name(number)).expect("there")).collect();
        *opened.lock().expect("no panic") = 0;
        assert_eq!(first_byte(&written), 0);
        assert_eq!(*opened.lock().expect("no panic"), 0);
        written.seal();
        assert_eq!(memory.segments_open(), 1);
        assert_eq!(first_byte(&others[0]), 1);
        assert_eq!(first_byte(&written), 0);
        assert_eq!(memory.segments_open(), 1);
    }

    #[test]
    fn what_lost_its_name_is_not_found_and_what_is_dropped_is_closed() {
        let disk = disk(3);
        let files = OpenFiles::new(Arc::new(disk.clone()), 2);
        let [one, two, three] = [1, 2, 3].map(|number| files.find(name(number)).expect("there"));
        disk.remove(name(1)).expect("removed");
        let error = one.read(0, &mut [0]).expect_err("it is closed and gone");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(files.find(name(9)).expect_err("none").kind(), io::ErrorKind::NotFound);
        assert_eq!((first_byte(&two), first_byte(&three)), (2, 3));
        drop(three);
        assert_eq!(disk.segments_open(), 1);
        // What is open is read though its name is gone.
        disk.remove(name(2)).expect("removed");
        assert_eq!(first_byte(&two), 2);
    }

    #[test]
    fn the_file_of_one_that_is_recycled_is_open_or_opened_and_nobody_elses() {
        let disk = disk(2);
        let files = OpenFiles::new(Arc::new(disk.clone()), 1);
        let [one, two] = [1, 2].map(|number| files.find(name(number)).expect("there"));
        for (segment, number) in [(one, 1), (two, 2)] {
            let file = segment.take().expect("it opens");
            assert_eq!(Arc::strong_count(&file), 1, "segment {number}");
            let mut byte = [0];
            file.read(0, &mut byte).expect("a read");
            assert_eq!(byte[0], number);
        }
        assert_eq!(disk.segments_open(), 0);
    }
}
