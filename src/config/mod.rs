//! `kahawai config`: says what becomes of a configuration file, and what a broker would be told.
//!
//! | module | what it does |
//! |---|---|
//! | [`options`] | the command line |
//! | [`convert`] | writes an `activemq.xml` as TOML |
//! | [`show`] | prints an effective configuration |

mod convert;
pub(crate) mod options;
mod show;

use std::io::Write as _;
use std::process::ExitCode;

use kahawai_config::check;
use kahawai_config::remark::Severity;
use kahawai_config::report::Report;
use serde_json::json;

use crate::configure;
use crate::exit::{Exit, Failure};
use crate::output;
use options::{CheckOptions, ConfigCommand, ConfigOptions};

/// Runs a command; gives the exit code.
pub(crate) fn run(options: ConfigOptions) -> ExitCode {
    let done = match options.command {
        ConfigCommand::Check(options) => {
            let report = look(&options);
            tell(&report, options.json).map(|()| code(&report)).or_else(|failure| match failure.exit {
                // Whoever read the output has enough; the code says the rest.
                Exit::Silent => Ok(code(&report)),
                _ => Err(failure),
            })
        }
        ConfigCommand::Convert(options) => convert::run(&options).map(|report| code(&report)),
        ConfigCommand::Show(options) => show::run(*options).map(|()| 0),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.exit == Exit::Silent => ExitCode::SUCCESS,
        Err(failure) => {
            // Where even standard error is gone, the exit code must do.
            let _ = writeln!(std::io::stderr(), "kahawai: {failure}");
            ExitCode::from(2)
        }
    }
}

fn code(report: &Report) -> u8 {
    match report.worst() {
        None | Some(Severity::Harmless) => 0,
        Some(Severity::NotYet | Severity::Warning) => 1,
        Some(Severity::Refused) => 2,
    }
}

fn look(options: &CheckOptions) -> Report {
    let file = &options.file;
    if !file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        return check::of_xml(file, &configure::sources(&options.definitions, &options.without));
    }
    let shown = file.display().to_string();
    if !options.definitions.is_empty() || !options.without.is_empty() {
        let problem = "-D and --without are for ActiveMQ's files, which end with .xml";
        return check::unreadable(&shown, problem.to_owned());
    }
    match configure::text(file) {
        Ok(text) => check::of_toml(&shown, &text, &|reference| configure::referred(file, reference)),
        Err(problem) => check::unreadable(&shown, problem),
    }
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
