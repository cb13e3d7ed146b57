//! Finds the stores of ActiveMQ in a directory, by the names of their files.
//!
//! In the directory itself and two levels below: a data directory has its store in `kahadb` or in `BROKER/KahaDB`, an mKahaDB has one
//! for each of its filters in a directory of its own, and a scheduler's is beside them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const LEVELS: usize = 2;
/// More directories than any broker has below its data.
const DIRECTORIES_MAX: usize = 20_000;

/// A store of ActiveMQ.
#[derive(Debug)]
pub(super) struct Found {
    /// Where.
    pub(super) directory: PathBuf,
    /// Of which kind.
    pub(super) kind: Kind,
    /// By the name of which file it was known.
    pub(super) by: String,
}

/// A kind of store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A KahaDB, or a scheduler's, with the files of its journal by number. Without any: an index alone.
    KahaDb(BTreeMap<u64, PathBuf>),
    /// A LevelDB (5.8 to 5.16).
    LevelDb,
    /// An AMQ store (5.0 to 5.5).
    Amq,
}

/// Finds them. A directory that is not there has none.
///
/// # Errors
/// Where the directory itself cannot be listed, or has more directories than can be looked at. What lies below and cannot be listed is
/// said in the log.
pub(super) fn find(directory: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut left = vec![(directory.to_owned(), 0)];
    let mut looked_at = 0;
    while let Some((next, level)) = left.pop() {
        looked_at += 1;
        if looked_at > DIRECTORIES_MAX {
            return Err(io::Error::other(format!("more than {DIRECTORIES_MAX} directories lie below")));
        }
        let listed = match list(&next) {
            // Whoever opens it says so.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) if level > 0 => {
                tracing::warn!("{}: cannot be looked at for a store of ActiveMQ: {error}", next.display());
                continue;
            }
            listed => listed?,
        };
        if level < LEVELS {
            left.extend(listed.directories.iter().map(|name| (next.join(name), level + 1)));
        }
        if let Some((kind, by)) = listed.kind(&next) {
            all.push(Found { directory: next, kind, by });
        }
    }
    all.sort_by(|a, b| a.directory.cmp(&b.directory));
    Ok(all)
}

#[derive(Default)]
struct Listed {
    files: Vec<String>,
    directories: Vec<String>,
}

fn list(directory: &Path) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        // A link to a directory is as good as one: the levels are counted all the same.
        if kind.is_dir() || kind.is_symlink() && entry.path().is_dir() {
            listed.directories.push(name);
        } else {
            listed.files.push(name);
        }
    }
    listed.files.sort();
    listed.directories.sort();
    Ok(listed)
}

impl Listed {
    fn has(&self, file: &str) -> bool {
        self.files.binary_search_by(|name| name.as_str().cmp(file)).is_ok()
    }

    fn kind(&self, directory: &Path) -> Option<(Kind, String)> {
        // What did not fit into memory: gone with the process it belonged to.
        if self.has("tmpDB.data") {
            return None;
        }
        let numbered = |prefix: &str, suffix: &str| {
            let files = self.files.iter().filter_map(move |name| {
                let number = name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse::<u64>().ok()?;
                Some((number, name))
            });
            files.collect::<BTreeMap<_, _>>()
        };
        let journal = numbered("db-", ".log");
        let index = ["db.data", "db.redo", "scheduleDB.data", "scheduleDB.redo"];
        let index = index.into_iter().find(|name| self.has(name));
        if let Some(by) = journal.values().next().map(|name| name.as_str()).or(index) {
            let by = by.to_owned();
            let paths = journal.into_iter().map(|(number, name)| (number, directory.join(name)));
            return Some((Kind::KahaDb(paths.collect()), by));
        }
        let is_level = |name: &&String| {
            name.strip_suffix(".index").is_some_and(|number| {
                number == "dirty" || number.len() == 16 && u64::from_str_radix(number, 16).is_ok()
            })
        };
        if let Some(by) = self.directories.iter().find(is_level) {
            return Some((Kind::LevelDb, by.clone()));
        }
        if self.directories.iter().any(|name| name == "kr-store") {
            return Some((Kind::Amq, "kr-store".to_owned()));
        }
        let parent = directory.file_name().is_some_and(|name| name == "journal" || name == "data");
        let data = numbered("data-", "");
        let by = data.values().next().filter(|_| parent)?;
        Some((Kind::Amq, (*by).clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a directory");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("its directory")).expect("a directory");
            fs::write(path, b"").expect("a file");
        }
        let told = |found: Found| {
            let place = found.directory.strip_prefix(folder.path()).expect("is below").display().to_string();
            let kind = match found.kind {
                Kind::KahaDb(files) => format!("KahaDB {:?}", files.keys().collect::<Vec<_>>()),
                Kind::LevelDb => "LevelDB".to_owned(),
                Kind::Amq => "AMQ".to_owned(),
            };
            format!("{place}: {kind} by {}", found.by)
        };
        find(folder.path()).expect("it can be looked at").into_iter().map(told).collect()
    }

    #[test]
    fn stores_are_known_by_their_names() {
        assert!(found(&[]).is_empty());
        assert!(find(Path::new("/nowhere/at/all")).expect("is no error").is_empty());
        assert_eq!(found(&["db-10.log", "db-9.log", "db.data", "lock"]), [": KahaDB [9, 10] by db-9.log"]);
        assert_eq!(found(&["db.redo"]), [": KahaDB [] by db.redo"]);
        assert_eq!(found(&["kahadb/db-1.log"]), ["kahadb: KahaDB [1] by db-1.log"]);
        assert_eq!(found(&["localhost/KahaDB/db.data"]), ["localhost/KahaDB: KahaDB [] by db.data"]);
        assert_eq!(
            found(&["queue#3a#2f#2fA/db-1.log", "topic#3a#2f#2f#3e/db-1.log", "txStore/db-1.log"]),
            [
                "queue#3a#2f#2fA: KahaDB [1] by db-1.log",
                "topic#3a#2f#2f#3e: KahaDB [1] by db-1.log",
                "txStore: KahaDB [1] by db-1.log"
            ]
        );
        assert_eq!(found(&["scheduler/scheduleDB.data"]), ["scheduler: KahaDB [] by scheduleDB.data"]);
        assert_eq!(
            found(&["000000000000001f.index/CURRENT", "000000000000001f.log"]),
            [": LevelDB by 000000000000001f.index"]
        );
        assert_eq!(found(&["kr-store/state/index-store"]), [": AMQ by kr-store"]);
        assert_eq!(found(&["journal/data-3"]), ["journal: AMQ by data-3"]);
        // What is none.
        assert!(found(&["localhost/tmp_storage/tmpDB.data", "localhost/tmp_storage/db-1.log"]).is_empty());
        assert!(found(&["db-x.log", "data-1", "a/b/c/db-1.log", "x.index/a"]).is_empty());
    }
}
