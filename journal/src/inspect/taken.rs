//! What takes the disk, by kind of file.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;

use super::directory::ReadOnlyDirectory;
use super::pins::is_of_a_backup;
use crate::format::name::FileName;

/// Some files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many there are.
    pub count: u64,
    /// What they take on the disk, in bytes; holes left out.
    pub bytes: u64,
}

/// What takes the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The log.
    pub segments: Files,
    /// Segments prepared for later, the reserves among them.
    pub spares: Files,
    /// The index and its checkpoints.
    pub index: Files,
    /// Damaged segments that were set aside. They are outside the bound.
    pub quarantine: Files,
    /// Segments, or ends of them, that were left out of the log by a cut. They are outside the bound.
    pub aside: Files,
    /// Claims, seals, the lock and the like.
    pub small: Files,
    /// What a backup that is under way, or was killed, still holds though it was given up.
    pub backups: Files,
    /// What is none of the store's.
    pub foreign: Files,
    /// The names of damaged segments that are set aside, sorted.
    pub quarantined: Vec<String>,
    /// The names of what was left out by a cut, sorted.
    pub left_out: Vec<String>,
    /// How long most segments are, in bytes, where there are some (`journalMaxFileLength`).
    pub segment_length: Option<u64>,
}

impl Taken {
    /// All of it, in bytes.
    pub fn bytes(&self) -> u64 {
        let store = [self.segments, self.spares, self.index, self.quarantine, self.aside, self.small];
        store.iter().chain(&[self.backups, self.foreign]).map(|files| files.bytes).sum()
    }
}

impl ReadOnlyDirectory {
    /// What takes the disk. What comes or goes meanwhile is counted or not.
    ///
    /// # Errors
    /// As `read_dir`.
    pub fn taken(&self) -> io::Result<Taken> {
        const BLOCK: u64 = 512;
        let mut taken = Taken::default();
        let mut lengths: HashMap<u64, u64> = HashMap::new();
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            let found = match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                result => result?,
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let files = match name.parse() {
                Ok(FileName::Segment { .. }) => {
                    *lengths.entry(found.len()).or_default() += 1;
                    &mut taken.segments
                }
                Ok(FileName::Spare { .. }) => &mut taken.spares,
                Ok(FileName::Run { .. } | FileName::Checkpoint { .. }) => &mut taken.index,
                Ok(FileName::Quarantine { .. }) => {
                    taken.quarantined.push(name);
                    &mut taken.quarantine
                }
                Ok(FileName::Aside { .. }) => {
                    taken.left_out.push(name);
                    &mut taken.aside
                }
                Ok(_) => &mut taken.small,
                // Other names of segments that are there take nothing.
                Err(_) if is_of_a_backup(&name) && found.nlink() > 1 => continue,
                Err(_) if is_of_a_backup(&name) => &mut taken.backups,
                Err(_) => &mut taken.foreign,
            };
            files.count += 1;
            files.bytes += found.blocks() * BLOCK;
        }
        taken.quarantined.sort_unstable();
        taken.left_out.sort_unstable();
        let most = lengths.into_iter().max_by_key(|(length, count)| (*count, *length));
        taken.segment_length = most.map(|(length, _)| length);
        Ok(taken)
    }
}
