//! What became of each thing that a file says: the findings that a person reads before a broker is started from it.

use std::fmt;

use crate::remark::Severity;

/// Where something stands: lines and columns are counted from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What became of one element or attribute. It holds names only, never a value: that may be a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub place: Place,
    /// How much it matters.
    pub severity: Severity,
    /// The element or attribute, by name.
    pub what: String,
    /// Why, and what to write instead. One line.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}: {}", self.place, self.severity, self.what, self.advice)
    }
}

/// All findings. At most [`Report::MOST`] are kept; more are counted, and the worst of all is known.
#[derive(Clone, Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
    left_out: usize,
    worst: Option<Severity>,
}

impl Report {
    /// How many findings are kept: more than a person reads.
    pub const MOST: usize = 10_000;

    pub(crate) fn add(&mut self, finding: Finding) {
        debug_assert!(!finding.advice.contains('\n'), "one line: {}", finding.advice);
        self.worst = self.worst.max(Some(finding.severity));
        if self.findings.len() < Self::MOST {
            self.findings.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    /// Puts them in the order of the files' lines; files are in the order in which they were first named.
    pub(crate) fn sort(&mut self) {
        let mut files: Vec<String> = Vec::new();
        for finding in &self.findings {
            if !files.contains(&finding.place.file) {
                files.push(finding.place.file.clone());
            }
        }
        self.findings.sort_by_key(|finding| {
            let place = &finding.place;
            (files.iter().position(|file| *file == place.file), place.line, place.column)
        });
    }

    /// The findings, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many more there were.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The one that matters most, also of those left out.
    pub fn worst(&self) -> Option<Severity> {
        self.worst
    }

    /// Whether a broker must not be started with it.
    pub fn is_refused(&self) -> bool {
        self.worst == Some(Severity::Refused)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(formatter, "{finding}")?;
        }
        if self.left_out > 0 {
            writeln!(formatter, "and {} more findings", self.left_out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str, line: u32, severity: Severity) -> Finding {
        let place = Place { file: file.into(), line, column: 5 };
        Finding { place, severity, what: "<x>".into(), advice: "no".into() }
    }

    #[test]
    fn findings_stand_in_the_order_of_the_file_one_a_line() {
        let mut report = Report::default();
        assert_eq!(report.worst(), None);
        report.add(finding("b.xml", 12, Severity::Refused));
        report.add(finding("a.xml", 1, Severity::Warning));
        report.add(finding("b.xml", 2, Severity::NotYet));
        report.sort();
        let expected =
            "b.xml:2:5: not yet: <x>: no\nb.xml:12:5: refused: <x>: no\na.xml:1:5: warning: <x>: no\n";
        assert_eq!(report.to_string(), expected);
        assert!(report.is_refused());
    }

    #[test]
    fn what_is_left_out_is_counted_and_still_matters() {
        let mut report = Report::default();
        for _ in 0..Report::MOST {
            report.add(finding("a.xml", 1, Severity::Harmless));
        }
        report.add(finding("a.xml", 1, Severity::Refused));
        assert_eq!((report.findings().len(), report.left_out()), (Report::MOST, 1));
        assert!(report.is_refused() && report.to_string().ends_with("and 1 more findings\n"));
    }
}
