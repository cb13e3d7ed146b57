//! Which file system a directory is on: what decides whether mappings are coherent and names are cached.

use std::io;
use std::path::Path;

/// A file system, as far as the journal cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Known to be local: this machine's kernel is the file server.
    Local(&'static str),
    /// Anything else, by its `statfs` type: another machine may serve it.
    Remote(i64),
}

/// `statfs` types of local file systems (linux/magic.h; ZFS from its own sources). The layers of an overlay are nearly
/// always local, and it cannot be told from outside.
const LOCAL: [(i64, &str); 9] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0xf2f5_2010, "f2fs"),
    (0x794c_7630, "overlay"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x8584_58f6, "ramfs"),
];

impl FileSystem {
    /// The file system that holds a path.
    ///
    /// # Errors
    /// As `statfs(2)`.
    pub fn of(path: &Path) -> io::Result<Self> {
        // The field's type differs among architectures; all values fit.
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
        let found = rustix::fs::statfs(path)?.f_type as i64 & 0xffff_ffff;
        let local = LOCAL.iter().find(|(number, _)| *number == found);
        Ok(local.map_or(Self::Remote(found), |(_, name)| Self::Local(name)))
    }

    /// Whether it is known to be local.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Local(_))
    }
}

impl std::fmt::Display for FileSystem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(name) => formatter.write_str(name),
            Self::Remote(number) => write!(formatter, "file system 0x{number:x}, not known to be local"),
        }
    }
}
