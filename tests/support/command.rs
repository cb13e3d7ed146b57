//! The command, run to its end.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use super::broker::Broker;
use super::{PATIENCE, directory};

/// What a run of the command gave.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    /// It succeeded: what it wrote to standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The same, as lines of JSON.
    #[track_caller]
    pub fn json(self) -> Vec<serde_json::Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

/// Runs the command to its end.
#[track_caller]
pub fn kahawai(arguments: &[&str]) -> Done {
    kahawai_with(arguments, "")
}

/// The same, with this on its standard input.
#[track_caller]
pub fn kahawai_with(arguments: &[&str], input: &str) -> Done {
    // Files rather than pipes: nobody must wait for us to read.
    let folder = directory();
    let path = |name: &str| folder.path().join(name);
    File::create(path("in")).and_then(|mut file| file.write_all(input.as_bytes())).expect("its input");
    let mut child = Broker::command()
        .args(arguments)
        .stdin(File::open(path("in")).expect("its input"))
        .stdout(Stdio::from(File::create(path("out")).expect("its output")))
        .stderr(Stdio::from(File::create(path("err")).expect("its errors")))
        .spawn()
        .expect("the command starts");
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().expect("its status") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                let err = fs::read_to_string(path("err")).unwrap_or_default();
                panic!("kahawai {arguments:?} did not end: {err}");
            }
            None => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    };
    let read = |name| String::from_utf8_lossy(&fs::read(path(name)).expect("what it wrote")).into_owned();
    Done { code: status.code(), out: read("out"), err: read("err") }
}
