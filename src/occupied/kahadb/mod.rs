//! How many messages a KahaDB holds, by its journal, as ActiveMQ itself rebuilds its index from it. Reads only.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@file`] | batches and records of one file |
//! | [`entry`] | what an entry says |
//! | [`tally`] | adds less removes |

mod entry;
mod file;
mod tally;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use entry::Entry;
use file::{Found, Go};
use tally::Tally;

use super::census::Census;

/// Counts what the files of a journal, by their numbers, hold. What cannot be read makes it 'at least'.
pub(super) fn count(files: &BTreeMap<u64, PathBuf>) -> Census {
    let mut tally = Tally::new();
    for (number, path) in files {
        if let Err(error) = count_file(path, files, &mut tally) {
            tracing::warn!("{}: file {number} of the journal cannot be read: {error}", path.display());
            tally.damage();
        }
    }
    tally.census()
}

fn count_file(path: &Path, files: &BTreeMap<u64, PathBuf>, tally: &mut Tally) -> io::Result<()> {
    let source = File::open(path)?;
    let length = source.metadata()?.len();
    file::read(source, length, &mut |found| {
        let entry = match found {
            Found::Entry(bytes, length) => entry::read(bytes, length),
            Found::Damage => None,
        };
        match entry {
            // What was copied out of a file that is still there was counted with that one.
            Some(Entry::Rewritten { source, skip_if_there: true }) if files.contains_key(&source) => {
                return Go::Stop;
            }
            Some(entry) => tally.count(&entry),
            None => tally.damage(),
        }
        Go::On
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one batch, without a checksum.
    fn write(path: &Path, entries: &[&[u8]]) {
        let mut records = Vec::new();
        for entry in entries {
            records.extend((entry.len() as u32 + 5).to_be_bytes());
            records.push(1);
            records.extend(*entry);
        }
        let mut batch = b"\0\0\0\x1c\x02WRITE BATCH".to_vec();
        batch.extend((records.len() as u32).to_be_bytes());
        batch.extend([0; 8]);
        batch.extend(records);
        std::fs::write(path, batch).expect("a file");
    }

    #[test]
    fn what_was_copied_out_of_a_file_counts_where_that_is_gone() {
        const ADD: &[u8] = b"\x01\x0b\x12\x05\x08\0\x12\x01q\x1a\x02id";
        const REMOVE: &[u8] = b"\x02\x0b\x12\x05\x08\0\x12\x01q\x1a\x02id";
        const COPIED_OUT_OF_2: &[u8] = b"\x10\x02\x08\x02";
        let folder = tempfile::tempdir().expect("a directory");
        let mut files: BTreeMap<u64, PathBuf> =
            (1..=3).map(|number| (number, folder.path().join(format!("db-{number}.log")))).collect();
        write(&files[&1], &[ADD]);
        write(&files[&2], &[]);
        write(&files[&3], &[COPIED_OUT_OF_2, REMOVE]);
        assert_eq!((count(&files).messages(), count(&files).is_exact), (1, true));
        files.remove(&2);
        assert_eq!((count(&files).messages(), count(&files).is_exact), (0, true));
        // A file that is not there.
        files.insert(4, folder.path().join("db-4.log"));
        assert!(!count(&files).is_exact);
    }
}
