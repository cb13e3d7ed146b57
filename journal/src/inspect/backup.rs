//! Copies a store, beside its running master too: consistent, and cheap.
//!
//! The copy is the log up to one place. **Segments with a successor** are never written again, so a second name for them is as good
//! as a copy: they are hard-linked where that can be, shared by reflink or copied otherwise. **The last one** is copied up to the
//! last record that the log itself says was on the disk.
//!
//! Two things could spoil a link, and neither can happen unseen. The master may *recycle* the segment: it does so only where the
//! file has one name, and only after the note that releases the segment is durable in the log. So once all links are made, the log
//! is asked again: if it releases one of them, the master may have counted its names before, and everything is begun anew; if it
//! does not, every later count finds two. And the master may have *given up* segments whose emptiness only what stands behind the
//! copied place tells: then the first of them is gone when it is to be linked, or released in that second look; begun anew too. On a
//! file system that is not known to be local, counts of names may be old: there nothing is linked.
//!
//! The file that makes the copy a store (`kahawai-store`) is written last: an interrupted backup is not taken for one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;

use super::directory::ReadOnlyDirectory;
use super::examine::{InspectError, Inspection, OnProgress, Progress};
use super::lineage::Found;
use super::read::released_now;
use super::walk::{Step, Walk};
use crate::disk::Disk;
use crate::disk::filesystem::FileSystem;
use crate::format::claim::{Beat, encode_beat};
use crate::format::name::FileName;
use crate::format::record::Kind;
use crate::format::segment::HEADER_LENGTH;
use crate::format::{RandomId, identity};

/// What a backup came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// How many segments are hard-linked.
    pub linked: u64,
    /// How many segments share their blocks by reflink.
    pub shared: u64,
    /// How many segments were copied, the last one included.
    pub copied: u64,
    /// How many bytes that took.
    pub bytes_copied: u64,
    /// The epoch whose log the copy ends in.
    pub epoch: Epoch,
    /// The last record's sequence.
    pub sequence_last: u64,
}

/// Copies the store in a directory into another, which must be new or empty. Durable on return.
///
/// # Errors
/// [`InspectError`]. What was copied until then stays and is no store.
pub fn backup(from: &Path, into: &Path, progress: OnProgress<'_>) -> Result<BackedUp, InspectError> {
    const TRIES: usize = 32;
    const REST: Duration = Duration::from_millis(10);
    let directory = ReadOnlyDirectory::open(from)
        .map_err(|error| InspectError::Directory { path: from.to_owned(), error })?;
    let inspection = Inspection::open(from)?;
    prepare(from, into)?;
    let filesystem = FileSystem::of(from).map_err(InspectError::io(from.display()))?;
    let copy = Copy { directory, inspection, into: into.to_owned(), may_link: filesystem.is_local() };
    for _ in 0..TRIES {
        if let Some(done) = copy.segments(progress)? {
            return Ok(done);
        }
        copy.clear()?;
        // An idle log says after a while how far it is on the disk.
        thread::sleep(REST);
    }
    Err(InspectError::Busy)
}

/// Makes the directory where there is none; refuses one that holds something, or that lies in the store.
fn prepare(from: &Path, into: &Path) -> Result<(), InspectError> {
    let io = || InspectError::io(into.display());
    fs::create_dir_all(into).map_err(io())?;
    let (inside, outside) = (into.canonicalize().map_err(io())?, from.canonicalize().map_err(io())?);
    if inside.starts_with(&outside) {
        let text = format!("{} lies in the store itself: give a directory elsewhere", into.display());
        return Err(InspectError::Refused(text));
    }
    if fs::read_dir(into).map_err(io())?.next().is_some() {
        let text = format!("{} is not empty: give a new or an empty directory", into.display());
        return Err(InspectError::Refused(text));
    }
    Ok(())
}

struct Copy {
    directory: ReadOnlyDirectory,
    inspection: Inspection,
    into: PathBuf,
    may_link: bool,
}

/// How a segment came over.
enum Way {
    Linked,
    Shared,
    Copied(u64),
}

impl Copy {
    /// Tries once; `None` where the master gave something up meanwhile.
    fn segments(&self, progress: OnProgress<'_>) -> Result<Option<BackedUp>, InspectError> {
        let listed = self.inspection.list()?;
        let store = listed.small.store.unwrap_or_default();
        let lineage = self.inspection.lineage(&listed)?;
        let released = released_now(&lineage)?;
        let mut done = BackedUp::default();
        let mut at = Progress::default();
        let found =
            || lineage.logs.iter().flat_map(|(_, found)| found).filter(|found| found.number > released);
        at.total = found().map(|found| found.file.length()).sum();
        let last = found().next_back().map(|found| found.number);
        let mut first = None;
        // How far the copy itself says that it is released.
        let mut said = found().filter_map(|found| found.header.as_ref()).map(|header| header.released).max();
        for (log, segments) in &lineage.logs {
            for segment in segments.iter().filter(|segment| segment.number > released) {
                first.get_or_insert(segment.number);
                let way = if Some(segment.number) == last {
                    done.epoch = log.epoch;
                    self.copy_proven(segment, log.log, log.epoch, &mut done, &mut said).map(Some)
                } else {
                    self.take(segment.name)
                };
                match way.map_err(InspectError::io(segment.name))? {
                    Some(Way::Linked) => done.linked += 1,
                    Some(Way::Shared) => done.shared += 1,
                    Some(Way::Copied(bytes)) => {
                        done.copied += 1;
                        done.bytes_copied += bytes;
                    }
                    None => return Ok(None),
                }
                at.done += segment.file.length();
                progress(at);
            }
        }
        let released = released_now(&self.inspection.lineage(&self.inspection.list()?)?)?;
        if first.is_some_and(|first| first <= released) {
            return Ok(None);
        }
        // What was released is left out, and the word of that may stand beyond what is proven, and so be left out as well: then the copy
        // would miss a segment.
        let said = lineage.released(said.unwrap_or_default()).0;
        if first.is_some_and(|first| first > said.saturating_add(1)) {
            return Ok(None);
        }
        for (log, _) in &lineage.logs {
            self.copy_small(FileName::Seal(log.epoch))?;
        }
        let mut claimed = Epoch(0);
        for name in &listed.names {
            if let FileName::Claim(epoch) = *name {
                claimed = claimed.max(epoch);
                self.copy_small(*name)?;
            }
        }
        // The listing need not be of one moment: an epoch that sealed has claimed.
        if claimed < done.epoch {
            claimed = done.epoch;
            self.copy_small(FileName::Claim(claimed))?;
        }
        self.finish(store, claimed)?;
        Ok(Some(done))
    }

