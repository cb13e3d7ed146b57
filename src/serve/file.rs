//! The file that a broker is configured by.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use kahawai_config::{Configuration, Secret, toml_file};

use crate::exit::{Exit, Failure};

/// Reads it. What differs from what was written is said in the log.
pub(super) fn read(path: &Path) -> Result<Configuration, Failure> {
    let shown = path.display();
    let wrong = |problem: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{shown}: {problem}"));
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if !is_toml {
        return Err(wrong(&"is not known as a configuration by its name: it ends with .toml"));
    }
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(toml_file::BYTES_MAX as u64 + 1).read_to_end(&mut text));
    read.map_err(|error| wrong(&error))?;
    let text = String::from_utf8(text).map_err(|_| wrong(&"is no text in UTF-8"))?;
    // A file of secrets is named as seen from the configuration.
    let beside = path.parent().unwrap_or(Path::new("."));
    let found = toml_file::read(&text, &|name| secret(&beside.join(name)));
    let found = found.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("{shown}:{problem}")).collect();
        Failure::new(Exit::Usage, lines.join("\n"))
    })?;
    for (line, remark) in &found.remarks {
        tracing::warn!("{shown}:{line}: {}: {}", remark.what, remark.why);
    }
    Ok(found.configuration)
}

/// The first line of a file that holds a secret.
pub(super) fn secret(path: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    match text.lines().next() {
        Some(secret) if !secret.is_empty() => Ok(Secret(secret.to_owned())),
        _ => Err("it has no password on its first line".to_owned()),
    }
}
