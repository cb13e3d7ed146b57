//! What is read besides the file itself: definitions, and other files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::document::LENGTH_MAX;

/// Opens files. Nothing but this is ever asked for a file, and never for anything that is none.
pub trait Files {
    /// All of a file.
    ///
    /// # Errors
    /// In words.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;
}

/// Those of the disk, no longer than what is read of a configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let cannot = |error: std::io::Error| format!("the file cannot be read: {error}");
        // A pipe would never end, a device never begin.
        if !std::fs::metadata(path).map_err(cannot)?.is_file() {
            return Err("it is no file".to_owned());
        }
        let mut bytes = Vec::new();
        let most = LENGTH_MAX as u64 + 1;
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(cannot)?;
        Ok(bytes)
    }
}

/// What a file is read with.
pub struct Sources<'a> {
    /// What `-D NAME=VALUE` says.
    pub definitions: BTreeMap<String, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Names of elements and attributes that may be left out though that opens a door (`--without`).
    pub without: BTreeSet<String>,
    /// Where files come from.
    pub files: &'a dyn Files,
}

/// The text of a file's bytes: UTF-8, or Latin-1 where it says so.
///
/// # Errors
/// Where it is neither: how many bytes were right, and in words.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, (String, String)> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_lowercase();
    let declared = head.split_once("?>").map_or("", |(head, _)| head);
    if declared.starts_with("<?xml") && declared.contains("iso-8859-1") {
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    String::from_utf8(bytes).map_err(|error| {
        let right = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..right]).into_owned();
        (before, "it is not in UTF-8, and does not say encoding=\"ISO-8859-1\": save it as UTF-8".to_owned())
    })
}