    fn path_of(&self, name: FileName) -> PathBuf {
        self.into.join(name.to_string())
    }

    /// Takes over a segment that is not written any more; `None` where it is gone.
    fn take(&self, name: FileName) -> io::Result<Option<Way>> {
        let (from, to) = (self.directory.path_of(name), self.path_of(name));
        if self.may_link {
            match fs::hard_link(&from, &to) {
                Ok(()) => return Ok(Some(Way::Linked)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                // Another file system, one without links, or too many of them.
                Err(_) => {}
            }
        }
        let mut source = match File::open(&from) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let mut target = OpenOptions::new().write(true).create_new(true).open(&to)?;
        if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
            target.sync_all()?;
            return Ok(Some(Way::Shared));
        }
        let bytes = io::copy(&mut source, &mut target)?;
        target.sync_all()?;
        Ok(Some(Way::Copied(bytes)))
    }

    /// Copies the last segment up to the last record that the log says was on the disk, at its full length.
    fn copy_proven(
        &self,
        segment: &Found,
        log: RandomId,
        epoch: Epoch,
        done: &mut BackedUp,
        released: &mut Option<u64>,
    ) -> io::Result<Way> {
        let file = segment.file.as_ref();
        let walk = || Walk::new(file, log, epoch, segment.number, None);
        let (mut durable, mut looking) = (0, walk());
        while let Some(step) = looking.next()? {
            if let Step::Record { header, .. } | Step::BodyDamaged { header, .. } = step {
                durable = durable.max(header.durable_through);
            }
        }
        // Up to the end of the last record that is proven: what is damaged before it comes along as it is.
        let (mut end, mut copying) = (HEADER_LENGTH, walk());
        while let Some(step) = copying.next()? {
            let is_whole = matches!(step, Step::Record { .. });
            if let Step::Record { header, .. } | Step::BodyDamaged { header, .. } = step
                && header.sequence <= durable
            {
                if header.kind == Kind::Release
                    && is_whole
                    && let Ok(number) = copying.body().try_into().map(u64::from_le_bytes)
                {
                    *released = (*released).max(Some(number));
                }
                end = copying.offset();
                done.sequence_last = header.sequence;
            }
        }
        if done.sequence_last == 0
            && let Some(header) = &segment.header
        {
            done.sequence_last = header.first_sequence.saturating_sub(1);
        }
        let target = OpenOptions::new().write(true).create_new(true).open(self.path_of(segment.name))?;
        target.set_len(file.length())?;
        let mut buffer = vec![0; 1 << 20];
        let (mut offset, end) = (0, end.min(file.length()));
        while offset < end {
            let count = (end - offset).min(buffer.len() as u64) as usize;
            file.read(offset, &mut buffer[..count])?;
            target.write_all_at(&buffer[..count], offset)?;
            offset += count as u64;
        }
        target.sync_all()?;
        Ok(Way::Copied(end))
    }

    fn copy_small(&self, name: FileName) -> Result<(), InspectError> {
        let Some(content) = self.directory.read(name).map_err(InspectError::io(name))? else { return Ok(()) };
        self.write_small(name, &content)
    }

    fn write_small(&self, name: FileName, content: &[u8]) -> Result<(), InspectError> {
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).open(self.path_of(name))?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(InspectError::io(self.path_of(name).display()))
    }

    /// Makes a store of what was copied: released by nobody's beat, so that a broker starts at once.
    fn finish(&self, store: RandomId, claimed: Epoch) -> Result<(), InspectError> {
        let io = || InspectError::io(self.into.display());
        let holder = Holder {
            name: "backup".to_owned(),
            process: std::process::id(),
            epoch: claimed,
            ..Holder::default()
        };
        let beat = Beat { counter: 1, released: true, lock_inode: 0, boot: [0; 16], holder };
        self.write_small(FileName::Beat(claimed), &encode_beat(&beat))?;
        let directory = File::open(&self.into).map_err(io())?;
        directory.sync_all().map_err(io())?;
        self.write_small(FileName::Identity, &identity::encode(&store))?;
        directory.sync_all().map_err(io())?;
        // The directory's own name, where it was made here.
        match self.into.canonicalize().map_err(io())?.parent().map(File::open) {
            Some(Ok(parent)) => parent.sync_all().map_err(io()),
            _ => Ok(()),
        }
    }

    fn clear(&self) -> Result<(), InspectError> {
        let io = || InspectError::io(self.into.display());
        for entry in fs::read_dir(&self.into).map_err(io())? {
            fs::remove_file(entry.map_err(io())?.path()).map_err(io())?;
        }
        Ok(())
    }
}
