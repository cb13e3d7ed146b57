//! Setting a store aside: its file gets another name, and a new one takes its place.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kahawai_store::election::Hold;
use rusqlite::{Connection, OpenFlags};

use super::connection::{Options, claim, connect, make};
use super::error::{Error, OpenError, Result};
use super::schema;
use super::state::lost;
use super::value::unsigned;

/// Sets the store in a file aside while nobody has it open: the file is called `FILE.set-aside-1` then, or by the first number that is free, and an empty
/// store is in its place, of the hold's epoch. Tells what it is called now; nothing where there was no store, or an empty one.
///
/// To be called by the master. The old store is one file, whole, and becomes the store again when it is given back its name. After a crash either it is
/// where it was, or it is set aside and the next opening makes the empty one.
///
/// # Errors
/// As [`super::Sqlite::open`]; [`OpenError::Busy`] too where another process has the file open.
pub fn set_aside(
    path: &Path,
    hold: &Arc<dyn Hold>,
    options: Options,
) -> std::result::Result<Option<String>, OpenError> {
    try_set_aside(path, hold.as_ref(), options).map_err(|error| error.told_of(path))
}

fn try_set_aside(path: &Path, hold: &dyn Hold, options: Options) -> Result<Option<String>> {
    if !path.try_exists().map_err(|error| failed(path, &error))? {
        return Ok(None);
    }
    let epoch = hold.epoch();
    let connection = connect(path, OpenFlags::empty(), options)?;
    if schema::check(&connection, path)? == 0 {
        return Ok(None);
    }
    claim(&connection, epoch)?;
    if is_empty(&connection)? {
        return Ok(None);
    }
    // Writes the log back and does away with it, which the database allows only where nobody else has the file open: everything is in one file then.
    let mode: String = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode != "delete" {
        return Err(Error::failed(format!("the log could not be written back (its mode is {mode})")));
    }
    // From here to the renaming nobody can read the file: who becomes master meanwhile waits, or finds another file.
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    let found = connection.query_row("SELECT epoch FROM store", [], |row| unsigned(row, 0))?;
    if found != epoch.0 {
        return Err(lost(epoch, found));
    }
    for beside in ["-wal", "-journal"] {
        let beside = with(path, beside);
        if beside.try_exists().map_err(|error| failed(&beside, &error))? {
            return Err(Error::failed(format!("{} belongs to it and is still there", beside.display())));
        }
    }
    hold.prove()?;
    let aside = first_free(path)?;
    std::fs::rename(path, &aside).map_err(|error| failed(path, &error))?;
    sync_directory(path)?;
    connection.execute_batch("ROLLBACK")?;
    drop(connection);
    make(path, epoch, options)?;
    hold.prove()?;
    Ok(Some(aside.display().to_string()))
}

/// Whether nothing was ever kept in a store.
fn is_empty(connection: &Connection) -> Result<bool> {
    let sql = "SELECT arrival_next = 0 AND NOT EXISTS (SELECT 1 FROM destinations)
        AND NOT EXISTS (SELECT 1 FROM entries) AND NOT EXISTS (SELECT 1 FROM prepared) FROM store";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// The first name beside a file that nothing has.
fn first_free(path: &Path) -> Result<PathBuf> {
    for number in 1..u32::MAX {
        let name = with(path, &format!(".set-aside-{number}"));
        match name.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(name),
            Err(error) => return Err(failed(&name, &error)),
            Ok(_) => {}
        }
    }
    Err(Error::failed(format!("no name beside {} is free", path.display())))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(|error| failed(directory, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("{}: {error}", path.display()))
}
