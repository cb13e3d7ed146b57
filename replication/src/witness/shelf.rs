//! The records on a witness's disk: `DIR/pairs/NAME/`, each an arbiter in a directory of its own, and `DIR/witness.lock`, which a running witness holds.
//!
//! A name gets its directory with its first record, so that asking alone takes no room.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::arbiter::{Arbiter as _, ArbiterError, Held, Version};
use crate::directory::DirectoryArbiter;
use crate::record::Record;

use super::desk::Records;
use super::name::PairName;

/// No witness keeps records of more pairs: whoever reaches it can make some.
pub const PAIRS_MAX: usize = 1024;

/// The records of one witness.
#[derive(Debug)]
pub struct Shelf {
    pairs: PathBuf,
    known: Mutex<BTreeMap<PairName, Arc<DirectoryArbiter>>>,
    /// Held for as long as it is open; the system takes it back from whoever is killed.
    _lock: File,
}

/// Why a directory cannot be a witness's.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Another witness has it.
    #[error("another witness runs on {0}")]
    Taken(PathBuf),
    /// It cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// There is something else in it.
    #[error("{0} is no pair's: it does not belong into a witness's directory")]
    Strange(PathBuf),
}

impl Shelf {
    /// Opens the directory, and makes it where there is none; not those above it, so that a mount that is missing is noticed.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn open(directory: &Path) -> Result<Self, ShelfError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| ShelfError::Io(path, error)
        };
        let pairs = directory.join("pairs");
        make(directory).map_err(at(directory))?;
        let lock_path = directory.join("witness.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ShelfError::Taken(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(ShelfError::Io(lock_path, error)),
        }
        make(&pairs).map_err(at(&pairs))?;
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        for made in [directory, parent.unwrap_or(Path::new("."))] {
            sync(made).map_err(at(made))?;
        }
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(&pairs).map_err(at(&pairs))? {
            let path = entry.map_err(at(&pairs))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).map(PairName::parse);
            let Some(Ok(name)) = name else { return Err(ShelfError::Strange(path)) };
            tidy(&path).map_err(at(&path))?;
            known.insert(name, Arc::new(DirectoryArbiter::new(path)));
        }
        Ok(Self { pairs, known: Mutex::new(known), _lock: lock })
    }

    /// The pairs there are.
    pub fn names(&self) -> Vec<PairName> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PairName, Arc<DirectoryArbiter>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, name: &PairName) -> Option<Arc<DirectoryArbiter>> {
        self.lock().get(name).cloned()
    }

    /// The arbiter of a pair that may be new.
    fn made(&self, name: &PairName) -> Result<Arc<DirectoryArbiter>, ArbiterError> {
        let mut known = self.lock();
        if let Some(arbiter) = known.get(name) {
            return Ok(Arc::clone(arbiter));
        }
        if known.len() >= PAIRS_MAX {
            let why = format!("this witness keeps {PAIRS_MAX} pairs already, and takes no more");
            return Err(ArbiterError::Unreachable(why));
        }
        let path = self.pairs.join(name.as_str());
        let made = match fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            // Made before, and perhaps not synced: synced again in any case.
            _ => sync(&self.pairs),
        };
        made.map_err(|error| ArbiterError::Unreachable(format!("{}: {error}", path.display())))?;
        let arbiter = Arc::new(DirectoryArbiter::new(path));
        known.insert(name.clone(), Arc::clone(&arbiter));
        Ok(arbiter)
    }
}

impl Records for Shelf {
    fn read(&self, name: &PairName) -> Result<Held, ArbiterError> {
        self.of(name).map_or_else(|| Ok(Held::default()), |arbiter| arbiter.read())
    }

    fn replace(&self, name: &PairName, version: Version, record: &Record) -> Result<bool, ArbiterError> {
        match self.of(name) {
            Some(arbiter) => arbiter.replace(version, record),
            None if version == Version::default() => self.made(name)?.replace(version, record),
            // There is no such version.
            None => Ok(false),
        }
    }
}

/// Takes away what was written beside by a witness that was killed: nobody else writes here.
fn tidy(pair: &Path) -> io::Result<()> {
    for entry in fs::read_dir(pair)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
