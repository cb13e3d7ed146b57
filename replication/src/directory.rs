//! An arbiter in a directory: a small one on a file system that all members reach.
//!
//! Version N is the file `pair-N.record`, written beside, synced, and linked to its name, which fails where the name is taken: that is the comparison.
//! It never changes. A link that failed may have been made all the same (a file server's answer can be lost): by its inode a file is known as one's own.
//! Old versions are removed, the lowest first and never the highest; so whoever links a name that was there before, and was removed, finds a higher
//! one, and has not made a change. What was written beside by one that was killed (`.new`) is read by nobody, and stays.
//!
//! **A directory that is not there is not made**: an empty one where a mount is missing would be a second arbiter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arbiter::{Arbiter, ArbiterError, Held, Version};
use crate::record::Record;

/// How many versions are left for people to look at.
const KEPT: u64 = 16;
/// No record is longer.
const BYTES_MAX: u64 = 4096;

/// An arbiter in a directory.
#[derive(Debug)]
pub struct DirectoryArbiter {
    path: PathBuf,
    temporary_next: AtomicU64,
}

impl DirectoryArbiter {
    /// The arbiter in this directory, which is not looked at yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), temporary_next: AtomicU64::new(0) }
    }

    fn unreachable(&self, error: &io::Error) -> ArbiterError {
        ArbiterError::Unreachable(format!("{}: {error}", self.path.display()))
    }

    fn name_of(&self, version: u64) -> PathBuf {
        self.path.join(format!("pair-{version:010}.record"))
    }

    fn versions(&self) -> io::Result<Vec<u64>> {
        let mut versions = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_prefix("pair-")?.strip_suffix(".record")?.parse().ok())
                .filter(|number| self.name_of(*number).file_name() == Some(&name));
            versions.extend(number);
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// Writes a file beside and links it to its name. Whether the name is this file's now.
    fn publish(&self, version: u64, content: &[u8]) -> io::Result<bool> {
        let count = self.temporary_next.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let unique = u64::from_le_bytes(random);
        let beside = self.path.join(format!("pair-{unique:016x}-{count}.new"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        let linked = self.link(&mut file, &beside, version, content);
        let removed = fs::remove_file(&beside);
        let linked = linked?;
        removed?;
        File::open(&self.path)?.sync_all()?;
        Ok(linked)
    }

    fn link(&self, file: &mut File, beside: &Path, version: u64, content: &[u8]) -> io::Result<bool> {
        file.write_all(content)?;
        file.sync_all()?;
        let name = self.name_of(version);
        let linked = fs::hard_link(beside, &name);
        let own = file.metadata()?;
        let is_own = |found: &fs::Metadata| (found.dev(), found.ino()) == (own.dev(), own.ino());
        match (linked, fs::metadata(&name)) {
            (_, Ok(found)) if is_own(&found) => Ok(true),
            (Err(error), _) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            // Another's, or removed again by those who are further.
            (_, Ok(_)) => Ok(false),
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => Ok(false),
            (_, Err(error)) => Err(error),
        }
    }
}

impl Arbiter for DirectoryArbiter {
    fn read(&self) -> Result<Held, ArbiterError> {
        loop {
            let versions = self.versions().map_err(|error| self.unreachable(&error))?;
            let Some(version) = versions.last().copied() else { return Ok(Held::default()) };
            let path = self.name_of(version);
            let found = fs::metadata(&path).and_then(|found| match found.len() {
                0..=BYTES_MAX => fs::read(&path),
                _ => Ok(Vec::new()),
            });
            match found {
                // Others were faster by all that is kept.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(self.unreachable(&error)),
                Ok(content) => {
                    let record = Record::decode(&content)
                        .map_err(|problem| ArbiterError::Damaged(format!("{}: {problem}", path.display())))?;
                    return Ok(Held { version: Version(version), record: Some(record) });
                }
            }
        }
    }

    fn replace(&self, version: Version, record: &Record) -> Result<bool, ArbiterError> {
        let unreachable = |error: io::Error| self.unreachable(&error);
        let Some(next) = version.0.checked_add(1) else {
            let why = format!("{}: no version comes after {}", self.path.display(), version.0);
            return Err(ArbiterError::Damaged(why));
        };
        if !self.publish(next, &record.encode()).map_err(unreachable)? {
            return Ok(false);
        }
        let versions = self.versions().map_err(unreachable)?;
        if versions.last().is_some_and(|highest| *highest > next) {
            return Ok(false);
        }
        for old in versions.into_iter().filter(|old| old.saturating_add(KEPT) < next) {
            match fs::remove_file(self.name_of(old)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(unreachable(error)),
                _ => {}
            }
        }
        Ok(true)
    }
}
