//! The Java programs of `tests/java`, which drive a broker with ActiveMQ's own client.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::process::Process;

/// Whether to leave out what needs Java. Only where the caller says so: without Java a test fails, it is not skipped.
pub fn is_skipped() -> bool {
    let skip = std::env::var("KAHAWAI_SKIP_JAVA").is_ok_and(|value| value == "1");
    if skip {
        super::tell("SKIPPED: KAHAWAI_SKIP_JAVA=1; nothing was tested with ActiveMQ's client");
    }
    skip
}

/// The class path of the programs, compiled where a source has changed.
fn class_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/build");
        let output = Command::new(&build).output().expect("tests/java/build can be run");
        assert!(
            output.status.success(),
            "the Java client is not there: run tests/fetch (or leave these tests out with KAHAWAI_SKIP_JAVA=1)\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("a path in UTF-8").trim().to_owned()
    })
}

/// Starts a program.
pub fn start(program: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("java");
    // The judge holds every message of a run.
    let heap = if program == "Verify" { "-Xmx2g" } else { "-Xmx256m" };
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", heap, "-cp", class_path(), program]);
    Process::start(program, command.args(arguments))
}

/// Runs a program that must succeed, and gives what it said.
pub fn run(program: &str, arguments: &[&str]) -> Vec<String> {
    let mut process = start(program, arguments);
    let status = process.wait_end();
    let said = process.said_since(0);
    assert!(status.success(), "{program} {arguments:?} ended with {status}:\n{}", said.join("\n"));
    said
}
