//! A small file system of one's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs that is gone when this is dropped.
pub struct Mount {
    folder: TempDir,
}

impl Mount {
    /// A file system of so many KiB; `None`, said loudly, where this process may not mount one.
    pub fn small(kib: u32) -> Option<Self> {
        let folder = super::directory();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "kahawai-test"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            failed => {
                super::tell(&format!("SKIPPED: a tmpfs cannot be mounted here (needs root): {failed:?}"));
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// From now on nothing can be written.
    pub fn make_read_only(&self) {
        let output = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).output();
        assert!(output.is_ok_and(|output| output.status.success()), "it cannot be mounted read-only");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}
