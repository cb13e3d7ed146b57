//! A directory that is, or becomes, a store.
//!
//! Nothing is touched before it is known that the directory may be used: one that holds something else, or a store in a newer
//! format, is refused as it is.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::disk::Disk;
use crate::disk::directory::{Directory, SegmentIo};
use crate::disk::filesystem::FileSystem;
use crate::election::candidate::FileElection;
use crate::election::{ElectionOptions, random_id};
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::{RandomId, identity};

/// Why a directory cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It holds something, and that is no store.
    #[error("{path} is not empty and not a Kahawai store (it holds '{found}'): give an empty or a new directory", path = path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// One thing that is in it.
        found: String,
    },
    /// It holds files of a store, but not the one that says which.
    #[error("{path} holds files of a store ('{found}') but 'kahawai-store' is missing: put the store's files back, or give an empty or a new directory", path = path.display())]
    Torn {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// It is no directory.
    #[error("{path} is not a directory", path = path.display())]
    NotADirectory {
        /// What was given.
        path: PathBuf,
    },
    /// Its identity is of a newer format, or damaged.
    #[error("{path}: {error}", path = path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        error: FormatError,
    },
    /// It cannot be written.
    #[error("{path} cannot be written: {error}", path = path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no room.
    #[error("{path}: the disk is full: {error}", path = path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Anything else the system said.
    #[error("{path}: cannot {doing}: {error}", path = path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// A store's directory, ready for an election.
#[derive(Clone, Debug)]
pub struct StoreDirectory {
    disk: Arc<dyn Disk>,
    id: RandomId,
    description: String,
    /// The highest epoch that this process has seen claimed in it.
    seen: Arc<AtomicU64>,
}

impl StoreDirectory {
    /// Opens a store's directory, or makes a store of one that is empty or not there yet.
    ///
    /// # Errors
    /// [`DirectoryError`]; then nothing was changed.
    pub fn open(path: &Path, segment_io: Option<SegmentIo>) -> Result<Self, DirectoryError> {
        let io = |doing| move |error: io::Error| sort_out(path, doing, error);
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(DirectoryError::NotADirectory { path: path.to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(path).map_err(io("create the directory"))?;
            }
            Err(error) => return Err(io("look at the directory")(error)),
        }
        let directory = Directory::open(path, segment_io).map_err(io("open the directory"))?;
        let filesystem = directory.filesystem();
        let written = match directory.segment_io() {
            SegmentIo::Mixed | SegmentIo::Mapped(_) => "mapped",
            SegmentIo::Plain => "plain files",
        };
        let description = format!("journal in {} ({filesystem}, {written})", path.display());
        if !filesystem.is_local() {
            warn_of_remote(path, filesystem);
        }
        let refuse_others = |found: String| {
            let path = path.to_owned();
            match found.parse::<FileName>() {
                Ok(_) => DirectoryError::Torn { path, found },
                Err(_) => DirectoryError::NotAStore { path, found },
            }
        };
        let disk: Arc<dyn Disk> = Arc::new(directory);
        let format = |error| DirectoryError::Format { path: path.to_owned(), error };
        let id = match read_identity(disk.as_ref()).map_err(io("read the store's identity"))? {
            Some(identity) => identity.map_err(format)?,
            None => {
                if let Some(found) = first_foreign(path).map_err(io("list the directory"))? {
                    return Err(refuse_others(found));
                }
                let id = random_id().map_err(io("get random bytes"))?;
                let publish = disk.publish(FileName::Identity, &identity::encode(&id));
                if publish.map_err(io("write the store's identity"))? {
                    id
                } else {
                    // Another instance began the store at the same moment: it is that one's.
                    let identity = read_identity(disk.as_ref()).map_err(io("read the store's identity"))?;
                    identity.ok_or_else(|| refuse_others("nothing, any more".into()))?.map_err(format)?
                }
            }
        };
        // To find out now, and in these words, that nothing can be written: the lock file is needed in any case.
        disk.try_lock().map(drop).map_err(io("open the lock file"))?;
        Ok(Self { disk, id, description, seen: Arc::default() })
    }

    /// A store on any disk, begun where there is none: for tests and benches.
    ///
    /// # Errors
    /// Of the disk, or where its identity is damaged.
    pub fn on(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let id = match read_identity(disk.as_ref())? {
            Some(identity) => identity.map_err(io::Error::other)?,
            None => {
                let id = random_id()?;
                disk.publish(FileName::Identity, &identity::encode(&id))?;
                read_identity(disk.as_ref())?.map_or(Ok(id), |found| found.map_err(io::Error::other))?
            }
        };
        let description = format!("{disk:?}");
        Ok(Self { disk, id, description, seen: Arc::default() })
    }

    /// Where its files are.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// What store this is: random, made with it, and the same for as long as it lives.
    pub fn identity(&self) -> [u8; 16] {
        self.id
    }

    /// What store this is.
    pub(crate) fn id(&self) -> RandomId {
        self.id
    }

    /// A candidate for its mastership. While the directory is moved away, emptied or has another in its place, it waits, and says so:
    /// whoever has seen a store never begins another one instead.
    ///
    /// # Errors
    /// As [`FileElection::new`].
    pub fn election(&self, options: ElectionOptions) -> io::Result<FileElection> {
        FileElection::of(Arc::clone(&self.disk), self.id, Arc::clone(&self.seen), options)
    }

    /// Where and on what, in words.
    pub fn description(&self) -> &str {
        &self.description
    }
}

fn read_identity(disk: &dyn Disk) -> io::Result<Option<Result<RandomId, FormatError>>> {
    Ok(disk.read(FileName::Identity)?.as_deref().map(identity::decode))
}

/// Something in the directory that is none of a store's, if there is. What a file system puts there itself does not count, nor
/// what another instance leaves while it begins the store.
fn first_foreign(path: &Path) -> io::Result<Option<String>> {
    const HARMLESS: [&str; 2] = ["lost+found", "lock"];
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let being_begun = name.starts_with(&FileName::Identity.to_string());
        if !being_begun && !HARMLESS.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn warn_of_remote(path: &Path, filesystem: FileSystem) {
    tracing::warn!(
        path = %path.display(),
        "{filesystem}: segments are written as plain files, and names are asked for around the client's cache"
    );
}

fn sort_out(path: &Path, doing: &'static str, error: io::Error) -> DirectoryError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            DirectoryError::ReadOnly { path, error }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DirectoryError::Full { path, error },
        _ => DirectoryError::Io { path, doing, error },
    }
}
