//! The file that a broker is configured by.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use kahawai_config::remark::Severity;
use kahawai_config::secret::Reference;
use kahawai_config::xml::{self, Disk, Sources};
use kahawai_config::{Effective, Origin, Secret, properties, toml_file};

use crate::exit::{Exit, Failure};

/// Reads it. What differs from what was written is said in the log.
pub(super) fn read(
    path: &Path,
    definitions: &[(String, String)],
    without: &[String],
) -> Result<Effective, Failure> {
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
    let text = text(path).map_err(|problem| wrong(&problem))?;
    let found = toml_file::read(&text, &|reference| referred(path, reference));
    let found = found.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("{shown}:{problem}")).collect();
        Failure::new(Exit::Usage, lines.join("\n"))
    })?;
    for (line, remark) in &found.remarks {
        tracing::warn!("{shown}:{line}: {}: {}", remark.what, remark.why);
    }
    let origin = |line| Origin::File { file: shown.to_string(), line };
    let number = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
    let said = found.said.into_iter().map(|(key, line)| (key, origin(number(line))));
    Ok(Effective { configuration: found.configuration, origins: said.collect(), passed_over: None })
}

/// Reads ActiveMQ's own file. What is not done as it says is told in the log.
fn read_xml(path: &Path, definitions: &[(String, String)], without: &[String]) -> Result<Effective, Failure> {
    let read = accepted(path, definitions, without)?;
    for found in read.report.findings().iter().filter(|found| found.severity >= Severity::NotYet) {
        tracing::warn!("{found}");
    }
    let said = read.said.into_iter();
    let origins = said.map(|(key, place)| (key, Origin::File { file: place.file, line: place.line }));
    Ok(Effective { configuration: read.configuration, origins: origins.collect(), passed_over: None })
}

/// Reads ActiveMQ's own file. Nothing is begun that it would have to be refused for.
pub(crate) fn accepted(
    path: &Path,
    definitions: &[(String, String)],
    without: &[String],
) -> Result<xml::Read, Failure> {
    let refused = |lines: &str| Failure::new(Exit::Usage, lines);
    let read =
        xml::read(path, &sources(definitions, without)).map_err(|failure| refused(&failure.to_string()))?;
    if !read.report.is_refused() {
        return Ok(read);
    }
    let findings = read.report.findings().iter().filter(|found| found.severity == Severity::Refused);
    let lines: Vec<String> = findings.map(ToString::to_string).collect();
    let all = format!("kahawai config check {} tells all there is to say of it", path.display());
    Err(refused(&format!("{}\n{all}", lines.join("\n"))))
}

/// The text of a TOML file.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(toml_file::BYTES_MAX as u64 + 1).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    String::from_utf8(text).map_err(|_| "is no text in UTF-8".to_owned())
}

/// What an `activemq.xml` is read with: definitions, the environment, and the files of this machine.
pub(crate) fn sources(definitions: &[(String, String)], without: &[String]) -> Sources<'static> {
    Sources {
        definitions: definitions.iter().cloned().collect(),
        environment: variables(),
        without: without.iter().cloned().collect(),
        files: &Disk,
    }
}

/// The environment. A variable whose name or value is no Unicode cannot be meant by a placeholder, or for a setting.
pub(super) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A password, where this file of settings says that it is: another file is named as seen from it.
pub(crate) fn referred(settings: &Path, reference: &Reference) -> Result<Secret, String> {
    let beside = settings.parent().unwrap_or(Path::new("."));
    match reference {
        Reference::File(name) => {
            let path = beside.join(name);
            secret(&path).map_err(|problem| format!("{}: {problem}", path.display()))
        }
        Reference::Property { file, name } => {
            let path = beside.join(file);
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let found = properties::parse(&bytes).remove(name).filter(|secret| !secret.is_empty());
            found.map(Secret).ok_or_else(|| format!("{} has no property {name}", path.display()))
        }
        Reference::Variable(name) => match std::env::var(name) {
            Ok(secret) if !secret.is_empty() => Ok(Secret(secret)),
            _ => Err(format!("names {name}, which is not in the environment")),
        },
    }
}

/// The first line of a file that holds a secret.
pub(super) fn secret(path: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    match text.lines().next() {
        Some(secret) if !secret.is_empty() => Ok(Secret(secret.to_owned())),
        _ => Err("it has no password on its first line".to_owned()),
    }
}
