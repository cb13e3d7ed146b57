//! Writes an `activemq.xml` as TOML.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kahawai_config::convert::{self, Converted};
use kahawai_config::report::Report;

use super::options::ConvertOptions;
use crate::configure;
use crate::exit::{Exit, Failure};
use crate::output;

/// Writes it; gives the report of what was read.
pub(super) fn run(options: &ConvertOptions) -> Result<Report, Failure> {
    let read = configure::accepted(&options.file, &options.definitions, &options.without)?;
    // Beside another file a name would mean another place.
    let locate = |name: &str| {
        std::path::absolute(name).map_or_else(|_| name.to_owned(), |path| path.display().to_string())
    };
    let made = convert::toml(&options.file.display().to_string(), &read, &locate);
    match &options.to {
        Some(to) => create(to, &made)?,
        None => output::write(&made.text)?,
    }
    let mut said = std::io::stderr().lock();
    // Where even standard error is gone, the file says it too.
    if made.is_secret {
        let _ = writeln!(said, "kahawai: a password stands in it in clear, as in the XML");
    }
    if made.lacks_password {
        let _ =
            writeln!(said, "kahawai: the password is not in it, as the XML does not have it: see [store]");
    }
    Ok(read.report)
}

/// A new file; one that is there is nobody's to write over.
fn create(to: &Path, made: &Converted) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(Exit::Other, format!("{}: {error}", to.display()));
    let mode = if made.is_secret { 0o600 } else { 0o666 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(to).map_err(wrong)?;
    file.write_all(made.text.as_bytes()).map_err(wrong)
}
