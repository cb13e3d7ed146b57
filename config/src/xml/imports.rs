//! A file and what it imports: which files are read, and which are not.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use super::document::{Document, Element, Failure, LENGTH_MAX};
use super::sources::{self, Sources};
use crate::placeholder::Definitions;
use crate::remark::Severity;
use crate::report::{Finding, Place};

/// A file's text.
pub(crate) struct Loaded {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// The most files.
const FILES_MAX: usize = 32;
/// How long all of them may be together, in bytes.
const TOGETHER_MAX: usize = 2 * LENGTH_MAX;

/// What an `<import>` names.
enum Resource {
    File(PathBuf),
    Said(Severity, String),
}

/// Reads a file, and each that is imported, once; what is to be said of imports is added to the findings.
///
/// # Errors
/// Where one of them is no XML, or beyond what is read.
pub(crate) fn load(
    path: &Path,
    sources: &Sources<'_>,
    definitions: &Definitions,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Loaded>, Failure> {
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut together = 0;
    let mut waiting = VecDeque::from([(path.to_owned(), None::<Place>)]);
    while let Some((path, from)) = waiting.pop_front() {
        let file = path.display().to_string();
        if loaded.iter().any(|other| plain(Path::new(&other.file)) == plain(&path)) {
            continue;
        }
        let bytes = match (sources.files.read(&path), from) {
            (Ok(bytes), _) => bytes,
            (Err(problem), Some(place)) => {
                // By the working directory or beside another file: it is not seen in what is written there.
                findings.push(of_import(place, Severity::Refused, format!("{file}: {problem}")));
                continue;
            }
            (Err(problem), None) => {
                return Err(Failure { place: Place { file, line: 1, column: 1 }, problem });
            }
        };
        let text = sources::text(bytes)
            .map_err(|(before, problem)| Failure { place: end(&file, &before), problem })?;
        let document = Document::parse(&file, &text)?;
        together += text.len();
        if together > TOGETHER_MAX || loaded.len() >= FILES_MAX {
            let most = TOGETHER_MAX >> 20;
            let problem = format!(
                "there are more than {FILES_MAX} files that import each other, or they are longer than {most} MiB"
            );
            return Err(Failure { place: Place { file, line: 1, column: 1 }, problem });
        }
        let mut imports = Vec::new();
        imports_of(document.root(), &mut imports);
        for import in imports {
            match resource(import, &path, definitions) {
                Resource::File(found) => waiting.push_back((found, Some(import.place()))),
                Resource::Said(severity, advice) => {
                    findings.push(of_import(import.place(), severity, advice))
                }
            }
        }
        drop(document);
        loaded.push(Loaded { file, text });
    }
    Ok(loaded)
}

/// `a/./b` is `a/b`, so that a file is read once.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn of_import(place: Place, severity: Severity, advice: String) -> Finding {
    Finding { place, severity, what: "<import>".to_owned(), advice }
}

/// Where a text ends.
fn end(file: &str, text: &str) -> Place {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let line = number(text.matches('\n').count() + 1);
    let column = number(text.rsplit('\n').next().map_or(1, |rest| rest.chars().count() + 1));
    Place { file: file.to_owned(), line, column }
}

fn imports_of<'a>(beans: Element<'a>, found: &mut Vec<Element<'a>>) {
    for child in beans.children().filter(|child| child.is_beans()) {
        match child.name() {
            "import" => found.push(child),
            // As far down as elements may lie.
            "beans" if child.attribute("profile").is_none() => imports_of(child, found),
            _ => {}
        }
    }
}

fn resource(import: Element<'_>, from: &Path, definitions: &Definitions) -> Resource {
    let Some(name) = import.attribute("resource") else {
        return Resource::Said(Severity::Refused, "it needs resource=\"FILE\"".to_owned());
    };
    let name = match definitions.resolve(name) {
        Ok(name) => name,
        Err(problem) => return Resource::Said(Severity::Refused, problem),
    };
    let base = name.rsplit(['/', ':']).next().unwrap_or(&name).to_ascii_lowercase();
    if base.starts_with("jetty") {
        return Resource::Said(
            Severity::Harmless,
            "there is no web server: kahawai stats and browse show what its console would".to_owned(),
        );
    }
    if base.contains("camel") {
        let advice = "CAMEL ROUTES ARE NOT RUN: what they move, change or answer stays where it is; run them in a Camel of their own that connects here";
        return Resource::Said(Severity::Warning, advice.to_owned());
    }
    match file_of(&name, from, definitions) {
        Ok(path) => Resource::File(path),
        Err(advice) => Resource::Said(Severity::Refused, advice),
    }
}

/// The file that Spring means: beside the file that names it, or with `file:` by the working directory; what is on the class path is
/// beside the configuration.
pub(crate) fn file_of(name: &str, from: &Path, definitions: &Definitions) -> Result<PathBuf, String> {
    if name.contains('*') {
        return Err("a pattern of files is not read: name each".to_owned());
    }
    if let Some(rest) = name.strip_prefix("file:") {
        return crate::value::directory(rest.strip_prefix("//").unwrap_or(rest))
            .map_err(|_| "needs a file of this system".to_owned());
    }
    if let Some(rest) = name.strip_prefix("classpath:") {
        let conf = definitions.resolve("${activemq.conf}")?;
        return Ok(Path::new(&conf).join(rest.trim_start_matches('/')));
    }
    if name.is_empty() || name.contains(':') || name.contains('\0') {
        return Err(
            "only files are read, never an address: copy it beside this file, and name that".to_owned()
        );
    }
    Ok(from.parent().unwrap_or(Path::new("")).join(name))
}
