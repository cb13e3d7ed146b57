//! `kahawai config`: says what becomes of a configuration file.

pub(crate) mod options;

use std::io::Write as _;
use std::process::ExitCode;

use kahawai_config::remark::Severity;
use kahawai_config::report::Report;
use kahawai_config::xml::{self, Disk, Sources};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::output;
use options::{CheckOptions, ConfigCommand, ConfigOptions};

/// Runs a command; gives the exit code.
pub(crate) fn run(options: &ConfigOptions) -> ExitCode {
    let ConfigCommand::Check(options) = &options.command;
    let report = check(options);
    match tell(&report, options.json) {
        Ok(()) => {}
        // Whoever read the output has enough; the code says the rest.
        Err(failure) if failure.exit == Exit::Silent => {}
        Err(failure) => {
            // Where even standard error is gone, the exit code must do.
            let _ = writeln!(std::io::stderr(), "kahawai: {failure}");
            return ExitCode::from(2);
        }
    }
    ExitCode::from(match report.worst() {
        None | Some(Severity::Harmless) => 0,
        Some(Severity::NotYet | Severity::Warning) => 1,
        Some(Severity::Refused) => 2,
    })
}

/// What an `activemq.xml` is read with: definitions, the environment, and the files of this machine.
pub(crate) fn sources(definitions: &[(String, String)], without: &[String]) -> Sources<'static> {
    Sources {
        definitions: definitions.iter().cloned().collect(),
        // A variable whose name or value is no Unicode cannot be meant by a placeholder.
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        without: without.iter().cloned().collect(),
        files: &Disk,
    }
}

fn check(options: &CheckOptions) -> Report {
    let sources = sources(&options.definitions, &options.without);
    xml::read(&options.file, &sources).map_or_else(Report::from, |(_, report)| report)
}

fn tell(report: &Report, in_json: bool) -> Result<(), Failure> {
    if !in_json {
        return output::write(&report.to_string());
    }
    let findings = report.findings().iter().map(|finding| {
        let place = &finding.place;
        json!({
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "severity": finding.severity.word(),
            "what": finding.what,
            "advice": finding.advice,
        })
    });
    output::json(&json!({
        "findings": findings.collect::<Vec<_>>(),
        "more": report.left_out(),
        "worst": report.worst().map(Severity::word),
    }))
}
