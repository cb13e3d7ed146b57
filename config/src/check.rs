//! What there is to say of a file before a broker is started with it: what became of each thing in it, and what is dangerous about them together.

use std::collections::BTreeMap;
use std::path::Path;

use crate::danger;
use crate::model::Configuration;
use crate::remark::Severity;
use crate::report::{Finding, Place, Report};
use crate::toml_file::{self, Secrets};
use crate::xml::{self, Failure, Sources};

/// Of an `activemq.xml`.
pub fn of_xml(path: &Path, sources: &Sources<'_>) -> Report {
    match xml::read(path, sources) {
        Ok(read) => with_dangers(read.report, &path.display().to_string(), &read.configuration, &read.said),
        Err(failure) => failure.into(),
    }
}

/// Of a TOML file with this text.
pub fn of_toml(file: &str, text: &str, secrets: &Secrets<'_>) -> Report {
    let place = |line: usize, column: usize| {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place { file: file.to_owned(), line: number(line), column: number(column) }
    };
    let mut report = Report::default();
    let read = match toml_file::read(text, secrets) {
        Ok(read) => read,
        Err(problems) => {
            for problem in problems {
                let place = place(problem.line, problem.column);
                let advice = one_line(problem.text);
                report.add(Finding {
                    place,
                    severity: Severity::Refused,
                    what: "the file".to_owned(),
                    advice,
                });
            }
            return report;
        }
    };
    for (line, remark) in read.remarks {
        let (severity, advice) = (remark.severity, one_line(remark.why));
        report.add(Finding { place: place(line, 1), severity, what: remark.what, advice });
    }
    let said = read.said.into_iter().map(|(key, line)| (key, place(line, 1))).collect();
    with_dangers(report, file, &read.configuration, &said)
}

/// Of a file that cannot be read.
pub fn unreadable(file: &str, problem: String) -> Report {
    Failure { place: Place { file: file.to_owned(), line: 1, column: 1 }, problem: one_line(problem) }.into()
}

fn one_line(text: String) -> String {
    text.replace(['\n', '\r'], " ")
}

fn with_dangers(
    mut report: Report,
    file: &str,
    configuration: &Configuration,
    said: &BTreeMap<String, Place>,
) -> Report {
    for found in danger::find(configuration) {
        let begins = said.range(found.key.clone()..).take_while(|(key, _)| key.starts_with(&found.key));
        let place = said.get(&found.key).or_else(|| begins.map(|(_, place)| place).min()).cloned();
        // What nobody said is a default, or is of the file as a whole.
        let place = place.unwrap_or_else(|| Place { file: file.to_owned(), line: 1, column: 1 });
        report.add(Finding { place, severity: Severity::Warning, what: found.what, advice: found.advice });
    }
    report.sort();
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let none = |_: &crate::secret::Reference| Err("cannot be read".to_owned());
        of_toml("a.toml", text, &none).to_string()
    }

    #[test]
    fn what_is_wrong_and_what_is_dangerous_stands_at_its_line() {
        assert_eq!(of(""), "");
        assert!(
            of("\nbrokername = 1").starts_with("a.toml:2:1: refused: the file: there is no setting"),
            "{}",
            of("\nbrokername = 1")
        );
        let text = "\n[[policy]]\nqueue = \"A\"\n[[policy]]\nqueue = \"B*\"\n\nmaxPageSize = 5\n[store]\njournalDiskSyncStrategy = \"never\"";
        let found = of(text);
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines.len(), 2, "{found}");
        assert!(lines[0].starts_with("a.toml:4:1: warning: the policy of queue://B*: "), "{found}");
        assert!(lines[1].starts_with("a.toml:9:1: warning: journalDiskSyncStrategy = never: "), "{found}");
    }
}
