//! Copies a store, beside its running master too: consistent, and cheap.
//!
//! The copy is the log up to one place. **Segments with a successor** are never written again, so a second name for them is as good
//! as a copy: they are hard-linked where that can be. **The last one** is copied up to the last record that the log itself says was on
//! the disk. Onto another file system everything is copied: first all of it gets a second name in the store itself
//! ([`super::pins`]), so that the master, which goes on giving up segments, leaves the bytes alone for as long as that takes.
//!
//! Two things could spoil a link, and neither can happen unseen. The master may *recycle* the segment: it does so only where the
//! file has one name, and only after the note that releases the segment is durable in the log. So once all links are made, the log
//! is asked again: if it releases one of them, the master may have counted its names before, and everything is begun anew; if it
//! does not, every later count finds two. And the master may have *given up* segments whose emptiness only what stands behind the
//! copied place tells: then the first of them is gone when it is to be linked, or released in that second look; begun anew too.
//!
//! Where nothing can be linked (a file system that is not known to be local, whose counts of names may be old; a store that may only be
//! read), segments are copied before that second look, oldest first. Then what was copied and is not released is as it should be, and stays
//! for the next try, so that each has less to do than the one before.
//!
//! The file that makes the copy a store (`kahawai-store`) is written last: an interrupted backup is not taken for one.

mod proven;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;
use proven::Proven;

