//! The file that a broker is configured by.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use kahawai_config::remark::Severity;
use kahawai_config::{Configuration, Secret, toml_file, xml};

use crate::config;
use crate::exit::{Exit, Failure};

/// Reads it. What differs from what was written is said in the log.
pub(super) fn read(
    path: &Path,
    definitions: &[(String, String)],
    without: &[String],
) -> Result<Configuration, Failure> {
    let shown = path.display();
    let wrong = |problem: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{shown}: {problem}"));
    let ends_with = |ending| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    if ends_with("xml") {
        return read_xml(path, definitions, without);
    }
    if !ends_with("toml") {
        return Err(wrong(
            &"is not known as a configuration by its name: it ends with .toml, or .xml as ActiveMQ's",
        ));
    }
    if !definitions.is_empty() || !without.is_empty() {
        return Err(wrong(&"-D and --without are for ActiveMQ's files, which end with .xml"));
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

/// Reads ActiveMQ's own file. Nothing is begun that it would have to be refused for.
fn read_xml(
    path: &Path,
    definitions: &[(String, String)],
    without: &[String],
) -> Result<Configuration, Failure> {
    let refused = |lines: &str| Failure::new(Exit::Usage, lines);
    let (configuration, report) = xml::read(path, &config::sources(definitions, without))
        .map_err(|failure| refused(&failure.to_string()))?;
    let of = |least: Severity| report.findings().iter().filter(move |found| found.severity >= least);
    if report.is_refused() {
        let lines: Vec<String> = of(Severity::Refused).map(ToString::to_string).collect();
        let all = format!("kahawai config check {} tells all there is to say of it", path.display());
        return Err(refused(&format!("{}\n{all}", lines.join("\n"))));
    }
    for found in of(Severity::NotYet) {
        tracing::warn!("{found}");
    }
    Ok(configuration)
}

/// The first line of a file that holds a secret.
pub(super) fn secret(path: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    match text.lines().next() {
        Some(secret) if !secret.is_empty() => Ok(Secret(secret.to_owned())),
        _ => Err("it has no password on its first line".to_owned()),
    }
}
