//! Second names in the store's own directory, for as long as a backup onto another file system takes.
//!
//! A master never writes or recycles a file that has a second name. A new master sweeps these names away, as their ending says that they
//! are under way, and may remove what they were for; it recycles nothing that is not its own, so that what is open stays as it is.
//!
//! A lock on a file says whose they are: those of a backup that was killed are found free, and taken away by the next.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::election::random_id;
use crate::format::name::{FileName, TEMPORARY_ENDING};

const PREFIX: &str = "backup-";

/// The second names of one backup; taken away when this is dropped.
#[derive(Debug)]
pub(super) struct Pins {
    directory: PathBuf,
    /// What all of them begin with.
    prefix: String,
    /// Locked while they are wanted.
    _mark: File,
}

impl Pins {
    /// Begins, and takes away what backups have left that were killed.
    ///
    /// # Errors
    /// Where the directory may not be written.
    pub(super) fn begin(directory: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(prefix) = prefix_of_mark(&name)
                && let Ok(mark) = File::open(directory.join(&name))
                && mark.try_lock().is_ok()
            {
                take_away(directory, prefix)?;
            }
        }
        let prefix = format!("{PREFIX}{:032x}", u128::from_be_bytes(random_id()?));
        let mark = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(directory.join(format!("{prefix}{TEMPORARY_ENDING}")))?;
        let pins = Self { directory: directory.to_owned(), prefix, _mark: mark };
        // Between making and locking it another backup may take it away: its lock says the rest.
        pins._mark.try_lock().map_err(io::Error::from)?;
        Ok(pins)
    }

    /// Gives a file a second name; gives where.
    ///
    /// # Errors
    /// As `link`.
    pub(super) fn pin(&self, file: &Path, name: FileName) -> io::Result<PathBuf> {
        let path = self.directory.join(format!("{}-{name}{TEMPORARY_ENDING}", self.prefix));
        fs::hard_link(file, &path).map(|()| path)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // What stays is found by the next backup, or swept by the next master.
        let _ = take_away(&self.directory, &self.prefix);
    }
}

/// Whether a file of this name belongs to a backup that is under way, or was killed.
pub(super) fn is_of_a_backup(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(TEMPORARY_ENDING)
}

/// What the names of a backup begin with, where this is the name of its mark.
fn prefix_of_mark(name: &str) -> Option<&str> {
    let prefix = name.strip_suffix(TEMPORARY_ENDING)?;
    let own = prefix.strip_prefix(PREFIX)?;
    (!own.is_empty() && own.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(prefix)
}

/// The mark last: as long as it is there, the others are found.
fn take_away(directory: &Path, prefix: &str) -> io::Result<()> {
    let pinned = format!("{prefix}-");
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&pinned) {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(directory.join(format!("{prefix}{TEMPORARY_ENDING}")))
}