use super::directory::ReadOnlyDirectory;
use super::examine::{InspectError, Inspection, OnProgress, Progress};
use super::pins::Pins;
use super::read::released_now;
use crate::disk::Disk;
use crate::disk::filesystem::FileSystem;
use crate::format::claim::{Beat, encode_beat};
use crate::format::name::FileName;
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
    const TRIES: usize = 64;
    const REST: Duration = Duration::from_millis(10);
    let directory = ReadOnlyDirectory::open(from)
        .map_err(|error| InspectError::Directory { path: from.to_owned(), error })?;
    let inspection = Inspection::open(from)?;
    prepare(from, into)?;
    let filesystem = FileSystem::of(from).map_err(InspectError::io(from.display()))?;
    let may_link = filesystem.is_local();
    let mut copy = Copy { directory, inspection, into: into.to_owned(), may_link, kept: BTreeMap::new() };
    for _ in 0..TRIES {
        // Second names are taken away again with this.
        let pins = if may_link { Pins::begin(from).ok() } else { None };
        if let Some(done) = copy.segments(pins.as_ref(), progress)? {
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
    /// Segments with a successor that were copied, and by how many bytes.
    kept: BTreeMap<FileName, Way>,
}

/// How a segment came over.
#[derive(Clone, Copy, Debug)]
enum Way {
    Linked,
    Shared,
    Copied(u64),
}

/// A segment that has a second name, to be copied from there.
struct Pinned {
    name: FileName,
    path: PathBuf,
    /// Up to where; nothing where all of it is.
    end: Option<u64>,
    length: u64,
}

impl BackedUp {
    fn count(&mut self, way: Way) {
        match way {
            Way::Linked => self.linked += 1,
            Way::Shared => self.shared += 1,
            Way::Copied(bytes) => {
                self.copied += 1;
                self.bytes_copied += bytes;
            }
        }
    }
}

/// What came of making sure of a segment.
enum Taken {
    /// The copy's name is a second one of the file.
    Linked,
    /// It has a second name here, to be copied from.
    Pinned(PathBuf),
    /// It is to be copied as it stands.
    ToBeCopied,
    /// It is not there any more.
    Gone,
}

impl Copy {
    /// Tries once; `None` where the master gave something up meanwhile.
    fn segments(
        &mut self,
        pins: Option<&Pins>,
        progress: OnProgress<'_>,
    ) -> Result<Option<BackedUp>, InspectError> {
        let listed = self.inspection.list()?;
        let store = listed.small.store.unwrap_or_default();
        let lineage = self.inspection.lineage(&listed)?;
        let released = released_now(&lineage)?;
        let mut done = BackedUp::default();
        let mut at = Progress::default();
        let found =
            || lineage.logs.iter().flat_map(|(_, found)| found).filter(|found| found.number > released);
        at.total = found().map(|found| found.file.length()).sum();
        progress(at);
        let last = found().next_back().map(|found| found.number);
        let mut first = None;
        let mut pinned = Vec::new();
        // How far the copy itself says that it is released.
        let mut said = found().filter_map(|found| found.header.as_ref()).map(|header| header.released).max();
        for (log, segments) in &lineage.logs {
            for segment in segments.iter().filter(|segment| segment.number > released) {
                first.get_or_insert(segment.number);
                let (name, length) = (segment.name, segment.file.length());
                let mut end = None;
                if Some(segment.number) == last {
                    let proven = Proven::find(segment, log.log, log.epoch).map_err(InspectError::io(name))?;
                    said = said.max(proven.released);
                    done.epoch = log.epoch;
                    done.sequence_last = proven.sequence_last;
                    end = Some(proven.end);
                }
                let taken = match self.take(name, end.is_some(), pins).map_err(InspectError::io(name))? {
                    Taken::Gone => return Ok(None),
                    Taken::Pinned(path) => {
                        pinned.push(Pinned { name, path, end, length });
                        continue;
                    }
                    Taken::Linked => Some(Way::Linked),
                    Taken::ToBeCopied => {
                        let from = self.directory.path_of(name);
                        self.copy(name, &from, end, length).map_err(InspectError::io(name))?
                    }
                };
                let Some(way) = taken else { return Ok(None) };
                done.count(way);
                at.done += length;
                progress(at);
            }
        }
        let released = released_now(&self.inspection.lineage(&self.inspection.list()?)?)?;
        self.kept.retain(|name, _| matches!(*name, FileName::Segment { number, .. } if number > released));
        if first.is_some_and(|first| first <= released) {
            return Ok(None);
        }
        // What was released is left out, and the word of that may stand beyond what is proven, and so be left out as well: then the copy
        // would miss a segment.
        let said = lineage.released(said.unwrap_or_default()).0;
        if first.is_some_and(|first| first > said.saturating_add(1)) {
            return Ok(None);
        }
        for Pinned { name, path, end, length } in pinned {
            // A new master sweeps second names away, and may give up what they were for.
            let Some(way) = self.copy(name, &path, end, length).map_err(InspectError::io(name))? else {
                return Ok(None);
            };
            done.count(way);
            at.done += length;
            progress(at);
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

    /// Makes sure of a segment, or says that there is no way to.
    fn take(&self, name: FileName, is_written: bool, pins: Option<&Pins>) -> io::Result<Taken> {
        let from = self.directory.path_of(name);
        let is_gone = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        if self.may_link && !is_written {
            match fs::hard_link(&from, self.path_of(name)) {
                Ok(()) => return Ok(Taken::Linked),
                Err(error) if is_gone(&error) => return Ok(Taken::Gone),
                // Another file system, one without links, or too many of them.
                Err(_) => {}
            }
        }
        match pins.map(|pins| pins.pin(&from, name)) {
            Some(Ok(path)) => Ok(Taken::Pinned(path)),
            Some(Err(error)) if is_gone(&error) => Ok(Taken::Gone),
            _ => Ok(Taken::ToBeCopied),
        }
    }

    /// Copies a segment, up to a place of it or all of it, at its full length; `None` where it is gone.
    fn copy(
        &mut self,
        name: FileName,
        from: &Path,
        end: Option<u64>,
        length: u64,
    ) -> io::Result<Option<Way>> {
        if let Some(way) = self.kept.get(&name) {
            return Ok(Some(*way));
        }
        let mut source = match File::open(from) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let mut target = OpenOptions::new().write(true).create_new(true).open(self.path_of(name))?;
        let way = match end {
            None if rustix::fs::ioctl_ficlone(&target, &source).is_ok() => Way::Shared,
            None => Way::Copied(io::copy(&mut source, &mut target)?),
            Some(end) => {
                target.set_len(length)?;
                Way::Copied(io::copy(&mut source.take(end), &mut target)?)
            }
        };
        target.sync_all()?;
        if end.is_none() {
            self.kept.insert(name, way);
        }
        Ok(Some(way))
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
        let beat =
            Beat { counter: 1, released: true, lock_inode: 0, boot: [0; 16], durability: None, holder };
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

    /// Takes away what is of no use to the next try.
    fn clear(&self) -> Result<(), InspectError> {
        let io = || InspectError::io(self.into.display());
        for entry in fs::read_dir(&self.into).map_err(io())? {
            let entry = entry.map_err(io())?;
            let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if !name.is_some_and(|name| self.kept.contains_key(&name)) {
                fs::remove_file(entry.path()).map_err(io())?;
            }
        }
        Ok(())
    }
}
